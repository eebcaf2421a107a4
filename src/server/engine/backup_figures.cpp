#include "server/engine/backup_figures.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "server/engine/backup_figures_kept.hpp"
#include "server/engine/backup_kind.hpp"
#include "store/compliance_items.hpp"

namespace belay::server {
namespace {
using backup::PointState;
using store::Sql;
namespace backups = store::backups;

constexpr Duration kWatchFresh{3'600'000};  // a node looks every minute; what it said longer ago says nothing of now
constexpr int kShare = 20;
constexpr std::array<std::string_view, 11> kFindings{
    "log-gap",    "archiver-failing", "archiver-behind", "heartbeat-old", "lock-old",    "vault-full",
    "vault-away", "key-expires",      "clock-wrong",     "source-down",   "drive-wanted"};

std::optional<bool> within(const std::optional<Duration>& value, Duration objective) {
  if (objective.count() <= 0) return std::nullopt;
  return value && *value <= objective;
}

NodeFigures figures_of(const backup::Known& known, const backup::Posture& posture, const backups::Member& member) {
  NodeFigures made;
  for (const auto& point : known.points) {
    const bool odd = point.state == PointState::suspect || point.state == PointState::quarantined ||
                     point.state == PointState::damaged;
    made.suspicious += odd;
    made.points += point.state == PointState::available;
    if (!made.newest_point && point.state == PointState::available) made.newest_point = point.made.taken_at;
  }
  made.recoverable_to = posture.recoverable_to;
  made.proven_at = posture.proven_at;
  if (posture.proven) made.level = static_cast<std::uint64_t>(*posture.proven);
  made.rpo_met = within(posture.rpo, known.plan.objectives.rpo);
  made.rto_met = within(posture.forecast.time_to_restore, known.plan.objectives.rto);
  made.compliant = posture.verdict == backup::Verdict::COMPLIANT;
  if (known.watch && known.watch->plan_id == known.plan_id) made.log_gaps = known.watch->log_gaps.size();
  made.tallies = member.progress.tallies;
  return made;
}

template <typename T, typename Better>
void fold(std::optional<T>& into, const std::optional<T>& other, Better better) {
  if (other && (!into || better(*other, *into))) into = other;
}

// The worst of both, and the sums.
void add(NodeFigures& all, const NodeFigures& one) {
  const std::less<> less;
  for (auto member : {&NodeFigures::newest_point, &NodeFigures::recoverable_to, &NodeFigures::proven_at})
    fold(all.*member, one.*member, less);
  fold(all.level, one.level, less);
  fold(all.rpo_met, one.rpo_met, less);
  fold(all.rto_met, one.rto_met, less);
  all.compliant = all.compliant && one.compliant;
  all.points = std::min(all.points, one.points);
  all.suspicious += one.suspicious;
  all.log_gaps += one.log_gaps;
  for (const auto& [task, tally] : one.tallies) {
    auto& sum = all.tallies[task];
    const bool worse = sum.state.empty() || sum.state == "Succeeded";
    if (worse) sum.state = tally.state;
    sum.runs += tally.runs, sum.failed += tally.failed;
    sum.at = sum.at == Instant() ? tally.at : std::min(sum.at, tally.at);
    sum.took = std::max(sum.took, tally.took);
    sum.bytes = std::max(sum.bytes, tally.bytes);
  }
}

void look_at_vault(VaultFigures& vault, const backup::WatchReport& watch) {
  const bool away = std::ranges::any_of(watch.findings, [](auto& finding) { return finding.what == "vault-away"; });
  if (watch.vault_bytes_free) {
    vault.bytes_free = std::min(vault.bytes_free.value_or(~std::uint64_t{0}), *watch.vault_bytes_free);
    vault.reachable = vault.reachable.value_or(true);
  }
  if (away) vault.reachable = false;
}

std::string_view known_finding(const std::string& what) {
  const auto at = std::ranges::find(kFindings, std::string_view(what));
  return at == kFindings.end() ? "other" : *at;
}

Status read_plan(Sql& sql, const backups::Plan& plan, const schedule::ZoneRules& zone, Instant now, std::size_t room,
                 BackupFiguresKept& into) {
  auto& figures = into.plans.emplace_back();
  figures.name = plan.name;
  BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, plan.plan_id));
  for (const auto& member : members) {
    if (member.left_at) continue;
    ++figures.covered;
    BELAY_TRY_ASSIGN(const auto known, known_of(sql, plan, member.node_id));
    auto one = figures_of(known, backup::posture(known, zone, now), member);
    if (known.watch && known.watch->plan_id == plan.plan_id) {
      std::map<std::string_view, bool> seen;
      for (const auto& finding : known.watch->findings) seen[known_finding(finding.what)] = true;
      for (const auto& [name, yes] : seen) figures.findings[std::string(name)] += yes;
      if (now - known.watch->at <= kWatchFresh) look_at_vault(into.vaults[plan.spec.vault], *known.watch);
    }
    if (room > 0) {
      --room;
      figures.nodes.emplace_back(member.node_id, std::move(one));
    } else if (figures.rest) {
      add(*figures.rest, one);
    } else {
      figures.rest = std::move(one);
    }
  }
  return {};
}

}  // namespace

