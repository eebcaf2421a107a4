#pragma once
// Change sets: waited for, and shown package by package.
#include <string>

#include "base/result.hpp"
#include "cli/context.hpp"
#include "cli/output.hpp"

namespace belay::cli {

// "1 node", "2 nodes".
std::string counted(const std::string& number, const std::string& word);

// Nodes are asked what their own resolvers would do; the change set is frozen when they have answered. conflict
// "plan-failed".
Status wait_until_frozen(Context& context, const std::string& id);

// Of GetChangeSet's answer.
Table changes_table(const json::Value& answer);

// With `what_next`, a sentence for people after the table.
Result<int> show_change_set(Context& context, const std::string& id, const std::string& what_next);

}  // namespace belay::cli
