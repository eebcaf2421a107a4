#include <algorithm>

#include "agent/runner/held_packages.hpp"
#include "agent/runner/problems.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"
#include "base/log.hpp"

namespace belay::agent {

using patchrun::Findings;
using patchrun::RunState;

Happened RunActions::verify(const RunState& run) {
  Findings findings;
  const auto broken = tools_.packages.check_health();
  if (!broken.ok()) return failed(broken.error(), std::move(findings));
  add(findings.problems, *broken);
  const auto scan = tools_.packages.scan();
  if (!scan.ok()) return failed(scan.error(), std::move(findings));
  const auto keys = keys_of(run);
  findings.changed = difference(before_of(run), installed_of(scan->installed, keys), keys);
  for (const auto& change : run.order.changes)
    if (!is_there(change, scan->installed))
      findings.problems.push_back({fleet::Reason::other, change.name,
                                   "after the install this is not so: " + describe(change), "see the run's output",
                                   false});
  compare_probes(run, findings);
  if (const auto required = tools_.host.reboot_required(); required.ok() && !run.reboot_pending)
    findings.reboot_pending = *required;
  if (!findings.problems.empty()) return failed(std::move(findings));
  return succeeded(std::move(findings), "versions and package health are as ordered");
}

// The change is blamed for what was healthy before it and is not now.
void RunActions::compare_probes(const RunState& run, Findings& findings) {
  for (auto* probe : tools_.probes) {
    const auto before = std::ranges::find(run.protection.probes, probe->name(), &patchrun::ProbeResult::probe);
    if (before == run.protection.probes.end() || !before->healthy) continue;
    constexpr int kReadingsMax = 6;
    std::string seen;
    bool healthy = false;
    for (int reading = 0; reading < kReadingsMax && !healthy; ++reading) {
      if (reading > 0) tools_.host.pause(Duration(5'000));
      const auto measured = probe->measure(Duration(30'000));
      healthy = measured.ok() && measured->healthy;
      seen = measured.ok() ? measured->detail : measured.error().chain();
    }
    if (!healthy)
      findings.problems.push_back({fleet::Reason::other, std::string(probe->name()),
                                   "healthy before the change, not after it: " + seen, "see the probe's detail",
                                   false});
  }
}

Happened RunActions::commit(const RunState& run) {
  Findings findings;
  remove_snapshots(run, findings);
  if (!findings.problems.empty()) return failed(std::move(findings), "a snapshot was left behind");
  // What this run held stays: a rollback ordered later is made of it.
  if (const auto pruned = prune_held_packages(tools_.files, paths_.held(), tools_.clock.now()); !pruned.ok())
    log::warning("held_packages_left", {{"why", pruned.error()}});
  return succeeded(std::move(findings), "");
}

void RunActions::close(const RunState& run) {
  if (run.outcome == patchrun::Outcome::rollback_failed || run.outcome == patchrun::Outcome::inconsistent) return;
  Findings left;
  remove_snapshots(run, left);
  for (const auto& problem : left.problems)
    log::warning("snapshot_left", {{"snapshot", problem.subject}, {"why", problem.detail}});
}

void RunActions::remove_snapshots(const RunState& run, Findings& findings) {
  for (const auto& taken : run.protection.snapshots)
    for (auto* provider : tools_.snapshots)
      if (provider->name() == taken.provider)
        if (const auto gone = provider->remove({taken.id, taken.provider, {}, taken.mounts}); !gone.ok())
          findings.problems.push_back(problem_of(gone.error(), taken.id));
}

}  // namespace belay::agent
