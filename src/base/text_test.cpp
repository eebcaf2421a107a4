#include "base/text.hpp"

#include <gtest/gtest.h>

namespace belay {
namespace {

struct GlobRow {
  std::string_view pattern, text;
  bool match;
};
constexpr GlobRow kGlobRows[] = {
    {"*", "", true},
    {"*", "anything", true},
    {"lib*", "libc6", true},
    {"lib*", "alib", false},
    {"*ssl*", "libssl3", true},
    {"a?c", "abc", true},
    {"a?c", "ac", false},
    {"[a-c]x", "bx", true},
    {"[!a-c]x", "bx", false},
    {"[!a-c]x", "dx", true},
    {"[]]x", "]x", true},
    {"[abc", "[abc", true},
    {"a**b", "ab", true},
    {"*a*b*c", "xxaxxbxxc", true},
    {"*a*b*c", "xxaxxc", false},
    {"", "", true},
    {"", "a", false},
    {"linux-image-*", "linux-image-6.1.0-50-amd64", true},
};

TEST(Glob, MatchesAsShellsDo) {
  for (const auto& row : kGlobRows)
    EXPECT_EQ(glob_match(row.pattern, row.text), row.match) << row.pattern << " " << row.text;
}

TEST(Glob, IsNotExponential) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(2000, 'a')));
}

TEST(Utf8, KnowsWellFormedText) {
  for (const auto* text : {"", "plain", "grün", "€", "😀"}) EXPECT_TRUE(is_valid_utf8(text)) << text;
  for (const auto* text : {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"})
    EXPECT_FALSE(is_valid_utf8(text));
}

TEST(Sanitize, LeavesNothingThatHarmsATerminal) {
  EXPECT_EQ(sanitize("a\x1b[31mb\tc\nd\x7f", 100), "a\\x1b[31mb\tc\nd\\x7f");
  EXPECT_EQ(sanitize("a\xff"
                     "b",
                     100),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(sanitize("abcdefgh", 5), "ab…");
  EXPECT_EQ(sanitize("üüüü", 6), "ü…");
  EXPECT_EQ(sanitize("abc", 3), "abc");
}

TEST(Nearest, IsWhatWasProbablyMeant) {
  const std::vector<std::string_view> members{"Name", "ApprovalRules", "ApprovedPatches", "OperatingSystem"};
  for (const auto& [word, meant] : {std::pair{"ApprovalRule", "ApprovalRules"},
                                    {"approvalrules", "ApprovalRules"},
                                    {"OperatingSytem", "OperatingSystem"},
                                    {"Nmae", "Name"},
                                    {"Neam", ""},
                                    {"name", "Name"},
                                    {"Nam", "Name"},
                                    {"Colour", ""},
                                    {"", ""}})
    EXPECT_EQ(nearest(word, members), meant) << word;
  EXPECT_EQ(nearest(std::string(100'000, 'a'), members), "");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(split("a,,b,", ',').size(), 4u);
  EXPECT_EQ(split("", ',').size(), 1u);
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(trim(" \t x y \n"), "x y");
}

}  // namespace
}  // namespace belay
