#pragma once
// The last rung of the rollback ladder: a node's data, put back from a proven backup to the moment just before the
// change. Opt-in for each ring (`restoreData`), since what was written after that moment is not in it. Here is when;
// the machine (machine.hpp) says once for each node, and from which point is core/backup's put_back.hpp. Pure.
#include <optional>
#include <string>

#include "core/patchrun/order.hpp"
#include "core/rollout/machine.hpp"

namespace belay::rollout {

// Of a run that ended longer ago nobody knows what people mended there since.
inline constexpr Duration kDataRungWithin{900'000};
// So far a node's clock may be fast.
inline constexpr Duration kDataClockTolerance{120'000};

struct DataVerdict {
  std::optional<Instant> until;  // put it back to this moment, by the node's clock: the run's beginning
  std::string why_not;           // where it is not, of a run whose rollback failed; else ""
};
// Healthy before, never healthy since, and nothing but data is left: every other rung was climbed, all packages are as
// they were found, and a probe that was healthy before is not. `ended_at`: by the node's clock.
DataVerdict judge_data(const patchrun::PatchRunReport& run, Instant ended_at, Instant now);

// "its data (plan pg, point rp-…) was put back to 14:02:03Z in 40s; what was written after that is in /var/… now"
std::string told(const DataRung& data);

}  // namespace belay::rollout
