#pragma once
// Where backups of volumes meet the snapshot providers of this node: neither room knows the other.
#include <vector>

#include "agent/backup/backup_engine.hpp"
#include "agent/snapshots/snapshot_provider.hpp"

namespace belay {

// By the first provider that was asked for and covers all paths. What an earlier backup that was killed left under the
// tag is removed before. unsupported "no-provider" names why each of them does not. The providers outlive it.
Result<agent::TakenSnapshot> take_snapshot(const std::vector<agent::SnapshotProvider*>& providers,
                                           const agent::SnapshotWish& wish);

}  // namespace belay
