#pragma once
// What is out of line about a new point, against those before it. A suspect point is kept and alarmed, and counts
// neither as a recovery point nor for retention until somebody accepts it.
#include <span>
#include <string>
#include <vector>

#include "core/backup/point.hpp"

namespace belay::backup {

struct Suspicion {
  std::string what;    // "empty", "collapsed-files", "collapsed-bytes", "collapsed-rows", "entropy-jump",
                       // "duration-out-of-line", "dated-in-the-future", "dated-before-its-predecessor"
  std::string detail;  // both figures
  bool grave = true;   // false: told, and the point stays available
};

// `history`: points of the same plan, node and vault, newest first; the first ten that are available count. `now`: by
// the server's clock. A point dated beyond `now` by more than two minutes belongs into quarantine.
std::vector<Suspicion> suspicions(const MadePoint& point, std::span<const RecoveryPoint> history, Instant now);

}  // namespace belay::backup
