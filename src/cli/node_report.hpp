#pragma once
// One node's report: the machine, its baseline, counts, what is missing and since when, what waits for a restart, and
// why anything could not be judged.
#include <ostream>
#include <string>

#include "base/result.hpp"
#include "cli/context.hpp"

namespace belay::cli {

// `as_of` "" is now. The exit status: 0 compliant, else kExitNonCompliant.
Result<int> print_node_report(Context& context, const std::string& node_id, const std::string& as_of,
                              std::ostream& out);

}  // namespace belay::cli
