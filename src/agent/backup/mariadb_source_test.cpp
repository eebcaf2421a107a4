// What is asked of a server and what is made of its answers, over programs that answer as a table says.
#include "agent/backup/mariadb_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/mariadb_drill.hpp"
#include "agent/backup/mariadb_restore.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using fakes::exits;
using fakes::fails;
using fakes::prints;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// mariadb-backup says it on its standard error.
fakes::Behaviour version_of(const std::string& version) {
  return [version](const io::ProcessSpec&, const io::OutputSink&) {
    return Result<io::ProcessOutcome>(
        exits(0, "", "mariadb-backup based on MariaDB server " + version + "-MariaDB debian-linux-gnu (x86_64)\n"));
  };
}

constexpr const char* kOptionFile = "/etc/belay/mysql.cnf";

class MariadbSource : public testing::Test {
 protected:
  MariadbSource() {
    job_.plan_id = "bp-1";
    job_.source.socket = "/run/mysqld/mysqld.sock";
    job_.source.engine = backup::EngineName::mariadb_backup;
    processes_.on("mariadb --version", prints("mariadb  Ver 15.1 Distrib 10.11.19-MariaDB, for debian-linux-gnu\n"));
    processes_.on("stat *", prints("42-1764266296\n"));
    client_ = {&host_, &job_, nullptr, "mariadb", {"--user=root"}, {}};
  }
  // The server's answer to a statement that holds this.
  void answer(const std::string& program, std::map<std::string, std::string> answers) {
    processes_.on(program + " *--batch*", [answers](const io::ProcessSpec& spec, const io::OutputSink&) {
      for (const auto& [part, text] : answers)
        if (spec.standard_input.find(part) != std::string::npos) return Result<io::ProcessOutcome>(exits(0, text));
      return Result<io::ProcessOutcome>(exits(1, "", "ERROR 1064 (42000): " + spec.standard_input));
    });
  }
  std::string all_arguments() {
    std::string all;
    for (const auto& line : processes_.command_lines()) all += line + "\n";
    return all;
  }

  fakes::MemoryFiles files_;
  fakes::ScriptedProcesses processes_;
  fakes::ManualClock clock_;
  BackupHost host_{files_, processes_, clock_, "/work", "/state", nullptr, {}};
  backup::Job job_;
  Client client_;
};

constexpr const char* kMariadbVariables =
    "datadir\t/var/lib/mysql/\nlog_bin\tON\nlog_bin_basename\t/var/log/mysql/bin\nlog_slave_updates\tOFF\n"
    "lower_case_table_names\t0\nread_only\tOFF\nversion\t10.11.19-MariaDB-0+deb12u1-log\n";

TEST_F(MariadbSource, AServerIsAskedAsRootOverItsSocket) {
  answer("mariadb", {{"show global variables", kMariadbVariables},
                     {"show master status", "bin.000007\t373\t\t\nSlaves_running\t0\n"}});
  const auto source = open_source(host_, job_, kOptionFile);
  ASSERT_TRUE(source.ok()) << source.error().chain();
  EXPECT_EQ(source->data_directory(), "/var/lib/mysql");
  EXPECT_EQ(source->log_directory(), "/var/log/mysql");
  EXPECT_EQ(source->identity, "42-1764266296");
  EXPECT_TRUE(source->logs && source->logs_are_complete);
  EXPECT_THAT(all_arguments(), HasSubstr("mariadb --user=root --socket=/run/mysqld/mysqld.sock --batch"));
}

TEST_F(MariadbSource, LogsThatDoNotHoldEverythingAreNotCountedOn) {
  answer("mariadb", {{"show global variables", kMariadbVariables},
                     {"show master status", "bin.000007\t373\tshop\t\nSlaves_running\t0\n"}});
  EXPECT_THAT(open_source(host_, job_, kOptionFile)->why_incomplete, HasSubstr("binlog_do_db"));
  answer("mariadb", {{"show global variables", kMariadbVariables},
                     {"show master status", "bin.000007\t373\t\t\nSlaves_running\t1\n"}});
  const auto replica = open_source(host_, job_, kOptionFile);
  EXPECT_TRUE(replica->logs);
  EXPECT_FALSE(replica->logs_are_complete);
  EXPECT_THAT(replica->why_incomplete, HasSubstr("log_slave_updates"));
}

TEST_F(MariadbSource, UserAndPasswordComeFromAnOptionFileThatOnlyRootReads) {
  answer("mariadb", {{"show global variables", kMariadbVariables},
                     {"show master status", "bin.000007\t373\t\t\nSlaves_running\t0\n"}});
  files_.put(kOptionFile, "[client]\nuser=backup\npassword=swordfish\n", 0644);
  EXPECT_EQ(open_source(host_, job_, kOptionFile).error().reason(), "option-file-open");
  files_.put(kOptionFile, "[client]\nuser=backup\npassword=swordfish\n", 0600);
  ASSERT_TRUE(open_source(host_, job_, kOptionFile).ok());
  EXPECT_THAT(all_arguments(), HasSubstr("mariadb --defaults-extra-file=/etc/belay/mysql.cnf --socket="));
  EXPECT_THAT(all_arguments(), Not(HasSubstr("swordfish")));
}

