// The probes of a run: before the change, over time after it, and after a rollback.
#include <algorithm>

#include "agent/runner/probes_before.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"
#include "agent/runner/run_probes.hpp"
#include "base/text.hpp"

namespace belay::agent {

using patchrun::Event;
using patchrun::Findings;
using patchrun::GateVerdict;
using patchrun::GateWatch;
using patchrun::RunState;

namespace {
constexpr Duration kSettleTimeout{300'000};
}

// An ordered rollback is to make the node as healthy as it was before the run that it takes back. Where that is not
// known any more every probe has to be healthy, and what compares does so with the moment before the rollback.
void RunActions::measure_before_rollback(const RunState& run, Findings& findings) {
  RunProbes probes(tools_.probes, run.order.probes);
  auto& before = findings.protection->probes;
  findings.probe_turns.emplace();
  auto kept = probes_before(tools_.files, paths_, run.order.undoes);
  const auto now = probes.read(kept ? kept->before : std::vector<patchrun::ProbeResult>());
  patchrun::note_turns(*findings.probe_turns, now, tools_.clock.now());
  before = kept ? std::move(kept->before) : now;
  if (kept) return;
  for (auto& probe : before) probe.healthy = true;
}

// False where the node is ill and such a one is to be left alone.
bool RunActions::measure_before(const RunState& run, Findings& findings) {
  if (!run.order.undoes.empty()) return measure_before_rollback(run, findings), true;
  RunProbes probes(tools_.probes, run.order.probes);
  auto& before = findings.protection->probes;
  before = probes.read({});
  findings.probe_turns.emplace();
  patchrun::note_turns(*findings.probe_turns, before, tools_.clock.now());
  if (run.order.ill_before == patchrun::IllBefore::patch) return true;
  for (const auto& probe : before)
    if (!probe.healthy)
      findings.problems.push_back(
          {fleet::Reason::other, probe.probe,
           "the node was ill before the change, so nothing was begun: " + probe.probe + ": " + probe.detail,
           "mend it, or order with illBefore: patch", false});
  return findings.problems.empty();
}

RunActions::Watched RunActions::watch(const RunState& run, GateWatch gate, Findings& findings) {
  Watched watched{std::move(gate), {}};
  findings.probe_turns = run.probe_turns;
  if (watched.gate.verdict != GateVerdict::watching) return watched;
  if (run.rebooted) tools_.host.await_settled(kSettleTimeout);
  RunProbes probes(tools_.probes, run.order.probes);
  probes.begin_watch();
  const auto pause = patchrun::pause_between(watched.gate.gate);
  const auto began = tools_.clock.monotonic();
  for (int rounds = 0; watched.gate.verdict == GateVerdict::watching; ++rounds) {
    if (rounds > 0) tools_.host.pause(pause);
    watched.last = probes.read(run.protection.probes);
    patchrun::note_turns(*findings.probe_turns, watched.last, tools_.clock.now());
    const auto elapsed = std::max(tools_.clock.monotonic() - began, pause * rounds);
    watched.gate = patchrun::read(std::move(watched.gate), watched.last, elapsed);
  }
  return watched;
}

// What a restart may cure: units that a probe names, and services that still run what was replaced.
std::vector<std::string> RunActions::services_to_restart(const RunState& run,
                                                         const std::vector<patchrun::ProbeResult>& now) {
  std::vector<std::string> services;
  const auto take = [&](const std::vector<std::string>& more) {
    for (const auto& service : more)
      if (patchrun::may_be_restarted(service) && std::ranges::find(services, service) == services.end())
        services.push_back(service);
  };
  for (const auto& probe : now) {
    const auto before = std::ranges::find(run.protection.probes, probe.probe, &patchrun::ProbeResult::probe);
    const auto ailing = probe.values.find(std::string(kUnitsAiling));
    if (before == run.protection.probes.end() || !before->healthy || ailing == probe.values.end()) continue;
    for (const auto unit : split(ailing->second, ' ')) take({std::string(unit)});
  }
  take(run.restart_needed);
  if (tools_.services_on_old_code) take(tools_.services_on_old_code());
  return services;
}

Happened RunActions::pass_gate(const RunState& run, Findings findings) {
  auto gate = run.order.gate;
  const bool undoing = !run.order.undoes.empty();
  if (undoing) gate.misses = std::max(gate.misses, patchrun::kRecoveryReadings);  // what was ill takes a while
  const auto watched = watch(run, patchrun::begin_watch(gate, run.protection.probes), findings);
  if (watched.gate.verdict == GateVerdict::open) {
    const auto probes = watched.gate.probes.size();
    return succeeded(std::move(findings), "versions and package health are as ordered" +
                                              (probes ? "; " + count(probes, "probe", "probes") + " healthy after " +
                                                            humanize(run.order.gate.watch)
                                                      : ""));
  }
  findings.to_restart = services_to_restart(run, watched.last);
  findings.gate_problem = {
      fleet::Reason::other, watched.gate.probe,
      undoing ? "the old versions are back, and the node is not well: " + watched.gate.why : watched.gate.why,
      undoing ? "look at the node by hand" : "see the run's failure log", false};
  findings.detail = "the gate closed: " + watched.gate.probe + ": " + watched.gate.why;
  return {Event::gate_closed, std::move(findings)};
}

// Nothing where all that was healthy before is again.
std::optional<fleet::Problem> RunActions::await_recovery(const RunState& run, Findings& findings) {
  const auto watched = watch(run, patchrun::begin_recovery(run.order.gate, run.protection.probes), findings);
  if (watched.gate.verdict == GateVerdict::open) return std::nullopt;
  const auto& ill = watched.gate.probe;
  const auto seen = std::ranges::find(watched.last, ill, &patchrun::ProbeResult::probe);
  return fleet::Problem{fleet::Reason::other, ill,
                        "the packages are as they were found, but " + ill + " is not healthy as it was: " +
                            (seen == watched.last.end() ? "it was not read" : seen->detail),
                        "look at the node by hand", false};
}

// After something else than packages was put back: is what was healthy before that run healthy again?
Happened RunActions::measure_only(const RunState& run) {
  Findings findings;
  findings.protection.emplace();
  measure_before_rollback(run, findings);
  auto measured = run;
  measured.protection.probes = findings.protection->probes;
  measured.probe_turns = *findings.probe_turns;
  if (auto ill = await_recovery(measured, findings)) {
    findings.problems.push_back(std::move(*ill));
    return failed(std::move(findings));
  }
  findings.detail = "what was healthy before " + run.order.undoes + " is again";
  return {Event::already_there, std::move(findings)};
}

}  // namespace belay::agent
