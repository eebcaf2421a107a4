#include "agent/backup/mariadb_logs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/mariadb_chain.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<ServerLog> logs(std::uint64_t first, std::uint64_t last, const char* base = "bin") {
  std::vector<ServerLog> made;
  for (auto number = first; number <= last; ++number) made.push_back({log_name(base, number), 100 + number});
  return made;
}

Archived archived_to(std::uint64_t last) {
  Archived archived;
  archived.base = "bin";
  archived.epoch = "1";
  archived.first = 1;
  archived.last = last;
  archived.last_bytes = 100 + last;
  return archived;
}

std::vector<std::string> names_of(const ToArchive& plan) {
  std::vector<std::string> names;
  for (const auto& log : plan.logs) names.push_back(log.name);
  return names;
}

TEST(MariadbLogs, ClosedLogsAreArchivedOnceAndInSequence) {
  const auto next = to_archive(archived_to(3), logs(1, 6), {});
  EXPECT_THAT(names_of(next), ElementsAre("bin.000004", "bin.000005"));
  EXPECT_EQ(next.gap, "");
  EXPECT_THAT(names_of(to_archive(archived_to(5), logs(1, 6), {})), IsEmpty());
  EXPECT_THAT(names_of(to_archive(archived_to(3), {}, {})), IsEmpty());
}

TEST(MariadbLogs, TheFirstOnesBeginWhereThePointBegins) {
  Archived nothing;
  nothing.epoch = "1";
  EXPECT_THAT(names_of(to_archive(nothing, logs(1, 6), {"bin.000004", 77, ""})),
              ElementsAre("bin.000004", "bin.000005"));
  EXPECT_THAT(names_of(to_archive(nothing, logs(1, 6), {})), IsEmpty());
}

TEST(MariadbLogs, WhatWasDeletedBeforeItWasArchivedIsAGap) {
  const auto plan = to_archive(archived_to(3), logs(6, 8), {});
  EXPECT_THAT(names_of(plan), ElementsAre("bin.000006", "bin.000007"));
  EXPECT_THAT(plan.gap, HasSubstr("2 binary logs between bin.000003 and bin.000006"));
  EXPECT_THAT(to_archive(archived_to(3), logs(7, 7), {}).gap, HasSubstr("3 binary logs"));  // all closed ones are gone
}

TEST(MariadbLogs, AnotherSequenceIsSeen) {
  const struct {
    const char* what;
    Archived archived;
    std::vector<ServerLog> server;
    bool other;
  } rows[] = {
      {"the same", archived_to(3), logs(1, 6), false},
      {"older ones are purged", archived_to(3), logs(5, 6), false},
      {"only the open one is left", archived_to(3), logs(4, 4), false},
      {"never archived", {}, logs(1, 6), true},
      {"begun anew, fewer", archived_to(3), logs(1, 2), true},
      {"begun anew, as many", archived_to(3), logs(1, 3), true},
      {"another name", archived_to(3), logs(1, 6, "mysql-bin"), true},
  };
  for (const auto& row : rows) EXPECT_EQ(is_another_sequence(row.archived, row.server), row.other) << row.what;
  auto grown = logs(1, 6);
  grown[2].bytes = 5;  // the same name, another file
  EXPECT_TRUE(is_another_sequence(archived_to(3), grown));
}

TEST(MariadbLogs, WhatIsArchivedIsRemembered) {
  auto archived = archived_to(12);
  archived.open_bytes = 373;
  archived.until = from_unix_ms(1764266296123);
  archived.gap = "2 binary logs between a and b";
  note_gap(archived, archived.until + Duration(1000));
  const auto read = read_archived(text_of(archived));
  EXPECT_EQ(text_of(read), text_of(archived));
  EXPECT_EQ(read.until, archived.until);
  EXPECT_EQ(read.last, 12u);
  ASSERT_EQ(read.gaps.size(), 1u);
  EXPECT_EQ(read.gaps[0].until, archived.until + Duration(1000));
  EXPECT_EQ(read_archived("").epoch, "");
}

Stored stored(const char* id, std::vector<std::string> tags) {
  Stored made;
  made.snapshot_id = id;
  made.tags = std::move(tags);
  return made;
}

