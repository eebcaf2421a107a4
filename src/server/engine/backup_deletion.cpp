// Recovery points that a person deletes: by name, or by rules that keep less.
#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "core/backup/proven.hpp"
#include "core/backup/retention.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/backups.hpp"

namespace belay::server {
namespace {
using backup::PointState;
using backup::RecoveryPoint;
using store::Sql;
namespace backups = store::backups;

Error wrong_state(const RecoveryPoint& point, const std::string& what) {
  return Error(Code::conflict, "the recovery point " + point.point_id + " " + what, "InvalidStateException");
}

Status check_removal(const RemovePointRequest& request, const RecoveryPoint& point,
                     const std::vector<RecoveryPoint>& all, Instant now) {
  if (point.state == PointState::gone) return wrong_state(point, "was deleted already");
  if (point.state == PointState::expiring) return wrong_state(point, "is being deleted already");
  if (point.legal_hold)
    return wrong_state(point, "is on a legal hold; release it first (`belay backup release`), where that is allowed");
  if (point.locked_until && *point.locked_until > now)
    return wrong_state(point, "is locked by its vault until " + to_iso8601(*point.locked_until) + "; wait until then");
  std::vector<std::string> builds;
  for (const auto& other : all)
    if (other.vault == point.vault && !other.missing_from && other.state != PointState::expiring &&
        std::ranges::find(other.made.needs, point.made.reference) != other.made.needs.end())
      builds.push_back(other.point_id);
  if (!builds.empty() && !point.missing_from)
    return wrong_state(point, "is what others build on (" + join(builds, ", ") + "); delete those first");
  if (request.confirm != point.point_id)
    return Error(Code::invalid_argument,
                 "this deletes a recovery point for good: confirm it with its id (Confirm: " + point.point_id + ")",
                 "ValidationException");
  if (point.missing_from || request.last_proven) return {};
  if (const auto last = backup::last_of(point, all, now); !last.empty())
    return wrong_state(point, "is the last one that a restore test " + std::string(last) +
                                  "; prove another one first, or say so once more (LastProven: true, --last-proven)");
  return {};
}

Result<std::string> remove_in(Sql& sql, RecoveryPoint point, const RemovePointRequest& request, Instant now) {
  const bool missing = point.missing_from.has_value();
  point.why.push_back(std::string(kDeletedBy) + request.requested_by + ": " + sanitize(request.reason, 500));
  point.state = missing ? PointState::gone : PointState::expiring;
  BELAY_TRY(backups::update_point(sql, point));
  if (missing) {
    BELAY_TRY(wake_backup_plan(sql, point.plan_id, point.node_id, now));
    return std::string();
  }
  BELAY_TRY_ASSIGN(const auto plan, backups::get_plan(sql, point.plan_id));
  BELAY_TRY_ASSIGN(auto job, job_for(sql, plan, point.node_id, backup::Task::forget));
  BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql, point.vault));
  job.vault = vault.spec;
  job.points = {point.made};
  job.points.front().fingerprints.clear();
  return want_job(sql, std::move(job), request.requested_by, request.reason, now);
}

constexpr std::size_t kNamedMax = 20;

// Kept by the rules of before, and not by those of `after`.
Result<std::vector<RecoveryPoint>> let_go(Sql& sql, const backups::Plan& before, const schedule::ZoneRules& zone_before,
                                          const backup::PlanSpec& after, const schedule::ZoneRules& zone_after,
                                          Instant now) {
  std::vector<RecoveryPoint> gone;
  BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, before.plan_id));
  for (const auto& member : members) {
    BELAY_TRY_ASSIGN(const auto all, backups::points_of(sql, before.plan_id, member.node_id));
    std::map<std::string, std::vector<RecoveryPoint>> by_vault;
    for (const auto& point : all) by_vault[point.vault].push_back(point);
    for (const auto& [vault, points] : by_vault) {
      const auto kept = backup::retain(points, backup::rules_of(before.spec, vault, points), zone_before, now);
      const auto stays = backup::retain(points, backup::rules_of(after, vault, points), zone_after, now);
      for (std::size_t i = 0; i < points.size(); ++i)
        if (kept[i].keep && !stays[i].keep) gone.push_back(points[i]);
    }
  }
  return gone;
}

}  // namespace

Status check_let_go(Sql& sql, Zones& zones, const backups::Plan& before, const backup::PlanSpec& spec,
                    const PutPlanRequest& request, Instant now) {
  BELAY_TRY_ASSIGN(const auto zone_after, zones.of(spec.schedule.timezone));
  const auto zone_before = zones.of(before.spec.schedule.timezone);
  BELAY_TRY_ASSIGN(const auto gone,
                   let_go(sql, before, zone_before.ok() ? **zone_before : *zone_after, spec, *zone_after, now));
  if (gone.empty()) return {};
  std::vector<std::string> named;
  for (const auto& point : gone)
    if (named.size() < kNamedMax)
      named.push_back(point.point_id + " of " + to_iso8601(point.made.taken_at) + " (" + point.node_id + ", " +
                      point.vault + ")");
  const std::string more =
      gone.size() > named.size() ? " and " + std::to_string(gone.size() - named.size()) + " more" : "";
  const std::string which = join(named, ", ") + more;
  if (request.may) BELAY_TRY(request.may(sql, "belay:DeleteRecoveryPoint", "a change that lets go of recovery points"));
  if (request.confirm != before.name)
    return Error(Code::invalid_argument,
                 "keep: by this change " + std::to_string(gone.size()) +
                     " recovery points that are kept now would be deleted: " + which +
                     "; where that is meant, confirm it with the plan's name (Confirm: " + before.name +
                     ", --confirm " + before.name + ")",
                 "ValidationException");
  return note_in_audit(sql, now, request.requested_by, "belay:DeleteRecoveryPoint", before.plan_id,
                       {{"plan", before.name}, {"points", gone.size()}, {"which", which}});
}

Result<std::string> Backups::remove_point(const RemovePointRequest& request) {
  const Instant now = clock_.now();
  auto done = store_.write([&](Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(auto point, backups::get_point(sql, request.point_id));
    BELAY_TRY_ASSIGN(const auto all, backups::points_of(sql, point.plan_id, point.node_id, {}));
    BELAY_TRY(check_removal(request, point, all, now));
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:DeleteRecoveryPoint", request.point_id,
                            {{"reason", request.reason},
                             {"state", boost::describe::enum_to_string(point.state, "?")},
                             {"lastProven", request.last_proven}}));
    return remove_in(sql, std::move(point), request, now);
  });
  if (done.ok() && poke) poke();
  return done;
}

}  // namespace belay::server
