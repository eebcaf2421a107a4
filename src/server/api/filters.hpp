#pragma once
// Filters and tags as requests bring them: SSM has several spellings of the same thing.
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "store/tags.hpp"

namespace belay::server {

struct WireTag {
  std::string Key, Value;
};
BOOST_DESCRIBE_STRUCT(WireTag, (), (Key, Value))

struct Filter {
  std::string key;
  std::vector<std::string> values;
};

// Member "Filters" of [{Key, Values}]. A key outside `allowed` is refused ("tag:" there allows every "tag:…"), with the
// exception's name given.
Result<std::vector<Filter>> filters_of(const json::Value& request, std::initializer_list<std::string_view> allowed,
                                       std::string_view exception = "ValidationException");

// A filter's value that is none of a closed set is refused, with the set: a word mistyped would look like "nothing".
Status check_word(std::string_view key, std::string_view value, std::span<const std::string_view> known,
                  std::string_view exception = "ValidationException");
Status refuse_word(const Error& error, std::string_view exception);  // in the exception's name
template <typename E>
Status check_enum(std::string_view key, const std::string& value, std::string_view exception = "ValidationException") {
  const auto known = json::decode<E>(json::Value(value), "the filter " + std::string(key));
  return known.ok() ? Status() : refuse_word(known.error(), exception);
}

// Member "Tags"; keys that begin with "aws:" are reserved (ValidationException), a key may stand once.
Result<std::vector<store::tags::Tag>> tags_of(const json::Value& request);
json::Array tags_reply(const std::vector<store::tags::Tag>& tags);

}  // namespace belay::server
