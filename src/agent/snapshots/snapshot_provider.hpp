#pragma once
// A way back below the packages: a file system or volume as it was.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::agent {

struct Snapshot {
  std::string id;  // the provider's own; with the provider's name enough to find it again
  std::string provider;
  Instant taken_at{};
  std::vector<std::string> mounts{};    // what it covers; of a snapshot that is handed in, may be empty: all of it
  std::string tag{};                    // what it was asked for by
  std::optional<Instant> expires_at{};  // after it nobody counts on it any more; it stays until it is removed
};

// What a provider can do for the mounts it was asked about.
struct Coverage {
  std::vector<std::string> not_covered{};  // of the mounts named
  std::string why{};                       // for a person: of each of those the reason
  std::optional<std::uint64_t>
      bytes_free{};  // how much may still change before the tightest of it is full, where known
  explicit operator bool() const { return not_covered.empty(); }
};

struct Restored {
  bool needs_reboot = false;        // the old state counts only once the machine has restarted
  std::vector<std::string> left{};  // for a person: what it replaced and who has to remove it
};

// How one mount of a snapshot is read beside what it is now.
struct SnapshotView {
  std::string mount;
  std::vector<std::string> arguments;  // of mount(8), before the place; read-only
};

class SnapshotProvider {
 public:
  virtual ~SnapshotProvider() = default;
  virtual std::string_view name() const = 0;
  // Whether every mount named could be taken now; a path that is no mount stands for the one it lies on. Reads only.
  virtual Result<Coverage> covers(const std::vector<std::string>& mounts) = 0;
  // Taking one under a tag that exists already returns the existing one, and finishes one that was cut off: may be
  // repeated. unsupported where not every mount is covered.
  virtual Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) = 0;
  // It is there and whole. not_found where it is gone, corrupt where it can no longer be relied on.
  virtual Status verify(const Snapshot& snapshot) = 0;
  // May be repeated, also where a restore was cut off or waits for its reboot. not_found where the snapshot is gone.
  virtual Result<Restored> restore(const Snapshot& snapshot) = 0;
  // Belay's own, those that a run left behind among them.
  virtual Result<std::vector<Snapshot>> list() = 0;
  // For who reads files out of it; whoever mounted one unmounts it before the snapshot is removed. May be repeated.
  // unsupported where its content can only be put back.
  virtual Result<std::vector<SnapshotView>> views(const Snapshot& snapshot);
  // Absent is fine. conflict where the machine still runs from it, or a restore of it waits for the reboot.
  virtual Status remove(const Snapshot& snapshot) = 0;
};

// A snapshot that no longer serves and costs space all the same: to be told, never silently kept.
struct Leftover {
  enum class Why { expired, run_ended };
  Snapshot snapshot;
  Why why = Why::expired;
  Duration age{};
};

// Of those listed: past their time, or taken under a tag that is none of a run which goes on. The oldest first.
std::vector<Leftover> leftovers(const std::vector<Snapshot>& all, const std::vector<std::string>& open_tags,
                                Instant now);

}  // namespace belay::agent
