#pragma once
// Which points stay and which go. Pure: computed here over all engines alike, carried out by reference on the node.
//
// A candidate is a point that is whole (point.hpp: available, with its chain), taken and recorded in the past, not
// suspect and not in quarantine. It belongs to the moment it was taken at, or to that at which the server heard of it,
// where that is earlier: so copies that catch up and points that are read back from a repository keep their own days,
// while nothing reaches ahead. (A point dated back before its predecessor is suspect: suspicion.hpp.)
//
// Rules add up (restic's rule): `last` keeps the newest N candidates; daily, weekly (ISO weeks: Monday to Sunday, of
// the year that has their Thursday), monthly and yearly keep one candidate of each of the newest N periods that have
// one, by the plan's zone; `within` keeps everything younger, counted back from the newest candidate (restic's rule,
// too): neither a plan that stopped nor a server's clock that ran ahead loses anything by time alone. The period that
// is not over yet counts. Of one period the one is kept that was restored (proven P3 or above), else one that was
// proven at all, else any; among equals the newest. A kept point keeps all that it needs.
//
// Beyond the rules stay: the newest point that was proven and the newest that was restored, the newest whole point,
// what is on legal hold, what its vault locks, and whatever is not a candidate (it is told, never silently deleted).
// A point that is expiring goes, unless a hold, a lock or a kept point needs it: then `keep` says so, and the deletion
// must be called off where it still can. One that is gone is gone.
//
// For the same `now`, what stays stays when asked again; larger rules never keep less (but empty ones keep everything).
// Delete what needs others before what it needs: a node that dies half-way leaves no orphan then.
//
// Sources: restic manual, "Removing backup snapshots", and restic-forget(1) (rules are ORed, last in each period,
// within is relative to the latest snapshot, an empty policy removes nothing); borg-prune(1), for the difference: there
// rules exclude one another. ISO 8601 weeks.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/backup/point.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::backup {

struct Kept {
  std::string point_id;
  bool keep = true;
  // "daily 3 (2026-12-28)", "weekly 1 (2026-W53)", "last 2", "within 7 d", "needed by rp-…", "the newest proven",
  // "the newest restored", "the newest whole", "legal hold", "locked until …", "suspect, for somebody to look at"; of
  // what goes: "no rule wants it", "expiring", "gone".
  std::vector<std::string> because;
};

// Of points of one plan, one node and one vault, in any order: a chain that is not handed in is not there. One answer
// each, in the order given. With empty rules everything is kept
// that is not expiring or gone already.
std::vector<Kept> retain(std::span<const RecoveryPoint> points, const KeepRules& rules, const schedule::ZoneRules& zone,
                         Instant now);

// By which rules the plan keeps its points in this vault (`points`: those that it has there on one node). A vault that
// it left, for another one, keeps its rules; one that holds copies which it does not make any more has none: what said
// how long they live is gone, and they stay.
KeepRules rules_of(const PlanSpec& plan, std::string_view vault, std::span<const RecoveryPoint> points);

// The vaults in which the plan has points to be kept by some rule: its own, those of its copies, and what it left that
// still holds some of `points` (of one node), by name.
std::vector<std::string> vaults_of(const PlanSpec& plan, std::span<const RecoveryPoint> points);

// A deletion that was ordered, judged again when its turn comes: the places in `points` of those of `ordered`
// (references) that retain() still lets go. What was put on hold or locked since, what a rule or a kept point wants
// again, and all of their chains is not among them; nor is what nobody ordered. `points` and rules as for retain().
std::vector<std::size_t> still_going(std::span<const RecoveryPoint> points, std::span<const std::string> ordered,
                                     const KeepRules& rules, const schedule::ZoneRules& zone, Instant now);

// The places in `points` of the point with this id and of all that it stands on, directly or not; those gone left out.
std::vector<std::size_t> with_chain(std::span<const RecoveryPoint> points, std::string_view point_id);

}  // namespace belay::backup
