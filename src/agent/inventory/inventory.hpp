#pragma once
// What this machine is. Reads /etc, /proc, /sys and asks systemctl; works without root with what is readable, and
// never waits on a file system that may hang (network and FUSE mounts are listed nowhere).
#include "core/fleet/facts.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent {

struct InventoryOptions {
  std::string root;             // prefix of every path; "" on the host itself
  bool services = true;         // ask systemctl, where systemd runs
  bool stale_processes = true;  // walk /proc/*/maps
  bool storage = true;          // ask arrays, disks and mounts how they are (storage.hpp)
  Duration services_timeout{10'000};
};

// May be repeated. What cannot be read is left empty; there is no error, since half of the facts beat none.
fleet::NodeFacts collect_facts(const io::Files& files, io::Processes& processes, const InventoryOptions& options = {});

// Processes whose mapped files may not be read, so that stale_processes says nothing of them: those of others where we
// are not root. May be repeated.
std::size_t processes_out_of_sight(const io::Files& files, const std::string& root = {});

}  // namespace belay::agent
