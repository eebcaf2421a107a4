#pragma once
// A maintenance window as it is now, with every target resolved: what an execution is frozen from, and what a preview
// shows.
#include <vector>

#include "core/window/machine.hpp"
#include "server/engine/windows.hpp"
#include "store/window_history.hpp"

namespace belay::server {

struct WindowSnapshot {
  store::window_history::Execution execution;
  std::vector<store::window_history::Task> tasks;
  std::vector<store::window_history::Invocation> invocations;  // by task, in the order they run
  window::Execution machine;
  std::vector<store::windows::Missed> stale;  // missed nodes that no task is for any more
};

// Nodes that were missed before and were heard of since `online_since` come first in their task, in invocations of
// their own. What cannot be resolved (a target that was deregistered) is a failed invocation that says so. Who is named
// and not registered any more stands in the details of the invocation and of the machine.
Result<WindowSnapshot> take_snapshot(store::Sql& sql, const store::windows::Window& window,
                                     const schedule::Opening& opening, Instant online_since, Instant now);

}  // namespace belay::server
