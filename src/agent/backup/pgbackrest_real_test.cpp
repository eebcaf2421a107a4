// pgBackRest and PostgreSQL as they are, through every task and what can go wrong with it.
#include <filesystem>
#include <thread>

#include "agent/backup/pg_real_test.hpp"
#include "agent/backup/pgbackrest.hpp"
#include "base/text.hpp"
#include "io/system_clock.hpp"

namespace belay::agent::backups {
namespace {

namespace fs = std::filesystem;
using backup::BackupType;
using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;

constexpr auto kEngine = backup::EngineName::pgbackrest;

class PgBackRestReal : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = PgStand::why_not({"pgbackrest", "postgres", "pg_amcheck"}); !why.empty()) GTEST_SKIP() << why;
    stand = std::make_unique<PgStand>();
    engine = make_pgbackrest_at(stand->kept_host(), {.configs = stand->path("etc"), .spool = stand->path("spool")});
  }
  std::string config() const { return stand->path("etc/pgbackrest-pg-test.conf"); }
  std::string repository() const { return stand->path("vault/bp-0123456789abcdef0/mi-0123456789abcdef0"); }
  void begin() {
    stand->start_server("wal_level = replica\narchive_mode = on\narchive_command = '" +
                        pgbackrest::archive_command(config(), "main") + "'\n");
    const auto report = stand->run(*engine, stand->job(Task::check, kEngine));
    ASSERT_EQ(report.outcome, JobOutcome::ok) << seen(report);
    stand->psql(
        "create table orders as select g as id, md5(g::text) as text from generate_series(1, 20000) g;"
        "create index on orders (id); create table customers (id int primary key, name text);"
        "insert into customers values (1, 'Ada'), (2, null); create schema app; create table app.\"odd name\" (x "
        "float8)");
  }
  JobReport back_up(BackupType type) {
    auto job = stand->job(Task::backup, kEngine);
    job.type = type;
    return stand->run(*engine, job);
  }
  JobReport prove(const backup::MadePoint& point, ProofLevel level, std::optional<Instant> target = {}) {
    auto job = stand->job(Task::prove, kEngine);
    job.points = {point};
    job.level = level;
    job.target = target;
    backup::Check check;
    check.name = "orders";
    check.sql = "select count(*), 'x' from orders";
    check.database = "postgres";
    check.at_least = 20'000;
    job.checks = {check};
    return stand->run(*engine, job);
  }
  backup::WatchReport watch() {
    const auto job = stand->job(Task::backup, kEngine);
    return engine->watch({job.plan_id, job.plan_name, job.vault.name, job.source, job.vault, Duration(3'600'000)});
  }
  static backup::RestoreTo to(const std::string& path, Instant time) {
    backup::RestoreTo restore;
    restore.path = path;
    restore.time = time;
    return restore;
  }
  static bool has(const backup::WatchReport& report, const std::string& what) {
    for (const auto& finding : report.findings)
      if (finding.what == what) return true;
    return false;
  }
  // The file of a segment of WAL, given the end of its name.
  std::string wal_file(const std::string& ending) const {
    for (const auto& entry : fs::recursive_directory_iterator(repository() + "/archive"))
      if (const auto name = entry.path().filename().string();
          name.size() > 24 && name.substr(0, 24).ends_with(ending) && name[24] == '-')
        return entry.path();
    return {};
  }
  std::unique_ptr<PgStand> stand;
  std::unique_ptr<BackupEngine> engine;
};

