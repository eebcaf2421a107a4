#include "agent/runner/scan_work.hpp"

#include <algorithm>

#include "agent/runner/problems.hpp"
#include "agent/runner/set_store.hpp"
#include "base/ids.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

constexpr Duration kRefreshTimeout{600'000};
constexpr Duration kDescribeTimeout{300'000};
constexpr Duration kListsFreshFor{
    std::chrono::hours(12)};  // scans are daily: a host that fetches them itself is left alone
constexpr Duration kBusyPause{2'000};
constexpr int kBusyAttempts = 60;  // two minutes
constexpr std::size_t kProblemsMax = 500;

void add_once(std::vector<fleet::Problem>& all, const std::vector<fleet::Problem>& more) {
  for (const auto& problem : more)
    if (all.size() < kProblemsMax && std::ranges::find(all, problem) == all.end()) all.push_back(problem);
}

// What is seen at one moment.
struct Seen {
  ScanResult scan;
  std::vector<fleet::Problem> health;
};

Result<Seen> look(const WorkTools& tools) {
  Seen seen;
  BELAY_TRY_ASSIGN(seen.scan, tools.packages.scan());
  // Broken packages are told with every scan; they do not make the versions unknown.
  auto health = tools.packages.check_health();
  if (health.ok()) seen.health = std::move(*health);
  else seen.health.push_back(problem_of(health.error()));
  return seen;
}

bool may_be_under_way(const Seen& seen) {
  return agent::may_be_under_way(seen.scan.problems) || agent::may_be_under_way(seen.health);
}

// Waits, within bounds, while another package manager is in the middle of its work.
Result<Seen> look_when_settled(const WorkTools& tools) {
  for (int attempt = 0;; ++attempt) {
    BELAY_TRY_ASSIGN(auto seen, look(tools));
    if (!may_be_under_way(seen)) return seen;
    const auto other = tools.packages.in_use();
    if (!other.ok()) return seen;
    if (!*other) return look(tools);  // it may have ended just now
    if (attempt + 1 < kBusyAttempts) {
      tools.host.pause(kBusyPause);
      continue;
    }
    put_down_to(**other, seen.scan.problems);
    put_down_to(**other, seen.health);
    return seen;
  }
}

bool is_old(const ScanResult& scan, Instant now) {
  return std::ranges::any_of(scan.repositories, [&](const auto& repository) {
    return !repository.fetched_at || now - *repository.fetched_at > kListsFreshFor;
  });
}

bool is_locked(const RefreshReport& report) {
  return std::ranges::any_of(report.problems, [](const auto& p) { return p.reason == fleet::Reason::lock_held; });
}

// Waits, within bounds, while somebody else refreshes the lists.
void refresh_lists(const WorkTools& tools, std::vector<fleet::Problem>& problems) {
  auto refreshed = tools.packages.refresh(kRefreshTimeout, {});
  for (int attempt = 1; attempt < kBusyAttempts && refreshed.ok() && is_locked(*refreshed); ++attempt) {
    tools.host.pause(kBusyPause);
    refreshed = tools.packages.refresh(kRefreshTimeout, {});
  }
  if (refreshed.ok()) add_once(problems, refreshed->problems);
  else problems.push_back(problem_of(refreshed.error()));
}

}  // namespace

Result<wire::ScanReport> scan_node(const WorkTools& tools, const StatePaths& paths, Refresh when) {
  wire::ScanReport report;
  bool refresh = when == Refresh::always;
  if (when == Refresh::if_old) {
    const auto before = tools.packages.scan();
    refresh = !before.ok() || before->repositories.empty() || is_old(*before, tools.clock.now());
  }
  if (refresh) refresh_lists(tools, report.problems);
  BELAY_TRY_ASSIGN(auto seen, look_when_settled(tools));
  auto& scan = seen.scan;
  // Before the sets get their hashes: they are what is reported. Every scan does it, so that a set stays the same.
  if (const auto described = tools.packages.describe_updates(scan, refresh ? kDescribeTimeout : Duration::zero());
      !described.ok())
    report.problems.push_back(problem_of(described.error()));
  if (scan.installed.packages.size() > wire::kPackagesMax)
    return Error(Code::resource_exhausted,
                 std::to_string(scan.installed.packages.size()) + " packages are more than a report may hold");
  SetStore sets(tools.files, paths);
  BELAY_TRY_ASSIGN(report.package_set_hash, sets.keep(scan.installed));
  BELAY_TRY_ASSIGN(report.offer_set_hash, sets.keep(scan.offers));
  report.scan_id = make_uuid(io::random_bytes(kIdRandomBytes));
  report.observed_at = tools.clock.now();
  report.packages = static_cast<std::uint32_t>(scan.installed.packages.size());
  report.offers = static_cast<std::uint32_t>(scan.offers.offers.size());
  report.held = scan.held;
  for (const auto& repository : scan.repositories)
    report.repositories.push_back(
        {repository.name, repository.site, repository.released_at, repository.valid_until, repository.fetched_at});
  add_once(report.problems, scan.problems);
  add_once(report.problems, seen.health);
  report.facts = tools.collect_facts();
  return report;
}

}  // namespace belay::agent
