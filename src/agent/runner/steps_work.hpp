#pragma once
// The driver of core/document's machine on the node: saves the run before it does what the machine says.
#include "agent/runner/order_work.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

// In the file that asks the agent for associations (StatePaths::refresh): one id a line, or this for all.
inline constexpr std::string_view kRefreshAll = "*";

// Works on the order's steps until the document is over or a step is not the node's own. A script that was under way
// when its process was killed, or the machine went down, is never begun again: its step has failed and says so. Exit
// status 194 restarts the machine and begins the step again. Scripts run as root in a directory that is the document's
// own, is kept through its steps and reboots, and removed at its end.
Result<wire::OrderResult> run_steps_order(const WorkTools& tools, const StatePaths& paths,
                                          const AcceptedOrder& accepted);

}  // namespace belay::agent
