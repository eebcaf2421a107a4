#include "server/engine/rollouts.hpp"

#include "base/bytes.hpp"
#include "io/crypto.hpp"
#include "server/engine/rollouts_fixture_test.hpp"
#include "store/audit.hpp"

namespace belay::server {
namespace {
using testing::HasSubstr;

TEST_F(RolloutsTest, GoesThroughItsRingsByItself) {
  const auto id = create();
  pass(10s);
  EXPECT_EQ(state(id), "AwaitingApproval");
  EXPECT_EQ(orders("dev", wire::OrderKind::patch), 0u);
  approve(id);
  pass(30s);
  EXPECT_EQ(state(id), "Completed") << why(id);
  for (const auto* env : {"dev", "staging", "prod"}) {
    EXPECT_EQ(version(node(env), "openssl"), "2") << env;
    EXPECT_EQ(state_of(id, env), "Committed");
  }
  const auto& order = node("dev").done.back();
  ASSERT_TRUE(order.patch);
  EXPECT_EQ(order.patch->probes.size(), 1u);
  EXPECT_EQ(order.patch->gate.watch, Duration(120'000));
  EXPECT_TRUE(order.patch->use_pool);
  EXPECT_EQ(order.patch->change_set_id, rollouts_->get(id)->row.change_set_id);
}

TEST_F(RolloutsTest, SleepsWhileItWaitsForApproval) {
  const auto id = create();
  pass(10s);
  ASSERT_EQ(state(id), "AwaitingApproval");
  const auto execution = [&] {
    return disk_->read([&](store::Sql& sql) { return store::executions::get(sql, kRolloutKind, id); }).value();
  };
  EXPECT_FALSE(execution().wake_at.has_value());
  approve(id);
  pass(30s);
  EXPECT_EQ(state(id), "Completed") << why(id);
}

TEST_F(RolloutsTest, WhatFailsInTheFirstRingNeverReachesTheNext) {
  node("dev").patch_outcome = patchrun::Outcome::rolled_back;
  const auto id = carried_out(kThreeRings, 60s);
  EXPECT_EQ(state(id), "Halted");
  EXPECT_THAT(why(id), HasSubstr("dev"));
  EXPECT_EQ(state_of(id, "dev"), "RolledBack");
  EXPECT_EQ(state_of(id, "staging"), "Pending");
  EXPECT_EQ(orders("staging", wire::OrderKind::patch), 0u);
  const auto held = disk_->read([&](store::Sql& sql) { return store::rollouts::in_quarantine(sql); }).value();
  ASSERT_EQ(held.size(), 2u) << "the change set, and the one package it changed";
  EXPECT_TRUE(std::ranges::any_of(held, [](const auto& q) { return q.name == "openssl" && q.version == "2"; }));

  // A new plan leaves it out; the same change set is refused.
  const auto again = refused("name: again\nchangeSet: " + rollouts_->get(id)->row.change_set_id +
                             "\nrings: [{name: all, targets: ['*']}]");
  EXPECT_THAT(again.message(), HasSubstr("is in quarantine"));
  const auto next = carried_out();
  EXPECT_EQ(state(next), "Completed");
  EXPECT_EQ(version(node("prod"), "openssl"), "1") << "nothing else was missing";

  const auto report = rollouts_->report(id);
  ASSERT_TRUE(report.ok()) << report.error().chain();
  ASSERT_EQ(report->at("Failures").as_array().size(), 1u);
  ASSERT_FALSE(report->at("Suspects").as_array().empty());
  EXPECT_EQ(json::text_or_empty(report->at("Suspects").as_array()[0], "Package"), "openssl");
}

TEST_F(RolloutsTest, TheAuthorCannotApproveAndTheLeastIsThePolicys) {
  const auto id = create();
  pass(5s);
  const auto own = rollouts_->approve_change_set(rollouts_->get(id)->row.change_set_id, id, "author");
  ASSERT_FALSE(own.ok());
  EXPECT_EQ(own.error().code(), Code::permission_denied);
  const auto none = refused("name: x\napprovals: 0\nrings: [{name: all, targets: ['*']}]");
  EXPECT_THAT(none.message(), HasSubstr("/belay/rollout/approvals-least"));
}

TEST_F(RolloutsTest, OrdersCarryWhoApprovedThemAndTheProofThatTheyAreMeant) {
  carried_out();
  const auto& patch = *node("dev").done.back().patch;
  ASSERT_TRUE(patch.approved);
  const auto& approved = *patch.approved;
  EXPECT_EQ(approved.author, "author");
  ASSERT_EQ(approved.approvals.size(), 1u);
  EXPECT_EQ(approved.approvals[0].approver, "somebody else");
  EXPECT_TRUE(patchrun::proves(approved, patch.changes, io::sha256));
  const auto statement = patchrun::approval_statement(patch.change_set_id, approved, approved.approvals[0].approver,
                                                      approved.approvals[0].at);
  EXPECT_TRUE(
      io::ed25519_verify(authority_.order_public_key, statement, from_base64(approved.approvals[0].signature).value()));
}

TEST_F(RolloutsTest, ARingIsApprovedByOthersThanTheAuthorAndTheLogNamesIt) {
  const auto id = carried_out(R"(
name: rings
rings:
  - {name: dev, targets: ["tag:Env=dev"]}
  - {name: prod, targets: ["tag:Env=prod"], approval: 1}
)");
  EXPECT_EQ(state(id), "AwaitingApproval");
  const auto own = rollouts_->approve_ring(id, "", "author");
  ASSERT_FALSE(own.ok());
  EXPECT_EQ(own.error().code(), Code::permission_denied);
  EXPECT_EQ(own.error().reason(), "own-rollout");
  EXPECT_FALSE(rollouts_->approve_ring(id, "dev", "somebody else").ok()) << "it wants none";
  ASSERT_TRUE(rollouts_->approve_ring(id, "", "somebody else").ok());
  pass(30s);
  EXPECT_EQ(state(id), "Completed") << why(id);
  const auto log = disk_->read([](store::Sql& sql) { return store::audit::list(sql, {}, {1'000, {}}); }).value();
  const auto entry = std::ranges::find(log.items, "belay:ApproveRing", &store::audit::Entry::action);
  ASSERT_NE(entry, log.items.end());
  EXPECT_EQ(entry->actor, "somebody else");
  EXPECT_THAT(entry->detail, HasSubstr("prod"));
}

TEST_F(RolloutsTest, RefusesFilesThatCannotGoWell) {
  EXPECT_THAT(refused("name: x\nrings: [{name: a, targets: ['tag:Env=nowhere']}]").message(), HasSubstr("no members"));
  EXPECT_THAT(refused("name: x\nrings: [{name: a, targets: ['tag:Env=dev']}, {name: b, targets: ['*']}]").message(),
              HasSubstr("may not overlap"));
  EXPECT_THAT(refused("name: x\nrings: [{name: a, targets: ['*'], sampleSize: 4}]").message(),
              HasSubstr("never be green"));
  EXPECT_THAT(refused("name: x\nrings: [{name: a, targets: ['*'], window: mw-0}]").message(),
              HasSubstr("no maintenance window"));
  EXPECT_THAT(refused("name: x\nbaseline: none-such\nrings: [{name: a, targets: ['*']}]").message(),
              HasSubstr("none-such"));
  EXPECT_THAT(refused("name: x\nchangeSet: cs-0\nrings: [{name: a, targets: ['*']}]").message(),
              HasSubstr("no frozen change set"));
  const auto window = make_window("cron(0 2 ? * SUN *)", 1, 0);
  EXPECT_THAT(refused("name: x\ngate: {for: 2h, every: 1m}\nrings: [{name: a, targets: ['*'], window: " +
                      window.window_id + "}]")
                  .message(),
              HasSubstr("never begin"));
}

TEST_F(RolloutsTest, TheRestIsWhatNoEarlierRingHas) {
  const auto id =
      create("name: x\nrings: [{name: canary, targets: ['tag:Env=dev']}, {name: all, targets: ['*'], rest: true}]");
  EXPECT_EQ(rollouts_->get(id)->rings.at(1).counts.nodes, 2u);
}

TEST_F(RolloutsTest, WaitsForItsWindow) {
  const auto window = make_window("cron(0 2 ? * SUN *)", 4, 1);
  const auto id = carried_out("name: x\nrings: [{name: all, targets: ['*'], window: " + window.window_id + "}]");
  EXPECT_EQ(state(id), "Running");
  EXPECT_THAT(rollouts_->get(id)->rings[0].why, HasSubstr("opens"));
  EXPECT_EQ(orders("dev", wire::OrderKind::patch), 0u);
  const auto openings =
      windows_
          ->openings(disk_->read([&](store::Sql& sql) { return windows::get(sql, window.window_id); }).value(),
                     clock_.now(), 1)
          .value();
  clock_.advance(openings[0].opens - clock_.now());
  settle();
  pass(60s);
  EXPECT_EQ(state(id), "Completed") << why(id);
  EXPECT_EQ(node("dev").done.back().patch->end_by, openings[0].cutoff);
}

TEST_F(RolloutsTest, TheNextRingWaitsForItsWindowToo) {
  const auto window = make_window("cron(0 2 ? * SUN *)", 4, 1);
  const auto id = carried_out("name: x\nrings:\n  - {name: dev, targets: ['tag:Env=dev']}\n  - {name: prod, targets: " +
                                  std::string("['tag:Env=prod'], window: ") + window.window_id + "}\n",
                              60s);
  EXPECT_EQ(state_of(id, "dev"), "Committed");
  EXPECT_EQ(orders("prod", wire::OrderKind::patch), 0u) << "the ring before it ended in the same step";
  EXPECT_THAT(rollouts_->get(id)->rings[1].why, HasSubstr("opens"));
}

TEST_F(RolloutsTest, PausedNothingBegins) {
  const auto id = create();
  pass(10s);
  node("dev").answers = false;
  approve(id);
  pass(5s);
  node("dev").answers = true;
  ASSERT_TRUE(rollouts_->pause(id, "lunch", "operator").ok());
  pass(10s);
  EXPECT_EQ(state(id), "Paused");
  ASSERT_TRUE(rollouts_->resume(id, false, "operator").ok());
  pass(30s);
  EXPECT_EQ(state(id), "Completed") << why(id);
  const auto late = rollouts_->pause(id, "", "operator");
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().reason(), "InvalidStateException");
  EXPECT_THAT(late.error().message(), HasSubstr("Completed"));
}

TEST_F(RolloutsTest, APutBackNodeHasItsOldVersionsAgain) {
  const auto id = carried_out();
  ASSERT_EQ(state(id), "Completed");
  RollbackRequest request;
  request.instance_ids = {node("prod").id};
  request.requested_by = "operator";
  request.reason = "slow";
  const auto back = rollouts_->roll_back(request);
  ASSERT_TRUE(back.ok()) << back.error().chain();
  pass(10s);
  EXPECT_EQ(state(*back), "RolledBack") << why(*back);
  EXPECT_EQ(version(node("prod"), "openssl"), "1");
  EXPECT_EQ(version(node("dev"), "openssl"), "2");
  const auto& order = node("prod").done.back();
  EXPECT_TRUE(order.patch->allow_downgrade);
  EXPECT_FALSE(order.patch->undoes.empty());
  ASSERT_EQ(order.patch->probes.size(), 1u) << "judged by the probes of the rollout that brought the run";
  EXPECT_EQ(order.patch->probes[0].name, "units");
  EXPECT_EQ(order.patch->gate.watch, Duration(120'000));

  RollbackRequest whole;
  whole.rollout_id = id;
  whole.ring = "dev";
  whole.requested_by = "operator";
  const auto ring = rollouts_->roll_back(whole);
  ASSERT_TRUE(ring.ok()) << ring.error().chain();
  pass(10s);
  EXPECT_EQ(state(*ring), "RolledBack") << why(*ring);
  EXPECT_EQ(version(node("dev"), "openssl"), "1");
}

TEST_F(RolloutsTest, ARunningRolloutRollsBackWhole) {
  const auto id = create();
  pass(10s);
  node("staging").answers = false;
  approve(id);
  pass(10s);
  ASSERT_EQ(version(node("dev"), "openssl"), "2");
  RollbackRequest whole;
  whole.rollout_id = id;
  whole.requested_by = "operator";
  ASSERT_EQ(rollouts_->roll_back(whole).value(), id);
  pass(10s);
  EXPECT_EQ(version(node("dev"), "openssl"), "1");
  EXPECT_EQ(state(id), "RolledBack") << why(id);
  EXPECT_EQ(orders("staging", wire::OrderKind::patch), 0u) << "its order was taken back";
}

TEST_F(RolloutsTest, KnowsWhoHasWhat) {
  const auto id = carried_out();
  for (auto& [node_id, node] : fleet_) scan(node);
  store::rollouts::Quarantine entry;
  entry.name = "openssl";
  entry.version = "2";
  entry.reason = "leaks";
  entry.added_by = "operator";
  const auto quarantined = rollouts_->put_quarantine(entry);
  ASSERT_TRUE(quarantined.ok()) << quarantined.error().chain();
  const auto rows = rollouts_->where("openssl", "2");
  ASSERT_TRUE(rows.ok()) << rows.error().chain();
  ASSERT_EQ(rows->size(), 3u);
  for (const auto& row : *rows) {
    EXPECT_TRUE(row.quarantined);
    EXPECT_EQ(row.from_version, "1");
    EXPECT_FALSE(row.came_by_run.empty());
  }
  EXPECT_TRUE(rollouts_->where("openssl", "7")->empty());
  EXPECT_FALSE(rollouts_->lift_quarantine(*quarantined, "", "operator").ok()) << "lifting wants a reason";
  EXPECT_TRUE(rollouts_->lift_quarantine(*quarantined, "a false alarm", "operator").ok());
  EXPECT_FALSE(rollouts_->lift_quarantine(*quarantined, "again", "operator").ok());
}

TEST_F(RolloutsTest, QuarantineStopsWhatIsUnderWay) {
  const auto id = create();
  pass(10s);
  node("dev").answers = false;
  approve(id);
  pass(10s);
  store::rollouts::Quarantine entry;
  entry.name = "openssl";
  entry.version = "2";
  entry.reason = "leaks";
  entry.added_by = "operator";
  ASSERT_TRUE(rollouts_->put_quarantine(entry).ok());
  pass(10s);
  EXPECT_EQ(state(id), "Halted");
  EXPECT_THAT(why(id), HasSubstr("leaks"));
}

TEST_F(RolloutsTest, ReversibilityIsToldWithItsEvidence) {
  const auto id = create();
  pass(10s);
  const auto change_set = rollouts_->get(id)->row.change_set_id;
  const auto told = rollouts_->reversibility(node("dev").id, change_set);
  ASSERT_TRUE(told.ok()) << told.error().chain();
  EXPECT_EQ(told->reached, patchrun::ReversibilityClass::R1);
  EXPECT_FALSE(told->why_not_more.empty());
}

TEST_F(RolloutsTest, ExceptedPackagesStayAsTheyAre) {
  except_openssl_of("tag:Env=prod");
  const auto id = carried_out();
  EXPECT_EQ(state(id), "Completed") << why(id);
  EXPECT_EQ(version(node("staging"), "openssl"), "2");
  EXPECT_EQ(version(node("prod"), "openssl"), "1");
  EXPECT_EQ(state_of(id, "prod"), "Skipped");
}

TEST_F(RolloutsTest, WhatIsInQuarantineShipsUnderNoOtherIdAndIsNotResumed) {
  const auto id = create();
  pass(10s);
  node("dev").answers = false;
  approve(id);
  pass(5s);
  store::rollouts::Quarantine entry;
  entry.change_set_id = rollouts_->get(id)->row.change_set_id;
  entry.reason = "breaks the shop";
  entry.added_by = "operator";
  const auto quarantined = rollouts_->put_quarantine(entry);
  ASSERT_TRUE(quarantined.ok()) << quarantined.error().chain();
  pass(10s);
  EXPECT_EQ(state(id), "Halted");
  const auto resumed = rollouts_->resume(id, true, "operator");
  ASSERT_FALSE(resumed.ok());
  EXPECT_THAT(resumed.error().message(), HasSubstr("in quarantine"));
  node("dev").answers = true;
  const auto again = create();
  pass(20s);
  EXPECT_EQ(state(again), "Halted") << "the same content, planned anew";
  EXPECT_THAT(why(again), HasSubstr("ships all that"));
  ASSERT_TRUE(rollouts_->lift_quarantine(*quarantined, "mended", "operator").ok());
  EXPECT_TRUE(rollouts_->resume(id, true, "operator").ok());
}

TEST_F(RolloutsTest, CommandsKeepQuarantineToo) {
  store::rollouts::Quarantine entry;
  entry.name = "openssl";
  entry.version = "2";
  entry.reason = "leaks";
  entry.added_by = "operator";
  ASSERT_TRUE(rollouts_->put_quarantine(entry).ok());
  const auto sent = send({{"Operation", {"Install"}}});
  pass(20s);
  EXPECT_EQ(version(node("dev"), "openssl"), "1");
  EXPECT_EQ(orders("dev", wire::OrderKind::patch), 0u);
}

TEST_F(RolloutsTest, ARollbackAfterWhichTheNodeIsNotWellSaysSo) {
  const auto id = carried_out();
  node("prod").patch_outcome = patchrun::Outcome::left_as_is;
  RollbackRequest request;
  request.instance_ids = {node("prod").id};
  request.requested_by = "operator";
  const auto back = rollouts_->roll_back(request);
  ASSERT_TRUE(back.ok()) << back.error().chain();
  pass(10s);
  EXPECT_EQ(state_of(*back, "prod"), "RollbackFailed");
  EXPECT_EQ(state(*back), "Halted");
}

TEST_F(RolloutsTest, ARingInWhichNobodyHadAnythingToTakeSaysSo) {
  node("dev").installed = {{"bash", "amd64", "5"}, {"openssl", "amd64", "2"}};
  scan(node("dev"));
  const auto id = carried_out();
  EXPECT_EQ(state(id), "Completed");
  EXPECT_EQ(why(id), "in dev nobody had anything to take");
  const auto rings = rollouts_->get(id)->rings;
  EXPECT_EQ(rings[0].why, "nobody had anything to take");
  EXPECT_EQ(rings[0].counts.had_nothing, 1u);
  EXPECT_EQ(rings[1].why, "");
  const auto report = rollouts_->report(id);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(json::text_or_empty(report->at("Rings").as_array()[0], "why"), "nobody had anything to take");
}

TEST_F(RolloutsTest, ANodeThatWasPutBackIsNotPutForwardAgain) {
  const auto id = carried_out();
  RollbackRequest request;
  request.instance_ids = {node("prod").id};
  request.requested_by = "operator";
  ASSERT_TRUE(rollouts_->roll_back(request).ok());
  pass(10s);
  ASSERT_EQ(version(node("prod"), "openssl"), "1");
  EXPECT_FALSE(rollouts_->roll_back(request).ok()) << "the run that took it back is no change to take back";
  request.instance_ids = {node("dev").id};
  request.package = "no-such";
  EXPECT_FALSE(rollouts_->roll_back(request).ok());
}

TEST_F(RolloutsTest, AServerThatWasAwayTakesNobodyForSilent) {
  const auto id = carried_out(R"(
name: soaks
rings:
  - {name: dev, targets: ["tag:Env=dev"], soak: 1h}
  - {name: prod, targets: ["tag:Env=prod"]}
)");
  ASSERT_EQ(state(id), "Soaking") << why(id);
  clock_.advance(20min);
  boot_rollouts();
  settle();
  pass(60s);
  EXPECT_EQ(state(id), "Soaking") << why(id);
  clock_.advance(40min);  // the soak is over, and nobody was heard of: not green over silence
  settle();
  EXPECT_EQ(state(id), "Soaking");
  EXPECT_THAT(rollouts_->get(id)->rings[0].why, HasSubstr("waits to hear of"));
  const std::vector<store::nodes::Touch> touch{{node("dev").id, clock_.now()}};
  ASSERT_TRUE(store_->write([&](store::Sql& sql) { return store::nodes::touch_many(sql, touch); }).ok());
  pass(90s);
  EXPECT_EQ(state(id), "Completed") << why(id);
}

// Every write may be the server's last.
TEST_F(RolloutsTest, GoesOnAfterAKillAtAnyWrite) {
  for (int write = 1; write <= 40; ++write)
    for (const bool after : {false, true}) {
      for (auto& [id, node] : fleet_) {
        with_openssl(node);
        scan(node);
      }
      const auto id = create();
      store_->kill_at(write, after);
      for (int round = 0; round < 40; ++round) {
        try {
          pass(5s);
          if (state(id) == "AwaitingApproval") approve(id);
        } catch (const fakes::Killed&) {
          store_->disarm();
          boot_rollouts();
          recover();
          clock_.advance(Duration(31'000));  // the lease of the killed server
        }
        if (state(id) == "Completed") break;
      }
      store_->disarm();
      ASSERT_EQ(state(id), "Completed") << "killed at write " << write << (after ? " after" : " before") << why(id);
      for (const auto* env : {"dev", "staging", "prod"}) ASSERT_EQ(version(node(env), "openssl"), "2");
    }
}

}  // namespace
}  // namespace belay::server
