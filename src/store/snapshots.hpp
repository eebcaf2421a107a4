#pragma once
// SSM's SnapshotId: all nodes of one execution are judged under the same frozen baselines, for at most three days.
#include <string>
#include <string_view>

#include "store/store.hpp"

namespace belay::store::snapshots {

inline constexpr Duration kReuseMax{3LL * 24 * 3600 * 1000};

struct Frozen {
  std::string content{};  // JSON text of the baseline as it was
  Instant frozen_at{};
};
// The first caller's content stands; everybody gets that. `slot` tells apart what one snapshot freezes ("DEBIAN/web").
// conflict "snapshot-expired" where the snapshot was begun more than kReuseMax before `now`.
Result<Frozen> freeze(Sql& sql, std::string_view snapshot_id, std::string_view slot, std::string_view content,
                      Instant now);
// not_found where it was never frozen; conflict "snapshot-expired".
Result<Frozen> get(Sql& sql, std::string_view snapshot_id, std::string_view slot, Instant now);

}  // namespace belay::store::snapshots
