#include "server/engine/package_pool.hpp"

#include <tuple>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/change_sets.hpp"
#include "server/engine/metrics_text.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {
using store::Sql;
using store::pool::Package;

constexpr Duration kOrdersKnownFor{60'000};
constexpr Duration kOrdersReadAgain{1'000};  // a file that is not among them may be of an order that just came
constexpr Duration kWholeFor{600'000};
constexpr std::size_t kRemembered = 50'000;
constexpr json::Limits kOrderLimits{.bytes_max = wire::kMessageBytesMax, .depth_max = 32};

json::Object named(const Package& package) {
  return {{"name", package.name},
          {"architecture", package.arch},
          {"version", package.version},
          {"size", package.size_bytes}};
}

Error not_there(std::string_view sha256) {
  return Error(Code::not_found, "the package pool does not have " + sanitize(sha256, 64), "pool-lacks");
}

}  // namespace

Result<wire::PoolAnswer> PackagePool::ask(const wire::PoolQuestion& question) {
  if (question.sha256s.size() > wire::kPoolQuestionMax)
    return Error(Code::invalid_argument,
                 "sha256s has more than " + std::to_string(wire::kPoolQuestionMax) + " entries");
  BELAY_TRY_ASSIGN(const auto found, store_.read([&](Sql& sql) { return store::pool::find(sql, question.sha256s); }));
  wire::PoolAnswer answer;
  answer.chunk_bytes = store::pool::kChunkBytes;
  for (const auto& package : found)
    if (package)
      answer.entries.push_back({package->sha256, package->size_bytes, package->completed_at.has_value(),
                                !package->completed_at && bytes_max_ > 0});
  return answer;
}

Result<wire::PoolReceipt> PackagePool::put(std::string_view node_id, std::string_view sha256, std::uint32_t index,
                                           std::string_view bytes) {
  if (bytes_max_ == 0) return Error(Code::permission_denied, "this server keeps no package pool", "pool-off");
  store::pool::Limits limits;
  limits.bytes_max = bytes_max_;
  BELAY_TRY_ASSIGN(const auto package, store_.write([&](Sql& sql) {
    return store::pool::put(sql, {sha256, index, bytes, node_id}, limits, clock_.now());
  }));
  if (package.completed_at) return wire::PoolReceipt{package.size_bytes, true};
  bytes_taken_ += bytes.size();
  if (package.stored_bytes < package.size_bytes) return wire::PoolReceipt{package.stored_bytes, false};
  BELAY_TRY(finish(node_id, package));
  return wire::PoolReceipt{package.size_bytes, true};
}

// A chunk at a time: no transaction is held while the rest is hashed.
Result<std::string> PackagePool::hash_of(const Package& package) {
  io::Sha256Stream hash;
  for (std::uint32_t index = 0; index < store::pool::chunk_count(package); ++index) {
    BELAY_TRY_ASSIGN(const auto bytes,
                     store_.read([&](Sql& sql) { return store::pool::chunk(sql, package.sha256, index); }));
    hash.update(bytes);
  }
  return hash.finish_hex();
}

Status PackagePool::finish(std::string_view node_id, const Package& package) {
  BELAY_TRY_ASSIGN(const auto found, hash_of(package));
  if (found != package.sha256) {
    wrong_ += 1;
    BELAY_TRY(drop(package, node_id, "node:send-wrong-package", found));
    return Error(Code::corrupt,
                 "what came as " + package.name + " " + package.version + " is another file: its SHA-256 is " + found +
                     ", not " + package.sha256 + "; nothing of it was kept",
                 "pool-hash-mismatch");
  }
  BELAY_TRY(store_.write([&](Sql& sql) -> Status {
    const Instant now = clock_.now();
    BELAY_TRY(store::pool::complete(sql, package.sha256, node_id, now));
    auto detail = named(package);
    detail["sha256"] = package.sha256;
    return note_in_audit(sql, now, node_id, "node:fill-pool", package.sha256, detail);
  }));
  taken_ += 1;
  const std::scoped_lock lock(mutex_);
  checked_.insert_or_assign(package.sha256, clock_.monotonic());
  return {};
}

Status PackagePool::drop(const Package& package, std::string_view wrong_from, std::string_view action,
                         const std::string& found) {
  log::error("pool-package-wrong", {{"package", package.name + " " + package.version},
                                    {"sha256", package.sha256},
                                    {"found", found},
                                    {"node", wrong_from}});
  return store_.write([&](Sql& sql) -> Status {
    const Instant now = clock_.now();
    BELAY_TRY(store::pool::discard(sql, package.sha256, wrong_from, now));
    auto detail = named(package);
    detail["found"] = found;
    return note_in_audit(sql, now, wrong_from, action, package.sha256, detail);
  });
}

// ---- handing out

Result<PackagePool::Ordered> PackagePool::ordered(std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto open, store_.read([&](Sql& sql) { return store::orders::open(sql, node_id); }));
  Ordered known;
  known.read_at = clock_.monotonic();
  for (const auto& row : open) {
    BELAY_TRY_ASSIGN(const auto order, json::decode_text<wire::Order>(row.payload, kOrderLimits));
    if (order.patch)
      for (const auto* list : {&order.patch->changes, &order.patch->old_files})
        for (const auto& change : *list) known.sha256s.insert(change.sha256);
    if (order.plan)
      for (const auto& change : order.plan->changes) known.sha256s.insert(change.sha256);
  }
  known.sha256s.erase("");
  return known;
}

Status PackagePool::check_ordered(std::string_view node_id, std::string_view sha256) {
  const Duration now = clock_.monotonic();
  const Error denied(Code::permission_denied,
                     "no open order of this node names the package file " + sanitize(sha256, 64), "pool-not-ordered");
  {
    const std::scoped_lock lock(mutex_);
    const auto known = orders_.find(node_id);
    if (known != orders_.end()) {
      const auto age = now - known->second.read_at;
      if (age < kOrdersKnownFor && known->second.sha256s.contains(sha256)) return {};
      if (age < kOrdersReadAgain) return denied;
    }
  }
  BELAY_TRY_ASSIGN(auto fresh, ordered(node_id));
  const bool named = fresh.sha256s.contains(sha256);
  const std::scoped_lock lock(mutex_);
  if (orders_.size() >= kRemembered / 10) orders_.clear();
  orders_.insert_or_assign(std::string(node_id), std::move(fresh));
  return named ? Status() : Status(denied);
}

Status PackagePool::check_whole(std::string_view sha256) {
  {
    const std::scoped_lock lock(mutex_);
    const auto known = checked_.find(sha256);
    if (known != checked_.end() && clock_.monotonic() - known->second < kWholeFor) return {};
  }
  const std::string asked[] = {std::string(sha256)};
  BELAY_TRY_ASSIGN(const auto found, store_.read([&](Sql& sql) { return store::pool::find(sql, asked); }));
  const auto& package = found.front();
  if (!package || !package->completed_at) return not_there(sha256);
  const auto hash = hash_of(*package);
  if (!hash.ok() && hash.error().code() != Code::not_found) return hash.error();
  if (!hash.ok()) {  // nobody holds it any more, and it went while it was read?
    BELAY_TRY_ASSIGN(const auto again, store_.read([&](Sql& sql) { return store::pool::find(sql, asked); }));
    if (!again.front() || !again.front()->completed_at) return not_there(sha256);
  }
  const std::string seen = hash.ok() ? *hash : "nothing: a chunk is gone";
  if (seen != sha256) {
    damaged_ += 1;
    BELAY_TRY(drop(*package, "", "belay:DropDamagedPackage", seen));
    return Error(Code::corrupt,
                 "the pool's file of " + package->name + " " + package->version +
                     " was damaged and is thrown away; a node that can still fetch it fills it again",
                 "pool-damaged");
  }
  const std::scoped_lock lock(mutex_);
  if (checked_.size() >= kRemembered) checked_.clear();
  checked_.insert_or_assign(std::string(sha256), clock_.monotonic());
  return {};
}

Result<std::string> PackagePool::get(std::string_view node_id, std::string_view sha256, std::uint32_t index) {
  BELAY_TRY(check_ordered(node_id, sha256));
  BELAY_TRY(check_whole(sha256));
  auto bytes = store_.read([&](Sql& sql) { return store::pool::chunk(sql, sha256, index); });
  if (!bytes.ok() && bytes.error().code() == Code::not_found) {
    const std::scoped_lock lock(mutex_);
    checked_.erase(std::string(sha256));  // swept meanwhile
  }
  if (!bytes.ok()) return bytes;
  bytes_given_ += bytes->size();
  if (index == 0) given_ += 1;
  return bytes;
}

std::string PackagePool::metrics() const {
  MetricsText out;
  out.one("belay_pool_limit_bytes", "gauge", bytes_max_);
  out.one("belay_pool_packages_taken_total", "counter", taken_);
  out.one("belay_pool_packages_given_total", "counter", given_);
  out.one("belay_pool_bytes_taken_total", "counter", bytes_taken_);
  out.one("belay_pool_bytes_given_total", "counter", bytes_given_);
  out.one("belay_pool_packages_wrong_total", "counter", wrong_);
  out.one("belay_pool_packages_damaged_total", "counter", damaged_);
  return out.take();
}

Result<PoolCoverage> pool_coverage(Sql& sql, const ChangeSetView& view) {
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> files;
  for (const auto& part : view.parts)
    for (const auto& change : part.changes)
      if (!change.to_version.empty()) files.emplace(change.name, change.arch, change.to_version);
  BELAY_TRY_ASSIGN(const auto held, store::pool::coverage(sql, view.change_set_id));
  PoolCoverage coverage;
  coverage.packages = static_cast<std::int64_t>(files.size());
  coverage.in_pool = held.complete;
  coverage.bytes = held.bytes;
  if (held.packages > 0)
    coverage.status = held.complete >= coverage.packages ? PoolStatus::Complete : PoolStatus::Partial;
  return coverage;
}

}  // namespace belay::server
