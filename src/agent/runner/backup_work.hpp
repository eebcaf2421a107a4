#pragma once
// A backup order on the node: its secrets are asked for, its engine does the job, its attempts are counted on disk.
#include <optional>
#include <vector>

#include "agent/runner/order_work.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

inline constexpr std::uint32_t kBackupAttemptsMax = 3;  // of one order whose process was killed

// A job whose process was killed is begun again, but for a restore: what it had replaced by then, a person must look
// at. Secrets live in this process alone and are in no file of ours but those that an engine needs for the time of a
// call.
Result<wire::OrderResult> run_backup_order(const WorkTools& tools, const StatePaths& paths,
                                           const AcceptedOrder& accepted);

// Whether two of them, or it and a patch run, would get in each other's way on this node.
bool replaces_files(const backup::Job& job);

// ---- what the agent watches every minute: the plans that have run here lately
inline constexpr Duration kWatchedFor{35LL * 24 * 3600 * 1000};  // after the newest job of the plan
struct WatchFile {
  backup::Watch watch;
  Instant renewed_at{};
};
BOOST_DESCRIBE_STRUCT(WatchFile, (), (watch, renewed_at))
// Forgets those that are too old.
std::vector<backup::Watch> kept_watches(io::Files& files, const StatePaths& paths, Instant now);

}  // namespace belay::agent
