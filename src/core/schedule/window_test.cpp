#include "core/schedule/window.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/schedule/test_zones.hpp"

namespace belay::schedule {
namespace {

using std::chrono::hours;

Window made(const char* expression, unsigned duration_h, unsigned cutoff_h, const char* zone_name = "UTC") {
  return {parse_schedule({expression, zone_name, std::nullopt, "", ""}, Instant{}).value(), duration_h, cutoff_h};
}

TEST(Window, OpensClosesAndStopsStartingBefore) {
  const auto window = made("cron(0 22 ? * SAT *)", 6, 2);
  const auto& utc = zone("UTC");
  const Opening opening{at("2026-11-28T22:00:00Z"), at("2026-11-29T02:00:00Z"), at("2026-11-29T04:00:00Z")};
  EXPECT_EQ(next_opening(window, utc, at("2026-11-24")), opening);
  EXPECT_FALSE(contains(window, utc, at("2026-11-28T21:59:59Z")));
  EXPECT_EQ(contains(window, utc, opening.opens), opening);
  EXPECT_EQ(contains(window, utc, opening.closes - Duration(1)), opening);
  EXPECT_FALSE(contains(window, utc, opening.closes));
  EXPECT_TRUE(may_start(opening, opening.opens));
  EXPECT_TRUE(may_start(opening, opening.cutoff - Duration(1)));
  EXPECT_FALSE(may_start(opening, opening.cutoff));
  EXPECT_EQ(until(window, utc, at("2026-11-28T20:00:00Z")), hours(2));
  EXPECT_EQ(until(window, utc, at("2026-11-29T01:00:00Z")), hours(0));
  EXPECT_EQ(until(window, utc, at("2026-11-29T02:00:00Z")), hours(7 * 24 - 4));
  EXPECT_FALSE(until(made("at(2026-01-01T00:00:00)", 1, 0), utc, at("2026-11-24")));
}

TEST(Window, IsAsLongAsItSaysInTheNightTheClocksChange) {
  const auto& berlin = zone("Europe/Berlin");
  const auto window = made("cron(0 1 ? * SUN *)", 4, 1, "Europe/Berlin");
  const auto spring = next_opening(window, berlin, at("2026-03-28"));
  ASSERT_TRUE(spring);
  EXPECT_EQ(to_local_iso8601(berlin, spring->opens), "2026-03-29T01:00:00+01:00");
  EXPECT_EQ(to_local_iso8601(berlin, spring->closes), "2026-03-29T06:00:00+02:00");
  const auto autumn = next_opening(window, berlin, at("2026-10-24"));
  ASSERT_TRUE(autumn);
  EXPECT_EQ(to_local_iso8601(berlin, autumn->closes), "2026-10-25T04:00:00+01:00");
}

// The period is measured by the clock on the wall; a day may have 23 hours.
TEST(Window, EndsWhereTheNextOneOpens) {
  const auto& berlin = zone("Europe/Berlin");
  const auto daily = made("cron(0 0 * * ? *)", 24, 2, "Europe/Berlin");
  EXPECT_TRUE(validate(daily, berlin, at("2027-01-01")).ok());
  const auto spring = next_opening(daily, berlin, at("2027-03-27T12:00:00Z"));
  ASSERT_TRUE(spring);
  EXPECT_EQ(to_local_iso8601(berlin, spring->opens), "2027-03-28T00:00:00+01:00");
  EXPECT_EQ(to_local_iso8601(berlin, spring->cutoff), "2027-03-28T22:00:00+02:00");
  EXPECT_EQ(to_local_iso8601(berlin, spring->closes), "2027-03-29T00:00:00+02:00");
  Instant after = at("2027-01-01");
  for (int i = 0; i < 366; ++i) {
    const auto opening = next_opening(daily, berlin, after), following = next_opening(daily, berlin, opening->opens);
    ASSERT_LE(opening->closes, following->opens) << to_iso8601(opening->opens);
    after = opening->opens;
  }
  const auto no_time = made("cron(0 0 * * ? *)", 24, 23, "Europe/Berlin");
  const auto shortest = next_opening(no_time, berlin, at("2027-03-27T12:00:00Z"));
  EXPECT_EQ(shortest->cutoff, shortest->opens) << "never before it opens";
}

TEST(Window, BegunBeforeItsEndDateIsNotCutShort) {
  auto window = made("cron(0 22 * * ? *)", 4, 0);
  window.schedule.end = at("2026-11-24T23:00:00Z");
  EXPECT_TRUE(contains(window, zone("UTC"), at("2026-11-25T01:00:00Z")));
  EXPECT_FALSE(next_opening(window, zone("UTC"), at("2026-11-24T22:00:00Z")));
}

TEST(Window, ContradictionsAreRefusedWithTheFieldNamed) {
  const struct {
    Window window;
    const char* says;
  } rows[] = {
      {made("cron(0 2 * * ? *)", 0, 0), "Duration is 0 hours; write 1 to 24"},
      {made("cron(0 2 * * ? *)", 25, 0), "Duration is 25 hours"},
      {made("cron(0 2 * * ? *)", 3, 3), "Cutoff is 3 hours of a Duration of 3"},
      {made("cron(0 2,5 * * ? *)", 4, 1), "opens again after 3 h"},
      {made("rate(2 hours)", 3, 0), "opens again after 2 h"},
      {made("cron(0 0/1 * * ? *)", 2, 0), "opens again after 1 h"},
      {made("rate(1 minute)", 1, 0), "5 min or slower"},
      {made("cron(0 2 * * ? *)", 24, 23), nullptr},
      {made("cron(0 2,5 * * ? *)", 3, 1), nullptr},
      {made("at(2027-01-01T00:00:00)", 24, 0), nullptr},
  };
  for (const auto& row : rows) {
    const auto verdict = validate(row.window, zone("UTC"), at("2026-11-24"));
    EXPECT_EQ(verdict.ok(), row.says == nullptr) << (row.says ? row.says : row.window.schedule.expression.text.c_str());
    if (!verdict.ok() && row.says) EXPECT_THAT(verdict.error().message(), testing::HasSubstr(row.says));
  }
}

}  // namespace
}  // namespace belay::schedule
