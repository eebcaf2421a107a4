#pragma once
// What a node is told to do about backups, and what it says became of it. Secrets do not travel here: the node asks for
// those of a job when it begins it (wire: POST /agent/v1/secrets), keeps them out of arguments and the environment of
// others, and forgets them at its end.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/backup/plan.hpp"
#include "core/backup/point.hpp"
#include "core/backup/vault.hpp"
#include "core/fleet/problem.hpp"

namespace belay::backup {

enum class Task {
  backup,   // make a point of `type`
  copy,     // `points` from `vault` into `copy_to`
  prove,    // `points[0]` on the ladder up to `level`
  restore,  // `points[0]`, as `restore` says
  forget,   // delete `points`, then give space back where that is due
  check,    // can this node reach and open the repository, and make it where there is none?
  list,     // what is in the repository, as the engine says
};
BOOST_DESCRIBE_ENUM(Task, backup, copy, prove, restore, forget, check, list)

struct RestoreTo {
  std::string path;                // absolute; of a database: its new data directory, or a directory for dumps
  bool over = false;               // replace what is there: asked twice for
  std::vector<std::string> paths;  // only these, of a point with files; empty: all
  std::optional<Instant> time;     // a point in time, at or after the recovery point
  bool in_place = false;           // a database: stop the server, put the data directory aside, restore, start
  bool preview = false;            // say what would be done and how much, do nothing
};
BOOST_DESCRIBE_STRUCT(RestoreTo, (), (path, over, paths, time, in_place, preview))

struct Job {
  std::string job_id;  // "bj-" + 17 hex
  Task task = Task::backup;
  std::string plan_id, plan_name, node_id;
  std::string source_node_id;  // whose repository it is; the same as node_id but for restores and drills elsewhere
  SourceSpec source;
  VaultSpec vault;
  std::optional<VaultSpec> copy_to;
  BackupType type = BackupType::full;
  std::vector<MadePoint> points;  // what the task is about; a point's chain comes with it: see `chain`
  std::vector<MadePoint> chain;   // all that points[0] needs, oldest first
  ProofLevel level = ProofLevel::P3;
  std::vector<Check> checks;
  std::optional<Instant>
      target;            // of a proof of a database: the explicit point in time to recover to; absent: the point's own
  bool offsite = false;  // x: nothing that is cached on the node may be used
  std::string scratch;
  std::optional<RestoreTo> restore;
  bool compact = false;  // forget: also give the space back (prune)
  Limits limits;
  // Where in `vault` (in `copy_to`) the server knows points of this repository: the labels of drives; of a vault
  // without drives one "". No repository is made anew there: a missing one is gone, and not new.
  std::vector<std::string> known_in, copy_known_in;
  Duration rpo{};  // the plan's; zero: none
};
BOOST_DESCRIBE_STRUCT(Job, (),
                      (job_id, task, plan_id, plan_name, node_id, source_node_id, source, vault, copy_to, type, points,
                       chain, level, checks, target, offsite, scratch, restore, compact, limits, known_in,
                       copy_known_in, rpo))

enum class JobOutcome {
  ok,
  partial,  // a point exists, and not everything is in it; counts as a failure that says so
  failed,
  unknown,  // the engine ended, and what it said is not understood: never a success
};
BOOST_DESCRIBE_ENUM(JobOutcome, ok, partial, failed, unknown)

// One thing that was looked at, and what was seen; or that could not be looked at, and why. A proof rests on these.
struct Evidence {
  ProofLevel level = ProofLevel::P0;  // the rung that it belongs to
  std::string what;                   // "pg_amcheck", "rows of orders", "chain"
  bool passed = false;
  std::string seen;  // for a person, at most 1,000 bytes
  // False: no room, vault away, stopped, timed out, a program missing. It says nothing of the point then, and has not
  // passed. Agents that do not know of it looked at all that they tell.
  bool looked_at = true;
};
BOOST_DESCRIBE_STRUCT(Evidence, (), (level, what, passed, seen, looked_at))
inline constexpr std::size_t kEvidenceMax = 500;
inline constexpr std::size_t kReportedPointsMax = 20'000;  // a repository, listed

struct Phase {
  std::string name;  // "fetch", "restore", "recover", "verify", …
  Duration took{};
};
BOOST_DESCRIBE_STRUCT(Phase, (), (name, took))

struct JobReport {
  Task task = Task::backup;
  JobOutcome outcome = JobOutcome::unknown;
  std::string why;                     // where it is not ok: what, which, and what to do next
  std::vector<MadePoint> points;       // made, copied or listed
  std::vector<std::string> forgotten;  // references that are gone now
  std::string drive;                   // the removable drive that `vault` was looked at on; "" of other vaults
  std::vector<Evidence> evidence;
  std::vector<Phase> phases;
  std::optional<Duration> time_to_restore;                        // RTO as measured: until the restored thing answered
  std::optional<Instant> restored_to;                             // newest change that is in what was restored
  std::uint64_t bytes = 0, files = 0;                             // moved
  std::uint64_t repository_bytes = 0, repository_bytes_free = 0;  // 0 where the vault does not tell
  std::vector<fleet::Problem> problems;
  std::string output;  // of the tools, bounded, without secrets
  // Of a restore that replaced something: where what was there lies now (paths, names of databases). Ours to keep.
  std::vector<std::string> put_aside{};
};
BOOST_DESCRIBE_STRUCT(JobReport, (),
                      (task, outcome, why, points, forgotten, drive, evidence, phases, time_to_restore, restored_to,
                       bytes, files, repository_bytes, repository_bytes_free, problems, output, put_aside))

// ---- watched every minute by the node itself, for each plan that has run on it
struct Watch {
  std::string plan_id, plan_name, vault_name;
  SourceSpec source;
  VaultSpec vault;
  Duration rpo{};
};
BOOST_DESCRIBE_STRUCT(Watch, (), (plan_id, plan_name, vault_name, source, vault, rpo))

struct Finding {
  std::string what;    // "log-gap", "archiver-failing", "archiver-behind", "heartbeat-old", "lock-old", "vault-full",
                       // "vault-away", "key-expires", "clock-wrong", "source-down", "drive-wanted", "repository-gone"
  std::string detail;  // which, since when, what to do
  auto operator<=>(const Finding&) const = default;
};
BOOST_DESCRIBE_STRUCT(Finding, (), (what, detail))

// Logs are missing here (continuity.hpp finds them).
struct LogGap {
  Instant from{};   // the end of the newest log before it
  Instant until{};  // logs are without a gap again from here on; where that is not known, the end of the first after it
};
BOOST_DESCRIBE_STRUCT(LogGap, (), (from, until))
inline constexpr std::size_t kLogGapsMax = 100;  // the newest ones

struct WatchReport {
  std::string plan_id;
  Instant at{};
  // The end of the newest log in the vault, gaps or not; absent: no logs. How far that helps is posture.hpp's: logs
  // after a gap are of no use to a point before it. A "log-gap" among the findings without a gap in `log_gaps` makes
  // all logs count for nothing.
  std::optional<Instant> recoverable_to;
  std::optional<std::uint64_t> bytes_behind;
  std::optional<std::uint64_t> vault_bytes_free;
  std::vector<Finding> findings;
  std::vector<LogGap> log_gaps;  // oldest first
};
BOOST_DESCRIBE_STRUCT(WatchReport, (),
                      (plan_id, at, recoverable_to, bytes_behind, vault_bytes_free, findings, log_gaps))

// The highest level that the evidence holds: every rung up to it has at least one item, and none that failed or was not
// looked at. Nothing where P0 itself did not hold.
std::optional<ProofLevel> level_reached(const std::vector<Evidence>& evidence);

// Something was looked at and did not hold. Nothing else may be held against a point.
bool speaks_against(const std::vector<Evidence>& evidence);
// The test came to no answer: nothing speaks against the point, and something, or everything, was not looked at. One
// that saw all it looked at hold, and did less than was asked for, was done.
bool could_not_be_done(const JobReport& report);

}  // namespace belay::backup
