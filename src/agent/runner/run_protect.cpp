#include "agent/runner/problems.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"

namespace belay::agent {

using patchrun::Findings;
using patchrun::RunState;

Happened RunActions::protect(const RunState& run) {
  Findings findings;
  findings.protection = run.protection;
  if (run.order.hold_old_versions) {
    const auto not_held = hold_with_pool(pool_tools(run), install_order(run, paths_), run.order.old_files);
    if (!not_held.ok()) return failed(not_held.error(), std::move(findings));
    add(findings.problems, *not_held);
    if (!not_held->empty()) return failed(std::move(findings), "no way back: old packages cannot be held");
    findings.protection->old_versions_held = true;
  }
  take_snapshots(run, findings);
  if (!findings.problems.empty()) return failed(std::move(findings), "no way back: a snapshot failed");
  findings.protection->probes.clear();
  for (auto* probe : tools_.probes) {
    const auto reading = probe->measure(Duration(30'000));
    findings.protection->probes.push_back({std::string(probe->name()), reading.ok() && reading->healthy,
                                           reading.ok() ? reading->detail : reading.error().chain()});
  }
  const auto ways = findings.protection->snapshots.size();
  return succeeded(std::move(findings), std::string(run.order.hold_old_versions ? "old packages held"
                                                                                : "old packages not held, as ordered") +
                                            (ways ? ", " + count(ways, "snapshot", "snapshots") : ""));
}

void RunActions::take_snapshots(const RunState& run, Findings& findings) {
  findings.protection->snapshots.clear();
  for (auto* provider : tools_.snapshots) {
    const auto covers = provider->covers({"/"});
    if (!covers.ok() || !*covers) continue;  // held packages remain the way back
    const auto taken = provider->create("belay-" + run.run_id, {"/"});
    if (!taken.ok()) return findings.problems.push_back(problem_of(taken.error(), std::string(provider->name())));
    if (const auto whole = provider->verify(*taken); !whole.ok())
      return findings.problems.push_back(problem_of(whole.error(), std::string(provider->name())));
    findings.protection->snapshots.push_back({taken->id, std::string(provider->name()), taken->mounts});
  }
}

}  // namespace belay::agent
