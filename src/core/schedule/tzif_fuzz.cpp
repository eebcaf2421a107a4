// Any bytes are refused or are a zone, in which every instant has a wall time that leads back to it.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "core/schedule/tzif.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  using namespace belay::schedule;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(parse_footer(bytes).ok());
  const auto rules = parse_tzif(bytes, "fuzz");
  if (!rules.ok()) return 0;
  for (std::int64_t unix_s = -2'000'000'000; unix_s < 8'000'000'000; unix_s += 97'000'003) {
    const UtcTime at{Seconds(unix_s)};
    const auto found = resolve(*rules, to_local(*rules, at));
    BELAY_ASSERT(found.kind != Resolved::Kind::skipped && found.at <= at);
    BELAY_ASSERT(to_local(*rules, found.at) == to_local(*rules, at));
  }
  return 0;
}
