#pragma once
// Whether a node can be brought back: what the gate of a rollout asks, what compliance says, what a person reads. All
// of it fails closed, and these are its rules.
//
// A point counts where it is whole (point.hpp), of this plan and node, and not dated in the future.
//
// Logs lead on from a point of the plan's own vault, up to the next gap after it, or to their end; not from a point
// that was taken inside a gap, nor where they are dated in the future. The newest moment that can be given back is the
// furthest that any point that counts, with its logs, leads to.
//
// A proof counts where it passed (reached what was wanted of it), is not dated in the future, its own point still
// counts, and no later test of that point failed. It is not handed on. Not to a copy: those are other bytes in another
// place. Not along a chain, neither to an earlier point (the restore of an incremental need not read all of what it
// builds on) nor to a later one (which adds what was never restored). A later point of the same chain does not take the
// proof away either: it needs the proven point, so while the later one is whole the proven one is there, and one can
// go back to it. How old the newest point is, is asked for apart. A proof is x while the vault of its point is known,
// and known as offsite. Levels below P3 restore nothing: nothing is called restored, and no time is, for them.
//
// 3-2-1: the live data is one copy on one site. Each failure domain (VaultSpec::site; where none is told: the host, the
// endpoint with its region, or the kind) in which a vault has a point that counts, not older than 32 days, is one copy
// and one site more; a `local` vault without a site shares the domain of the live data, and RAID is a property of a
// domain. Three copies, two sites, one of them offsite.
#include <boost/describe.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/backup/job.hpp"
#include "core/backup/plan.hpp"
#include "core/backup/point.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::backup {

// The signed result of one restore test.
struct Proof {
  std::string proof_id;  // "pr-" + 17 hex
  std::string point_id, plan_id, node_id, vault, job_id;
  std::optional<ProofLevel> level;  // reached; absent: not even P0
  ProofLevel wanted = ProofLevel::P3;
  bool offsite = false;  // x
  bool passed = false;   // reached what was wanted
  Instant at{};
  std::optional<Duration> time_to_restore;
  std::optional<Instant> restored_to;
  std::vector<Evidence> evidence;
  std::vector<Phase> phases;
  std::string why;  // it did not pass
};
BOOST_DESCRIBE_STRUCT(Proof, (),
                      (proof_id, point_id, plan_id, node_id, vault, job_id, level, wanted, offsite, passed, at,
                       time_to_restore, restored_to, evidence, phases, why))
// The bytes that are signed: JSON with its members in the order above; what is absent is left out.
std::string canonical_text(const Proof& proof);

// ---- what a ring may demand (`protect.proof` of a rollout)
struct Demand {
  ProofLevel level = ProofLevel::P4;
  bool offsite = false;       // "P4x"
  Duration proven_within{};   // the proof is at most so old
  Duration point_within{};    // the newest whole point, or the logs, are at most so old; 0: not asked
  Duration rto{};             // the proof's time to restore, forecast to now, is at most this; 0: not asked
  bool back_up_first = true;  // where the point is too old, make one and wait
  bool prove_first = true;    // where the proof is missing or too old, make one and wait
  bool operator==(const Demand&) const = default;
};
BOOST_DESCRIBE_STRUCT(Demand, (), (level, offsite, proven_within, point_within, rto, back_up_first, prove_first))

// All that is known of one plan on one node.
struct Known {
  PlanSpec plan;
  std::string plan_id, node_id;
  std::vector<RecoveryPoint> points;  // of all vaults, newest first, those gone left out
  std::vector<Proof> proofs;          // newest first
  std::optional<WatchReport> watch;   // the newest
  std::vector<VaultSpec> vaults;      // of the plan and its copies
  std::string backup_trouble;         // Progress::backup_trouble: the newest backup failed or was missed, and why
  std::optional<Instant> backup_trouble_at;
};

