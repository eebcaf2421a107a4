// What a repository holds against what we know of it. A point that is not there stands for nothing, and what was proven
// of it neither, until it is there again.
#include <algorithm>

#include "base/text.hpp"
#include "server/engine/backup_run.hpp"

namespace belay::server {
namespace {
using backup::JobOutcome;
using backup::PointState;
using backup::RecoveryPoint;
using backup::Task;
namespace backups = store::backups;

constexpr std::string_view kMissing = "it is not in the vault any more, and nobody here deleted it";
constexpr std::string_view kStrange = "it is in the vault, and no backup of this plan made it";
constexpr std::string_view kRepositoryGone = "repository-gone";
constexpr Duration kListEvery{24LL * 3'600'000};
constexpr Duration kListSoon{600'000};         // after the node's watch says that the repository is gone
constexpr Duration kPluggedWithin{3'600'000};  // a drive that was backed up to is taken for plugged in so long
constexpr std::size_t kNamedMax = 5;

void lose(RecoveryPoint& point) {
  point.missing_from = point.state;
  point.state = PointState::damaged;
  point.why.emplace_back(kMissing);
}

std::string named(const std::vector<std::string>& ids) {
  auto some = ids;
  some.resize(std::min(some.size(), kNamedMax));
  return join(some, ", ") + (ids.size() > some.size() ? ", …" : "");
}

}  // namespace

bool is_stranger(const RecoveryPoint& point) {
  return point.state == PointState::quarantined && point.why == std::vector{std::string(kStrange)};
}

bool is_found_again(RecoveryPoint& point) {
  if (!point.missing_from) return false;
  point.state = *point.missing_from;
  point.missing_from.reset();
  std::erase(point.why, kMissing);
  return true;
}

// A point of nobody's making is kept apart, one that went behind our back is missing, one that came back counts again.
Status BackupRun::reconcile(const Job& job, const backup::JobReport& report) {
  wrong_.clear();
  if (report.outcome != JobOutcome::ok) return {};
  BELAY_TRY_ASSIGN(auto known, backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  std::vector<RecoveryPoint> strange;
  for (const auto& made : report.points) {
    const auto ours =
        std::ranges::find_if(known, [&](const auto& point) { return point.made.reference == made.reference; });
    if (ours != known.end()) continue;
    BELAY_TRY_ASSIGN(auto point, point_of(job, made, job.job.vault.name));
    point.state = PointState::quarantined;
    point.why = {std::string(kStrange)};
    strange.push_back(std::move(point));
  }
  BELAY_TRY(backups::add_points(sql_, strange));
  std::vector<std::string> missing;
  for (auto& point : known) {
    if (point.made.drive != report.drive) continue;  // the drive that it lies on was not looked at
    const bool there =
        std::ranges::any_of(report.points, [&](const auto& made) { return made.reference == point.made.reference; });
    if (there && !is_found_again(point)) continue;
    if (!there && point.state == PointState::expiring) {
      point.state = PointState::gone;
    } else if (!there) {
      missing.push_back(point.point_id);
      if (point.missing_from) continue;
      lose(point);
    }
    BELAY_TRY(backups::update_point(sql_, point));
  }
  if (!missing.empty())
    wrong_ = std::to_string(missing.size()) + " points are not in the vault " + job.job.vault.name +
             " any more, and nobody here deleted them (" + named(missing) +
             "); bring them back, or let go of them with `belay backup delete`";
  if (!strange.empty())
    wrong_ += (wrong_.empty() ? "" : "; ") + std::to_string(strange.size()) +
              " points there were made by no backup of " + plan_.name + "; they are in quarantine";
  return {};
}

// The whole repository is away or was deleted: a list says so of a point each.
Status BackupRun::note_gone(const Job& job, const backup::JobReport& report) {
  if (std::ranges::find(report.problems, kRepositoryGone, &fleet::Problem::subject) == report.problems.end()) return {};
  if (job.job.task == Task::copy) return {};  // of which of its two vaults the daily list says
  // Another node may look at a directory of its own.
  if (job.job.node_id != job.job.source_node_id) return {};
  BELAY_TRY_ASSIGN(auto known, backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  for (auto& point : known) {
    if (point.made.drive != report.drive || point.missing_from || point.state == PointState::expiring) continue;
    lose(point);
    BELAY_TRY(backups::update_point(sql_, point));
  }
  return {};
}

// Each repository is listed once a day, and where the node's watch says that it is gone, soon. One at a time.
Status BackupRun::ask_list(Member& member) {
  std::vector<std::string> vaults{plan_.spec.vault};
  for (const auto& copy : plan_.spec.copies) vaults.push_back(copy.vault);
  const bool gone = member.watch && std::ranges::find(member.watch->findings, kRepositoryGone,
                                                      &backup::Finding::what) != member.watch->findings.end();
  for (const auto& name : vaults) {
    auto& listed_at = member.progress.listed_at[name];
    if (listed_at == Instant{}) listed_at = now_;  // what was just begun is not yet doubted
    const bool soon = gone && name == plan_.spec.vault;
    if (now_ - listed_at < (soon ? kListSoon : kListEvery)) continue;
    BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql_, name));
    if (vault.spec.kind == backup::VaultKind::tape) continue;
    const auto& ok_at = member.progress.last_ok_at;
    if (vault.spec.kind == backup::VaultKind::removable && (!ok_at || now_ - *ok_at > kPluggedWithin)) continue;
    BELAY_TRY_ASSIGN(const auto points, backups::points_of(sql_, plan_.plan_id, member.node_id, name));
    const bool any = std::ranges::any_of(points, [&](const auto& point) { return !soon || !point.missing_from; });
    if (!any) continue;
    listed_at = now_;
    BELAY_TRY_ASSIGN(auto job, job_for(sql_, plan_, member.node_id, Task::list));
    job.vault = vault.spec;
    return want(std::move(job), "daily list");
  }
  return {};
}

}  // namespace belay::server
