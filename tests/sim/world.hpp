#pragma once
// One simulation: a server, nodes, the lines between them and the people who use them, all on one seed. Events happen
// one after the other; after each the checkers look. After kActive nothing fails any more, and everything must come to
// an end that says the truth.
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/checks.hpp"
#include "tests/sim/event_queue.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/node.hpp"
#include "tests/sim/operators.hpp"
#include "tests/sim/pool.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/sim/server.hpp"

namespace belay::sim {

class World {
 public:
  // `folder`: empty, on a fast disk; `store`: fresh, with the schema and the predefined baselines.
  World(std::uint64_t seed, const std::string& folder, std::unique_ptr<store::Store> store,
        const server::Authority& authority);

  void run();

  void note(const std::string& what, Duration at);
  void complain(const std::string& what);
  Instant wall(Duration at) const { return kStart + at; }
  Duration time_of(Instant wall) const { return std::chrono::duration_cast<Duration>(wall - kStart); }
  const std::string& order_key() const { return authority_.order_public_key; }
  // What happens elsewhere while a host works: everything up to that time. Runs that begin meanwhile are done at once.
  void catch_up(Duration at);
  bool is_catching_up() const { return catching_up_; }
  bool answers(std::size_t node) { return server->is_up() && server->knows(node); }
  Node* node_named(std::string_view id);
  std::size_t index_of(const Node& node) const;

  EventQueue queue;
  Random random;
  const Scenario scenario;
  bool faults = true;
  PoolContent pool;
  std::vector<std::unique_ptr<Node>> nodes;
  std::unique_ptr<Network> network;
  std::unique_ptr<Server> server;
  std::unique_ptr<Checks> checks;
  std::unique_ptr<Operators> operators;

  std::vector<std::string> trace;
  std::vector<std::string> wrong;  // what the checkers found
  std::uint64_t events = 0;

 private:
  inline static const Instant kStart = from_unix_ms(1'795'435'200'000);  // 2026-11-23T12:00:00Z
  void enroll();
  void plan_faults();
  void come_to_rest();
  void look_whether_at_rest();

  const server::Authority& authority_;
  bool at_rest_ = false, catching_up_ = false;
};

}  // namespace belay::sim
