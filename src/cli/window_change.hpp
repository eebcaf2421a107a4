#pragma once
// What changes a maintenance window that is there: update, enable, disable, cancel.
#include <vector>

#include "cli/command_line.hpp"

namespace belay::cli {

std::vector<CommandSpec> window_changes();

}  // namespace belay::cli
