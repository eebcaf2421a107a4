#include "core/document/versions.hpp"

#include <gtest/gtest.h>

namespace belay::document {
namespace {

const std::vector<Version> kVersions = {{1, "first", "aa"}, {3, "", "bb"}, {4, "new", "cc"}};

struct Row {
  const char *wanted, *name;
  std::uint32_t number;  // 0: refused
};
constexpr Row kRows[] = {
    {"", "", 3},      {"$DEFAULT", "", 3},     {"$LATEST", "", 4}, {"1", "", 1},   {"2", "", 0},
    {"0", "", 0},     {"01", "", 0},           {"x", "", 0},       {"", "new", 4}, {"4", "new", 4},
    {"1", "new", 0},  {"", "none", 0},         {"-1", "", 0},      {"5", "", 0},   {"$latest", "", 0},
    {"", "first", 1}, {"$LATEST", "first", 1},
};

TEST(Versions, Find) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(std::string(row.wanted) + " " + row.name);
    const auto found = find_version(kVersions, 3, row.wanted, row.name);
    EXPECT_EQ(found.ok() ? found->number : 0, row.number);
    if (!found.ok()) EXPECT_EQ(found.error().reason(), "InvalidDocumentVersion");
  }
}

TEST(Versions, AddingAndDeleting) {
  EXPECT_EQ(*next_version({}, "aa", ""), 1u);
  EXPECT_EQ(*next_version(kVersions, "dd", "other"), 5u);
  EXPECT_EQ(next_version(kVersions, "aa", "").error().reason(), "DuplicateDocumentContent");
  EXPECT_EQ(next_version(kVersions, "dd", "new").error().reason(), "DuplicateDocumentVersionName");
  EXPECT_EQ(next_version(kVersions, "dd", "a b").error().reason(), "ValidationException");
  std::vector<Version> many(kVersionsMax);
  EXPECT_EQ(next_version(many, "dd", "").error().reason(), "DocumentVersionLimitExceeded");
  EXPECT_TRUE(check_delete_version(kVersions, 3, 1).ok());
  EXPECT_FALSE(check_delete_version(kVersions, 3, 3).ok());
  EXPECT_FALSE(check_delete_version(kVersions, 3, 2).ok());
}

TEST(Versions, Names) {
  for (const auto* name : {"My-Doc_1.x", "abc", "NotAWS-x"}) EXPECT_TRUE(check_document_name(name).ok()) << name;
  for (const auto* name : {"ab", "a b c", "AWS-Foo", "aws-foo", "Amazon-x", "amzn.y", "Belay-Mine", "x/y/z", ""})
    EXPECT_EQ(check_document_name(name).error().reason(), "ValidationException") << name;
  EXPECT_FALSE(check_document_name(std::string(129, 'a')).ok());
}

TEST(Versions, Formats) {
  const std::string json = R"({"schemaVersion": "2.2", "mainSteps": [{"name": "a", "run": "x\ny\n", "count": 1}]})";
  const auto yaml = convert(json, Format::JSON, Format::YAML);
  ASSERT_TRUE(yaml.ok());
  EXPECT_EQ(*yaml, "schemaVersion: '2.2'\nmainSteps:\n  - name: a\n    run: |\n      x\n      y\n    count: 1\n");
  const auto back = convert(*yaml, Format::YAML, Format::JSON);
  EXPECT_EQ(json::to_text(*json::parse(*back)), json::to_text(*json::parse(json)));
  EXPECT_EQ(*convert(json, Format::JSON, Format::JSON), json);
  EXPECT_EQ(convert("{", Format::JSON, Format::YAML).error().reason(), "InvalidDocumentContent");
  EXPECT_EQ(guess_format("  {\"a\": 1}"), Format::JSON);
  EXPECT_EQ(guess_format("a: 1"), Format::YAML);
}

}  // namespace
}  // namespace belay::document
