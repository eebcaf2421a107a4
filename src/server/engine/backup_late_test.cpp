// Results that come when nobody waits for them any more.
#include "base/json.hpp"
#include "server/engine/backups_fixture_test.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {

class BackupLateTest : public BackupsTest {
 protected:
  void given_point() {
    given_vault();
    given_plan(std::string(kByHand) + "limits: {retries: 0}\n");
    run_now();
  }
  kept::Job checked() {
    const auto made = backups_->check_vault("nas", "", "anna");
    EXPECT_TRUE(made.ok()) << made.error().chain();
    settle();
    return job(made->back());
  }
  // The order of a backup that was sent to a node which says nothing of it.
  wire::Order sent() {
    fleet_.at(db_).answers = false;
    const auto made = backups_->start_runs({.plan = "pg", .node_ids = {}, .type = {}, .requested_by = "anna"});
    EXPECT_TRUE(made.ok());
    settle();
    const auto order_id = job(made->front()).order_id;
    EXPECT_TRUE(
        store_
            ->write([&](store::Sql& sql) { return store::orders::delivered(sql, std::vector{order_id}, clock_.now()); })
            .ok());
    const auto order = store_->read([&](store::Sql& sql) { return store::orders::get(sql, order_id); });
    return json::decode_text<wire::Order>(order->payload).value();
  }
  wire::Order node_begins() {
    auto order = sent();
    EXPECT_TRUE(say(fleet_.at(db_), wire::Ack{{order.order_id}}).ok());
    settle();
    return order;
  }
  wire::Order given_up_while_the_node_works() {
    auto order = sent();
    pass(Duration(25LL * 3'600'000), Duration(3'600'000));
    return order;
  }
  void hand_in(const wire::Order& order) {
    work_on(fleet_.at(db_), order);
    fleet_.at(db_).answers = true;
    settle();
  }
};

TEST_F(BackupLateTest, AResultThatComesLateIsTakenIn) {
  given_point();
  const auto given_up = given_up_while_the_node_works();
  ASSERT_EQ(job(given_up.backup->job_id).state, "Expired");
  hand_in(given_up);
  const auto done = job(given_up.backup->job_id);
  EXPECT_EQ(done.state, "Succeeded");
  EXPECT_THAT(done.why, HasSubstr("its result came late"));
  EXPECT_THAT(done.why, HasSubstr("it may have begun it")) << "what was thought of it stays readable";
  ASSERT_EQ(points().size(), 2u);
  for (const auto& point : points()) EXPECT_EQ(point.state, PointState::available) << testing::PrintToString(point.why);
  EXPECT_EQ(checked().state, "Succeeded") << "nothing there is strange";
}

TEST_F(BackupLateTest, AResultThatComesBehindAListAndBehindLaterPointsIsTakenIn) {
  given_point();
  const auto given_up = given_up_while_the_node_works();
  repository().work(*given_up.backup);
  fleet_.at(db_).answers = true;
  checked();
  ASSERT_EQ(points().size(), 2u);
  EXPECT_EQ(points().front().state, PointState::quarantined);
  pass(Duration(600'000));
  run_now();
  hand_in(given_up);
  EXPECT_EQ(job(given_up.backup->job_id).state, "Succeeded") << job(given_up.backup->job_id).why;
  ASSERT_EQ(points().size(), 3u);
  for (const auto& point : points()) EXPECT_EQ(point.state, PointState::available) << testing::PrintToString(point.why);
}

TEST_F(BackupLateTest, WhatANodeDidWhileTheServerWasAwayIsWaitedFor) {
  given_point();
  const auto running = node_begins();
  ASSERT_EQ(job(running.backup->job_id).state, "Running");
  clock_.advance(Duration(20LL * 3'600'000));
  boot_backups();
  fleet_.at(db_).answers = false;
  pass(Duration(1'800'000));
  EXPECT_EQ(job(running.backup->job_id).state, "Running") << "the node could tell nobody";
  pass(Duration(3'600'000));
  EXPECT_EQ(job(running.backup->job_id).state, "Failed");
  hand_in(running);
  EXPECT_EQ(job(running.backup->job_id).state, "Succeeded");
  EXPECT_EQ(points().front().state, PointState::available);
}

}  // namespace
}  // namespace belay::server
