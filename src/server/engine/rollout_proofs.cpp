// The part of a rollout's turn that asks whether nodes could be brought back: a ring may demand a proven backup, and
// has one made where that is all that is missing. Fails closed.
#include "base/text.hpp"
#include "server/engine/backups.hpp"
#include "server/engine/rollout_run.hpp"

namespace belay::server {
namespace {
constexpr std::size_t kLookedAtOnce = 200;
}

Status RolloutRun::look_at_proofs(rollout::Surroundings& around) {
  const auto& machine = execution_.machine;
  if (machine.ring >= spec_.rings.size()) return {};
  const auto& demand = spec_.rings[machine.ring].proof;
  const auto& ring = machine.rings[machine.ring];
  const bool begins = ring.state == rollout::RingState::Running || ring.state == rollout::RingState::Waiting;
  if (!demand || !begins) return {};
  // Those whose turn is near: a backup of every node of a large ring at once would be a load of its own.
  std::size_t looked_at = 0;
  for (const auto& node : machine.nodes) {
    if (node.ring != machine.ring || node.state != rollout::NodeState::Pending) continue;
    const bool near = looked_at++ < std::min<std::size_t>(2 * ring.concurrency_max, kLookedAtOnce);
    const bool asks =
        machine.started && machine.ready && machine.state != rollout::State::Paused && around.clocks[machine.ring].open;
    if (near && asks && !proofs_.contains(node.node_id) && !unproven_.contains(node.node_id))
      BELAY_TRY(look_at_proof(node, *demand));
    if (proofs_.contains(node.node_id)) continue;
    const auto why = unproven_.find(node.node_id);
    around.unproven[node.node_id] = why == unproven_.end() ? "its turn to be looked at has not come" : why->second;
  }
  return {};
}

Status RolloutRun::look_at_proof(const rollout::Node& node, const backup::Demand& demand) {
  BELAY_TRY_ASSIGN(const auto found, provable_of(sql_, node.node_id, demand, now_));
  if (found.provable.holds) {
    proofs_[node.node_id] = {found.provable.proof_id + " (" + boost::describe::enum_to_string(demand.level, "?") +
                             ") of " + found.provable.point_id};
    return {};
  }
  const auto why = sanitize(join(found.provable.reasons, "; "), store::rollouts::kWhyBytesMax / 2);
  BELAY_TRY_ASSIGN(const bool mending,
                   mend_proof(sql_, node.node_id, found, demand, "gate of " + row_.rollout_id, now_));
  unproven_[node.node_id] = mending ? why + " (one is being made)" : why;
  if (mending) return {};
  rollout::Event held;
  held.kind = rollout::EventKind::held;
  held.node_id = node.node_id;
  held.order_id = node.order_id;
  held.why = "no proven backup: " + why + "; then resume the rollout (--retry-held)";
  held_.push_back(std::move(held));
  return {};
}

}  // namespace belay::server
