#include "agent/runner/held_packages.hpp"
#include "agent/runner/kept_snapshots.hpp"
#include "agent/runner/probes_before.hpp"
#include "agent/runner/problems.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"
#include "base/log.hpp"

namespace belay::agent {

using patchrun::Findings;
using patchrun::Outcome;
using patchrun::RunState;

Happened RunActions::verify(const RunState& run) {
  Findings findings;
  const auto broken = tools_.packages.check_health();
  if (!broken.ok()) return failed(broken.error(), std::move(findings));
  add(findings.problems, *broken);
  const auto scan = tools_.packages.scan();
  if (!scan.ok()) return failed(scan.error(), std::move(findings));
  judge_kernel(run, findings);
  const auto keys = keys_of(run);
  findings.changed = difference(before_of(run), installed_of(scan->installed, keys), keys);
  for (const auto& change : run.order.changes)
    if (!is_there(change, scan->installed))
      findings.problems.push_back({fleet::Reason::other, change.name,
                                   "after the install this is not so: " + describe(change), "see the run's output",
                                   false});
  if (const auto required = tools_.host.reboot_required(); required.ok() && !run.reboot_pending)
    findings.reboot_pending = *required;
  if (!findings.problems.empty()) return failed(std::move(findings));
  return pass_gate(run, std::move(findings));
}

// Whether the kernel on trial is the one that runs.
void RunActions::judge_kernel(const RunState& run, Findings& findings) {
  if (!run.rebooted || run.kernel_trial.wanted.empty()) return;
  const auto running = tools_.host.kernel_running();
  if (running == run.kernel_trial.wanted) return;
  findings.kernel_trial = run.kernel_trial;
  findings.kernel_trial->failed = true;
  findings.problems.push_back(
      {fleet::Reason::other, run.kernel_trial.wanted,
       "kernel " + run.kernel_trial.wanted + " did not come up: the machine fell back to " + running,
       "see the machine's console and the journal of its last boots", false});
}

Happened RunActions::commit(const RunState& run) {
  Findings findings;
  // Verified: from now on every boot is one of the new kernel.
  if (const auto ended = tools_.host.end_kernel_trial(""); !ended.ok())
    return failed(ended.error(), std::move(findings));
  const auto& protection = run.order.protection;
  if (protection.keep_snapshots > Duration::zero()) {
    const auto now = tools_.clock.now();
    if (const auto kept = keep_snapshots(tools_.files, paths_, run, now + protection.keep_snapshots, now); !kept.ok())
      return failed(kept.error(), std::move(findings));
  } else {
    release(run.protection.snapshots, findings);
    if (!findings.problems.empty()) return failed(std::move(findings), "a snapshot was left behind");
  }
  // What this run held stays: a rollback ordered later is made of it, and measured by how the node was.
  if (const auto kept = keep_probes_before(tools_.files, paths_, run); !kept.ok())
    log::warning("probes_before_not_kept", {{"why", kept.error()}});
  if (const auto pruned = prune_held_packages(tools_.files, paths_.held(), tools_.clock.now()); !pruned.ok())
    log::warning("held_packages_left", {{"why", pruned.error()}});
  return succeeded(std::move(findings), "");
}

void RunActions::close(const RunState& run) {
  const auto now = tools_.clock.now();
  if (*run.outcome == Outcome::rollback_failed)  // its data may be put back yet
    if (const auto kept = keep_probes_before(tools_.files, paths_, run); !kept.ok())
      log::warning("probes_before_not_kept", {{"why", kept.error()}});
  switch (*run.outcome) {
    case Outcome::rollback_failed:
    case Outcome::inconsistent:
    case Outcome::left_as_is:
      if (const auto kept = keep_snapshots(tools_.files, paths_, run, std::nullopt, now); !kept.ok())
        log::warning("snapshots_not_noted", {{"run", run.run_id}, {"why", kept.error()}});
      return;
    case Outcome::committed:
      if (run.order.protection.keep_snapshots > Duration::zero()) return;
      break;
    case Outcome::nothing_to_do:
    case Outcome::refused:
    case Outcome::rolled_back: break;
  }
  Findings left;
  release(run.protection.snapshots, left);
  release_tagged(run, left);
  for (const auto& problem : left.problems)
    log::warning("snapshot_left", {{"snapshot", problem.subject}, {"why", problem.detail}});
}

// One that was taken just before the run was killed stands in no journal.
void RunActions::release_tagged(const RunState& run, Findings& findings) {
  for (auto* provider : tools_.snapshots)
    if (const auto there = provider->list(); there.ok())
      for (const auto& snapshot : *there)
        if (snapshot.tag == snapshot_tag(run.run_id))
          release({{snapshot.id, std::string(provider->name()), snapshot.mounts}}, findings);
}

}  // namespace belay::agent
