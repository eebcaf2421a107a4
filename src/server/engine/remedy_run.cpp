#include "server/engine/remedy_run.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/notices.hpp"
#include "server/engine/remedy_kind.hpp"
#include "store/windows.hpp"

namespace belay::server {
namespace {

using store::verdicts::Compliance;

constexpr std::uint32_t kNodesAtOnce = 200;
constexpr std::size_t kReasonsMax = 5;
constexpr std::size_t kNodesTold = 20;  // in the words of a notice; its document has all

// What is kept with the execution.
struct SweepState {
  std::string after;  // the last node looked at; "" between two sweeps
  bool sweeping = true;
  std::optional<Instant> next_at;
};
BOOST_DESCRIBE_STRUCT(SweepState, (), (after, sweeping, next_at))

remedy::Standing standing_of(Compliance compliance) {
  switch (compliance) {
    case Compliance::compliant: return remedy::Standing::compliant;
    case Compliance::non_compliant: return remedy::Standing::non_compliant;
    case Compliance::unknown: return remedy::Standing::unknown;
  }
  return remedy::Standing::unknown;
}

remedy::Observation observation_of(const ComplianceStanding& standing) {
  remedy::Observation seen{standing_of(standing.compliance), {}, standing.since};
  boost::describe::enum_from_string(standing.severity.c_str(), seen.severity);
  return seen;
}

void add_reasons(const ComplianceStanding& standing, json::Array& reasons) {
  for (const auto& problem : standing.reasons)
    if (reasons.size() < kReasonsMax) reasons.push_back(json::Value(standing.type + ": " + problem.detail));
  if (standing.reasons.empty() && standing.compliance == Compliance::non_compliant)
    reasons.push_back(json::Value(standing.type + ": non-compliant, severity " + standing.severity +
                                  (standing.evidence_sha256.empty() ? "" : ", evidence " + standing.evidence_sha256)));
}

std::string word(auto value) { return boost::describe::enum_to_string(value, ""); }

}  // namespace

SendCommandRequest remedy_command(const remedy::Policy& policy, std::vector<std::string> node_ids) {
  SendCommandRequest request;
  request.document_name = policy.document_name;
  request.parameters = policy.parameters;
  request.comment = "remedy policy " + policy.name;
  request.max_concurrency = policy.max_concurrency;
  request.max_errors = policy.max_errors;
  request.requested_by = "remedy:" + policy.name;
  request.node_ids = std::move(node_ids);
  return request;
}

std::vector<Target> remedy_targets(const remedy::Policy& policy) {
  std::vector<Target> targets;
  for (const auto& target : policy.targets) targets.push_back({target.key, target.values});
  return targets;
}

Result<ExecutionKind::Advance> RemedyRun::advance(const store::executions::Execution& execution,
                                                  const std::vector<store::executions::Event>& events) {
  BELAY_TRY_ASSIGN(const auto kept, store::remedies::find_policy(sql_, execution.execution_id));
  if (!kept) {
    BELAY_TRY(store::remedies::close_all(sql_, execution.execution_id, now_));
    return ExecutionKind::Advance{execution.state, {}, true};
  }
  kept_ = *kept;
  BELAY_TRY_ASSIGN(policy_, json::decode_text<remedy::Policy>(kept_.content).within("remedy policy " + kept_.name));
  BELAY_TRY_ASSIGN(auto state, json::decode_text<SweepState>(execution.state));
  std::set<std::string> nodes;
  for (const auto& event : events) {
    if (take_notice_answer(event)) continue;
    BELAY_TRY_ASSIGN(const auto body, json::parse(event.body));
    const std::string node_id = json::text_or_empty(body, "node_id");
    if (node_id.empty()) state = {};  // the policy changed: look at every node anew
    else nodes.insert(node_id);
  }
  if (!state.sweeping && state.next_at && *state.next_at <= now_) state = {};
  if (state.sweeping) {
    BELAY_TRY_ASSIGN(const auto page, store::nodes::list_ids(sql_, {}, {kNodesAtOnce, state.after}));
    nodes.insert(page.items.begin(), page.items.end());
    state.after = page.next;
    state.sweeping = !page.next.empty();
    if (!state.sweeping) {
      state.next_at = now_ + kRemedySweepEvery;
      BELAY_TRY(store::remedies::close_gone(sql_, kept_.policy_id, now_));
    }
  }
  BELAY_TRY_ASSIGN(const auto due, store::remedies::due(sql_, kept_.policy_id, now_, kNodesAtOnce));
  for (const auto& episode : due) nodes.insert(episode.node_id);
  BELAY_TRY(look(nodes));
  BELAY_TRY(act());
  ExecutionKind::Advance advance{json::encode_text(state), state.sweeping ? now_ : *state.next_at, false};
  BELAY_TRY_ASSIGN(const auto next, store::remedies::next_due(sql_, kept_.policy_id));
  if (next) advance.wake_at = std::min(*advance.wake_at, std::max(*next, now_));
  return advance;
}

// Those of them that the policy is about, and that belong to the fleet.
Result<std::set<std::string>> RemedyRun::targeted(const std::set<std::string>& node_ids) {
  std::set<std::string> active;
  store::nodes::NodeFilter filter;
  filter.node_ids.assign(node_ids.begin(), node_ids.end());
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto listed, store::nodes::list_ids(sql_, filter, page));
    active.insert(listed.items.begin(), listed.items.end());
    page.after = listed.next;
  } while (!page.after.empty());
  if (policy_.targets.empty()) return active;
  const auto ids = resolve_targets(sql_, {}, remedy_targets(policy_));
  if (!ids.ok()) return ids.error().within("Targets of remedy policy " + policy_.name);
  std::set<std::string> both;
  std::ranges::set_intersection(active, *ids, std::inserter(both, both.end()));
  return both;
}

