// Apart from the rest of the reader, because it brings the YAML parser along, which the agent has no use for: its
// orders come as steps, and its policy is TOML.
#include "base/text.hpp"
#include "base/yaml.hpp"
#include "core/document/place.hpp"
#include "core/document/reader.hpp"

namespace belay::document {

Result<MarkedValue> read_content(std::string_view content, Format format) {
  if (content.size() > kDocumentBytesMax)
    return Error(Code::resource_exhausted,
                 "the document has " + std::to_string(content.size()) + " bytes; at most " +
                     std::to_string(kDocumentBytesMax) + " (64 KB) are taken; move scripts out and download them",
                 "MaxDocumentSizeExceeded");
  if (trim(content).empty()) return Error(Code::invalid_argument, "the document is empty", "InvalidDocumentContent");
  auto read = format == Format::JSON ? parse_marked_json(content) : yaml::parse(content);
  if (read.ok()) return read;
  return Error(Code::invalid_argument, read.error().message(), "InvalidDocumentContent");
}

Result<MarkedValue> read_either(std::string_view content) {
  return read_content(content, trim(content).starts_with('{') ? Format::JSON : Format::YAML);
}

}  // namespace belay::document
