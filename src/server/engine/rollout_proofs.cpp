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
  const bool asks = demand && machine.started && machine.ready && machine.state != rollout::State::Paused &&
                    machine.state != rollout::State::Halted && around.clocks[machine.ring].open;
  // Those whose turn is near: a backup of every node of a large ring at once would be a load of its own.
  std::size_t looked_at = 0;
  for (const auto& node : machine.nodes) {
    if (!asks || node.ring != machine.ring || node.state != rollout::NodeState::Pending) continue;
    if (looked_at++ >= std::min<std::size_t>(2 * ring.concurrency_max, kLookedAtOnce)) break;
    if (!proofs_.contains(node.node_id) && !unproven_.contains(node.node_id)) BELAY_TRY(look_at_proof(node, *demand));
  }
  for (const auto& [node_id, proofs] : proofs_) around.proven.insert(node_id);
  around.unproven = unproven_;
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
