#include "agent/runner/run_parts.hpp"

#include <algorithm>

#include "agent/runner/problems.hpp"

namespace belay::agent {

using patchrun::Event;
using patchrun::Findings;
using patchrun::RunState;

Happened failed(Findings findings, std::string detail) {
  findings.detail = std::move(detail);
  return {Event::failed, std::move(findings)};
}

Happened failed(Findings findings) {
  findings.detail = findings.problems.front().detail;
  return {Event::failed, std::move(findings)};
}

Happened failed(const Error& error, Findings findings) {
  findings.problems.push_back(problem_of(error));
  return failed(std::move(findings), error.message());
}

Happened succeeded(Findings findings, std::string detail) {
  findings.detail = std::move(detail);
  return {Event::succeeded, std::move(findings)};
}

InstallOrder install_order(const RunState& run, const StatePaths& paths) {
  InstallOrder order;
  order.changes = run.order.changes;
  order.allow_downgrade = run.order.allow_downgrade;
  order.allow_removal = std::ranges::any_of(run.order.changes, [](const auto& c) { return c.to_version.empty(); });
  order.lock_timeout = run.order.lock_timeout;
  order.held_directory = paths.held();
  order.timeout = run.order.install_timeout;
  return order;
}

std::string count(std::size_t number, std::string_view one, std::string_view many) {
  return std::to_string(number) + " " + std::string(number == 1 ? one : many);
}

std::vector<PackageKey> keys_of(const RunState& run) {
  auto all = run.order.changes;
  all.insert(all.end(), run.planned.begin(), run.planned.end());
  all.insert(all.end(), run.changed.begin(), run.changed.end());
  return touched_keys(all);
}

std::vector<fleet::InstalledPackage> before_of(const RunState& run) {
  auto foreseen = run.order.changes;
  foreseen.insert(foreseen.end(), run.planned.begin(), run.planned.end());
  const auto keys = touched_keys(foreseen);
  auto before = run.before;
  for (const auto& change : run.changed)
    if (!change.from_version.empty() && !std::ranges::binary_search(keys, PackageKey{change.name, change.arch}))
      before.push_back({change.name, change.arch, change.from_version});
  return before;
}

void add(std::vector<fleet::Problem>& all, const std::vector<fleet::Problem>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace belay::agent
