// mariadb-backup against a real server, restic and real restores.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/backup/engines.hpp"
#include "agent/backup/mariadb_fixture_test.hpp"
#include "agent/backup/mariadb_watch.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using backup::BackupType;
using backup::JobOutcome;
using backup::ProofLevel;
using backup::Task;
using testing::ElementsAre;
using testing::HasSubstr;

class MariadbBackup : public Stand {
 protected:
  void SetUp() override {
    Stand::SetUp();
    if (IsSkipped()) return;
    sql("create database shop; use shop; create table orders (id int primary key auto_increment, what varchar(80));"
        "insert into orders (what) select concat('row ', seq) from seq_1_to_20000;"
        "create table notes (a int, t text) engine=Aria; insert into notes values (1, 'one');"
        "create table `odd``name` (a int); create view v as select count(*) from orders");
  }
  void add_orders(int count) {
    sql("use shop; insert into orders (what) select concat('more ', seq) from seq_1_to_" + std::to_string(count));
  }
};

TEST_F(MariadbBackup, FullIncrementalAndDifferentialComeBackAsTheyWere) {
  heartbeat_ = "belay.heartbeat";
  const auto full = back_up(BackupType::full);
  EXPECT_TRUE(full.needs.empty());
  EXPECT_THAT(full.position, HasSubstr("bin.00000"));
  EXPECT_THAT(full.server_version, HasSubstr("MariaDB"));
  EXPECT_GT(full.rows, 20'000u);
  add_orders(1000);
  sql("insert into shop.notes values (2, 'two'); create table shop.late (a int); insert into shop.late values (7)");
  const auto one = back_up(BackupType::incremental);
  EXPECT_THAT(one.needs, ElementsAre(full.reference));
  add_orders(500);
  const auto two = back_up(BackupType::incremental);
  EXPECT_THAT(two.needs, ElementsAre(full.reference, one.reference));
  add_orders(250);
  const auto differential = back_up(BackupType::differential);
  EXPECT_THAT(differential.needs, ElementsAre(full.reference));
  add_orders(125);
  // The node forgot everything: it finds its chain in the repository again.
  shell("rm -r " + root_ + "/state/bp-00000000000000001");
  const auto three = back_up(BackupType::incremental);
  EXPECT_THAT(three.needs, ElementsAre(full.reference, differential.reference))
      << told(run(drill_of(three, ProofLevel::P1)));

  const std::pair<backup::MadePoint, int> expected[] = {
      {full, 20'000}, {two, 21'500}, {differential, 21'750}, {three, 21'875}};
  for (const auto& [point, rows] : expected) {
    auto drill = drill_of(point, ProofLevel::P5);
    backup::Check check;
    check.sql = "select count(*) from orders";
    check.database = "shop";
    check.equals = std::to_string(rows);
    drill.checks = {check};
    const auto report = run(drill);
    EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
    EXPECT_EQ(backup::level_reached(report.evidence), ProofLevel::P5) << told(report);
    ASSERT_TRUE(report.time_to_restore);
    EXPECT_GT(report.time_to_restore->count(), 0);
    EXPECT_TRUE(passed(report, "innochecksum") && passed(report, "CHECK TABLE EXTENDED") && passed(report, "heartbeat"))
        << told(report);
    EXPECT_EQ(shell("ls " + root_ + "/scratch"), "");  // all gone
  }
  // What a point needs cannot be deleted; the newest can.
  auto forget = job(Task::forget);
  forget.points = {one};
  EXPECT_THAT(run(forget).why, HasSubstr("needs it"));
  forget.points = {three};
  const auto forgotten = run(forget);
  EXPECT_EQ(forgotten.outcome, JobOutcome::ok) << told(forgotten);
  EXPECT_THAT(forgotten.forgotten, ElementsAre(three.reference));
  const auto listed = run(job(Task::list));
  EXPECT_EQ(listed.points.size(), 4u) << told(listed);
  // The next increment is built on what is left.
  add_orders(60);
  EXPECT_THAT(back_up(BackupType::incremental).needs, ElementsAre(full.reference, differential.reference));
}

TEST_F(MariadbBackup, APointInTimeIsReachedByBinaryLogs) {
  const auto full = back_up(BackupType::full);
  add_orders(10);
  shell("sleep 2");
  const auto before = host_->clock.now();
  shell("sleep 2");
  sql("delete from shop.orders");
  const auto later = back_up(BackupType::incremental);
  auto drill = drill_of(full, ProofLevel::P5);
  drill.target = before;
  backup::Check check;
  check.sql = "select count(*) from shop.orders";
  check.equals = "20010";
  drill.checks = {check};
  const auto report = run(drill);
  EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_EQ(report.restored_to, before);

  // Beyond what is archived: named, never passed off as reached.
  drill.target = host_->clock.now() + Duration(3'600'000);
  const auto beyond = run(drill);
  EXPECT_EQ(beyond.outcome, JobOutcome::failed);
  EXPECT_TRUE(failed_at(beyond, "do not reach")) << told(beyond);
  // Before the point itself.
  drill.target = full.taken_at - Duration(1);
  EXPECT_TRUE(failed_at(run(drill), "before the point was taken"));

  // Beside, as a data directory.
  auto restore = job(Task::restore);
  restore.points = {full};
  restore.restore.emplace();
  restore.restore->path = root_ + "/beside";
  restore.restore->time = before;
  restore.restore->preview = true;
  const auto preview = run(restore);
  EXPECT_THAT(preview.output, HasSubstr("recover by binary logs")) << told(preview);
  EXPECT_FALSE(io::real_files().info(root_ + "/beside").ok());
  restore.restore->preview = false;
  const auto restored = run(restore);
  ASSERT_EQ(restored.outcome, JobOutcome::ok) << told(restored);
  EXPECT_EQ(run(restore).problems.at(0).subject, "target-not-empty");
  stop_server();
  data_ = root_ + "/beside";
  start_server();
  EXPECT_EQ(sql("select count(*) from shop.orders"), "20010");
  EXPECT_EQ(sql("select count(*) from shop.notes"), "1");
}

TEST_F(MariadbBackup, InPlaceTheDataDirectoryIsPutAside) {
  const auto full = back_up(BackupType::full);
  add_orders(10);
  const auto one = back_up(BackupType::incremental);
  add_orders(10);
  auto restore = job(Task::restore);
  restore.points = {one};
  restore.restore.emplace();
  restore.restore->over = restore.restore->in_place = true;
  const auto running = run(restore);  // it runs as nobody's service here
  EXPECT_EQ(running.problems.at(0).subject, "server-running") << told(running);
  stop_server();
  restore.restore->over = false;
  EXPECT_EQ(run(restore).problems.at(0).subject, "target-not-empty");
  restore.restore->over = true;
  const auto report = run(restore);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_THAT(report.output, HasSubstr("what was there is now " + data_ + ".before-"));
  start_server();
  EXPECT_EQ(sql("select count(*) from shop.orders"), "20010");
  // Another data directory: nothing is built upon what was.
  const auto next = back_up(BackupType::incremental);
  EXPECT_EQ(next.type, BackupType::full);
  EXPECT_THAT(join(next.remarks, "; "), HasSubstr("another data directory"));
}

// The server as a service of systemd's: what it is told, this test does.
class Systemd final : public io::Processes {
 public:
  Systemd(fakes::PrivateMariadb& server, std::string data) : server_(server), data_(std::move(data)) {}
  Result<io::ProcessOutcome> run(const io::ProcessSpec& spec, const io::OutputSink& sink) override {
    if (spec.argv.front() != "systemctl") return io::real_processes().run(spec, sink);
    const auto& verb = spec.argv.at(1);
    const bool ours = spec.argv.back() == "mariadb";
    orders += verb + " " + spec.argv.back() + "\n";
    io::ProcessOutcome outcome;
    if (verb == "is-active") outcome.standard_output = ours && is_up ? "active\n" : "inactive\n";
    else if (verb == "show") outcome.standard_output = "\n";  // no socket of systemd's would start it
    else if (verb == "stop" && ours) server_.stop(), is_up = false;
    else if (verb == "start" && ours && !is_up) is_up = server_.start(data_);
    else ADD_FAILURE() << "systemctl is told something unforeseen: " << orders;
    outcome.exit_status = verb == "is-active" && !(ours && is_up) ? 3 : 0;
    return outcome;
  }
  std::string orders;
  bool is_up = true;

 private:
  fakes::PrivateMariadb& server_;
  std::string data_;
};

TEST_F(MariadbBackup, InPlaceTheServiceIsStoppedAndStartedAtTheNewestMoment) {
  Systemd systemd(*server_, data_);
  const BackupHost host{io::real_files(), systemd, io::system_clock(), root_ + "/work", root_ + "/state", &cancel_, {}};
  const auto full = back_up(BackupType::full);
  add_orders(10);  // not archived by any run: the restore itself sees to it
  shell("sleep 2");
  const auto before = host.clock.now();
  shell("sleep 2");
  sql("drop table shop.orders");
  auto restore = job(Task::restore);
  restore.points = {full};
  restore.restore.emplace();
  restore.restore->over = restore.restore->in_place = true;
  restore.restore->time = before;
  const auto engine = mariadb_backup_with(host, option_file_);
  const auto report = do_job_with(host, *engine, restore, secrets_);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_THAT(systemd.orders, HasSubstr("show mariadb\nstop mariadb\nstart mariadb\n"));
  EXPECT_EQ(sql("select count(*) from shop.orders"), "20010");
  EXPECT_EQ(report.restored_to, before);
  EXPECT_TRUE(report.time_to_restore);
}

TEST_F(MariadbBackup, DamageThatLetsTheServerStartIsFound) {
  const auto full = back_up(BackupType::full);
  auto drill = drill_of(full, ProofLevel::P3);
  ASSERT_TRUE(io::real_files().make_directories(host_->work_directory, 0711).ok());
  const auto opened = OpenRepository::open(*host_, drill, drill.vault, secrets_, {}, false);
  ASSERT_TRUE(opened.ok()) << opened.error().chain();
  const auto all = (*opened)->snapshots();
  const auto members = members_of(*all, full.reference);
  ASSERT_TRUE(members.ok());
  const auto scratch = Scratch::make(*host_, drill, 1 << 20, "mysql");
  backup::JobReport report;
  Stopwatch watch(host_->clock, report);
  const auto prepared = fetch_and_prepare(*host_, drill, **opened, *members, scratch->path(), watch);
  ASSERT_TRUE(prepared.ok()) << prepared.error().chain();
  check_pages(*host_, drill, prepared->directory, report);
  EXPECT_TRUE(passed(report, "innochecksum")) << told(report);
  shell("python3 -c \"f=open('" + prepared->directory +
        "/shop/orders.ibd','r+b'); f.seek(16384*20+5000); b=f.read(1); f.seek(-1,1); f.write(bytes([b[0]^4]))\"");
  backup::JobReport damaged;
  check_pages(*host_, drill, prepared->directory, damaged);
  EXPECT_TRUE(failed_at(damaged, "shop/orders.ibd")) << told(damaged);
  // mariadbd starts on it, and CHECK TABLE ends with 0: its text tells.
  const auto server = DrilledServer::start(*host_, drill, option_file_, prepared->directory, prepared->about);
  ASSERT_TRUE(server.ok()) << server.error().chain();
  check_tables((*server)->client(), damaged);
  EXPECT_TRUE(failed_at(damaged, "shop.orders")) << told(damaged);
}

TEST_F(MariadbBackup, RowsThatAreMissingAreFound) {
  auto full = back_up(BackupType::full);
  for (auto& print : full.fingerprints)
    if (print.subject == "shop.orders") print.rows += 1;
  const auto fewer = run(drill_of(full, ProofLevel::P3));
  EXPECT_EQ(fewer.outcome, JobOutcome::failed);
  EXPECT_TRUE(failed_at(fewer, "shop.orders")) << told(fewer);
  const auto next = back_up(BackupType::incremental);  // nothing is built on it
  EXPECT_EQ(next.type, BackupType::full);
  EXPECT_THAT(join(next.remarks, "; "), HasSubstr("found damage"));
  EXPECT_EQ(back_up(BackupType::incremental).type, BackupType::incremental);
  full.fingerprints.clear();
  EXPECT_EQ(run(drill_of(full, ProofLevel::P3)).outcome, JobOutcome::failed);  // nothing to compare is no proof
}

TEST_F(MariadbBackup, AMissingIncrementIsNamed) {
  back_up(BackupType::full);
  add_orders(10);
  const auto one = back_up(BackupType::incremental);
  add_orders(10);
  const auto two = back_up(BackupType::incremental);
  const auto here = job(Task::list);
  ASSERT_TRUE(io::real_files().make_directories(host_->work_directory, 0711).ok());
  {
    const auto opened = OpenRepository::open(*host_, here, here.vault, secrets_, {}, false);
    const auto all = (*opened)->snapshots();
    ASSERT_TRUE((*opened)->forget({find_point(*all, one.reference)->snapshot_id}).ok());
  }
  const auto report = run(drill_of(two, ProofLevel::P5));
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_EQ(report.problems.at(0).subject, "chain-broken") << told(report);
  // The next one does not build on what cannot be restored.
  const auto next = back_up(BackupType::incremental);
  EXPECT_EQ(next.needs.size(), 1u) << join(next.remarks, "; ");
}

TEST_F(MariadbBackup, FailuresAreNamed) {
  const auto made = back_up(BackupType::full);
  const auto subject_of = [](const backup::JobReport& report) {
    return report.problems.empty() ? told(report) : report.problems.front().subject;
  };
  secrets_["repository.key"] = "another key";
  EXPECT_EQ(subject_of(run(job(Task::backup))), "wrong-key");
  secrets_["repository.key"] = fakes::kRepositoryKey;

  shell("printf '[client]\\nuser=nobody\\npassword=swordfish\\n' >" + option_file_ + "; chmod 644 " + option_file_);
  EXPECT_EQ(subject_of(run(job(Task::backup))), "option-file-open");
  shell("chmod 600 " + option_file_);
  const auto denied = run(job(Task::backup));
  EXPECT_EQ(subject_of(denied), "access-denied");
  EXPECT_THAT(denied.why, testing::Not(HasSubstr("swordfish")));
  sql("create user backup@localhost identified by 'swordfish'; grant all on *.* to backup@localhost");
  shell("sed -i s/nobody/backup/ " + option_file_);
  EXPECT_EQ(run(job(Task::backup)).outcome, JobOutcome::ok);
  shell("rm " + option_file_);

  auto small = job(Task::backup);
  small.scratch = "/dev/shm/belay-mariadb-none";
  shell("mkdir " + small.scratch + " && mount -t tmpfs -o size=16m none " + small.scratch);
  EXPECT_EQ(subject_of(run(small)), "no-room");
  shell("umount " + small.scratch + " && rmdir " + small.scratch);

  auto old = drill_of(made, ProofLevel::P3);
  old.points.front().reference = "20000101-000000.000F";
  EXPECT_EQ(subject_of(run(old)), "no-point");

  stop_server(9);
  const auto down = run(job(Task::backup));
  EXPECT_EQ(subject_of(down), "source-down") << told(down);
  EXPECT_EQ(run(drill_of(made, ProofLevel::P5)).outcome, JobOutcome::ok);  // it needs no source
  start_server();
  // After kill -9 of the server the chain goes on.
  EXPECT_EQ(back_up(BackupType::incremental).type, BackupType::incremental);
}

TEST_F(MariadbBackup, TheWatchSeesGapsInTheLogs) {
  heartbeat_ = "belay.heartbeat";
  back_up(BackupType::full);
  backup::Watch watch{"bp-00000000000000001", "db", "here", job(Task::backup).source, job(Task::backup).vault,
                      Duration(60'000)};
  const auto look = [&] { return engine(backup::EngineName::mariadb_backup)->watch(watch); };
  const auto quiet = look();
  EXPECT_TRUE(quiet.findings.empty()) << (quiet.findings.empty() ? "" : quiet.findings.front().detail);
  EXPECT_GT(quiet.bytes_behind.value_or(0), 0u);  // the heartbeat itself
  ASSERT_TRUE(quiet.recoverable_to);
  sql("flush binary logs; flush binary logs; flush binary logs");
  // A log can be deleted once all that is in it lies in the data files.
  for (int i = 0; i < 100; ++i) {
    const auto shown = sql("flush engine logs; show binary logs");
    if (shown.find('\n') == std::string::npos) break;
    const auto newest = split(shown, '\n').back();
    sql("do sleep(0.2); purge binary logs to '" + std::string(newest.substr(0, newest.find('\t'))) + "'");
  }
  const auto gap = look();
  ASSERT_FALSE(gap.findings.empty()) << sql("show binary logs") << shell("cat " + root_ + "/state/bp*/binary-logs");
  EXPECT_EQ(gap.findings.front().what, "log-gap");
  EXPECT_EQ(gap.log_gaps.size(), 1u);
  const auto one = back_up(BackupType::incremental);
  EXPECT_THAT(join(one.remarks, "; "), HasSubstr("were deleted before they were archived"));
  EXPECT_EQ(look().findings.at(0).what, "log-gap");  // it stays, until …
  back_up(BackupType::full);
  EXPECT_TRUE(look().findings.empty());
  sql("reset master");
  EXPECT_EQ(look().findings.at(0).what, "log-gap");
  const auto anew = back_up(BackupType::incremental);
  EXPECT_THAT(join(anew.remarks, "; "), HasSubstr("began anew"));
  EXPECT_EQ(run(drill_of(anew, ProofLevel::P4)).outcome, JobOutcome::ok);
  stop_server();
  EXPECT_EQ(look().findings.at(0).what, "source-down");
}

TEST_F(MariadbBackup, WithoutBinaryLogsWhatDidNotChangeIsCompared) {
  stop_server();
  server_->set_options({});
  start_server();
  const auto full = back_up(BackupType::full);
  EXPECT_THAT(join(full.remarks, "; "), HasSubstr("log_bin is off"));
  const auto report = run(drill_of(full, ProofLevel::P4));
  EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
}

TEST_F(MariadbBackup, ACopyCarriesTheChainAndItsLogs) {
  const auto full = back_up(BackupType::full);
  add_orders(100);
  const auto one = back_up(BackupType::incremental);
  auto copy = job(Task::copy);
  copy.copy_to = copy.vault;
  copy.copy_to->name = "there";
  copy.copy_to->path = root_ + "/offsite";
  shell("mkdir " + root_ + "/offsite");
  copy.points = {one};
  secrets_["copy.repository.key"] = "the key of the other vault";
  const auto copied = run(copy);
  ASSERT_EQ(copied.outcome, JobOutcome::ok) << told(copied);
  EXPECT_EQ(copied.points.at(0).reference, one.reference);
  shell("rm -r " + root_ + "/vault " + root_ + "/state && mkdir " + root_ + "/state");
  auto drill = drill_of(one, ProofLevel::P5);
  drill.vault = *copy.copy_to;
  drill.offsite = true;
  secrets_["repository.key"] = secrets_["copy.repository.key"];
  const auto report = run(drill);
  EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
}

TEST_F(MariadbBackup, WhatIsWrittenMeanwhileIsInTheProof) {
  // One process of its own that writes: starting many beside a job would hold on to the files it has open.
  std::thread writer([&] {
    shell("while ! test -e " + root_ +
          "/stop; do echo \"use shop; insert into orders (what) select concat('w', seq) from "
          "seq_1_to_50; insert into notes values (9, 'w'); update orders set what = 'u' where id % 97 = 3;\"; sleep "
          "0.02; "
          "done | mariadb --no-defaults --socket=" +
          server_->socket());
  });
  const auto full = back_up(BackupType::full);
  const auto one = back_up(BackupType::incremental);
  shell("touch " + root_ + "/stop");
  writer.join();
  for (const auto& point : {full, one}) {
    const auto report = run(drill_of(point, ProofLevel::P4));
    EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
    EXPECT_TRUE(passed(report, "recovered by binary logs") && passed(report, "comparison")) << told(report);
  }
}

}  // namespace
}  // namespace belay::agent::backups::mariadb
