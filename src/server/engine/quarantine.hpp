#pragma once
// What was rolled back somewhere goes nowhere else: the fleet's memory of it.
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "store/rollouts.hpp"

namespace belay::server {

// The entry in force that hits a change for a node's system; nullptr.
const store::rollouts::Quarantine* hit_by(const std::vector<store::rollouts::Quarantine>& in_force,
                                          const fleet::PackageChange& change, std::string_view operating_system);

// Gives the entry its id, keeps it, and stops every open rollout, but one ("" none), that ships what it names. Returns
// the id.
Result<std::string> put_into_quarantine(store::Sql& sql, store::rollouts::Quarantine entry,
                                        std::string_view but_rollout_id);

}  // namespace belay::server
