#include "agent/runner/pool_files.hpp"

#include <algorithm>
#include <map>

#include "agent/runner/problems.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::uint64_t kSpaceKeptFree = 64u << 20;
constexpr Duration kFillWithin{1'200'000};

bool has_file(const fleet::PackageChange& change) {
  return !change.to_version.empty() && !change.sha256.empty() && change.size_bytes > 0;
}

std::string words(const fleet::PackageChange& change) { return change.name + " " + change.to_version; }

// "" where it is not held.
std::string held_file(const PoolTools& tools, const InstallOrder& order, const fleet::PackageChange& change) {
  auto path = tools.packages.package_file(order, change);
  return path.starts_with(order.held_directory + "/") ? path : std::string();
}

// A file that was cut off, damaged or swapped is not installed. One that was repacked here has a checksum of its own.
Status drop_damaged(const PoolTools& tools, const InstallOrder& order) {
  for (const auto& change : order.changes) {
    const auto path = has_file(change) ? held_file(tools, order, change) : "";
    if (path.empty() || tools.files.info(path + ".repacked").ok()) continue;
    BELAY_TRY_ASSIGN(const bool good, tools.pool->is_file_of(change, path));
    if (good) continue;
    log::error("held_package_wrong", {{"file", path}, {"sha256", change.sha256}});
    BELAY_TRY(tools.files.remove(path));
  }
  return {};
}

Result<std::map<std::string, wire::PoolEntry>> ask(const PoolTools& tools, const InstallOrder& order) {
  std::vector<std::string> sha256s;
  for (const auto& change : order.changes)
    if (has_file(change)) sha256s.push_back(change.sha256);
  std::map<std::string, wire::PoolEntry> entries;
  if (sha256s.empty()) return entries;
  BELAY_TRY_ASSIGN(const auto answer, tools.pool->ask(sha256s));
  for (const auto& entry : answer) entries.emplace(entry.sha256, entry);
  return entries;
}

// How many files came.
Result<std::size_t> take(const PoolTools& tools, const InstallOrder& order) {
  BELAY_TRY_ASSIGN(const auto entries, ask(tools, order));
  std::vector<const fleet::PackageChange*> wanted;
  std::uint64_t bytes = 0;
  for (const auto& change : order.changes) {
    const auto entry = entries.find(change.sha256);
    if (!has_file(change) || entry == entries.end() || !entry->second.complete) continue;
    if (!held_file(tools, order, change).empty()) continue;
    wanted.push_back(&change);
    bytes += change.size_bytes;
  }
  if (wanted.empty()) return std::size_t{0};
  BELAY_TRY(tools.files.make_directories(order.held_directory, 0755));
  if (const auto space = tools.files.space(order.held_directory);
      space.ok() && space->bytes_free < bytes + kSpaceKeptFree)
    return Error(Code::resource_exhausted,
                 "the package pool's files take " + std::to_string(bytes) + " bytes and " + order.held_directory +
                     " has " + std::to_string(space->bytes_free) + " free",
                 "disk-full");
  for (const auto* change : wanted)
    BELAY_TRY(tools.pool->fetch(*change, order.held_directory + "/" + tools.packages.held_name(*change)));
  log::info("packages_from_pool", {{"count", wanted.size()}, {"bytes", bytes}});
  return wanted.size();
}

bool lacks_versions(const TransactionPlan& plan) {
  return std::ranges::any_of(plan.problems,
                             [](const auto& problem) { return problem.reason == fleet::Reason::version_not_offered; });
}

// What no repository lists has its checksum and size from the order.
void fill_in(const InstallOrder& order, TransactionPlan& plan) {
  for (auto& change : plan.changes)
    for (const auto& ordered : order.changes)
      if (change.sha256.empty() && !change.to_version.empty() && change.name == ordered.name &&
          change.arch == ordered.arch && change.to_version == ordered.to_version)
        change.sha256 = ordered.sha256, change.size_bytes = ordered.size_bytes;
}

}  // namespace

