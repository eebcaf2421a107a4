#include "server/engine/audit_check.hpp"

#include <vector>

#include "base/json.hpp"
#include "server/engine/rejudge.hpp"
#include "store/audit.hpp"
#include "store/contents.hpp"
#include "store/scans.hpp"
#include "store/verdicts.hpp"

namespace belay::server {
namespace {
using store::Sql;
using store::verdicts::Verdict;

constexpr std::uint32_t kEntriesAtOnce = 1'000;

// What is wrong, as a sentence; "" for nothing.
using Wrong = Result<std::string>;

std::string text_of(const json::Value& object, std::string_view member) { return json::text_or_empty(object, member); }

std::string named(std::int64_t sequence) { return "the verdict " + std::to_string(sequence); }

// The evidence as kept: its hash is checked by the store.
Wrong wrong_in_evidence(Sql& sql, const Verdict& verdict) {
  const auto text = store::contents::get(sql, store::contents::Kind::evidence, verdict.evidence_hash);
  if (!text.ok()) return named(verdict.sequence) + " has no evidence any more: " + text.error().message();
  const auto evidence = json::parse(*text);
  if (!evidence.ok()) return named(verdict.sequence) + " has evidence that cannot be read";
  const auto* counts = json::find(*evidence, "counts");
  const auto counters = json::parse(verdict.counters);
  const bool says_it = text_of(*evidence, "node_id") == verdict.node_id &&
                       text_of(*evidence, "baseline_id") == verdict.baseline_id &&
                       text_of(*evidence, "scan_id") == verdict.scan_id &&
                       text_of(*evidence, "compliance") == json::encode(verdict.compliance).as_string().c_str() &&
                       counts && counters.ok() && *counts == *counters;
  if (!says_it) return named(verdict.sequence) + " says something else than its evidence";
  if (verdict.scan_id.empty()) return std::string();
  const auto scan = store::scans::get(sql, verdict.scan_id);
  if (!scan.ok() && scan.error().code() != Code::not_found) return scan.error();
  const auto* observed = json::find(*evidence, "observed_at");
  const bool is_it = scan.ok() && scan->node_id == verdict.node_id && observed &&
                     json::encode(scan->observed_at) == *observed &&
                     scan->package_set_hash == text_of(*evidence, "package_set") &&
                     scan->offer_set_hash == text_of(*evidence, "offer_set");
  return is_it ? std::string() : "the scan " + verdict.scan_id + " is not what the evidence of it says";
}

class EntryCheck {
 public:
  EntryCheck(Sql& sql, const store::audit::Entry& entry, bool evidence)
      : sql_(sql), entry_(entry), evidence_(evidence) {}

  // Of an entry that tells no verdict: nothing is wrong.
  Wrong wrong() {
    const bool many = entry_.action == kFleetEntry;
    if (!many && entry_.action != kVerdictEntry) return std::string();
    const auto detail = json::parse(entry_.detail);
    if (!detail.ok()) return std::string("its detail cannot be read");
    return many ? wrong_of_many(*detail) : wrong_of_one(*detail);
  }
  std::int64_t verdicts = 0;

 private:
  // nullopt with `why` filled in where it is not there.
  Result<std::optional<Verdict>> verdict(std::int64_t sequence, std::string& why) {
    ++verdicts;
    auto found = store::verdicts::get(sql_, sequence);
    if (found.ok()) return std::optional(std::move(found).value());
    if (found.error().code() != Code::not_found) return found.error();
    why = named(sequence) + " is gone";
    return std::optional<Verdict>();
  }

  Wrong wrong_of_one(const json::Value& detail) {
    const auto* sequence = json::find(detail, "verdict");
    if (!sequence || !sequence->is_number()) return std::string("it names no verdict");
    std::string why;
    BELAY_TRY_ASSIGN(const auto found, verdict(sequence->to_number<std::int64_t>(), why));
    if (!found) return why;
    const bool same = found->node_id == entry_.resource && found->judged_at == entry_.at &&
                      found->baseline_id == text_of(detail, "baseline") &&
                      found->evidence_hash == text_of(detail, "evidence") &&
                      json::encode(found->compliance).as_string().c_str() == text_of(detail, "compliance");
    if (!same) return named(found->sequence) + " is not the one that was told";
    return evidence_ ? wrong_in_evidence(sql_, *found) : Wrong(std::string());
  }

  Wrong wrong_of_many(const json::Value& detail) {
    const auto numbers = parse_ranges(text_of(detail, "verdicts"), kRejudgedAtOnce);
    if (!numbers.ok()) return numbers.error().message();
    std::vector<Verdict> all;
    std::string why;
    for (const auto number : *numbers) {
      BELAY_TRY_ASSIGN(auto found, verdict(number, why));
      if (!found) return why;
      all.push_back(std::move(*found));
    }
    if (sql_.seams().sha256_hex(digest_text(all)) != text_of(detail, "digest"))
      return "the verdicts " + text_of(detail, "verdicts") + " are not those that were told";
    if (evidence_)
      for (const auto& one : all) {
        BELAY_TRY_ASSIGN(auto wrong, wrong_in_evidence(sql_, one));
        if (!wrong.empty()) return wrong;
      }
    return std::string();
  }

  Sql& sql_;
  const store::audit::Entry& entry_;
  const bool evidence_;
};

}  // namespace

Result<VerdictCheck> check_verdicts(Sql& sql, const VerdictQuestion& question) {
  VerdictCheck check;
  store::audit::Filter filter;
  filter.oldest_first = true;
  BELAY_TRY_ASSIGN(const auto entries, store::audit::list(sql, filter, {kEntriesAtOnce, question.after}));
  for (const auto& entry : entries.items) {
    if (entry.sequence < question.from) continue;
    if (question.to != 0 && entry.sequence > question.to) return check;
    EntryCheck one(sql, entry, question.evidence);
    BELAY_TRY_ASSIGN(auto wrong, one.wrong());
    check.verdicts += one.verdicts;
    if (wrong.empty()) continue;
    check.broken_at = entry.sequence;
    check.why = std::move(wrong);
    return check;
  }
  check.next = entries.next;
  return check;
}

}  // namespace belay::server
