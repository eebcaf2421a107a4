// The part of a rollout's turn that tells people, and what the fleet remembers of what failed.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/json.hpp"
#include "base/text.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/quarantine.hpp"
#include "server/engine/rollout_run.hpp"
#include "server/engine/webhooks.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kQuarantinedPackagesMax = 10;  // of one failed run; of more nobody knows which it was
constexpr std::size_t kFailuresTold = 20;
constexpr std::size_t kReportBytesMax = 384u << 10;  // of one that is sent; a longer one is sent without its logs

// One version on one kind of node.
struct Blamed {
  std::string operating_system, role, name, arch, version;
  auto operator<=>(const Blamed&) const = default;
};

// The change was begun and did not do: not a node that fell silent, or was ill only later.
bool was_for_health(patchrun::Outcome outcome) {
  using patchrun::Outcome;
  return outcome == Outcome::rolled_back || outcome == Outcome::rollback_failed || outcome == Outcome::left_as_is;
}

// The whole of it where that is not too much to send, else without what the nodes printed.
json::Object bounded(json::Object report) {
  if (json::to_text(report).size() <= kReportBytesMax) return report;
  for (auto& failure : report.at("Failures").as_array())
    for (const auto* field : {"Journal", "Output"}) failure.as_object().erase(field);
  report["Shortened"] = "logs are left out; see GetRolloutReport";
  if (json::to_text(report).size() <= kReportBytesMax) return report;
  for (const auto* field : {"Failures", "Nodes"}) report.erase(field);
  return report;
}

// What a person reads first.
std::string summary(const json::Object& report, const std::string& state, const std::string& why) {
  std::string out = "The rollout " + json::text_or_empty(report, "Name") + " (" +
                    json::text_or_empty(report, "RolloutId") + ") is " + state + (why.empty() ? "" : ":\n" + why) +
                    "\n\n";
  const auto* failures = report.if_contains("Failures");
  std::size_t told = 0;
  for (const auto& failure : failures ? failures->as_array() : json::Array())
    if (++told <= kFailuresTold)
      out += json::text_or_empty(failure, "InstanceId") + " " + json::text_or_empty(failure, "State") + ": " +
             json::text_or_empty(failure, "Why") + "\n";
  if (told > kFailuresTold) out += "and " + std::to_string(told - kFailuresTold) + " more\n";
  return out + "\nbelay rollout report " + json::text_or_empty(report, "RolloutId") + "\n";
}

}  // namespace

// Of each that failed: the values of its tag Role, where budgets tell nodes apart by that; else all roles alike.
Result<std::vector<std::string>> RolloutRun::roles_at_fault(const std::string& node_id) const {
  const bool named = std::ranges::any_of(spec_.rings, [](const auto& ring) {
    return std::ranges::any_of(ring.budgets, [](const auto& budget) { return budget.tag == "Role"; });
  });
  std::vector<std::string> roles;
  if (named) {
    BELAY_TRY_ASSIGN(roles, roles_of(sql_, node_id));
  }
  if (roles.empty()) roles.emplace_back();
  return roles;
}

