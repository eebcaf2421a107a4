#pragma once
// The folder of old packages: what a later rollback is made of, kept within bounds.
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "io/files.hpp"

namespace belay::agent {

struct HeldLimits {
  Duration age_max{std::chrono::hours(24 * 60)};
  std::uint64_t bytes_max = 4ull << 30;
};

// Removes what is too old, then the oldest until the rest fits. Never called while a run may need it. Absent is fine.
Status prune_held_packages(io::Files& files, const std::string& directory, Instant now, const HeldLimits& limits = {});

}  // namespace belay::agent
