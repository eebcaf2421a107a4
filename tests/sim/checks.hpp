#pragma once
// What must be so after every step, each a small function that says what is wrong, or nothing.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/patchrun/machine.hpp"
#include "server/engine/rollout_kind.hpp"
#include "tests/sim/node.hpp"

namespace belay::sim {

class World;

// A rollout as the store has it.
struct RolloutSeen {
  std::string id, name;
  rollout::Spec spec;
  rollout::Rollout machine;  // with its nodes
  std::string change_set_id;
  std::uint32_t approvals_wanted = 0;
  bool rolls_back_only = false, finished = false;
  std::int64_t generation = 0;  // of its execution: the same one is the same state
};

class Checks {
 public:
  explicit Checks(World& world) : world_(world) {}

  // After each transaction of the server's engine.
  void server_moved();
  void server_acknowledges(const wire::Envelope& message);
  // On a node: the first byte of a change is about to move; `others` are runs that have not ended either.
  void change_begins(const Node& node, const RunRecord& record, const patchrun::RunState& run,
                     const std::vector<patchrun::RunState>& others);
  void run_ended(const Node& node, const RunRecord& record);
  void at_the_end();

  bool rollouts_rest();
  std::string who_is_busy();
  // Rollouts that nobody works on and that wait for what does not come: their budget, or a window that is too short.
  std::vector<std::string> blocked_for_good();

 private:
  void look();
  Result<RolloutSeen> see(store::Sql& sql, const store::rollouts::Rollout& row) const;
  void look_at_change_set(const std::string& id);
  void say(const std::string& what);

  World& world_;
  std::map<std::string, RolloutSeen> before_, now_;
  std::set<std::string> unsettled_;            // nodes that failed, and nobody has seen well since
  std::map<std::string, std::string> frozen_;  // the content of each change set when it was first seen frozen
  std::set<std::string> told_;                 // orders whose results the server acknowledged
};

}  // namespace belay::sim
