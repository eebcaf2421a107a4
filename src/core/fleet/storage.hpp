#pragma once
// What the health of storage means for those who write to it.
#include <string>
#include <vector>

#include "core/fleet/facts.hpp"
#include "core/fleet/problem.hpp"

namespace belay::fleet {

// Nothing should be changed on it: data could be lost, and the way back with it. A disk that only warns (sectors it
// could not read once) is told and holds nothing up; an array without its redundancy does.
bool holds_up(const StorageHealth& health);

// "md md0 (/, /var): degraded: 1 of 2 disks are missing"
std::string text_of(const StorageHealth& health);

// storage_degraded of whatever holds up one of these mounts.
std::vector<Problem> storage_problems(const std::vector<StorageHealth>& storage,
                                      const std::vector<std::string>& written_to);

// An array that mirrors or has parity: it outlives a disk, and nothing that a backup is for.
bool is_redundant_array(const StorageHealth& health);

}  // namespace belay::fleet
