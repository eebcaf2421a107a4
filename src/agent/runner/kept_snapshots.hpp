#pragma once
// Snapshots that outlive their run: for as long as its order said, or until a person has looked. Nothing is kept
// silently: what has expired is removed, what nobody accounts for is reported.
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/runner/state_paths.hpp"
#include "agent/snapshots/snapshot_provider.hpp"
#include "core/fleet/problem.hpp"
#include "core/patchrun/machine.hpp"
#include "io/files.hpp"

namespace belay::agent {

struct KeptSnapshot {
  std::string id, provider;
  std::vector<std::string> mounts;
  std::string run_id;
  Instant kept_at{};
  std::optional<Instant> expires_at{};  // none: a person must look
};
BOOST_DESCRIBE_STRUCT(KeptSnapshot, (), (id, provider, mounts, run_id, kept_at, expires_at))

// Under which the snapshots of a run are taken.
std::string snapshot_tag(const std::string& run_id);
// Of the snapshots that somebody accounts for: those of runs that are not at their end, and those that were kept.
std::vector<std::string> tags_in_use(io::Files& files, const StatePaths& paths);

// Which mounts, which run: "btrfs:belay-… of /, /boot"
std::string describe(const patchrun::SnapshotTaken& taken);
// nullptr where this node has none of this name.
SnapshotProvider* provider_of(const std::vector<SnapshotProvider*>& providers, const std::string& name);

// Notes the snapshots of a run. Durable; may be repeated.
Status keep_snapshots(io::Files& files, const StatePaths& paths, const patchrun::RunState& run,
                      std::optional<Instant> expires_at, Instant now);

// Removes what has expired, forgets what is gone, and names what is left: snapshots that wait for a person, and those
// that belong to no run. Under the run lock: what a run needs that is not at its end yet is no leftover.
std::vector<fleet::Problem> tidy_snapshots(io::Files& files, const StatePaths& paths,
                                           const std::vector<SnapshotProvider*>& providers, Instant now);

}  // namespace belay::agent
