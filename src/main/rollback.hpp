#pragma once
// `belay-agent rollback`: undoes the last run of this node by hand, when no server is there to order it.
#include "agent/packages/package_manager.hpp"
#include "agent/runner/launcher.hpp"
#include "agent/runner/state_paths.hpp"
#include "core/patchrun/order.hpp"

namespace belay {

struct RollbackRequest {
  bool yes = false;  // else: says what it would do, and does nothing
  patchrun::Reboot reboot = patchrun::Reboot::never;
};

// Prints the plan and, as it goes, the run. The run is a process of its own and goes on where this one is ended; the
// agent takes note of it at its next connection. Returns the exit status.
int roll_back(io::Files& files, const Clock& clock, const agent::StatePaths& paths, agent::PackageManager& packages,
              agent::Launcher& launcher, const RollbackRequest& request);

}  // namespace belay
