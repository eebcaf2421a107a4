#pragma once
// Filters and tags as requests bring them: SSM has several spellings of the same thing.
#include <initializer_list>
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

// Member "Tags"; keys that begin with "aws:" are reserved (ValidationException), a key may stand once.
Result<std::vector<store::tags::Tag>> tags_of(const json::Value& request);
json::Array tags_reply(const std::vector<store::tags::Tag>& tags);

}  // namespace belay::server
