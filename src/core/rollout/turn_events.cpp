// What happened, taken into the state. What comes twice, or too late to matter, changes nothing.
#include <algorithm>

#include "core/rollout/turn.hpp"

namespace belay::rollout {
namespace {

bool is_of_node(EventKind kind) {
  switch (kind) {
    case EventKind::taken:
    case EventKind::committed:
    case EventKind::nothing_to_do:
    case EventKind::excused:
    case EventKind::held:
    case EventKind::rolled_back:
    case EventKind::rollback_failed:
    case EventKind::inconsistent:
    case EventKind::put_back:
    case EventKind::not_put_back:
    case EventKind::data_back:
    case EventKind::data_not_back:
    case EventKind::undeliverable:
    case EventKind::withdrawn:
    case EventKind::regressed:
    case EventKind::looked_well:
    case EventKind::taken_back:
    case EventKind::settled:
    case EventKind::role_told: return true;
    default: return false;
  }
}

bool may_pause(State state) {
  return state == State::Planned || state == State::AwaitingApproval || state == State::Running ||
         state == State::Soaking;
}

}  // namespace

void Turn::take(const Event& event) {
  if (!is_of_node(event.kind)) return take_of_rollout(event);
  auto* node = node_named(event.node_id);
  if (!node) return;
  if (!event.order_id.empty() && event.order_id != node->order_id) return;  // of an earlier attempt
  take_of_node(event, *node);
}

void Turn::take_of_rollout(const Event& event) {
  if (is_over(rollout_.state)) return;
  switch (event.kind) {
    case EventKind::start: rollout_.started = true; return;
    case EventKind::frozen: rollout_.waits_for_approval = !rollout_.ready; return;
    case EventKind::approved:
      rollout_.ready = true;
      rollout_.waits_for_approval = false;
      return;
    case EventKind::not_plannable:
      if (!rollout_.ready) {
        skip_pending("the change set could not be made");
        enter(State::Aborted, "the change set could not be made: " + event.why);
      }
      return;
    case EventKind::ring_approved: return approve(event);
    case EventKind::joined: return take_join(event);
    case EventKind::quarantined:
      if (rollout_.state == State::Halted || rollout_.state == State::RollingBack) return;
      withdraw_untaken();
      return enter(State::Halted, event.why);
    case EventKind::pause:
      if (!may_pause(rollout_.state)) return;
      rollout_.before_pause = rollout_.state;
      withdraw_untaken();
      return enter(State::Paused, event.why.empty() ? "paused by " + event.who : event.why);
    case EventKind::resume: return take_resume(event);
    case EventKind::abort:
      withdraw_untaken();
      skip_pending("the rollout was aborted before its turn");
      for (auto& node : rollout_.nodes) node.put_back = false;
      return enter(State::Aborted, event.why.empty() ? "aborted by " + event.who : event.why);
    case EventKind::roll_back: return take_roll_back(event);
    default: return;
  }
}

void Turn::approve(const Event& event) {
  const auto index = event.ring.value_or(rollout_.ring);
  if (index >= rollout_.rings.size() || index < rollout_.ring) return;
  auto& ring = rollout_.rings[index];
  if (std::ranges::find(ring.approved_by, event.who) == ring.approved_by.end()) ring.approved_by.push_back(event.who);
}

// Into the last ring, which keeps its order by id.
void Turn::take_join(const Event& event) {
  if (rollout_.rings.empty() || node_named(event.node_id)) return;
  Node node;
  node.node_id = event.node_id;
  node.ring = static_cast<std::uint32_t>(rollout_.rings.size() - 1);
  node.groups = event.groups;
  node.rank = rollout_.rings.back().ordered ? kRankUnknown : 0;
  const auto place = std::ranges::find_if(
      rollout_.nodes, [&](const Node& other) { return other.ring == node.ring && other.node_id > node.node_id; });
  touch(*rollout_.nodes.insert(place, std::move(node)));
  index_.clear();
}

void Turn::take_resume(const Event& event) {
  if (rollout_.rolled_back) return;  // what was put back is begun anew by a new rollout, not by going on
  if (rollout_.state == State::Paused) {
    rollout_.state = rollout_.before_pause;
    rollout_.why.clear();
  } else if (rollout_.state == State::Halted && rollout_.ring < rollout_.rings.size()) {
    auto& ring = rollout_.rings[rollout_.ring];
    for (std::uint32_t i = 0; i < rollout_.ring && !event.why.empty(); ++i)  // taken back there since they were green
      if (const auto failed = count(rollout_, i).failed; failed > rollout_.rings[i].errors_max)
        rollout_.rings[i].errors_accepted = failed;
    if (ring.state == RingState::Halted) {
      ring.state = RingState::Running;
      if (!event.why.empty()) accept_halt(ring, event.again);
    }
    rollout_.state = rollout_.ready && rollout_.started ? State::Running : State::Planned;
    rollout_.why.clear();
  } else {
    return;
  }
  if (!event.again) return;
  for (auto& node : rollout_.nodes)
    if (node.ring == rollout_.ring && node.state == NodeState::Held) {
      node.state = NodeState::Pending;
      node.down = node.settled = false;
      node.why.clear();
      node.ended_at.reset();
      if (node.rank == kRankUnknown && node.asked) node.asked = false, ++node.attempt;  // asked by another order
      touch(node);
    }
}

// Only that by which the ring halted, and only as far as it has come by now: what fails later halts it again. A ring in
// which nobody took the change shows nothing that could be accepted, and held nodes that are tried again have to show
// it.
void Turn::accept_halt(Ring& ring, bool held_ones_again) {
  const auto counts = count(rollout_, rollout_.ring);
  if (over_budget(ring, counts)) {
    ring.errors_accepted = counts.failed;
    return;
  }
  if (counts.pending == 0 && counts.at_work == 0 && counts.committed > 0 && !held_ones_again)
    ring.sample_accepted = counts.committed;
}

void Turn::take_roll_back(const Event& event) {
  if (!event.node_id.empty()) {
    auto* node = node_named(event.node_id);
    if (!node || node->state != NodeState::Committed) return;
    node->put_back = true;
    return touch(*node);
  }
  withdraw_untaken();
  rollout_.rolled_back = true;
  rollout_.rollback_ring = event.ring;
  if (!event.ring) skip_pending("the rollout was rolled back before its turn");
  mark_for_rollback(event.ring);
  enter(State::RollingBack, event.why.empty() ? "rolled back by " + event.who : event.why);
}

void Turn::mark_for_rollback(std::optional<std::uint32_t> ring) {
  for (auto& node : rollout_.nodes)
    if (node.state == NodeState::Committed && (!ring || node.ring == *ring)) {
      node.put_back = true;
      touch(node);
    }
}

void Turn::take_of_node(const Event& event, Node& node) {
  if (node.data && is_at_work(node.state)) return take_of_data(event, node);
  switch (event.kind) {
    case EventKind::taken:
      if (!is_at_work(node.state) || node.taken) return;
      node.taken = true;
      node.deadline = now_ + ring_of(node).patience;
      return touch(node);
    case EventKind::role_told:
      if (node.state != NodeState::Pending) return;
      node.rank = event.rank;
      node.deadline.reset();
      return touch(node);
    case EventKind::regressed:
      if (node.state != NodeState::Committed || node.regressed) return;
      node.regressed = true;
      node.settled = false;
      node.why = event.why;
      return touch(node);
    case EventKind::looked_well:
      if (node.state != NodeState::Committed || node.looked_well) return;
      node.looked_well = true;
      node.look_until.reset();
      return touch(node);
    case EventKind::taken_back:  // whoever did it found fault with the change: it failed there
      if (node.state != NodeState::Committed) return;
      node.put_back = false;
      end_node(node, NodeState::RolledBack, event.why);
      node.settled = true;  // seen to have gone back well
      return;
    case EventKind::settled:
      if (node.settled || !(is_failed(node.state) || node.regressed || node.down)) return;
      node.settled = true;
      return touch(node);
    case EventKind::withdrawn:  // also of a node that had it, and stopped before anything was changed
      if (!is_at_work(node.state)) return;
      node.deadline.reset();
      if (has_no_turn_any_more(node)) return end_node(node, NodeState::Skipped, "its order was taken back unread");
      node.state = NodeState::Pending;
      return touch(node);
    case EventKind::undeliverable:
      if (node.state == NodeState::Pending) return end_node(node, NodeState::Skipped, "is no node any more");
      if (!is_at_work(node.state)) return;
      return end_node(node, node.taken ? NodeState::Inconsistent : NodeState::Skipped, "is no node any more");
    default: return ended(event, node);
  }
}

// Over, or on the way back as a whole or in its ring: an order that comes back unread is not given again.
bool Turn::has_no_turn_any_more(const Node& node) const {
  if (is_over(rollout_.state)) return true;
  return rollout_.rolled_back && (!rollout_.rollback_ring || *rollout_.rollback_ring == node.ring);
}

// Once for a node. One that was given up waits for whom it was told to: what was mended there since is not known.
bool Turn::restores_data(const Event& event, const Node& node) const {
  return event.data_until && rollout_.rings[node.ring].restores_data && !node.data && node.undoes.empty() &&
         is_at_work(node.state);
}

// The node keeps its place at work until its data and its probes have been seen.
void Turn::begin_data(const Event& event, Node& node) {
  node.state = NodeState::RollingBack;
  node.why = event.why;
  node.undoes = node.order_id;
  node.data.emplace().moment = *event.data_until;
  node.taken = true;
  node.deadline.reset();  // the restore has one of its own
  touch(node);
  act(ActionKind::restore_data, node);
}

void Turn::take_of_data(const Event& event, Node& node) {
  const bool restoring = node.data->step == DataStep::restoring;
  switch (event.kind) {
    case EventKind::undeliverable: return end_data(node, NodeState::Inconsistent, "is no node any more");
    case EventKind::data_not_back:
      if (restoring) end_data(node, NodeState::RollbackFailed, event.why);
      return;
    case EventKind::data_back:
      if (!restoring) return;
      node.data->step = DataStep::verifying;
      node.data->told = event.why;
      node.taken = false;
      node.attempt += 1;
      node.deadline = now_ + ring_of(node).delivery;
      touch(node);
      return act(ActionKind::measure, node);
    default: break;
  }
  if (restoring) return;  // the failed run, said again
  switch (event.kind) {
    case EventKind::taken:
      if (node.taken) return;
      node.taken = true;
      node.deadline = now_ + ring_of(node).patience;
      return touch(node);
    case EventKind::put_back: return end_data(node, NodeState::RolledBack, "");
    case EventKind::withdrawn:
      return end_data(node, NodeState::RollbackFailed, "the order to read its probes was stopped");
    case EventKind::held:
    case EventKind::rolled_back:
    case EventKind::rollback_failed:
    case EventKind::inconsistent:
    case EventKind::not_put_back: return end_data(node, NodeState::RollbackFailed, event.why);
    default: return;
  }
}

// Told in any case: a report that was made before speaks of a node on its way back.
void Turn::end_data(Node& node, NodeState state, std::string why) {
  const bool back = node.data->step != DataStep::restoring;
  auto whole = back ? node.data->told : node.why;
  if (!why.empty()) whole += (back ? "; " : "; its data was not put back: ") + why;
  node.data->step = DataStep::ended;
  end_node(node, state, std::move(whole));
  out_.actions.push_back({ActionKind::report, "", 0, {}, node.node_id + ": " + node.why});
}

// The truth about a run counts whenever it comes: also after its deadline passed.
void Turn::ended(const Event& event, Node& node) {
  const bool undoing = !node.undoes.empty();
  switch (event.kind) {
    case EventKind::committed:
      if (undoing) return;
      node.put_back =
          rollout_.state == State::RollingBack && (!rollout_.rollback_ring || *rollout_.rollback_ring == node.ring);
      return end_node(node, NodeState::Committed, event.why);
    case EventKind::nothing_to_do:
      end_node(node, NodeState::Skipped, event.why);
      node.had_nothing = true;
      return;
    case EventKind::excused:
      end_node(node, NodeState::Skipped, event.why);
      node.excused = true;
      return;
    case EventKind::held:
      end_node(node, NodeState::Held, event.why);
      node.down = event.down;
      return;
    case EventKind::rolled_back: return end_node(node, NodeState::RolledBack, event.why);
    case EventKind::rollback_failed:
      if (restores_data(event, node)) return begin_data(event, node);
      return end_node(node, NodeState::RollbackFailed, event.why);
    case EventKind::inconsistent: return end_node(node, NodeState::Inconsistent, event.why);
    case EventKind::put_back: return end_node(node, NodeState::RolledBack, node.data ? node.data->told : event.why);
    case EventKind::not_put_back:
      return end_node(node, NodeState::RollbackFailed, (node.data ? node.data->told + "; " : "") + event.why);
    default: return;
  }
}

void Turn::look_at_deadlines() {
  for (auto& node : rollout_.nodes) {
    if (!node.deadline || *node.deadline > now_) continue;
    if (node.state == NodeState::Pending) {
      end_node(node, NodeState::Held,
               "did not tell its role within " + humanize(ring_of(node).delivery) + ": it may be off");
      continue;
    }
    if (!is_at_work(node.state)) continue;
    const bool undoing = node.state == NodeState::RollingBack;
    if (node.data) {
      if (!node.taken) act(ActionKind::withdraw, node);
      end_data(
          node, node.taken ? NodeState::Inconsistent : NodeState::RollbackFailed,
          "whether it is well since is not known: it did not " + std::string(node.taken ? "say" : "take the order"));
      continue;
    }
    if (node.taken) {
      end_node(node, NodeState::Inconsistent,
               "has not said how its run went for " + humanize(ring_of(node).patience) +
                   ": it may be down; look at it from outside");
    } else {
      act(ActionKind::withdraw, node);
      end_node(node, undoing ? NodeState::RollbackFailed : NodeState::Held,
               "did not take its order within " + humanize(ring_of(node).delivery) + ": it may be off");
      node.down = !undoing;
    }
  }
}

}  // namespace belay::rollout
