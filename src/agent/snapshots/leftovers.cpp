#include <algorithm>

#include "agent/snapshots/snapshot_provider.hpp"

namespace belay::agent {

std::vector<Leftover> leftovers(const std::vector<Snapshot>& all, const std::vector<std::string>& open_tags,
                                Instant now) {
  std::vector<Leftover> found;
  for (const auto& snapshot : all) {
    const bool open = std::ranges::find(open_tags, snapshot.tag) != open_tags.end();
    const bool expired = snapshot.expires_at && *snapshot.expires_at <= now;
    if (open && !expired) continue;
    const auto why = open ? Leftover::Why::expired : Leftover::Why::run_ended;
    found.push_back({snapshot, why, std::max(now - snapshot.taken_at, Duration::zero())});
  }
  std::ranges::sort(found, {}, [](const Leftover& one) { return std::pair(one.snapshot.taken_at, one.snapshot.id); });
  return found;
}

}  // namespace belay::agent
