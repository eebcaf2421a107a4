#include "core/automation/json_path.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace belay::automation {
namespace {
constexpr std::size_t kBytesMax = 512, kPartsMax = 32, kValuesMax = 10'000;
}

Result<JsonPath> JsonPath::parse(std::string_view text) {
  const auto refuse = [&](const std::string& why) {
    return Error(Code::invalid_argument, "'" + sanitize(text, 80) + "' is no path here: " + why +
                                             "; known are $, .member, ['member'], [0] and [*]");
  };
  if (text.empty() || text.size() > kBytesMax) return refuse("it has 1 to 512 bytes");
  JsonPath path;
  path.text_ = text;
  std::size_t at = text[0] == '$' ? 1 : 0;
  if (at == 0 && text[0] != '[' && text[0] != '.') {
    const auto end = std::min(text.find_first_of(".["), text.size());
    path.parts_.push_back({Kind::member, std::string(text.substr(0, end)), 0});
    at = end;
  }
  while (at < text.size()) {
    if (path.parts_.size() >= kPartsMax) return refuse("it has more than 32 parts");
    if (text[at] == '.') {
      const auto end = std::min(text.find_first_of(".[", at + 1), text.size());
      const auto member = text.substr(at + 1, end - at - 1);
      if (member.empty() || member.find_first_of("*()?@ ") != std::string_view::npos)
        return refuse("a member has no name");
      path.parts_.push_back({Kind::member, std::string(member), 0});
      at = end;
      continue;
    }
    if (text[at] != '[') return refuse("'" + std::string(1, text[at]) + "' begins no part");
    const bool quoted = at + 1 < text.size() && (text[at + 1] == '\'' || text[at + 1] == '"');
    const std::string closing = quoted ? std::string(1, text[at + 1]) + "]" : "]";
    const auto end = text.find(closing, at + (quoted ? 2 : 1));
    if (end == std::string_view::npos) return refuse("a bracket is not closed");
    const auto inside = text.substr(at + (quoted ? 2 : 1), end - at - (quoted ? 2 : 1));
    Part part;
    if (quoted) part = {Kind::member, std::string(inside), 0};
    else if (inside == "*") part.kind = Kind::all;
    else {
      part.kind = Kind::index;
      const auto [stop, error] = std::from_chars(inside.data(), inside.data() + inside.size(), part.index);
      if (inside.empty() || error != std::errc() || stop != inside.data() + inside.size())
        return refuse("[" + sanitize(inside, 20) + "] is no index");
    }
    path.parts_.push_back(std::move(part));
    at = end + closing.size();
  }
  return path;
}

Result<json::Value> JsonPath::find(const json::Value& root) const {
  std::vector<const json::Value*> values = {&root};
  bool many = false;
  for (const auto& part : parts_) {
    std::vector<const json::Value*> next;
    for (const auto* value : values) {
      const auto* array = value->if_array();
      const auto* object = value->if_object();
      if (part.kind == Kind::member && object && object->contains(part.member))
        next.push_back(&object->at(part.member));
      if (part.kind == Kind::index && array && part.index < array->size()) next.push_back(&(*array)[part.index]);
      if (part.kind == Kind::all && array)
        for (const auto& item : *array) next.push_back(&item);
      if (part.kind == Kind::all && object)
        for (const auto& member : *object) next.push_back(&member.value());
      if (next.size() > kValuesMax) return Error(Code::resource_exhausted, text_ + " leads to more than 10000 values");
    }
    many = many || part.kind == Kind::all;
    if (next.empty() && !many) return Error(Code::not_found, text_ + " leads nowhere");
    values = std::move(next);
  }
  if (!many) return *values.front();
  json::Array all;
  for (const auto* value : values) all.push_back(*value);
  return json::Value(std::move(all));
}

}  // namespace belay::automation
