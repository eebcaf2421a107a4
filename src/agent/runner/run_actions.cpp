#include "agent/runner/run_actions.hpp"

#include <algorithm>

#include "agent/runner/held_packages.hpp"
#include "agent/runner/package_changes.hpp"
#include "agent/runner/problems.hpp"
#include "agent/runner/space_check.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

using patchrun::Action;
using patchrun::Event;
using patchrun::Findings;
using patchrun::RunState;

constexpr Duration kRepairTimeout{1'800'000};
constexpr Duration kBusyPause{2'000};
constexpr std::size_t kOutputBytesMax = patchrun::kRunOutputBytesMax;

Happened failed(Findings findings, std::string detail) {
  findings.detail = std::move(detail);
  return {Event::failed, std::move(findings)};
}

// Told by its first problem.
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

// Everything this run may have touched, what its install reported included.
std::vector<PackageKey> keys_of(const RunState& run) {
  auto all = run.order.changes;
  all.insert(all.end(), run.planned.begin(), run.planned.end());
  all.insert(all.end(), run.changed.begin(), run.changed.end());
  return touched_keys(all);
}

// What was installed before; of what the check did not foresee, what the install said it came from.
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

}  // namespace

Happened RunActions::perform(Action action, const RunState& run) {
  switch (action) {
    case Action::check: return check(run);
    case Action::protect: return protect(run);
    case Action::download: return download(run);
    case Action::install: return install(run);
    case Action::reboot: return reboot(run);
    case Action::verify: return verify(run);
    case Action::commit: return commit(run);
    case Action::roll_back: return roll_back(run);
    case Action::verify_rollback: return verify_rollback(run);
    case Action::close: break;  // close(), which nothing follows
  }
  BELAY_ASSERT(false);
  return {Event::failed, {}};
}

OutputLine RunActions::collect(Findings& findings) const {
  return [this, &findings](std::string_view line) {
    if (tools_.output) tools_.output(line);
    if (findings.output.size() > 2 * kOutputBytesMax) findings.output.erase(0, kOutputBytesMax);
    findings.output.append(line.substr(0, kOutputBytesMax));
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
  if (!mend(run, findings, kRepairTimeout)) return failed(std::move(findings), "the package state is broken");
  const auto scan = tools_.packages.scan();
  if (!scan.ok()) return failed(scan.error(), std::move(findings));

  const auto& changes = run.order.changes;
  if (std::ranges::all_of(changes, [&](const auto& c) { return is_there(c, scan->installed); })) {
    findings.before = installed_of(scan->installed, touched_keys(changes));
    if (wants_reboot(run.order, findings)) {
      findings.detail = "already installed; a reboot is still wanted";
      return {Event::reboot_needed, std::move(findings)};
    }
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

PoolTools RunActions::pool_tools(const RunState& run) const {
  return {tools_.files, tools_.packages, tools_.clock, run.order.use_pool ? tools_.pool : nullptr};
}

Happened RunActions::download(const RunState& run) {
  Findings findings;
  const auto order = install_order(run, paths_);
  const auto tools = pool_tools(run);
  const auto done = download_with_pool(tools, order, collect(findings));
  if (!done.ok()) return failed(done.error(), std::move(findings));
  // This run has its files: what the pool lacks of them is given where that can be done, and fails nothing.
  if (tools.pool)
    for (const auto& problem : fill_pool(tools, order, collect(findings)))
      log::warning("pool_not_filled", {{"package", problem.subject}, {"why", problem.detail}});
  return succeeded(std::move(findings), "");
}

Happened RunActions::install(const RunState& run) {
  Findings findings;
  auto report = tools_.packages.install(install_order(run, paths_), collect(findings));
  if (!report.ok()) return failed(report.error(), std::move(findings));
  findings.changed = report->changed;
  for (const auto& conffile : report->conffiles)
    findings.conffiles_kept.push_back(conffile.path + " (" + conffile.package + "'s own version lies in " +
                                      conffile.new_path + ")");
  findings.restart_needed = report->restart_needed;
  add(findings.problems, report->problems);
  if (findings.output.empty()) findings.output = report->output;
  if (!report->problems.empty()) return failed(std::move(findings));
  const auto detail = count(report->changed.size(), "package", "packages") + " changed";
  if (!wants_reboot(run.order, findings)) return succeeded(std::move(findings), detail);
  findings.detail = detail + "; a reboot is needed";
  return {Event::reboot_needed, std::move(findings)};
}

bool RunActions::wants_reboot(const patchrun::PatchRunOrder& order, Findings& findings) {
  const auto required = tools_.host.reboot_required();
  findings.reboot_pending = !required.ok() || *required;
  if (order.reboot == patchrun::Reboot::always) return true;
  return order.reboot == patchrun::Reboot::if_needed && required.ok() && *required;
}

Happened RunActions::reboot(const RunState& run) {
  Findings findings;
  const auto asked = ask_for_reboot(tools_.host);
  const auto deadline = run.entered_at + run.order.reboot_timeout;
  if (asked.ok() && tools_.host.await_reboot(deadline - tools_.clock.now()) == HostControl::Waited::rebooted) {
    findings.detail = "another boot runs";
    return {Event::rebooted, std::move(findings)};
  }
  findings.reboot_pending = true;
  findings.problems.push_back(
      {fleet::Reason::reboot_pending, "",
       asked.ok() ? "the machine was asked to reboot and did not within " + humanize(run.order.reboot_timeout)
                  : asked.error().chain(),
       "reboot the machine by hand", false});
  return failed(std::move(findings), "the reboot did not come");
}

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
