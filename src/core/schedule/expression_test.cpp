#include "core/schedule/expression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/schedule/test_zones.hpp"

namespace belay::schedule {
namespace {

std::string first_days(const char* text, const char* from, int count) {
  const auto expression = parse_expression(text).value();
  LocalTime local{floor<Seconds>(at(from)).time_since_epoch()};
  std::string days;
  for (int i = 0; i < count; ++i) {
    const auto match = first_match(*expression.cron(), local);
    if (!match) return days + " end";
    days += (i ? " " : "") + to_iso8601(Instant{match->time_since_epoch()}).substr(0, 16);
    local = *match + Seconds(1);
  }
  return days;
}

// 2026-11-01 is a Sunday. The dates were read off a calendar.
TEST(Cron, MeansWhatSsmDocuments) {
  const struct {
    const char *expression, *from, *due;
  } rows[] = {
      {"cron(0 10 * * ? *)", "2026-11-24T09:00:00Z", "2026-11-24T10:00 2026-11-25T10:00"},
      {"cron(0 10 * * ? *)", "2026-11-24T10:00:01Z", "2026-11-25T10:00 2026-11-26T10:00"},
      {"cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00:00Z", "2026-11-27T18:00 2026-11-30T18:00"},
      {"cron(0 8 1 * ? *)", "2026-11-24T00:00:00Z", "2026-12-01T08:00 2027-01-01T08:00"},
      {"cron(0/15 * * * ? *)", "2026-11-24T23:44:00Z", "2026-11-24T23:45 2026-11-25T00:00"},
      {"cron(5/20 6-8/2 * * ? *)", "2026-11-24T06:30:00Z", "2026-11-24T06:45 2026-11-24T08:05"},
      {"cron(0 2 ? * THU#3 *)", "2026-11-01T00:00:00Z", "2026-11-19T02:00 2026-12-17T02:00"},
      {"cron(0 2 ? * 5#3 *)", "2026-11-01T00:00:00Z", "2026-11-19T02:00 2026-12-17T02:00"},
      {"cron(0 2 ? * thu#5 *)", "2026-11-01T00:00:00Z", "2026-12-31T02:00 2027-04-29T02:00"},
      {"cron(15 10 ? * 6L *)", "2026-11-01T00:00:00Z", "2026-11-27T10:15 2026-12-25T10:15"},
      {"cron(0 0 ? * 3L *)", "2026-11-01T00:00:00Z", "2026-11-24T00:00 2026-12-29T00:00"},
      {"cron(0 0 ? * L *)", "2026-11-01T00:00:00Z", "2026-11-07T00:00 2026-11-14T00:00"},
      {"cron(0 2 L * ? *)", "2026-11-01T00:00:00Z", "2026-11-30T02:00 2026-12-31T02:00"},
      {"cron(0 2 L FEB ? *)", "2027-03-01T00:00:00Z", "2028-02-29T02:00 2029-02-28T02:00"},
      {"cron(0 2 L-3 * ? *)", "2026-11-01T00:00:00Z", "2026-11-27T02:00 2026-12-28T02:00"},
      {"cron(0 2 LW * ? *)", "2027-01-01T00:00:00Z", "2027-01-29T02:00 2027-02-26T02:00"},  // the 31st is a Sunday
      {"cron(0 2 1W * ? *)", "2026-08-01T00:00:00Z", "2026-08-03T02:00 2026-09-01T02:00"},  // a Saturday
      {"cron(0 2 1W * ? *)", "2026-11-01T00:00:00Z", "2026-11-02T02:00 2026-12-01T02:00"},  // a Sunday
      {"cron(0 2 15W * ? *)", "2026-11-01T00:00:00Z", "2026-11-16T02:00 2026-12-15T02:00"},
      {"cron(0 2 31W * ? *)", "2027-01-01T00:00:00Z", "2027-01-29T02:00 2027-03-31T02:00"},
      {"cron(24 30 09 ? * * *)", "2026-11-24T00:00:00Z", "2026-11-24T09:30 2026-11-25T09:30"},
      {"cron(0 0 2 ? * SUN *)", "2026-11-24T00:00:00Z", "2026-11-29T02:00 2026-12-06T02:00"},
      {"cron(0 0 29 2 ? 2027-2030)", "2026-11-24T00:00:00Z", "2028-02-29T00:00 end"},
      {"cron(0 3 ? JAN,JUL MON#1 2027/2)", "2026-11-24T00:00:00Z", "2027-01-04T03:00 2027-07-05T03:00"},
  };
  for (const auto& row : rows) EXPECT_EQ(first_days(row.expression, row.from, 2), row.due) << row.expression;
}

TEST(Cron, RefusalsNameTheFieldAndWhatWouldBeRight) {
  const struct {
    const char *expression, *says;
  } rows[] = {
      {"cron(60 * * * ? *)", "minutes is '60': 60 is outside 0-59"},
      {"cron(0 24 * * ? *)", "hours is '24'"},
      {"cron(0 0 32 * ? *)", "day-of-month is '32'"},
      {"cron(0 0 0 * ? *)", "day-of-month is '0'"},
      {"cron(0 0 1 13 ? *)", "month is '13'"},
      {"cron(0 0 1 JANUARY ? *)", "'JANUARY' is no value"},
      {"cron(0 0 ? * 8 *)", "day-of-week is '8'"},
      {"cron(0 0 ? * MON#6 *)", "a number from 1 to 5"},
      {"cron(0 0 ? * MON#1,TUE#2 *)", "cannot be part of a list"},
      {"cron(0 0 1,L * ? *)", "cannot be part of a list"},
      {"cron(0 0 LX * ? *)", "behind L"},
      {"cron(0 0 W * ? *)", "before W"},
      {"cron(0 0 ? * FRI-MON *)", "runs backwards"},
      {"cron(0/0 * * * ? *)", "the step after / must be 1-59"},
      {"cron(0/60 * * * ? *)", "the step after / must be 1-59"},
      {"cron(0, * * * ? *)", "a value is missing"},
      {"cron(? 0 * * ? *)", "only in one of the day fields"},
      {"cron(0 0 * * * *)", "cannot both be given; write ?"},
      {"cron(0 0 1 * MON *)", "cannot both be given; write ?"},
      {"cron(0 0 ? * ? *)", "only one of the two day fields"},
      {"cron(0 0 1 * ? 1969)", "outside 1970-2199"},
      {"cron(0 0 * * *)", "has 5 fields"},
      {"cron(0 0 0 0 0 0 0 0)", "has 8 fields"},
      {"cron()", "has 0 fields"},
      {"cron(0 0 30 FEB ? *)", "never fires: day-of-month '30' does not occur in month 'FEB'"},
      {"cron(0 0 31 4,6,9,11 ? *)", "never fires"},
      {"cron(0 0 29 2 ? 2027)", "never fires"},
      {"rate(1 hours)", "rate(1 hour): singular"},
      {"rate(5 hour)", "rate(5 hours)"},
      {"rate(0 days)", "above 0"},
      {"rate(-1 days)", "above 0"},
      {"rate(3 weeks)", "unit is 'weeks'"},
      {"rate(5)", "write a whole number"},
      {"rate(999999999 days)", "at most 100 years"},
      {"at(2027-02-30T00:00:00)", "at(YYYY-MM-DDThh:mm:ss)"},
      {"at(2027-02-03)", "at(YYYY-MM-DDThh:mm:ss)"},
      {"at(2027-02-03T00:00:00Z)", "without a zone"},
      {"", "write cron("},
      {"0 2 * * *", "write cron("},
      {"daily(2)", "write cron("},
      {"cron(0 2 * * ? *", "write cron("},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_expression(row.expression);
    ASSERT_FALSE(parsed.ok()) << row.expression;
    EXPECT_EQ(parsed.error().code(), Code::invalid_argument) << row.expression;
    EXPECT_THAT(parsed.error().message(), testing::HasSubstr(row.says)) << row.expression;
  }
  EXPECT_FALSE(parse_expression(std::string(300, '(')).ok());
}

TEST(Cron, KnowsItsShortestGap) {
  const struct {
    const char* expression;
    Seconds gap;
  } rows[] = {
      {"cron(0/15 * * * ? *)", std::chrono::minutes(15)},
      {"cron(0,7 2 * * ? *)", std::chrono::minutes(7)},
      {"cron(0 2 ? * TUE#2 *)", std::chrono::days(28)},
      {"cron(0 23,1 * * ? *)", std::chrono::hours(2)},
      {"cron(0 2 L,1 * ? *)", Seconds(0)},
      {"cron(0 2 28,1 * ? *)", std::chrono::days(1)},
      {"cron(* * * * * ? *)", Seconds(1)},
      {"cron(0 22 ? * MON *)", std::chrono::days(7)},
  };
  for (const auto& row : rows) {
    const auto expression = parse_expression(row.expression);
    if (row.gap == Seconds(0)) EXPECT_FALSE(expression.ok());
    else EXPECT_EQ(shortest_gap(*expression->cron()), row.gap) << row.expression;
  }
  EXPECT_FALSE(shortest_gap(*parse_expression("cron(0 0 29 2 ? 2028)")->cron()));
}

}  // namespace
}  // namespace belay::schedule