TEST(MariadbLogs, WhatIsArchivedCanBeReadBackFromTheRepository) {
  const std::vector<Stored> all{
      stored("c", {"belay", "first=bin.000004", "last=bin.000006", "epoch=1", "until=3000"}),
      stored("a", {"belay", "first=bin.000001", "last=bin.000002", "epoch=1", "until=1000"}),
      stored("b", {"belay", "first=bin.000003", "last=bin.000003", "epoch=1", "until=2000"}),
      stored("p", {"belay", "engine=mariadb-backup", "point=20261127-175449.123F"}),
      stored("z", {"belay", "first=bin.000001", "last=other.000002", "epoch=1", "until=9000"}),
  };
  const auto archived = archived_in(log_runs(all, {}));
  EXPECT_EQ(archived.base, "bin");
  EXPECT_EQ(archived.first, 1u);
  EXPECT_EQ(archived.last, 6u);
  EXPECT_EQ(archived.until, from_unix_ms(3000));
  EXPECT_THAT(log_runs(all, "2"), IsEmpty());
  EXPECT_TRUE(archived.gaps.empty());
  EXPECT_EQ(archived_in({}).epoch, "");

  const auto broken = archived_in(
      log_runs({all[1], all[0], stored("e", {"first=bin.000001", "last=bin.000001", "epoch=2", "until=5000"})}, {}));
  ASSERT_EQ(broken.gaps.size(), 2u);  // a number that is missing, then numbers that begin anew
  EXPECT_EQ(broken.gaps[0].from, from_unix_ms(1000));
  EXPECT_EQ(broken.gaps[0].until, from_unix_ms(3000));
  EXPECT_EQ(broken.gaps[1].until, from_unix_ms(5000));
  EXPECT_EQ(broken.last, 1u);
}

TEST(MariadbPoints, LabelsSortByTime) {
  const auto at = *parse_iso8601("2026-11-27T17:54:49.007Z");
  EXPECT_EQ(label_of(at, backup::BackupType::full), "20261127-175449.007F");
  EXPECT_EQ(label_of(at, backup::BackupType::differential).back(), 'D');
  EXPECT_LT(label_of(at, backup::BackupType::incremental), label_of(at + Duration(1), backup::BackupType::full));
}

TEST(MariadbPoints, TagsSayAllOfAPoint) {
  const auto one =
      stored("id", {"belay", "engine=mariadb-backup", "point=20261127-175449.007I", "needs=F1+I1", "begun=1000",
                    "taken=2000", "bytes=42", "log=bin.000004:640", "lsn=77", "server=10.11.19-MariaDB"});
  EXPECT_TRUE(is_point(one, backup::EngineName::mariadb_backup));
  EXPECT_FALSE(is_point(one, backup::EngineName::mysqldump));
  const auto point = point_of(one);
  EXPECT_EQ(point.type, backup::BackupType::incremental);
  EXPECT_THAT(point.needs, ElementsAre("F1", "I1"));
  EXPECT_EQ(point.taken_at, from_unix_ms(2000));
  EXPECT_EQ(point.bytes_source, 42u);
  EXPECT_EQ(point.position, "bin.000004:640 lsn 77");
  EXPECT_EQ(tag_of(one, "poin"), "");
}

TEST(MariadbChain, AMemberThatIsGoneIsNamed) {
  const std::vector<Stored> all{stored("1", {"point=F1"}), stored("3", {"point=I2", "needs=F1+I1"})};
  const auto members = members_of(all, "I2");
  ASSERT_FALSE(members.ok());
  EXPECT_EQ(members.error().reason(), "chain-broken");
  EXPECT_THAT(members.error().message(), HasSubstr("I1"));
  EXPECT_EQ(members_of(all, "F2").error().reason(), "no-point");
  EXPECT_EQ(members_of(all, "F1")->size(), 1u);
}

TEST(MariadbChain, EachBeginsWhereTheOneBeforeEnded) {
  const struct {
    std::vector<std::string> lsns;  // "from:to"
    bool whole;
  } rows[] = {{{"0:10"}, true}, {{"0:10", "10:20", "20:20"}, true}, {{"0:10", "20:30"}, false}, {{"5:10"}, false}};
  for (const auto& row : rows) {
    std::vector<Stored> all;
    for (const auto& lsn : row.lsns) {
      const auto colon = lsn.find(':');
      all.push_back(stored("x", {"point=P", "from=" + lsn.substr(0, colon), "lsn=" + lsn.substr(colon + 1)}));
    }
    std::vector<const Stored*> members;
    for (const auto& one : all) members.push_back(&one);
    backup::JobReport report;
    check_members(members, report);
    ASSERT_EQ(report.evidence.size(), 1u);
    EXPECT_EQ(report.evidence[0].passed, row.whole) << report.evidence[0].seen;
    EXPECT_EQ(report.evidence[0].level, backup::ProofLevel::P1);
  }
}

TEST(MariadbChain, PositionsAreRememberedAsTheyWereWritten) {
  const ChainState state{"11051019-1795802088",
                         {"F1", {}, "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 44388\nlast_lsn = 46723\n"},
                         {"I2", {"F1", "I1"}, "backup_type = incremental\nfrom_lsn = 1\nto_lsn = 2\nlast_lsn = 3\n"}};
  const auto read = read_chain_state(text_of(state));
  EXPECT_EQ(read.identity, state.identity);
  EXPECT_EQ(read.full.label, "F1");
  EXPECT_THAT(read.last.needs, ElementsAre("F1", "I1"));
  EXPECT_EQ(read_checkpoints(read.full.checkpoints)->to_lsn, 44388u);
  EXPECT_EQ(read_checkpoints(read.last.checkpoints)->last_lsn, 3u);
  EXPECT_EQ(read_chain_state("").full.label, "");
}

}  // namespace
}  // namespace belay::agent::backups::mariadb
