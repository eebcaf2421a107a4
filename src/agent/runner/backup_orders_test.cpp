// Backup orders: secrets, attempts, what runs beside what, and the watch.
#include "agent/runner/backup_work.hpp"
#include "agent/runner/desk_fixture_test.hpp"

namespace belay::agent {
namespace {

class BackupOrdersTest : public DeskTest {
 protected:
  BackupOrdersTest() {
    fetch_secrets_ = [this](const std::string& order_id) -> Result<Secrets> {
      asked_.push_back(order_id);
      if (server_away_-- > 0) return Error(Code::unavailable, "connection refused");
      return Secrets{{"repository.key", "very secret"}};
    };
    do_backup_ = [this](const BackupHost& host, const backup::Job& job, const Secrets& secrets) {
      jobs_.push_back(job);
      secrets_ = secrets;
      EXPECT_TRUE(files_.info(host.work_directory).ok());
      if (host.progress) host.progress({"backup", 50, 200, Duration(90'000)});
      backup::JobReport report;
      report.task = job.task;
      report.outcome = outcome_;
      if (outcome_ != backup::JobOutcome::ok) report.why = "the vault is full";
      return report;
    };
  }
  wire::Order backup_order(backup::Task task = backup::Task::backup) {
    auto made = order(wire::OrderKind::backup);
    made.backup.emplace();
    made.backup->task = task;
    made.backup->plan_id = "bp-1";
    made.backup->plan_name = "pg-prod";
    made.backup->node_id = made.backup->source_node_id = kNode;
    return made;
  }
  wire::OrderResult done(const wire::Order& made) {
    EXPECT_TRUE(desk_->receive(sign(made), {}).ok());
    finish();
    return sent<wire::OrderResult>().back();
  }
  std::string everything_on_disk() {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_))
      if (entry.is_regular_file()) all += files_.read(entry.path().string(), 16 << 20).value();
    return all;
  }

  std::vector<std::string> asked_;
  std::vector<backup::Job> jobs_;
  Secrets secrets_;
  int server_away_ = 0;
  backup::JobOutcome outcome_ = backup::JobOutcome::ok;
};

TEST_F(BackupOrdersTest, AJobGetsItsSecretsAndSaysWhatCameOfIt) {
  const auto made = backup_order();
  const auto result = done(made);
  EXPECT_EQ(result.outcome, wire::OrderOutcome::success);
  ASSERT_TRUE(result.backup);
  EXPECT_EQ(result.backup->outcome, backup::JobOutcome::ok);
  EXPECT_EQ(asked_, std::vector<std::string>{made.order_id});
  EXPECT_EQ(secrets_.at("repository.key"), "very secret");
  EXPECT_EQ(everything_on_disk().find("very secret"), std::string::npos);
}

TEST_F(BackupOrdersTest, AFailureIsToldInItsWords) {
  outcome_ = backup::JobOutcome::failed;
  const auto result = done(backup_order());
  EXPECT_EQ(result.outcome, wire::OrderOutcome::failed);
  EXPECT_EQ(result.backup->why, "the vault is full");
  EXPECT_EQ(result.standard_error, "the vault is full\n");
}

TEST_F(BackupOrdersTest, AServerThatIsAwayForAMomentIsAskedAgainAndOneThatSaysNoIsNot) {
  server_away_ = 3;
  EXPECT_EQ(done(backup_order()).outcome, wire::OrderOutcome::success);
  EXPECT_EQ(asked_.size(), 4u);
  fetch_secrets_ = [](const std::string&) -> Result<Secrets> { return Error(Code::permission_denied, "not yours"); };
  const auto refused = done(backup_order());
  EXPECT_EQ(refused.outcome, wire::OrderOutcome::failed);
  EXPECT_NE(refused.backup->why.find("not yours"), std::string::npos);
  EXPECT_EQ(jobs_.size(), 1u);
}

TEST_F(BackupOrdersTest, AJobWhoseProcessWasKilledIsBegunAgainAFewTimes) {
  const auto made = backup_order();
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  const auto journal = paths_.order_directory(made.order_id) + "/backup.json";
  ASSERT_TRUE(files_.write_durable(journal, R"({"attempts":2,"begun_at":"2026-01-01T00:00:00Z"})", 0600).ok());
  finish();
  EXPECT_EQ(sent<wire::OrderResult>().back().outcome, wire::OrderOutcome::success);
  const auto worn = backup_order();
  ASSERT_TRUE(desk_->receive(sign(worn), {}).ok());
  const auto its = paths_.order_directory(worn.order_id) + "/backup.json";
  ASSERT_TRUE(files_.write_durable(its, R"({"attempts":3,"begun_at":"2026-01-01T00:00:00Z"})", 0600).ok());
  finish();
  const auto result = sent<wire::OrderResult>().back();
  EXPECT_EQ(result.outcome, wire::OrderOutcome::failed);
  EXPECT_NE(result.backup->why.find("killed 3 times"), std::string::npos);
  EXPECT_EQ(jobs_.size(), 1u);
}

TEST_F(BackupOrdersTest, ARestoreThatReplacesFilesIsNeverBegunTwice) {
  auto made = backup_order(backup::Task::restore);
  made.backup->restore.emplace();
  made.backup->restore->in_place = true;
  made.backup->source.data_directory = "/var/lib/postgresql/15/main";
  ASSERT_TRUE(desk_->receive(sign(made), {}).ok());
  const auto journal = paths_.order_directory(made.order_id) + "/backup.json";
  ASSERT_TRUE(files_.write_durable(journal, R"({"attempts":1,"begun_at":"2026-01-01T00:00:00Z"})", 0600).ok());
  ASSERT_TRUE(files_.make_directories(paths_.backups(), 0700).ok());
  ASSERT_TRUE(
      files_.write_durable(paths_.backups() + "/restore-bp-1", "a is put aside as a.before-x\nb is b.x", 0600).ok());
  finish();
  const auto result = sent<wire::OrderResult>().back();
  EXPECT_EQ(result.outcome, wire::OrderOutcome::failed);
  EXPECT_NE(result.backup->why.find("/var/lib/postgresql/15/main"), std::string::npos);
  EXPECT_NE(result.backup->why.find("a is put aside as a.before-x; b is b.x"), std::string::npos) << result.backup->why;
  EXPECT_TRUE(jobs_.empty());
}

TEST_F(BackupOrdersTest, ABackupRunsWhileAPatchRunHasTheNodeAndARestoreInPlaceDoesNot) {
  const auto lock = io::FileLock::acquire(paths_.run_lock());
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(done(backup_order()).outcome, wire::OrderOutcome::success);
  auto over = backup_order(backup::Task::restore);
  over.backup->restore.emplace();
  over.backup->restore->over = true;
  ASSERT_TRUE(desk_->receive(sign(over), {}).ok());
  desk_->tick();
  EXPECT_EQ(jobs_.size(), 1u);
}

TEST_F(BackupOrdersTest, WhatABackupGuardsIsWatchedUntilItIsForgotten) {
  auto made = backup_order();
  made.backup->rpo = Duration(3'600'000);
  done(made);
  auto watches = kept_watches(files_, paths_, clock_.now());
  ASSERT_EQ(watches.size(), 1u);
  EXPECT_EQ(watches[0].rpo, Duration(3'600'000));
  EXPECT_EQ(watches[0].plan_id, "bp-1");
  done(backup_order(backup::Task::prove));
  EXPECT_EQ(kept_watches(files_, paths_, clock_.now()).size(), 1u);
  EXPECT_TRUE(kept_watches(files_, paths_, clock_.now() + kWatchedFor + Duration(60'000)).empty());
  EXPECT_TRUE(kept_watches(files_, paths_, clock_.now()).empty());  // it was removed
}

TEST_F(BackupOrdersTest, AWatchThatCannotBeReadIsRemoved) {
  ASSERT_TRUE(files_.make_directories(paths_.watches(), 0700).ok());
  ASSERT_TRUE(files_.write_durable(paths_.watches() + "/bp-2.json", "{", 0600).ok());
  EXPECT_TRUE(kept_watches(files_, paths_, clock_.now()).empty());
  EXPECT_FALSE(files_.info(paths_.watches() + "/bp-2.json").ok());
}

}  // namespace
}  // namespace belay::agent
