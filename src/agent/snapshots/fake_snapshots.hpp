#pragma once
// A snapshot provider that behaves, in memory: for tests and rehearsals.
#include <functional>

#include "agent/snapshots/snapshot_provider.hpp"

namespace belay::agent {

class FakeSnapshots final : public SnapshotProvider {
 public:
  explicit FakeSnapshots(const Clock& clock) : clock_(clock) {}
  std::string_view name() const override { return "fake"; }
  Result<Coverage> covers(const std::vector<std::string>& mounts) override;
  Result<Snapshot> create(std::string_view tag, const std::vector<std::string>& mounts) override;
  Status verify(const Snapshot& snapshot) override;
  Result<Restored> restore(const Snapshot& snapshot) override;
  Result<std::vector<Snapshot>> list() override { return snapshots_; }
  Status remove(const Snapshot& snapshot) override;

  int created() const { return created_; }
  std::function<void()> on_create, on_restore;
  bool fails_to_create = false;
  bool needs_reboot = false;
  Duration keep = std::chrono::hours(72);
  std::vector<std::string> covered{"/"};

 private:
  const Clock& clock_;
  std::vector<Snapshot> snapshots_;
  int created_ = 0;
};

}  // namespace belay::agent
