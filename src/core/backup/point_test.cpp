#include "core/backup/point.hpp"

#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"

namespace belay::backup {
namespace {

struct Row {
  const char* fact;
  std::vector<RecoveryPoint> all;  // the last one is asked about
  std::vector<std::string> missing;
  bool whole = false;
};

TEST(Point, WhatMakesItWhole) {
  const auto full = point_of("F", "2026-11-22T01:00:00Z");
  const auto one = point_of("I1", "2026-11-22T02:00:00Z", {"F"});
  const auto two = point_of("I2", "2026-11-22T03:00:00Z", {"F", "I1"});
  const auto two_by_one = point_of("I2", "2026-11-22T03:00:00Z", {"I1"});  // says only what is right below it
  auto nameless = point_of("I9", "2026-11-22T03:00:00Z");
  nameless.made.type = BackupType::incremental;
  auto of_another_node = full, in_another_plan = full;
  of_another_node.node_id = "mi-2";
  in_another_plan.plan_id = "bp-2";
  const std::string not_named = "the point it builds on (not named)";
  const Row rows[] = {
      {"a full stands alone", {full}, {}, true},
      {"a chain that is there", {full, one, two}, {}, true},
      {"in any order", {one, full, two}, {}, true},
      {"of which only the nearest is named", {full, one, two_by_one}, {}, true},
      {"a full missing", {one, two}, {"F"}},
      {"a full missing below the one that is named", {one, two_by_one}, {"F"}},
      {"all missing", {two}, {"F", "I1"}},
      {"gone is missing", {in_state(full, PointState::gone), one}, {"F"}},
      {"damaged is missing", {in_state(full, PointState::damaged), one}, {"F"}},
      {"suspect is missing", {in_state(full, PointState::suspect), one}, {"F"}},
      {"in quarantine is missing", {in_state(full, PointState::quarantined), one}, {"F"}},
      {"expiring is missing: it may go any moment", {in_state(full, PointState::expiring), one}, {"F"}},
      {"one of the same name that is there makes up for it", {in_state(full, PointState::gone), full, one}, {}, true},
      {"another node's is another's", {of_another_node, one}, {"F"}},
      {"another plan's, too", {in_another_plan, one}, {"F"}},
      {"and another vault's", {in_vault(full, "s3"), one}, {"F"}},
      {"itself suspect", {full, in_state(one, PointState::suspect)}, {}},
      {"itself damaged, and what else", {in_state(one, PointState::damaged)}, {"F"}},
      {"an incremental that names nothing", {full, nameless}, {not_named}},
      {"a circle",
       {point_of("A", "2026-11-22T02:00:00Z", {"B"}), point_of("B", "2026-11-22T03:00:00Z", {"A"})},
       {not_named}},
      {"one on itself", {point_of("A", "2026-11-22T02:00:00Z", {"A"})}, {not_named}},
  };
  for (const Row& row : rows) {
    std::vector<std::string> missing;
    EXPECT_EQ(is_whole(row.all.back(), row.all, &missing), row.whole) << row.fact;
    EXPECT_EQ(is_whole(row.all.back(), row.all), row.whole) << row.fact;
    EXPECT_THAT(missing, testing::UnorderedElementsAreArray(row.missing)) << row.fact;
  }
}

TEST(Point, NeedNotBeAmongTheOthers) {
  const auto full = point_of("F", "2026-11-22T01:00:00Z");
  EXPECT_TRUE(is_whole(point_of("I1", "2026-11-22T02:00:00Z", {"F"}), {full}));
  EXPECT_FALSE(is_whole(point_of("I1", "2026-11-22T02:00:00Z", {"F"}), {}));
}

TEST(Reference, IsANameAndNoOptionPathOrWordOfTheTools) {
  for (const auto* good : {"20261127-010203F_20261127-020203I", "0f3c", "tape:belay-a:12:0f3c", "0f3c:20261127-010203F",
                           "set.2026-11-27T01:02:03Z", "a@b+c"})
    EXPECT_TRUE(is_reference(good)) << good;
  for (const auto* bad :
       {"", "--cache-dir=/x", "-x", "latest", "../x", "a/b", "a..b", "a b", "a\nb", ".x", "ä", "$(x)"})
    EXPECT_FALSE(is_reference(bad)) << bad;
  EXPECT_TRUE(is_reference(std::string(kReferenceBytesMax, 'a')));
  EXPECT_FALSE(is_reference(std::string(kReferenceBytesMax + 1, 'a')));
}

}  // namespace
}  // namespace belay::backup
