#include "core/backup/continuity.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace belay::backup {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// "after<missing>before …", the leading zeros of log and segment left out: "1:4<2>1:7".
std::string brief(const std::string& wal) {
  const auto number = [](std::string_view digits) {
    const auto first = digits.find_first_not_of('0');
    return std::string(first == std::string_view::npos ? "0" : digits.substr(first));
  };
  const std::string_view text(wal);
  const auto log = number(text.substr(8, 8));
  return number(text.substr(0, 8)) + ":" + (log == "0" ? "" : log + "/") + number(text.substr(16, 8));
}

std::string brief(const std::vector<Gap>& gaps) {
  std::string text;
  for (const Gap& gap : gaps)
    text += (text.empty() ? "" : " ") + brief(gap.after) + "<" + std::to_string(gap.missing) + ">" + brief(gap.before);
  return text;
}

// "1:4", "1:2/FF" as they are written in full.
std::string full_name(std::string_view text) {
  const auto padded = [](std::string_view digits) { return std::string(8 - digits.size(), '0') + std::string(digits); };
  const auto timeline = text.substr(0, text.find(':')), rest = text.substr(text.find(':') + 1);
  const auto slash = rest.find('/');
  return padded(timeline) + padded(slash == std::string_view::npos ? "0" : rest.substr(0, slash)) +
         padded(slash == std::string_view::npos ? rest : rest.substr(slash + 1));
}

std::vector<std::string> names_of(std::string_view text) {
  std::vector<std::string> names;
  if (!text.empty())
    for (const auto one : split(text, ' ')) names.push_back(full_name(one));
  return names;
}

struct Row {
  const char* fact;
  const char* names;
  const char* gaps;
  std::vector<TimelineSwitch> switches;
  std::uint64_t segment_bytes = 16 * kMiB;
};

TEST(WalGaps, InSequence) {
  const Row rows[] = {
      {"nothing there", "", "", {}},
      {"one", "1:5", "", {}},
      {"in sequence", "1:5 1:6 1:7", "", {}},
      {"one is missing", "1:5 1:7", "1:5<1>1:7", {}},
      {"two gaps", "1:5 1:8 1:9 1:C", "1:5<2>1:8 1:9<2>1:C", {}},
      {"in any order, twice", "1:7 1:5 1:6 1:5 1:7", "", {}},
      {"the next log after segment FF", "1:FE 1:FF 1:1/0 1:1/1", "", {}},
      {"a gap over the end of a log", "1:FE 1:1/1", "1:FE<2>1:1/1", {}},
      {"a whole log", "1:FF 1:2/0", "1:FF<256>1:2/0", {}},
      {"segments of 64 MiB: a log has 64", "1:3F 1:1/0", "", {}, 64 * kMiB},
      {"and FF is none of them", "1:3F 1:FF 1:1/0", "", {}, 64 * kMiB},
      {"segments of 1 MiB: a log has 4096", "1:FF 1:100 1:FFF 1:1/0", "1:100<3838>1:FFF", {}, kMiB},
      {"segments of 1 GiB: a log has 4", "1:3 1:1/0", "", {}, 1024 * kMiB},
      {"no power of two counts as 16 MiB", "1:FF 1:1/0", "", {}, 17 * kMiB},
      {"nor does 0", "1:FF 1:1/0", "", {}, 0},
      {"nor 2 GiB", "1:FF 1:1/0", "", {}, 2048 * kMiB},
      {"the end of all logs", "1:FFFFFFFF/FE 1:FFFFFFFF/FF", "", {}},
  };
  for (const Row& row : rows)
    EXPECT_EQ(brief(wal_gaps(names_of(row.names), row.segment_bytes, row.switches)), row.gaps) << row.fact;
}