Status RemedyRun::look(const std::set<std::string>& node_ids) {
  if (node_ids.empty()) return {};
  const std::vector<std::string> list(node_ids.begin(), node_ids.end());
  BELAY_TRY_ASSIGN(const auto wanted, targeted(node_ids));
  BELAY_TRY_ASSIGN(auto open, store::remedies::open_of(sql_, kept_.policy_id, list));
  std::map<std::string, Episode> by_node;
  for (auto& episode : open) by_node.emplace(episode.node_id, std::move(episode));
  for (const auto& node_id : list) {
    const auto at = by_node.find(node_id);
    const bool is_wanted = wanted.contains(node_id);
    if (!is_wanted && at == by_node.end()) continue;
    Seen seen;
    if (is_wanted) {
      BELAY_TRY_ASSIGN(seen, see(node_id));
    }
    BELAY_TRY(settle(node_id, at == by_node.end() ? std::nullopt : std::optional(at->second), seen, is_wanted));
  }
  return {};
}

Result<RemedyRun::Seen> RemedyRun::see(const std::string& node_id) {
  Seen seen;
  for (const auto& type : policy_.compliance_types) {
    BELAY_TRY_ASSIGN(const auto standing, view_.standing(node_id, type));
    if (!standing) continue;  // nothing was ever reported of it
    const auto one = observation_of(*standing);
    if (one.standing != remedy::Standing::compliant) add_reasons(*standing, seen.reasons);
    seen.observation = remedy::worse(seen.observation, one);
  }
  return seen;
}

Status RemedyRun::settle(const std::string& node_id, std::optional<Episode> open, const Seen& seen, bool is_targeted) {
  std::optional<remedy::OpenEpisode> before;
  if (open) before = remedy::OpenEpisode{open->opened_at, open->acted_at.has_value()};
  const auto decision = remedy::decide(policy_, before, seen.observation, is_targeted, now_);
  using Change = remedy::Decision::Change;
  if (decision.change == Change::close) {
    open->closed_at = now_;
    return store::remedies::update(sql_, *open);
  }
  if (!open && decision.change != Change::open) return {};
  Episode episode = open.value_or(Episode());
  episode.due_at = decision.due_at;
  // Due and left alone (unknown, and the policy ignores that): looked at again later, in nobody's way.
  if (!decision.act && !episode.acted_at && episode.due_at <= now_) episode.due_at = now_ + kRemedySweepEvery;
  episode.compliance = word(seen.observation.standing);
  episode.severity = word(seen.observation.severity);
  if (!episode.acted_at) episode.detail = json::to_text(json::Object{{"reasons", seen.reasons}});
  if (open) {
    BELAY_TRY(store::remedies::update(sql_, episode));
  } else {
    episode.episode_id = make_uuid(io::random_bytes(kIdRandomBytes));
    episode.policy_id = kept_.policy_id;
    episode.policy_name = kept_.name;
    episode.node_id = node_id;
    episode.opened_at = decision.opened_at;
    BELAY_TRY(store::remedies::open(sql_, episode));
  }
  if (decision.act) to_act_.push_back(std::move(episode));
  return {};
}

// ---- what is done

Status RemedyRun::act() {
  if (to_act_.empty()) return {};
  switch (policy_.action) {
    case remedy::Action::notice:
      for (auto& episode : to_act_) BELAY_TRY(done(episode, "noticed", {}));
      break;
    case remedy::Action::command: BELAY_TRY(send()); break;
    case remedy::Action::next_window: BELAY_TRY(place()); break;
  }
  return tell();
}

