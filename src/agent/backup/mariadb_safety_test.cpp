// What a drill and a restore of a real server must not do to the machine, and what must come back whatever happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/mariadb_fixture_test.hpp"
#include "base/text.hpp"

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

}  // namespace
}  // namespace belay::agent::backups::mariadb
