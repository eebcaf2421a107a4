#pragma once
// Filters with an operator, as SSM's compliance lists have them: EQUAL, NOT_EQUAL, BEGIN_WITH, LESS_THAN, GREATER_THAN.
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace belay::server {

struct StringFilter {
  std::string Key;
  std::vector<std::string> Values;
  std::string Type = "EQUAL";
};
BOOST_DESCRIBE_STRUCT(StringFilter, (), (Key, Values, Type))

// Member "Filters". InvalidFilter for a key outside `allowed`, or without values.
Result<std::vector<StringFilter>> string_filters(const json::Value& request,
                                                 std::initializer_list<std::string_view> allowed);
// Severities have their rank; numbers are numbers; anything else goes by bytes. NOT_EQUAL: none of the values.
bool passes(const StringFilter& filter, std::string_view value);

}  // namespace belay::server
