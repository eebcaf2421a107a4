// Any bytes are refused or become a value within the budget, that is written and read again as the same.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "base/yaml.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(parse_marked_json(text, {.bytes_max = 4'096, .nodes_max = 500}));
  const auto parsed = yaml::parse(text, {.bytes_max = 4'096, .nodes_max = 500});
  if (!parsed.ok()) return 0;
  const auto again = yaml::parse(yaml::to_text(parsed->value), {.bytes_max = 1 << 20});
  BELAY_ASSERT(again.ok());
  BELAY_ASSERT(json::to_text(again->value) == json::to_text(parsed->value));
  return 0;
}
