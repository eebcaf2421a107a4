#include "tests/sim/seeded_bytes.hpp"

#include <cstddef>
#include <string>

#include "tests/sim/random.hpp"

namespace belay::sim {
namespace {
Random& source() {
  static Random random(0);
  return random;
}
}  // namespace

void seed_random_bytes(std::uint64_t seed) { source() = Random(seed); }

// io::random_bytes(std::size_t), as the linker's --wrap calls what stands in for it.
std::string wrapped_random_bytes(std::size_t count) __asm__("__wrap__ZN5belay2io12random_bytesB5cxx11Em");
std::string wrapped_random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(source().next() & 0xff);
  return bytes;
}

}  // namespace belay::sim
