#include "tests/sim/rules.hpp"

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "tests/sim/scenario.hpp"

namespace belay::sim::rules {
namespace {

using patchrun::Outcome;
using rollout::NodeState;

std::string word(NodeState state) { return boost::describe::enum_to_string(state, "?"); }

std::string text_of(const std::map<std::string, std::string>& versions) {
  std::string text;
  for (const auto& [name, version] : versions) text += " " + name + "=" + version;
  return text;
}

const rollout::Node* node_in(const RolloutSeen* seen, const std::string& id) {
  if (!seen) return nullptr;
  const auto at = std::ranges::find(seen->machine.nodes, id, &rollout::Node::node_id);
  return at == seen->machine.nodes.end() ? nullptr : &*at;
}

// A ring that halts under rollback-all takes the rings before it back at once, maybe in the move that passed them. What
// is asked of a ring that was passed is asked of its nodes as they were then: a node whose way back began with this
// halt had committed. One that somebody had put back before stays as it is: the ring had to wait for it.
rollout::Rollout when_passed(const RolloutSeen& before, const RolloutSeen& now, Instant at) {
  auto machine = now.machine;
  if (before.machine.rolled_back || !now.machine.rolled_back) return machine;
  for (auto& node : machine.nodes) {
    const auto* was = node_in(&before, node.node_id);
    if (node.undoes.empty() || (was && (!was->undoes.empty() || was->put_back))) continue;
    node.state = NodeState::Committed;
    node.ended_at = was && was->state == NodeState::Committed ? was->ended_at : at;
  }
  return machine;
}

}  // namespace

std::vector<const rollout::Node*> begun(const RolloutSeen* before, const RolloutSeen& now) {
  std::vector<const rollout::Node*> all;
  for (const auto& node : now.machine.nodes) {
    const auto* was = node_in(before, node.node_id);
    const auto attempts = was ? was->attempt : 0;
    if (node.attempt > attempts && rollout::is_at_work(node.state) && node.undoes.empty()) all.push_back(&node);
  }
  return all;
}

std::string over_concurrency(const RolloutSeen& now) {
  for (std::uint32_t i = 0; i < now.machine.rings.size(); ++i) {
    const auto& ring = now.machine.rings[i];
    const auto at_work = rollout::count(now.machine, i).at_work;
    if (at_work > ring.concurrency_max)
      return "the ring " + ring.name + " has " + std::to_string(at_work) + " nodes at work, " +
             std::to_string(ring.concurrency_max) + " may be";
  }
  return "";
}

std::string over_budget(const Seen& all, const RolloutSeen& now, const rollout::Node& node, const RoleOf& role_of,
                        const std::set<std::string>& unsettled) {
  const auto role = role_of(node.node_id);
  for (const auto& budget : now.machine.rings[node.ring].budgets) {
    std::set<std::string> disturbed;
    for (const auto& [id, other] : all) {
      for (const auto& one : other.machine.nodes) {
        const bool counts =
            other.finished ? rollout::is_unsettled(one) && unsettled.contains(one.node_id) : rollout::disturbs(one);
        if (counts && role_of(one.node_id) == role) disturbed.insert(one.node_id);
      }
    }
    if (disturbed.size() > budget.disrupted_max)
      return node.node_id + " begins while " + std::to_string(disturbed.size()) + " nodes of " + budget.tag + "=" +
             role + " are disturbed, " + std::to_string(budget.disrupted_max) + " may be";
  }
  return "";
}

std::string begun_outside_window(const RolloutSeen& now, const rollout::Node& node, Duration at) {
  if (now.spec.rings[node.ring].window.empty() || window_is_open(at)) return "";
  return node.node_id + " is sent its order while the window is closed, until " +
         (node.deadline ? to_iso8601(*node.deadline) : "");
}

// Its ring is the one at hand, approved, and the rollout goes on.
std::string begun_out_of_turn(const RolloutSeen& now, const rollout::Node& node) {
  const auto& ring = now.machine.rings[node.ring];
  if (node.ring != now.machine.ring) return node.node_id + " begins though its ring is not the one at hand";
  if (ring.approved_by.size() < ring.approvals_wanted) return node.node_id + " begins in a ring nobody approved";
  if (!now.machine.started || !now.machine.ready) return node.node_id + " begins before the rollout may";
  if (now.machine.state == rollout::State::Running) return "";
  return node.node_id + " begins in the state " + boost::describe::enum_to_string(now.machine.state, "?");
}

std::string promoted_without_green(const RolloutSeen& before, const RolloutSeen& now, Instant at) {
  if (now.machine.ring < before.machine.ring) return "the rollout went back by a ring";
  if (now.machine.ring == before.machine.ring) return "";
  const auto machine = when_passed(before, now, at);
  for (auto i = before.machine.ring; i < machine.ring; ++i) {
    const auto& ring = machine.rings[i];
    const auto counts = rollout::count(machine, i);
    const auto what = "the ring " + ring.name + " was passed ";
    if (counts.pending + counts.at_work > 0) return what + "while nodes of it had not ended";
    if (counts.failed > ring.errors_max + ring.errors_accepted) return what + "with too many failed nodes";
    // Whoever resumed may have said why fewer do; that nobody took it, nobody can say.
    const auto asked = std::min(ring.sample_size, counts.nodes);
    const auto wanted = std::min(asked, std::max(ring.sample_accepted.value_or(asked), 1u));
    const bool last = i + 1 == machine.rings.size() && counts.excused > 0;
    if (counts.committed < wanted && !last && !rollout::nobody_had_anything(counts))
      return what + "with too small a sample";
    if (counts.committed == 0) continue;
    for (const auto& node : machine.nodes)
      if (node.ring == i && node.state == NodeState::Committed && node.ended_at && *node.ended_at + ring.soak > at)
        return what + "before " + node.node_id + " had soaked";
  }
  return "";
}

std::string came_back_to_life(const RolloutSeen& before, const RolloutSeen& now) {
  if (!rollout::is_over(before.machine.state) || before.machine.state == now.machine.state) return "";
  return std::string("the rollout was ") + boost::describe::enum_to_string(before.machine.state, "?") + " and is " +
         boost::describe::enum_to_string(now.machine.state, "?");
}

// ---- of a run on a node

std::string two_runs(const std::vector<patchrun::RunState>& others) {
  using patchrun::State;
  for (const auto& other : others)
    if (other.course != patchrun::Course::untouched && other.state != State::finished)
      return "the run " + other.run_id + " has not ended and stands in " +
             boost::describe::enum_to_string(other.state, "?");
  return "";
}

std::string below_class(const patchrun::RunState& run) {
  const auto reached = run.way_back.reached;
  if (reached >= run.order.protection.least) return "";
  return std::string("it is changed with the class ") + boost::describe::enum_to_string(reached, "?") + ", at least " +
         boost::describe::enum_to_string(run.order.protection.least, "?") + " is wanted";
}

std::string changed_outside_window(const RunRecord& record, Duration end_by) {
  if (!record.changed_at || *record.changed_at <= end_by) return "";
  return "it is changed after the window's cut-off";
}

// Heard while nothing was changed: then nothing is.
std::string goes_on_though_stopped(const RunRecord& record) {
  using patchrun::State;
  if (!record.stopped_in) return "";
  const auto heard = *record.stopped_in;
  if (heard != State::accepted && heard != State::checking && heard != State::protecting && heard != State::downloading)
    return "";
  return std::string("it is changed though it was told to stop when it was ") +
         boost::describe::enum_to_string(heard, "?");
}

std::string ships_something_else(const RunRecord& record, const std::string& change_set) {
  if (!record.order.patch->undoes.empty()) return "";
  const auto content = json::decode_text<server::ChangeSetView>(change_set);
  if (!content.ok()) return "the change set cannot be read: " + content.error().chain();
  for (const auto& change : record.order.patch->changes) {
    const bool listed = std::ranges::any_of(content->parts, [&](const auto& part) {
      return std::ranges::find(part.changes, change) != part.changes.end();
    });
    if (!listed)
      return "the order changes " + change.name + " to " + change.to_version + ", which the change set lacks";
  }
  return "";
}

std::string lies(const RunRecord& record, const std::map<std::string, std::string>& broken) {
  const auto& result = *record.result;
  if (!result.run) return "";
  const auto outcome = result.run->outcome;
  const auto said = std::string("it says ") + boost::describe::enum_to_string(outcome, "?") + ", and ";
  if (outcome == Outcome::committed || outcome == Outcome::nothing_to_do) {
    for (const auto& change : record.order.patch->changes) {
      const auto now = record.after.find(change.name);
      if ((now == record.after.end() ? "" : now->second) != change.to_version || broken.contains(change.name))
        return said + change.name + " is not " + change.to_version + ":" + text_of(record.after);
    }
    return "";
  }
  const bool as_before = outcome == Outcome::refused || outcome == Outcome::rolled_back;
  if (as_before && record.after != record.before)
    return said + "the host had" + text_of(record.before) + " and has" + text_of(record.after);
  if (outcome == Outcome::rolled_back && !broken.empty()) return said + broken.begin()->first + " is broken";
  return "";
}

// ---- at the end

std::string store_lies(const rollout::Node& node, const RunRecord* record) {
  const auto said = node.node_id + " is " + word(node.state) + " in the store (" + node.why + "), and ";
  const bool ended = record && record->result && record->result->run;
  const auto outcome = ended ? record->result->run->outcome : Outcome::inconsistent;
  const bool changed = ended && (outcome == Outcome::committed || outcome == Outcome::nothing_to_do);
  const auto really = !record  ? "never ran"
                      : !ended ? "its run has not ended"
                               : boost::describe::enum_to_string(outcome, "?");
  const bool undoing = record && !record->order.patch->undoes.empty();
  switch (node.state) {
    case NodeState::Committed: return ended && outcome == Outcome::committed && !undoing ? "" : said + really;
    case NodeState::RolledBack:
      if (!record) return "";  // nothing was left to put back
      if (node.undoes.empty() && outcome == Outcome::committed && node.settled) return "";  // by a rollback of nodes
      return outcome == Outcome::rolled_back || (undoing && changed) ? "" : said + really;
    case NodeState::Skipped:
      return !record || outcome == Outcome::nothing_to_do || outcome == Outcome::refused ? "" : said + really;
    case NodeState::Pending:
    case NodeState::Held: return !record || (ended && outcome == Outcome::refused) ? "" : said + really;
    case NodeState::RollbackFailed: return undoing && changed ? said + "it was put back" : "";
    case NodeState::Inconsistent: return "";
    default: return said + "everything has come to rest";
  }
}

}  // namespace belay::sim::rules
