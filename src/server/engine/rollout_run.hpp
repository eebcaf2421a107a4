#pragma once
// One turn of one rollout, inside one transaction. Used by rollout_kind.cpp.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/engine/approvals.hpp"
#include "server/engine/node_event.hpp"
#include "server/engine/rollout_kind.hpp"
#include "wire/messages.hpp"

namespace belay::server {

class RolloutRun {
 public:
  RolloutRun(store::Sql& sql, const RolloutParts& parts, Instant now) : sql_(sql), parts_(parts), now_(now) {}

  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& events);

 private:
  using Events = std::vector<rollout::Event>;
  Status load(const store::executions::Execution& execution);
  Status save(const std::map<std::string, rollout::Node>& before);

  // ---- what happened (rollout_events.cpp)
  Status translate(const store::executions::Event& posted, Events& events);
  Status translate_node(const NodeEvent& event, Events& events);
  Status look_at_change_set(Events& events);
  Status look_for_joiners(Events& events);
  void note_listening();
  Status look_for_regressions(Events& events);
  Status look_for_reboots(Events& events);  // of machines that do not come back
  std::string look_order_id(const rollout::Node& node) const;
  Status translate_look(const NodeEvent& told, const rollout::Node& node, Events& events);
  std::string role_order_id(const rollout::Node& node) const;
  Result<std::uint32_t> rank_of(const wire::OrderResult& result) const;
  Result<rollout::Surroundings> look_around();
  Result<rollout::RingClock> clock_of(const rollout::RingSpec& ring);
  Status measure(rollout::Surroundings& surroundings);
  // rollout_proofs.cpp: what rings demand of backups; nodes that can never meet it now are held.
  Status look_at_proofs(rollout::Surroundings& surroundings);
  Status look_at_proof(const rollout::Node& node, const backup::Demand& demand);
  // rollout_data.cpp: the last rung.
  void judge_data(const wire::OrderResult& result, const rollout::Node& node, rollout::Event& event) const;
  Status look_for_data(Events& events);
  Status restore_data(rollout::Node& node, Events& answers);
  Status look_at(const rollout::Action& action, const rollout::Node& node);
  Status measure_again(const rollout::Action& action, rollout::Node& node, Events& answers);
  Status find_offline(const std::set<std::string>& tags, std::set<std::string>& own, std::set<std::string>& others);
  Status count_disrupted(const std::set<std::string>& tags, rollout::Surroundings& surroundings);

  // ---- what to do (rollout_orders.cpp)
  Status act(const rollout::Action& action, Events& answers);
  Status send(const rollout::Action& action, rollout::Node& node, Events& answers);
  Status put_back(const rollout::Action& action, rollout::Node& node, Events& answers);
  Status ask_role(const rollout::Action& action, rollout::Node& node, Events& answers);
  Status withdraw(const rollout::Node& node, Events& answers);
  Status tell_taken_back(const rollout::Node& node);
  Status report(const std::string& why);
  // ---- what is told and remembered (rollout_notices.cpp)
  Status quarantine(const rollout::Action& action);
  Result<std::vector<std::string>> roles_at_fault(const std::string& node_id) const;
  Status tell();

  wire::Order draft(const rollout::Action& action, const std::string& node_id, Duration delivery) const;
  Status queue(wire::Order order);
  const std::vector<std::string>* approvers() const;
  void fill_patch(patchrun::PatchRunOrder& patch, const rollout::Action& action, const rollout::RingSpec& ring) const;

  rollout::Node* node_named(std::string_view id);
  const rollout::RingSpec& ring_spec(const rollout::Node& node) const { return spec_.rings[node.ring]; }

  store::Sql& sql_;
  const RolloutParts& parts_;
  const Instant now_;

  RolloutExecution execution_;
  store::rollouts::Rollout row_;
  rollout::Spec spec_;
  std::optional<ChangeSetView> change_set_;
  std::optional<patchrun::ChangeTree> tree_;                // over its changes
  std::set<std::string> silent_;                            // of the ring at hand, not heard of lately
  std::map<std::string, std::vector<std::string>> proofs_;  // by node, that meet the demand: told to it
  std::map<std::string, std::string> unproven_;             // by node: why it may not begin yet
  Events held_;                                             // for the machine's next turn
  std::vector<std::string> rings_wait_for_;
  std::vector<std::pair<std::string, std::string>> told_of_;  // states that it came to in this turn, and why
  std::string unsettled_there_;  // nodes that failed and take a place in its budgets, for a person; begins with "; "
};

inline constexpr Duration kRolloutLookEvery{30'000};  // while nodes are at work: a machine may not come back
inline constexpr Duration kDataLookEvery{5'000};      // while data is put back
inline constexpr Duration kPlanLookEvery{1'000};      // while the change set is made
inline constexpr Duration kJoinersEvery{60'000};
// Turns are closer than this while nodes are at work or watched; after a longer pause nobody had listened.
inline constexpr Duration kNobodyListened{120'000};

}  // namespace belay::server
