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
constexpr std::size_t kProblemsMax = 500;

void add_once(std::vector<fleet::Problem>& all, const std::vector<fleet::Problem>& more) {
  for (const auto& problem : more)
    if (all.size() < kProblemsMax && std::ranges::find(all, problem) == all.end()) all.push_back(problem);
}

}  // namespace

Result<wire::ScanReport> scan_node(const WorkTools& tools, const StatePaths& paths, bool refresh) {
  wire::ScanReport report;
  if (refresh) {
    const auto refreshed = tools.packages.refresh(kRefreshTimeout, {});
    if (refreshed.ok()) add_once(report.problems, refreshed->problems);
    else report.problems.push_back(problem_of(refreshed.error()));
  }
  BELAY_TRY_ASSIGN(auto scan, tools.packages.scan());
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
  // Broken packages are told with every scan; they do not make the versions unknown.
  if (const auto broken = tools.packages.check_health(); broken.ok()) add_once(report.problems, *broken);
  else report.problems.push_back(problem_of(broken.error()));
  report.facts = tools.collect_facts();
  return report;
}

}  // namespace belay::agent
