#include "io/crypto.hpp"
#include "server/engine/backups_fixture_test.hpp"
#include "server/engine/vault_keys.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {

TEST_F(BackupsTest, APlanBacksUpItsNodesByItsSchedule) {
  given_vault();
  given_plan(kPlan);
  pass(Duration(3 * 3'600'000));
  const auto made = points();
  ASSERT_GE(made.size(), 2u);
  EXPECT_EQ(made.back().made.type, BackupType::full);  // there was nothing to build on
  EXPECT_EQ(made.front().made.type, BackupType::incremental);
  EXPECT_FALSE(made.front().made.needs.empty());
  EXPECT_EQ(jobs(Task::backup).front().state, "Succeeded");
}

TEST_F(BackupsTest, ANodeThatComesLaterIsCoveredByItself) {
  given_vault();
  given_plan(kPlan);
  settle();
  const auto first = db_;
  add("db-2");
  pass(Duration(2 * 3'600'000));
  EXPECT_FALSE(points().empty());
  ASSERT_TRUE(store_
                  ->write([&](store::Sql& sql) {
                    const store::tags::Tag web{"Role", "web"};
                    return store::tags::set(sql, store::tags::kManagedInstance, db_, std::span(&web, 1));
                  })
                  .ok());
  pass(Duration(300'000));
  EXPECT_EQ(backups_->get_plan("pg")->node_ids, std::vector<std::string>{first});
  EXPECT_FALSE(points().empty());  // what was made stays
}

TEST_F(BackupsTest, RetentionDeletesByReferenceWhatNothingWantsAnyMore) {
  given_vault();
  given_plan();
  for (int i = 0; i < 8; ++i) {
    pass(Duration(600'000));
    const auto made =
        backups_->start_runs({.plan = "pg", .node_ids = {}, .type = BackupType::full, .requested_by = "anna"});
    ASSERT_TRUE(made.ok());
    settle();
  }
  EXPECT_GE(repository().count(Task::forget), 1u);
  EXPECT_LE(points().size(), 5u);  // three, and what they need
  for (const auto& point : points()) EXPECT_EQ(point.state, PointState::available) << point.point_id;
  EXPECT_EQ(repository().points.size(), points().size());
}

TEST_F(BackupsTest, AFailureIsTriedAgainThenAlarmedAndItsEndIsToldToo) {
  given_vault();
  given_plan();
  repository().outcome = JobOutcome::failed;
  run_now();
  pass(Duration(1'800'000));
  EXPECT_EQ(repository().count(Task::backup), 3u);  // and two retries
  const auto member = [&] {
    return store_->read([&](store::Sql& sql) { return kept::get_member(sql, plan_, db_); }).value();
  };
  EXPECT_TRUE(member().progress.alarms.contains("backup"));
  repository().outcome = JobOutcome::ok;
  run_now();
  EXPECT_FALSE(member().progress.alarms.contains("backup"));
}

TEST_F(BackupsTest, ALegalHoldKeepsAPointThatRetentionWouldDelete) {
  given_vault();
  given_plan();
  run_now();
  const auto first = points().front().point_id;
  ASSERT_TRUE(backups_->hold(first, true, "case 4711", "anna").ok());
  for (int i = 0; i < 6; ++i) {
    pass(Duration(600'000));
    ASSERT_TRUE(
        backups_->start_runs({.plan = "pg", .node_ids = {}, .type = BackupType::full, .requested_by = "a"}).ok());
    settle();
  }
  EXPECT_TRUE(std::ranges::any_of(points(), [&](const auto& one) { return one.point_id == first; }));
}

TEST_F(BackupsTest, ANodeThatNeverTakesItsOrderIsToldOf) {
  given_vault();
  given_plan();
  settle();
  fleet_.at(db_).answers = false;
  run_now();
  pass(Duration(25 * 3'600'000LL), Duration(1'800'000));
  const auto ended = jobs(Task::backup);
  EXPECT_TRUE(std::ranges::any_of(ended, [](const auto& one) { return one.state == "Expired"; }));
}

TEST_F(BackupsTest, SecretsAreGivenToTheNodeThatHasTheOpenOrderAndToNobodyElse) {
  given_vault();
  given_plan();
  settle();
  fleet_.at(db_).answers = false;
  const auto id = run_now();
  const auto order = job(id).order_id;
  ASSERT_FALSE(order.empty());
  EXPECT_TRUE(backups_->secrets_for(db_, order).ok()) << "sent, and not noted yet";
  ASSERT_TRUE(
      store_->write([&](store::Sql& sql) { return store::orders::delivered(sql, std::vector{order}, clock_.now()); })
          .ok());
  const auto reply = backups_->secrets_for(db_, order);
  ASSERT_TRUE(reply.ok()) << reply.error().chain();
  const auto secrets = store_->read([](store::Sql& sql) { return kept::vault_secrets(sql, "nas"); }).value();
  EXPECT_EQ(reply->secrets.at(0).name, "repository.key");
  EXPECT_EQ(reply->secrets.at(0).value, repository_key(secrets.key, plan_, db_));
  EXPECT_EQ(backups_->secrets_for("mi-other", order).error().code(), Code::permission_denied);
  fleet_.at(db_).answers = true;
  settle();
  EXPECT_EQ(backups_->secrets_for(db_, order).error().code(), Code::permission_denied);  // it is over
}

TEST_F(BackupsTest, TheEscrowFileIsPrintedOnceAndOpensTheVault) {
  given_vault();
  given_vault("other");
  const auto file = backups_->escrow("nas", "", "anna");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(backups_->escrow("nas", "", "anna").error().code(), Code::conflict);
  EXPECT_EQ(*backups_->escrow("nas", "the safe burnt", "anna"), *file);
  EXPECT_TRUE(backups_->check_escrow("nas", *file, "anna").ok());
  EXPECT_EQ(backups_->check_escrow("other", *file, "anna").error().code(), Code::invalid_argument);
  auto spoilt = *file;
  const auto at = spoilt.find("key: ") + 5;
  spoilt[at] = spoilt[at] == '0' ? '1' : '0';
  EXPECT_THAT(backups_->check_escrow("nas", spoilt, "anna").error().message(), HasSubstr("do not agree"));
  EXPECT_EQ(backups_->check_escrow("nas", "hello", "anna").error().code(), Code::invalid_argument);
}

TEST_F(BackupsTest, AVaultStaysWhileAnythingNeedsIt) {
  given_vault();
  given_plan();
  EXPECT_EQ(backups_->remove_vault("nas", "anna").error().code(), Code::conflict);
  run_now();
  ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
  EXPECT_THAT(backups_->remove_vault("nas", "anna").error().message(), HasSubstr("recovery points"));
  const auto moved = backups_->update_vault({"name: nas\nkind: mount\npath: /srv/elsewhere\n", {}, false, "anna"});
  EXPECT_EQ(moved.error().code(), Code::conflict);
}

TEST_F(BackupsTest, KilledAtAnyWriteNothingIsMadeTwiceOrForgotten) {
  given_vault();
  for (int write = 1; write <= 25; ++write)
    for (const bool after : {false, true}) {
      if (!plan_.empty()) ASSERT_TRUE(backups_->set_plan_state("pg", "Retired", "", "anna").ok());
      repository().points.clear();
      given_plan();
      store_->kill_at(write, after);
      std::string id;
      for (int life = 0; life < 3; ++life) {
        try {
          if (id.empty()) {
            const auto made = store_->read([&](store::Sql& sql) {
              return kept::list_jobs(sql, {.plan_id = plan_, .node_id = {}, .tasks = {}, .states = {}}, {5, {}});
            });
            if (made->items.empty()) {
              settle();
              const auto started =
                  backups_->start_runs({.plan = "pg", .node_ids = {}, .type = {}, .requested_by = "anna"});
              if (started.ok()) id = started->front();
            } else id = made->items.front().job.job_id;
          }
          settle();
        } catch (const fakes::Killed&) {
          boot_backups();
          recover();
          clock_.advance(Duration(31'000));
        }
      }
      store_->disarm();
      pass(Duration(120'000), Duration(30'000));
      const auto made = points();
      ASSERT_EQ(made.size(), 1u) << "killed at write " << write << (after ? " after" : " before");
      EXPECT_EQ(repository().points.size(), 1u) << "killed at write " << write;
      EXPECT_EQ(jobs(Task::backup).front().state, "Succeeded");
    }
}

TEST_F(BackupsTest, WhatWasStoppedBeforeTheNodeHadItDoesNotEndTheSchedule) {
  given_vault();
  given_plan(kPlan);
  settle();
  fleet_.at(db_).answers = false;
  const auto id = run_now();
  EXPECT_EQ(job(id).state, "Sent");
  ASSERT_TRUE(backups_->stop_job(id, "anna").ok());
  EXPECT_EQ(job(id).state, "Cancelled");
  fleet_.at(db_).answers = true;
  pass(Duration(3 * 3'600'000));
  ASSERT_FALSE(points().empty());
  EXPECT_EQ(points().back().made.type, BackupType::full);
}

TEST_F(BackupsTest, AStopIsNoSuccess) {
  given_vault();
  given_plan();
  settle();
  fleet_.at(db_).answers = false;
  ASSERT_TRUE(backups_->stop_job(run_now(), "anna").ok());
  pass(Duration(600'000));
  const auto member = store_->read([&](store::Sql& sql) { return kept::get_member(sql, plan_, db_); }).value();
  EXPECT_TRUE(member.progress.job_id.empty());
  EXPECT_FALSE(member.progress.has_full);
  EXPECT_FALSE(member.progress.last_ok_at);
}

TEST_F(BackupsTest, ABackupThatSaysOkAndNamesNoPointFailed) {
  given_vault();
  given_plan();
  settle();
  fleet_.at(db_).does_backups = [](const backup::Job& job) {
    backup::JobReport report;
    report.task = job.task;
    report.outcome = JobOutcome::ok;
    return report;
  };
  const auto ended = job(run_now());
  EXPECT_EQ(ended.state, "Failed");
  EXPECT_THAT(ended.why, HasSubstr("no recovery point"));
  const auto member = store_->read([&](store::Sql& sql) { return kept::get_member(sql, plan_, db_); }).value();
  EXPECT_FALSE(member.progress.last_ok_at);
}

TEST_F(BackupsTest, AReferenceThatIsThereAlreadyIsNoNewPointAndIsNamed) {
  given_vault();
  given_plan();
  run_now();
  const auto first = points().front();
  repository().made = 0;  // the engine begins to count anew
  pass(Duration(600'000));
  const auto ended = job(run_now());
  EXPECT_EQ(ended.state, "Failed");
  EXPECT_THAT(ended.why, HasSubstr("label-1"));
  ASSERT_EQ(points().size(), 1u);
  EXPECT_EQ(points().front().point_id, first.point_id);
  EXPECT_EQ(points().front().made.taken_at, first.made.taken_at);
}

// ---- how it stands, where nothing works any more

TEST_F(BackupsTest, BackupsThatFailAreNotCompliantHoweverGoodTheOldPointIs) {
  given_vault();
  std::string no_rpo = kPlan;
  no_rpo.replace(no_rpo.find("objectives: {rpo: 2h, rto: 1h}\n"), 31, "");
  given_plan(no_rpo);
  pass(Duration(3 * 3'600'000));
  prove_now();
  watched();
  ASSERT_EQ(posture().verdict, backup::Verdict::COMPLIANT) << testing::PrintToString(posture().reasons);
  repository().outcome = JobOutcome::failed;
  pass(Duration(2 * 3'600'000));
  watched();
  EXPECT_EQ(posture().verdict, backup::Verdict::NON_COMPLIANT);
  EXPECT_THAT(testing::PrintToString(posture().reasons), HasSubstr("the vault is full"));
  pass(Duration(60'000), Duration(60'000));
  EXPECT_EQ(compliance(), "NON_COMPLIANT");
  repository().outcome = JobOutcome::ok;
  run_now();
  watched();
  EXPECT_EQ(posture().verdict, backup::Verdict::COMPLIANT) << testing::PrintToString(posture().reasons);
}

TEST_F(BackupsTest, ANodeThatIsNotHeardOfIsNotCompliant) {
  given_vault();
  std::string no_rpo = kByHand;
  no_rpo.replace(no_rpo.find("objectives: {rpo: 2h, rto: 1h}\n"), 31, "");
  given_plan(no_rpo);
  run_now();
  prove_now();
  watched();
  ASSERT_EQ(posture().verdict, backup::Verdict::COMPLIANT) << testing::PrintToString(posture().reasons);
  fleet_.at(db_).answers = false;
  pass(Duration(3'600'000));
  EXPECT_EQ(posture().verdict, backup::Verdict::NON_COMPLIANT);
  EXPECT_THAT(testing::PrintToString(posture().reasons), HasSubstr("not heard of"));
  EXPECT_EQ(compliance(), "NON_COMPLIANT");
}

}  // namespace
}  // namespace belay::server
