#pragma once
// The lines between nodes and server: each direction keeps its order, as one connection does; a message that is lost
// takes the connection with it, and what was on its way. What was said is said again over the next one.
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/event_queue.hpp"
#include "tests/sim/scenario.hpp"
#include "wire/messages.hpp"

namespace belay::sim {

class Network {
 public:
  struct Ends {
    std::function<void(std::size_t node, const std::string& text)> server_hears, node_hears;
    std::function<void(std::size_t node)> broken;  // both sides notice
  };
  Network(EventQueue& queue, const Rates& rates, Random random, std::size_t nodes, Ends ends)
      : queue_(queue), rates_(rates), random_(random), lines_(nodes), ends_(std::move(ends)) {}

  bool is_up(std::size_t node) const { return lines_[node].up; }
  void connect(std::size_t node);
  void cut(std::size_t node);
  // False where the line is down. `at`: when it was said; a busy node is ahead of the others.
  bool to_server(std::size_t node, const wire::Envelope& message, Duration at);
  bool to_node(std::size_t node, const wire::Envelope& message);
  std::uint64_t connection(std::size_t node) const { return lines_[node].connection; }
  int on_the_way() const { return on_the_way_; }
  bool faults = true;

 private:
  struct Line {
    bool up = false;
    std::uint64_t connection = 0;
    Duration last_to_server{}, last_to_node{};
  };
  void send(std::size_t node, std::string text, Duration at, bool to_server);
  void arrive(std::size_t node, std::uint64_t connection, const std::string& text, bool to_server);

  EventQueue& queue_;
  const Rates& rates_;
  Random random_;
  std::vector<Line> lines_;
  Ends ends_;
  int on_the_way_ = 0;
};

}  // namespace belay::sim
