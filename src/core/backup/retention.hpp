#pragma once
// Which points stay and which go. Pure: computed here over all engines alike, carried out by reference on the node.
//
// A candidate is a point that is available, taken by the server's clock in the past, not suspect and not in quarantine.
// Rules add up (restic's rule): `last` keeps the newest N; daily, weekly (ISO weeks), monthly and yearly keep the
// newest candidate of each of the newest N periods that have one, by the plan's zone, but of one period a proven point
// goes before a newer one that is not; `within` keeps everything younger. A kept point keeps all that it needs. Beyond
// the rules stay: the newest proven point of each (node, vault), the newest whole point, what is on legal hold, what
// its vault locks, and whatever is not a candidate (it is told, never silently deleted). Sources: restic forget and
// borg prune manuals; facts on grandfather-father-son in docs/guide/backups.md.
#include <span>
#include <string>
#include <vector>

#include "core/backup/point.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::backup {

struct Kept {
  std::string point_id;
  bool keep = true;
  std::vector<std::string> because;  // "daily 3", "needed by rp-…", "the newest proven", "legal hold", "locked until …"
};

// Of points of one plan, one node and one vault, in any order. One answer each, in the order given. With empty rules
// everything is kept.
std::vector<Kept> retain(std::span<const RecoveryPoint> points, const KeepRules& rules, const schedule::ZoneRules& zone,
                         Instant now);

}  // namespace belay::backup