TEST(WalGaps, Timelines) {
  // The switch point lies in segment 8: 0x8 * 16 MiB and a bit.
  const TimelineSwitch to2{2, 1, 0x8000098}, to3{3, 2, 0xB000098}, on_the_border{2, 1, 0x8000000};
  const Row rows[] = {
      {"nothing told: it goes on right behind", "1:5 1:6 2:7 2:8", "", {}},
      {"nothing told: with the segment that was left", "1:5 1:6 2:6 2:7", "", {}},
      {"nothing told: from further back", "1:5 1:6 1:7 2:5 2:6", "", {}},
      {"nothing told: not right behind", "1:5 1:6 2:9", "1:6<2>2:9", {}},
      {"nothing told, three of them", "1:5 2:6 3:9", "2:6<2>3:9", {}},
      {"told, and so it is", "1:6 1:7 1:8 2:8 2:9", "", {to2}},
      {"told: the old one need only reach the one before", "1:6 1:7 2:8 2:9", "", {to2}},
      {"told: the old one ends too early", "1:5 2:8 2:9", "1:5<2>2:8", {to2}},
      {"told: the new one begins too late", "1:6 1:7 2:A", "1:7<2>2:A", {to2}},
      {"told: even where the old one went on", "1:6 1:7 1:8 1:9 2:A", "1:7<2>2:A", {to2}},
      {"a switch on the border of a segment", "1:7 2:8", "", {on_the_border}},
      {"the old one is not there any more", "2:8 2:9", "", {to2}},
      {"nor the beginning of the new one", "2:A 2:B", "", {to2}},
      {"gaps in a branch nobody goes back to", "1:6 1:7 1:8 1:C 2:8 2:9 2:A 2:B 2:C 2:D", "", {to2}},
      {"but not while it is the longer one", "1:6 1:7 1:8 1:C 2:8", "1:8<3>1:C", {to2}},
      {"a promotion that left no log of its own", "1:6 1:7 1:C", "1:7<4>1:C", {to2}},
      {"gaps before the switch", "1:4 1:7 2:8 2:9", "1:4<2>1:7", {to2}},
      {"gaps after it", "1:7 2:8 2:B", "2:8<2>2:B", {to2}},
      {"over two switches", "1:7 2:8 2:9 2:A 3:B 3:C", "", {to2, to3}},
      {"one of them with a gap", "1:7 2:8 2:9 3:B 3:C", "2:9<1>3:B", {to2, to3}},
      {"two that began at the same one", "1:6 1:7 2:8 3:8 3:9", "", {to2, {3, 1, 0x8000200}}},
      {"a timeline said to come from itself", "2:8 2:A", "2:8<1>2:A", {{2, 2, 0x8000000}}},
  };
  for (const Row& row : rows)
    EXPECT_EQ(brief(wal_gaps(names_of(row.names), row.segment_bytes, row.switches)), row.gaps) << row.fact;
}

TEST(WalGaps, WhatIsANameAndWhatIsNot) {
  struct Name {
    const char* fact;
    const char* name;  // in place of segment 6 between 5 and 7
    bool counts;
  };
  const Name names[] = {
      {"pgBackRest", "000000010000000000000006-6b9c58a2d1e0a0b9d3f7a2c8b1e4f5d6a7b8c9d0.gz", true},
      {"zstd", "000000010000000000000006-6b9c58a2d1e0a0b9d3f7a2c8b1e4f5d6a7b8c9d0.zst", true},
      {"bare", "000000010000000000000006", true},
      {"compressed", "000000010000000000000006.gz", true},
      {"a part", "000000010000000000000006.partial", false},
      {"a part, stored by pgBackRest", "000000010000000000000006.partial-6b9c58a2d1e0a0b9d3f7a2c8b1e4f5d6a7b8c9d0.gz",
       false},
      {"a label", "000000010000000000000006.00000028.backup", false},
      {"lower case", "00000001000000000000000a", false},
      {"too short", "00000001000000000000006", false},
      {"too long", "0000000100000000000000060", false},
      {"not hexadecimal", "00000001000000000000000G", false},
      {"timeline nought", "000000000000000000000006", false},
      {"a history", "00000002.history", false},
      {"nothing", "", false},
      {"in a directory", "a/000000010000000000000006", false},
  };
  for (const Name& one : names) {
    const std::vector<std::string> all{"000000010000000000000005", one.name, "000000010000000000000007-abc.gz"};
    const std::vector<Gap> gap{{"000000010000000000000005", "000000010000000000000007", 1}};
    EXPECT_EQ(wal_gaps(all), one.counts ? std::vector<Gap>() : gap) << one.fact;
  }
}

TEST(BinlogGaps, InSequence) {
  using Names = std::vector<std::string>;
  using Gaps = std::vector<Gap>;
  struct BinlogRow {
    const char* fact;
    Names names;
    Gaps gaps;
  };
  const BinlogRow rows[] = {
      {"nothing", {}, {}},
      {"in sequence", {"mysql-bin.000001", "mysql-bin.000002"}, {}},
      {"in any order, twice", {"b.000003", "b.000001", "b.000002", "b.000003"}, {}},
      {"a gap", {"b.000001", "b.000004"}, {{"b.000001", "b.000004", 2}}},
      {"two sequences", {"a.000001", "b.000009", "a.000003", "b.000010"}, {{"a.000001", "a.000003", 1}}},
      {"a base with dots and a place",
       {"/log/db.example.000001", "/log/db.example.000003"},
       {{"/log/db.example.000001", "/log/db.example.000003", 1}}},
      {"seven digits follow six", {"b.999999", "b.1000000"}, {}},
      {"a gap over it", {"b.999998", "b.1000000"}, {{"b.999998", "b.1000000", 1}}},
      {"seven digits with a nought are no name", {"b.000001", "b.0000002", "b.000003"}, {{"b.000001", "b.000003", 1}}},
      {"the index, and others",
       {"b.000001", "b.index", "b.000002", "b", ".000004", "b.00003", "b.00000x", "b.000000"},
       {}},
      {"far apart", {"b.000001", "b.2147483647"}, {{"b.000001", "b.2147483647", 2147483645}}},
      {"beyond any number", {"b.000001", "b.99999999999"}, {}},
  };
  for (const BinlogRow& row : rows) EXPECT_EQ(binlog_gaps(row.names), row.gaps) << row.fact;
}

}  // namespace
}  // namespace belay::backup
