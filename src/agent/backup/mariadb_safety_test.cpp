// What a drill and a restore of a real server must not do to the machine, and what must come back whatever happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/engines.hpp"
#include "agent/backup/mariadb_fixture_test.hpp"
#include "agent/backup/restore_note.hpp"
#include "base/text.hpp"
#include "tests/fakes/killed.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using backup::BackupType;
using backup::JobOutcome;
using backup::ProofLevel;
using backup::Task;
using testing::HasSubstr;

class MariadbSafety : public Stand {
 protected:
  void SetUp() override {
    Stand::SetUp();
    if (IsSkipped()) return;
    sql("create database shop; create table shop.orders (a int); insert into shop.orders values (1), (2), (3)");
  }
};

TEST_F(MariadbSafety, AChecksCommandWritesNothingOfTheMachine) {
  const auto full = back_up(BackupType::full);
  const auto mark = root_ + "/of-production";
  shell("mkdir " + mark + " && chmod 777 " + mark);
  auto drill = drill_of(full, ProofLevel::P5);
  const std::pair<std::string, std::string> asked[] = {
      {"id -un", "mysql"},
      {"touch " + mark + "/x /etc/belay-x 2>/dev/null || echo cannot", "cannot"},
      {"touch $BELAY_RESTORED/x && echo can", "can"},
      {"ls -A /var/lib/mysql 2>/dev/null | wc -l", "0"},
      {"ls -A " + data_ + " | wc -l", "0"},
      {"ls " + server_->socket() + " 2>/dev/null || echo none", "none"},
      {"mariadb --no-defaults --user=root --socket=drill.sock -N -e 'select 1' 2>/dev/null || echo denied", "denied"}};
  for (const auto& [command, answer] : asked) {
    backup::Check check;
    check.command = {"/bin/sh", "-c", command};
    check.equals = answer;
    drill.checks.push_back(check);
  }
  // A client of its own runs what a question says to it: as root by name alone, who may write nothing here.
  backup::Check check;
  check.sql = "\\! touch " + mark + "/y /etc/belay-y " + root_ +
              "/vault/y || mount -o remount,rw / || touch /etc/belay-y\n" + "select count(*) from shop.orders";
  check.equals = "3";
  drill.checks.push_back(check);
  const auto report = run(drill);
  EXPECT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_EQ(shell("ls -A " + mark + "; ls -A /etc | grep belay- || true; ls " + root_ + "/vault | grep -x y || true"),
            "");
}

// Tables of DATA DIRECTORY: with the source gone nothing of it hides what a restored server opens.
TEST_F(MariadbSafety, TablesThatLayOutsideComeBackInside) {
  const auto outside = root_ + "/outside";
  shell("install -d -o mysql -g mysql " + outside);
  sql("use shop; create table o (a int primary key) data directory='" + outside + "'; insert into o values (1), (2);" +
      "create table p (a int) partition by hash(a) (partition p0 data directory '" + outside + "', partition p1);" +
      "insert into p values (1), (2), (3)");
  back_up(BackupType::full);
  sql("use shop; insert into o values (3); create table late (a int) data directory='" + outside +
      "'; insert into late values (7)");
  const auto one = back_up(BackupType::incremental);
  auto drill = drill_of(one, ProofLevel::P5);
  backup::Check check;
  check.sql =
      "select (select count(*) from shop.o) * 100 + (select count(*) from shop.p) * 10 + (select count(*) from "
      "shop.late)";
  check.equals = "331";
  drill.checks = {check};
  const auto beside_it = run(drill);
  EXPECT_EQ(beside_it.outcome, JobOutcome::ok) << told(beside_it);
  stop_server();
  const auto alone = run(drill);
  EXPECT_EQ(alone.outcome, JobOutcome::ok) << told(alone);
  EXPECT_TRUE(passed(alone, "comparison")) << told(alone);

  const auto as_it_was = shell("cd " + outside + " && find . -type f | sort | xargs sha256sum");
  auto restore = job(Task::restore);
  restore.points = {one};
  restore.restore.emplace();
  restore.restore->over = restore.restore->in_place = true;
  const auto report = run(restore);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_THAT(report.output, HasSubstr("inside of " + data_ + " now: shop/"));
  start_server();
  EXPECT_EQ(sql(check.sql), "331");
  sql("insert into shop.o values (4)");
  EXPECT_EQ(shell("cd " + outside + " && find . -type f | sort | xargs sha256sum"), as_it_was);
}

// The server as a service of systemd's that does not start, or where we die, when it is told.
class Systemd final : public io::Processes {
 public:
  Systemd(fakes::PrivateMariadb& server, std::string data) : server_(server), data_(std::move(data)) {}
  Result<io::ProcessOutcome> run(const io::ProcessSpec& spec, const io::OutputSink& sink) override {
    if (spec.argv.front() != "systemctl") return io::real_processes().run(spec, sink);
    const auto& verb = spec.argv.at(1);
    io::ProcessOutcome outcome;
    if (verb == "is-active") {
      const bool active = spec.argv.at(2) == "mariadb" && is_up;
      outcome.standard_output = active ? "active\n" : "inactive\n";
      outcome.exit_status = active ? 0 : 3;
    } else if (verb == "stop") {
      server_.stop();
      is_up = false;
    } else if (verb == "start") {
      if (dies_at_start) throw fakes::Killed{"start"};
      if (failing_starts-- > 0) outcome.exit_status = 1;
      else is_up = server_.start(data_);
    }
    return outcome;
  }
  int failing_starts = 0;
  bool dies_at_start = false, is_up = true;

