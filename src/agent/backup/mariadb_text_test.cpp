#include "agent/backup/mariadb_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::agent::backups::mariadb {
namespace {

using testing::HasSubstr;
using End = io::ProcessOutcome::End;

constexpr const char* kFull =
    "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 44388\nlast_lsn = 46723\nrecover_binlog_info = 0\n";

TEST(MariadbText, CheckpointsSayFromWhereToWhere) {
  const auto full = read_checkpoints(kFull);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->type, "full-backuped");
  EXPECT_EQ(full->from_lsn, 0u);
  EXPECT_EQ(full->to_lsn, 44388u);
  EXPECT_EQ(full->last_lsn, 46723u);
}

TEST(MariadbText, CheckpointsThatDoNotAreRefused) {
  const struct {
    const char* text;
    const char* why;
  } rows[] = {
      {"", "empty"},
      {"backup_type = incremental\nfrom_lsn = 1\nto_lsn = 2\n", "cut"},
      {"backup_type = incremental\nfrom_lsn = 1\nto_lsn = x\nlast_lsn = 3\n", "no number"},
      {"from_lsn = 1\nto_lsn = 2\nlast_lsn = 3\n", "no type"},
      // What `--incremental-lsn` or another server's position gives, with exit status 0 and "completed OK!".
      {"backup_type = incremental\nfrom_lsn = 999999999\nto_lsn = 44404\nlast_lsn = 680716\n", "from beyond to"},
      {"backup_type = incremental\nfrom_lsn = 1\nto_lsn = 99999999999999999999999\nlast_lsn = 3\n", "too large"},
  };
  for (const auto& row : rows) {
    const auto read = read_checkpoints(row.text);
    ASSERT_FALSE(read.ok()) << row.why;
    EXPECT_EQ(read.error().reason(), "checkpoints-unreadable") << row.why;
  }
}

TEST(MariadbText, AnIncrementBeginsWhereTheOneBeforeEnded) {
  const Checkpoints full{"full-backuped", 0, 100, 120}, next{"incremental", 100, 200, 210},
      later{"incremental", 200, 300, 300};
  EXPECT_TRUE(check_follows(full, next).ok());
  EXPECT_TRUE(check_follows(next, later).ok());
  const auto skipped = check_follows(full, later);
  ASSERT_FALSE(skipped.ok());
  EXPECT_EQ(skipped.error().reason(), "chain-broken");
  EXPECT_THAT(skipped.error().message(), HasSubstr("200"));
}

TEST(MariadbText, Positions) {
  const LogPosition position{"bin.000001", 640, "0-7-2"};
  EXPECT_EQ(read_binlog_info("bin.000001\t640\t0-7-2\n"), position);
  EXPECT_EQ(read_position(text_of(position)), position);
  EXPECT_EQ(text_of(position), "bin.000001:640 0-7-2");
  EXPECT_EQ(text_of(LogPosition()), "");
  EXPECT_EQ(read_position(""), LogPosition());
  EXPECT_EQ(read_binlog_info("mysql-bin.000014\t328\n").file, "mysql-bin.000014");
  for (const char* bad : {"", "\n", "bin\t4", "bin.000001\t", "bin.000001\tx", "../bin.000001/\t4"})
    EXPECT_EQ(read_binlog_info(bad), LogPosition()) << bad;
}

TEST(MariadbText, PositionOfADump) {
  EXPECT_EQ(
      text_of(read_dump_position("--\n\n-- CHANGE MASTER TO MASTER_LOG_FILE='bin.000002', MASTER_LOG_POS=1337;\n")),
      "bin.000002:1337");
  EXPECT_EQ(text_of(read_dump_position(
                "-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='binlog.000007', SOURCE_LOG_POS=157;\n")),
            "binlog.000007:157");
  EXPECT_EQ(read_dump_position("-- A corresponding to the above master-data CHANGE-MASTER settings\n"), LogPosition());
}

