#include "core/fleet/fleet_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace belay::fleet {
namespace {

TEST(TextInterner, EqualTextsAreOneNumber) {
  TextInterner texts;
  for (std::uint32_t i = 0; i < 5'000; ++i) ASSERT_EQ(texts.intern("text " + std::to_string(i)), i);
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    ASSERT_EQ(texts.intern("text " + std::to_string(i)), i);
    ASSERT_EQ(texts.text(i), "text " + std::to_string(i));
  }
  EXPECT_EQ(texts.size(), 5'000u);
  EXPECT_EQ(texts.find("unknown"), std::nullopt);
  EXPECT_EQ(texts.intern(""), 5'000u);
  EXPECT_EQ(texts.find(""), 5'000u);
  const std::string big(1 << 20, 'x');
  EXPECT_EQ(texts.text(texts.intern(big)), big);
}

Offer offer(std::string name, std::string version, std::string arch = "amd64") {
  Offer made;
  made.name = std::move(name);
  made.version = std::move(version);
  made.arch = std::move(arch);
  return made;
}

class FleetIndexTest : public testing::Test {
 protected:
  std::vector<std::string> versions(std::span<const PatchId> patches) {
    std::vector<std::string> found;
    for (const auto patch : patches) found.push_back(index_.patch(patch).version);
    return found;
  }
  PairId pair_of(SetId set, const std::string& name) {
    for (const auto pair : index_.pairs_of(set))
      if (index_.package(pair).name == name) return pair;
    ADD_FAILURE() << name << " is not in the set";
    return 0;
  }
  FleetIndex index_;
  ChannelId channel_ = index_.add_channel("bookworm", PackageFormat::deb);
};

TEST_F(FleetIndexTest, RangesAreWhatIsPresentAndWhatIsNewer) {
  for (const auto* version : {"1.10", "1.2", "1.2~rc1", "0.9", "1.3"}) index_.add_patch(channel_, offer("a", version));
  index_.add_patch(channel_, offer("a", "1.4", "i386"));
  index_.add_patch(channel_, offer("a", "1.5", "all"));
  index_.add_patch(index_.add_channel("trixie", PackageFormat::deb), offer("a", "2.0"));
  const auto set = index_.add_set(channel_, {PackageFormat::deb, {{"a", "amd64", "1.2"}}});
  const auto other = index_.add_set(channel_, {PackageFormat::deb, {{"a", "amd64", "1.11"}}});
  index_.build();
  EXPECT_EQ(versions(index_.present(pair_of(set, "a"))), std::vector<std::string>{"1.2"});
  EXPECT_EQ(versions(index_.newer(pair_of(set, "a"))), (std::vector<std::string>{"1.3", "1.5", "1.10"}));
  EXPECT_TRUE(index_.present(pair_of(other, "a")).empty());
  EXPECT_TRUE(index_.newer(pair_of(other, "a")).empty());
}

TEST_F(FleetIndexTest, TheNewestOfSeveralVersionsCounts) {
  const auto set = index_.add_set(
      channel_,
      {PackageFormat::deb, {{"k", "amd64", "1"}, {"k", "amd64", "3"}, {"k", "amd64", "2"}, {"k", "amd64", "3"}}});
  index_.build();
  ASSERT_EQ(index_.pairs_of(set).size(), 1u);
  EXPECT_EQ(index_.package(index_.pairs_of(set)[0]), (InstalledPackage{"k", "amd64", "3"}));
}

TEST_F(FleetIndexTest, ANewPatchFindsItsNodes) {
  index_.add_patch(channel_, offer("a", "1.1"));
  const auto old_set = index_.add_set(
      channel_, {PackageFormat::deb, {{"a", "amd64", "1.0"}, {"a", "i386", "1.0"}, {"b", "amd64", "1"}}});
  const auto newer_set = index_.add_set(channel_, {PackageFormat::deb, {{"a", "amd64", "1.2"}}});
  const auto without = index_.add_set(channel_, {PackageFormat::deb, {{"b", "amd64", "1"}}});
  for (const auto set : {old_set, newer_set, without, old_set}) index_.add_node(set);
  index_.build();
  const auto patch = index_.add_patch(channel_, offer("a", "1.2", "all"));
  const auto affected = index_.affected_by(patch);
  EXPECT_EQ(affected.sets, std::vector<SetId>{old_set});
  EXPECT_EQ(affected.nodes, (std::vector<NodeIndex>{0, 3}));
  EXPECT_EQ(versions(index_.newer(pair_of(old_set, "a"))), (std::vector<std::string>{"1.1", "1.2"}));
  EXPECT_EQ(versions(index_.present(pair_of(newer_set, "a"))), std::vector<std::string>{"1.2"});
  EXPECT_TRUE(index_.affected_by(index_.add_patch(channel_, offer("unknown", "9"))).nodes.empty());
}

TEST_F(FleetIndexTest, ASetComesBackAsItWas) {
  const PackageSet set{PackageFormat::deb, {{"a", "amd64", "1:1.0-1"}, {"b", "all", "2"}, {"c", "amd64", ""}}};
  const auto id = index_.add_set(channel_, set);
  index_.add_patch(channel_, offer("b", "3", "amd64"));
  index_.build();
  EXPECT_EQ(index_.package_set(id).packages, set.packages);
  EXPECT_EQ(index_.offer_set(id).offers.size(), 1u);
  EXPECT_GT(index_.bytes(), 0u);
}

}  // namespace
}  // namespace belay::fleet
