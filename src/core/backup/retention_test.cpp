#include "core/backup/retention.hpp"

#include <gmock/gmock.h>

#include <chrono>

#include "base/text.hpp"
#include "core/backup/point_fixture_test.hpp"

namespace belay::backup {
namespace {

using enum PointState;

const Instant kNow = at("2027-01-06T12:00:00Z");  // a Wednesday

// "a b c": what stays, in the order given.
std::string kept(const std::vector<RecoveryPoint>& points, const KeepRules& rules, const char* zone_name = "UTC",
                 Instant now = kNow) {
  std::string text;
  for (const Kept& one : retain(points, rules, zone(zone_name), now))
    if (one.keep) text += (text.empty() ? "" : " ") + one.point_id;
  return text;
}

std::string why(const std::vector<RecoveryPoint>& points, const KeepRules& rules, const std::string& id,
                const char* zone_name = "UTC") {
  for (const Kept& one : retain(points, rules, zone(zone_name), kNow))
    if (one.point_id == id) return (one.keep ? "+ " : "- ") + join(one.because, "; ");
  return "no such point";
}

KeepRules last(std::uint32_t n) { return {.last = n}; }
KeepRules daily(std::uint32_t n) { return {.daily = n}; }
KeepRules weekly(std::uint32_t n) { return {.weekly = n}; }

struct Row {
  const char* fact;
  std::vector<RecoveryPoint> points;
  KeepRules rules;
  const char* stays;
  const char* zone = "UTC";
};

void expect(std::span<const Row> rows) {
  for (const Row& row : rows) EXPECT_EQ(kept(row.points, row.rules, row.zone), row.stays) << row.fact;
}

TEST(Retention, RulesAlone) {
  const std::vector<RecoveryPoint> days{
      point_of("d1", "2027-01-01T03:00:00Z"),  point_of("d2", "2027-01-02T03:00:00Z"),
      point_of("d3a", "2027-01-03T03:00:00Z"), point_of("d3b", "2027-01-03T15:00:00Z"),
      point_of("d5", "2027-01-05T03:00:00Z"),  point_of("d6", "2027-01-06T03:00:00Z")};
  const Row rows[] = {
      {"no rules keep everything", days, {}, "d1 d2 d3a d3b d5 d6"},
      {"the newest N", days, last(2), "d5 d6"},
      {"more than there are", days, last(99), "d1 d2 d3a d3b d5 d6"},
      {"the newest of each day; days without one do not count", days, daily(3), "d3b d5 d6"},
      {"the day that is not over yet counts", days, daily(1), "d6"},
      {"everything younger than a span, back from the newest", days, {.within = 2 * kDay + kHour}, "d5 d6"},
      {"and not what is exactly as old", days, {.within = 3 * kDay}, "d3b d5 d6"},
      {"rules add up", days, {.last = 1, .daily = 3, .within = 4 * kDay}, "d3a d3b d5 d6"},
      {"in any order", {days[4], days[0], days[5], days[2]}, daily(2), "d5 d6"},
      {"no points", {}, daily(2), ""},
      {"months",
       {point_of("a", "2026-11-30T23:59:59Z"), point_of("b", "2026-12-01T00:00:00Z"),
        point_of("c", "2026-12-31T23:00:00Z"), point_of("d", "2027-01-01T00:00:00Z")},
       {.monthly = 2},
       "c d"},
      {"years",
       {point_of("a", "2024-12-31T23:59:59Z"), point_of("b", "2025-01-01T00:00:00Z"),
        point_of("c", "2026-06-01T00:00:00Z"), point_of("d", "2027-01-01T00:00:00Z")},
       {.yearly = 3},
       "b c d"},
  };
  expect(rows);
}

TEST(Retention, PeriodsAreThoseOfThePlansZone) {
  // 23:30 in UTC is the next day in Berlin, and the day before in New York.
  const std::vector<RecoveryPoint> late{point_of("a", "2027-01-03T12:00:00Z"), point_of("b", "2027-01-03T23:30:00Z"),
                                        point_of("c", "2027-01-04T04:30:00Z"), point_of("d", "2027-01-04T22:00:00Z")};
  // 25 October 2026: two o'clock comes twice in Berlin; 28 March: it never comes. A day is a day.
  const std::vector<RecoveryPoint> long_day{
      point_of("a", "2026-10-24T21:59:00Z"), point_of("b", "2026-10-24T22:00:00Z"),
      point_of("c", "2026-10-25T22:59:00Z"), point_of("d", "2026-10-25T23:00:00Z")};
  const std::vector<RecoveryPoint> short_day{
      point_of("a", "2026-03-28T22:59:00Z"), point_of("b", "2026-03-28T23:00:00Z"),
      point_of("c", "2026-03-29T21:59:00Z"), point_of("d", "2026-03-29T22:00:00Z")};
  const Row rows[] = {
      {"days in UTC", late, daily(9), "b d"},
      {"days in Berlin", late, daily(9), "a d", "Europe/Berlin"},
      {"days in New York", late, daily(9), "c d", "America/New_York"},
      {"the week begins on Monday in Berlin, too", late, weekly(9), "a d", "Europe/Berlin"},
      {"a day of 25 hours", long_day, daily(9), "a c d", "Europe/Berlin"},
      {"a day of 23 hours", short_day, daily(9), "a c d", "Europe/Berlin"},
  };
  expect(rows);
}

TEST(Retention, WeeksAtTheTurnOfTheYear) {
  // 2026 has 53 weeks: 28 December 2026 to 3 January 2027 is 2026-W53. 2024-12-30 is in 2025-W01.
  const std::vector<RecoveryPoint> turn{
      point_of("w52", "2026-12-27T22:00:00Z"), point_of("mon", "2026-12-28T01:00:00Z"),
      point_of("thu", "2026-12-31T01:00:00Z"), point_of("fri", "2027-01-01T01:00:00Z"),
      point_of("sun", "2027-01-03T23:00:00Z"), point_of("w1", "2027-01-04T00:00:00Z")};
  const Row rows[] = {{"one week, two years", turn, weekly(2), "sun w1"},
                      {"three weeks", turn, weekly(3), "w52 sun w1"},
                      {"but two months and two years", turn, {.monthly = 2, .yearly = 2}, "thu w1"}};
  expect(rows);
  EXPECT_EQ(why(turn, weekly(3), "sun"), "+ weekly 2 (2026-W53)");
  EXPECT_EQ(why(turn, weekly(3), "w52"), "+ weekly 3 (2026-W52)");
  struct Name {
    const char* taken;
    const char* week;
  };
  const Name names[] = {
      {"2024-12-29T12:00:00Z", "2024-W52"}, {"2024-12-30T12:00:00Z", "2025-W01"}, {"2026-01-01T12:00:00Z", "2026-W01"},
      {"2025-12-29T12:00:00Z", "2026-W01"}, {"2020-12-31T12:00:00Z", "2020-W53"}, {"2021-01-03T12:00:00Z", "2020-W53"},
      {"2021-01-04T12:00:00Z", "2021-W01"}, {"2022-01-01T12:00:00Z", "2021-W52"}, {"2024-02-29T12:00:00Z", "2024-W09"}};
  for (const Name& name : names)
    EXPECT_THAT(why({point_of("p", name.taken)}, weekly(1), "p"),
                testing::HasSubstr("weekly 1 (" + std::string(name.week) + ")"));
}

TEST(Retention, TheProvenOneStandsForItsPeriod) {
  const auto early = point_of("early", "2027-01-05T03:00:00Z"), noon = point_of("noon", "2027-01-05T12:00:00Z"),
             late = point_of("late", "2027-01-05T20:00:00Z"), newest = point_of("newest", "2027-01-06T03:00:00Z");
  const auto checked = [](const RecoveryPoint& point) { return proven(point, ProofLevel::P2); };
  const Row rows[] = {
      {"none proven: the newest", {early, noon, late, newest}, daily(2), "late newest"},
      {"a proven one goes before a newer one", {proven(early), noon, late, newest}, daily(2), "early newest"},
      {"of two the newer", {proven(early), proven(noon), late, newest}, daily(2), "noon newest"},
      {"a restore goes before a mere check",
       {proven(early), checked(noon), late, newest},
       daily(2),
       "early noon newest"},
      {"a check goes before nothing", {early, checked(noon), late, newest}, daily(2), "noon newest"},
      {"P3 is a restore like P5", {proven(early), proven(noon, ProofLevel::P3), late, newest}, daily(2), "noon newest"},
      {"`last` looks at the time alone", {proven(early), noon, late, newest}, last(2), "early late newest"},
  };
  expect(rows);
}

TEST(Retention, LastResortsStay) {
  const auto old = point_of("old", "2025-01-01T03:00:00Z"), older = point_of("older", "2024-01-01T03:00:00Z");
  const auto mid = point_of("mid", "2027-01-05T03:00:00Z"), newest = point_of("newest", "2027-01-06T03:00:00Z");
  const Row rows[] = {
      {"the newest proven never goes", {proven(older), proven(old), mid, newest}, last(1), "old newest"},
      {"however little it was proven", {older, proven(old, ProofLevel::P1), mid, newest}, last(1), "old newest"},
      {"and the newest restored neither",
       {proven(older), proven(old, ProofLevel::P2), mid, newest},
       last(1),
       "older old newest"},
      {"a proven one that is damaged is not the last resort, and nobody deletes it silently",
       {proven(older), in_state(proven(old), damaged), mid, newest},
       last(1),
       "older old newest"},
      {"the newest whole one", {old, mid, in_state(newest, damaged)}, last(1), "mid newest"},
  };
  expect(rows);
  EXPECT_EQ(why({proven(old), newest}, last(1), "old"), "+ the newest restored; the newest proven");
  EXPECT_EQ(why({proven(old), newest}, last(1), "newest"), "+ last 1; the newest whole");
}

TEST(Retention, HoldsAndLocks) {
  auto held = point_of("held", "2020-01-01T03:00:00Z"), locked = point_of("locked", "2020-01-02T03:00:00Z"),
       free = point_of("free", "2020-01-03T03:00:00Z");
  held.legal_hold = true;
  locked.locked_until = kNow + Duration(1);
  free.locked_until = kNow;  // it ends now
  auto on_chain = point_of("I", "2020-02-01T05:00:00Z", {"F"});
  on_chain.legal_hold = true;
  const auto full = point_of("F", "2020-02-01T03:00:00Z"), newest = point_of("newest", "2027-01-06T03:00:00Z");
  auto held_leaving = in_state(held, expiring), held_gone = in_state(held, gone);
  const Row rows[] = {
      {"hold and lock", {held, locked, free, newest}, last(1), "held locked newest"},
      {"a hold keeps the chain", {full, on_chain, newest}, last(1), "F I newest"},
      {"a hold calls a deletion off", {held_leaving, newest}, last(1), "held newest"},
      {"and that of the chain", {in_state(full, expiring), on_chain, newest}, last(1), "F I newest"},
      {"what is gone is gone", {held_gone, newest}, last(1), "newest"},
  };
  expect(rows);
  EXPECT_EQ(why({held, newest}, last(1), "held"), "+ legal hold");
  EXPECT_EQ(why({locked, newest}, last(1), "locked"), "+ locked until 2027-01-06T12:00:00.001Z");
  EXPECT_EQ(why({full, on_chain, newest}, last(1), "F"), "+ needed by I");
}

TEST(Retention, WhatIsNoCandidateNeitherCountsNorGoes) {
  const auto real = point_of("real", "2027-01-05T03:00:00Z"), odd = point_of("odd", "2027-01-06T03:00:00Z");
  auto ahead = point_of("ahead", "2030-01-01T00:00:00Z");
  ahead.recorded_at = kNow;
  auto recorded_ahead = real;
  recorded_ahead.point_id = recorded_ahead.made.reference = "odd";
  recorded_ahead.recorded_at = at("2030-01-01T00:00:00Z");
  auto a_bit_fast = point_of("fast", "2027-01-06T12:02:00Z");
  a_bit_fast.recorded_at = kNow;
  const Row rows[] = {
      {"suspect", {real, in_state(odd, suspect)}, last(1), "real odd"},
      {"in quarantine", {real, in_state(odd, quarantined)}, last(1), "real odd"},
      {"damaged", {real, in_state(odd, damaged)}, last(1), "real odd"},
      {"dated in the future, and nobody saw it yet", {real, ahead}, last(1), "real ahead"},
      {"recorded in the future, by a server's clock that was put back", {real, recorded_ahead}, last(1), "real odd"},
      {"a clock that is two minutes fast is right", {real, a_bit_fast}, last(1), "fast"},
      {"an incremental without its full", {real, point_of("odd", "2027-01-06T04:00:00Z", {"X"})}, last(1), "real odd"},
      {"many that are odd evict none",
       {in_state(odd, suspect), real, ahead, point_of("b", "2027-01-04T03:00:00Z")},
       daily(2),
       "odd real ahead b"},
      {"expiring goes on, and counts for nothing", {real, in_state(odd, expiring)}, last(1), "real"},
      {"with no rules, too", {real, in_state(odd, expiring)}, {}, "real"},
  };
  expect(rows);
  EXPECT_EQ(why({real, ahead}, last(1), "ahead"), "+ dated in the future, for somebody to look at");
  EXPECT_EQ(why({real, in_state(odd, quarantined)}, last(1), "odd"), "+ quarantined, for somebody to look at");
  EXPECT_EQ(why({real, in_state(odd, expiring)}, last(1), "odd"), "- expiring");
  EXPECT_EQ(why({real, odd}, last(1), "real"), "- no rule wants it");
  EXPECT_EQ(why({real, point_of("odd", "2027-01-06T04:00:00Z", {"X"})}, last(1), "odd"), "+ not whole without X");
  EXPECT_EQ(why({real}, {}, "real"), "+ the plan has no rule for this vault; the newest whole");
}

TEST(Retention, ChainsStayWhole) {
  // A week: a full on Sunday, a differential on Monday, incrementals on the differential, the next full.
  const std::vector<RecoveryPoint> chain{point_of("F1", "2026-12-27T01:00:00Z"),
                                         point_of("D1", "2026-12-28T01:00:00Z", {"F1"}),
                                         point_of("I1", "2026-12-28T02:00:00Z", {"F1", "D1"}),
                                         point_of("I2", "2026-12-28T03:00:00Z", {"F1", "D1", "I1"}),
                                         point_of("D2", "2026-12-29T01:00:00Z", {"F1"}),
                                         point_of("F2", "2027-01-03T01:00:00Z")};
  auto suspect_end = chain;
  suspect_end[3].state = suspect;
  auto gone_full = chain;
  gone_full[0].state = gone;
  const Row rows[] = {
      {"the newest needs nobody", chain, last(1), "F2"},
      {"the second newest needs its full", chain, last(2), "F1 D2 F2"},
      {"a day's end needs all below it", chain, daily(3), "F1 D1 I1 I2 D2 F2"},
      {"what is gone does not come back for those that need it", gone_full, last(1), "D1 I1 I2 D2 F2"},
      {"a suspect one keeps what it needs, for somebody may accept it", suspect_end, last(1), "F1 D1 I1 I2 F2"},
  };
  expect(rows);
}

TEST(Retention, MomentsAreThoseOfTheContent) {
  // Three days of copies that came late, all at once; and points read back from a repository by a new server.
  std::vector<RecoveryPoint> late;
  for (const char* taken : {"2027-01-01T03:00:00Z", "2027-01-02T03:00:00Z", "2027-01-03T03:00:00Z"}) {
    late.push_back(point_of(std::string("c") + taken[9], taken));
    late.back().recorded_at = at("2027-01-06T09:00:00Z");
  }
  EXPECT_EQ(kept(late, daily(3)), "c1 c2 c3");
  EXPECT_EQ(kept(late, daily(2)), "c2 c3");
  for (auto& point : late) point.recorded_at = Instant();  // nobody noted when
  EXPECT_EQ(kept(late, daily(2)), "c2 c3");
}

TEST(Retention, TimeAloneTakesNothing) {
  const std::vector<RecoveryPoint> points{point_of("a", "2027-01-01T03:00:00Z"), point_of("b", "2027-01-03T03:00:00Z"),
                                          point_of("c", "2027-01-06T03:00:00Z")};
  const KeepRules rules{.daily = 2, .within = 3 * kDay + kHour};
  EXPECT_EQ(kept(points, rules), "b c");
  EXPECT_EQ(kept(points, rules, "UTC", at("2099-01-01T00:00:00Z")), "b c");
}

// docs/guide/backup-retention.md: a backup each night at 01:00 in Berlin, from 1 September to 6 January.
class Guide : public testing::Test {
 protected:
  Guide() {
    const auto& berlin = zone("Europe/Berlin");
    using std::chrono::sys_days;
    using namespace std::chrono_literals;
    std::string full;
    for (auto day = std::chrono::local_days(2026y / 9 / 1); day <= std::chrono::local_days(2027y / 1 / 6);
         day += std::chrono::days(1)) {
      const auto taken = schedule::resolve(berlin, day + std::chrono::hours(1)).at;
      const auto name = to_date(Instant(sys_days(day.time_since_epoch())));
      nights.push_back(point_of(name, to_iso8601(taken)));
      differentials.push_back(nights.back());
      if (std::chrono::weekday(day) == std::chrono::Sunday) full = name;
      else if (!full.empty()) {
        differentials.back().made.type = BackupType::differential;
        differentials.back().made.needs = {full};
      }
    }
  }
  std::vector<RecoveryPoint> nights, differentials;
  const KeepRules rules{.daily = 7, .weekly = 5, .monthly = 12};
};

constexpr const char* kGuideStays =
    "2026-09-30 2026-10-31 2026-11-30 2026-12-13 2026-12-20 2026-12-27 2026-12-31 2027-01-01 2027-01-02 2027-01-03 "
    "2027-01-04 2027-01-05 2027-01-06";

TEST_F(Guide, Calendar) {
  EXPECT_EQ(kept(nights, rules, "Europe/Berlin"), kGuideStays);
  EXPECT_EQ(why(nights, rules, "2027-01-06", "Europe/Berlin"),
            "+ daily 1 (2027-01-06); weekly 1 (2027-W01); monthly 1 (2027-01); the newest whole");
  EXPECT_EQ(why(nights, rules, "2026-12-31", "Europe/Berlin"), "+ daily 7 (2026-12-31); monthly 2 (2026-12)");
  EXPECT_EQ(why(nights, rules, "2026-12-13", "Europe/Berlin"), "+ weekly 5 (2026-W50)");
  EXPECT_EQ(why(nights, rules, "2026-11-30", "Europe/Berlin"), "+ monthly 3 (2026-11)");
}

TEST_F(Guide, ARestoreTest) {
  for (auto& night : nights)
    if (night.point_id == "2026-12-18") night = proven(night);
  std::string stays = kGuideStays;
  stays.replace(stays.find("2026-12-20"), 10, "2026-12-18");
  EXPECT_EQ(kept(nights, rules, "Europe/Berlin"), stays);
  EXPECT_EQ(why(nights, rules, "2026-12-18", "Europe/Berlin"),
            "+ weekly 4 (2026-W51); monthly 2 (2026-12); the newest restored; the newest proven");
  EXPECT_EQ(why(nights, rules, "2026-12-31", "Europe/Berlin"), "+ daily 7 (2026-12-31)");
}

TEST_F(Guide, Differentials) {
  EXPECT_EQ(kept(differentials, rules, "Europe/Berlin"),
            "2026-09-27 2026-09-30 2026-10-25 2026-10-31 2026-11-29 2026-11-30 2026-12-13 2026-12-20 2026-12-27 "
            "2026-12-31 2027-01-01 2027-01-02 2027-01-03 2027-01-04 2027-01-05 2027-01-06");
  EXPECT_EQ(why(differentials, rules, "2026-11-29", "Europe/Berlin"), "+ needed by 2026-11-30");
}

TEST_F(Guide, AClockThatJumps) {
  nights.push_back(in_state(point_of("odd", "2030-01-01T00:00:00Z"), quarantined));
  EXPECT_EQ(kept(nights, rules, "Europe/Berlin"), std::string(kGuideStays) + " odd");
}

}  // namespace
}  // namespace belay::backup