TEST_F(PgBackRestReal, SaysWhatTheServerLacksAndTouchesNothingOfIt) {
  stand->start_server();
  const auto settings = stand->out("cat " + stand->path("data/postgresql.conf"));
  const auto report = stand->run(*engine, stand->job(Task::check, kEngine));
  EXPECT_EQ(report.outcome, JobOutcome::failed) << seen(report);
  EXPECT_NE(report.output.find("archive_mode = on"), std::string::npos) << report.output;
  EXPECT_NE(report.output.find("archive_command = '" + pgbackrest::archive_command(config(), "main") + "'"),
            std::string::npos)
      << report.output;
  EXPECT_EQ(report.output.find("wal_level"), std::string::npos);  // replica is the default
  EXPECT_EQ(stand->out("cat " + stand->path("data/postgresql.conf")), settings);
  EXPECT_EQ(stand->out("stat -c '%a %U:%G' " + config()), "640 root:postgres");
  EXPECT_EQ(stand->out("ls " + repository()).find("archive"), 0u);  // the stanza is there all the same
  stand->stop_server();
  const auto down = stand->run(*engine, stand->job(Task::check, kEngine));
  EXPECT_EQ(down.outcome, JobOutcome::failed);
  ASSERT_FALSE(down.problems.empty());
  EXPECT_EQ(down.problems[0].subject, "source-down") << seen(down);
  EXPECT_TRUE(has(watch(), "source-down"));
}

