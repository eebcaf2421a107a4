#pragma once
// How well the storage of this machine is: arrays, disks, pools, file systems, mounts over a network. Never waits on
// what may hang, wakes no drive that sleeps, and writes nothing.
#include <functional>
#include <string>
#include <vector>

#include "core/fleet/facts.hpp"
#include "io/files.hpp"
#include "io/mount_answers.hpp"
#include "io/process.hpp"

namespace belay::agent {

struct StorageSeams {
  const io::Files& files;
  io::Processes& processes;
  std::string root;  // prefix of every path; "" on the host itself
  std::function<std::vector<io::MountAnswer>(const std::vector<std::string>&, Duration)> ask = io::ask_mounts;
  Duration tool_timeout{10'000};  // of one tool
  Duration together_max{60'000};  // of all tools; what was not asked by then is left out
  Duration mount_patience{5'000};
};

// May be repeated. What cannot be found out is left out, or unknown where it is known to be there.
std::vector<fleet::StorageHealth> collect_storage(const StorageSeams& seams);

}  // namespace belay::agent
