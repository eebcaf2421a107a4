#include <algorithm>
#include <array>

#include "agent/runner/kept_snapshots.hpp"
#include "agent/runner/problems.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"
#include "base/text.hpp"
#include "core/fleet/storage.hpp"
#include "core/patchrun/way_back.hpp"

namespace belay::agent {

using patchrun::Findings;
using patchrun::InHand;
using patchrun::RunState;

namespace {

constexpr std::string_view kHeldPackages = "packages";  // as an order names them among the providers
constexpr std::size_t kMountsBytesMax = 1 << 20;

// File systems that keep nothing over a boot, or are no place for files.
bool is_passing(std::string_view type) {
  constexpr std::array<std::string_view, 12> kTypes = {"proc",   "sysfs",    "devtmpfs", "devpts",
                                                       "tmpfs",  "ramfs",    "cgroup",   "cgroup2",
                                                       "mqueue", "efivarfs", "autofs",   "squashfs"};
  return std::ranges::find(kTypes, type) != kTypes.end();
}

std::vector<std::string> mounts_of(const io::Files& files) {
  std::vector<std::string> mounts;
  const auto text = files.read("/proc/self/mounts", kMountsBytesMax);
  if (!text.ok()) return mounts;
  for (const auto line : split(*text, '\n'))
    if (const auto fields = split(line, ' '); fields.size() > 2 && !is_passing(fields[2]))
      mounts.emplace_back(fields[1]);
  return mounts;
}

// An error where it cannot be told which files the packages have.
Result<std::vector<std::string>> mounts_that_change(const io::Files& files, PackageManager& packages,
                                                    const RunState& run) {
  auto changes = run.order.changes;
  changes.insert(changes.end(), run.planned.begin(), run.planned.end());
  const auto read = files.read("/proc/sys/kernel/osrelease", 4'096);
  const auto kernel = read.ok() ? trim(*read) : std::string_view();
  std::vector<fleet::PackageChange> beside, others;  // of the former what lies below /boot does not count
  for (const auto& change : changes)
    (patchrun::leaves_boot_entries(change, kernel) ? beside : others).push_back(change);
  BELAY_TRY_ASSIGN(auto paths, packages.installed_files(others));
  BELAY_TRY_ASSIGN(const auto more, packages.installed_files(beside));
  for (const auto& path : more)
    if (!path.starts_with("/boot/")) paths.push_back(path);
  return patchrun::mounts_that_change(changes, mounts_of(files), kernel, paths);
}

// apt writes a colon in a file name as %3a, dpkg-repack leaves the epoch away.
bool is_repacked(const std::vector<std::string>& files, const fleet::PackageChange& change) {
  const auto colon = change.from_version.find(':');
  const auto version = colon == std::string::npos ? change.from_version : change.from_version.substr(colon + 1);
  return std::ranges::any_of(files, [&](const auto& file) {
    return file.starts_with(change.name + "_") && file.ends_with(".repacked") &&
           file.find(version) != std::string::npos;
  });
}

std::vector<std::string> held_of(const io::Files& files, const std::string& directory, const RunState& run) {
  const auto names = files.list(directory);
  std::vector<std::string> held;
  for (const auto& change : run.order.changes) {
    if (change.from_version.empty() || change.from_version == change.to_version) continue;
    const bool repacked = names.ok() && is_repacked(*names, change);
    held.push_back(change.name + "_" + change.from_version + "_" + change.arch + (repacked ? " (repacked)" : ""));
  }
  return held;
}

}  // namespace

bool RunActions::may_be_covered(const RunState& run, const std::vector<std::string>& mounts) {
  std::vector<std::string> reasons;
  return std::ranges::any_of(chosen_providers(run),
                             [&](auto* provider) { return !covered_by(*provider, mounts, reasons).empty(); });
}

// An ordered rollback goes ahead: what it takes back lies on the same storage.
bool RunActions::is_storage_fit(const RunState& run, const std::vector<std::string>& mounts, Findings& findings) {
  if (!tools_.storage || !run.order.undoes.empty() || run.order.ill_before == patchrun::IllBefore::patch) return true;
  add(findings.problems, fleet::storage_problems(tools_.storage(), mounts));
  return findings.problems.empty();
}

Happened RunActions::protect(const RunState& run) {
  Findings findings;
  findings.protection.emplace();
  const auto changing = agent::mounts_that_change(tools_.files, tools_.packages, run);
  if (!changing.ok()) return failed(changing.error(), std::move(findings));
  const auto& mounts = *changing;
  if (!is_storage_fit(run, mounts, findings)) return failed(std::move(findings));
  if (run.maybe_restored && may_be_covered(run, mounts)) {
    findings.problems.push_back({fleet::Reason::other, "",
                                 "the machine restarted while the run made its way back ready; if a snapshot of it was "
                                 "restored since, this is the node as it was before the run, which is not begun again",
                                 "see what the server heard of this run, then order again", false});
    return failed(std::move(findings));
  }
  if (!measure_before(run, findings)) return failed(std::move(findings));

  InHand in_hand;
  in_hand.proofs = run.order.protection.proofs;
  std::vector<fleet::Problem> not_held;
  hold(run, findings, in_hand, not_held);
  take_snapshots(run, mounts, findings, in_hand);
  findings.way_back = patchrun::judge_way_back(in_hand);
  const auto reached = findings.way_back->reached;
  const auto least = run.order.protection.least;
  if (reached < least) {
    release(findings.protection->snapshots, findings);
    findings.way_back->snapshots.clear();
    add(findings.problems, not_held);
    findings.problems.push_back({fleet::Reason::other, "",
                                 "no way back of class " + std::string(patchrun::text_of(least)) + ", only of " +
                                     std::string(patchrun::text_of(reached)) + ": " +
                                     join(findings.way_back->why_not_more, "; "),
                                 "give the node what it lacks, or order with a lower class", false});
    const auto detail = findings.problems.back().detail;
    return failed(std::move(findings), detail);
  }
  const auto ways = findings.protection->snapshots.size();
  auto detail = "way back " + std::string(patchrun::text_of(reached)) + ": " +
                count(in_hand.held.size(), "old package", "old packages") + " held" +
                (ways ? ", " + count(ways, "snapshot", "snapshots") : "");
  const auto& before = findings.protection->probes;
  if (!before.empty()) {
    const auto healthy = std::ranges::count_if(before, &patchrun::ProbeResult::healthy);
    detail += "; " + std::to_string(healthy) + " of " + count(before.size(), "probe", "probes") + " healthy";
  }
  return succeeded(std::move(findings), detail);
}

void RunActions::hold(const RunState& run, Findings& findings, InHand& in_hand, std::vector<fleet::Problem>& problems) {
  if (!run.order.hold_old_versions) {
    in_hand.not_held.emplace_back("old packages are not held, as ordered");
    return;
  }
  const auto not_held = hold_with_pool(pool_tools(run), install_order(run, paths_), run.order.old_files);
  if (not_held.ok()) problems = *not_held;
  else problems.push_back(problem_of(not_held.error()));
  for (const auto& problem : problems)
    in_hand.not_held.push_back((problem.subject.empty() ? "" : problem.subject + ": ") + problem.detail);
  if (!problems.empty()) return;
  findings.protection->old_versions_held = true;
  in_hand.held = held_of(tools_.files, paths_.held(), run);
}

std::vector<SnapshotProvider*> RunActions::chosen_providers(const RunState& run) const {
  std::vector<SnapshotProvider*> chosen;
  const auto& named = run.order.protection.snapshots;
  for (auto* provider : tools_.snapshots)
    if (named.empty() || std::ranges::find(named, provider->name()) != named.end()) chosen.push_back(provider);
  return chosen;
}

std::vector<std::string> RunActions::covered_by(SnapshotProvider& provider, const std::vector<std::string>& mounts,
                                                std::vector<std::string>& reasons) {
  const auto coverage = provider.covers(mounts);
  const std::string name(provider.name());
  if (!coverage.ok()) {
    reasons.push_back(name + ": " + coverage.error().chain());
    return {};
  }
  if (!*coverage) reasons.push_back(name + ": " + coverage->why);
  std::vector<std::string> covered;
  for (const auto& mount : mounts)
    if (std::ranges::find(coverage->not_covered, mount) == coverage->not_covered.end()) covered.push_back(mount);
  return covered;
}

void RunActions::take_snapshots(const RunState& run, const std::vector<std::string>& mounts, Findings& findings,
                                InHand& in_hand) {
  auto& taken = findings.protection->snapshots;
  std::vector<std::string> left = mounts, reasons;
  for (const auto& name : run.order.protection.snapshots)
    if (name != kHeldPackages && !provider_of(tools_.snapshots, name))
      reasons.push_back("this node has no snapshot provider '" + sanitize(name, 80) + "'");
  for (auto* provider : chosen_providers(run)) {
    const std::string name(provider->name());
    const auto covered = covered_by(*provider, mounts, reasons);
    if (covered.empty()) continue;
    const auto made = provider->create(snapshot_tag(run.run_id), covered);
    if (!made.ok()) {
      reasons.push_back(name + ": " + made.error().chain());
      continue;
    }
    taken.push_back({made->id, name, covered});
    if (const auto whole = provider->verify(*made); !whole.ok()) {
      reasons.push_back(name + ": " + whole.error().chain());
      release({taken.back()}, findings);
      taken.pop_back();
      continue;
    }
    std::erase_if(left, [&](const auto& m) { return std::ranges::find(covered, m) != covered.end(); });
  }
  if (left.empty()) {
    for (const auto& snapshot : taken) in_hand.snapshots.push_back(describe(snapshot));
    return;
  }
  // A part of what changes, put back without the rest, would fit nothing.
  release(taken, findings);
  taken.clear();
  in_hand.not_taken = reasons;
  in_hand.not_taken.push_back("no snapshot provider of this node covers " + join(left, ", "));
}

void RunActions::release(const std::vector<patchrun::SnapshotTaken>& snapshots, Findings& findings) {
  for (const auto& taken : snapshots)
    if (auto* provider = provider_of(tools_.snapshots, taken.provider))
      if (const auto gone = provider->remove({taken.id, taken.provider, {}, taken.mounts}); !gone.ok())
        findings.problems.push_back(problem_of(gone.error(), taken.id));
}

}  // namespace belay::agent