TEST_F(MariadbSource, MysqlHasOtherNames) {
  processes_.on("mariadb *", fakes::is_missing());
  processes_.on("mysql --version", prints("mysql  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))\n"));
  answer("mysql", {{"show global variables",
                    "datadir\t/var/lib/mysql/\nlog_bin\tON\nlog_bin_basename\t/var/lib/mysql/binlog\n"
                    "read_only\tOFF\nversion\t8.0.36-0ubuntu0.22.04.1\n"}});
  const auto source = open_source(host_, job_, kOptionFile);
  ASSERT_TRUE(source.ok()) << source.error().chain();
  EXPECT_EQ(text_of(source->version), "MySQL 8.0.36");
  EXPECT_TRUE(source->logs);
  EXPECT_FALSE(source->logs_are_complete);  // content is compared as far as it did not change meanwhile
  EXPECT_EQ(source->client.program, "mysql");

  processes_.on("mariadb-dump --version",
                prints("mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu\n"));
  processes_.on("mysqldump --version",
                prints("mysqldump  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))\n"));
  EXPECT_EQ(program_for(host_, job_, {"mariadb-dump", "mysqldump"}, source->version_text)->name, "mysqldump");
  processes_.on("mariadb-backup --version", version_of("10.11.19"));
  EXPECT_EQ(program_for(host_, job_, {"mariadb-backup"}, source->version_text).error().reason(), "wrong-major");
}

TEST_F(MariadbSource, AToolOfAnotherSeriesIsRefused) {
  processes_.on("mariadb-backup --version", version_of("10.6.18"));
  const auto refused = program_for(host_, job_, {"mariadb-backup"}, "10.11.19-MariaDB-0+deb12u1-log");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason(), "wrong-major");
  EXPECT_THAT(refused.error().message(), HasSubstr("MariaDB 10.6.18"));
  EXPECT_THAT(refused.error().message(), HasSubstr("MariaDB 10.11.19"));
  EXPECT_TRUE(program_for(host_, job_, {"mariadb-backup"}, "10.6.2-MariaDB").ok());
  EXPECT_EQ(program_for(host_, job_, {"nosuch"}, "10.6.2-MariaDB").error().code(), Code::not_found);
}

const std::vector<Table> kTables{
    {"shop", "orders", true, 100}, {"shop", "notes", false, 200}, {"big", "one", true, 5'000}};

TEST_F(MariadbSource, FingerprintsBelongToAPosition) {
  const std::string rows =
      "Binlog_snapshot_file\tbin.000007\nBinlog_snapshot_position\t640\n"
      "T\t0\t20000\nshop.orders\t2607726105\nT\t1\t2\nshop.notes\t17\n";
  answer("mariadb", {{"checksum table `shop`.`orders`", rows + "bin.000007\t640\t\t\nEND\n"}});
  const auto quiet = take_fingerprints(client_, kTables, true, 1'000);
  ASSERT_TRUE(quiet.ok()) << quiet.error().chain();
  EXPECT_EQ(text_of(quiet->at), "bin.000007:640");
  ASSERT_EQ(quiet->of.size(), 2u);
  EXPECT_EQ(quiet->of[0], (backup::Fingerprint{"shop.orders", 20'000, "2607726105"}));
  EXPECT_THAT(quiet->remarks, ElementsAre(HasSubstr("1 of 3 tables are too large")));

  // Something was written meanwhile: what no snapshot holds still is left out.
  answer("mariadb", {{"checksum table `shop`.`orders`", rows + "bin.000007\t999\t\t\nEND\n"}});
  const auto moving = take_fingerprints(client_, kTables, true, 1'000);
  ASSERT_TRUE(moving.ok());
  ASSERT_EQ(moving->of.size(), 1u);
  EXPECT_EQ(moving->of[0].subject, "shop.orders");
}

TEST_F(MariadbSource, AnAnswerThatWasCutOrATableThatCannotBeReadIsNoFingerprint) {
  answer("mariadb", {{"checksum", "T\t0\t20000\nshop.orders\t2607726105\n"}});
  EXPECT_FALSE(take_fingerprints(client_, kTables, false, 1'000).ok());
  answer("mariadb", {{"checksum", "T\t0\t20000\nshop.orders\tNULL\nT\t1\t2\nshop.notes\t17\nEND\n"}});
  const auto taken = take_fingerprints(client_, kTables, false, 1'000);
  ASSERT_TRUE(taken.ok());
  ASSERT_EQ(taken->of.size(), 1u);
  EXPECT_EQ(taken->of[0].subject, "shop.notes");
}

TEST_F(MariadbSource, WhatChangedBetweenTwoCountsIsNotCompared) {
  const Fingerprints before{{{"a", 1, "x"}, {"b", 2, "y"}}, {}, {}},
      after{{{"a", 1, "x"}, {"b", 2, "z"}, {"c", 0, "0"}}, {}, {}};
  const auto same = unchanged(before, after);
  ASSERT_EQ(same.of.size(), 1u);
  EXPECT_EQ(same.of[0].subject, "a");
  EXPECT_THAT(same.remarks, ElementsAre(HasSubstr("2 tables changed")));
}

TEST_F(MariadbSource, TheHeartbeatMakesItsTableOnce) {
  answer("mariadb", {{"create table if not exists `belay`.`heartbeat`", ""}});
  processes_.on("mariadb *--batch*", [](const io::ProcessSpec& spec, const io::OutputSink&) {
    const bool creates = spec.standard_input.find("create table") != std::string::npos;
    return Result<io::ProcessOutcome>(
        creates ? exits(0) : exits(1, "", "ERROR 1146 (42S02): Table 'belay.heartbeat' doesn't exist"));
  });
  EXPECT_TRUE(beat(client_, "belay.heartbeat", from_unix_ms(5)).ok());
  EXPECT_EQ(processes_.calls().size(), 2u);
  answer("mariadb", {{"replace into `belay`.`heartbeat` values (1, 6)", ""}});
  EXPECT_TRUE(beat(client_, "belay.heartbeat", from_unix_ms(6)).ok());
  EXPECT_EQ(processes_.calls().size(), 3u);
}

}  // namespace
}  // namespace belay::agent::backups::mariadb
