// The way back: what a run gets hold of before the first byte, and what becomes of it afterwards.
#include "agent/runner/kept_snapshots.hpp"
#include "agent/runner/run_fixture_test.hpp"

namespace belay::agent {
namespace {

using patchrun::ReversibilityClass;

PatchRunOrder order_of(ReversibilityClass least) {
  auto order = order_for_both();
  order.protection.least = least;
  return order;
}

TEST(RunProtect, HeldPackagesAreTheFirstClass) {
  Machine machine;
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R1));
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  const auto way = patchrun::report(run).way_back;
  EXPECT_EQ(way.reached, ReversibilityClass::R1);
  EXPECT_EQ(way.held, (std::vector<std::string>{"curl_1_amd64", "libc6_1_amd64"}));
  EXPECT_EQ(way.why_not_more, std::vector<std::string>{"no snapshot provider of this node covers /"});
}

TEST(RunProtect, RepackedOnesAreNamedSo) {
  Machine machine;
  machine.disk.put(machine.paths.held() + "/curl_1_amd64.deb.repacked", "made by dpkg-repack");
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R1));
  EXPECT_EQ(run.way_back.held.at(0), "curl_1_amd64 (repacked)");
}

TEST(RunProtect, BelowTheLeastClassNothingIsBegun) {
  Machine machine;
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R2));
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_NE(run.problems.at(0).detail.find("no way back of class R2, only of R1"), std::string::npos) << told(run);
  EXPECT_NE(run.problems[0].detail.find("covers /"), std::string::npos) << told(run);
}

TEST(RunProtect, ASnapshotOfAllThatChangesIsTheSecondClass) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R2), {&snapshots});
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(run.way_back.reached, ReversibilityClass::R2);
  EXPECT_EQ(run.way_back.snapshots, std::vector<std::string>{"fake:belay-" + kRunId + " of /"});
}

TEST(RunProtect, ASnapshotThatLeavesAMountOutIsNone) {
  Machine machine;
  machine.disk.put("/proc/self/mounts", "/dev/a / btrfs rw 0 0\n/dev/b /var ext4 rw 0 0\n/dev/c /boot ext4 rw 0 0\n");
  FakeSnapshots snapshots(machine.clock);
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R2), {&snapshots});
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  EXPECT_EQ(run.way_back.why_not_more, (std::vector<std::string>{"fake: /var is none of this provider's",
                                                                 "no snapshot provider of this node covers /var"}));
  EXPECT_TRUE(run.way_back.snapshots.empty());
  EXPECT_TRUE(snapshots.list()->empty()) << "what was just taken is removed";
}

TEST(RunProtect, TheMountOfEveryFileOfTheChangedPackagesIsToBeCovered) {
  Machine machine;
  machine.disk.put("/proc/self/mounts", "/dev/a / btrfs rw 0 0\n/dev/b /srv ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n");
  auto state = machine.state();
  state.files["curl"] = {"/usr/bin/curl", "/tmp/x", "/srv/curl/data"};
  machine.disk.put(kPackagesPath, json::encode_text(state));
  FakeSnapshots snapshots(machine.clock);
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R2), {&snapshots});
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  ASSERT_FALSE(run.way_back.why_not_more.empty());
  EXPECT_EQ(run.way_back.why_not_more.back(), "no snapshot provider of this node covers /srv");
}

TEST(RunProtect, OneThatFailsHoldsBackOnlyWhoAskedForIt) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  snapshots.fails_to_create = true;
  EXPECT_EQ(drive_to_end(machine, order_of(ReversibilityClass::R2), {&snapshots}).outcome, Outcome::refused);
  ASSERT_TRUE(machine.disk.remove(machine.paths.journal(kRunId)).ok());
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R1), {&snapshots});
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_NE(run.way_back.why_not_more.at(0).find("no room"), std::string::npos);
}

TEST(RunProtect, OnlyTheProvidersThatTheOrderNamesAreUsed) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  auto order = order_of(ReversibilityClass::R1);
  order.protection.snapshots = {"packages", "zfs"};
  const auto run = drive_to_end(machine, order, {&snapshots});
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(snapshots.created(), 0);
  EXPECT_EQ(run.way_back.why_not_more.at(0), "this node has no snapshot provider 'zfs'");
}

TEST(RunProtect, WithoutAWayBackOnlyWhereTheOrderSaysSo) {
  Machine machine;
  machine.set_fault(FakeFault::hold_fails, "libc6", -1);
  EXPECT_EQ(drive_to_end(machine, order_of(ReversibilityClass::R1)).outcome, Outcome::refused);
  ASSERT_TRUE(machine.disk.remove(machine.paths.journal(kRunId)).ok());
  const auto run = drive_to_end(machine, order_of(ReversibilityClass::R0));
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(run.way_back.reached, ReversibilityClass::R0);
  EXPECT_FALSE(run.way_back.why_not_more.empty());
}

// ---- afterwards

TEST(RunProtect, ASnapshotIsKeptAsLongAsOrdered) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  auto order = order_of(ReversibilityClass::R2);
  order.protection.keep_snapshots = std::chrono::hours(48);
  ASSERT_EQ(drive_to_end(machine, order, {&snapshots}).outcome, Outcome::committed);
  const auto tidy = [&] { return tidy_snapshots(machine.disk, machine.paths, {&snapshots}, machine.clock.now()); };
  machine.clock.advance(std::chrono::hours(47));
  EXPECT_TRUE(tidy().empty());
  EXPECT_EQ(snapshots.list()->size(), 1u);
  machine.clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(tidy().empty());
  EXPECT_TRUE(snapshots.list()->empty());
}

TEST(TidySnapshots, WhatBelongsToNoRunIsReportedAndLeft) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  ASSERT_TRUE(snapshots.create("belay-11111111-2222-4333-8444-999999999999", {"/"}).ok());
  ASSERT_TRUE(snapshots.create("belay-" + kRunId, {"/"}).ok());  // of an order that is open
  const auto left = tidy_snapshots(machine.disk, machine.paths, {&snapshots}, machine.clock.now());
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].subject, "fake:belay-11111111-2222-4333-8444-999999999999");
  EXPECT_EQ(snapshots.list()->size(), 2u);
}

TEST(TidySnapshots, ARecordThatCannotBeReadIsTold) {
  Machine machine;
  machine.disk.put(machine.paths.snapshots(), "{\"snapshots\": 7}");
  FakeSnapshots snapshots(machine.clock);
  EXPECT_EQ(tidy_snapshots(machine.disk, machine.paths, {&snapshots}, machine.clock.now()).size(), 1u);
}

}  // namespace
}  // namespace belay::agent
