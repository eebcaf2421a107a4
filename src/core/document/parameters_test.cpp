#include "core/document/parameters.hpp"

#include <gtest/gtest.h>

namespace belay::document {
namespace {

std::vector<Parameter> declared() {
  static const auto content = read_content(R"({
    "Text": {"type": "String", "minChars": 2, "maxChars": 5, "default": "ab"},
    "Word": {"type": "String", "allowedPattern": "[a-z]+", "default": "a"},
    "One": {"type": "String", "allowedValues": ["x", "y z"], "default": "x"},
    "List": {"type": "StringList", "minItems": 1, "maxItems": 2, "allowedPattern": "[a-z]*", "default": ["a"]},
    "Flag": {"type": "Boolean", "default": false},
    "Number": {"type": "Integer", "default": 7, "allowedValues": [7, 8]},
    "Map": {"type": "StringMap", "default": {}},
    "Maps": {"type": "MapList", "default": []}})",
                                           Format::JSON);
  Reader reader(*content);
  auto parameters = read_parameters(reader, &content->value);
  EXPECT_TRUE(reader.ok()) << reader.error().message();
  return parameters;
}

struct Row {
  const char* name;
  std::vector<std::string> given;
  const char* expect;  // the value as JSON; or part of the refusal
  bool good = true;
};
const Row kRows[] = {
    {"Text", {"abc"}, R"("abc")"},
    {"Text", {"äöüß!"}, R"("äöüß!")"},
    {"Text", {"a"}, "has 1 characters, at least 2", false},
    {"Text", {"abcdef"}, "has 6 characters, at most 5", false},
    {"Text", {}, "expected one text", false},
    {"Text", {"ab", "cd"}, "expected one text", false},
    {"Text", {"a\xff"}, "UTF-8", false},
    {"Word", {"abc"}, R"("abc")"},
    {"Word", {"abc\n"}, "allowedPattern", false},
    {"Word", {"abc; x"}, "allowedPattern", false},
    {"One", {"y z"}, R"("y z")"},
    {"One", {"y"}, "expected one of [\"x\",\"y z\"]", false},
    {"List", {"a", "b"}, R"(["a","b"])"},
    {"List", {}, "has 0 items; 1 to 2", false},
    {"List", {"a", "b", "c"}, "has 3 items", false},
    {"List", {"a", "B"}, "allowedPattern", false},
    {"Flag", {"TRUE"}, "true"},
    {"Flag", {"1"}, "expected true or false", false},
    {"Number", {"8"}, "8"},
    {"Number", {"9"}, "expected one of [7,8]", false},
    {"Number", {"8x"}, "expected a whole number", false},
    {"Map", {R"({"a":"b"})"}, R"({"a":"b"})"},
    {"Map", {"[]"}, "expected one JSON object", false},
    {"Maps", {R"({"a":1})", R"({"b":2})"}, R"([{"a":1},{"b":2}])"},
    {"Maps", {R"([{"a":1}])"}, R"([{"a":1}])"},
    {"Maps", {"x"}, "expected JSON objects", false},
    {"Nothing", {"x"}, "no parameter 'Nothing'", false},
};

TEST(Parameters, Table) {
  const auto parameters = declared();
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name + std::string(" ") + row.expect);
    const auto values = resolve_values(parameters, {{row.name, row.given}});
    ASSERT_EQ(values.ok(), row.good) << (values.ok() ? "" : values.error().chain());
    const auto said = values.ok() ? json::to_text(values->at(row.name)) : values.error().message();
    if (row.good) EXPECT_EQ(said, row.expect);
    else {
      EXPECT_NE(said.find(row.expect), std::string::npos) << said;
      EXPECT_EQ(values.error().reason(), "InvalidParameters");
    }
  }
}

TEST(Parameters, DefaultsAndWhatIsMissing) {
  auto parameters = declared();
  EXPECT_EQ(json::to_text(resolve_values(parameters, {})->at("Number")), "7");
  parameters[0].default_value.reset();
  EXPECT_NE(resolve_values(parameters, {}).error().message().find("parameter Text has no value"), std::string::npos);
  EXPECT_EQ(
      json::to_text(resolve_typed_values(parameters, {{"Text", 1234}, {"List", "a"}, {"Number", "8"}})->at("Text")),
      R"("1234")");
}

}  // namespace
}  // namespace belay::document