TEST_F(PgBackRestReal, ChainsAreMadeProvenRestoredAndForgotten) {
  begin();
  const auto first = back_up(BackupType::incremental);  // there is nothing to build on
  ASSERT_EQ(first.outcome, JobOutcome::ok) << seen(first);
  ASSERT_EQ(first.points.size(), 1u);
  const auto& full = first.points[0];
  EXPECT_EQ(full.type, BackupType::full);
  EXPECT_TRUE(full.needs.empty());
  EXPECT_GT(full.rows, 20'000u);
  EXPECT_EQ(full.engine_version, "2.45");
  EXPECT_TRUE(full.server_version.starts_with("15."));
  EXPECT_TRUE(pgbackrest::parse_position(full.position)) << full.position;
  EXPECT_GE(full.fingerprints.size(), 5u) << seen(first);  // three tables, the heartbeat, the databases
  EXPECT_GT(first.repository_bytes, 0u);

  stand->psql("insert into orders select g, 'later' from generate_series(1, 500) g");
  const auto second = back_up(BackupType::differential);
  ASSERT_EQ(second.outcome, JobOutcome::ok) << seen(second);
  stand->psql("create database shop");
  stand->psql("create table goods as select 1 as id", "shop");
  const auto third = back_up(BackupType::incremental);
  ASSERT_EQ(third.outcome, JobOutcome::ok) << seen(third);
  const auto& incremental = third.points[0];
  EXPECT_EQ(incremental.type, BackupType::incremental);
  EXPECT_EQ(incremental.needs, (std::vector<std::string>{full.reference, second.points[0].reference}));
  stand->psql("delete from orders");  // behind the point: a drill that went to the end would see it

  const auto proof = prove(incremental, ProofLevel::P5);
  EXPECT_EQ(proof.outcome, JobOutcome::ok) << seen(proof);
  EXPECT_EQ(backup::level_reached(proof.evidence), ProofLevel::P5) << seen(proof);
  EXPECT_TRUE(proof.time_to_restore);
  EXPECT_TRUE(proof.restored_to);
  EXPECT_TRUE(fs::is_empty(stand->path("scratch")));
  std::puts(seen(proof).c_str());

  auto list = stand->run(*engine, stand->job(Task::list, kEngine));
  ASSERT_EQ(list.points.size(), 3u) << seen(list);
  EXPECT_EQ(list.points[2].position, incremental.position);
  auto forget = stand->job(Task::forget, kEngine);
  forget.points = {second.points[0]};
  const auto refused = stand->run(*engine, forget);
  EXPECT_EQ(refused.outcome, JobOutcome::failed);
  EXPECT_EQ(refused.problems.at(0).subject, "needed") << seen(refused);
  forget.points = {second.points[0], incremental};
  forget.compact = true;
  const auto gone = stand->run(*engine, forget);
  EXPECT_EQ(gone.outcome, JobOutcome::ok) << seen(gone);
  EXPECT_EQ(gone.forgotten.size(), 2u);
  EXPECT_EQ(stand->run(*engine, stand->job(Task::list, kEngine)).points.size(), 1u);
  EXPECT_EQ(stand->run(*engine, forget).outcome, JobOutcome::ok);  // absent is fine
  EXPECT_EQ(prove(full, ProofLevel::P3).outcome, JobOutcome::ok);  // its WAL is still there
}

TEST_F(PgBackRestReal, PointsInTimeBesideAndInPlace) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  const auto& point = made.points[0];
  stand->psql("insert into customers values (3, 'kept')");
  watch();  // a heartbeat
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto before_harm = io::system_clock().now();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  stand->psql("drop table customers; select pg_switch_wal()");
  const auto proof = prove(point, ProofLevel::P5, before_harm);
  EXPECT_EQ(proof.outcome, JobOutcome::ok) << seen(proof);

  auto job = stand->job(Task::restore, kEngine);
  job.points = {point};
  job.restore = to(stand->path("beside"), before_harm);
  job.restore->preview = true;
  stand->sh("mkdir " + stand->path("beside") + " && touch " + stand->path("beside/precious"));
  auto refused = stand->run(*engine, job);
  EXPECT_EQ(refused.problems.at(0).subject, "target-not-empty") << seen(refused);
  job.restore->over = true;
  auto preview = stand->run(*engine, job);
  EXPECT_EQ(preview.outcome, JobOutcome::ok) << seen(preview);
  EXPECT_TRUE(fs::exists(stand->path("beside/precious")));
  job.restore->preview = false;
  auto beside = stand->run(*engine, job);
  EXPECT_EQ(beside.outcome, JobOutcome::ok) << seen(beside);
  EXPECT_TRUE(fs::exists(stand->path("beside/PG_VERSION")));
  EXPECT_TRUE(fs::exists(stand->path("beside.before-" + job.job_id + "/precious")));
  EXPECT_NE(stand->out("cat " + stand->path("beside/postgresql.auto.conf")).find("archive_mode = 'off'"),
            std::string::npos);

  auto early = job;
  early.restore = to(stand->path("early"), point.begun_at - Duration(60'000));
  EXPECT_EQ(stand->run(*engine, early).problems.at(0).subject, "target-before-point");

  job.restore = to("", before_harm);
  job.restore->in_place = true;
  auto in_place = stand->run(*engine, job);
  EXPECT_EQ(in_place.outcome, JobOutcome::ok) << seen(in_place);
  EXPECT_EQ(stand->psql("select count(*) from customers where name = 'kept'"), "1");
  EXPECT_EQ(stand->psql("select pg_is_in_recovery(), timeline_id from pg_control_checkpoint()"), "f|2");
  EXPECT_TRUE(fs::exists(stand->path("data.before-" + job.job_id + "/PG_VERSION")));
  std::puts(seen(in_place).c_str());
  // The server goes on on the new timeline, and can be backed up at once.
  const auto next = back_up(BackupType::full);
  EXPECT_EQ(next.outcome, JobOutcome::ok) << seen(next);
  EXPECT_EQ(prove(next.points.at(0), ProofLevel::P3).outcome, JobOutcome::ok);
}

TEST_F(PgBackRestReal, AFailedRestoreInPlacePutsTheServerBack) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  stand->psql("insert into customers values (9, 'of today')");
  auto job = stand->job(Task::restore, kEngine);
  job.points = made.points;
  job.restore = to("", io::system_clock().now() + Duration(3'600'000));
  job.restore->in_place = true;
  const auto report = stand->run(*engine, job);  // nothing in the archive is of then
  EXPECT_EQ(report.outcome, JobOutcome::failed) << seen(report);
  EXPECT_EQ(stand->psql("select count(*) from customers where name = 'of today'"), "1") << seen(report);
}

TEST_F(PgBackRestReal, AVolumeOfItsOwnIsRefusedBeforeAnythingIsStopped) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  const auto data = stand->path("data");
  if (stand->sh("mount --bind " + data + " " + data) != 0) GTEST_SKIP() << "nothing can be mounted here";
  const auto started = stand->psql("select pg_postmaster_start_time()");
  auto job = stand->job(Task::restore, kEngine);
  job.points = made.points;
  job.restore.emplace().in_place = true;
  const auto report = stand->run(*engine, job);
  EXPECT_EQ(report.outcome, JobOutcome::failed) << seen(report);
  EXPECT_THAT(report.why, testing::HasSubstr("volume of its own"));
  EXPECT_EQ(stand->psql("select pg_postmaster_start_time()"), started);
  EXPECT_EQ(stand->sh("umount --lazy " + data), 0);
}

