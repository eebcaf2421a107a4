#pragma once
// One scan of this node: what is installed, what is offered, what it is.
#include "agent/runner/order_work.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

// Refreshes the package lists first where asked; what went wrong with them stands in the report's problems. The sets
// are kept in the set store under the hashes that the report names. An error: the packages cannot be read at all.
Result<wire::ScanReport> scan_node(const WorkTools& tools, const StatePaths& paths, bool refresh);

}  // namespace belay::agent
