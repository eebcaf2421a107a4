#include "agent/snapshots/providers.hpp"

namespace belay::agent {

Result<std::vector<SnapshotView>> SnapshotProvider::views(const Snapshot&) {
  return Error(Code::unsupported, "the provider " + std::string(name()) +
                                      " does not hand out its snapshots for reading; name btrfs, lvm, zfs or copy");
}

namespace {

class Unusable final : public SnapshotProvider {
 public:
  explicit Unusable(Error why) : why_(std::move(why)) {}
  std::string_view name() const override { return "unusable"; }
  Result<Coverage> covers(const std::vector<std::string>& mounts) override {
    return Coverage{mounts, why_.chain(), {}};
  }
  Result<Snapshot> create(std::string_view, const std::vector<std::string>&) override { return why_; }
  Status verify(const Snapshot&) override { return why_; }
  Result<Restored> restore(const Snapshot&) override { return why_; }
  Result<std::vector<Snapshot>> list() override { return why_; }
  Status remove(const Snapshot&) override { return why_; }

 private:
  Error why_;
};

}  // namespace

std::unique_ptr<SnapshotProvider> make_unusable(Error why) { return std::make_unique<Unusable>(std::move(why)); }

std::vector<std::unique_ptr<SnapshotProvider>> make_snapshot_providers(io::Files& files, io::Processes& processes,
                                                                       const Clock& clock,
                                                                       const SnapshotSettings& settings) {
  const SnapshotHost host{files, processes, clock, settings.keep, settings.carry_over};
  std::vector<std::unique_ptr<SnapshotProvider>> made;
  for (const auto& command : settings.commands) made.push_back(make_command_provider(host, command));
  for (const auto& name : settings.providers) {
    if (name == "btrfs") made.push_back(make_btrfs(host));
    if (name == "lvm") made.push_back(make_lvm(host, settings.lvm_percent));
    if (name == "zfs") made.push_back(make_zfs(host));
  }
  if (!settings.copied.empty()) made.push_back(make_copied_tree(host, settings.copied, settings.copies_directory));
  return made;
}

}  // namespace belay::agent
