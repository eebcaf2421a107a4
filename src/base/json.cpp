#include "base/json.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::json {
namespace {

std::vector<const boost::json::key_value_pair*> sorted_members(const Object& object) {
  std::vector<const boost::json::key_value_pair*> members;
  for (const auto& member : object) members.push_back(&member);
  std::ranges::sort(members, {}, [](const auto* m) { return m->key(); });
  return members;
}

void write_canonical(const Value& value, std::string& out) {
  if (const auto* array = value.if_array()) {
    out += '[';
    for (const auto& item : *array) {
      if (&item != array->begin()) out += ',';
      write_canonical(item, out);
    }
    out += ']';
  } else if (const auto* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const auto* member : sorted_members(*object)) {
      if (!std::exchange(first, false)) out += ',';
      out += boost::json::serialize(member->key()) + ":";
      write_canonical(member->value(), out);
    }
    out += '}';
  } else {
    out += boost::json::serialize(value);
  }
}

void write_pretty(const Value& value, std::string& out, std::size_t depth) {
  const std::string indent(2 * (depth + 1), ' '), outdent(2 * depth, ' ');
  if (const auto* array = value.if_array(); array && !array->empty()) {
    out += "[";
    for (const auto& item : *array) {
      out += (&item == array->begin() ? "\n" : ",\n") + indent;
      write_pretty(item, out, depth + 1);
    }
    out += "\n" + outdent + "]";
  } else if (const auto* object = value.if_object(); object && !object->empty()) {
    out += "{";
    bool first = true;
    for (const auto& member : *object) {
      out += (std::exchange(first, false) ? "\n" : ",\n") + indent + boost::json::serialize(member.key()) + ": ";
      write_pretty(member.value(), out, depth + 1);
    }
    out += "\n" + outdent + "}";
  } else {
    out += boost::json::serialize(value);
  }
}

}  // namespace

Result<Value> parse(std::string_view text, Limits limits) {
  if (text.size() > limits.bytes_max)
    return Error(Code::resource_exhausted, "JSON of " + std::to_string(text.size()) + " bytes is over the limit of " +
                                               std::to_string(limits.bytes_max));
  boost::json::parse_options options;
  options.max_depth = limits.depth_max;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code failure;
  const std::size_t taken = parser.write_some(text.data(), text.size(), failure);
  if (!failure && taken == text.size()) parser.finish(failure);
  if (failure || taken < text.size())
    return Error(Code::invalid_argument, "not JSON at byte " + std::to_string(taken) + ": " +
                                             (failure ? failure.message() : "text after the value"));
  return parser.release();
}

std::string to_text(const Value& value) { return boost::json::serialize(value); }

std::string to_canonical_text(const Value& value) {
  std::string out;
  write_canonical(value, out);
  return out;
}

std::string to_pretty_text(const Value& value) {
  std::string out;
  write_pretty(value, out, 0);
  return out;
}

const Value* find(const Value& object, std::string_view member) {
  const auto* members = object.if_object();
  if (!members) return nullptr;
  const Value* value = members->if_contains(member);
  return value && !value->is_null() ? value : nullptr;
}

std::string text_or_empty(const Value& object, std::string_view member) {
  const Value* value = find(object, member);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace belay::json
