#pragma once
// What is out of line about a new point, against those before it. A suspect point is kept and alarmed, and counts
// neither as a recovery point nor for retention until somebody accepts it. Of points that a backup made: a copy is no
// new point.
//
// What is usual is the median of the history, or what the newest of it has where that is nearer: what somebody
// accepted once is usual from then on. Grave: no bytes at all; files, bytes or rows below half of what is usual, or
// none where there were some (below three quarters is told, and so is a table that lost all of its rows; fewer than 10
// files, 64 KiB or 100 rows fluctuate, and only none of them counts); entropy up by a bit and more to 7.5 bits a byte
// or above (what is encrypted or compressed has nearly 8; below that it is told); dated beyond `now`, or before what is
// there already. Told: three times as long as usual and ten minutes more, or a tenth of it where a minute is usual.
// Bytes are compared over all types, for they are those of the source; files, rows and durations with points of the
// same type. The figures are our own, deliberately coarse: every alarm asks for a person.
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
