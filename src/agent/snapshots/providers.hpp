#pragma once
// The snapshot providers of this node, made after its administrator's settings.
#include <memory>
#include <string>
#include <vector>

#include "agent/snapshots/snapshot_provider.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent {

inline constexpr std::string_view kSnapshotSettingsDefault = "/etc/belay/snapshots.toml";

// An array's or another store's snapshots by a program of the operator's own: docs/guide/snapshots.md has the protocol.
struct CommandSettings {
  std::string name;     // of the provider
  std::string program;  // absolute; only root may write it
  std::vector<std::string> mounts;
  Duration timeout{600'000};
};

struct SnapshotSettings {
  std::vector<std::string> providers{"btrfs", "lvm", "zfs"};  // in the order in which they are asked
  Duration keep = std::chrono::hours(72);                     // a snapshot expires so long after it was taken
  int lvm_percent = 20;             // of a classic logical volume that its snapshot has room for
  std::vector<std::string> copied;  // folders that are snapshot by copying; for labs
  std::string copies_directory{"/var/lib/belay-copies"};
  std::vector<CommandSettings> commands;
  std::vector<std::string> carry_over;  // folders of the agent's own that a restore leaves as they are now
};

// Without a file the defaults. permission_denied where others than root may write it, invalid_argument with field and
// line where it cannot be understood.
Result<SnapshotSettings> read_snapshot_settings(const io::Files& files, const std::string& path);

// Where the providers find the host; other places than the defaults in tests.
struct SnapshotHost {
  io::Files& files;
  io::Processes& processes;
  const Clock& clock;
  Duration keep = std::chrono::hours(72);
  std::vector<std::string> carry_over{};
  std::string run_directory{"/run/belay-agent"};
  std::string mountinfo{"/proc/self/mountinfo"}, fstab{"/etc/fstab"}, command_line{"/proc/cmdline"},
      grub_settings{"/etc/default/grub"};
};

std::unique_ptr<SnapshotProvider> make_btrfs(SnapshotHost host);
std::unique_ptr<SnapshotProvider> make_lvm(SnapshotHost host, int classic_percent);
std::unique_ptr<SnapshotProvider> make_zfs(SnapshotHost host);
std::unique_ptr<SnapshotProvider> make_command_provider(SnapshotHost host, CommandSettings settings);
std::unique_ptr<SnapshotProvider> make_copied_tree(SnapshotHost host, std::vector<std::string> folders,
                                                   std::string copies_directory);

// Stands for providers that cannot be made: covers nothing, and says why.
std::unique_ptr<SnapshotProvider> make_unusable(Error why);

// Those that the settings name, in their order: commands of the operator's own first, for whoever wrote one wants it.
// All three parts outlive them.
std::vector<std::unique_ptr<SnapshotProvider>> make_snapshot_providers(io::Files& files, io::Processes& processes,
                                                                       const Clock& clock,
                                                                       const SnapshotSettings& settings);

}  // namespace belay::agent
