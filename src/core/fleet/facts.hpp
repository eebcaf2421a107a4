#pragma once
// What a node is: observed by agent/inventory, kept by the store, shown everywhere.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace belay::fleet {

struct Mount {
  std::string path;
  std::string device;
  std::string type;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_free = 0;  // to an unprivileged user
  auto operator<=>(const Mount&) const = default;
};
BOOST_DESCRIBE_STRUCT(Mount, (), (path, device, type, bytes_total, bytes_free))

struct Service {
  std::string name;    // systemd unit
  std::string active;  // "active", "failed", …
  auto operator<=>(const Service&) const = default;
};
BOOST_DESCRIBE_STRUCT(Service, (), (name, active))

// A process that still maps a library which was deleted or replaced: it runs old code until restarted.
struct StaleProcess {
  std::int64_t pid = 0;
  std::string command;
  std::string service;  // its systemd unit, where it has one
  std::vector<std::string> libraries;
  auto operator<=>(const StaleProcess&) const = default;
};
BOOST_DESCRIBE_STRUCT(StaleProcess, (), (pid, command, service, libraries))

enum class StorageState {
  ok,
  degraded,  // works, and one thing more must not break
  failing,   // loses data, or does so already
  unknown,   // did not say
};
BOOST_DESCRIBE_ENUM(StorageState, ok, degraded, failing, unknown)

// How well something that data lies on is.
struct StorageHealth {
  std::string what;     // "md", "disk", "lvm", "zfs", "btrfs", "multipath", "filesystem", "mount"
  std::string subject;  // "md0", "sda", "vg/pool", a pool's name, a mount
  StorageState state = StorageState::unknown;
  std::string detail;               // for a person: what was seen
  std::vector<std::string> mounts;  // what lies on it
  auto operator<=>(const StorageHealth&) const = default;
};
BOOST_DESCRIBE_STRUCT(StorageHealth, (), (what, subject, state, detail, mounts))
inline constexpr std::size_t kStorageMax = 500;

struct NodeFacts {
  std::string computer_name;
  std::string os_id;       // os-release ID: "debian", "ubuntu", "rhel", …
  std::string os_version;  // os-release VERSION_ID, "" on testing systems
  std::string os_codename;
  std::string os_name;       // PRETTY_NAME
  std::string architecture;  // uname -m
  std::string kernel_running;
  std::vector<std::string> kernels_installed;
  std::string boot_id;
  std::optional<Instant> booted_at;
  std::uint32_t cpus = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<Mount> mounts;
  std::vector<std::string> addresses;
  std::vector<Service> services;
  std::string machine_id;
  bool reboot_required = false;
  std::vector<std::string>
      reboot_reasons;  // "kernel 6.1.0-56 is installed, 6.1.0-50 runs", "/run/reboot-required: libc6"
  std::vector<StaleProcess> stale_processes;
  std::vector<StorageHealth> storage;  // empty as well of agents that do not look
};
BOOST_DESCRIBE_STRUCT(NodeFacts, (),
                      (computer_name, os_id, os_version, os_codename, os_name, architecture, kernel_running,
                       kernels_installed, boot_id, booted_at, cpus, memory_bytes, mounts, addresses, services,
                       machine_id, reboot_required, reboot_reasons, stale_processes, storage))

}  // namespace belay::fleet