 private:
  fakes::PrivateMariadb& server_;
  std::string data_;
};

TEST_F(MariadbSafety, AServerThatDoesNotStartIsPutBackAsItWas) {
  Systemd systemd(*server_, data_);
  const BackupHost host{io::real_files(), systemd, io::system_clock(), root_ + "/work", root_ + "/state", &cancel_, {}};
  const auto full = back_up(BackupType::full);
  sql("insert into shop.orders values (4)");
  auto restore = job(Task::restore);
  restore.points = {full};
  restore.restore.emplace();
  restore.restore->over = restore.restore->in_place = true;
  systemd.failing_starts = 1;
  const auto engine = mariadb_backup_with(host, option_file_);
  const auto report = do_job_with(host, *engine, restore, secrets_);
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_THAT(report.why, HasSubstr("put back as it was")) << told(report);
  EXPECT_TRUE(systemd.is_up);
  EXPECT_EQ(sql("select count(*) from shop.orders"), "4");
  EXPECT_EQ(shell("ls -d " + data_ + ".before-*.failed | wc -l"), "1\n");  // what was restored, for a look
  EXPECT_EQ(shell("ls " + root_ + "/state | grep restore- || true"), "");
}

TEST_F(MariadbSafety, AfterAKillTheNextRestoreDeletesNothingAndStartsTheService) {
  Systemd systemd(*server_, data_);
  const BackupHost host{io::real_files(), systemd, io::system_clock(), root_ + "/work", root_ + "/state", &cancel_, {}};
  const auto full = back_up(BackupType::full);
  sql("insert into shop.orders values (4)");
  auto restore = job(Task::restore);
  restore.points = {full};
  restore.restore.emplace();
  restore.restore->over = restore.restore->in_place = true;
  const auto engine = mariadb_backup_with(host, option_file_);
  shell("mkdir " + data_ + ".belay-new && echo precious >" + data_ + ".belay-new/file");
  systemd.dies_at_start = true;
  EXPECT_THROW(static_cast<void>(do_job_with(host, *engine, restore, secrets_)), fakes::Killed);
  EXPECT_EQ(shell("cat " + data_ + ".left-*/file"), "precious\n");
  const auto note = read_restore_note(host, restore);
  EXPECT_EQ(note.unit, "mariadb");
  EXPECT_THAT(join(note.said, "; "), HasSubstr(data_ + ".before-"));
  systemd.dies_at_start = false;
  const auto report = do_job_with(host, *engine, restore, secrets_);
  ASSERT_EQ(report.outcome, JobOutcome::ok) << told(report);
  EXPECT_THAT(report.output, HasSubstr("an earlier restore was cut off: what was in " + data_)) << told(report);
  EXPECT_TRUE(systemd.is_up);
  EXPECT_EQ(sql("select count(*) from shop.orders"), "3");
  // The data of the day is one of those put aside.
  stop_server();
  const auto first = shell("ls -d " + data_ + ".before-* | head -1");
  data_ = first.substr(0, first.find('\n'));
  start_server();
  EXPECT_EQ(sql("select count(*) from shop.orders"), "4");
}

TEST_F(MariadbSafety, ATestThatCouldNotBeDoneBlamesNobody) {
  const auto full = back_up(BackupType::full);
  auto drill = drill_of(full, ProofLevel::P3);
  drill.scratch = root_ + "/small";
  shell("mkdir " + drill.scratch + " && mount -t tmpfs -o size=1m none " + drill.scratch);
  const auto no_room = run(drill);
  shell("umount " + drill.scratch);
  EXPECT_EQ(no_room.problems.at(0).subject, "no-room") << told(no_room);
  EXPECT_FALSE(backup::speaks_against(no_room.evidence)) << told(no_room);
  EXPECT_EQ(backup::level_reached(no_room.evidence), ProofLevel::P2) << told(no_room);
  drill.scratch = root_ + "/scratch";
  cancel_ = true;
  const auto stopped = run(drill);
  cancel_ = false;
  EXPECT_EQ(stopped.outcome, JobOutcome::failed);
  EXPECT_FALSE(backup::speaks_against(stopped.evidence)) << told(stopped);
  // What was looked at, and did not hold.
  drill.points.front().fingerprints.front().rows += 1;
  EXPECT_TRUE(backup::speaks_against(run(drill).evidence));
  // Only that one is a reason not to build upon it.
  EXPECT_EQ(back_up(BackupType::incremental).type, BackupType::full);
}

}  // namespace
}  // namespace belay::agent::backups::mariadb
