#include "base/json.hpp"

#include <gtest/gtest.h>

namespace belay::json {

enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Inner {
  std::string name;
  std::uint8_t small = 7;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (name, small))

struct Outer {
  std::vector<Inner> inner;
  std::map<std::string, std::int64_t> numbers;
  std::optional<std::string> maybe;
  Colour colour = Colour::red;
  Instant at{};
  Duration wait{};
  bool flag = false;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (inner, numbers, maybe, colour, at, wait, flag))

struct Nested {
  Inner inner{"given by the outer one", 9};
  std::vector<std::string> words{"given"};
  std::map<std::string, Inner> named{{"given", {}}};
  std::optional<Inner> maybe = Inner{"given", 9};
  std::variant<std::monostate, int> passed_over;
};
BOOST_DESCRIBE_STRUCT(Nested, (), (inner, words, named, maybe))

struct Numbers {
  std::int8_t small = 0;
  std::int64_t large = 0;
  std::uint64_t natural = 0;
  double real = 0;
};
BOOST_DESCRIBE_STRUCT(Numbers, (), (small, large, natural, real))

namespace {

TEST(Json, StructsGoRound) {
  Outer out{{{"a", 1}, {"b", 255}}, {{"x", -5}}, std::nullopt, Colour::green, from_unix_ms(1000), Duration(250), true};
  const std::string text = encode_text(out);
  EXPECT_EQ(
      text,
      R"({"inner":[{"name":"a","small":1},{"name":"b","small":255}],"numbers":{"x":-5},"colour":"green","at":"1970-01-01T00:00:01Z","wait":250,"flag":true})");
  EXPECT_EQ(encode_text(decode_text<Outer>(text).value()), text);
}

TEST(Json, AbsentMembersKeepTheirDefault) {
  const auto out = decode_text<Outer>(R"({"inner":[{}],"unknown":1,"maybe":null})").value();
  EXPECT_EQ(out.inner.at(0).small, 7);
  EXPECT_FALSE(out.maybe);
}

TEST(Json, WhatIsThereReplacesADefaultWhole) {
  const auto kept = decode_text<Nested>("{}").value();
  EXPECT_EQ(kept.inner.small, 9);
  EXPECT_EQ(kept.words.size() + kept.named.size(), 2U);
  EXPECT_EQ(kept.maybe->name, "given");
  const auto read =
      decode_text<Nested>(R"({"inner":{},"words":["a","b"],"named":{"x":{"small":1}},"maybe":{}})").value();
  EXPECT_EQ(read.inner.name, "");
  EXPECT_EQ(read.inner.small, 7) << "the default of the inner struct, not of the outer";
  EXPECT_EQ(read.words, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(encode_text(read.named), R"({"x":{"name":"","small":1}})");
  EXPECT_EQ(read.maybe->small, 7);
}

TEST(Json, NumbersGoRoundToTheirEnds) {
  for (const auto* text : {R"({"small":-128,"large":-9223372036854775808,"natural":18446744073709551615,"real":2.5E0})",
                           R"({"small":127,"large":9223372036854775807,"natural":0,"real":-1E-3})"})
    EXPECT_EQ(encode_text(decode_text<Numbers>(text).value()), text);
  for (const auto* text : {R"({"small":128})", R"({"small":-129})", R"({"large":9223372036854775808})",
                           R"({"natural":-1})", R"({"large":1.5})", R"({"real":"1"})"})
    EXPECT_FALSE(decode_text<Numbers>(text).ok()) << text;
}

struct BadRow {
  std::string_view text, message;
};
constexpr BadRow kBadRows[] = {
    {R"({"inner":[{"name":1}]})", "inner[0].name: expected text"},
    {R"({"inner":[{"small":256}]})", "inner[0].small: expected a whole number between 0 and 255"},
    {R"({"inner":[{"small":-1}]})", "inner[0].small: expected a whole number between 0 and 255"},
    {R"({"colour":"blue"})", "colour: expected one of red, green"},
    {R"({"numbers":[]})", "numbers: expected an object"},
    {R"({"numbers":{"x":{}}})",
     "numbers.x: expected a whole number between -9223372036854775808 and 9223372036854775807"},
    {R"({"inner":[{},{"small":true}]})", "inner[1].small: expected a whole number between 0 and 255"},
    {R"({"at":"yesterday"})", "at"},
    {R"([])", "value: expected an object"},
};

TEST(Json, NamesThePathOfWhatIsWrong) {
  for (const auto& row : kBadRows) {
    const auto result = decode_text<Outer>(row.text);
    ASSERT_FALSE(result.ok()) << row.text;
    EXPECT_EQ(result.error().message(), row.message);
  }
  EXPECT_EQ(decode<std::vector<Inner>>(parse("[1]").value(), "rules").error().message(),
            "rules[0]: expected an object");
  EXPECT_EQ(decode<bool>(Value(1), "wait").error().message(), "wait: expected true or false");
}

TEST(Json, RefusesBrokenTextAndText0verTheLimits) {
  for (const auto* text : {"", "{", "{}x", "{\"a\":1,}", "\"\xff\"", "[01]", "nul"})
    EXPECT_FALSE(parse(text).ok()) << text;
  EXPECT_EQ(parse("[1,2,3]", {.bytes_max = 5, .depth_max = 9}).error().code(), Code::resource_exhausted);
  EXPECT_FALSE(parse(std::string(40, '[') + std::string(40, ']')).ok());
  EXPECT_TRUE(parse(std::string(20, '[') + std::string(20, ']')).ok());
}

TEST(Json, CanonicalTextDoesNotDependOnOrder) {
  const auto a = parse(R"({"b":[1,{"d":1,"c":2}],"a":"x"})").value();
  const auto b = parse(R"( {"a":"x", "b":[1,{"c":2,"d":1}]} )").value();
  EXPECT_EQ(to_canonical_text(a), to_canonical_text(b));
  EXPECT_EQ(to_canonical_text(a), R"({"a":"x","b":[1,{"c":2,"d":1}]})");
}

struct Circle {
  static constexpr std::string_view kKind = "circle";
  int radius = 0;
};
BOOST_DESCRIBE_STRUCT(Circle, (), (radius))
struct Named {
  static constexpr std::string_view kKind = "named";
  std::string name;
};
BOOST_DESCRIBE_STRUCT(Named, (), (name))

TEST(Json, VariantsAreNamedByTheirKind) {
  using Shape = std::variant<Circle, Named>;
  EXPECT_EQ(encode_text(Shape(Named{"x"})), R"({"named":{"name":"x"}})");
  const auto back = decode_text<std::vector<Shape>>(R"([{"circle":{"radius":3}},{"named":{"name":"y"}}])");
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(std::get<Circle>((*back)[0]).radius, 3);
  EXPECT_EQ(std::get<Named>((*back)[1]).name, "y");
  EXPECT_FALSE(decode_text<Shape>(R"({"square":{}})").ok());
  EXPECT_FALSE(decode_text<Shape>(R"({"circle":{},"named":{}})").ok());
  EXPECT_NE(decode_text<Shape>(R"({"circle":{"radius":"x"}})").error().message().find("circle.radius"),
            std::string::npos);
}

}  // namespace
}  // namespace belay::json
