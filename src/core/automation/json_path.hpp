#pragma once
// A bounded part of JSONPath: $, .member, ['member'], [index], [*]. Nothing recursive, nothing that computes.
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace belay::automation {

class JsonPath {
 public:
  // "$.a.b[0]['c d'][*]", at most 512 bytes and 32 parts; without the "$" it begins with a member or '['.
  static Result<JsonPath> parse(std::string_view text);

  // What the path leads to: one value, or with [*] the list of all; not_found where it leads nowhere (a path with [*]
  // through an empty list gives an empty list). resource_exhausted beyond 10,000 values.
  Result<json::Value> find(const json::Value& root) const;
  const std::string& text() const { return text_; }

 private:
  enum class Kind { member, index, all };
  struct Part {
    Kind kind = Kind::member;
    std::string member;
    std::size_t index = 0;
  };
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace belay::automation
