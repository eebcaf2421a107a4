#pragma once
// Starting a child process, apart from watching over it. Only for io's own sources.
#include <sys/types.h>

#include "io/posix.hpp"
#include "io/process.hpp"

namespace belay::io {

struct Child {
  pid_t pid = -1;    // also its process group and session
  Descriptor input;  // our ends, non-blocking; input is empty where there is nothing to send
  Descriptor output;
  Descriptor error;
  Descriptor ended;  // a pidfd: readable when it has ended; empty on kernels before 5.3
};

// Returns when the program runs (exec succeeded).
Result<Child> start_child(const ProcessSpec& spec);

// Whether anything still runs in the group. The dead whom nobody has reaped (a container without an init) do not count.
bool group_is_alive(pid_t group);

}  // namespace belay::io