TEST(MariadbText, ADumpIsCompleteByItsLastLine) {
  EXPECT_TRUE(
      is_dump_complete("/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n-- Dump completed on 2026-11-27 17:58:56\n"));
  EXPECT_TRUE(is_dump_complete("-- Dump completed"));
  EXPECT_FALSE(is_dump_complete("INSERT INTO `t` VALUES (1),(2);\n"));  // a statement's end is no dump's end
  EXPECT_FALSE(is_dump_complete("-- Dump completed on 2026\nINSERT INTO `t` VALUES (1);"));
  EXPECT_FALSE(is_dump_complete(""));
}

TEST(MariadbText, NamesOfLogs) {
  EXPECT_EQ(log_number("bin.000123")->second, 123u);
  EXPECT_EQ(log_number("mysql-bin.1000000")->second, 1'000'000u);
  EXPECT_EQ(log_number("a.b.000001")->first, "a.b");
  for (const char* bad : {"", "bin", "bin.index", "bin.0001", ".000001", "bin.00000x", "x/bin.000001"})
    EXPECT_FALSE(log_number(bad)) << bad;
  const auto logs =
      read_server_logs("bin.000001\t131341\n./bin.000002\t373\tNo\n/var/lib/mysql/bin.000003\nLog_name\n");
  ASSERT_EQ(logs.size(), 3u);
  EXPECT_EQ(logs[0].bytes, 131341u);
  EXPECT_EQ(logs[1].name, "bin.000002");
  EXPECT_EQ(logs[2].name, "bin.000003");
}

TEST(MariadbText, TheNewestChange) {
  EXPECT_EQ(newest_change("SET TIMESTAMP=1764266296/*!*/;\nx\nSET TIMESTAMP=1764266301/*!*/;\n"),
            from_unix_ms(1764266301000));
  EXPECT_FALSE(newest_change("BEGIN"));
  EXPECT_FALSE(newest_change("SET TIMESTAMP=99999999999999"));
}

TEST(MariadbText, Versions) {
  const struct {
    const char* text;
    const char* read;
  } rows[] = {
      {"10.11.19-MariaDB-0+deb12u1-log", "MariaDB 10.11.19"},
      {"8.0.36-0ubuntu0.22.04.1", "MySQL 8.0.36"},
      {"mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)", "MariaDB 10.11.19"},
      {"mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", "MariaDB 10.11.19"},
      {"mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu (x86_64)", "MariaDB 10.11.19"},
      {"mysqldump  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))", "MySQL 8.0.36"},
      {"mysql  Ver 14.14 Distrib 5.7.44, for Linux (x86_64) using  EditLine wrapper", "MySQL 5.7.44"},
  };
  for (const auto& row : rows) {
    const auto version = read_version(row.text);
    ASSERT_TRUE(version) << row.text;
    EXPECT_EQ(text_of(*version), row.read);
  }
  EXPECT_FALSE(read_version("mariadb-binlog Ver 3.5 for debian-linux-gnu at x86_64"));
  EXPECT_FALSE(read_version(""));
  EXPECT_TRUE(read_version("10.11.4-MariaDB")->same_series(*read_version("10.11.19-MariaDB")));
  EXPECT_FALSE(read_version("10.6.19-MariaDB")->same_series(*read_version("10.11.19-MariaDB")));
  EXPECT_FALSE(read_version("10.11.19")->same_series(*read_version("10.11.19-MariaDB")));
}

io::ProcessOutcome ended(int status, std::string error, End end = End::exited) {
  io::ProcessOutcome outcome;
  outcome.end = end;
  outcome.exit_status = status;
  outcome.signal = 9;
  outcome.standard_error = std::move(error);
  return outcome;
}

TEST(MariadbText, OnlyCompletedOkIsASuccess) {
  EXPECT_TRUE(judge_backup_tool(ended(0, "x\n[00] 2026-11-27 17:54:50 completed OK!\n"), "the backup").ok());
  EXPECT_FALSE(judge_backup_tool(ended(1, "[00] 2026-11-27 17:54:50 completed OK!\n"), "the backup").ok());
  const auto silent = judge_backup_tool(ended(0, ""), "the backup");
  ASSERT_FALSE(silent.ok());
  EXPECT_EQ(silent.error().reason(), "not-completed");
  EXPECT_FALSE(judge_backup_tool(ended(0, "completed OK!\n2026 0 [ERROR] InnoDB: no\n"), "the backup").ok());
}

