#pragma once
// One scan of this node: what is installed, what is offered, what it is.
#include "agent/runner/order_work.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

enum class Refresh { never, if_old, always };

// Refreshes the package lists first where asked (`if_old`: where they are older than half a day); what went wrong with
// them stands in the report's problems, as does who had the lock for more than two minutes, or that it takes root.
// While another package manager changes the node, the scan waits for it as long; then it names it. The sets are kept in
// the set store under the hashes that the report names. An error: the packages cannot be read at all.
Result<wire::ScanReport> scan_node(const WorkTools& tools, const StatePaths& paths, Refresh when);

}  // namespace belay::agent
