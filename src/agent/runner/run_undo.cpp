#include <algorithm>
#include <set>

#include "agent/runner/kept_snapshots.hpp"
#include "agent/runner/problems.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"

namespace belay::agent {

using patchrun::Event;
using patchrun::Findings;
using patchrun::RunState;

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
  if (!done) return failed(std::move(findings), "packages could not be put back");
  findings.detail = count(back.changes.size(), "package", "packages") + " put back";
  const bool runs_new_code = run.rebooted && run.order.reboot != patchrun::Reboot::never && !back.changes.empty();
  if (runs_new_code) return {Event::reboot_needed, std::move(findings)};
  // What was restarted with the new code, or ailed under it, runs the old one only after a restart. Whether it is well
  // is read next.
  Findings services;
  restart_services(run, services);
  findings.restarted = services.restarted;
  for (const auto& problem : services.problems) collect(findings)("belay: " + problem.detail);
  return {Event::succeeded, std::move(findings)};
}

Happened RunActions::verify_rollback(const RunState& run) {
  Findings findings;
  findings.still_ill = "";
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
  const bool restore_waits = run.reboot_pending && !run.rungs.empty() && run.rungs.back() == patchrun::kRungSnapshot;
  if (const auto required = tools_.host.reboot_required(); required.ok() && !restore_waits)
    findings.reboot_pending = *required;
  if (!findings.problems.empty()) return failed(std::move(findings));
  if (auto ill = await_recovery(run, findings)) {
    findings.detail = ill->detail;
    findings.still_ill = ill->subject;
    findings.problems.push_back(std::move(*ill));
    return {Event::climb, std::move(findings)};
  }
  if (const auto ended = tools_.host.end_kernel_trial(run.kernel_trial.wanted); !ended.ok())
    collect(findings)("belay: " + ended.error().chain());
  return succeeded(std::move(findings),
                   "every package is as it was found" +
                       std::string(run.protection.probes.empty() ? "" : ", and what was healthy is"));
}

// The newest that are whole, as many as it takes to put every mount back.
std::vector<patchrun::SnapshotTaken> RunActions::whole_snapshots(const RunState& run, Findings& findings) {
  std::set<std::string> left;
  for (const auto& taken : run.protection.snapshots) left.insert(taken.mounts.begin(), taken.mounts.end());
  std::vector<patchrun::SnapshotTaken> chosen;
  const auto& all = run.protection.snapshots;
  for (auto taken = all.rbegin(); taken != all.rend() && !left.empty(); ++taken) {
    auto* provider = provider_of(tools_.snapshots, taken->provider);
    const auto whole = provider ? provider->verify({taken->id, taken->provider, {}, taken->mounts})
                                : Status(Error(Code::not_found, "this node has no provider '" + taken->provider + "'"));
    if (!whole.ok()) {
      findings.problems.push_back(
          problem_of(whole.error().within("the snapshot of this run is not there any more"), describe(*taken)));
      continue;
    }
    const auto before = left.size();
    for (const auto& mount : taken->mounts) left.erase(mount);
    if (left.size() < before) chosen.push_back(*taken);
  }
  // A part of what changed, put back without the rest, would fit nothing.
  if (!left.empty()) chosen.clear();
  return chosen;
}

Happened RunActions::restore(const RunState& run) {
  Findings findings;
  const auto chosen = whole_snapshots(run, findings);
  if (chosen.empty()) return failed(std::move(findings), "no snapshot of this run is left");
  bool restored = false, needs_reboot = false;
  for (const auto& taken : chosen) {
    const auto done =
        provider_of(tools_.snapshots, taken.provider)->restore({taken.id, taken.provider, {}, taken.mounts});
    if (!done.ok()) {
      findings.problems.push_back(problem_of(done.error(), describe(taken)));
      continue;
    }
    restored = true;
    needs_reboot = needs_reboot || done->needs_reboot;
    for (const auto& left : done->left) collect(findings)("belay: left by the restore: " + left);
  }
  if (!restored) return failed(std::move(findings), "no snapshot could be restored");
  if (!needs_reboot) return succeeded(std::move(findings), "restored " + describe(chosen.front()));
  if (run.order.reboot == patchrun::Reboot::never) {
    findings.reboot_pending = true;
    findings.problems.push_back({fleet::Reason::reboot_pending, describe(chosen.front()),
                                 "it is put back with the next boot, and the order rules out a reboot",
                                 "reboot the machine by hand", false});
    return failed(std::move(findings), "the restore waits for a reboot, which the order rules out");
  }
  findings.detail = "restored " + describe(chosen.front());
  return {Event::reboot_needed, std::move(findings)};
}

}  // namespace belay::agent
