#include "agent/runner/undo.hpp"

#include <algorithm>
#include <set>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

constexpr json::Limits kLimits{.bytes_max = 32 << 20, .depth_max = 16};
constexpr int kAttemptsMax = 20;
constexpr Duration kOrderLife{std::chrono::hours(24)};

// Derived from the run's, so that the records themselves say what undid what.
std::string undo_id(const std::string& run_id, int attempt) {
  const auto bytes = io::sha256("undo:" + run_id + ":" + std::to_string(attempt));
  return make_uuid(bytes.substr(0, kIdRandomBytes));
}

struct Records {
  std::vector<wire::OrderResult> results;  // the newest first
  std::set<std::string> open;              // without a result yet

  const wire::OrderResult* find(const std::string& id) const {
    const auto found = std::ranges::find(results, id, &wire::OrderResult::order_id);
    return found == results.end() ? nullptr : &*found;
  }
};

Records read_records(const io::Files& files, const StatePaths& paths) {
  Records records;
  const auto take = [&](const std::string& path) {
    const auto text = files.read(path, kLimits.bytes_max);
    if (!text.ok()) return false;
    auto result = json::decode_text<wire::OrderResult>(*text, kLimits);
    if (result.ok()) records.results.push_back(std::move(*result));
    return result.ok();
  };
  if (const auto names = files.list(paths.archive()); names.ok())
    for (const auto& name : *names) take(paths.archive() + "/" + name);
  if (const auto names = files.list(paths.orders()); names.ok())
    for (const auto& name : *names)
      if (!take(paths.result(name))) records.open.insert(name);
  std::ranges::sort(records.results, std::ranges::greater(), &wire::OrderResult::finished_at);
  return records;
}

bool changed_packages(const wire::OrderResult& result) {
  return result.run && result.run->outcome == patchrun::Outcome::committed && !result.run->changed.empty();
}

std::vector<fleet::PackageChange> reversed(const std::vector<fleet::PackageChange>& changes) {
  std::vector<fleet::PackageChange> back;
  for (const auto& change : changes)
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
    if (!changed_packages(result) || undoing.contains(result.order_id)) continue;
    Undo undo{result.order_id, result.finished_at, "", false, reversed(result.run->changed)};
    bool undone = false;
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
  accepted.order.patch->reboot = reboot;
  return OrderBook(files, paths).add(accepted);
}

}  // namespace belay::agent
