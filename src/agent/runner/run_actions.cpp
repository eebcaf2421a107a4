#include "agent/runner/run_actions.hpp"

#include <algorithm>

#include "agent/runner/problems.hpp"
#include "agent/runner/records.hpp"
#include "agent/runner/run_parts.hpp"
#include "agent/runner/space_check.hpp"
#include "core/patchrun/fits.hpp"

namespace belay::agent {
namespace {

constexpr Duration kBusyPause{2'000};

}  // namespace

using patchrun::Action;
using patchrun::Event;
using patchrun::Findings;
using patchrun::RunState;

Happened RunActions::perform(Action action, const RunState& run) {
  auto happened = act(action, run);
  // Right before the first byte: getting ready may have taken long.
  if (action == Action::download && happened.event == Event::succeeded)
    if (auto late = too_late(run)) {
      happened.findings.problems.push_back(std::move(*late));
      return failed(std::move(happened.findings));
    }
  const bool failing = happened.event == Event::failed || happened.event == Event::gate_closed;
  const bool changes = action == Action::install || action == Action::restart || action == Action::verify;
  if (run.failure_log.empty() && ((failing && changes) || action == Action::roll_back))
    happened.findings.failure_log = tools_.host.system_log(run.steps.front().entered_at, patchrun::kFailureLogBytesMax);
  return happened;
}

Happened RunActions::act(Action action, const RunState& run) {
  switch (action) {
    case Action::check: return check(run);
    case Action::protect: return protect(run);
    case Action::download: return download(run);
    case Action::install: return install(run);
    case Action::reboot: return reboot(run);
    case Action::restart: return restart(run);
    case Action::verify: return verify(run);
    case Action::commit: return commit(run);
    case Action::roll_back: return roll_back(run);
    case Action::verify_rollback: return verify_rollback(run);
    case Action::restore: return restore(run);
    case Action::close: break;  // close(), which nothing follows
  }
  BELAY_ASSERT(false);
  return {Event::failed, {}};
}

// That the run, with its rollback, would not end before the order's cut-off.
std::optional<fleet::Problem> RunActions::too_late(const RunState& run) const {
  if (!run.order.end_by) return std::nullopt;
  const auto wanted = patchrun::estimate(run.order, past_runs(read_records(tools_.files, paths_)));
  return patchrun::check_fits(run.order, wanted, tools_.clock.now());
}

OutputLine RunActions::collect(Findings& findings) const {
  return [this, &findings](std::string_view line) {
    if (tools_.output) tools_.output(line);
    if (findings.output.size() > 2 * patchrun::kRunOutputBytesMax)
      findings.output.erase(0, patchrun::kRunOutputBytesMax);
    findings.output.append(line.substr(0, patchrun::kRunOutputBytesMax));
    findings.output += '\n';
  };
}

// Somebody else who is still at work when the order's patience with locks ends.
std::optional<fleet::Problem> RunActions::wait_for_others(Duration patience) {
  for (auto waited = Duration::zero();; waited += kBusyPause) {
    auto other = tools_.packages.in_use();
    if (!other.ok() || !*other) return std::nullopt;
    if (waited >= patience) return std::move(*other);
    tools_.host.pause(kBusyPause);
  }
}

// Leaves what could not be mended in the problems; true where the packages are whole now.
bool RunActions::mend(const RunState& run, Findings& findings, Duration timeout) {
  auto broken = tools_.packages.check_health();
  if (broken.ok() && may_be_under_way(*broken)) {
    if (auto other = wait_for_others(run.order.lock_timeout))
      return findings.problems.push_back(std::move(*other)), false;
    broken = tools_.packages.check_health();
  }
  if (!broken.ok()) return findings.problems.push_back(problem_of(broken.error())), false;
  if (broken->empty()) return true;
  const auto left = tools_.packages.repair(timeout, collect(findings));
  if (!left.ok()) {
    add(findings.problems, *broken);
    findings.problems.push_back(problem_of(left.error()));
    return false;
  }
  add(findings.problems, *left);
  if (left->empty())
    collect(findings)("belay: mended " + count(broken->size(), "package problem", "package problems") +
                      " found before the change: " + broken->front().detail);
  return left->empty();
}

void RunActions::check_versions(const RunState& run, const fleet::PackageSet& set, Findings& findings) const {
  for (const auto& change : run.order.changes) {
    if (is_there(change, set) || starts_here(change, set)) continue;
    const auto now = installed_of(set, touched_keys({change}));
    findings.problems.push_back({fleet::Reason::other, change.name,
                                 change.name + " (" + change.arch + ") is " +
                                     (now.empty() ? "not installed" : "at " + now.front().version) +
                                     ", but the order was made for " +
                                     (change.from_version.empty() ? "a node without it" : change.from_version),
                                 "scan the node and make the order anew", false});
  }
}

// The resolver must do exactly the order: nothing more, nothing less.
void RunActions::check_plan(const RunState& run, const ScanResult& scan, Findings& findings) {
  const auto plan = simulate_with_pool(pool_tools(run), install_order(run, paths_));
  if (!plan.ok()) return findings.problems.push_back(problem_of(plan.error()));
  add(findings.problems, plan->problems);
  const auto& ordered = run.order.changes;
  for (const auto& change : plan->changes) {
    const bool listed = std::ranges::any_of(ordered, [&](const auto& o) {
      return o.name == change.name && o.arch == change.arch && o.to_version == change.to_version;
    });
    if (listed) continue;
    const bool removal = change.to_version.empty();
    findings.problems.push_back({removal ? fleet::Reason::would_remove_packages : fleet::Reason::dependency_broken,
                                 change.name,
                                 std::string(removal ? "the resolver would remove " : "the change also needs ") +
                                     describe(change) + ", which the order does not list",
                                 "plan the change set anew on this node", false});
  }
  for (const auto& change : ordered) {
    const bool planned = std::ranges::any_of(plan->changes, [&](const auto& p) {
      return p.name == change.name && p.arch == change.arch && p.to_version == change.to_version;
    });
    if (planned || is_there(change, scan.installed) || !plan->problems.empty()) continue;
    findings.problems.push_back({fleet::Reason::dependency_broken, change.name,
                                 "the resolver would not do " + describe(change),
                                 "plan the change set anew on this node", false});
  }
  add(findings.problems, check_space(tools_.files, *plan, run.order));
  findings.planned = plan->changes;
}

Happened RunActions::check(const RunState& run) {
  Findings findings;
  if (tools_.clock.now() > run.expires_at) {
    findings.problems.push_back(
        {fleet::Reason::timed_out, "", "the order expired at " + to_iso8601(run.expires_at), "order it again", false});
    return failed(std::move(findings), "expired before it began");
  }
  if (patchrun::only_measures(run.order)) return measure_only(run);
  if (auto late = too_late(run)) {
    findings.problems.push_back(std::move(*late));
    return failed(std::move(findings));
  }
  if (!mend(run, findings, kRepairTimeout)) return failed(std::move(findings), "the package state is broken");
  const auto scan = tools_.packages.scan();
  if (!scan.ok()) return failed(scan.error(), std::move(findings));

  const auto& changes = run.order.changes;
  if (std::ranges::all_of(changes, [&](const auto& c) { return is_there(c, scan->installed); })) {
    findings.before = installed_of(scan->installed, touched_keys(changes));
    if (wants_reboot(run.order, findings))
      return into_reboot(std::move(findings), "already installed; a reboot is still wanted");
    findings.detail = "already installed";
    return {Event::already_there, std::move(findings)};
  }
  check_versions(run, scan->installed, findings);
  if (findings.problems.empty()) check_plan(run, *scan, findings);
  if (!findings.problems.empty()) return failed(std::move(findings));
  auto touched = changes;
  touched.insert(touched.end(), findings.planned->begin(), findings.planned->end());
  findings.before = installed_of(scan->installed, touched_keys(touched));
  return succeeded(std::move(findings), count(changes.size(), "package", "packages") + " to change");
}

}  // namespace belay::agent
