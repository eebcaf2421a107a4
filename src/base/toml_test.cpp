#include "base/toml.hpp"

#include <gtest/gtest.h>

namespace belay::toml {
namespace {

TEST(Toml, BecomesTheSameValueAsJsonWithItsPlaces) {
  const auto read = parse("# words\na = 'x'\n[b]\nlist = [1, 2.5,\n true]\n[[c]]\nd = \"y\"\n").value();
  EXPECT_EQ(json::to_canonical_text(read.value), R"({"a":"x","b":{"list":[1,2.5E0,true]},"c":[{"d":"y"}]})");
  EXPECT_EQ(read.mark_of("a").line, 2U);
  EXPECT_EQ(read.mark_of("b.list[2]").line, 5U);
  EXPECT_EQ(read.mark_of("c[0].d").line, 7U);
}

TEST(Toml, WhatIsNoTomlIsRefusedWithItsLine) {
  const auto refused = [](std::string_view text) { return parse(text).error().message(); };
  EXPECT_NE(refused("a = 1\nb = \n").find("line 2"), std::string::npos);
  EXPECT_NE(refused("a = 1\na = 2\n").find("line 2"), std::string::npos) << "a key that stands twice";
  EXPECT_NE(refused("\nday = 2026-11-27\n").find("line 2: day is a date"), std::string::npos);
  EXPECT_EQ(parse("x = nan").error().code(), Code::invalid_argument);
  EXPECT_EQ(parse("x = 'abc'", {.bytes_max = 4}).error().code(), Code::resource_exhausted);
  EXPECT_EQ(parse("x = [1,2,3,4]", {.nodes_max = 4}).error().code(), Code::resource_exhausted);
  EXPECT_EQ(parse("x = [[[[1]]]]", {.depth_max = 3}).error().code(), Code::resource_exhausted);
}

}  // namespace
}  // namespace belay::toml
