#pragma once
// When a plan acts on a node: what is due now, and when to look again. Pure; the caller keeps `Progress` for each node.
// Change calendars are the caller's to ask: while one is shut it does not call next_act().
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/backup/plan.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::backup {

// Something that people were told of, and are told of again when it is over (alarms.hpp).
struct Alarm {
  Instant since{};
  std::string why;
  std::uint64_t weight = 0;
};
BOOST_DESCRIBE_STRUCT(Alarm, (), (since, why, weight))

// Jobs of one task that ended, but for those that somebody stopped; counted since the node joined, never back.
struct Tally {
  std::uint64_t runs = 0, failed = 0;
  std::string state{};  // of the newest: "Succeeded", "Partial", "Failed", "Expired"
  Instant at{};         // it ended
  Duration took{};
  std::uint64_t bytes = 0;  // that it moved
  std::optional<Instant> last_ok_at{};
};
BOOST_DESCRIBE_STRUCT(Tally, (), (runs, failed, state, at, took, bytes, last_ok_at))

// What the plan's execution remembers of one node.
struct Progress {
  std::string node_id;
  std::optional<Instant> full_due_seen, differential_due_seen, incremental_due_seen;  // newest occurrence dealt with
  std::optional<Instant> prove_due_seen;
  std::map<std::string, Instant> copies_due_seen;  // by vault
  std::vector<std::string> copies_waiting;         // vaults that the newest backup has yet to be copied to
  std::string job_id;                              // the job that is under way; "" none: one at a time for a repository
  std::string job_task;                            // as task_text() writes it
  std::optional<Instant> busy_since, busy_until;   // the newest unbroken row of jobs
  std::uint32_t failures = 0;                      // of the newest task in a row
  std::optional<Instant> retry_at;
  std::string retry_task;
  std::optional<Instant> last_ok_at;  // of a backup
  std::optional<Instant> compacted_at;
  std::map<std::string, Instant> listed_at;  // by vault: what is in it was listed, by itself once a day
  std::uint32_t proofs = 0;                  // turns
  std::map<std::string, Alarm> alarms;       // by what is wrong
  std::map<std::string, Tally> tallies;      // by task: "backup", "copy s3-offsite", "proof"
  bool checked = false;                      // its repository was opened once
  std::uint32_t backups_failed = 0;          // in a row, whatever was between them
  std::string backup_trouble;  // why the newest backup is not there: its retries failed too, or it was missed
  std::optional<Instant> backup_trouble_at;
  bool has_full = false;  // a whole full point is there: without one, any type becomes a full
};
BOOST_DESCRIBE_STRUCT(Progress, (),
                      (node_id, full_due_seen, differential_due_seen, incremental_due_seen, prove_due_seen,
                       copies_due_seen, copies_waiting, job_id, job_task, busy_since, busy_until, failures, retry_at,
                       retry_task, last_ok_at, compacted_at, listed_at, proofs, alarms, tallies, checked,
                       backups_failed, backup_trouble, backup_trouble_at, has_full))

enum class Act { nothing, back_up, copy, prove, missed };
struct Next {
  Act act = Act::nothing;
  BackupType type = BackupType::full;
  std::string vault{};  // of copy
  std::string why{};    // of missed: which occurrences, and since when
  std::optional<Instant>
      look_at{};  // the next moment at which the answer may be another; of an act: call again at once
};
// "backup full", "copy s3-offsite", "prove"; "" of nothing and missed.
std::string task_text(const Next& next);

// Backups go before copies, copies before restore tests; the heaviest type that is due wins (a full stands for a
// differential stands for an incremental that is due by then, too), and of occurrences that piled up the newest stands
// for all. An occurrence whose `start_within` passed is missed, told once, and the next one counts; while jobs of this
// agenda were under way the time does not run, so a long backup makes nothing miss. A failed task is tried again
// `limits.retry_after` later, `limits.retries` times; until then nothing lighter begins. `since`: when the plan was
// made or the node joined it; occurrences before count as seen, a rate begins there. A node's jitter is a fixed part of
// plan.schedule.jitter, by its id. `progress` is changed: what was dealt with is noted. With a job under way: nothing.
// A clock that was set back by more than five minutes makes occurrences due again rather than never.
Next next_act(const PlanSpec& plan, const schedule::ZoneRules& zone, Progress& progress, Instant since, Instant now);

// The caller made a job of what next_act() said, or of what somebody asked for. `task` as task_text() writes it.
void job_begun(Progress& progress, std::string_view job_id, std::string_view task, Instant now);
// It ended. Notes what follows: the retry, the copies after a backup, the turn of the restore tests. `why` it failed:
// of a backup, more of which failed in a row than there are retries, it is kept until one succeeds.
void job_ended(const PlanSpec& plan, Progress& progress, bool ok, Instant now, std::string_view why = {});

// The longest time between two backups by the schedules, for the check of the RPO; nothing where fewer than two are
// ever due.
std::optional<Duration> longest_interval(const PlanSchedule& schedule, const schedule::ZoneRules& zone, Instant from);

}  // namespace belay::backup
