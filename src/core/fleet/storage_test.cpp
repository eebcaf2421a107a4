#include "core/fleet/storage.hpp"

#include <gtest/gtest.h>

namespace belay::fleet {
namespace {

StorageHealth of(std::string what, std::string subject, StorageState state, std::vector<std::string> mounts) {
  return {std::move(what), std::move(subject), state, "seen", std::move(mounts)};
}

TEST(Storage, WhatIsNotWholeHoldsUpTheMountsOnItAlone) {
  using enum StorageState;
  const std::vector<StorageHealth> storage{
      of("md", "md0", degraded, {"/", "/var"}), of("md", "md1", ok, {"/srv"}), of("disk", "sda", degraded, {"/srv"}),
      of("disk", "sdb", failing, {"/srv/data"}), of("mount", "/mnt/nas", failing, {"/mnt/nas"})};
  struct Row {
    std::vector<std::string> written_to;
    std::vector<std::string> held_up_by;
  };
  for (const auto& row : {Row{{"/", "/var"}, {"md0"}},
                          {{"/srv"}, {}},  // its array is whole, and its disk only warns
                          {{"/srv/data"}, {"sdb"}},
                          {{"/mnt/nas"}, {"/mnt/nas"}},
                          {{"/var", "/mnt/nas"}, {"md0", "/mnt/nas"}},
                          {{}, {}}}) {
    std::vector<std::string> subjects;
    for (const auto& problem : storage_problems(storage, row.written_to)) {
      EXPECT_EQ(problem.reason, Reason::storage_degraded);
      EXPECT_NE(problem.next, "");
      subjects.push_back(problem.subject);
    }
    EXPECT_EQ(subjects, row.held_up_by);
  }
}

TEST(Storage, WhatDidNotSayHoldsNothingUp) {
  EXPECT_FALSE(holds_up(of("disk", "sda", StorageState::unknown, {"/"})));
  EXPECT_FALSE(holds_up(of("lvm", "vg/pool", StorageState::unknown, {"/"})));
}

TEST(Storage, IsToldInOneLine) {
  EXPECT_EQ(text_of(of("md", "md0", StorageState::degraded, {"/", "/var"})), "md md0 (/, /var): degraded: seen");
  EXPECT_EQ(text_of(of("mount", "/mnt/nas", StorageState::failing, {"/mnt/nas"})), "mount /mnt/nas: failing: seen");
}

TEST(Storage, AStripeIsNoArrayThatOutlivesADisk) {
  StorageHealth array{"md", "md0", StorageState::ok, "raid1, 2 of 2 disks", {}};
  EXPECT_TRUE(is_redundant_array(array));
  array.detail = "raid0, 2 disks";
  EXPECT_FALSE(is_redundant_array(array));
  EXPECT_FALSE(is_redundant_array({"disk", "sda", StorageState::ok, "raid1", {}}));
}

}  // namespace
}  // namespace belay::fleet
