#include "agent/runner/undo.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "tests/fakes/memory_files.hpp"

namespace belay::agent {
namespace {

constexpr std::string_view kFirst = "11111111-2222-4333-8444-555555555551";
constexpr std::string_view kSecond = "11111111-2222-4333-8444-555555555552";
const Instant kNow = from_unix_ms(1'795'435'200'000);

class UndoTest : public testing::Test {
 protected:
  void record(std::string_view id, patchrun::Outcome outcome, std::vector<fleet::PackageChange> changed,
              int minutes_ago, wire::OrderOutcome told = wire::OrderOutcome::success) {
    wire::OrderResult result;
    result.order_id = id;
    result.outcome = told;
    result.finished_at = kNow - std::chrono::minutes(minutes_ago);
    result.run = patchrun::PatchRunReport{};
    result.run->run_id = id;
    result.run->outcome = outcome;
    result.run->changed = std::move(changed);
    disk.put(paths.archived(id), json::encode_text(result));
  }
  Undo plan() {
    const auto undo = plan_undo(disk, paths);
    EXPECT_TRUE(undo.ok()) << undo.error().chain();
    return undo.ok() ? *undo : Undo{};
  }
  fakes::MemoryFiles disk;
  StatePaths paths{"/state"};
};

const fleet::PackageChange kCurl{"curl", "amd64", "1", "2", "", 0};
const fleet::PackageChange kNew{"libnew", "amd64", "", "1", "", 0};

TEST_F(UndoTest, WithoutRecordsThereIsNothing) {
  EXPECT_EQ(plan_undo(disk, paths).error().code(), Code::not_found);
  record(kFirst, patchrun::Outcome::rolled_back, {}, 5, wire::OrderOutcome::failed);
  EXPECT_EQ(plan_undo(disk, paths).error().code(), Code::not_found);
}

TEST_F(UndoTest, TheNewestRunThatChangedSomethingIsTurnedRound) {
  record(kFirst, patchrun::Outcome::committed, {{"vim", "amd64", "1", "2", "", 0}}, 60);
  record(kSecond, patchrun::Outcome::committed, {kCurl, kNew}, 5);
  record("11111111-2222-4333-8444-555555555553", patchrun::Outcome::nothing_to_do, {}, 1);
  const auto undo = plan();
  EXPECT_EQ(undo.run_id, kSecond);
  const std::vector<fleet::PackageChange> wanted{{"curl", "amd64", "2", "1", "", 0},
                                                 {"libnew", "amd64", "1", "", "", 0}};
  EXPECT_EQ(undo.changes, wanted);
  EXPECT_FALSE(undo.begun);
}

TEST_F(UndoTest, AskedTwiceItIsOneRun) {
  record(kSecond, patchrun::Outcome::committed, {kCurl}, 5);
  const auto undo = plan();
  ASSERT_TRUE(accept_undo(disk, paths, undo, patchrun::Reboot::never, kNow).ok());
  ASSERT_TRUE(accept_undo(disk, paths, undo, patchrun::Reboot::never, kNow).ok());
  const auto again = plan();
  EXPECT_EQ(again.order_id, undo.order_id);
  EXPECT_TRUE(again.begun);
  const auto open = OrderBook(disk, paths).open();
  ASSERT_EQ(open.size(), 1u);
  EXPECT_TRUE(open[0].local);
  EXPECT_TRUE(open[0].order.patch->allow_downgrade);
}

TEST_F(UndoTest, WhatWasUndoneIsNotUndoneAgain) {
  record(kFirst, patchrun::Outcome::committed, {{"vim", "amd64", "1", "2", "", 0}}, 60);
  record(kSecond, patchrun::Outcome::committed, {kCurl}, 5);
  const auto undo = plan();
  record(undo.order_id, patchrun::Outcome::committed, undo.changes, 1);
  EXPECT_EQ(plan().run_id, kFirst) << "neither the undone run nor the one that undid it";
}

TEST_F(UndoTest, WhatTheServerTookBackIsNotUndoneAgain) {
  record(kFirst, patchrun::Outcome::committed, {{"vim", "amd64", "1", "2", "", 0}}, 60);
  record(kSecond, patchrun::Outcome::committed, {kCurl, kNew}, 5);
  const auto takes_back = [&](std::string_view id, fleet::PackageChange changed) {
    record(id, patchrun::Outcome::committed, {std::move(changed)}, 1);
    auto result = json::decode_text<wire::OrderResult>(disk.read(paths.archived(id), 1 << 20).value()).value();
    result.run->undoes = kSecond;
    disk.put(paths.archived(id), json::encode_text(result));
  };
  takes_back("11111111-2222-4333-8444-555555555553", {"curl", "amd64", "2", "1", "", 0});
  EXPECT_EQ(plan().run_id, kSecond);
  EXPECT_EQ(plan().changes, (std::vector<fleet::PackageChange>{{"libnew", "amd64", "1", "", "", 0}})) << "the rest";
  takes_back("11111111-2222-4333-8444-555555555554", {"libnew", "amd64", "1", "", "", 0});
  EXPECT_EQ(plan().run_id, kFirst);
}

TEST_F(UndoTest, AFailedAttemptMayBeRepeated) {
  record(kSecond, patchrun::Outcome::committed, {kCurl}, 5);
  const auto undo = plan();
  record(undo.order_id, patchrun::Outcome::refused, {}, 1, wire::OrderOutcome::refused);
  const auto again = plan();
  EXPECT_EQ(again.run_id, kSecond);
  EXPECT_NE(again.order_id, undo.order_id);
}

}  // namespace
}  // namespace belay::agent
