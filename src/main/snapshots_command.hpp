#pragma once
// `belay-agent snapshots`: what lies on this machine, what could be taken, and by hand what a run does with them.
#include <string>
#include <vector>

#include "agent/runner/state_paths.hpp"
#include "agent/snapshots/providers.hpp"

namespace belay {

struct SnapshotsRequest {
  std::string verb;                 // list, check, take, restore, remove
  std::string id;                   // of take: the tag
  std::string provider;             // empty: whichever has it, or covers the mounts
  std::vector<std::string> mounts;  // of check and take; empty: /
  bool yes = false;                 // of restore and remove
};

// The settings with what is the agent's own: its state outlives a restore, or a run would begin anew after it.
Result<agent::SnapshotSettings> snapshot_settings(const io::Files& files, const agent::StatePaths& paths,
                                                  const std::string& file);

// Returns the exit status.
int run_snapshots_command(io::Files& files, const Clock& clock, const agent::StatePaths& paths,
                          const std::vector<std::unique_ptr<agent::SnapshotProvider>>& providers,
                          const SnapshotsRequest& request);

}  // namespace belay
