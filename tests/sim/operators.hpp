#pragma once
// The people: who writes rollouts, approves, pauses, resumes, aborts, rolls back and puts into quarantine, at times
// that nobody foresaw.
#include <functional>
#include <string>
#include <vector>

#include "server/engine/rollouts.hpp"
#include "tests/sim/random.hpp"

namespace belay::sim {

class World;
class Node;

class Operators {
 public:
  Operators(World& world, Random random) : world_(world), random_(random) {}
  void make_window();
  void start();
  void remove(Node& node);
  // Somebody looks at that time, and pauses or aborts the rollout of a change set.
  void stop(const std::string& change_set_id, Duration at);
  const std::vector<std::string>& rollouts() const { return rollouts_; }

 private:
  void create(std::size_t plan);
  void each_minute();
  void approve();
  void meddle();
  void roll_back(const std::string& rollout_id);
  void put_into_quarantine();
  void give_up_what_is_blocked();
  void said(const std::string& what, const Status& status);

  World& world_;
  Random random_;
  std::vector<std::string> rollouts_;
};

}  // namespace belay::sim
