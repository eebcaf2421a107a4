// What the contract of engines does not ask of SQLite: writers while a copy is made, logs beside a file that is
// replaced, a database that is damaged, whose files they are.
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "agent/backup/real_fixture_test.hpp"
#include "base/json.hpp"

namespace belay::agent::backups {
namespace {

using backup::JobOutcome;
using backup::ProofLevel;
using backup::Task;
using testing::HasSubstr;

class SqliteReal : public RealFixture {
 protected:
  void SetUp() override {
    if (!has("sqlite3") || !has("restic")) GTEST_SKIP() << "sqlite3 and restic are needed (scripts/packages-test.txt)";
    if (::geteuid() != 0) GTEST_SKIP() << "drills need root";
    ASSERT_EQ(shell("chmod 0711 " + at("")), "");
    job_.source.engine = backup::EngineName::sqlite;
    job_.source.paths = {db()};
    lay_repository();
  }
  std::string db() const { return at("source/app.db"); }
  std::string sql(const std::string& text) const { return shell("sqlite3 " + db() + " \"" + text + "\""); }
  void make(const std::string& mode) {
    sql("pragma journal_mode = " + mode +
        "; create table a (x); create table b (x); insert into a values (0); insert into b values (0);"
        "create table filling (x); with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000)"
        "insert into filling select hex(randomblob(200)) from n;");
  }
  backup::JobReport run(backup::Job job) { return do_job(host_, job, {{"repository.key", kRepositoryKey}}); }
  backup::JobReport back_up() { return run(job_); }
  backup::Job about(Task task, const backup::MadePoint& point) {
    auto job = job_;
    job.task = task;
    job.points = job.chain = {point};
    job.level = ProofLevel::P4;
    return job;
  }
  static std::string told(const backup::JobReport& report) { return json::to_pretty_text(json::encode(report)); }
};

TEST_F(SqliteReal, ACopyUnderWritersIsOfOneMoment) {
  make("wal");
  // Both tables grow in one transaction: they always have the same number of rows.
  Server writer({"sh", "-c",
                 "while :; do sqlite3 -cmd '.timeout 9000' " + db() +
                     " 'begin immediate; insert into a values (1); insert into b values (1); commit;'; done"});
  ASSERT_TRUE(eventually([&] { return sql("select count(*) > 5 from a") == "1\n"; }));
  const auto report = back_up();
  const auto written_on = sql("select count(*) from a");
  EXPECT_TRUE(eventually([&] { return sql("select count(*) from a") != written_on; }));
  writer.kill_all();
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  const auto& point = report.points.at(0);
  std::map<std::string, std::uint64_t> rows;
  for (const auto& print : point.fingerprints) rows[print.subject] = print.rows;
  EXPECT_GT(rows.at(db() + ":a"), 5u);
  EXPECT_EQ(rows.at(db() + ":a"), rows.at(db() + ":b"));
  EXPECT_EQ(rows.at(db() + ":filling"), 30'000u);
  EXPECT_EQ(point.rows, 2 * rows.at(db() + ":a") + 30'000);
  EXPECT_THAT(point.server_version, HasSubstr("SQLite 3"));
  const auto proof = run(about(Task::prove, point));
  EXPECT_EQ(proof.outcome, JobOutcome::ok) << told(proof);
  EXPECT_EQ(backup::level_reached(proof.evidence), ProofLevel::P4);
}

TEST_F(SqliteReal, AReplacedDatabaseTakesItsLogWithIt) {
  make("wal");
  const auto report = back_up();
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  // A log of later transactions lies beside the file: applied to the restored one it would spoil it.
  shell("printf '.dbconfig no_ckpt_on_close on\\ninsert into a values (99);\\n' | sqlite3 " + db());
  ASSERT_TRUE(io::real_files().info(db() + "-wal").ok());
  auto restore = about(Task::restore, report.points.at(0));
  restore.restore.emplace().path = "/";
  restore.restore->paths = {db()};
  EXPECT_EQ(run(restore).problems.at(0).subject, "target-not-empty");
  restore.restore->over = true;
  const auto restored = run(restore);
  ASSERT_EQ(restored.outcome, JobOutcome::ok) << told(restored);
  EXPECT_FALSE(io::real_files().info(db() + "-wal").ok());
  EXPECT_EQ(sql("pragma integrity_check; select count(*) from a"), "ok\n1\n");
  // What was put aside is a whole database, its log included.
  EXPECT_EQ(shell("sqlite3 " + db() + ".belay-before-" + job_.job_id + " 'select max(x) from a'"), "99\n");
  auto in_place = about(Task::restore, report.points.at(0));
  in_place.job_id = "bj-00000000000000002";
  in_place.restore.emplace().in_place = true;
  const auto again = run(in_place);
  EXPECT_EQ(again.outcome, JobOutcome::ok) << told(again);
  EXPECT_EQ(sql("select count(*) from a"), "1\n");
}

TEST_F(SqliteReal, ADamagedDatabaseIsNoBackup) {
  make("delete");
  const auto size = io::real_files().info(db())->bytes;
  std::fstream file(db(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(size / 2));
  file << std::string(20'000, '\x55');
  file.close();
  const auto report = back_up();
  EXPECT_EQ(report.outcome, JobOutcome::failed) << told(report);
  EXPECT_THAT(report.why, HasSubstr("older point")) << told(report);
  write(db(), std::string(10'000, 'x'));
  EXPECT_THAT(back_up().why, HasSubstr("not a database"));
}

TEST_F(SqliteReal, WhatIsMadeBesideTheFileIsItsOwners) {
  make("wal");
  shell("chown --recursive nobody:nogroup " + at("source"));
  const auto report = back_up();
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_EQ(shell("find " + at("source") + " ! -user nobody"), "");
  // Another program of that owner still writes.
  EXPECT_EQ(shell("setpriv --reuid=nobody --clear-groups sqlite3 " + db() + " 'insert into a values (5)'"), "");
}

}  // namespace
}  // namespace belay::agent::backups
