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

TEST(Toml, ReadsEveryFormOfANumber) {
  const std::pair<std::string_view, double> cases[] = {
      {"0.5", 0.5},         {"+1.25", 1.25},          {"-0.25", -0.25},    {"1e3", 1e3},          {"1E+5", 1e5},
      {"-2.5e-3", -2.5e-3}, {"6.626e-34", 6.626e-34}, {"1_000.5", 1000.5}, {"1_0.0_1e0_2", 1001}, {"0.1", 0.1},
  };
  for (const auto& [text, number] : cases) {
    const auto read = parse("x = " + std::string(text));
    ASSERT_TRUE(read.ok()) << text << ": " << read.error().message();
    EXPECT_EQ(read->value.at("x").as_double(), number) << text;
  }
  for (const auto* text : {"1.", ".5", "1e", "1.e3", "1..2", "1.5x", "1__0.5", "_1.5", "1e400", "inf"})
    EXPECT_EQ(parse("x = " + std::string(text)).error().code(), Code::invalid_argument) << text;
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
