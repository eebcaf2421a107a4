#include "core/inventory/query.hpp"

#include <gtest/gtest.h>

#include "core/inventory/types.hpp"

namespace belay::inventory {
namespace {

const Entries kPackages = {
    {{"Name", "openssl"}, {"Version", "3.0.9"}}, {{"Name", "vim"}, {"Version", "9.10"}}, {{"Name", "bare"}}};

Filter filter(const char* key, Operator op, std::vector<std::string> values) {
  auto made = make_filter(key, op, std::move(values));
  EXPECT_TRUE(made.ok());
  return made.ok() ? *made : Filter();
}

TEST(InventoryQuery, EveryOperator) {
  using enum Operator;
  const struct {
    const char* key;
    Operator op;
    std::vector<std::string> values;
    bool passes;
  } rows[] = {
      {"AWS:Application.Name", Equal, {"openssl"}, true},
      {"AWS:Application.Name", Equal, {"nothing", "vim"}, true},
      {"AWS:Application.Name", Equal, {"open"}, false},
      {"AWS:Application.Name", NotEqual, {"apache2"}, true},
      {"AWS:Application.Name", NotEqual, {"vim", "apache2"}, false},
      {"AWS:Application.Name", BeginWith, {"open"}, true},
      {"AWS:Application.Name", BeginWith, {"pen"}, false},
      {"AWS:Application.Version", LessThan, {"9.9"}, true},
      {"AWS:Application.Version", LessThan, {"3.0.9"}, false},
      {"AWS:Application.Version", GreaterThan, {"9.9"}, true},
      {"AWS:Application.Version", GreaterThan, {"9.10"}, false},
      {"AWS:Application.Version", Exists, {"true"}, true},
      {"AWS:Application.Publisher", Exists, {"true"}, false},
      {"AWS:Application.Publisher", Exists, {"false"}, true},
      {"AWS:Application", Exists, {"true"}, true},
      {"AWS:Application", Exists, {"false"}, false},
      {"TypeName", Exists, {"AWS:Application"}, true},
  };
  for (const auto& row : rows) {
    const Filter filters[] = {filter(row.key, row.op, row.values)};
    EXPECT_EQ(passes(filters, kPackages), row.passes) << row.key << " " << int(row.op) << " " << row.values[0];
  }
}

TEST(InventoryQuery, FiltersOfOneTypeAreAskedOfOneEntry) {
  const Filter openssl = filter("AWS:Application.Name", Operator::Equal, {"openssl"});
  const Filter vim_version = filter("AWS:Application.Version", Operator::Equal, {"9.10"});
  EXPECT_FALSE(passes(std::vector{openssl, vim_version}, kPackages));
  EXPECT_TRUE(passes(std::vector{openssl, filter("AWS:Application.Version", Operator::LessThan, {"3.1"})}, kPackages));
  EXPECT_FALSE(passes(std::vector{openssl}, {}));
  EXPECT_TRUE(passes(std::vector{filter("AWS:Application.Name", Operator::NotEqual, {"openssl"})}, {}));
}

TEST(InventoryQuery, ValuesHaveAnOrder) {
  const struct {
    const char* attribute;
    const char* less;
    const char* more;
  } rows[] = {{"CPUs", "9", "10"},           {"CPUs", "-1", "0.5"},
              {"Version", "1.9", "1.10"},    {"PlatformVersion", "9", "12"},
              {"Version", "1:1.0", "2:0.1"}, {"InstalledTime", "2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z"},
              {"Name", "10", "9a"}};
  for (const auto& row : rows) {
    EXPECT_TRUE(compare_values(row.attribute, row.less, row.more) < 0) << row.less;
    EXPECT_TRUE(compare_values(row.attribute, row.more, row.less) > 0) << row.more;
    EXPECT_TRUE(compare_values(row.attribute, row.more, row.more) == 0) << row.more;
  }
}

TEST(InventoryQuery, PathsThatAreNone) {
  for (const char* text : {"", "AWS:Application", "Name", "AWS:Application.", "AWS:.Name", ".", "a.b"})
    EXPECT_FALSE(parse_path(text).ok()) << text;
  const auto path = parse_path("Custom:Rack.v2.Bay");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->type, "Custom:Rack.v2");
  EXPECT_EQ(path->attribute, "Bay");
  EXPECT_FALSE(make_filter("AWS:Application", Operator::Equal, {"x"}).ok());
  EXPECT_FALSE(make_filter("TypeName", Operator::Exists, {"a", "b"}).ok());
}

using Data = std::map<std::string, Entries, std::less<>>;
EntriesOf node(const Data& data, std::string hash = {}) {
  return [&data, hash](std::string_view type) -> Result<Held> {
    const auto at = data.find(type);
    if (at == data.end()) return Held{};
    return Held{&at->second, hash};
  };
}

const Data kOne = {{"AWS:Application", {{{"Name", "a"}, {"Version", "1"}}, {{"Name", "a"}, {"Version", "2"}}}},
                   {"AWS:InstanceInformation", {{{"PlatformName", "Debian"}}}}};
const Data kTwo = {{"AWS:Application", {{{"Name", "a"}, {"Version", "2"}}}},
                   {"AWS:InstanceInformation", {{{"PlatformName", "Ubuntu"}}}}};

TEST(InventoryQuery, AMatcherAsksEveryType) {
  Matcher matcher({filter("AWS:Application.Version", Operator::Equal, {"2"}),
                   filter("AWS:InstanceInformation.PlatformName", Operator::Equal, {"Debian"})});
  EXPECT_TRUE(*matcher.passes(node(kOne)));
  EXPECT_FALSE(*matcher.passes(node(kTwo)));
  EXPECT_FALSE(*matcher.passes(node({})));
  EXPECT_TRUE(*Matcher({}).passes(node({})));
  Matcher shared({filter("AWS:Application.Version", Operator::Equal, {"1"})});
  EXPECT_TRUE(*shared.passes(node(kOne, "h1")));
  EXPECT_FALSE(*shared.passes(node(kTwo, "h2")));
  EXPECT_TRUE(*shared.passes(node({{"AWS:Application", {}}}, "h1"))) << "the same hash is the same content";
}

TEST(InventoryQuery, CountsAreOfNodes) {
  const auto count = [&](std::vector<Path> steps) {
    Counter counter(std::move(steps));
    EXPECT_TRUE(counter.add(node(kOne, "1")).ok());
    EXPECT_TRUE(counter.add(node(kTwo, "2")).ok());
    return counter.counts();
  };
  using Counts = Counter::Counts;
  EXPECT_EQ(count({{"AWS:Application", "Name"}}), (Counts{{{"a"}, 2}}));
  EXPECT_EQ(count({{"AWS:Application", "Name"}, {"AWS:Application", "Version"}}),
            (Counts{{{"a", "1"}, 1}, {{"a", "2"}, 2}}));
  EXPECT_EQ(count({{"AWS:InstanceInformation", "PlatformName"}, {"AWS:Application", "Version"}}),
            (Counts{{{"Debian", "1"}, 1}, {{"Debian", "2"}, 1}, {{"Ubuntu", "2"}, 1}}));
  EXPECT_TRUE(count({{"Custom:None", "x"}}).empty());
  Entries many;
  for (int i = 0; i < 10'001; ++i) many.push_back({{"Name", std::to_string(i)}});
  const Data crowd = {{"AWS:Application", many}};
  Counter counter({{"AWS:Application", "Name"}});
  EXPECT_FALSE(counter.add(node(crowd)).ok());
}

TEST(InventoryTypes, SchemaVersionsHaveAnOrder) {
  EXPECT_TRUE(is_later_version("1.10", "1.9"));
  EXPECT_FALSE(is_later_version("1.9", "1.9"));
  EXPECT_TRUE(is_later_version("2.0", "1.99"));
  for (const auto& type : known_types()) {
    EXPECT_EQ(find_type(type.name), &type);
    EXPECT_FALSE(type.attributes.empty());
  }
  EXPECT_TRUE(has_attribute(*find_type("AWS:File"), "Size"));
  EXPECT_EQ(find_type("AWS:Nothing"), nullptr);
}

}  // namespace
}  // namespace belay::inventory
