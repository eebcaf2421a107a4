// Any bytes are refused or become a document; expanding it with odd values gives steps or names a parameter, and no
// value brings a line of its own into a script that is all one line.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "core/document/expand.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  using namespace belay::document;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto format : {Format::JSON, Format::YAML}) {
    const auto document = parse_command_document(text, format);
    if (!document.ok()) {
      BELAY_ASSERT(!document.error().message().empty());
      continue;
    }
    GivenValues given;
    for (const auto& parameter : document->parameters) given[parameter.name] = {"$(x)'\"\n"};
    for (const auto& values : {GivenValues{}, given}) {
      const auto steps = expand(*document, values, {}, [&](const std::string&, const std::string&) {
        return Result<CommandDocument>(*document);
      });
      if (!steps.ok()) continue;
      BELAY_ASSERT(steps->size() <= kStepsMax + 1);
      BELAY_ASSERT(json::decode_text<std::vector<Step>>(json::encode_text(*steps), {.bytes_max = 64 << 20}).ok());
    }
  }
  return 0;
}
