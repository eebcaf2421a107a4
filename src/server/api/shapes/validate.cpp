#include "server/api/shapes/validate.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace belay::server::shapes {
namespace {

constexpr std::size_t kNamesBytesMax = 600;  // of the members that there are
constexpr std::size_t kShownBytesMax = 200;  // of a refused value
constexpr std::int64_t kEpochSecondsMax = 253'402'300'799;

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class Validator {
 public:
  explicit Validator(Unknown unknown) : unknown_(unknown) {}

  std::optional<Refusal> result() {
    if (!serialization_.empty()) return Refusal{Refusal::Kind::serialization, std::move(serialization_)};
    if (count_ == 0) return std::nullopt;
    const std::string head =
        std::to_string(count_) + (count_ == 1 ? " validation error detected: " : " validation errors detected: ");
    return Refusal{Refusal::Kind::validation, head + join(violations_, "; ")};
  }

  void check(const Shape& shape, const json::Value& value, const std::string& path) {
    if (!serialization_.empty()) return;
    switch (shape.kind) {
      case Kind::structure: return check_structure(shape, value, path);
      case Kind::list: return check_list(shape, value, path);
      case Kind::map: return check_map(shape, value, path);
      case Kind::text: return check_text(shape, value, path);
      case Kind::enumeration: return check_enumeration(shape, value, path);
      case Kind::integer:
      case Kind::long_integer: return check_number(shape, value, path);
      case Kind::boolean:
        if (!value.is_bool()) mismatch(path, "true or false");
        return;
      case Kind::time:
        if (!time_of(value)) mismatch(path, "a time: seconds since 1970, or text such as 2026-11-23T18:12:00Z");
        return;
      case Kind::blob:
        if (!value.is_string()) mismatch(path, "base64 text");
        return;
    }
  }

 private:
  void mismatch(const std::string& path, std::string_view wanted) {
    serialization_ = (path.empty() ? "The request" : "The value at '" + path + "'") + " can not be converted to " +
                     std::string(wanted);
  }
  void violate(const std::string& shown, const std::string& path, const std::string& constraint) {
    if (++count_ <= kViolationsMax)
      violations_.push_back("Value " + shown + " at '" + path + "' failed to satisfy constraint: Member must " +
                            constraint);
  }
  static std::string shown(std::string_view text) { return "'" + sanitize(text, kShownBytesMax) + "'"; }

  void check_structure(const Shape& shape, const json::Value& value, const std::string& path) {
    const auto* object = value.if_object();
    if (!object) return mismatch(path, "a structure");
    for (const auto& member : shape.members) {
      std::string name(member.name);
      if (!name.empty() && name[0] >= 'A' && name[0] <= 'Z')
        name[0] = static_cast<char>(name[0] - 'A' + 'a');  // as AWS writes paths
      const std::string inner = path.empty() ? name : path + "." + name;
      const json::Value* found = json::find(value, member.name);
      if (found) check(*member.shape, *found, inner);
      else if (member.required) violate("null", inner, "not be null");
    }
    if (unknown_ == Unknown::refused) check_names(shape, *object, path);
  }

  void check_names(const Shape& shape, const json::Object& object, const std::string& path) {
    std::vector<std::string_view> known;
    for (const auto& member : shape.members) known.push_back(member.name);
    for (const auto& entry : object) {
      if (std::ranges::find(known, std::string_view(entry.key())) != known.end()) continue;
      const auto near = nearest(entry.key(), known);
      const std::string there_are = join({known.begin(), known.end()}, ", ");
      if (++count_ <= kViolationsMax)
        violations_.push_back((path.empty() ? "the request" : path) + " has no member " + shown(entry.key()) +
                              (near.empty() ? "; there are " + sanitize(there_are, kNamesBytesMax)
                                            : "; did you mean '" + std::string(near) + "'?"));
    }
  }

  void check_list(const Shape& shape, const json::Value& value, const std::string& path) {
    const auto* array = value.if_array();
    if (!array) return mismatch(path, "a list");
    check_length(shape, array->size(), "'[" + std::to_string(array->size()) + " items]'", path);
    std::size_t number = 0;
    for (const auto& item : *array) {
      const std::string inner = path + "." + std::to_string(++number) + ".member";
      if (item.is_null()) violate("null", inner, "not be null");
      else check(*shape.item, item, inner);
    }
  }

  void check_map(const Shape& shape, const json::Value& value, const std::string& path) {
    const auto* object = value.if_object();
    if (!object) return mismatch(path, "a map");
    check_length(shape, object->size(), "'{" + std::to_string(object->size()) + " entries}'", path);
    for (const auto& entry : *object) {
      const std::string inner = path + "." + sanitize(entry.key(), kShownBytesMax) + ".member";
      check(*shape.key, json::Value(entry.key()), inner);
      if (entry.value().is_null()) violate("null", inner, "not be null");
      else check(*shape.item, entry.value(), inner);
    }
  }

  void check_text(const Shape& shape, const json::Value& value, const std::string& path) {
    if (!value.is_string()) return mismatch(path, "a string");
    const std::string_view text = value.get_string();
    const auto seen = shape.secret ? std::string("(not shown)") : shown(text);
    if (text.find('\0') != std::string_view::npos) return violate(seen, path, "not contain the character U+0000");
    if (!check_length(shape, characters_of(text), seen, path)) return;  // the pattern would only say it again
    if (shape.pattern && !shape.pattern->matches(text))
      violate(seen, path, "satisfy regular expression pattern: " + std::string(shape.pattern_text));
  }

  void check_enumeration(const Shape& shape, const json::Value& value, const std::string& path) {
    if (!value.is_string()) return mismatch(path, "a string");
    const std::string_view text = value.get_string();
    if (std::ranges::find(shape.values, text) != shape.values.end()) return;
    std::vector<std::string> allowed(shape.values.begin(), shape.values.end());
    violate(shown(text), path, "satisfy enum value set: [" + join(allowed, ", ") + "]");
  }

  void check_number(const Shape& shape, const json::Value& value, const std::string& path) {
    const bool narrow = shape.kind == Kind::integer;
    std::int64_t number = 0;
    if (value.is_int64()) number = value.get_int64();
    else return mismatch(path, narrow ? "an Integer" : "a Long");
    if (narrow && !std::in_range<std::int32_t>(number)) return mismatch(path, "an Integer");
    const std::string text = "'" + std::to_string(number) + "'";
    if (shape.min && number < *shape.min)
      violate(text, path, "have value greater than or equal to " + std::to_string(*shape.min));
    else if (shape.max && number > *shape.max)
      violate(text, path, "have value less than or equal to " + std::to_string(*shape.max));
  }

  bool check_length(const Shape& shape, std::size_t length, const std::string& text, const std::string& path) {
    const auto size = static_cast<std::int64_t>(length);
    if (shape.min && size < *shape.min)
      return violate(text, path, "have length greater than or equal to " + std::to_string(*shape.min)), false;
    if (shape.max && size > *shape.max)
      return violate(text, path, "have length less than or equal to " + std::to_string(*shape.max)), false;
    return true;
  }

  const Unknown unknown_;
  std::string serialization_;
  std::vector<std::string> violations_;
  std::size_t count_ = 0;
};

}  // namespace

std::optional<Refusal> validate(const Shape& shape, const json::Value& request, Unknown unknown) {
  Validator validator(unknown);
  validator.check(shape, request, {});
  return validator.result();
}

std::optional<Instant> time_of(const json::Value& value) {
  if (value.is_string()) {
    const auto parsed = parse_iso8601(std::string_view(value.get_string()));
    if (parsed.ok()) return *parsed;
    return std::nullopt;
  }
  if (!value.is_number()) return std::nullopt;
  const double seconds = value.to_number<double>();
  if (!std::isfinite(seconds) || seconds < 0 || seconds > static_cast<double>(kEpochSecondsMax)) return std::nullopt;
  return from_unix_ms(std::llround(seconds * 1000));
}

}  // namespace belay::server::shapes
