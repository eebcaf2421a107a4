#pragma once
// What is to happen, by time; at the same time in the order it was asked for.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace belay::sim {

class EventQueue {
 public:
  using Run = std::function<void()>;

  Duration now() const { return now_; }
  bool empty() const { return events_.empty(); }
  Duration next() const { return events_.front().when; }  // not where it is empty
  void at(Duration when, Run run);
  void after(Duration wait, Run run) { at(now_ + wait, std::move(run)); }
  // False where nothing is left.
  bool step();

 private:
  struct Event {
    Duration when{};
    std::uint64_t number = 0;
    Run run;
    bool operator<(const Event& other) const {  // of a heap: the latest is the least
      return when != other.when ? when > other.when : number > other.number;
    }
  };
  std::vector<Event> events_;  // a heap
  std::uint64_t asked_ = 0;
  Duration now_{};
};

}  // namespace belay::sim
