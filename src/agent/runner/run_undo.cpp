#include <algorithm>

#include "agent/runner/problems.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"

namespace belay::agent {

using patchrun::Event;
using patchrun::Findings;
using patchrun::RunState;

bool RunActions::restore_snapshots(const RunState& run, Findings& findings) {
  bool restored = false;
  for (const auto& taken : run.protection.snapshots)
    for (auto* provider : tools_.snapshots)
      if (provider->name() == taken.provider) {
        const auto done = provider->restore({taken.id, taken.provider, {}, taken.mounts});
        if (done.ok()) restored = true;
        else findings.problems.push_back(problem_of(done.error(), taken.id));
      }
  return restored;
}

Happened RunActions::roll_back(const RunState& run) {
  Findings findings;
  Findings health;  // what mending says matters only if the rollback fails too
  const bool whole = mend(run, health, kRepairTimeout);
  findings.output = health.output;
  const auto scan = tools_.packages.scan();
  if (!scan.ok()) return failed(scan.error(), std::move(findings));
  const auto keys = keys_of(run);
  InstallOrder back;
  back.changes = difference(installed_of(scan->installed, keys), before_of(run), keys);
  back.allow_downgrade = true;
  back.allow_removal = true;
  back.held_directory = paths_.held();
  back.lock_timeout = run.order.lock_timeout;
  back.timeout = run.order.install_timeout;
  // A broken package may show its old version and still have to be put back.
  if (!whole)
    for (const auto& problem : health.problems)
      for (const auto& package : before_of(run))
        if (package.name == problem.subject &&
            !std::ranges::any_of(back.changes, [&](const auto& c) { return c.name == package.name; }))
          back.changes.push_back({package.name, package.arch, package.version, package.version, "", 0});
  bool done = true;
  if (!back.changes.empty()) {
    const auto report = tools_.packages.install(back, collect(findings));
    done = report.ok() && report->problems.empty();
    if (!report.ok()) findings.problems.push_back(problem_of(report.error()));
    else add(findings.problems, report->problems);
  }
  if (!done && restore_snapshots(run, findings)) {
    findings.detail = "packages could not be put back; a snapshot was restored";
    return {Event::reboot_needed, std::move(findings)};
  }
  if (!done) return failed(std::move(findings), "packages could not be put back");
  findings.detail = count(back.changes.size(), "package", "packages") + " put back";
  const bool runs_new_code = run.rebooted && run.order.reboot != patchrun::Reboot::never && !back.changes.empty();
  return {runs_new_code ? Event::reboot_needed : Event::succeeded, std::move(findings)};
}

Happened RunActions::verify_rollback(const RunState& run) {
  Findings findings;
  const auto broken = tools_.packages.check_health();
  const auto scan = tools_.packages.scan();
  if (!broken.ok() || !scan.ok()) {
    findings.problems.push_back(problem_of(broken.ok() ? scan.error() : broken.error()));
    findings.detail = "what is installed cannot be read";
    return {Event::undecided, std::move(findings)};
  }
  const auto keys = keys_of(run);
  const auto left = difference(before_of(run), installed_of(scan->installed, keys), keys);
  findings.changed = left;
  add(findings.problems, *broken);
  for (const auto& change : left)
    findings.problems.push_back({fleet::Reason::other, change.name,
                                 "after the rollback this is left: " + describe(change),
                                 "put it back by hand; the old packages are under " + paths_.held(), false});
  if (const auto required = tools_.host.reboot_required(); required.ok()) findings.reboot_pending = *required;
  if (!findings.problems.empty()) return failed(std::move(findings));
  return succeeded(std::move(findings), "every package is as it was found");
}

}  // namespace belay::agent
