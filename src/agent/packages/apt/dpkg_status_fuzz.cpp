#include "agent/packages/apt/dpkg_status.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::apt;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto packages = parse_dpkg_status(text.substr(0, size / 2), {std::string(text.substr(size / 2))});
  if (packages.ok()) {
    health_of(*packages, false);
    changes_between(*packages, {});
    package_set_of(*packages);
  }
  parse_extended_states(text);
  return 0;
}
