#pragma once
// Reads fields out of a document somebody wrote and gathers what is wrong with them, each with its field and line, so
// that an author sees all of it at once. Used here and by core/automation.
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/marked_json.hpp"

namespace belay::document {

enum class Format { JSON, YAML };
BOOST_DESCRIBE_ENUM(Format, JSON, YAML)

inline constexpr std::size_t kDocumentBytesMax = 64 << 10;  // SSM's

// "MaxDocumentSizeExceeded", or "InvalidDocumentContent" with line and column where the text is not of the format.
Result<MarkedValue> read_content(std::string_view content, Format format);

class Reader {
 public:
  explicit Reader(const MarkedValue& document) : document_(document) {}

  void refuse(const std::string& path, std::string why);
  bool ok() const { return count_ == 0; }
  // "field (line 3): why; …", at most ten of them. Reason: an SSM error's name.
  Error error(std::string reason = "InvalidDocumentContent") const;
  std::uint32_t line_of(std::string_view path) const { return document_.mark_of(path).line; }

  // Each refuses what is there but not as it must be; an absent field that is not required is empty.
  const json::Object* object(const json::Value& value, const std::string& path);
  void only(const json::Object& object, const std::string& path, std::initializer_list<std::string_view> known);
  std::string text(const json::Object& object, const std::string& path, std::string_view field, bool required = false,
                   std::size_t characters_max = 4'096);
  // `choices` are separated by commas.
  std::string choice(const json::Object& object, const std::string& path, std::string_view field,
                     std::string_view choices, std::string_view when_absent);
  bool flag(const json::Object& object, const std::string& path, std::string_view field, bool when_absent);
  std::optional<std::int64_t> integer(const json::Object& object, const std::string& path, std::string_view field,
                                      std::int64_t min, std::int64_t max);

 private:
  const MarkedValue& document_;
  std::vector<std::string> problems_;  // the first of them
  std::size_t count_ = 0;
};

// "2.2" of "2.2" or 2.2: authors leave the quotes out. Empty where it is neither.
std::string schema_version_of(const json::Value& document);

}  // namespace belay::document
