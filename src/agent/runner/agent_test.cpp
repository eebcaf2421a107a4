// An enrolled agent at work: orders, sets, what was not acknowledged.
#include "agent/runner/agent_fixture_test.hpp"
#include "agent/runner/undo.hpp"

namespace belay::agent {
namespace {

TEST_F(AgentTest, CarriesOutAnOrderAndReportsItOnce) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  const auto order = server.shell("echo hello");
  server.send(order);
  server.send(order);
  const auto result = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->steps->outputs.at(0).standard_output, "hello\n");
  server.send(server.shell("echo again"));
  const auto second = server.wait_for<wire::OrderResult>(2);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->steps->outputs.at(0).standard_output, "again\n");
  EXPECT_EQ(server.count("order_result"), 2u);
}

// `belay-agent rollback` is another process: what it did is told at once, without waiting for the next scan, and once.
TEST_F(AgentTest, TellsOfARunThatWasUndoneByHand) {
  FakeState state;
  state.installed.packages = {{"curl", "amd64", "1"}};
  state.offers.offers.resize(2);
  for (std::size_t i = 0; i < 2; ++i) {
    state.offers.offers[i].name = "curl";
    state.offers.offers[i].arch = "amd64";
    state.offers.offers[i].version = std::to_string(i + 1);
  }
  ASSERT_TRUE(
      io::real_files().write_durable((directory_ / "packages.json").string(), json::encode_text(state), 0600).ok());
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  wire::Order patch;
  patch.kind = wire::OrderKind::patch;
  patch.patch = patchrun::PatchRunOrder{};
  patch.patch->changes = {{"curl", "amd64", "1", "2", "", 0}};
  server.send(server.order(patch));
  const auto patched = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(patched && patched->run && patched->run->outcome == patchrun::Outcome::committed)
      << (patched ? patched->standard_error : "nothing");
  std::optional<Undo> undo;
  for (int i = 0; i < 600 && !undo; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(50)))
    if (auto planned = plan_undo(io::real_files(), paths_); planned.ok()) undo = *planned;
  ASSERT_TRUE(undo);
  ASSERT_TRUE(accept_undo(io::real_files(), paths_, *undo, patchrun::Reboot::never, io::system_clock().now()).ok());
  const auto own = server.wait_for<wire::OwnRun>();
  ASSERT_TRUE(own);
  EXPECT_EQ(own->run_id, undo->order_id);
  EXPECT_EQ(own->undoes, patched->order_id);
  EXPECT_EQ(own->run.outcome, patchrun::Outcome::committed);
  ASSERT_EQ(own->run.changed.size(), 1U);
  EXPECT_EQ(own->run.changed[0].to_version, "1");
  EXPECT_TRUE(server.wait_for<wire::ScanReport>(2)) << "and what the node has since";
  EXPECT_EQ(server.count("own_run"), 1U);
  EXPECT_EQ(server.count("order_result"), 1U);
}

TEST_F(AgentTest, SendsTheSetsThatTheServerLacks) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  wire::Order scan;
  scan.kind = wire::OrderKind::scan;
  scan.scan = wire::ScanOrder{};
  server.send(server.order(scan));
  const auto report = server.wait_for<wire::ScanReport>();
  ASSERT_TRUE(report);
  server.send(wire::pack(new_id(), wire::NeedSets{{report->package_set_hash}, {report->offer_set_hash}}));
  const auto set = server.wait_for<wire::PackageSetUpload>();
  ASSERT_TRUE(set);
  EXPECT_EQ(set->hash, io::sha256_hex(wire::canonical_text(set->set)));
  EXPECT_TRUE(server.wait_for<wire::OfferSetUpload>());
}

TEST_F(AgentTest, WhatWasNotAcknowledgedComesAgainOverTheNextConnection) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  server.acknowledges = false;
  server.send(server.shell("echo kept"));
  const auto first = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(first);
  const auto port = server.port();
  server.stop();
  server.acknowledges = true;
  server.start(port);
  const auto again = server.wait_for<wire::OrderResult>(2);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->order_id, first->order_id);
}

TEST_F(AgentTest, PollsWhereNoWebSocketGetsThrough) {
  TestServer server(false);
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  server.send(server.shell("echo polled"));
  const auto result = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->steps->outputs.at(0).standard_output, "polled\n");
}

TEST_F(AgentTest, TwoAgentsOnOneStateAreOneTooMany) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  io::EventLoop loop;
  io::WorkerPool workers(1, 1);
  WorkingLauncher launcher(paths_, "");
  const auto second = Agent::make({loop, workers, io::real_files(), io::system_clock(), paths_, launcher, {}, {}});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::conflict);
}

}  // namespace
}  // namespace belay::agent
