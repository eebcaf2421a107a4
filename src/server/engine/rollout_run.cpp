#include "server/engine/rollout_run.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "server/engine/unsettled_nodes.hpp"
#include "store/pool.hpp"

namespace belay::server {
namespace {

constexpr json::Limits kLimits{.bytes_max = 8u << 20, .depth_max = 32};
constexpr int kTurnsMax = 50;  // of the machine in one transaction: what an action answers at once is taken in at once

bool same(const rollout::Node& a, const rollout::Node& b) { return json::encode(a) == json::encode(b); }

store::rollouts::Node row_of(const std::string& rollout_id, const rollout::Node& node) {
  store::rollouts::Node row;
  row.rollout_id = rollout_id;
  row.node_id = node.node_id;
  row.ring = node.ring;
  row.state = boost::describe::enum_to_string(node.state, "?");
  row.why = node.why.substr(0, store::rollouts::kWhyBytesMax);
  row.order_id = node.order_id;
  row.machine = json::encode_text(node);
  return row;
}

}  // namespace

Status RolloutRun::load(const store::executions::Execution& execution) {
  BELAY_TRY_ASSIGN(execution_, json::decode_text<RolloutExecution>(execution.state, kLimits));
  BELAY_TRY_ASSIGN(row_, store::rollouts::get(sql_, execution.execution_id));
  BELAY_TRY_ASSIGN(spec_, json::decode_text<rollout::Spec>(row_.spec, kLimits));
  BELAY_TRY_ASSIGN(const auto rows, store::rollouts::nodes_of(sql_, row_.rollout_id));
  for (const auto& row : rows) {
    BELAY_TRY_ASSIGN(auto node, json::decode_text<rollout::Node>(row.machine, kLimits));
    execution_.machine.nodes.push_back(std::move(node));
  }
  return {};
}

Result<ExecutionKind::Advance> RolloutRun::advance(const store::executions::Execution& execution,
                                                   const std::vector<store::executions::Event>& posted) {
  BELAY_TRY(load(execution));
  auto& machine = execution_.machine;
  std::map<std::string, rollout::Node> before;
  for (const auto& node : machine.nodes) before.emplace(node.node_id, node);

  Events events;
  for (const auto& event : posted) BELAY_TRY(translate(event, events));
  note_listening();
  BELAY_TRY(look_at_change_set(events));
  BELAY_TRY(look_for_joiners(events));
  BELAY_TRY(look_for_regressions(events));
  BELAY_TRY(look_for_reboots(events));
  BELAY_TRY(look_for_data(events));

  std::optional<Instant> wake_at;
  const auto wake = [&](Instant at) {
    if (!wake_at || at < *wake_at) wake_at = at;
  };
  for (int turn = 0;; ++turn) {
    BELAY_TRY_ASSIGN(const auto surroundings, look_around());
    const auto step = rollout::step(machine, events, surroundings, now_);
    wake_at = step.wake_at;
    if (!step.waits_for.empty() && machine.ring < rings_wait_for_.size())
      rings_wait_for_[machine.ring] = step.waits_for + unsettled_there_;
    events = std::exchange(held_, {});
    for (const auto& action : step.actions) BELAY_TRY(act(action, events));
    if (events.empty()) break;
    if (turn == kTurnsMax) {
      wake(now_ + kPlanLookEvery);  // the rest in the next transaction; answers given again change nothing
      break;
    }
  }
  // The plan says nothing when it is made; approvals and a quarantine wake by themselves.
  if (!machine.ready && !machine.waits_for_approval && !rollout::is_over(machine.state))
    wake(now_ + std::clamp<Duration>((now_ - row_.created_at) / 10, kPlanLookEvery, kRolloutLookEvery));
  const bool at_work = std::ranges::any_of(machine.nodes, [](const auto& n) { return rollout::is_at_work(n.state); });
  if (at_work || machine.state == rollout::State::Soaking) wake(now_ + kRolloutLookEvery);
  if (std::ranges::any_of(machine.nodes, [](const auto& n) { return n.data && rollout::is_at_work(n.state); }))
    wake(now_ + kDataLookEvery);
  BELAY_TRY(save(before));
  ExecutionKind::Advance advance;
  advance.finished = rollout::is_finished(machine);
  if (!advance.finished) advance.wake_at = wake_at;
  machine.nodes.clear();
  advance.state = json::encode_text(execution_);
  return advance;
}

Status RolloutRun::save(const std::map<std::string, rollout::Node>& before) {
  const auto& machine = execution_.machine;
  std::vector<store::rollouts::Node> changed;
  for (const auto& node : machine.nodes) {
    const auto known = before.find(node.node_id);
    if (known != before.end() && same(known->second, node)) continue;
    changed.push_back(row_of(row_.rollout_id, node));
    if (node.state == rollout::NodeState::RolledBack && !node.undoes.empty() && known != before.end() &&
        known->second.state != rollout::NodeState::RolledBack)
      BELAY_TRY(tell_taken_back(node));
    BELAY_TRY(
        note_unsettled(sql_, row_.rollout_id, known == before.end() ? rollout::Node() : known->second, node, now_));
  }
  if (!changed.empty()) BELAY_TRY(store::rollouts::put_nodes(sql_, changed));
  row_.state = boost::describe::enum_to_string(machine.state, "?");
  row_.why = machine.why.substr(0, store::rollouts::kWhyBytesMax);
  row_.change_set_id = execution_.change_set_id;
  if (machine.started && !row_.started_at) row_.started_at = now_;
  if (rollout::is_finished(machine) && !row_.finished_at) {
    row_.finished_at = now_;
    BELAY_TRY(store::pool::release(sql_, row_.rollout_id));
  }
  auto rings = views_of(machine);
  if (machine.ring < rings.size()) rings[machine.ring].why = rings_wait_for_[machine.ring];
  row_.rings = json::encode_text(rings);
  BELAY_TRY(store::rollouts::update(sql_, row_));
  return tell();
}

rollout::Node* RolloutRun::node_named(std::string_view id) {
  auto& nodes = execution_.machine.nodes;
  const auto at = std::ranges::find(nodes, id, &rollout::Node::node_id);
  return at == nodes.end() ? nullptr : &*at;
}

}  // namespace belay::server
