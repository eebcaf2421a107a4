#pragma once
// Executions of the kind "backup-plan", one for each plan: membership, what is due on each node (core/backup/agenda),
// one job at a time for a repository, what came of it, copies, retention, alarms. And "backup-coverage", one for all:
// databases that no plan covers.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/schedule/tzif.hpp"
#include "server/engine/backups.hpp"
#include "server/engine/engine.hpp"

namespace belay::server {

inline constexpr Duration kMembersEvery{60'000};
inline constexpr Duration kPostureEvery{900'000};
inline constexpr std::uint32_t kMembersAtOnce = 200;
// Items of compliance: a plan's own is named by its id.
inline constexpr std::string_view kBackupCompliance = "Custom:Backup", kUncoveredItem = "uncovered-database";

struct BackupParts {
  const Authority& authority;
  schedule::ReadZone read_zone;
  Instant started_at{};  // this server: nodes had nobody to tell before
};
std::unique_ptr<ExecutionKind> make_backup_kind(BackupParts parts);
std::unique_ptr<ExecutionKind> make_coverage_kind();
Status ensure_coverage(store::Sql& sql, Instant now);  // the one execution; may be repeated

// Whom its targets mean by now: nodes that came, and that went; `all`: look at every one anew.
Status refresh_members(store::Sql& sql, const store::backups::Plan& plan, bool all, Instant now);

// Of a plan that is changed to `spec`: refused where points that its rules keep now would be let go of, named, unless
// the request confirms it and who asks may delete them; noted then. ValidationException; what `may` says.
Status check_let_go(store::Sql& sql, Zones& zones, const store::backups::Plan& before, const backup::PlanSpec& spec,
                    const PutPlanRequest& request, Instant now);

// Deletions of the plan that were sent: those that no node has yet are called back, and wait; nodes are asked to stop
// the others.
Status call_back_deletions(store::Sql& sql, const store::backups::Plan& plan, Instant now);

// Something about this node of the plan wants a look now ("" all of it).
Status wake_backup_plan(store::Sql& sql, std::string_view plan_id, std::string_view node_id, Instant now);

// A job that waits for its turn on the node. The store's row is made; the plan's execution sends it.
Result<std::string> want_job(store::Sql& sql, backup::Job job, std::string_view requested_by, std::string_view reason,
                             Instant now);
// The parts of a job that plan and node say: source, vault, limits, scratch.
Result<backup::Job> job_for(store::Sql& sql, const store::backups::Plan& plan, std::string_view node_id,
                            backup::Task task);
// The escrow file opens this vault: noted, for proofs with an x. invalid_argument.
Result<store::backups::Vault> note_escrow(store::Sql& sql, std::string_view vault, std::string_view text,
                                          std::string_view by, Instant now);
// All that is kept of one point, newest first.
Result<std::vector<backup::Proof>> proofs_of_point(store::Sql& sql, std::string_view point_id);
// The newest ones of plan and node, and those that `points` stand by, however old; newest first.
Result<std::vector<backup::Proof>> proofs_around(store::Sql& sql, std::string_view plan_id, std::string_view node_id,
                                                 std::span<const backup::RecoveryPoint> points);
// The point and all that it needs, filled in. invalid_argument where something of its chain is not there.
Status with_point(store::Sql& sql, backup::Job& job, const backup::RecoveryPoint& point);

}  // namespace belay::server