TEST_F(PgBackRestReal, ARestoreInPlaceThatWasKilledIsPutBackByTheNext) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  auto job = stand->job(Task::restore, kEngine);
  job.points = made.points;
  job.restore.emplace().in_place = true;
  // As the first one left it: the server stopped, what was there put aside, half of the restore in its place.
  stand->stop_server();
  const auto aside = stand->path("data.before-bj-of-the-killed");
  stand->sh("mv " + stand->path("data") + " " + aside);
  stand->sh("install -d -o postgres -g postgres -m 0700 " + stand->path("data") + " " + stand->path("data/base"));
  stand->sh("cp " + aside + "/PG_VERSION " + stand->path("data"));
  ASSERT_TRUE(
      io::real_files().write_durable(stand->path("state/pgbackrest-restore-pg-test"), "\n" + aside + "\n", 0600).ok());
  EXPECT_TRUE(has(watch(), "source-down"));
  const auto report = stand->run(*engine, job);
  EXPECT_EQ(report.outcome, JobOutcome::ok) << seen(report);
  EXPECT_NE(report.output.find("cut off"), std::string::npos) << seen(report);
  EXPECT_EQ(stand->psql("select count(*) > 0 from orders"), "t");
  EXPECT_FALSE(fs::exists(aside));
  EXPECT_FALSE(fs::exists(stand->path("state/pgbackrest-restore-pg-test")));
}

