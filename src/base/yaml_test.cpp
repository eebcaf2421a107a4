#include "base/yaml.hpp"

#include <gtest/gtest.h>

#include <random>

namespace belay::yaml {
namespace {

struct Row {
  const char *name, *text, *json;  // json nullptr: refused
  const char* says = "";
};
const Row kRows[] = {
    {"scalars", "a: 1\nb: -2\nc: 2.5\nd: true\ne: ~\nf: text\ng:\n",
     R"({"a":1,"b":-2,"c":2.5E0,"d":true,"e":null,"f":"text","g":null})"},
    {"texts that look like more", "a: 0644\nb: yes\nc: 0x1f\nd: '1'\ne: \"true\"\nf: 1.2.3\ng: .5\nh: 1e999\ni: 1.\n",
     R"({"a":"0644","b":"yes","c":"0x1f","d":"1","e":"true","f":"1.2.3","g":".5","h":"1e999","i":"1."})"},
    {"block text", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", R"({"a":"x\ny\n","b":"x y"})"},
    {"lists", "- 1\n- - 2\n  - 3\n- {a: [4, 5]}\n", R"([1,[2,3],{"a":[4,5]}])"},
    {"an alias repeats", "a: &x [1, 2]\nb: *x\n", R"({"a":[1,2],"b":[1,2]})"},
    {"a second document end", "--- \na: 1\n...\n", R"({"a":1})"},
    {"JSON", R"({"a": ["b\u00e9", 1]})", R"({"a":["bé",1]})"},
    {"number keys are text", "1: a\ntrue: b\n", R"({"1":"a","true":"b"})"},
    {"empty", "", nullptr, "without a value"},
    {"twice", "a: 1\nb: 2\na: 3\n", nullptr, "line 3 column 1: a stands twice"},
    {"twice within", "x:\n  - a: 1\n    a: 3\n", nullptr, "x[0].a stands twice"},
    {"merge", "a: &x {b: 1}\nc:\n  <<: *x\n", nullptr, "line 3 column 3: merge keys"},
    {"tag", "a: !!python/object 1\n", nullptr, "tag"},
    {"tag of a map", "a: !mine {b: 1}\n", nullptr, "tag"},
    {"list as key", "? [a, b]\n: 1\n", nullptr, "a key must be text"},
    {"no name", "~: 1\n", nullptr, "without a name"},
    {"second document", "a: 1\n---\nb: 2\n", nullptr, "second document"},
    {"tab", "a:\n\t- b\n", nullptr, "line 2"},
    {"unbalanced", "a: [1, 2\n", nullptr, "line"},
    {"unknown alias", "a: *b\n", nullptr, "line 1"},
    {"an alias in itself", "a: &x [1, *x]\n", nullptr, "inside what it names"},
    {"not UTF-8", "a: \xff\n", nullptr, "UTF-8"},
};

TEST(Yaml, Table) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    const auto parsed = parse(row.text);
    if (row.json) {
      ASSERT_TRUE(parsed.ok()) << parsed.error().chain();
      EXPECT_EQ(json::to_text(parsed->value), row.json);
    } else {
      ASSERT_FALSE(parsed.ok());
      EXPECT_NE(parsed.error().message().find(row.says), std::string::npos) << parsed.error().message();
    }
  }
}

TEST(Yaml, KnowsWhereThingsStand) {
  const auto parsed = parse("a: 1\nb:\n  - c: x\n    d: y\n  - e\n");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->mark_of("b[0].d").line, 4u);
  EXPECT_EQ(parsed->mark_of("b[1]").line, 5u);
  EXPECT_EQ(parsed->mark_of("b[1]").column, 5u);
  EXPECT_EQ(parsed->mark_of("b[0].nowhere").line, 3u) << "the nearest part around it";
  EXPECT_EQ(parsed->mark_of("nowhere").line, 1u);
}

