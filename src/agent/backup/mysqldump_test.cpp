// mariadb-dump against a real server, restic and real restores.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/mariadb_fixture_test.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using backup::BackupType;
using backup::EngineName;
using backup::JobOutcome;
using backup::ProofLevel;
using backup::Task;
using testing::HasSubstr;

class Mysqldump : public Stand {
 protected:
  void SetUp() override {
    Stand::SetUp();
    if (IsSkipped()) return;
    sql("create database shop character set utf8mb4; use shop; create table orders (id int primary key auto_increment, "
        "what varchar(80), raw blob); insert into orders (what, raw) select concat('row ', seq), unhex(md5(seq)) from "
        "seq_1_to_20000; create trigger t before insert on orders for each row set new.what = concat(new.what, '!');"
        "create procedure p() select 1; create database other; create table other.x (a int); insert into other.x "
        "values (3)");
  }
  backup::MadePoint dump() { return back_up(BackupType::full, EngineName::mysqldump); }
  backup::Job beside(const backup::MadePoint& point, const std::string& path) {
    auto restore = job(Task::restore, BackupType::full, EngineName::mysqldump);
    restore.points = {point};
    restore.restore.emplace();
    restore.restore->path = path;
    return restore;
  }
  backup::Job into_server(const backup::MadePoint& point, const std::string& database, bool over) {
    auto restore = beside(point, {});
    restore.restore->paths = {database};
    restore.restore->in_place = true;
    restore.restore->over = over;
    return restore;
  }
};

TEST_F(Mysqldump, ADumpComesBackAsItWas) {
  const auto point = dump();
  EXPECT_THAT(point.position, HasSubstr("bin.00000"));
  sql("insert into shop.orders (what) values ('late')");
  auto drill = drill_of(point, ProofLevel::P5, EngineName::mysqldump);
  backup::Check check;
  check.sql = "select count(*) from shop.orders";
  check.equals = "20000";
  drill.checks = {check};
  const auto report = run(drill);
  EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_EQ(backup::level_reached(report.evidence), ProofLevel::P5) << told(report);
  EXPECT_TRUE(report.time_to_restore);

  auto increment = job(Task::backup, BackupType::incremental, EngineName::mysqldump);
  EXPECT_THAT(run(increment).why, HasSubstr("always full"));
}

TEST_F(Mysqldump, ADumpThatWasCutIsNoPoint) {
  const auto point = dump();
  auto drill = drill_of(point, ProofLevel::P5, EngineName::mysqldump);
  ASSERT_TRUE(io::real_files().make_directories(host_->work_directory, 0711).ok());
  {
    const auto opened = OpenRepository::open(*host_, drill, drill.vault, secrets_, {}, false);
    const auto all = (*opened)->snapshots();
    const auto stored = *find_point(*all, point.reference);
    const auto place = root_ + "/cut";
    ASSERT_TRUE(io::real_files().make_directories(place, 0700).ok());
    ASSERT_TRUE((*opened)->restore(stored.snapshot_id, place).ok());
    // At the end of a statement: it loads without an error, and holds a part of the rows.
    shell("cd " + place +
          " && awk '{print} /^INSERT INTO `orders`/ {inside = 1} inside && /;$/ {exit}' dump.sql >cut.sql"
          " && test $(wc -c <cut.sql) -lt $(wc -c <dump.sql) && mv cut.sql dump.sql");
    EXPECT_EQ(check_dump(place + "/dump.sql").error().reason(), "dump-cut");
    // With a last line as if it were whole, only the comparison tells.
    shell("echo '-- Dump completed' >>" + place + "/dump.sql");
    StoreWhat what;
    what.paths = {kDumpFile, kAboutFile};
    what.relative_to = place;
    what.tags = stored.tags;
    ASSERT_TRUE((*opened)->forget({stored.snapshot_id}).ok());
    ASSERT_TRUE((*opened)->store(what).ok());
  }
  const auto report = run(drill);
  EXPECT_EQ(report.outcome, JobOutcome::failed) << told(report);
  EXPECT_TRUE(passed(report, "loaded")) << told(report);
  EXPECT_TRUE(failed_at(report, "comparison")) << told(report);
}

TEST_F(Mysqldump, ADatabaseThatCannotBeLoadedIsWhatItWasBefore) {
  sql("create table other.large (b longblob); insert into other.large values (repeat('x', 2000000))");
  const auto point = dump();
  sql("delete from other.large; insert into other.x values (77); set global max_allowed_packet = 1048576");
  const auto report = run(into_server(point, "other", true));
  EXPECT_EQ(report.outcome, JobOutcome::failed) << told(report);
  EXPECT_THAT(report.why, HasSubstr("is what it was before"));
  EXPECT_EQ(sql("select count(*) from other.large; select count(*) from other.x where a = 77"), "0\n1");
}

TEST_F(Mysqldump, RestoresBesideIntoDatabasesAndToAPointInTime) {
  const auto point = dump();
  sql("insert into other.x values (4)");
  shell("sleep 2");
  const auto before = host_->clock.now();
  shell("sleep 2");
  sql("drop table other.x");
  dump();  // archives the logs
  const auto dumped = run(beside(point, root_ + "/dumps"));
  ASSERT_EQ(dumped.outcome, JobOutcome::ok) << told(dumped);
  EXPECT_EQ(trim(shell("ls " + root_ + "/dumps")), "dump.sql");
  EXPECT_EQ(run(beside(point, root_ + "/dumps")).problems.at(0).subject, "target-not-empty");

  const auto refused = run(into_server(point, "other", false));
  EXPECT_EQ(refused.problems.at(0).subject, "target-not-empty") << told(refused);
  EXPECT_EQ(run(into_server(point, "nosuch", true)).problems.at(0).subject, "no-database");
  sql("create table other.newer (a int)");
  const auto loaded = run(into_server(point, "other", true));
  ASSERT_EQ(loaded.outcome, JobOutcome::ok) << told(loaded);
  EXPECT_EQ(sql("select group_concat(a) from other.x; show tables from other"), "3\nx");
  EXPECT_EQ(sql("select count(*) from shop.orders"), "20000");
  EXPECT_THAT(shell("cat " + root_ + "/state/aside/*.sql"), HasSubstr("newer"));

  auto in_time = beside(point, root_ + "/beside");
  in_time.restore->time = before;
  const auto back = run(in_time);
  ASSERT_EQ(back.outcome, JobOutcome::ok) << told(back);
  stop_server();
  data_ = root_ + "/beside";
  start_server();
  EXPECT_EQ(sql("select group_concat(a order by a) from other.x; call shop.p()"), "3,4\n1");
  EXPECT_EQ(sql("select default_character_set_name from information_schema.schemata where schema_name = 'shop'"),
            "utf8mb4");
}

}  // namespace
}  // namespace belay::agent::backups::mariadb
