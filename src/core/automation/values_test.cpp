#include "core/automation/values.hpp"

#include <gtest/gtest.h>

namespace belay::automation {
namespace {

struct PathRow {
  const char *path, *found;  // nullptr: leads nowhere; "!": refused
};
constexpr PathRow kPaths[] = {
    {"$", R"({"a":{"b":[1,{"c d":2}]},"e":[]})"},
    {"$.a.b[0]", "1"},
    {"$.a.b[1]['c d']", "2"},
    {"$['a'].b[*]", R"([1,{"c d":2}])"},
    {"a.b[0]", "1"},
    {"$.e[*]", "[]"},
    {"$.e[*].x", "[]"},
    {"$.a.*", "!"},
    {"$.a[*]", R"([[1,{"c d":2}]])"},
    {"$.a.b[2]", nullptr},
    {"$.x", nullptr},
    {"$.a.b.c", nullptr},
    {"", "!"},
    {"$.", "!"},
    {"$..a", "!"},
    {"$.a[", "!"},
    {"$.a[x]", "!"},
    {"$.a[-1]", "!"},
    {"$x", "!"},
    {"$.a[?(@.b)]", "!"},
    {"$.a[0:1]", "!"},
};

TEST(JsonPath, Table) {
  const auto root = *json::parse(R"({"a":{"b":[1,{"c d":2}]},"e":[]})");
  for (const auto& row : kPaths) {
    SCOPED_TRACE(row.path);
    const auto path = JsonPath::parse(row.path);
    ASSERT_EQ(path.ok(), !row.found || row.found[0] != '!');
    if (!path.ok()) continue;
    const auto found = path->find(root);
    EXPECT_EQ(found.ok() ? json::to_text(*found) : "", row.found ? row.found : "");
  }
  EXPECT_FALSE(JsonPath::parse("$" + std::string(600, 'a')).ok());
  std::string deep = "$";
  for (int i = 0; i < 40; ++i) deep += "[0]";
  EXPECT_FALSE(JsonPath::parse(deep).ok());
  json::Array wide(200, json::Array(200, 1));
  EXPECT_EQ(JsonPath::parse("$[*][*]")->find(json::Value(wide)).error().code(), Code::resource_exhausted);
}

struct OutputRow {
  const char* selector;
  document::ParameterType type;
  const char* value;  // nullptr: refused
};
using enum document::ParameterType;
constexpr OutputRow kOutputs[] = {
    {"$.ResponseCode", Integer, "7"},
    {"$.ResponseCode", String, "\"7\""},
    {"$.Response.ids[*]", StringList, R"(["a","b"])"},
    {"$.Response.ids", StringList, R"(["a","b"])"},
    {"$.Response.ids[0]", StringList, R"(["a"])"},
    {"$.Response.good", Boolean, "true"},
    {"$.Response.map", StringMap, R"({"x":1})"},
    {"$.Response.map", MapList, nullptr},
    {"$.Response.ids[0]", Integer, nullptr},
    {"$.Response.ids[0]", Boolean, nullptr},
    {"$.Response.none", String, nullptr},
};

TEST(Values, OutputsByType) {
  const json::Object given = {{"ResponseCode", 7}, {"Response", R"({"ids":["a","b"],"good":"True","map":{"x":1}})"}};
  for (const auto& row : kOutputs) {
    SCOPED_TRACE(row.selector);
    RunbookStep step;
    step.outputs.push_back({"Out", *JsonPath::parse(row.selector), row.type});
    const auto picked = pick_outputs(step, given);
    ASSERT_EQ(picked.ok(), row.value != nullptr) << (picked.ok() ? "" : picked.error().message());
    if (row.value) EXPECT_EQ(json::to_text(picked->at("Out")), row.value);
  }
  const auto cut = pick_outputs({}, {{"Output", std::string(100'000, 'x')}});
  EXPECT_LE(cut->at("Output").get_string().size(), kOutputTextMax);
}

struct HandedRow {
  const char *input,
      *filled;  // with P = "a; id", W = "web-1", D = "as the default; says", L = ["a b"], a.Output = "`id`"
};
constexpr HandedRow kHanded[] = {
    {R"({"commands":["echo {{ W }}"]})", R"({"commands":["echo web-1"]})"},
    {R"({"commands":["echo {{ P }}"]})", nullptr},
    {R"({"commands":["echo \"{{ P }}\""]})", nullptr},
    {R"({"commands":["{{ P }}","true"]})", nullptr},
    {R"({"commands":["echo {{ a.Output }}"]})", nullptr},
    {R"({"commands":"{{ a.Output }}"})", nullptr},
    {R"({"commands":["{{ a.Output }}"]})", nullptr},
    {R"({"commands":["echo {{ L }}"]})", nullptr},
    {R"({"commands":["echo '{{ D }}'"]})", R"({"commands":["echo 'as the default; says'"]})"},
    {R"({"commands":"{{ P }}"})", R"({"commands":"a; id"})"},
    {R"({"Message":["{{ P }}"]})", R"({"Message":["a; id"]})"},
    {R"({"commands":"{{ L }}"})", R"({"commands":["a b"]})"},
};

// A value must not become a command of the document that gets it.
TEST(Values, WhatIsHandedOnToADocumentBringsNoCommands) {
  Runbook runbook;
  for (const char* name : {"P", "W", "D", "L"}) runbook.parameters.emplace_back().name = name;
  runbook.parameters[2].default_value = json::Value("as the default; says");
  runbook.steps.emplace_back().name = "a";
  Execution execution;
  execution.parameters = {{"P", "a; id"}, {"W", "web-1"}, {"D", "as the default; says"}, {"L", json::Array{"a b"}}};
  execution.steps.resize(1);
  execution.steps[0].outputs = {{"Output", "`id`"}};
  for (const std::string_view input : {"Parameters", "RuntimeParameters"})
    for (const auto& row : kHanded) {
      SCOPED_TRACE(row.input);
      RunbookStep step;
      step.action = input == "Parameters" ? "aws:runCommand" : "aws:executeAutomation";
      step.inputs = {{input, *json::parse(row.input)}, {"Comment", "{{ P }}"}};
      const auto filled = fill_inputs(step, runbook, execution, Instant());
      ASSERT_EQ(filled.ok(), row.filled != nullptr) << (filled.ok() ? "" : filled.error().message());
      if (!filled.ok()) continue;
      EXPECT_EQ(json::to_text(filled->at(input)), row.filled);
      EXPECT_EQ(filled->at("Comment"), "a; id") << "nothing runs that";
    }
}

struct ConditionRow {
  const char* condition;  // with {{ A }} = "Abc", {{ N }} = 7, {{ B }} = true
  int holds;              // -1: an error
};
constexpr ConditionRow kConditions[] = {
    {R"("Variable":"{{ A }}","StringEquals":"Abc")", 1},
    {R"("Variable":"{{ A }}","StringEquals":"abc")", 0},
    {R"("Variable":"{{ A }}","EqualsIgnoreCase":"aBC")", 1},
    {R"("Variable":"{{ A }}","StartsWith":"Ab")", 1},
    {R"("Variable":"{{ A }}","EndsWith":"bc")", 1},
    {R"("Variable":"{{ A }}","EndsWith":"Ab")", 0},
    {R"("Variable":"x{{ A }}y","Contains":"{{ A }}")", 1},
    {R"("Variable":"{{ N }}","NumericEquals":7)", 1},
    {R"("Variable":"{{ N }}","NumericEquals":"7.0")", 1},
    {R"("Variable":"{{ N }}","NumericGreater":7)", 0},
    {R"("Variable":"{{ N }}","NumericGreaterOrEquals":7)", 1},
    {R"("Variable":"{{ N }}","NumericLesser":8)", 1},
    {R"("Variable":"{{ N }}","NumericLesserOrEquals":6)", 0},
    {R"("Variable":"{{ A }}","NumericEquals":7)", -1},
    {R"("Variable":"{{ B }}","BooleanEquals":true)", 1},
    {R"("Variable":"{{ B }}","BooleanEquals":"false")", 0},
    {R"("Variable":"{{ A }}","BooleanEquals":true)", -1},
    {R"("Variable":"{{ X }}","StringEquals":"")", -1},
    {R"("And":[{"Variable":"{{ N }}","NumericEquals":7},{"Variable":"{{ A }}","Contains":"b"}])", 1},
    {R"("And":[{"Variable":"{{ N }}","NumericEquals":8},{"Variable":"{{ X }}","Contains":"b"}])", 0},
    {R"("Or":[{"Variable":"{{ N }}","NumericEquals":7},{"Variable":"{{ X }}","Contains":"b"}])", 1},
    {R"("Or":[{"Variable":"{{ N }}","NumericEquals":8},{"Variable":"{{ A }}","Contains":"x"}])", 0},
    {R"("Not":{"Variable":"{{ N }}","NumericEquals":8})", 1},
    {R"("Not":{"Or":[{"Variable":"{{ N }}","NumericEquals":8},{"Variable":"{{ A }}","Contains":"b"}]})", 0},
};

TEST(Condition, Table) {
  const document::Values values = {{"A", "Abc"}, {"N", 7}, {"B", true}};
  const document::ValueOf value_of = [&](const std::string& name) -> Result<json::Value> {
    if (const auto at = values.find(name); at != values.end()) return at->second;
    return Error(Code::invalid_argument, "no value");
  };
  for (const auto& row : kConditions) {
    SCOPED_TRACE(row.condition);
    const auto content = parse_marked_json("{\"NextStep\":\"x\"," + std::string(row.condition) + "}");
    ASSERT_TRUE(content.ok());
    document::Reader reader(*content);
    std::vector<std::string> used;
    const auto choice = read_choice(reader, content->value, "", used);
    ASSERT_TRUE(reader.ok()) << reader.error().message();
    const auto met = holds(choice.condition, value_of);
    EXPECT_EQ(met.ok() ? static_cast<int>(*met) : -1, row.holds);
  }
}

}  // namespace
}  // namespace belay::automation
