// What goes, and what must not: decided after each backup, copy and test, judged again when its turn on the node comes;
// legal holds.
#include <algorithm>

#include "core/backup/retention.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/backup_run.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {
using backup::PointState;
using backup::RecoveryPoint;
using backup::Task;
using store::Sql;
namespace backups = store::backups;

constexpr Duration kCompactEvery{7LL * 24 * 3600 * 1000};

Error wrong_state(std::string what) { return Error(Code::conflict, std::move(what), "InvalidStateException"); }

Status in_state(Sql& sql, RecoveryPoint& point, PointState state) {
  point.state = state;
  return backups::update_point(sql, point);
}

// One that a person deleted may have been damaged before: it counts again once somebody accepts it.
PointState kept_again(const RecoveryPoint& point) {
  const bool by_hand = std::ranges::any_of(point.why, [](const auto& why) { return why.starts_with(kDeletedBy); });
  return by_hand ? PointState::suspect : PointState::available;
}

std::vector<std::string> references_of(const std::vector<backup::MadePoint>& points) {
  std::vector<std::string> references;
  for (const auto& point : points) references.push_back(point.reference);
  return references;
}

// The deletion goes on without what is kept: a job like it waits, and is judged again before it is sent.
Status order_anew(Sql& sql, const backups::Job& job, std::string_view why, Instant now) {
  auto over = job;
  over.state = "Cancelled";
  over.why = why;
  over.finished_at = now;
  BELAY_TRY(backups::update_job(sql, over));
  auto rest = job.job;
  rest.job_id.clear();
  BELAY_TRY_ASSIGN(const auto id, want_job(sql, std::move(rest), job.requested_by, job.reason, now));
  (void)id;
  return {};
}

// A point on its way out that somebody wants kept, with all that it stands on: revived, and taken out of the deletion.
// What waits is judged again when it is sent; what was sent and not delivered is called back. What the node has may
// begin at any moment: then nobody promises anything.
Status call_off(Sql& sql, RecoveryPoint& point, Instant now) {
  BELAY_TRY_ASSIGN(auto all, backups::points_of(sql, point.plan_id, point.node_id, point.vault));
  const auto wanted = backup::with_chain(all, point.point_id);
  BELAY_TRY_ASSIGN(const auto open, backups::open_jobs(sql, point.plan_id, point.node_id));
  for (const auto& job : open) {
    if (job.job.task != Task::forget || job.job.vault.name != point.vault || job.order_id.empty()) continue;
    const auto ordered = references_of(job.job.points);
    const auto is_in_it = [&](std::size_t i) {
      return std::ranges::find(ordered, all[i].made.reference) != ordered.end();
    };
    if (std::ranges::none_of(wanted, is_in_it)) continue;
    BELAY_TRY_ASSIGN(const auto order, store::orders::get(sql, job.order_id));
    if (order.state != store::orders::State::queued)
      return wrong_state("the recovery point " + point.point_id + " is being deleted: the node has the order (job " +
                         job.job.job_id + "); `belay backup stop " + job.job.job_id +
                         "`, and when that has ended hold what is left");
    BELAY_TRY_ASSIGN(const auto cancelled, store::orders::cancel(sql, job.order_id, now));
    (void)cancelled;
    BELAY_TRY(order_anew(sql, job, point.point_id + " was put on hold; the rest is ordered anew", now));
  }
  for (const auto i : wanted)
    if (all[i].state == PointState::expiring) BELAY_TRY(in_state(sql, all[i], kept_again(all[i])));
  point.state = kept_again(point);
  // An earlier deletion of it may have failed behind its work: what is in the vault is compared with what is known.
  BELAY_TRY_ASSIGN(const auto plan, backups::get_plan(sql, point.plan_id));
  BELAY_TRY_ASSIGN(auto list, job_for(sql, plan, point.node_id, Task::list));
  BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql, point.vault));
  list.vault = vault.spec;
  BELAY_TRY_ASSIGN(const auto id, want_job(sql, std::move(list), "belayd", "after a hold", now));
  (void)id;
  return {};
}

}  // namespace

Status call_back_deletions(Sql& sql, const backups::Plan& plan, Instant now) {
  BELAY_TRY_ASSIGN(const auto open, backups::open_jobs(sql, plan.plan_id, ""));
  for (const auto& job : open) {
    if (job.job.task != Task::forget || job.order_id.empty()) continue;
    BELAY_TRY_ASSIGN(const auto order, store::orders::cancel(sql, job.order_id, now));
    if (order.state == store::orders::State::cancelled)
      BELAY_TRY(order_anew(sql, job, "the plan is " + plan.state + ": it waits", now));
  }
  return {};
}

