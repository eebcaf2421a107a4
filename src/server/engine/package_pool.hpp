#pragma once
// The package pool as nodes use it: who may send and fetch which file, and that every file is what its name says. The
// server fetches nothing itself: a node that has verified a file against its signed archive sends it, once for the
// fleet. Blocking; from any thread.
#include <atomic>
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "store/pool.hpp"
#include "store/store.hpp"
#include "wire/messages.hpp"

namespace belay::server {

inline constexpr std::uint64_t kPoolBytesDefault = 20ull << 30;
// How long a change set's files are kept after it was frozen, where no rollout holds them.
inline constexpr Duration kPoolKeepsChangeSets{std::chrono::hours(24 * 30)};

class PackagePool {
 public:
  // `bytes_max` 0: nothing is taken.
  PackagePool(store::Store& store, const Clock& clock, std::uint64_t bytes_max)
      : store_(store), clock_(clock), bytes_max_(bytes_max) {}

  std::uint64_t bytes_max() const { return bytes_max_; }

  Result<wire::PoolAnswer> ask(const wire::PoolQuestion& question);
  // One chunk from a node. With the last one the whole is hashed: where it is not what its name says, all of it goes,
  // which the audit log says with the sender's name (corrupt "pool-hash-mismatch"). May be repeated.
  Result<wire::PoolReceipt> put(std::string_view node_id, std::string_view sha256, std::uint32_t index,
                                std::string_view bytes);
  // For a node that has an open order which names the file; else permission_denied "pool-not-ordered". The file is
  // hashed before its first chunk goes out, and again after ten minutes: one that was damaged goes, and the audit log
  // says so (corrupt "pool-damaged").
  Result<std::string> get(std::string_view node_id, std::string_view sha256, std::uint32_t index);

  std::string metrics() const;  // Prometheus text

 private:
  struct Ordered {
    Duration read_at{};
    std::set<std::string, std::less<>> sha256s;
  };
  Status check_ordered(std::string_view node_id, std::string_view sha256);
  Result<Ordered> ordered(std::string_view node_id);
  Result<std::string> hash_of(const store::pool::Package& package);
  Status finish(std::string_view node_id, const store::pool::Package& package);
  Status check_whole(std::string_view sha256);
  Status drop(const store::pool::Package& package, std::string_view wrong_from, std::string_view action,
              const std::string& found);

  store::Store& store_;
  const Clock& clock_;
  const std::uint64_t bytes_max_;
  std::mutex mutex_;
  std::map<std::string, Ordered, std::less<>> orders_;    // by node: what their open orders name, for a minute
  std::map<std::string, Duration, std::less<>> checked_;  // by file: when its content was last found whole
  std::atomic<std::uint64_t> taken_{0}, given_{0}, bytes_taken_{0}, bytes_given_{0}, wrong_{0}, damaged_{0};
};

// Whether the pool has every file that a frozen change set installs.
enum class PoolStatus {
  Complete,
  Partial,  // some are on their way, were not to be had, or have no checksum
  None,     // nothing of it is held (any more): its time is over, or it installs nothing
};
BOOST_DESCRIBE_ENUM(PoolStatus, Complete, Partial, None)

struct PoolCoverage {
  PoolStatus status = PoolStatus::None;
  std::int64_t packages = 0;  // files that it installs
  std::int64_t in_pool = 0;
  std::uint64_t bytes = 0;  // of those held, there or not
};
struct ChangeSetView;
Result<PoolCoverage> pool_coverage(store::Sql& sql, const ChangeSetView& view);

}  // namespace belay::server
