#pragma once
// The walls around an isolated process: namespaces of its own. Only for io's own sources. What is named `prepare` runs
// before fork; the rest runs in the child, where only async-signal-safe calls are allowed, and leaves errno.
#include <sys/types.h>

#include <string>
#include <vector>

#include "io/posix.hpp"
#include "io/process.hpp"

namespace belay::io {

struct PreparedWalls {
  struct Kept {
    std::string path;
    std::vector<std::string> parents;  // to be made again in what hides them, outermost first
    bool writable = true;
  };
  unsigned long namespaces = 0;  // CLONE_NEW…; 0: none
  std::vector<std::string> hidden;
  std::vector<Kept> kept;
  bool read_only = false;
  std::vector<Descriptor> beside;  // namespaces to go into, but that of processes
  Descriptor beside_processes, own_processes;
};

Result<PreparedWalls> prepare_walls(const ProcessSpec& spec);
Error no_isolation(const std::string& what);

// fork, into new namespaces or those of another process.
pid_t fork_within(const PreparedWalls& walls);
bool go_beside(const PreparedWalls& walls);
// No descriptor but 0 to 3 may be in use.
bool raise_walls(const PreparedWalls& walls);

}  // namespace belay::io
