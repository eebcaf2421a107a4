#pragma once
// Approvals of change sets: what is signed, and what a node is sent of it.
#include <optional>
#include <string_view>
#include <vector>

#include "core/patchrun/approved_changes.hpp"
#include "server/engine/change_sets.hpp"
#include "server/engine/node_registry.hpp"

namespace belay::server {

// The tree over all changes of a frozen change set. Made once for many nodes.
patchrun::ChangeTree change_tree_of(const ChangeSetView& view);

// The approver's statement, signed with the server's order key: the server vouches that this person said so, signed in
// with a token or key of their own. Nobody has a key of their own for this.
store::change_sets::Approval sign_approval(const Authority& authority, const ChangeSetView& view,
                                           std::string_view approver, Instant now);

// What an order of these changes carries: every approval (of `only` these people, where it is given) whose signature is
// right, and the proof. Nothing where nobody
// approved the set, or where a change does not stand in it.
Result<std::optional<patchrun::ApprovedChanges>> approved_changes(store::Sql& sql, const Authority& authority,
                                                                  const ChangeSetView& view,
                                                                  const patchrun::ChangeTree& tree,
                                                                  const std::vector<fleet::PackageChange>& changes,
                                                                  const std::vector<std::string>* only = nullptr);

}  // namespace belay::server
