#pragma once
// A value and where each part of it stood in the text it was read from, so that whoever refuses a field can name its
// line. yaml.hpp reads YAML into the same thing.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace belay {

struct Mark {
  std::uint32_t line = 0, column = 0;  // from 1, columns in bytes; 0: not known
};

struct MarkedValue {
  json::Value value;
  std::map<std::string, Mark, std::less<>> marks;  // by path as the functions below spell it; "" is the whole

  // Where the part stands, or the nearest part around it that has a place.
  Mark mark_of(std::string_view path) const;
};

// "mainSteps[0].inputs": as json::decode names fields in its errors.
std::string member_path(std::string_view parent, std::string_view member);
std::string item_path(std::string_view parent, std::size_t index);

struct MarkedLimits {
  std::size_t bytes_max = 128 << 10;
  std::size_t nodes_max = 20'000;  // values of every kind, those that an alias repeats counted each time
  std::size_t depth_max = 32;
};

// JSON: whole text or an error that names line and column. A member that stands twice in one object is refused, for
// readers do not agree which of the two counts.
Result<MarkedValue> parse_marked_json(std::string_view text, MarkedLimits limits = {});

// The same refusal for what is read often and whose places nobody asks for: costs one more look over the text.
Result<json::Value> parse_strict_json(std::string_view text, json::Limits limits = {});

}  // namespace belay
