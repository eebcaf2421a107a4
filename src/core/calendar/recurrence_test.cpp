#include "core/calendar/recurrence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/text.hpp"

namespace belay::calendar {
namespace {

using namespace std::chrono;

local_days date(std::string_view text) {
  return local_days{floor<days>(parse_iso8601(text).value()).time_since_epoch()};
}

std::string text_of(local_days day) { return to_date(Instant{day.time_since_epoch()}); }

// The first `count` days at or after `start`.
std::vector<local_days> first_days(const Recurrence& rule, local_days start, std::size_t count) {
  std::vector<local_days> found;
  for (int index = 0; index < 5000 && found.size() < count; ++index)
    for (const auto day : days_of_period(rule, start, index))
      if (day >= start && found.size() < count) found.push_back(day);
  return found;
}

// The examples are those of RFC 5545, 3.8.5.3, read off there.
TEST(Recurrence, NamesTheDaysOfTheStandardsExamples) {
  const struct {
    const char *rule, *start, *days;
  } rows[] = {
      {"FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02", "1997-09-02 1997-09-12 1997-09-22 1997-10-02"},
      {"FREQ=DAILY;BYMONTH=1", "1998-01-30", "1998-01-30 1998-01-31 1999-01-01 1999-01-02"},
      {"FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997-09-02", "1997-09-02 1997-09-16 1997-09-30 1997-10-14"},
      {"FREQ=WEEKLY;WKST=SU;BYDAY=TU,TH", "1997-09-02", "1997-09-02 1997-09-04 1997-09-09 1997-09-11"},
      {"FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", "1997-08-05", "1997-08-05 1997-08-10 1997-08-19 1997-08-24"},
      {"FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", "1997-08-05", "1997-08-05 1997-08-17 1997-08-19 1997-08-31"},
      {"FREQ=MONTHLY;BYDAY=1FR", "1997-09-05", "1997-09-05 1997-10-03 1997-11-07 1997-12-05"},
      {"FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU", "1997-09-07", "1997-09-07 1997-09-28 1997-11-02 1997-11-30"},
      {"FREQ=MONTHLY;BYDAY=-2MO", "1997-09-22", "1997-09-22 1997-10-20 1997-11-17 1997-12-22"},
      {"FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28", "1997-09-28 1997-10-29 1997-11-28 1997-12-29"},
      {"FREQ=MONTHLY;BYMONTHDAY=1,-1", "1997-09-30", "1997-09-30 1997-10-01 1997-10-31 1997-11-01"},
      {"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1998-02-13", "1998-02-13 1998-03-13 1998-11-13 1999-08-13"},
      {"FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "1997-09-13",
       "1997-09-13 1997-10-11 1997-11-08 1997-12-13"},
      {"FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04", "1997-09-04 1997-10-07 1997-11-06 1997-12-04"},
      {"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997-09-29", "1997-09-29 1997-10-30 1997-11-27 1997-12-30"},
      {"FREQ=MONTHLY", "2026-01-31", "2026-01-31 2026-03-31 2026-05-31 2026-07-31"},
      {"FREQ=YEARLY;BYMONTH=6,7", "1997-06-10", "1997-06-10 1997-07-10 1998-06-10 1998-07-10"},
      {"FREQ=YEARLY;BYDAY=TH;BYMONTH=3", "1997-03-13", "1997-03-13 1997-03-20 1997-03-27 1998-03-05"},
      {"FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "1996-11-05",
       "1996-11-05 2000-11-07 2004-11-02 2008-11-04"},
      {"FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "1997-10-26", "1997-10-26 1998-10-25 1999-10-31 2000-10-29"},
      {"FREQ=YEARLY", "2024-02-29", "2024-02-29 2028-02-29 2032-02-29 2036-02-29"},
  };
  for (const auto& row : rows) {
    const auto rule = parse_recurrence(row.rule);
    ASSERT_TRUE(rule.ok()) << rule.error().message();
    std::vector<std::string> texts;
    for (const auto day : first_days(*rule, date(row.start), 4)) texts.push_back(text_of(day));
    EXPECT_EQ(join(texts, " "), row.days) << row.rule;
  }
}

TEST(Recurrence, RefusesByNameWhatItDoesNotSupport) {
  const struct {
    const char *rule, *says;
  } rows[] = {
      {"", "RRULE has ''"},
      {"INTERVAL=2", "has no FREQ"},
      {"FREQ=SECONDLY", "FREQ=SECONDLY: is not supported"},
      {"FREQ=DAILY;BYHOUR=9", "BYHOUR=9: is not supported"},
      {"FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO=20: is not supported"},
      {"FREQ=YEARLY;BYYEARDAY=100", "BYYEARDAY=100: is not supported"},
      {"FREQ=DAILY;X=1", "X=1: is not supported"},
      {"FREQ=DAILY;FREQ=DAILY", "is given twice"},
      {"FREQ=DAILY;COUNT=3;UNTIL=20270101", "has COUNT and UNTIL"},
      {"FREQ=DAILY;COUNT=0", "COUNT=0: write 1 to 10000"},
      {"FREQ=DAILY;INTERVAL=1001", "INTERVAL=1001: write 1 to 1000"},
      {"FREQ=WEEKLY;BYDAY=2MO", "BYDAY with a number"},
      {"FREQ=YEARLY;BYDAY=20MO;BYMONTH=5", "a day's number is 1 to 5"},
      {"FREQ=YEARLY;BYDAY=2MO", "with BYMONTH only"},
      {"FREQ=WEEKLY;BYDAY=XX", "write days such as MO"},
      {"FREQ=WEEKLY;BYMONTHDAY=1", "does not go with FREQ=WEEKLY"},
      {"FREQ=DAILY;BYSETPOS=1", "BYSETPOS is supported in"},
      {"FREQ=MONTHLY;BYMONTHDAY=32", "write numbers from 1 to 31"},
      {"FREQ=MONTHLY;BYMONTH=0", "write numbers from 1 to 12"},
      {"FREQ=WEEKLY;WKST=monday", "write a day such as MO"},
  };
  for (const auto& row : rows) {
    const auto rule = parse_recurrence(row.rule);
    ASSERT_FALSE(rule.ok()) << row.rule;
    EXPECT_THAT(rule.error().message(), testing::HasSubstr(row.says));
  }
}

// Every day of four years: it is in the period that period_of() says, and only there.
TEST(Recurrence, FindsThePeriodOfADay) {
  for (const char* text :
       {"FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SA;WKST=SU", "FREQ=MONTHLY;BYMONTHDAY=31,-2",
        "FREQ=YEARLY;BYMONTH=2,12;BYDAY=-1FR,2MO", "FREQ=MONTHLY;INTERVAL=5;BYDAY=MO,TU;BYSETPOS=-1"}) {
    const auto rule = parse_recurrence(text).value();
    const auto start = date("2026-01-05");
    std::vector<local_days> by_index;
    for (int index = 0; beginning_of_period(rule, start, index) < date("2030-01-01"); ++index)
      for (const auto day : days_of_period(rule, start, index)) by_index.push_back(day);
    ASSERT_TRUE(std::ranges::is_sorted(by_index)) << text;
    for (auto day = start; day < date("2029-12-31"); day += days(1)) {
      const auto here = days_of_period(rule, start, period_of(rule, start, day));
      ASSERT_EQ(std::ranges::binary_search(here, day), std::ranges::binary_search(by_index, day))
          << text << " " << text_of(day);
    }
  }
}

}  // namespace
}  // namespace belay::calendar
