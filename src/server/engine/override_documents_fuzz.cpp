// Any text is refused with a reason, or is a list of patches or of baselines within their bounds.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "server/engine/override_documents.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto list = server::parse_override_list(text);
  BELAY_ASSERT(list.ok() ? list->size() <= baseline::kOverridePatchesMax : !list.error().message().empty());
  const auto baselines = server::parse_baseline_override(text);
  BELAY_ASSERT(baselines.ok() ? !baselines->empty() : !baselines.error().message().empty());
  return 0;
}
