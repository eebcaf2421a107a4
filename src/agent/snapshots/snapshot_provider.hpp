#pragma once
// A way back below the packages: a file system or volume as it was.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::agent {

struct Snapshot {
  std::string id;  // the provider's own
  std::string provider;
  Instant taken_at{};
  std::vector<std::string> mounts;  // what it covers
};

class SnapshotProvider {
 public:
  virtual ~SnapshotProvider() = default;
  virtual std::string_view name() const = 0;
  // Whether every mount named could be taken now. Reads only.
  virtual Result<bool> covers(const std::vector<std::string>& mounts) = 0;
  // Taking one under a tag that exists already returns the existing one: may be repeated.
  virtual Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) = 0;
  virtual Status verify(const Snapshot& snapshot) = 0;   // it is there and whole; not_found where it is gone
  virtual Status restore(const Snapshot& snapshot) = 0;  // may take effect only after a reboot; may be repeated
  virtual Result<std::vector<Snapshot>> list() = 0;
  virtual Status remove(const Snapshot& snapshot) = 0;  // absent is fine
};

}  // namespace belay::agent
