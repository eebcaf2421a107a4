#pragma once
// When a plan acts on a node: what is due now, and when to look again. Pure; the caller keeps `Progress` for each node.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/backup/plan.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::backup {

// What the plan's execution remembers of one node.
struct Progress {
  std::string node_id;
  std::optional<Instant> full_due_seen, differential_due_seen, incremental_due_seen;  // newest occurrence dealt with
  std::optional<Instant> prove_due_seen, copy_due_seen;
  std::string job_id;  // the job that is under way; "" none: one at a time for a repository
  std::string job_task;
  std::uint32_t failures = 0;  // of the newest task in a row
  std::optional<Instant> retry_at;
  std::string retry_task;             // "backup full", "prove", …
  std::optional<Instant> last_ok_at;  // of a backup
  std::optional<Instant> compacted_at;
  std::uint32_t proofs = 0;  // turns
  bool alarmed = false;      // a failure was told; the recovery will be, too
  bool checked = false;      // its repository was opened once
  bool has_full = false;     // a whole full point is there: without one, any type becomes a full
};
BOOST_DESCRIBE_STRUCT(Progress, (),
                      (node_id, full_due_seen, differential_due_seen, incremental_due_seen, prove_due_seen,
                       copy_due_seen, job_id, job_task, failures, retry_at, retry_task, last_ok_at, compacted_at,
                       proofs, alarmed, checked, has_full))

enum class Act { nothing, back_up, prove, missed };
struct Next {
  Act act = Act::nothing;
  BackupType type = BackupType::full;
  std::string why;                 // of missed: which occurrence, and since when
  std::optional<Instant> look_at;  // the next moment at which the answer may be another
};

// The heaviest type that is due wins (a full stands for a differential stands for an incremental of the same moment).
// An occurrence whose `start_within` passed is missed, told once, and the next one counts. `since`: when the plan was
// made or the node joined it; occurrences before count as seen. A node's jitter is a fixed part of
// plan.schedule.jitter, by its id. `progress` is changed: what was dealt with is noted.
Next next_act(const PlanSpec& plan, const schedule::ZoneRules& zone, Progress& progress, Instant since, Instant now);

// The longest time between two backups by the schedules, for the check of the RPO; nothing where none is scheduled.
std::optional<Duration> longest_interval(const PlanSchedule& schedule, const schedule::ZoneRules& zone, Instant from);

}  // namespace belay::backup