// The change set where its ring halted, and what the failed runs changed, but for what took well on other nodes of the
// same system and role: where that is little enough to name.
Status RolloutRun::quarantine(const rollout::Action& action) {
  using rollout::NodeState;
  std::set<Blamed> blamed, cleared;
  std::map<Blamed, std::string> seen_on;
  std::set<std::string> named;  // packages that a failed run itself speaks of
  std::string failed_node;
  for (const auto& node : execution_.machine.nodes) {
    const bool failed = rollout::has_failed(node);
    if (!failed && node.state != NodeState::Committed) continue;
    if (failed && action.ring && node.ring != *action.ring) continue;
    const auto run = store::runs::get(sql_, node.undoes.empty() ? node.order_id : node.undoes);
    if (!run.ok() && run.error().code() != Code::not_found) return run.error();
    if (!run.ok()) continue;
    if (failed && action.ring && !was_for_health(run->report.outcome)) continue;
    const auto kept = store::nodes::get(sql_, node.node_id);
    if (!kept.ok() && kept.error().code() != Code::not_found) return kept.error();
    if (!kept.ok()) continue;
    BELAY_TRY_ASSIGN(const auto roles, roles_at_fault(node.node_id));
    const auto each = [&](const fleet::PackageChange& change, std::set<Blamed>& into) {
      for (const auto& role : roles)
        if (!change.to_version.empty())
          into.insert({kept->operating_system, role, change.name, change.arch, change.to_version});
    };
    if (!failed) {
      for (const auto& change : run->report.changed) each(change, cleared);
      continue;
    }
    if (failed_node.empty()) failed_node = node.node_id;
    for (const auto& problem : run->report.problems) named.insert(problem.subject);
    BELAY_TRY_ASSIGN(const auto order, content_of(sql_, run->run_id));
    if (!order.patch) continue;
    std::set<Blamed> mine;
    for (const auto& change : order.patch->changes) each(change, mine);
    for (const auto& one : mine) seen_on.try_emplace(one, node.node_id);
    blamed.insert(mine.begin(), mine.end());
  }
  std::erase_if(blamed, [&](const auto& one) { return cleared.contains(one); });
  BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql_));
  const auto keep = [&](store::rollouts::Quarantine entry, const std::string& node_id) -> Status {
    if (is_in_quarantine(in_force, entry)) return {};
    entry.reason = action.why;
    entry.rollout_id = row_.rollout_id;
    entry.node_id = node_id;
    entry.added_by = "belayd";
    entry.added_at = now_;
    const auto kept = put_into_quarantine(sql_, std::move(entry), row_.rollout_id);
    return kept.ok() ? Status() : Status(kept.error());
  };
  if (!action.ring) {
    store::rollouts::Quarantine whole;
    whole.change_set_id = execution_.change_set_id;
    BELAY_TRY(keep(whole, failed_node));
  }
  std::set<std::tuple<std::string, std::string, std::string>> versions;
  for (const auto& one : blamed) versions.emplace(one.name, one.arch, one.version);
  if (versions.size() > kQuarantinedPackagesMax)
    std::erase_if(blamed, [&](const auto& one) { return !named.contains(one.name); });
  for (const auto& one : blamed) {
    store::rollouts::Quarantine entry;
    entry.operating_system = one.operating_system;
    entry.role = one.role;
    entry.name = one.name;
    entry.arch = one.arch;
    entry.version = one.version;
    BELAY_TRY(keep(entry, seen_on.at(one)));
  }
  return {};
}

// The report stands in the store from the end on, and does not change any more; of a halt it is made for who is told.
Status RolloutRun::tell() {
  const bool ended = row_.finished_at == now_ && row_.report.empty();
  if (told_of_.empty() && !ended) return {};
  BELAY_TRY_ASSIGN(const auto report, make_rollout_report(sql_, row_, now_));
  if (ended) {
    row_.report = json::to_text(report);
    BELAY_TRY(store::rollouts::update(sql_, row_));
  }
  auto webhooks = spec_.webhooks;
  if (!spec_.webhook.empty()) webhooks.push_back(spec_.webhook);
  if (webhooks.empty() && spec_.mails.empty()) return {};
  const auto sent = bounded(report);
  std::uint32_t number = static_cast<std::uint32_t>(now_.time_since_epoch().count() / 1'000);
  for (const auto& [state, why] : told_of_) {
    const json::Object body{{"rollout", row_.rollout_id},
                            {"name", row_.name},
                            {"state", state},
                            {"why", why},
                            {"changeSet", execution_.change_set_id},
                            {"at", to_iso8601(now_)},
                            {"report", sent}};
    const auto text = json::to_text(body);
    for (std::size_t i = 0; i < webhooks.size(); ++i)
      BELAY_TRY(queue_webhook(sql_, kRolloutKind, row_.rollout_id,
                              {"rollout " + std::to_string(i), number, webhooks[i], text}, now_));
    if (!spec_.mails.empty())
      BELAY_TRY(queue_mail(
          sql_, kRolloutKind, row_.rollout_id,
          {spec_.mails, "Belay: " + row_.name + " is " + state, summary(report, state, why), json::to_text(sent)},
          now_));
    ++number;
  }
  return {};
}

}  // namespace belay::server
