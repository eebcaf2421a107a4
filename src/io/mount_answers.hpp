#pragma once
// Whether mounts answer, asked by children that may hang in our place: who waits for a dead server in the kernel may
// not even be killed.
#include <string>
#include <vector>

#include "base/time.hpp"

namespace belay::io {

enum class MountAnswer {
  answers,
  refuses,  // an error came back
  hangs,    // nothing within the patience; the child is left to its fate, and nobody is asked again while it hangs
};

// One statfs each, all at the same time; at most 64 of them. Never blocks for longer than the patience.
std::vector<MountAnswer> ask_mounts(const std::vector<std::string>& paths, Duration patience);

}  // namespace belay::io
