#pragma once
// A rollout under the hands of a test, for machine_test.cpp and machine_memory_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/rollout/machine.hpp"

namespace belay::rollout {

using namespace std::chrono_literals;
inline constexpr Instant kBegin{Duration(1'700'000'000'000)};

// A rollout under the hands of its caller: orders get ids, everything else is as the test says.
struct World {
  Rollout rollout;
  Surroundings around;
  Instant now = kBegin;
  std::vector<Action> actions;  // of the last turn

  explicit World(std::vector<std::uint32_t> nodes_by_ring) {
    rollout.started = rollout.ready = true;
    for (std::uint32_t ring = 0; ring < nodes_by_ring.size(); ++ring) {
      Ring made;
      made.name = "ring" + std::to_string(ring);
      made.concurrency_max = 100;
      made.delivery = 1h;
      made.patience = 2h;
      rollout.rings.push_back(made);
      around.clocks.emplace_back();
      for (std::uint32_t i = 0; i < nodes_by_ring[ring]; ++i) {
        Node node;
        node.node_id = "n" + std::to_string(ring) + "-" + std::to_string(i);
        node.ring = ring;
        rollout.nodes.push_back(node);
      }
    }
  }
  Step turn(std::vector<Event> events = {}) {
    auto step = rollout::step(rollout, events, around, now);
    actions = step.actions;
    for (const auto& action : step.actions)
      if (action.kind == ActionKind::send || action.kind == ActionKind::put_back || action.kind == ActionKind::measure)
        node(action.node_id).order_id = action.node_id + "/" + order_name(action);
    return step;
  }
  Node& node(const std::string& id) { return *std::ranges::find(rollout.nodes, id, &Node::node_id); }
  Event of(const std::string& id, EventKind kind, std::string why = "") {
    Event event;
    event.kind = kind;
    event.node_id = id;
    event.order_id = node(id).order_id;
    event.why = std::move(why);
    return event;
  }
  static Event say(EventKind kind, std::string who = "ana") {
    Event event;
    event.kind = kind;
    event.who = std::move(who);
    return event;
  }
  std::vector<std::string> sent(ActionKind kind = ActionKind::send) const {
    std::vector<std::string> out;
    for (const auto& action : actions)
      if (action.kind == kind) out.push_back(action.node_id);
    return out;
  }
  void all_at_work(EventKind kind) {
    std::vector<Event> events;
    for (const auto& node : rollout.nodes)
      if (is_at_work(node.state)) events.push_back(of(node.node_id, kind));
    turn(events);
  }
};

}  // namespace belay::rollout