Result<TransactionPlan> simulate_with_pool(const PoolTools& tools, const InstallOrder& order) {
  if (!tools.pool) return tools.packages.simulate(order);
  BELAY_TRY(drop_damaged(tools, order));
  BELAY_TRY_ASSIGN(auto plan, tools.packages.simulate(order));
  if (lacks_versions(plan)) {
    const auto taken = take(tools, order);
    if (!taken.ok()) plan.problems.insert(plan.problems.begin(), problem_of(taken.error()));  // what a person must see
    else if (*taken > 0) {
      BELAY_TRY_ASSIGN(plan, tools.packages.simulate(order));
    }
  }
  fill_in(order, plan);
  return plan;
}

Result<std::vector<fleet::Problem>> hold_with_pool(const PoolTools& tools, const InstallOrder& order,
                                                   const std::vector<fleet::PackageChange>& old_files) {
  if (!tools.pool || old_files.empty()) return tools.packages.hold_old_versions(order, order.held_directory);
  BELAY_TRY_ASSIGN(const auto scan, tools.packages.scan());
  InstallOrder lacking;
  lacking.held_directory = order.held_directory;
  for (const auto& file : old_files)
    if (std::ranges::none_of(scan.offers.offers, [&](const auto& offer) {
          return offer.name == file.name && offer.arch == file.arch && offer.version == file.to_version;
        }))
      lacking.changes.push_back(file);
  Status helped = lacking.changes.empty() ? Status() : drop_damaged(tools, lacking);
  if (helped.ok() && !lacking.changes.empty())
    if (const auto taken = take(tools, lacking); !taken.ok()) helped = taken.error();
  if (!helped.ok()) log::warning("old_packages_not_from_pool", {{"why", helped.error()}});
  return tools.packages.hold_old_versions(order, order.held_directory);
}

Status download_with_pool(const PoolTools& tools, const InstallOrder& order, const OutputLine& output) {
  if (!tools.pool) return tools.packages.download(order, output);
  BELAY_TRY(drop_damaged(tools, order));
  const Status done = tools.packages.download(order, output);
  if (done.ok()) return done;
  const auto taken = take(tools, order);
  if (!taken.ok()) return Error(done.error()).within("nor does the package pool help: " + taken.error().chain());
  if (*taken == 0) return done;
  return tools.packages.download(order, output);
}

std::vector<fleet::Problem> fill_pool(const PoolTools& tools, const InstallOrder& order, const OutputLine& output) {
  std::vector<fleet::Problem> problems;
  const auto entries = ask(tools, order);
  if (!entries.ok()) return {problem_of(entries.error())};
  const Duration begun = tools.clock.monotonic();
  for (const auto& change : order.changes) {
    const auto entry = entries->find(change.sha256);
    if (!has_file(change) || entry == entries->end() || !entry->second.wanted) continue;
    const auto lacking = [&](std::string why) {
      problems.push_back({fleet::Reason::version_not_offered, change.name,
                          words(change) + " could not be given to the package pool: " + std::move(why),
                          "a node that still has the version on offer can give it", false});
    };
    const auto path = tools.packages.package_file(order, change);
    const auto good = path.empty() ? Result<bool>(false) : tools.pool->is_file_of(change, path);
    if (!good.ok() || !*good) {
      lacking(good.ok() ? "its file is not at hand here" : good.error().chain());
      continue;
    }
    if (tools.clock.monotonic() - begun > kFillWithin) {
      lacking("it takes too long");
      break;
    }
    const Status given = tools.pool->give(change, path);
    if (given.ok() && output) output("belay: gave the package pool " + words(change));
    if (given.ok() || given.error().reason() == "pool-busy") continue;
    lacking(given.error().chain());
    if (given.error().code() == Code::unavailable || given.error().code() == Code::resource_exhausted) break;
  }
  return problems;
}

}  // namespace belay::agent
