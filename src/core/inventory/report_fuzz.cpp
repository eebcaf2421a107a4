// Any bytes are refused or become questions and items within their bounds.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "core/inventory/report.hpp"
#include "core/inventory/types.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto questions = inventory::parse_file_questions(text); questions.ok())
    for (const auto& question : *questions) {
      BELAY_ASSERT(question.path.starts_with('/'));
      BELAY_ASSERT(question.scan_limit > 0 && question.scan_limit <= inventory::kScanLimitMax);
    }
  if (const auto item = inventory::parse_custom_item(text, Instant{}); item.ok())
    BELAY_ASSERT(inventory::is_custom(item->type_name));
  return 0;
}
