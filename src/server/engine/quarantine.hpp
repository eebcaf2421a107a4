#pragma once
// What was rolled back somewhere goes nowhere else: the fleet's memory of it.
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "server/engine/change_sets.hpp"
#include "store/rollouts.hpp"

namespace belay::server {

// The entry in force that hits a change for a node's system; nullptr. One that is about a role hits only where `roles`
// (the node's) have it: whoever asks for many nodes at once leaves it to the node's turn.
const store::rollouts::Quarantine* hit_by(const std::vector<store::rollouts::Quarantine>& in_force,
                                          const fleet::PackageChange& change, std::string_view operating_system,
                                          const std::vector<std::string>& roles = {});
// The entry in force that holds a whole change set, under whatever id: one that ships everything that the set in
// quarantine ships. nullptr.
Result<const store::rollouts::Quarantine*> hit_by(store::Sql& sql,
                                                  const std::vector<store::rollouts::Quarantine>& in_force,
                                                  const ChangeSetView& change_set);
// The values of its tag Role.
Result<std::vector<std::string>> roles_of(store::Sql& sql, std::string_view node_id);

// Whether the same is in force already.
bool is_in_quarantine(const std::vector<store::rollouts::Quarantine>& in_force,
                      const store::rollouts::Quarantine& entry);

// Gives the entry its id, keeps it, and stops every open rollout, but one ("" none), that ships what it names. Returns
// the id.
Result<std::string> put_into_quarantine(store::Sql& sql, store::rollouts::Quarantine entry,
                                        std::string_view but_rollout_id);

}  // namespace belay::server
