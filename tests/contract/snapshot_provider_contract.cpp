#include "tests/contract/snapshot_provider_contract.hpp"

#include <algorithm>

namespace belay::agent::contract {
namespace {

#define ASSERT_OK(result) ASSERT_TRUE((result).ok()) << (result).error().chain()

constexpr const char* kTag = "belay-0f3c7f0e-6a53-4a0e-9b1a-1f2e3d4c5b6a";

class SnapshotProviderContract : public ::testing::TestWithParam<StandMaker> {
 protected:
  void SetUp() override {
    auto made = GetParam().make();
    if (!made.stand) GTEST_SKIP() << GetParam().name << ": " << made.why_not;
    stand_ = std::move(made.stand);
    stand_->write("kept", "old");
    stand_->write("erased", "old");
  }
  SnapshotProvider& provider() { return stand_->provider(); }
  Result<Snapshot> take(const char* tag = kTag) { return provider().create(tag, stand_->mounts()); }
  // What a run knows of it after a restart.
  static Snapshot noted(const Snapshot& snapshot) { return {snapshot.id, snapshot.provider, {}, snapshot.mounts}; }
  void change() {
    stand_->write("kept", "new");
    stand_->write("added", "new");
    stand_->erase("erased");
  }
  void expect_as_before() {
    EXPECT_EQ(stand_->read("kept").value_or("absent"), "old");
    EXPECT_EQ(stand_->read("erased").value_or("absent"), "old");
    EXPECT_EQ(stand_->read("added").value_or("absent"), "absent");
  }
  std::unique_ptr<Stand> stand_;
};

TEST_P(SnapshotProviderContract, SaysWhatItCoversAndWhyNot) {
  const auto covered = provider().covers(stand_->mounts());
  ASSERT_OK(covered);
  EXPECT_TRUE(*covered) << covered->why;
  EXPECT_EQ(covered->why, "");
  auto more = stand_->mounts();
  more.push_back(stand_->foreign_mount());
  const auto not_all = provider().covers(more);
  ASSERT_OK(not_all);
  EXPECT_FALSE(*not_all);
  EXPECT_EQ(not_all->not_covered, std::vector{stand_->foreign_mount()});
  EXPECT_NE(not_all->why.find(stand_->foreign_mount()), std::string::npos) << not_all->why;
}

TEST_P(SnapshotProviderContract, WhatIsNotCoveredIsNotTaken) {
  auto more = stand_->mounts();
  more.push_back(stand_->foreign_mount());
  const auto taken = provider().create(kTag, more);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code(), Code::unsupported) << taken.error().chain();
  const auto left = provider().list();
  ASSERT_OK(left);
  // Other file systems of this machine may hold snapshots of their own.
  for (const auto& one : *left) EXPECT_NE(one.tag, kTag);
}

TEST_P(SnapshotProviderContract, UnderOneTagThereIsOne) {
  const auto first = take();
  ASSERT_OK(first);
  EXPECT_EQ(first->provider, provider().name());
  EXPECT_EQ(first->mounts, stand_->mounts());
  ASSERT_OK(provider().verify(*first));
  change();
  const auto second = take();
  ASSERT_OK(second);
  EXPECT_EQ(second->id, first->id);
  EXPECT_EQ(second->taken_at, first->taken_at);
  ASSERT_OK(provider().list());
  EXPECT_EQ(provider().list()->size(), 1u);
}

TEST_P(SnapshotProviderContract, ItListsWhatIsThereUntilItIsRemoved) {
  ASSERT_OK(provider().list());
  EXPECT_TRUE(provider().list()->empty());
  const auto taken = take();
  ASSERT_OK(taken);
  const auto all = provider().list();
  ASSERT_OK(all);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().id, taken->id);
  EXPECT_EQ(all->front().tag, kTag);
  EXPECT_EQ(all->front().mounts, stand_->mounts());
  EXPECT_EQ(all->front().taken_at, taken->taken_at);
  ASSERT_TRUE(all->front().expires_at);
  EXPECT_GT(*all->front().expires_at, taken->taken_at);
  // Of a run that goes on it is none, of one that has ended it is one.
  EXPECT_TRUE(leftovers(*all, {kTag}, taken->taken_at).empty());
  ASSERT_EQ(leftovers(*all, {}, taken->taken_at + Duration(5)).size(), 1u);
  EXPECT_EQ(leftovers(*all, {}, taken->taken_at + Duration(5)).front().age, Duration(5));
  ASSERT_OK(provider().remove(noted(*taken)));
  EXPECT_TRUE(provider().list()->empty());
  EXPECT_EQ(provider().verify(noted(*taken)).error().code(), Code::not_found);
  ASSERT_OK(provider().remove(noted(*taken)));
  EXPECT_EQ(stand_->read("kept").value_or("absent"), "old");
}

