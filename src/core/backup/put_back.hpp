#pragma once
// From which recovery point a node's data goes back to a moment, by itself and in place: the last rung of a rollback.
#include <optional>
#include <string>

#include "base/time.hpp"
#include "core/backup/posture.hpp"

namespace belay::backup {

struct PutBack {
  const RecoveryPoint* point = nullptr;  // of `known`; nullptr: there is no way, `why_not` says why
  std::optional<Instant> time;           // logs lead on from the point to there; absent: to the point itself
  std::string why_not;
  std::string remark;  // why it is less than the moment; "" where it is that
};
// The newest point that counts (posture.hpp) and was taken at `moment` or before: what holds more is never put back.
// Where the engine recovers to a point in time in place and the plan keeps logs, these lead on to the moment, but not
// from a copy in another vault, nor over a gap that is known. How far the logs come is not asked: the newest ones are
// still with the node, and the restore fetches them.
// No way: a plan that keeps files (nothing stops who writes to them), no such point. Looks at `known`, which must
// outlive the answer.
PutBack put_back_to(const Known& known, Instant moment, Instant now);

}  // namespace belay::backup
