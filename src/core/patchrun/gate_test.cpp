#include "core/patchrun/gate.hpp"

#include <gtest/gtest.h>

namespace belay::patchrun {
namespace {

const Instant kNow = from_unix_ms(1'790'000'000'000);
const Gate kGate{Duration(30'000), Duration(10'000), 2};

std::vector<ProbeResult> round_of(const std::string& marks) {
  std::vector<ProbeResult> round;
  for (std::size_t i = 0; i < marks.size(); ++i)
    round.push_back({std::string(1, static_cast<char>('a' + i)), marks[i] == '+', marks[i] == '+' ? "up" : "down"});
  return round;
}

struct GateRow {
  const char* name;
  const char* before;
  std::vector<const char*> rounds;  // each ten seconds after the one before
  GateVerdict verdict;
  const char* probe;
  std::size_t read;  // so many rounds it took
};

class GateTable : public testing::TestWithParam<GateRow> {};
TEST_P(GateTable, DecidesAsWritten) {
  const auto& row = GetParam();
  auto watch = begin_watch(kGate, round_of(row.before));
  std::size_t rounds = 0;
  for (; rounds < row.rounds.size() && watch.verdict == GateVerdict::watching; ++rounds)
    watch = read(std::move(watch), round_of(row.rounds[rounds]), kGate.every * static_cast<int>(rounds));
  EXPECT_EQ(watch.verdict, row.verdict);
  EXPECT_EQ(watch.probe, row.probe);
  EXPECT_EQ(rounds, row.read);
}
INSTANTIATE_TEST_SUITE_P(
    Rows, GateTable,
    testing::Values(GateRow{"healthy", "+", {"+", "+", "+", "+"}, GateVerdict::open, "", 4},
                    GateRow{"not_over_yet", "+", {"+", "+", "+"}, GateVerdict::watching, "", 3},
                    GateRow{"one_miss_is_none", "+", {"-", "+", "-", "+"}, GateVerdict::open, "", 4},
                    GateRow{"two_in_a_row", "+", {"+", "-", "-", "+"}, GateVerdict::closed, "a", 3},
                    GateRow{"the_second_probe", "++", {"++", "+-", "+-"}, GateVerdict::closed, "b", 3},
                    GateRow{"ill_before_is_not_blamed", "-+", {"-+", "-+", "-+", "-+"}, GateVerdict::open, "", 4},
                    GateRow{"nothing_to_blame", "--", {"--"}, GateVerdict::open, "", 0},
                    GateRow{"no_probe", "", {""}, GateVerdict::open, "", 0},
                    GateRow{"ill_at_the_end_then_well", "+", {"+", "+", "+", "-", "+"}, GateVerdict::open, "", 5},
                    GateRow{"ill_at_the_end", "+", {"+", "+", "+", "-", "-"}, GateVerdict::closed, "a", 5},
                    GateRow{"one_or_the_other_for_ever",
                            "++",
                            {"++", "++", "++", "+-", "-+", "+-", "-+", "+-"},
                            GateVerdict::closed,
                            "b",
                            6},
                    GateRow{"not_read", "++", {"+", "+"}, GateVerdict::closed, "b", 2}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Gate, SaysWhatItSaw) {
  auto watch = begin_watch(kGate, round_of("+"));
  watch = read(std::move(watch), round_of("-"), Duration(0));
  watch = read(std::move(watch), round_of("-"), Duration(10'000));
  EXPECT_EQ(watch.why, "healthy before the change, not after it (2 readings in a row): down");
}

TEST(Gate, AfterARollbackOneReadingOfAllSuffices) {
  auto watch = begin_recovery(kGate, round_of("++-"));
  watch = read(std::move(watch), round_of("+--"), Duration(0));
  EXPECT_EQ(watch.verdict, GateVerdict::watching) << "a service may take a while to come up";
  EXPECT_EQ(read(watch, round_of("++-"), Duration(10'000)).verdict, GateVerdict::open);
  for (std::uint32_t reading = 1; reading < kRecoveryReadings; ++reading)
    watch = read(std::move(watch), round_of("+--"), Duration(10'000 * reading));
  EXPECT_EQ(watch.verdict, GateVerdict::closed);
  EXPECT_EQ(watch.probe, "b");
}

TEST(Gate, TurnsAreNotedOnceAndWithinBounds) {
  std::vector<ProbeTurn> turns;
  note_turns(turns, round_of("+-"), kNow);
  note_turns(turns, round_of("+-"), kNow);
  note_turns(turns, round_of("--"), kNow);
  ASSERT_EQ(turns.size(), 3u);
  EXPECT_EQ(turns[2].probe, "a");
  EXPECT_FALSE(turns[2].healthy);
  for (int i = 0; i < 1'000; ++i) note_turns(turns, round_of(i % 2 == 0 ? "+" : "-"), kNow);
  EXPECT_EQ(turns.size(), kProbeTurnsMax);
}

TEST(Gate, EndsInItsLongestTime) {
  EXPECT_EQ(longest_watch(kGate), Duration(60'000));
  EXPECT_EQ(pause_between({Duration(0), Duration(0), 0}), kGateEveryMin);
}

TEST(Gate, AReadingGetsTheTimeItsProbeMayTake) {
  EXPECT_EQ(reading_timeout({.name = "disk", .disk = DiskProbe{}}), Duration(30'000));
  EXPECT_EQ(reading_timeout({.name = "app", .command = CommandProbe{"true", Duration(60'000)}}), Duration(65'000));
}

TEST(GateUnits, WhatCarriesLoginsIsNeverRestarted) {
  EXPECT_TRUE(may_be_restarted("nginx.service"));
  for (const char* unit : {"dbus.service", "user@0.service", "getty@tty1.service", "session-1.scope", "-x.service",
                           "../x.service", "systemd-logind.service", "belay-agent.service"})
    EXPECT_FALSE(may_be_restarted(unit)) << unit;
}

}  // namespace
}  // namespace belay::patchrun