TEST(MariadbText, FailuresAreNamed) {
  const struct {
    const char* said;
    Code code;
    const char* reason;
  } rows[] = {
      {"Failed to connect to MariaDB server: Access denied for user 'nobody'@'localhost'.", Code::unauthenticated,
       "access-denied"},
      {"ERROR 1227 (42000): Access denied; you need (at least one of) the BINLOG MONITOR privilege(s)",
       Code::unauthenticated, "access-denied"},
      {"Failed to connect to MariaDB server: Can't connect to local server through socket '/x' (2 \"No such file\")",
       Code::unavailable, "source-down"},
      {"mariadb-backup: Error writing file (Errcode: 28 \"No space left on device\")", Code::resource_exhausted,
       "scratch-full"},
      {"mariadb-backup: Can't create file '/x/ib_logfile0' (errno: 17 \"File exists\")", Code::conflict,
       "target-not-empty"},
      {"error: This incremental backup seems not to be proper for the target. Check 'to_lsn'", Code::corrupt,
       "chain-broken"},
      {"An optimized (without redo logging) DDL operation has been performed.", Code::conflict, "ddl-during-backup"},
      {"mariadb-dump: Error 1412: Table definition has changed, please retry transaction", Code::conflict,
       "ddl-during-backup"},
      {"ERROR 1034 (HY000): Index for table 'orders' is corrupt; try to repair it", Code::corrupt, "damaged"},
      {"something nobody has seen", Code::internal, ""},
  };
  for (const auto& row : rows) {
    for (const auto& judged : {judge_client(ended(1, row.said), "it"), judge_backup_tool(ended(1, row.said), "it")}) {
      ASSERT_FALSE(judged.ok());
      EXPECT_EQ(judged.error().code(), row.code) << row.said;
      EXPECT_EQ(judged.error().reason(), row.reason) << row.said;
    }
  }
  EXPECT_EQ(judge_client(ended(0, "", End::timed_out), "it").error().code(), Code::timed_out);
  EXPECT_EQ(judge_client(ended(0, "", End::cancelled), "it").error().code(), Code::cancelled);
  EXPECT_THAT(judge_client(ended(0, "", End::signalled), "it").error().message(), HasSubstr("signal 9"));
}

TEST(MariadbText, CheckTableIsReadByItsText) {
  const auto checked = read_checked_tables(
      "shop.ok\tcheck\tstatus\tOK\n"
      "shop.orders\tcheck\tWarning\tInnoDB: The B-tree of index PRIMARY is corrupted.\n"
      "shop.orders\tcheck\terror\tCorrupt\n"
      "shop.my\tcheck\twarning\t1 client is using or hasn't closed the table properly\n"
      "shop.my\tcheck\tstatus\tOK\n"
      "shop.gone\tcheck\tError\tTable 'shop.gone' doesn't exist\n"
      "shop.gone\tcheck\tstatus\tOperation failed\n"
      "shop.csv\tcheck\tnote\tThe storage engine for the table doesn't support check\n"
      "shop.up\tcheck\tstatus\tTable is already up to date\n");
  EXPECT_EQ(checked.sound, 3u);
  ASSERT_EQ(checked.damaged.size(), 2u);
  EXPECT_THAT(checked.damaged[0], HasSubstr("shop.orders: InnoDB: The B-tree"));
  EXPECT_THAT(checked.damaged[1], HasSubstr("shop.gone"));
  EXPECT_EQ(read_checked_tables("").sound, 0u);
}

TEST(MariadbText, Quoting) {
  EXPECT_EQ(sql_name("a`b"), "`a``b`");
  EXPECT_EQ(sql_text("it's \\ so"), "'it''s \\\\ so'");
  EXPECT_EQ(unescaped("a\\tb\\nc\\\\d\\"), "a\tb\nc\\d\\");
  EXPECT_EQ(value_of("a = b = c\nx=y", "a"), "b = c");
  EXPECT_EQ(value_of("a = b = c\nx=y", "x"), "y");
  EXPECT_EQ(value_of("a = b", "b"), "");
  EXPECT_EQ(number_of("n = 12", "n"), 12u);
}

}  // namespace
}  // namespace belay::agent::backups::mariadb
