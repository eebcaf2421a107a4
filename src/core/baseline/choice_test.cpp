// Which baseline is in force, which values occur, and what an override list selects.
#include <gmock/gmock.h>

#include "core/baseline/override_list.hpp"
#include "core/baseline/patch_group.hpp"
#include "core/baseline/predefined.hpp"
#include "core/baseline/properties.hpp"
#include "core/baseline/test_values.hpp"

namespace belay::baseline {
namespace {

using namespace test;
using OS = OperatingSystem;
using fleet::OfferSet;
using fleet::PackageFormat;
using fleet::PackageSet;
using Tags = std::map<std::string, std::string>;

TEST(PatchGroup, ComesFromTheTagSpelledExactly) {
  EXPECT_EQ(patch_group_of({{"Patch Group", "web"}}), "web");
  EXPECT_EQ(patch_group_of({{"PatchGroup", "web"}}), "web");
  EXPECT_EQ(patch_group_of({{"Patch Group", "web"}, {"PatchGroup", "db"}}), "web");
  EXPECT_EQ(patch_group_of({{"patch group", "web"}, {"Patch-Group", "web"}}), "");
}

TEST(PatchGroup, ChoosesGroupThenDefaultThenPredefined) {
  const std::vector<PatchGroupRegistration> registered{{"web", OS::UBUNTU, "pb-ubuntu"},
                                                       {"web", OS::DEBIAN, "pb-debian"}};
  const std::map<OS, std::string> defaults{{OS::UBUNTU, "pb-default"}};
  struct Row {
    Tags tags;
    OS system;
    std::string id;
    ChosenBy by;
  };
  const std::string predefined = predefined_baseline(OS::DEBIAN)->id;
  for (const auto& row :
       std::vector<Row>{{{{"Patch Group", "web"}}, OS::DEBIAN, "pb-debian", ChosenBy::patch_group},
                        {{{"PatchGroup", "web"}}, OS::UBUNTU, "pb-ubuntu", ChosenBy::patch_group},
                        {{{"PatchGroup", "db"}}, OS::UBUNTU, "pb-default", ChosenBy::default_baseline},
                        {{}, OS::UBUNTU, "pb-default", ChosenBy::default_baseline},
                        {{{"PatchGroup", "db"}}, OS::DEBIAN, predefined, ChosenBy::predefined},
                        {{}, OS::MACOS, "", ChosenBy::predefined}}) {
    const auto choice = choose_baseline(row.tags, row.system, registered, defaults);
    EXPECT_EQ(choice.baseline_id, row.id);
    EXPECT_EQ(choice.by, row.by);
    EXPECT_EQ(choice.patch_group, patch_group_of(row.tags));
  }
}

TEST(PatchProperties, AreTheKnownAndTheSeenValues) {
  const OfferSet offers{PackageFormat::deb, {deb("1", true)}};
  EXPECT_THAT(patch_properties(OS::DEBIAN, PatchFilterKey::PRODUCT,
                               {{"Debian12", offers}, {"Debian10", offers}, {"Debian12", offers}}),
              (std::vector<std::string>{"Debian10", "Debian11", "Debian12", "Debian13"}));
  EXPECT_THAT(patch_properties(OS::UBUNTU, PatchFilterKey::PRODUCT, {}), testing::Contains("Ubuntu24.04"))
      << "before the first node of it";
  EXPECT_EQ(patch_properties(OS::DEBIAN, PatchFilterKey::PRIORITY, {{"Debian12", offers}}),
            (std::vector<std::string>{"Extra", "Important", "Optional", "Required", "Standard"}));
  EXPECT_EQ(patch_properties(OS::DEBIAN, PatchFilterKey::SECTION, {{"Debian12", offers}}),
            std::vector<std::string>{"non-free/libs"});
  EXPECT_TRUE(patch_properties(OS::DEBIAN, PatchFilterKey::SEVERITY, {{"Debian12", offers}}).empty());
  EXPECT_TRUE(patch_properties(OS::ROCKY_LINUX, PatchFilterKey::PRIORITY, {}).empty());
  EXPECT_EQ(patch_properties(OS::ROCKY_LINUX, PatchFilterKey::SEVERITY, {}).size(), 5u);
}

// ---- override lists
struct OverrideRow {
  const char* fact;
  OverridePatch patch;
  std::string to_version;  // "" where nothing changes
  bool unmatched;
};

TEST(OverrideList, SelectsByNameAndVersionGlob) {
  const PackageSet set{PackageFormat::rpm, {{"kernel", "x86_64", "0:5.14.0-70.el9"}, {"pkg", "x86_64", "1:1.0-1"}}};
  std::vector<Offer> offers{plain("1:1.0-1"), security("1:1.1-1"), security("1:1.2-1"), plain("1:0.9-1")};
  for (const auto& row :
       std::vector<OverrideRow>{{"newest", {"pkg.x86_64", "*"}, "1:1.2-1", false},
                                {"no title", {"pkg.x86_64", ""}, "1:1.2-1", false},
                                {"bare name", {"pkg", "1:1.1*"}, "1:1.1-1", false},
                                {"without the epoch", {"pkg.x86_64", "1.1-*"}, "1:1.1-1", false},
                                {"SSM's Title", {"pkg.x86_64", "pkg.x86_64:1:1.1-1"}, "1:1.1-1", false},
                                {"a glob over names", {"p*.x86_64", "1.1-1"}, "1:1.1-1", false},
                                {"what is installed", {"pkg.x86_64", "1.0-1"}, "", false},
                                {"never down", {"pkg.x86_64", "0.9*"}, "", true},
                                {"no such version", {"pkg.x86_64", "3*"}, "", true},
                                {"no such package", {"curl.x86_64", "*"}, "", true},
                                {"another architecture", {"pkg.i686", "*"}, "", true}}) {
    const auto selection = select(set, {PackageFormat::rpm, offers}, {row.patch});
    EXPECT_EQ(selection.changes.empty() ? "" : selection.changes[0].to_version, row.to_version) << row.fact;
    EXPECT_EQ(!selection.unmatched.empty(), row.unmatched) << row.fact;
  }
  const auto several = select(set, {PackageFormat::rpm, offers}, {{"pkg.x86_64", "1.1*"}, {"pkg", "1.2*"}});
  ASSERT_EQ(several.changes.size(), 1u);  // of several named versions the latest
  EXPECT_EQ(several.changes[0].to_version, "1:1.2-1");
  EXPECT_EQ(several.changes[0].from_version, "1:1.0-1");
}

TEST(OverrideList, IsCheckedWithThePlaceNamed) {
  EXPECT_TRUE(check({{"pkg.x86_64", "1*"}}).ok());
  const auto message = [](const std::vector<OverridePatch>& patches) { return check(patches).error().message(); };
  EXPECT_THAT(message({}), testing::HasSubstr("names nothing"));
  EXPECT_THAT(message(std::vector<OverridePatch>(1001, {"a", ""})), testing::HasSubstr("at most 1000"));
  EXPECT_THAT(message({{"a", ""}, {" ", ""}}), testing::HasSubstr("patches[1].id"));
  EXPECT_THAT(message({{"a", std::string(257, '1')}}), testing::HasSubstr("patches[0].title"));
  EXPECT_THAT(message({{"a\n", ""}}), testing::HasSubstr("patches[0].id"));
  EXPECT_THAT(message({{"a\xff", ""}}), testing::HasSubstr("patches[0].id"));
}

}  // namespace
}  // namespace belay::baseline