BackupFigures::BackupFigures(store::Store& store, const Clock& clock, Zones& zones)
    : store_(store), clock_(clock), zones_(zones) {}
BackupFigures::~BackupFigures() = default;

// A transaction for each plan: nothing waits long for a large one.
Status BackupFigures::read(BackupFiguresKept& into) {
  const Instant now = clock_.now();
  std::vector<backups::Plan> plans;
  BELAY_TRY(store_.read([&](Sql& sql) -> Status {
    plans.clear();
    store::Page page{store::kPageLimitMax, {}};
    do {
      BELAY_TRY_ASSIGN(auto some, backups::list_plans(sql, false, page));
      std::ranges::move(some.items, std::back_inserter(plans));
      page.after = some.next;
    } while (!page.after.empty() && plans.size() < kFigurePlansMax);
    BELAY_TRY_ASSIGN(const auto vaults, backups::list_vaults(sql, {kFigureVaultsMax, {}}));
    for (const auto& vault : vaults.items) into.vaults[vault.name];  // none of them is known yet
    BELAY_TRY_ASSIGN(into.uncovered,
                     store::compliance_items::count_non_compliant(sql, kBackupCompliance, kUncoveredItem));
    return {};
  }));
  if (plans.size() > kFigurePlansMax) plans.resize(kFigurePlansMax);
  std::size_t room = kFigureNodesMax;
  for (const auto& plan : plans) {
    BELAY_TRY_ASSIGN(const auto zone, zones_.of(plan.spec.schedule.timezone));
    BackupFiguresKept part;
    BELAY_TRY(store_.read([&](Sql& sql) -> Status {
      part = {};  // a transaction may be tried again
      return read_plan(sql, plan, *zone, now, room, part);
    }));
    room -= part.plans.front().nodes.size();
    into.plans.push_back(std::move(part.plans.front()));
    for (const auto& [name, seen] : part.vaults) {
      auto& vault = into.vaults[name];
      if (seen.bytes_free) vault.bytes_free = std::min(vault.bytes_free.value_or(~std::uint64_t{0}), *seen.bytes_free);
      if (seen.reachable) vault.reachable = vault.reachable.value_or(true) && *seen.reachable;
    }
  }
  return {};
}

std::string BackupFigures::text() {
  const std::scoped_lock lock(mutex_);
  const Duration begun = clock_.monotonic();
  if (!kept_ || begun - read_at_ >= std::max(kFiguresEvery, kShare * took_)) {
    auto fresh = std::make_unique<BackupFiguresKept>();
    if (read(*fresh).ok()) kept_ = std::move(fresh);
    read_at_ = clock_.monotonic();
    took_ = read_at_ - begun;
  }
  return kept_ ? figures_text(*kept_, clock_.now()) : std::string();
}

}  // namespace belay::server