Status BackupRun::follow_up(Member& member) {
  if (plan_.state != "Active") return {};  // nothing is deleted while somebody looks
  BELAY_TRY_ASSIGN(const auto points, backups::points_of(sql_, plan_.plan_id, member.node_id));
  for (const auto& vault : backup::vaults_of(plan_.spec, points)) BELAY_TRY(retain(member, vault));
  return {};
}

Result<bool> BackupRun::must_wait(const Job& deletion) {
  if (plan_.state == "Paused") return true;
  const auto ordered = references_of(deletion.job.points);
  const auto is_ordered = [&](const backup::MadePoint& point) {
    return std::ranges::find(ordered, point.reference) != ordered.end();
  };
  BELAY_TRY_ASSIGN(const auto open, backups::open_jobs(sql_, plan_.plan_id, ""));
  return std::ranges::any_of(open, [&](const Job& one) {
    const auto& job = one.job;
    const bool reads = job.task == Task::restore || job.task == Task::prove || job.task == Task::copy;
    return reads && job.vault.name == deletion.job.vault.name && job.source_node_id == deletion.job.source_node_id &&
           (std::ranges::any_of(job.points, is_ordered) || std::ranges::any_of(job.chain, is_ordered));
  });
}

Status BackupRun::retain(Member& member, const std::string& vault) {
  BELAY_TRY_ASSIGN(auto points, backups::points_of(sql_, plan_.plan_id, member.node_id, vault));
  const auto kept = backup::retain(points, backup::rules_of(plan_.spec, vault, points), zone_, now_);
  std::vector<backup::MadePoint> going;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (kept[i].keep) {
      if (points[i].state != PointState::expiring) continue;
      points[i].state = PointState::available;  // a hold or a chain wants it after all
      BELAY_TRY(backups::update_point(sql_, points[i]));
      continue;
    }
    if (points[i].state != PointState::expiring) {
      points[i].state = PointState::expiring;
      BELAY_TRY(backups::update_point(sql_, points[i]));
    }
    going.push_back(points[i].made);
  }
  if (going.empty()) return {};
  BELAY_TRY_ASSIGN(const auto open, backups::open_jobs(sql_, plan_.plan_id, member.node_id));
  for (const auto& job : open)
    if (job.job.task == Task::forget && job.job.vault.name == vault) return {};
  BELAY_TRY_ASSIGN(auto job, job_for(sql_, plan_, member.node_id, Task::forget));
  BELAY_TRY_ASSIGN(const auto place, backups::get_vault(sql_, vault));
  job.vault = place.spec;
  job.points = std::move(going);
  for (auto& point : job.points) point.fingerprints.clear();
  job.compact = !member.progress.compacted_at || now_ - *member.progress.compacted_at >= kCompactEvery;
  return want(std::move(job), "retention");
}

Status BackupRun::judge_again(Job& job) {
  BELAY_TRY_ASSIGN(auto points, backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  const auto ordered = references_of(job.job.points);
  std::vector<std::size_t> going;
  // A retired plan deletes nothing by itself.
  if (plan_.state != "Retired" || job.requested_by != "belayd")
    going = backup::still_going(points, ordered, backup::rules_of(plan_.spec, job.job.vault.name, points), zone_, now_);
  std::vector<backup::MadePoint> made;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool goes = std::ranges::find(going, i) != going.end();
    const bool was_ordered = std::ranges::find(ordered, points[i].made.reference) != ordered.end();
    if (goes) made.push_back(points[i].made);
    if (goes && points[i].state != PointState::expiring) BELAY_TRY(in_state(sql_, points[i], PointState::expiring));
    if (!goes && was_ordered && points[i].state == PointState::expiring)
      BELAY_TRY(in_state(sql_, points[i], kept_again(points[i])));
  }
  job.job.points = std::move(made);
  return {};
}

Status Backups::hold(std::string_view point_id, bool held, std::string_view reason, std::string_view by) {
  const Instant now = clock_.now();
  const auto done = store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(auto point, backups::get_point(sql, point_id));
    if (held && (point.state == PointState::gone))
      return wrong_state("the recovery point " + point.point_id + " was deleted");
    if (held && point.state == PointState::expiring) BELAY_TRY(call_off(sql, point, now));
    point.legal_hold = held;
    BELAY_TRY(backups::update_point(sql, point));
    BELAY_TRY(wake_backup_plan(sql, point.plan_id, point.node_id, now));
    return note_in_audit(sql, now, by, held ? "belay:PutLegalHold" : "belay:DeleteLegalHold", point_id,
                         {{"reason", reason}});
  });
  if (done.ok() && poke) poke();
  return done;
}

}  // namespace belay::server
