#include "agent/runner/undo.hpp"

#include <algorithm>
#include <set>

#include "agent/runner/probes_before.hpp"
#include "agent/runner/records.hpp"
#include "base/ids.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

constexpr int kAttemptsMax = 20;
constexpr Duration kOrderLife{std::chrono::hours(24)};

// Derived from the run's, so that the records themselves say what undid what.
std::string undo_id(const std::string& run_id, int attempt) {
  const auto bytes = io::sha256("undo:" + run_id + ":" + std::to_string(attempt));
  return make_uuid(bytes.substr(0, kIdRandomBytes));
}

bool changed_packages(const wire::OrderResult& result) {
  return result.run && result.run->outcome == patchrun::Outcome::committed && !result.run->changed.empty();
}

// What an order of the server's took back of this run: all of it, or some of its packages.
bool was_taken_back(const Records& records, const std::string& run_id, const fleet::PackageChange& change) {
  return std::ranges::any_of(records.results, [&](const auto& result) {
    return changed_packages(result) && result.run->undoes == run_id &&
           std::ranges::any_of(result.run->changed,
                               [&](const auto& c) { return c.name == change.name && c.arch == change.arch; });
  });
}

// What is left to turn round.
std::vector<fleet::PackageChange> reversed(const Records& records, const wire::OrderResult& result) {
  std::vector<fleet::PackageChange> back;
  for (const auto& change : result.run->changed)
    if (!was_taken_back(records, result.order_id, change))
      back.push_back({change.name, change.arch, change.to_version, change.from_version, "", 0});
  return back;
}

}  // namespace

Result<Undo> plan_undo(const io::Files& files, const StatePaths& paths) {
  const auto records = read_records(files, paths);
  std::set<std::string> undoing;
  for (const auto& result : records.results)
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) undoing.insert(undo_id(result.order_id, attempt));
  for (const auto& result : records.results) {
    if (!changed_packages(result) || undoing.contains(result.order_id) || !result.run->undoes.empty()) continue;
    Undo undo{result.order_id, result.finished_at, "", false, reversed(records, result)};
    bool undone = undo.changes.empty();
    for (int attempt = 0; attempt < kAttemptsMax && undo.order_id.empty() && !undone; ++attempt) {
      const auto id = undo_id(result.order_id, attempt);
      const auto* earlier = records.find(id);
      if (!earlier) undo.order_id = id;
      else undone = earlier->outcome == wire::OrderOutcome::success;
    }
    if (undone) continue;
    if (undo.order_id.empty())
      return Error(Code::resource_exhausted, "undoing run " + result.order_id + " was tried " +
                                                 std::to_string(kAttemptsMax) + " times in vain; see " +
                                                 paths.archive() + " for why, and put the packages back by hand from " +
                                                 paths.held());
    undo.begun = records.open.contains(undo.order_id);
    return undo;
  }
  return Error(Code::not_found, "no run that changed packages and was not undone yet is recorded under " +
                                    paths.root() + "; the records go back " + std::to_string(kArchivedResultsMax) +
                                    " orders");
}

Status accept_undo(io::Files& files, const StatePaths& paths, const Undo& undo, patchrun::Reboot reboot, Instant now) {
  AcceptedOrder accepted;
  accepted.local = true;
  accepted.undoes = undo.run_id;
  accepted.accepted_at = now;
  accepted.order.order_id = undo.order_id;
  accepted.order.kind = wire::OrderKind::patch;
  accepted.order.issued_at = now;
  accepted.order.expires_at = now + kOrderLife;
  accepted.order.patch = patchrun::PatchRunOrder{};
  accepted.order.patch->changes = undo.changes;
  accepted.order.patch->allow_downgrade = true;
  accepted.order.patch->undoes = undo.run_id;
  accepted.order.patch->reboot = reboot;
  if (auto kept = probes_before(files, paths, undo.run_id)) {
    accepted.order.patch->probes = std::move(kept->probes);
    accepted.order.patch->gate = kept->gate;
  }
  return OrderBook(files, paths).add(accepted);
}

}  // namespace belay::agent
