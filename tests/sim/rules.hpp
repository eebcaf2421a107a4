#pragma once
// The promises of a rollout and of a run, as pure functions over what was seen: each says what is wrong, "" where
// nothing is.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/checks.hpp"

namespace belay::sim::rules {

using Seen = std::map<std::string, RolloutSeen>;  // by id
using RoleOf = std::function<std::string(const std::string& node_id)>;

// Nodes that were sent the change between the two.
std::vector<const rollout::Node*> begun(const RolloutSeen* before, const RolloutSeen& now);

// ---- of a rollout
std::string over_concurrency(const RolloutSeen& now);
std::string over_budget(const Seen& all, const RolloutSeen& now, const rollout::Node& node, const RoleOf& role_of,
                        const std::set<std::string>& unsettled);
std::string begun_outside_window(const RolloutSeen& now, const rollout::Node& node, Duration at);
std::string begun_out_of_turn(const RolloutSeen& now, const rollout::Node& node);
std::string promoted_without_green(const RolloutSeen& before, const RolloutSeen& now, Instant at);
std::string came_back_to_life(const RolloutSeen& before, const RolloutSeen& now);

// ---- of a run on a node
std::string two_runs(const std::vector<patchrun::RunState>& others);
std::string below_class(const patchrun::RunState& run);
std::string changed_outside_window(const RunRecord& record, Duration end_by);
std::string goes_on_though_stopped(const RunRecord& record);
std::string ships_something_else(const RunRecord& record, const std::string& change_set);
std::string lies(const RunRecord& record, const std::map<std::string, std::string>& broken);

// ---- at the end: what the store says of a node, against what its run really did; null where it never ran
std::string store_lies(const rollout::Node& node, const RunRecord* record);

}  // namespace belay::sim::rules