// Of all that was acted on in this turn, in one notice.
Status RemedyRun::tell() {
  if (policy_.notify.empty()) return {};
  const auto recipients = recipients_of(sql_, policy_.notify, "Notify");
  if (!recipients.ok() && recipients.error().code() != Code::invalid_argument) return recipients.error();
  if (!recipients.ok()) {  // checked when the policy was put; since then the server lost its program for mail
    log::warning("notice-not-sent", {{"policy", policy_.name}, {"why", recipients.error()}});
    return {};
  }
  Notice notice;
  notice.key = "remedy";
  json::Array nodes;
  for (std::size_t i = 0; i < to_act_.size(); ++i) {
    const auto& episode = to_act_[i];
    const auto node = store::nodes::get(sql_, episode.node_id);
    if (!node.ok() && node.error().code() != Code::not_found) return node.error();
    const std::string name = node.ok() ? node->name : "";
    json::Object row{{"node", episode.node_id},
                     {"name", name},
                     {"since", to_iso8601(episode.opened_at)},
                     {"compliance", episode.compliance},
                     {"severity", episode.severity},
                     {"outcome", episode.outcome}};
    if (!episode.command_id.empty()) row["command"] = episode.command_id;
    BELAY_TRY_ASSIGN(row["detail"], json::parse(episode.detail));
    nodes.push_back(std::move(row));
    if (i < kNodesTold)
      notice.text += episode.node_id + " " + name + " " + episode.compliance + " since " +
                     to_iso8601(episode.opened_at) + ", severity " + episode.severity + ": " + episode.outcome + "\n";
  }
  if (to_act_.size() > kNodesTold) notice.text += "and " + std::to_string(to_act_.size() - kNodesTold) + " more\n";
  const auto count = std::to_string(to_act_.size()) + (to_act_.size() == 1 ? " node" : " nodes");
  notice.subject = "Belay: remedy policy " + policy_.name + ": " + count;
  notice.text = "The remedy policy " + policy_.name + " (" + word(policy_.action) + ") acted on " + count + ":\n\n" +
                notice.text + "\nbelay remedy log --policy " + policy_.name + "\n";
  notice.document = {{"policy", policy_.name},
                     {"action", word(policy_.action)},
                     {"at", to_iso8601(now_)},
                     {"nodes", std::move(nodes)}};
  return queue_notice(sql_, kRemedyKind, kept_.policy_id, *recipients, notice, now_);
}

// Keeps what was done with the episode, and says it in the audit log.
Status RemedyRun::done(Episode& episode, std::string outcome, json::Object detail) {
  episode.acted_at = now_;
  episode.action = word(policy_.action);
  episode.outcome = std::move(outcome);
  BELAY_TRY_ASSIGN(auto kept, json::parse(episode.detail));
  for (auto& member : detail) kept.as_object()[member.key()] = member.value();
  episode.detail = json::to_text(kept);
  BELAY_TRY_ASSIGN(const bool first, store::remedies::mark_acted(sql_, episode));
  BELAY_ASSERT(first);  // decide() was told whether it had acted, in this transaction
  json::Object entry{{"policy", policy_.name},
                     {"episode", episode.episode_id},
                     {"action", episode.action},
                     {"outcome", episode.outcome},
                     {"since", to_iso8601(episode.opened_at)},
                     {"compliance", episode.compliance},
                     {"severity", episode.severity},
                     {"detail", kept}};
  if (!episode.command_id.empty()) entry["command"] = episode.command_id;
  return note_in_audit(sql_, now_, "remedy:" + policy_.name, "belay:Remedy", episode.node_id, entry);
}

// One command for all whose time has come, at the policy's rate.
Status RemedyRun::send() {
  std::vector<std::string> ids;
  for (const auto& episode : to_act_) ids.push_back(episode.node_id);
  const auto command = Commands::send(sql_, remedy_command(policy_, std::move(ids)), now_);
  if (!command.ok() && sql_.failure()) return command.error();
  for (auto& episode : to_act_) {
    if (command.ok()) episode.command_id = command->command_id;
    BELAY_TRY(done(episode, command.ok() ? "sent" : "failed",
                   command.ok() ? json::Object() : json::Object{{"error", sanitize(command.error().chain(), 1'000)}}));
  }
  return {};
}

// First in the next opening of the window, together with the nodes that were missed in the last.
Status RemedyRun::place() {
  BELAY_TRY_ASSIGN(const auto tasks, store::windows::tasks_of(sql_, policy_.window_id));
  json::Array names;
  for (const auto& task : tasks)
    if (task.type == "RUN_COMMAND") names.push_back(json::Value(task.window_task_id));
  for (auto& episode : to_act_) {
    std::vector<store::windows::Missed> missed;
    for (const auto& name : names)
      missed.push_back({policy_.window_id, std::string(name.as_string()), episode.node_id, episode.episode_id,
                        store::windows::MissedReason::remedy, now_, now_, 1});
    BELAY_TRY(store::windows::add_missed(sql_, missed));
    json::Object detail{{"window", policy_.window_id}, {"tasks", names}};
    if (names.empty()) detail["error"] = "the window, or its RUN_COMMAND task, is gone";
    BELAY_TRY(done(episode, names.empty() ? "failed" : "placed", std::move(detail)));
  }
  return {};
}

}  // namespace belay::server
