#pragma once
// Nodes whose change failed: they take their place in the disruption budgets of every rollout, whether their own is
// open or over, until a later run of theirs is committed, a rollback went well there, or an operator settles them.
#include <string>
#include <string_view>

#include "core/rollout/machine.hpp"
#include "store/rollouts.hpp"
#include "store/runs.hpp"

namespace belay::server {

// As its rollout keeps it after a step: unsettled from now on, or not any more. May be repeated.
Status note_unsettled(store::Sql& sql, std::string_view rollout_id, const rollout::Node& before,
                      const rollout::Node& after, Instant now);

// It is well: forgets its failure, tells the open rollouts in which it failed, and writes the audit entry. False where
// there was nothing to settle; nothing is written then. May be repeated.
Result<bool> settle_node(store::Sql& sql, std::string_view node_id, std::string_view by, std::string_view why,
                         Instant now);

// The same by a new run of the node, where it was committed.
Status settle_by_run(store::Sql& sql, const store::runs::Run& run, Instant now);

}  // namespace belay::server