TEST_F(PgBackRestReal, ACopyIsRestoredWithoutTheFirstVault) {
  if (const auto why = PgStand::why_not({"restic"}); !why.empty()) GTEST_SKIP() << why;
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  auto copy = stand->job(Task::copy, kEngine);
  copy.points = made.points;
  copy.copy_to = copy.vault;
  copy.copy_to->path = stand->path("far");
  stand->sh("mkdir " + stand->path("far"));
  const auto copied = stand->run(*engine, copy);
  ASSERT_EQ(copied.outcome, JobOutcome::ok) << seen(copied);
  stand->stop_server();
  stand->sh("rm -rf " + stand->path("vault"));
  auto job = stand->job(Task::restore, kEngine);
  job.points = copied.points;
  job.vault = *copy.copy_to;
  job.restore.emplace().path = stand->path("beside");
  const Secrets key{{"repository.key", stand->secrets.at("copy.repository.key")}};
  const auto report = stand->run(*engine, job, key);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << seen(report);
  // It needs nothing but itself: the scratch with the fetched repository is gone.
  stand->sh("mv " + stand->path("data") + " " + stand->path("old") + " && mv " + stand->path("beside") + " " +
            stand->path("data"));
  stand->start_server();
  for (int i = 0; i < 100 && stand->psql("select pg_is_in_recovery()") != "f"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(stand->psql("select count(*) from orders"), "20000");
  EXPECT_EQ(stand->psql("show archive_mode"), "off");
}

TEST_F(PgBackRestReal, WhatIsWrongIsNamed) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  stand->psql("insert into orders select g, 'more' from generate_series(1, 100) g");
  const auto next = back_up(BackupType::incremental);
  ASSERT_EQ(next.outcome, JobOutcome::ok) << seen(next);

  auto job = stand->job(Task::list, kEngine);
  const auto wrong = stand->run(*engine, job, {{"repository.key", "not-the-key-at-all"}});
  EXPECT_EQ(wrong.problems.at(0).subject, "wrong-key") << seen(wrong);
  EXPECT_EQ(wrong.why.find("not-the-key-at-all"), std::string::npos);

  // A flipped bit: only reading every byte sees it.
  const auto bundle =
      stand->out("find " + repository() + "/backup/main/" + made.points[0].reference + "/bundle -type f | head -1");
  stand->sh("cp -a " + bundle + " " + stand->path("kept"));
  stand->sh("printf XX | dd of=" + bundle + " bs=1 seek=9000 conv=notrunc");
  const auto flipped = prove(next.points[0], ProofLevel::P3);
  EXPECT_EQ(flipped.outcome, JobOutcome::failed) << seen(flipped);
  EXPECT_EQ(backup::level_reached(flipped.evidence), ProofLevel::P1) << seen(flipped);
  stand->sh("cp -a " + stand->path("kept") + " " + bundle);

  // A member of the chain is gone; `verify` passes over it, `info` says ok.
  const auto member = repository() + "/backup/main/" + made.points[0].reference;
  stand->sh("mv " + member + " " + stand->path("gone"));
  const auto missing = prove(next.points[0], ProofLevel::P3);
  EXPECT_EQ(missing.outcome, JobOutcome::failed);
  EXPECT_NE(missing.why.find(made.points[0].reference), std::string::npos) << seen(missing);
  EXPECT_EQ(backup::level_reached(missing.evidence), ProofLevel::P0) << seen(missing);
  stand->sh("mv " + stand->path("gone") + " " + member);

  // Two at once.
  const auto held = stand->path("held"), done = stand->path("done");
  std::thread holder([&] {
    stand->sh("flock " + stand->path("spool/pgbackrest-pg-test/lock/main-backup.lock") + " sh -c 'touch " + held +
              "; until test -e " + done + "; do sleep 0.1; done'");
  });
  for (int i = 0; i < 6'000 && !fs::exists(held); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto busy = back_up(BackupType::incremental);
  stand->sh("touch " + done);
  EXPECT_EQ(busy.problems.empty() ? "" : busy.problems[0].subject, "repository-busy") << seen(busy);
  holder.join();
}

TEST_F(PgBackRestReal, GapsInTheArchiveAreSeen) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  EXPECT_FALSE(has(watch(), "log-gap"));
  for (int i = 0; i < 4; ++i)
    stand->psql("insert into customers values (" + std::to_string(100 + i) + ", 'x'); select pg_switch_wal()");
  stand->run(*engine, stand->job(Task::check, kEngine));  // all of it is archived now
  const auto last = stand->psql("select last_archived_wal from pg_stat_archiver");
  auto report = watch();
  EXPECT_TRUE(report.findings.empty()) << report.findings.at(0).what << report.findings.at(0).detail;
  EXPECT_TRUE(report.recoverable_to);
  const auto end = std::stoul(last.substr(16), nullptr, 16);
  char name[9];
  std::snprintf(name, sizeof name, "%08lX", end - 2);
  const auto file = wal_file(name);
  ASSERT_FALSE(file.empty());
  stand->sh("mv " + file + " " + stand->path("kept"));
  report = watch();
  EXPECT_TRUE(has(report, "log-gap"));
  EXPECT_EQ(report.log_gaps.size(), 1u);
  // Recovery ends at the gap, and PostgreSQL would promote there; with a target behind it, it fails.
  const auto proof = prove(made.points[0], ProofLevel::P3, io::system_clock().now());
  EXPECT_EQ(proof.outcome, JobOutcome::failed) << seen(proof);
  EXPECT_NE(proof.why.find("gap"), std::string::npos) << seen(proof);
  // Its own point lies before the gap.
  const auto own = prove(made.points[0], ProofLevel::P3);
  EXPECT_EQ(own.outcome, JobOutcome::ok) << seen(own);
  stand->sh("mv " + stand->path("kept") + " " + file);
  // The newest one that the server takes for archived.
  char newest[9];
  std::snprintf(newest, sizeof newest, "%08lX", end);
  stand->sh("rm " + wal_file(newest));
  report = watch();
  EXPECT_TRUE(has(report, "log-gap"));
  EXPECT_TRUE(report.log_gaps.empty());
}