TEST(Yaml, BombsAreRefused) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const auto before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) laughs += ", " + before;
    laughs += "]\n";
  }
  EXPECT_EQ(parse(laughs).error().code(), Code::resource_exhausted);
  std::string fat = "a: &a " + std::string(60'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 5'000; ++i) fat += ", *a";
  EXPECT_EQ(parse(fat + "]\n").error().code(), Code::resource_exhausted);
  EXPECT_FALSE(parse(std::string(60'000, '[')).ok());
  EXPECT_EQ(parse(std::string(60, '[') + std::string(60, ']')).error().code(), Code::resource_exhausted);
  EXPECT_EQ(parse("a: " + std::string(200'000, 'x')).error().code(), Code::resource_exhausted);
  std::string many;
  for (int i = 0; i < 30'000; ++i) many += "- 1\n";
  EXPECT_EQ(parse(many).error().code(), Code::resource_exhausted);
}

// ---- writing
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}
  json::Value value(int depth) {
    const auto kind = pick(depth > 3 ? 5 : 8);
    if (kind == 0) return nullptr;
    if (kind == 1) return pick(2) == 0;
    if (kind == 2) return static_cast<std::int64_t>(random_()) - 2'000'000'000;
    if (kind == 3) return static_cast<double>(pick(2'000)) / 8 + 0.5;
    if (kind == 4 || kind == 5) return json::Value(text());
    if (kind == 6) {
      json::Array array;
      for (auto n = pick(4); n > 0; --n) array.push_back(value(depth + 1));
      return array;
    }
    json::Object object;
    for (auto n = pick(4); n > 0; --n) object[text()] = value(depth + 1);
    return object;
  }

 private:
  std::size_t pick(std::size_t n) { return random_() % n; }
  std::string text() {
    static const std::string_view kParts[] = {"a",  "B ",  " ", "\n", "\n\n", ": ", "#", " #", "'",    "\"",   "\\",
                                              "{{", "- ",  "|", "é",  "1",    "0",  "~", "\t", "yes",  "true", "null",
                                              "%",  "---", "&", "*",  "!",    "?",  ",", "]",  "\x01", "\r",   "x y"};
    std::string out;
    for (auto n = pick(6); n > 0; --n) out += kParts[pick(std::size(kParts))];
    return out;
  }
  std::mt19937 random_;
};

TEST(Yaml, WhatIsWrittenIsReadAgain) {
  for (unsigned seed = 0; seed < 3'000; ++seed) {
    const auto value = Maker(seed).value(0);
    const auto text = to_text(value);
    const auto again = parse(text);
    ASSERT_TRUE(again.ok()) << seed << ": " << again.error().chain() << "\n" << text << "\n" << json::to_text(value);
    ASSERT_EQ(json::to_text(again->value), json::to_text(value)) << seed << "\n" << text;
  }
}

TEST(Yaml, LongKeysAreWrittenSoThatTheyAreRead) {
  const json::Value value = {{std::string(2'000, 'k'), 1}, {"a", {{std::string(3'000, ' ') + "x", {{"b", 2}}}}}};
  EXPECT_EQ(json::to_text(parse(to_text(value))->value), json::to_text(value));
}

TEST(MarkedJson, PlacesAndRefusals) {
  const auto parsed = parse_marked_json("{\"a\": 1,\n \"b\": [\n  {\"c\\u0064\": \"x,}\"}, [], {}, true]}");
  ASSERT_TRUE(parsed.ok()) << parsed.error().chain();
  EXPECT_EQ(parsed->mark_of("a").column, 7u);
  EXPECT_EQ(parsed->mark_of("b").line, 2u);
  EXPECT_EQ(parsed->mark_of("b[0].cd").line, 3u);
  EXPECT_EQ(parsed->mark_of("b[3]").line, 3u);
  const auto twice = parse_marked_json("{\"a\":1,\n\"a\":2}");
  EXPECT_NE(twice.error().message().find("a stands twice, again at line 2 column 1"), std::string::npos);
  for (const auto* text : {R"({"x":[{"a:b":1,"a:b":2}]})", R"({"a":{},"a":{}})", R"({"a":1,"\u0061":2})"}) {
    const auto strict = parse_strict_json(text);
    ASSERT_FALSE(strict.ok()) << text;
    EXPECT_NE(strict.error().message().find("stands twice"), std::string::npos) << strict.error().message();
  }
  for (const auto* text : {R"({"a":":\":","b":[{"a":1},{"a":2}],"c":{"a":{"a":1}}})", R"([":",1])", R"(":")"})
    EXPECT_TRUE(parse_strict_json(text).ok()) << text;
  const auto broken = parse_marked_json("{\"a\":1,\n\"b\" 2}");
  EXPECT_NE(broken.error().message().find("line 2"), std::string::npos) << broken.error().message();
  EXPECT_FALSE(parse_marked_json("{} x").ok());
  EXPECT_FALSE(parse_marked_json(std::string(100, '[')).ok());
  EXPECT_EQ(parse_marked_json("[1,2,3]", {.nodes_max = 3}).error().code(), Code::resource_exhausted);
}

}  // namespace
}  // namespace belay::yaml
