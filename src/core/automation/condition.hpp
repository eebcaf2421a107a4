#pragma once
// What aws:branch asks: comparisons of a variable with a constant, put together with And, Or and Not.
#include <string>
#include <vector>

#include "core/document/reader.hpp"
#include "core/document/references.hpp"

namespace belay::automation {

enum class Comparison {
  StringEquals,
  EqualsIgnoreCase,
  StartsWith,
  EndsWith,
  Contains,
  NumericEquals,
  NumericGreater,
  NumericLesser,
  NumericGreaterOrEquals,
  NumericLesserOrEquals,
  BooleanEquals,
};
BOOST_DESCRIBE_ENUM(Comparison, StringEquals, EqualsIgnoreCase, StartsWith, EndsWith, Contains, NumericEquals,
                    NumericGreater, NumericLesser, NumericGreaterOrEquals, NumericLesserOrEquals, BooleanEquals)

struct Condition {
  enum class Kind { compare, all, any, none };
  Kind kind = Kind::compare;
  json::Value variable, constant;  // may hold {{ references }}
  Comparison comparison = Comparison::StringEquals;
  std::vector<Condition> parts;  // of all (And), any (Or), none (Not)
};

struct Choice {
  Condition condition;
  std::string next_step;
};

// One entry of Choices; problems go to the reader. The names it refers to are added to `used`.
Choice read_choice(document::Reader& reader, const json::Value& value, const std::string& path,
                   std::vector<std::string>& used);

// invalid_argument where a side is not of the kind the comparison needs, or a reference has no value.
Result<bool> holds(const Condition& condition, const document::ValueOf& value_of);

}  // namespace belay::automation