TEST_F(PgBackRestReal, ABrokenArchiverAndAKilledRunAreHealedOrTold) {
  begin();
  ASSERT_EQ(back_up(BackupType::full).outcome, JobOutcome::ok);
  stand->psql("alter system set archive_command = 'false'");
  stand->psql("select pg_reload_conf()");
  stand->psql("insert into customers values (7, 'x'); select pg_switch_wal()");
  for (int i = 0; i < 100 && stand->psql("select failed_count from pg_stat_archiver") == "0"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(has(watch(), "archiver-failing"));
  const auto broken = stand->run(*engine, stand->job(Task::check, kEngine));
  EXPECT_EQ(broken.outcome, JobOutcome::failed);
  EXPECT_NE(broken.output.find("archive_command"), std::string::npos) << seen(broken);
  stand->psql("alter system reset archive_command");
  stand->psql("select pg_reload_conf()");

  stand->psql("create table big as select g, repeat(md5(g::text), 20) as text from generate_series(1, 60000) g");
  std::thread victim(
      [&] { stand->sh(stand->as_postgres("pgbackrest --config=" + config() + " --stanza=main backup --type=full")); });
  std::string process;
  for (int i = 0; i < 200 && process.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    process = stand->out("pgrep -f '^pgbackrest --config=" + config() + " .*--type=full' | head -1");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
  stand->sh("kill -9 " + process);
  victim.join();
  const auto healed = back_up(BackupType::full);
  EXPECT_EQ(healed.outcome, JobOutcome::ok) << seen(healed);
  EXPECT_EQ(prove(healed.points.at(0), ProofLevel::P3).outcome, JobOutcome::ok);
}

TEST_F(PgBackRestReal, AFullVaultIsCalledFull) {
  if (stand->sh("mount -t tmpfs -o size=24m,mode=0755 tmpfs " + stand->path("vault")) != 0) GTEST_SKIP() << "no mounts";
  begin();
  stand->psql(
      "create table noise as select g, md5(random()::text) || md5(random()::text) as text from generate_series(1, "
      "400000) g");
  const auto report = back_up(BackupType::full);
  EXPECT_EQ(report.outcome, JobOutcome::failed) << seen(report);
  std::puts(seen(report).c_str());
}

// As a guest: what opens the owner's repository is gone with the job, and the server needs nothing of it.
TEST_F(PgBackRestReal, ARestoreAsAGuestLeavesNoKeyOfTheOwner) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  const auto left = stand->path("etc/pgbackrest-pg-test-from-mi-0123456789abcdef0.conf");
  const auto own = stand->path("etc/pgbackrest-other-from-me.conf");  // of a plan that is called so
  for (const auto& path : {left, own})
    ASSERT_TRUE(io::real_files().write_durable(path, "repo1-cipher-pass=x\n", 0640).ok());
  auto job = stand->job(Task::restore, kEngine);
  job.node_id = "mi-fedcba98765432100";
  job.points = made.points;
  job.restore = to(stand->path("failing"), made.points[0].begun_at - Duration(60'000));
  EXPECT_EQ(stand->run(*engine, job).outcome, JobOutcome::failed);
  EXPECT_FALSE(fs::exists(left));  // of an earlier job
  EXPECT_TRUE(fs::exists(own));
  job.restore = backup::RestoreTo{};
  job.restore->path = stand->path("beside");
  const auto report = stand->run(*engine, job);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << seen(report);
  EXPECT_FALSE(fs::exists(left));
  EXPECT_EQ(stand->out("ls " + stand->path("etc")), "pgbackrest-other-from-me.conf\npgbackrest-pg-test.conf");
  stand->stop_server();
  stand->sh("rm -rf " + stand->path("vault") + " " + stand->path("etc"));
  stand->sh("mv " + stand->path("data") + " " + stand->path("old") + " && mv " + stand->path("beside") + " " +
            stand->path("data"));
  stand->start_server();
  for (int i = 0; i < 100 && stand->psql("select pg_is_in_recovery()") != "f"; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(stand->psql("select count(*) from orders"), "20000");
}

TEST_F(PgBackRestReal, ATestThatTookTooLongBlamesNobody) {
  begin();
  const auto made = back_up(BackupType::full);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << seen(made);
  auto job = stand->job(Task::prove, kEngine);
  job.points = made.points;
  job.level = ProofLevel::P2;
  job.limits.timeout = Duration(1);
  const auto report = stand->run(*engine, job);
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_FALSE(backup::speaks_against(report.evidence)) << seen(report);
  EXPECT_EQ(backup::level_reached(report.evidence), ProofLevel::P1) << seen(report);
}

}  // namespace
}  // namespace belay::agent::backups
