// pg_dump, pg_restore and PostgreSQL as they are. What all engines share is tried by tests/contract.
#include <filesystem>

#include "agent/backup/pg_real_test.hpp"

namespace belay::agent::backups {
namespace {

namespace fs = std::filesystem;
using backup::JobOutcome;
using backup::ProofLevel;
using backup::Task;

constexpr auto kEngine = backup::EngineName::pg_dump;

class PgDumpReal : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = PgStand::why_not({"restic", "postgres", "pg_amcheck", "pg_restore"}); !why.empty())
      GTEST_SKIP() << why;
    stand = std::make_unique<PgStand>();
    engine = make_pg_dump(stand->kept_host());
    stand->lay_repository();
    stand->start_server();
    stand->psql(
        "create role app login password 'not-to-be-seen'; create role \"odd name\"; create database shop owner app");
    stand->psql("create database \"o'dd = \\ \"\"name\"\"\"");
    stand->psql(
        "create table orders as select g as id, md5(g::text) as text from generate_series(1, 3000) g;"
        "alter table orders owner to app; create schema x; create table x.t (a int primary key, b float8, c bytea);"
        "insert into x.t values (1, 0.1, '\\x00ff'), (2, 'NaN', null)",
        "shop");
  }
  backup::MadePoint back_up() {
    const auto report = stand->run(*engine, stand->job(Task::backup, kEngine));
    EXPECT_EQ(report.outcome, JobOutcome::ok) << seen(report);
    return report.points.empty() ? backup::MadePoint() : report.points[0];
  }
  std::unique_ptr<PgStand> stand;
  std::unique_ptr<BackupEngine> engine;
};

TEST_F(PgDumpReal, EveryDatabaseAndTheRolesComeBack) {
  const auto point = back_up();
  // The heartbeat has a row of the look that goes before a first backup, and one of the backup.
  EXPECT_EQ(stand->psql("select string_agg(id, ' ' order by id) from belay.heartbeat"), "backup check");
  EXPECT_EQ(point.rows, 3'000u + 2 + 2);
  auto job = stand->job(Task::prove, kEngine);
  job.points = {point};
  job.level = ProofLevel::P5;
  backup::Check check;
  check.sql = "select count(*) from orders join pg_tables on tablename = 'orders' and tableowner = 'app'";
  check.database = "shop";
  check.equals = "3000";
  job.checks = {check};
  const auto proof = stand->run(*engine, job);
  EXPECT_EQ(proof.outcome, JobOutcome::ok) << seen(proof);
  EXPECT_EQ(backup::level_reached(proof.evidence), ProofLevel::P5) << seen(proof);
  EXPECT_EQ(seen(proof).find("not-to-be-seen"), std::string::npos);
  std::puts(seen(proof).c_str());
}

TEST_F(PgDumpReal, IntoTheServerBesideAndInPlace) {
  const auto point = back_up();
  stand->psql("delete from orders where id > 10", "shop");
  auto job = stand->job(Task::restore, kEngine);
  job.points = {point};
  job.restore.emplace().in_place = true;
  job.restore->paths = {"shop"};
  const auto beside = stand->run(*engine, job);
  EXPECT_EQ(beside.outcome, JobOutcome::ok) << seen(beside);
  EXPECT_EQ(stand->psql("select count(*) from orders", "shop"), "10");
  EXPECT_EQ(stand->psql("select count(*) from orders", "shop_restored_9abcdef0"), "3000");
  job.restore->over = true;
  const auto over = stand->run(*engine, job);
  EXPECT_EQ(over.outcome, JobOutcome::ok) << seen(over);
  EXPECT_EQ(stand->psql("select count(*) from orders", "shop"), "3000");
  EXPECT_EQ(stand->psql("select count(*) from orders", "shop_before_9abcdef0"), "10");
  EXPECT_EQ(stand->psql("select pg_get_userbyid(datdba) from pg_database where datname = 'shop'"), "app");
}

TEST_F(PgDumpReal, NoRightThatWasTakenComesBackToALiveServer) {
  stand->psql("create role leaked superuser login password 'old-and-known'");
  stand->psql("create role gone superuser login password 'old'");
  const auto point = back_up();
  stand->psql("alter role leaked nosuperuser password 'new-after-the-incident'");
  stand->psql("drop role gone");
  const auto hash = stand->psql("select rolpassword from pg_authid where rolname = 'leaked'");
  auto job = stand->job(Task::restore, kEngine);
  job.points = {point};
  job.restore.emplace().in_place = true;
  job.restore->paths = {"shop"};
  const auto report = stand->run(*engine, job);
  EXPECT_EQ(report.outcome, JobOutcome::ok) << seen(report);
  EXPECT_EQ(stand->psql("select rolsuper from pg_roles where rolname = 'leaked'"), "f");
  EXPECT_EQ(stand->psql("select rolpassword from pg_authid where rolname = 'leaked'"), hash);
  EXPECT_EQ(stand->psql("select rolsuper, rolcanlogin from pg_roles where rolname = 'gone'"), "f|f");
  EXPECT_THAT(report.output, testing::HasSubstr("without login or rights: gone"));
}

TEST_F(PgDumpReal, ADatabaseThatIsNotThereIsNamed) {
  auto job = stand->job(Task::backup, kEngine);
  job.source.databases = {"shop", "nowhere"};
  const auto report = stand->run(*engine, job);
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_EQ(report.problems.at(0).subject, "no-database") << seen(report);
  job.source.databases = {"shop"};
  const auto one = stand->run(*engine, job);
  EXPECT_EQ(one.outcome, JobOutcome::ok) << seen(one);
  stand->sh("mv " + stand->path("socket") + " " + stand->path("elsewhere"));
  EXPECT_EQ(stand->run(*engine, job).problems.at(0).subject, "source-down");
  stand->sh("mv " + stand->path("elsewhere") + " " + stand->path("socket"));
}

}  // namespace
}  // namespace belay::agent::backups
