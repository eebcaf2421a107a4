#include "tests/sim/event_queue.hpp"

#include <algorithm>

namespace belay::sim {

void EventQueue::at(Duration when, Run run) {
  events_.push_back({std::max(when, now_), asked_++, std::move(run)});
  std::ranges::push_heap(events_, std::less<>());
}

bool EventQueue::step() {
  if (events_.empty()) return false;
  std::ranges::pop_heap(events_, std::less<>());
  auto event = std::move(events_.back());
  events_.pop_back();
  now_ = event.when;
  event.run();
  return true;
}

}  // namespace belay::sim