TEST_P(SnapshotProviderContract, TheTreeComesBackAsItWas) {
  const auto taken = take();
  ASSERT_OK(taken);
  change();
  const auto restored = provider().restore(noted(*taken));
  ASSERT_OK(restored);
  if (restored->needs_reboot) stand_->reboot();
  expect_as_before();
  if (stand_->keeps_restored()) ASSERT_OK(provider().verify(noted(*taken)));
  ASSERT_OK(provider().remove(noted(*taken)));
  EXPECT_TRUE(provider().list()->empty()) << provider().list()->front().id;
  expect_as_before();
}

TEST_P(SnapshotProviderContract, ARestoreMayBeRepeatedBeforeAndAfterItsReboot) {
  const auto taken = take();
  ASSERT_OK(taken);
  change();
  const auto once = provider().restore(noted(*taken));
  ASSERT_OK(once);
  const auto twice = provider().restore(noted(*taken));
  ASSERT_OK(twice);
  if (stand_->keeps_restored()) {
    const auto known = take();
    ASSERT_OK(known);
    EXPECT_EQ(known->taken_at, taken->taken_at);
  }
  EXPECT_EQ(twice->needs_reboot, once->needs_reboot);
  if (twice->needs_reboot) stand_->reboot();
  expect_as_before();
  const auto again = provider().restore(noted(*taken));
  ASSERT_OK(again);
  if (again->needs_reboot) stand_->reboot();
  expect_as_before();
  ASSERT_OK(provider().remove(noted(*taken)));
}

TEST_P(SnapshotProviderContract, AfterARestoreTheNextRunIsProtectedAsWell) {
  for (const char* tag : {"belay-first", "belay-second"}) {
    const auto covered = provider().covers(stand_->mounts());
    ASSERT_OK(covered);
    EXPECT_TRUE(*covered) << covered->why;
    const auto taken = take(tag);
    ASSERT_OK(taken);
    change();
    const auto restored = provider().restore(noted(*taken));
    ASSERT_OK(restored);
    if (restored->needs_reboot) stand_->reboot();
    expect_as_before();
    ASSERT_OK(provider().remove(noted(*taken)));
  }
  // What the second restore replaced may be what the first one made: it is told, and can be removed.
  ASSERT_OK(provider().list());
  const auto left = *provider().list();
  EXPECT_LE(left.size(), 1u);
  for (const auto& one : left) ASSERT_OK(provider().remove(one));
  EXPECT_TRUE(provider().list()->empty());
  expect_as_before();
}

TEST_P(SnapshotProviderContract, OneThatSomebodyDeletedIsFoundOut) {
  const auto taken = take();
  ASSERT_OK(taken);
  stand_->delete_behind(*taken);
  const auto whole = provider().verify(noted(*taken));
  ASSERT_FALSE(whole.ok());
  EXPECT_EQ(whole.error().code(), Code::not_found) << whole.error().chain();
  change();
  const auto restored = provider().restore(noted(*taken));
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code(), Code::not_found) << restored.error().chain();
  EXPECT_EQ(stand_->read("kept").value_or("absent"), "new") << "half a restore";
  ASSERT_OK(provider().remove(noted(*taken)));
  ASSERT_OK(provider().list());
  EXPECT_TRUE(provider().list()->empty());
}

TEST_P(SnapshotProviderContract, WhatTheAgentKnowsOutlivesARestore) {
  const auto folder = stand_->carried_folder();
  if (folder.empty()) GTEST_SKIP() << GetParam().name << " carries nothing over in this stand";
  stand_->write(folder + "/journal", "protecting");
  stand_->write(folder + "/gone", "then");
  const auto taken = take();
  ASSERT_OK(taken);
  change();
  stand_->write(folder + "/journal", "rolling back");
  stand_->erase(folder + "/gone");
  const auto restored = provider().restore(noted(*taken));
  ASSERT_OK(restored);
  if (restored->needs_reboot) stand_->reboot();
  expect_as_before();
  EXPECT_EQ(stand_->read(folder + "/journal").value_or("absent"), "rolling back");
  EXPECT_EQ(stand_->read(folder + "/gone").value_or("absent"), "absent");
}

TEST_P(SnapshotProviderContract, ATagThatIsNoNameIsRefused) {
  if (GetParam().name == "fake") GTEST_SKIP() << "the fake takes any tag";
  for (const char* tag : {"", "..", "a/b", "-rf", "a b", "a;b"}) {
    const auto taken = take(tag);
    ASSERT_FALSE(taken.ok()) << tag;
    EXPECT_EQ(taken.error().code(), Code::invalid_argument) << taken.error().chain();
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SnapshotProviderContract,
    ::testing::Values(StandMaker{"fake", make_fake_stand}, StandMaker{"copy", make_copied_stand},
                      StandMaker{"command", make_command_stand}, StandMaker{"btrfs_top", make_btrfs_top},
                      StandMaker{"btrfs_default", make_btrfs_default}, StandMaker{"btrfs_named", make_btrfs_named},
                      StandMaker{"lvm_classic", make_lvm_classic}, StandMaker{"lvm_thin", make_lvm_thin},
                      StandMaker{"simulated_lvm_classic", make_simulated_lvm_classic},
                      StandMaker{"simulated_lvm_thin", make_simulated_lvm_thin},
                      StandMaker{"simulated_zfs", make_simulated_zfs}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace belay::agent::contract