struct Provable {
  bool holds = false;
  std::vector<std::string> reasons;  // one for each demand that is not met, each with what to do
  std::string proof_id;              // the proof it rests on; "" where none meets the demand
  std::string point_id;              // the point that one would go back by (with its logs); "" where none counts
  // What would mend it: one of them, or the backup and then the proof. Where a reason is left that neither would mend
  // (a level the engine cannot reach, checks that the plan has not, a vault it has not, a restore that is too slow),
  // neither is set: somebody has to act first.
  bool needs_backup = false, needs_proof = false;
};
// Fails closed: what is not known does not hold.
Provable provable(const Known& known, const Demand& demand, Instant now);
// The level to order a test with, so that its proof meets `wanted`: what restores no service of its own (files) has
// nothing between P3 and P5.
ProofLevel level_to_prove(const PlanSpec& plan, ProofLevel wanted);

// A node tells of its watch every five minutes at least, for 35 days after the newest job of the plan.
inline constexpr Duration kWatchStaleAfter{30LL * 60 * 1000}, kWatchedFor{35LL * 24 * 3600 * 1000};

enum class Verdict { COMPLIANT, NON_COMPLIANT };
BOOST_DESCRIBE_ENUM(Verdict, COMPLIANT, NON_COMPLIANT)

// How long a restore would take now. From the newest three passed proofs (P3 and above) that measured their time and
// whose points are still known, of the vault that one would go back by, else of the newest such proof's: each time is
// multiplied by the growth of the bytes since (shrinking counts for nothing), its phase "recover" by the growth of the
// logs to be replayed, where the proof replayed a minute of them or more. Of the three the median, or the newest, where
// that is longer.
struct Forecast {
  std::optional<Duration> time_to_restore;
  std::string basis;             // "3 proofs, 1.4 times the bytes"; where there is no time: why
  Duration logs_not_measured{};  // so much of logs is to be replayed on top, and no proof measured how long that takes
};

// 3-2-1, as above; reported, and not part of the verdict.
struct CopiesRule {
  std::uint32_t copies = 0, sites = 0, offsite = 0;
  bool holds = false;
  std::string why;  // which they are; where it does not hold, what is missing and what to do
};

struct Posture {
  std::string plan_id, plan_name, node_id;
  Verdict verdict = Verdict::NON_COMPLIANT;
  std::vector<std::string> reasons;  // of NON_COMPLIANT: RPO missed since, RTO, no proof, damaged point, findings, …
  std::optional<Instant> recoverable_to;  // newest moment that can be given back
  std::optional<Duration> rpo;            // now - recoverable_to
  std::optional<Duration> rto;            // newest measured, of those the forecast rests on
  Forecast forecast;
  std::optional<ProofLevel> proven;
  bool proven_offsite = false;
  std::optional<Instant> proven_at;
  std::string proof_id;
  CopiesRule copies;
  std::uint32_t points = 0, suspect = 0;
  // "you can get back to 14:02 within 11 minutes, proved 5 hours ago (P5x)"; with the date where that is not today's;
  // "there is a copy of 03:10, and nobody has ever restored it"; "there is no copy to get back to: …".
  std::string sentence;
};
// `zone`: of plan.schedule.timezone; times for people and the due restore tests are by it. NON_COMPLIANT where nothing
// can be given back, an objective is missed, no proof that counts reaches the plan's level or two scheduled tests went
// by since, the newest test failed, a point is damaged, suspect or in quarantine, a copy that the plan wants is not
// there, the newest backup failed (its retries, too) or was missed and none succeeded since, or the node's watch found
// something or was not heard of for longer than kWatchStaleAfter: what is not known does not hold.
Posture posture(const Known& known, const schedule::ZoneRules& zone, Instant now);

// ---- which point is drilled next. Picks take turns in the plan's order: `turn` counts the tests so far, so in as many
// turns as there are picks each kind that exists is drilled. A kind without a point leaves its turn to the next one
// that has some (else the turns would stop at it). newest, random and oldest: of the vaults that are not offsite,
// unless there are no others; offsite: the newest there in even rounds, any in odd ones. `random` is any number;
// `picked`: the kind that was drilled. Nothing where no point counts; "now" is not known here: points dated in the
// future are the caller's to quarantine.
const RecoveryPoint* pick_point(const Known& known, std::size_t turn, std::uint64_t random, Pick* picked = nullptr);

}  // namespace belay::backup
