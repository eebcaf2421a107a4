// Any two texts have an order, the other way round it is the opposite, and splitting or validating them is safe.
#include <cstddef>
#include <cstdint>

#include "core/version/version.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::version;
  const std::string text(data, data + size);
  const auto cut = text.find('\n');
  const std::string a = text.substr(0, cut), b = cut == std::string::npos ? "" : text.substr(cut + 1);
  BELAY_ASSERT((compare_deb(a, b) < 0) == (compare_deb(b, a) > 0));
  BELAY_ASSERT((compare_rpm(a, b) < 0) == (compare_rpm(b, a) > 0));
  BELAY_ASSERT((compare_rpm_segment(a, b) < 0) == (compare_rpm_segment(b, a) > 0));
  BELAY_ASSERT(compare_deb(a, a) == 0 && compare_rpm(a, a) == 0);
  static_cast<void>(validate_deb(a).ok());
  static_cast<void>(validate_rpm(a).ok());
  if (const auto parts = split_nevra(a); parts.ok()) BELAY_ASSERT(!parts->name.empty() && !parts->arch.empty());
  return 0;
}
