#pragma once
// What was rolled back somewhere goes nowhere else: the fleet's memory of it.
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "store/rollouts.hpp"

namespace belay::server {

// The entry in force that hits a change for a node's system; nullptr. One that is about a role hits only where `roles`
// (the node's) have it: whoever asks for many nodes at once leaves it to the node's turn.
const store::rollouts::Quarantine* hit_by(const std::vector<store::rollouts::Quarantine>& in_force,
                                          const fleet::PackageChange& change, std::string_view operating_system,
                                          const std::vector<std::string>& roles = {});
// The values of its tag Role.
Result<std::vector<std::string>> roles_of(store::Sql& sql, std::string_view node_id);

// Gives the entry its id, keeps it, and stops every open rollout, but one ("" none), that ships what it names. Returns
// the id.
Result<std::string> put_into_quarantine(store::Sql& sql, store::rollouts::Quarantine entry,
                                        std::string_view but_rollout_id);

}  // namespace belay::server
