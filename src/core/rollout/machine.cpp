#include "core/rollout/machine.hpp"

#include <algorithm>
#include <set>

#include "core/rollout/turn.hpp"

namespace belay::rollout {

bool is_over(State state) { return state == State::Completed || state == State::RolledBack || state == State::Aborted; }

bool is_at_work(NodeState state) {
  switch (state) {
    case NodeState::Checking:
    case NodeState::Protecting:
    case NodeState::Installing:
    case NodeState::Rebooting:
    case NodeState::Verifying:
    case NodeState::RollingBack: return true;
    default: return false;
  }
}

bool is_failed(NodeState state) {
  return state == NodeState::RolledBack || state == NodeState::RollbackFailed || state == NodeState::Inconsistent;
}

bool has_failed(const Node& node) { return is_failed(node.state) || node.regressed || node.data; }

bool is_unsettled(const Node& node) {
  const bool failed = node.state == NodeState::RollbackFailed || node.state == NodeState::Inconsistent ||
                      (node.regressed && node.state == NodeState::Committed);
  return failed && !node.settled;
}

bool disturbs(const Node& node) {
  return is_at_work(node.state) || is_unsettled(node) || (node.state == NodeState::RolledBack && !node.settled) ||
         (node.state == NodeState::Held && node.down && !node.settled);
}

bool is_finished(const Rollout& rollout) {
  return is_over(rollout.state) &&
         std::ranges::none_of(rollout.nodes, [](const Node& node) { return is_at_work(node.state); });
}

std::string order_name(const Action& action) {
  const char* what = action.kind == ActionKind::put_back   ? "put-back"
                     : action.kind == ActionKind::measure  ? "measure"
                     : action.kind == ActionKind::look     ? "look"
                     : action.kind == ActionKind::ask_role ? "role"
                                                           : "change";
  return what + ("-" + std::to_string(action.attempt));
}

RingCounts count(const Rollout& rollout, std::uint32_t ring) {
  RingCounts out;
  for (const auto& node : rollout.nodes) {
    if (node.ring != ring) continue;
    ++out.nodes;
    if (node.state == NodeState::Pending) ++out.pending;
    else if (node.state == NodeState::Committed) ++out.committed;
    else if (node.state == NodeState::Held) ++out.held;
    else if (node.state == NodeState::Skipped) ++out.skipped;
    else if (is_at_work(node.state)) ++out.at_work;
    if (has_failed(node)) ++out.failed;
    if (node.state == NodeState::RolledBack) ++out.rolled_back;
    if (node.state == NodeState::Skipped && node.had_nothing) ++out.had_nothing;
    if (node.state == NodeState::Skipped && node.excused) ++out.excused;
  }
  return out;
}

bool nobody_had_anything(const RingCounts& counts) {
  return counts.had_nothing > 0 && counts.excused == 0 &&
         counts.skipped == counts.nodes;  // the other skipped ones are no nodes any more
}

Step step(Rollout& rollout, std::span<const Event> events, const Surroundings& surroundings, Instant now) {
  Turn turn(rollout, surroundings, now);
  for (const auto& event : events) turn.take(event);
  turn.look_at_deadlines();
  turn.decide();
  return turn.finish();
}

// ---- what every part of a turn uses

Node* Turn::node_named(std::string_view id) {
  if (index_.size() != rollout_.nodes.size()) {
    index_.clear();
    for (std::size_t i = 0; i < rollout_.nodes.size(); ++i) index_.emplace(rollout_.nodes[i].node_id, i);
  }
  const auto at = index_.find(id);
  return at == index_.end() ? nullptr : &rollout_.nodes[at->second];
}

void Turn::act(ActionKind kind, const Node& node) {
  out_.actions.push_back({kind, node.node_id, node.attempt, {}, ""});
}

void Turn::wake(std::optional<Instant> at) {
  if (at && (!out_.wake_at || *at < *out_.wake_at)) out_.wake_at = at;
}

void Turn::end_node(Node& node, NodeState state, std::string why) {
  node.state = state;
  node.why = std::move(why);
  node.settled = node.had_nothing = node.excused = node.down = false;
  node.ended_at = now_;
  node.deadline.reset();
  touch(node);
}

// A halt and an end are told with a report.
void Turn::enter(State state, std::string why) {
  const bool told = state == State::Halted || is_over(state);
  if (told && rollout_.state != state) out_.actions.push_back({ActionKind::report, "", 0, {}, why});
  rollout_.state = state;
  rollout_.why = std::move(why);
  if (is_over(state)) end_rings();
}

// Nothing runs, soaks or waits in what is over. A ring that was green or halted says that as before, but not over nodes
// that are back as they were.
void Turn::end_rings() {
  for (std::uint32_t i = 0; i < rollout_.rings.size(); ++i) {
    auto& ring = rollout_.rings[i];
    if (rollout_.state == State::RolledBack && ring.begun_at) ring.state = RingState::RolledBack;
    else if (ring.state != RingState::Green && ring.state != RingState::Halted) ring.state = RingState::Ended;
  }
}

// Orders that their nodes may not have yet; those that run are left to their own end, which is safer than any stop.
void Turn::withdraw_untaken() {
  for (const auto& node : rollout_.nodes)
    if (is_at_work(node.state) && !node.taken && node.state != NodeState::RollingBack) act(ActionKind::withdraw, node);
}

void Turn::skip_pending(const std::string& why) {
  for (auto& node : rollout_.nodes)
    if (node.state == NodeState::Pending) end_node(node, NodeState::Skipped, why);
}

Step Turn::finish() {
  if (is_over(rollout_.state)) out_.wake_at.reset();
  for (const auto& node : rollout_.nodes)
    if (is_at_work(node.state) || node.state == NodeState::Pending) wake(node.deadline);
  for (std::size_t i = 0; i < rollout_.nodes.size(); ++i)
    if (changed_.contains(rollout_.nodes[i].node_id)) out_.changed.push_back(i);
  return std::move(out_);
}

}  // namespace belay::rollout
