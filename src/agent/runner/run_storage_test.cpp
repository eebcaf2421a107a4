// A run holds back where what it would write to is not whole.
#include <gmock/gmock.h>

#include "agent/runner/run_fixture_test.hpp"

namespace belay::agent {
namespace {

using fleet::StorageState;

class RunStorage : public testing::Test {
 protected:
  RunStorage() { machine_.disk.put("/proc/self/mounts", "/dev/md0 / ext4 rw 0 0\n/dev/sdb1 /srv ext4 rw 0 0\n"); }
  RunState drive(const PatchRunOrder& order) {
    auto packages = machine_.packages();
    RunTools tools{machine_.disk, packages, machine_.host, machine_.clock, {}, machine_.probes(), {}};
    tools.storage = [&] { return storage_; };
    auto run = RunDriver(tools, machine_.paths).run(kRunId, order, machine_.clock.now() + std::chrono::hours(1));
    EXPECT_TRUE(run.ok());
    return run.ok() ? *run : RunState{};
  }
  Machine machine_;
  std::vector<fleet::StorageHealth> storage_{{"md", "md0", StorageState::degraded, "raid1, 1 of 2 disks", {"/"}}};
};

TEST_F(RunStorage, ADegradedArrayHoldsThePatchBackBeforeTheFirstByte) {
  const auto run = drive(order_for_both());
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  ASSERT_FALSE(run.problems.empty());
  EXPECT_EQ(run.problems[0].reason, fleet::Reason::storage_degraded);
  EXPECT_EQ(run.problems[0].subject, "md0");
  EXPECT_THAT(run.problems[0].next, testing::HasSubstr("illBefore: patch"));
  EXPECT_EQ(machine_.installed(), kBefore);
}

TEST_F(RunStorage, TheOrderMayAllowIt) {
  auto order = order_for_both();
  order.ill_before = patchrun::IllBefore::patch;
  EXPECT_EQ(drive(order).outcome, Outcome::committed);
}

TEST_F(RunStorage, WhatTheChangeDoesNotTouchHoldsNothingBack) {
  storage_ = {{"disk", "sdb", StorageState::failing, "", {"/srv"}},
              {"disk", "sda", StorageState::degraded, "16 sectors that could not be read", {"/"}},
              {"disk", "sdc", StorageState::unknown, "asleep", {"/"}}};
  EXPECT_EQ(drive(order_for_both()).outcome, Outcome::committed);
}

TEST_F(RunStorage, ARollbackThatWasOrderedGoesAhead) {
  auto order = order_for_both();
  order.undoes = "99999999-2222-4333-8444-555555555555";
  EXPECT_EQ(drive(order).outcome, Outcome::committed);
}

}  // namespace
}  // namespace belay::agent
