#include "base/pattern.hpp"

#include <gtest/gtest.h>

namespace belay {
namespace {

struct Row {
  const char *pattern, *text;
  bool matches;
};
constexpr Row kRows[] = {
    {"[a-z]+", "abc", true},   {"[a-z]+", "abc;", false},
    {"^[a-z]+$", "abc", true}, {"^[a-z]+$", "abc\n", false},
    {"a|ab", "ab", true},      {"", "", true},
    {"", "a", false},          {".*", "a\nb", false},
    {"^é$", "é", true},        {"(a+)+b", "aaaaaaaaaaaa", false},
};

TEST(Pattern, WholeTextOnly) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.pattern);
    const auto pattern = Pattern::compile(row.pattern);
    ASSERT_TRUE(pattern.ok());
    EXPECT_EQ(pattern->matches_whole(row.text), row.matches) << row.text;
  }
}

TEST(Pattern, BadOnesAreRefusedAndWorkIsBounded) {
  EXPECT_EQ(Pattern::compile("[a-").error().code(), Code::invalid_argument);
  EXPECT_FALSE(Pattern::compile(std::string(3'000, 'a')).ok());
  const auto slow = Pattern::compile("(x+x+)+y");
  ASSERT_TRUE(slow.ok());
  EXPECT_FALSE(slow->matches_whole(std::string(60'000, 'x')));
  EXPECT_FALSE(Pattern::compile("a.").value().matches_whole("a\xff")) << "not UTF-8";
}

}  // namespace
}  // namespace belay
