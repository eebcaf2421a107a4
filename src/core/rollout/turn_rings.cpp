// What follows: which ring is at work, which nodes begin, when it is green, when it halts.
#include <algorithm>

#include "base/text.hpp"
#include "core/command/rate.hpp"
#include "core/rollout/turn.hpp"

namespace belay::rollout {
namespace {
constexpr Duration kProofLook{15'000};  // while a backup or a restore test is made
constexpr Duration kLookAgain{60'000};  // for what nobody tells of: other rollouts' nodes

std::string of(std::uint32_t some, std::uint32_t all, std::string_view what) {
  return std::to_string(some) + " of " + std::to_string(all) + " " + std::string(what);
}
}  // namespace

void Turn::decide() {
  put_back_wanted();
  if (rollout_.state == State::RollingBack) return roll_back();
  if (!may_begin() || !passed_rings_hold()) return;
  while (rollout_.ring < rollout_.rings.size())
    if (!ring_goes_on(rollout_.rings[rollout_.ring])) return;
  std::vector<std::string> untried;
  for (std::uint32_t i = 0; i < rollout_.rings.size(); ++i)
    if (nobody_had_anything(count(rollout_, i))) untried.push_back(rollout_.rings[i].name);
  const bool all = untried.size() == rollout_.rings.size();
  enter(State::Completed, untried.empty() ? ""
                          : all           ? std::string(kNobodyHadAnything)
                                          : "in " + join(untried, ", ") + " " + std::string(kNobodyHadAnything));
}

bool Turn::may_begin() {
  if (is_over(rollout_.state) || rollout_.state == State::Paused || rollout_.state == State::Halted) return false;
  if (rollout_.ready && rollout_.started) return true;
  if (rollout_.waits_for_approval && rollout_.started) enter(State::AwaitingApproval, "the change set wants approval");
  return false;
}

bool Turn::ring_goes_on(Ring& ring) {
  switch (ring.state) {
    case RingState::Waiting:
    case RingState::AwaitingApproval:
      if (ring.approved_by.size() < ring.approvals_wanted) {
        ring.state = RingState::AwaitingApproval;
        enter(State::AwaitingApproval, "the ring " + ring.name + " wants approval");
        return false;
      }
      ring.state = RingState::Running;
      ring.begun_at = now_;
      return true;
    case RingState::Running: return run_ring(ring);
    case RingState::Soaking: return soak(ring);
    case RingState::Green: return pass_on(ring), true;
    case RingState::Halted:
    case RingState::RolledBack:
    case RingState::Ended: return false;
  }
  return false;
}

// What failed within the errors that the ring bears is remembered all the same. What halted it was quarantined then;
// who lifted that, and resumed with a reason, is not overruled.
void Turn::pass_on(const Ring& ring) {
  const auto failed = count(rollout_, rollout_.ring).failed;
  if (failed > ring.errors_accepted) {
    out_.actions.push_back({ActionKind::quarantine, "", 0, {}, "", rollout_.ring});
    out_.actions.back().why =
        std::to_string(failed) + " nodes of the ring " + ring.name + " failed, within the errors that it bears";
  }
  ++rollout_.ring;
}

bool Turn::over_budget(const Ring& ring, const RingCounts& counts) const {
  return counts.failed > ring.errors_max + ring.errors_accepted;
}

std::uint32_t Turn::sample_wanted(const Ring& ring, const RingCounts& counts) const {
  const auto sample = std::min(ring.sample_size, counts.nodes);
  return std::min(sample, ring.sample_accepted.value_or(sample));
}

bool Turn::run_ring(Ring& ring) {
  auto counts = count(rollout_, rollout_.ring);
  if (over_budget(ring, counts)) {
    halt(ring, "the ring " + ring.name + " has " + of(counts.failed, counts.nodes, "nodes that failed") + ", " +
                   std::to_string(ring.errors_max) + " are borne");
    return false;
  }
  if (counts.pending == 0 && counts.at_work == 0) {
    conclude_ring(ring, counts);
    return ring.state != RingState::Halted;
  }
  enter(State::Running, "");
  fill(ring, counts);
  return false;
}

// Every node has ended, and errors are within the budget.
void Turn::conclude_ring(Ring& ring, const RingCounts& counts) {
  const auto sample = sample_wanted(ring, counts);
  // Behind the last ring nobody rests on it: there it may be that all are excused.
  const bool all_excused = rollout_.ring + 1 == rollout_.rings.size() && counts.excused > 0 &&
                           counts.had_nothing + counts.excused == counts.nodes;
  if (counts.committed < sample && !nobody_had_anything(counts) && !all_excused)
    return halt(ring,
                "in the ring " + ring.name + " " + of(counts.committed, counts.nodes, "nodes took the change") +
                    (counts.had_nothing ? ", " + std::to_string(counts.had_nothing) + " had nothing to take" : "") +
                    (counts.excused ? ", " + std::to_string(counts.excused) + " are excepted or on hold" : "") +
                    ", and " + std::to_string(sample) + " are wanted before it is trusted");
  if (counts.committed == 0 || ring.soak == Duration::zero()) {
    ring.state = RingState::Green;  // nothing was changed that could show its fault later
    return;
  }
  ring.state = RingState::Soaking;
  ring.soak_until = now_ + ring.soak;
  for (auto& node : rollout_.nodes)
    if (node.ring == rollout_.ring && (node.looked_well || node.look_until)) {
      node.looked_well = false;
      node.look_until.reset();
      touch(node);
    }
}

// How many nodes are not seen well yet. One whose look did not happen is asked again: silence is no look.
std::uint32_t Turn::look_at_probes(Ring& ring) {
  std::uint32_t unseen = 0, asked = 0;
  for (auto& node : rollout_.nodes) {
    if (node.ring != rollout_.ring || node.state != NodeState::Committed || has_failed(node) || node.looked_well)
      continue;
    ++unseen;
    if (!node.look_until || now_ >= *node.look_until) {
      if (asked == command::kBegunAtOnce) {
        wake(now_);
        continue;
      }
      ++asked;
      node.look += 1;
      node.look_until = now_ + ring.delivery;
      touch(node);
      act(ActionKind::look, node);
      out_.actions.back().attempt = node.look;
    }
    wake(node.look_until);
  }
  return unseen;
}

bool Turn::soak(Ring& ring) {
  const auto counts = count(rollout_, rollout_.ring);
  if (over_budget(ring, counts)) {
    halt(ring, "during the soak of the ring " + ring.name + " " + of(counts.failed, counts.nodes, "nodes fell ill"));
    return false;
  }
  if (counts.pending > 0 || counts.at_work > 0) {  // somebody joined, or is put back by hand
    ring.state = RingState::Running;
    return true;
  }
  if (now_ >= *ring.soak_until) {
    // A ring is green over nodes that were heard of, not over silence.
    std::uint32_t silent = 0;
    for (const auto& node : rollout_.nodes)
      if (node.ring == rollout_.ring && node.state == NodeState::Committed && !node.regressed)
        silent += surroundings_.silent.contains(node.node_id) ? 1 : 0;
    const auto unseen = silent == 0 && ring.reads_probes ? look_at_probes(ring) : 0;
    if (silent == 0 && unseen == 0) {
      ring.state = RingState::Green;
      return true;
    }
    if (silent == 0) {
      out_.waits_for = "waits for a last look at the probes of " + of(unseen, counts.nodes, "nodes");
      return enter(State::Soaking, ""), false;
    }
    out_.waits_for = "waits to hear of " + of(silent, counts.nodes, "nodes") + " again";
    enter(State::Soaking, "");
    wake(now_ + kLookAgain);
    return false;
  }
  enter(State::Soaking, "");
  wake(ring.soak_until);
  return false;
}

void Turn::halt(Ring& ring, std::string why) {
  ring.state = RingState::Halted;
  halt_rollout(rollout_.ring, std::move(why));
}

void Turn::halt_rollout(std::uint32_t blamed, std::string why) {
  withdraw_untaken();
  if (count(rollout_, blamed).failed > 0) out_.actions.push_back({ActionKind::quarantine, "", 0, {}, why});
  enter(State::Halted, why);
  if (rollout_.on_failure != FailureAction::rollback_all) return;
  skip_pending("the rollout was rolled back before its turn");
  rollout_.rolled_back = true;
  rollout_.rollback_ring.reset();
  mark_for_rollback({});
  enter(State::RollingBack, std::move(why));
  roll_back();
}

// A ring that was green may be so no more: its nodes were taken back by hand since.
bool Turn::passed_rings_hold() {
  for (std::uint32_t i = 0; i < rollout_.ring; ++i) {
    const auto& ring = rollout_.rings[i];
    const auto counts = count(rollout_, i);
    if (!over_budget(ring, counts)) continue;
    halt_rollout(i, "the ring " + ring.name + " was green, and " + of(counts.failed, counts.nodes, "nodes") +
                        " failed or were taken back there since");
    return false;
  }
  return true;
}

// ---- who begins

void Turn::fill(Ring& ring, const RingCounts& counts) {
  const auto& clock = surroundings_.clocks[rollout_.ring];
  if (!clock.open) return wake(clock.next_look);
  if (ring.ordered && !roles_known(ring)) return;
  auto first = kRankUnknown;  // who comes later waits until everybody before has ended
  for (const auto& node : rollout_.nodes)
    if (node.ring == rollout_.ring && (node.state == NodeState::Pending || is_at_work(node.state)))
      first = std::min(first, node.rank);
  auto at_work = counts.at_work;
  std::uint32_t begun = 0;
  bool waits = false;
  if (!ring.budgets.empty()) count_disturbed();
  for (auto& node : rollout_.nodes) {
    if (node.ring != rollout_.ring || node.state != NodeState::Pending || node.rank != first) continue;
    if (at_work >= ring.concurrency_max) break;
    if (begun == command::kBegunAtOnce) return wake(now_);
    if (ring.demands_proof && !surroundings_.proven.contains(node.node_id)) {
      const auto why = surroundings_.unproven.find(node.node_id);
      out_.waits_for = "a proven backup of " + node.node_id;
      if (why != surroundings_.unproven.end()) out_.waits_for += ": " + why->second;
      wake(now_ + kProofLook);
      continue;
    }
    if (!fits(clock, node)) {
      waits = true;
      continue;
    }
    // One that is offline itself may have its order: it is not in its own way.
    const bool counted = is_only_offline(node);
    for (const auto& group : node.groups) disturbed_[group] -= counted;
    const bool too_many = disturbs_too_many(ring, node);
    for (const auto& group : node.groups) disturbed_[group] += counted;
    if (too_many) {
      out_.waits_for = "a budget: as many of " + join(node.groups, ", ") + " as it allows are at work, failed or down";
      if (anybody_elsewhere()) wake(now_ + kLookAgain);
      continue;
    }
    begin(ring, clock, node);
    for (const auto& group : node.groups) disturbed_[group] += !counted;
    ++at_work;
    ++begun;
  }
  if (waits || begun > 0) wake(clock.next_look);
}

bool Turn::roles_known(const Ring&) {
  bool known = true;
  for (auto& node : rollout_.nodes) {
    if (node.ring != rollout_.ring || node.state != NodeState::Pending || node.rank != kRankUnknown) continue;
    known = false;
    if (node.asked) continue;
    node.asked = true;
    node.deadline = now_ + ring_of(node).delivery;
    touch(node);
    act(ActionKind::ask_role, node);
  }
  return known;
}

bool Turn::fits(const RingClock& clock, const Node& node) {
  if (!clock.begin_until) return true;
  const auto measured = surroundings_.takes.find(node.node_id);
  const auto takes = measured == surroundings_.takes.end() ? surroundings_.takes_by_default : measured->second;
  return now_ + takes <= *clock.begin_until;
}

// Each node once: one that is disturbed here and elsewhere is counted here.
void Turn::count_elsewhere(bool (*counts_here)(const Node&)) {
  disturbed_.clear();
  for (const auto& [group, nodes] : surroundings_.disrupted_elsewhere) disturbed_[group] = nodes;
  for (const auto& node : rollout_.nodes) {
    const auto found = surroundings_.members_elsewhere.find(node.node_id);
    if (found == surroundings_.members_elsewhere.end() || counts_here(node)) continue;
    for (const auto& group : found->second) ++disturbed_[group];
  }
}

// Those at work and those that failed and are not settled, over all rings and all rollouts.
void Turn::count_disturbed() {
  count_elsewhere(disturbs);
  for (const auto& node : rollout_.nodes)
    if (disturbs(node))
      for (const auto& group : node.groups) ++disturbed_[group];
  for (const auto& node : rollout_.nodes)
    if (is_only_offline(node))
      for (const auto& group : node.groups) ++disturbed_[group];
}

// Not heard of for long, and not counted for another reason.
bool Turn::is_only_offline(const Node& node) const {
  return surroundings_.offline.contains(node.node_id) && !disturbs(node) &&
         !surroundings_.members_elsewhere.contains(node.node_id);
}

bool Turn::disturbs_too_many(const Ring& ring, const Node& node) {
  for (const auto& budget : ring.budgets)
    for (const auto& group : node.groups)
      if (group.starts_with(budget.tag + "=") && disturbed_[group] >= budget.disrupted_max) return true;
  return false;
}

void Turn::begin(const Ring& ring, const RingClock& clock, Node& node) {
  node.state = NodeState::Checking;
  node.why.clear();
  node.taken = false;
  node.attempt += 1;
  node.started_at = now_;
  node.ended_at.reset();
  node.deadline = now_ + ring.delivery;
  touch(node);
  act(ActionKind::send, node);
  out_.actions.back().end_by = clock.begin_until;
}

// ---- the way back

// One that fell ill has its place in the budget already, and waiting for others that are ill would mend neither: only
// those that are at work, or could not be put back, hold it up.
bool Turn::way_back_disturbs_too_many(const Node& node, const Groups& ill) {
  if (!is_unsettled(node)) return disturbs_too_many(ring_of(node), node);
  for (const auto& group : node.groups) disturbed_[group] -= ill.at(group);
  const bool too_many = disturbs_too_many(ring_of(node), node);
  for (const auto& group : node.groups) disturbed_[group] += ill.at(group);
  return too_many;
}

void Turn::begin_way_back(Node& node) {
  node.put_back = false;
  node.undoes = node.order_id;
  node.state = NodeState::RollingBack;
  node.taken = false;
  node.attempt += 1;
  node.ended_at.reset();
  node.deadline = now_ + ring_of(node).delivery;
  touch(node);
  act(ActionKind::put_back, node);
}

void Turn::put_back_wanted() {
  std::map<std::uint32_t, std::uint32_t> at_work;
  Groups ill;
  count_elsewhere([](const Node& node) { return is_at_work(node.state) || is_unsettled(node); });
  for (const auto& node : rollout_.nodes) {
    if (is_at_work(node.state)) ++at_work[node.ring];
    // Those that are back are no burden any more.
    if (!is_at_work(node.state) && !is_unsettled(node)) continue;
    for (const auto& group : node.groups) {
      ++disturbed_[group];
      if (node.state == NodeState::Committed) ++ill[group];
    }
  }
  for (auto& node : rollout_.nodes) {
    if (!node.put_back || node.state != NodeState::Committed) continue;
    if (at_work[node.ring] >= ring_of(node).concurrency_max) continue;
    if (way_back_disturbs_too_many(node, ill)) {
      if (anybody_elsewhere()) wake(now_ + kLookAgain);
      continue;
    }
    ++at_work[node.ring];
    const bool was_ill = is_unsettled(node);
    for (const auto& group : node.groups) {
      if (was_ill) --ill[group];
      else ++disturbed_[group];
    }
    begin_way_back(node);
  }
}

void Turn::roll_back() {
  put_back_wanted();
  std::uint32_t open = 0, at_work = 0, not_back = 0, nodes = 0;
  for (const auto& node : rollout_.nodes) {
    if (rollout_.rollback_ring && node.ring != *rollout_.rollback_ring) continue;
    ++nodes;
    if (is_at_work(node.state)) ++at_work;
    if (is_at_work(node.state) || (node.put_back && node.state == NodeState::Committed)) ++open;
    if (node.state == NodeState::RollbackFailed || node.state == NodeState::Inconsistent) ++not_back;
  }
  if (open > 0 && (at_work > 0 || anybody_elsewhere())) return;
  if (open > 0)
    return enter(State::Halted, of(open, nodes,
                                   "nodes wait to be put back, and a budget of their group is used up by those that "
                                   "could not be; look at these first"));
  if (not_back > 0) return enter(State::Halted, of(not_back, nodes, "nodes could not be put back; look at them"));
  if (rollout_.rollback_ring)
    return enter(State::Halted, "the ring " + rollout_.rings[*rollout_.rollback_ring].name + " was put back");
  enter(State::RolledBack, rollout_.why);
}

}  // namespace belay::rollout
