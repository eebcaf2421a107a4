#include "agent/runner/boot_menu.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto menu = belay::agent::parse_boot_menu({reinterpret_cast<const char*>(data), size});
  std::size_t bytes = 0;
  for (const auto& entry : menu.entries) bytes += entry.kernel.size();
  return bytes > size ? __builtin_trap(), 0 : 0;
}
