#include "core/schedule/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"
#include "core/schedule/test_zones.hpp"

namespace belay::schedule {
namespace {

Schedule made(const char* expression, const char* zone_name = "UTC", int offset = 0) {
  ScheduleText text{expression, zone_name, std::nullopt, "", ""};
  if (offset) text.offset_days = offset;
  return parse_schedule(text, Instant{}).value();
}

std::string listed(const Schedule& schedule, const char* after, std::size_t count) {
  std::vector<std::string> lines;
  for (const auto due : occurrences(schedule, zone(schedule.timezone), at(after), count))
    lines.push_back(to_local_iso8601(zone(schedule.timezone), due));
  return join(lines, " ");
}

TEST(Schedule, FollowsTheWallOverEveryKindOfChange) {
  const struct {
    const char *expression, *zone, *after, *due;
  } rows[] = {
      // Skipped: left out. Doubled: once, at the first.
      {"cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-27T12:00:00Z",
       "2026-03-28T02:30:00+01:00 2026-03-30T02:30:00+02:00"},
      {"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z",
       "2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00"},
      {"cron(0 * * * ? *)", "Europe/Berlin", "2026-10-24T23:30:00Z",
       "2026-10-25T02:00:00+02:00 2026-10-25T03:00:00+01:00"},
      {"cron(0 * * * ? *)", "America/New_York", "2027-03-14T05:30:00Z",
       "2027-03-14T01:00:00-05:00 2027-03-14T03:00:00-04:00"},
      // Half an hour is skipped at 02:00 and doubled at 01:30.
      {"cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
       "2026-10-05T02:15:00+11:00 2026-10-06T02:15:00+11:00"},
      {"cron(0/15 1 * * ? *)", "Australia/Lord_Howe", "2026-04-04T14:40:00Z",
       "2026-04-05T01:45:00+11:00 2026-04-06T01:00:00+10:30"},
      // Ramadan: an hour back in February, forward again in March.
      {"cron(30 2 ? * SUN *)", "Africa/Casablanca", "2026-02-14T12:00:00Z",
       "2026-02-15T02:30:00+01:00 2026-02-22T02:30:00+00:00"},
      {"cron(30 2 ? * SUN *)", "Africa/Casablanca", "2026-03-14T12:00:00Z",
       "2026-03-15T02:30:00+00:00 2026-03-29T02:30:00+01:00"},
      {"cron(0 0 * * ? *)", "Asia/Kathmandu", "2026-11-24T00:00:00Z",
       "2026-11-25T00:00:00+05:45 2026-11-26T00:00:00+05:45"},
      // Friday, 30 December 2011, never was.
      {"cron(0 9 * * ? *)", "Pacific/Apia", "2011-12-29T00:00:00Z",
       "2011-12-29T09:00:00-10:00 2011-12-31T09:00:00+14:00"},
      {"cron(0 9 ? * FRI *)", "Pacific/Apia", "2011-12-24T00:00:00Z",
       "2012-01-06T09:00:00+14:00 2012-01-13T09:00:00+14:00"},
      {"at(2026-10-25T02:30:00)", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-10-25T02:30:00+02:00"},
      {"at(2026-07-07T13:15:30)", "UTC", "2026-07-07T13:15:30Z", ""},
  };
  for (const auto& row : rows)
    EXPECT_EQ(listed(made(row.expression, row.zone), row.after, 2), row.due) << row.expression << " " << row.zone;
}

TEST(Schedule, SaysWhichTimesTheClocksLeaveOut) {
  const auto& berlin = zone("Europe/Berlin");
  const auto skipped =
      skipped_times(made("cron(30 2 * * ? *)", "Europe/Berlin"), berlin, at("2026-01-01"), at("2028-01-01"));
  ASSERT_EQ(skipped.size(), 2U);
  EXPECT_EQ(to_iso8601(Instant{skipped[0].local.time_since_epoch()}), "2026-03-29T02:30:00Z");
  EXPECT_EQ(to_iso8601(skipped[0].clocks_change_at), "2026-03-29T01:00:00Z");
  EXPECT_TRUE(
      skipped_times(made("cron(30 3 * * ? *)", "Europe/Berlin"), berlin, at("2026-01-01"), at("2028-01-01")).empty());
  // What counts is the day an offset moved it to.
  EXPECT_EQ(skipped_times(made("cron(30 2 ? * FRI *)", "Europe/Berlin", 2), berlin, at("2026-01-01"), at("2027-01-01"))
                .size(),
            1U);
}

TEST(Schedule, OffsetMovesTheDayAndForgetsDaysBeforeItWasMade) {
  auto patch_tuesday = made("cron(30 23 ? * TUE#3 *)", "America/Los_Angeles", 2);
  EXPECT_EQ(listed(patch_tuesday, "2026-11-24T00:00:00Z", 2), "2026-12-17T23:30:00-08:00 2027-01-21T23:30:00-08:00");
  // Made on Wednesday, 16 December: the Tuesday has passed, so the Thursday does not open.
  patch_tuesday.since = at("2026-12-16T18:00:00Z");
  EXPECT_EQ(listed(patch_tuesday, "2026-12-16T18:00:00Z", 1), "2027-01-21T23:30:00-08:00");
  EXPECT_FALSE(previous(patch_tuesday, zone("America/Los_Angeles"), at("2027-01-01")));
  // Over the end of a month and a year.
  EXPECT_EQ(listed(made("cron(0 1 L * ? *)", "UTC", 3), "2026-12-31T00:00:00Z", 1), "2027-01-03T01:00:00+00:00");
}

TEST(Schedule, RateCountsFromItsAnchor) {
  auto weekly = made("rate(7 days)", "America/New_York");
  weekly.since = at("2026-10-28T09:30:00Z");
  EXPECT_EQ(listed(weekly, "2026-10-28T09:30:00Z", 2), "2026-11-04T04:30:00-05:00 2026-11-11T04:30:00-05:00");
  weekly.start = at("2026-11-20T00:00:00Z");
  EXPECT_EQ(listed(weekly, "2026-10-28T09:30:00Z", 2), "2026-11-19T19:00:00-05:00 2026-11-26T19:00:00-05:00");
  EXPECT_EQ(previous(weekly, zone("UTC"), at("2026-11-30")), at("2026-11-27"));
  EXPECT_FALSE(previous(weekly, zone("UTC"), at("2026-11-19")));
}

TEST(Schedule, IsValidFromStartUntilBeforeEnd) {
  auto daily = made("cron(0 9 * * ? *)");
  daily.start = at("2026-11-25T09:00:00Z");
  daily.end = at("2026-11-27T09:00:00Z");
  EXPECT_EQ(listed(daily, "2020-01-01T00:00:00Z", 9), "2026-11-25T09:00:00+00:00 2026-11-26T09:00:00+00:00");
  EXPECT_EQ(previous(daily, zone("UTC"), at("2030-01-01")), at("2026-11-26T09:00:00Z"));
  EXPECT_FALSE(previous(daily, zone("UTC"), at("2026-11-25T08:59:59Z")));
}

// AWS's own example: the span of validity has an offset from UTC, the schedule a zone; neither touches the other.
TEST(Schedule, StartDateAndZoneDoNotInfluenceEachOther) {
  const auto given = parse_schedule(
      {"cron(0 09 ? * WED *)", "America/Los_Angeles", std::nullopt, "2021-01-01T00:00:00-08:00", ""}, Instant{});
  ASSERT_TRUE(given.ok());
  EXPECT_EQ(listed(*given, "2020-12-01T00:00:00Z", 1), "2021-01-06T09:00:00-08:00");
}

TEST(Schedule, ListsFiftyAndEndsWithTheCalendar) {
  EXPECT_EQ(occurrences(made("cron(0 2 ? * TUE#2 *)"), zone("UTC"), at("2026-11-24"), 50).size(), 50U);
  EXPECT_EQ(occurrences(made("rate(1 minute)"), zone("UTC"), at("2026-11-24"), 9999).size(), kOccurrencesMax);
  EXPECT_FALSE(next(made("cron(0 2 * * ? *)"), zone("UTC"), at("2199-12-31T02:00:00Z")));
  EXPECT_EQ(previous(made("cron(0 2 * * ? *)"), zone("UTC"), at("2500-01-01")), at("2199-12-31T02:00:00Z"));
  EXPECT_FALSE(previous(made("cron(0 2 * * ? 2027)"), zone("UTC"), at("2026-11-24")));
}

TEST(Schedule, FieldsThatCannotBeReadAreNamed) {
  const struct {
    ScheduleText text;
    const char* says;
  } rows[] = {
      {{"cron(0 2 * * ? *)", "", 0, "", ""}, "ScheduleOffset is 0; write 1 to 6 days"},
      {{"cron(0 2 * * ? *)", "", 7, "", ""}, "ScheduleOffset is 7"},
      {{"cron(0 2 * * ? *)", "", std::nullopt, "tomorrow", ""}, "StartDate is 'tomorrow'"},
      {{"cron(0 2 * * ? *)", "", std::nullopt, "", "2026-02-30"}, "EndDate is '2026-02-30'"},
      {{"cron(0 2 * * *)", "", std::nullopt, "", ""}, "has 5 fields"},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_schedule(row.text, Instant{});
    ASSERT_FALSE(parsed.ok()) << row.says;
    EXPECT_THAT(parsed.error().message(), testing::HasSubstr(row.says));
  }
}

}  // namespace
}  // namespace belay::schedule
