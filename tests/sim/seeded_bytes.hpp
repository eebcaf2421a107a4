#pragma once
// The linker puts this in the place of io::random_bytes (see CMakeLists.txt), so that ids come from the seed as well.
#include <cstdint>

namespace belay::sim {
void seed_random_bytes(std::uint64_t seed);
}  // namespace belay::sim
