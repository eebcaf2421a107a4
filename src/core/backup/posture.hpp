#pragma once
// Whether a node can be brought back: what the gate of a rollout asks, what compliance says, what a person reads.
#include <boost/describe.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/backup/job.hpp"
#include "core/backup/plan.hpp"
#include "core/backup/point.hpp"

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
// The bytes that are signed: JSON with its members in the order above.
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
};

struct Provable {
  bool holds = false;
  std::vector<std::string> reasons;                // why it does not, each with what to do
  std::string proof_id, point_id;                  // what it rests on
  bool needs_backup = false, needs_proof = false;  // what would mend it
};
// Fails closed: what is not known does not hold.
Provable provable(const Known& known, const Demand& demand, Instant now);

enum class Verdict { COMPLIANT, NON_COMPLIANT };
BOOST_DESCRIBE_ENUM(Verdict, COMPLIANT, NON_COMPLIANT)

struct Forecast {
  std::optional<Duration> time_to_restore;  // now, from the proofs' times and the growth of the points
  std::string basis;                        // "3 proofs, 1.4 times the bytes"
};

// "3 copies, 2 kinds of media or sites, 1 offsite": which of it holds. RAID is no copy.
struct CopiesRule {
  std::uint32_t copies = 0, sites = 0, offsite = 0;  // the live data counts as one copy on one site
  bool holds = false;
  std::string why;
};

struct Posture {
  std::string plan_id, plan_name, node_id;
  Verdict verdict = Verdict::NON_COMPLIANT;
  std::vector<std::string> reasons;  // of NON_COMPLIANT: RPO missed since, RTO, no proof, damaged point, findings, …
  std::optional<Instant> recoverable_to;  // newest moment that can be given back
  std::optional<Duration> rpo;            // now - recoverable_to
  std::optional<Duration> rto;            // newest measured
  Forecast forecast;
  std::optional<ProofLevel> proven;
  bool proven_offsite = false;
  std::optional<Instant> proven_at;
  std::string proof_id;
  CopiesRule copies;
  std::uint32_t points = 0, suspect = 0;
  std::string sentence;  // "you can get back to 14:02 within 11 minutes, proved 5 hours ago (P5x)"
};
Posture posture(const Known& known, Instant now);

// ---- which point is drilled next: picks take turns, so that in a while each was drilled. `turn` counts the tests so
// far. `random` is any number. Nothing where there is no whole point (of the kind).
const RecoveryPoint* pick_point(const Known& known, std::size_t turn, std::uint64_t random, Pick* picked = nullptr);

}  // namespace belay::backup
