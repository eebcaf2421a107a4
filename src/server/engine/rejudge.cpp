#include "server/engine/rejudge.hpp"

#include <algorithm>
#include <charconv>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/evidence.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {
using store::Sql;
using store::verdicts::Compliance;
using store::verdicts::Verdict;

constexpr std::string_view kFleetId = "fleet";

// What is kept with the execution.
struct Walk {
  std::string after;  // the last node looked at
  bool walking = true;
  bool again = false;  // something changed on the way: once more from the start, after the end
  std::optional<Instant> next_at;
};
BOOST_DESCRIBE_STRUCT(Walk, (), (after, walking, again, next_at))

// Its newest scan is being taken in: the verdict on it comes with its sets.
bool is_arriving(const JudgedCounts& counts, const Verdict& said) {
  return counts.scan_id != said.scan_id && counts.reasons.size() == 1 &&
         counts.reasons.front().reason == fleet::Reason::metadata_missing;
}

bool says_the_same(const JudgedCounts& counts, const Verdict& said) {
  return counts.compliance == said.compliance && counts.scan_id == said.scan_id &&
         counts.choice.baseline_id == said.baseline_id && counts.baseline_generation == said.baseline_generation &&
         counts.choice.patch_group == said.patch_group &&
         boost::describe::enum_to_string(counts.severity, "") == said.severity &&
         json::encode_text(counts.counts) == said.counters;
}

VerdictContext context_of(const Verdict& said) {
  VerdictContext context;
  context.operation = said.operation;
  context.started_at = said.operation_started_at;
  context.ended_at = said.operation_ended_at;
  context.snapshot_id = said.snapshot_id;
  context.command_id = said.command_id;
  context.run_id = said.run_id;
  return context;
}

class RejudgeKind : public ExecutionKind {
 public:
  explicit RejudgeKind(Judge& judge) : judge_(judge) {}
  std::string_view name() const override { return kRejudgeKind; }

  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    BELAY_TRY_ASSIGN(auto walk, json::decode_text<Walk>(execution.state));
    // Not at once from the start, or changes that come all the time would keep it from ever reaching the end.
    if (!events.empty() && walk.walking) walk.again = !walk.after.empty();
    else if (!events.empty() || (!walk.walking && walk.next_at && *walk.next_at <= now)) walk = {};
    if (walk.walking) {
      BELAY_TRY_ASSIGN(const auto page, store::nodes::list_ids(sql, {}, {kRejudgedAtOnce, walk.after}));
      BELAY_TRY(look(sql, page.items, now));
      walk.after = page.next;
      walk.walking = !page.next.empty();
      if (!walk.walking && walk.again) walk = {};
      if (!walk.walking) walk.next_at = now + kRejudgeEvery;
    }
    return Advance{json::encode_text(walk), walk.walking ? now : walk.next_at.value_or(now), false};
  }

 private:
  Status look(Sql& sql, const std::vector<std::string>& node_ids, Instant now) {
    // Read beside this transaction: what the walk was told of is committed, and what is kept is judged again in it.
    BELAY_TRY_ASSIGN(const auto judged, judge_.counts(node_ids));
    BELAY_TRY_ASSIGN(const auto newest, store::verdicts::newest_of(sql, node_ids));
    std::map<std::string_view, const Verdict*> said;
    for (const auto& verdict : newest) said.emplace(verdict.node_id, &verdict);
    std::vector<Verdict> kept;
    for (const auto& counts : judged) {
      const auto at = said.find(counts.node_id);
      if (at == said.end() || is_arriving(counts, *at->second) || says_the_same(counts, *at->second)) continue;
      JudgeQuestion question;
      question.node_id = counts.node_id;
      BELAY_TRY_ASSIGN(const auto judgement, judge_.judge(sql, question));
      BELAY_TRY_ASSIGN(auto added, keep_verdict(sql, judgement, context_of(*at->second)));
      Verdict verdict;
      verdict.sequence = added.sequence;
      verdict.node_id = counts.node_id;
      verdict.judged_at = judgement.judged_at;
      verdict.compliance = judgement.compliance;
      verdict.evidence_hash = std::move(added.evidence_hash);
      kept.push_back(std::move(verdict));
    }
    return kept.empty() ? Status() : tell(sql, kept, now);
  }

  static Status tell(Sql& sql, const std::vector<Verdict>& kept, Instant now) {
    std::vector<std::int64_t> sequences;
    for (const auto& verdict : kept) sequences.push_back(verdict.sequence);
    const auto count = [&](Compliance compliance) {
      return std::ranges::count(kept, compliance, &Verdict::compliance);
    };
    return note_in_audit(sql, now, "belayd", kFleetEntry, kFleetId,
                         {{"compliant", count(Compliance::compliant)},
                          {"non_compliant", count(Compliance::non_compliant)},
                          {"unknown", count(Compliance::unknown)},
                          {"verdicts", to_ranges(sequences)},
                          {"digest", io::sha256_hex(digest_text(kept))}});
  }

  Judge& judge_;
};

Result<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1)
    return Error(Code::invalid_argument, "'" + sanitize(text, 40) + "' is no number of a verdict");
  return number;
}

}  // namespace

std::unique_ptr<ExecutionKind> make_rejudge_kind(Judge& judge) { return std::make_unique<RejudgeKind>(judge); }

Status ensure_rejudge(Sql& sql, Instant now) {
  const auto there = store::executions::get(sql, kRejudgeKind, kFleetId);
  if (there.ok()) return {};
  if (there.error().code() != Code::not_found) return there.error();
  store::executions::Execution execution;
  execution.execution_id = kFleetId;
  execution.kind = kRejudgeKind;
  execution.wake_at = execution.created_at = execution.updated_at = now;
  return store::executions::create(sql, execution);
}

Status tell_rejudge(Sql& sql, Instant now) {
  const Status told = store::executions::post(sql, kRejudgeKind, kFleetId, {0, "", "{}", now});
  return !told.ok() && told.error().code() == Code::not_found ? Status() : told;
}

std::string digest_text(const std::vector<Verdict>& verdicts) {
  std::string text;
  for (const auto& verdict : verdicts)
    text += std::to_string(verdict.sequence) + " " + verdict.node_id + " " +
            std::to_string(to_unix_ms(verdict.judged_at)) + " " +
            boost::describe::enum_to_string(verdict.compliance, "?") + " " + verdict.evidence_hash + "\n";
  return text;
}

std::string to_ranges(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (std::size_t first = 0, last = 0; first < numbers.size(); first = last + 1) {
    for (last = first; last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1;) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[first]);
    if (last > first) text += "-" + std::to_string(numbers[last]);
  }
  return text;
}

Result<std::vector<std::int64_t>> parse_ranges(std::string_view text, std::size_t count_max) {
  std::vector<std::int64_t> numbers;
  for (const auto part : split(text, ',')) {
    const auto dash = part.find('-');
    BELAY_TRY_ASSIGN(const auto first, number_of(part.substr(0, dash)));
    auto last = first;
    if (dash != std::string_view::npos) {
      BELAY_TRY_ASSIGN(last, number_of(part.substr(dash + 1)));
    }
    if (last < first || static_cast<std::size_t>(last - first) >= count_max - std::min(count_max, numbers.size()))
      return Error(Code::invalid_argument, "'" + sanitize(part, 60) + "' is no range of verdicts");
    for (auto number = first; number <= last; ++number) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace belay::server
