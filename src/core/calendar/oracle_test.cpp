// The state of a calendar and its transitions against an oracle that walks hour by hour and asks of each of its days,
// one by one, whether the rule as it was drawn names it. The seed is fixed.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "core/calendar/calendar.hpp"

namespace belay::calendar {
namespace {

using namespace std::chrono;

struct Drawn {
  std::string rule;
  std::function<bool(sys_days)> names;  // of days not before the beginning
};

const char* const kDays[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};

class Draw {
 public:
  int number(int first, int last) { return std::uniform_int_distribution<int>(first, last)(engine_); }

  // A rule that names its own beginning.
  Drawn rule(sys_days start) {
    const int interval = number(1, 3);
    const std::string every = ";INTERVAL=" + std::to_string(interval);
    const year_month_day date(start);
    switch (number(0, 4)) {
      case 0: return {"FREQ=DAILY" + every, [=](sys_days day) { return (day - start).count() % interval == 0; }};
      case 1: {
        const weekday also{static_cast<unsigned>(number(0, 6))}, own(start);
        const sys_days monday = start - (own - Monday);
        return {"FREQ=WEEKLY" + every + ";BYDAY=" + kDays[own.c_encoding()] + "," + kDays[also.c_encoding()],
                [=](sys_days day) {
                  return (weekday(day) == own || weekday(day) == also) && (day - monday).count() / 7 % interval == 0;
                }};
      }
      case 2: {
        const auto nth = (static_cast<unsigned>(date.day()) + 6) / 7;
        const weekday own(start);
        return {"FREQ=MONTHLY" + every + ";BYDAY=" + std::to_string(nth) + kDays[own.c_encoding()], [=](sys_days day) {
                  const year_month_day here(day);
                  return weekday(day) == own && (static_cast<unsigned>(here.day()) + 6) / 7 == nth &&
                         months_between(date, here) % interval == 0;
                }};
      }
      case 3:
        return {"FREQ=MONTHLY" + every + ";BYMONTHDAY=-1," + std::to_string(static_cast<unsigned>(date.day())),
                [=](sys_days day) {
                  const year_month_day here(day);
                  const bool last_day = year_month_day(day + days(1)).day() == day_one();
                  return (last_day || here.day() == date.day()) && months_between(date, here) % interval == 0;
                }};
      default:
        return {"FREQ=YEARLY", [=](sys_days day) {
                  const year_month_day here(day);
                  return here.month() == date.month() && here.day() == date.day();
                }};
    }
  }

 private:
  static std::chrono::day day_one() { return std::chrono::day{1}; }
  static int months_between(year_month_day a, year_month_day b) {
    return static_cast<int>((b.year() / b.month() - a.year() / a.month()).count());
  }
  std::mt19937_64 engine_{7};
};

std::string compact(Instant at) {
  std::string text = to_iso8601(at);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

struct Case {
  Instant start;
  hours length;
  Drawn drawn;
  int last_index;  // of COUNT; -1: for ever

  // Whether an occurrence is under way, by trying every day that one could have begun on.
  bool under_way(Instant at) const {
    const auto start_day = floor<days>(start);
    int index = 0;
    for (sys_days day = start_day; day <= floor<days>(at); day += days(1)) {
      if (!drawn.names(day)) continue;
      if (last_index >= 0 && index++ > last_index) return false;
      const Instant begins = day + (start - start_day);
      if (begins <= at && at < begins + length) return true;
    }
    return false;
  }
};

TEST(CalendarOracle, AgreesHourByHour) {
  Draw draw;
  const auto no_zones = [](std::string_view name) -> Result<std::string> {
    return Error(Code::not_found, std::string(name));
  };
  for (int round = 0; round < 150; ++round) {
    Case given;
    given.start = Instant{sys_days{2026y / January / 1}} + hours(draw.number(0, 400 * 24));
    given.length = hours(draw.number(1, 60));
    given.drawn = draw.rule(floor<days>(given.start));
    given.last_index = draw.number(0, 2) == 0 ? draw.number(0, 20) : -1;
    const std::string count = given.last_index < 0 ? "" : ";COUNT=" + std::to_string(given.last_index + 1);
    const std::string text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:" + compact(given.start) + "\nDURATION:PT" +
                             std::to_string(given.length.count()) + "H\nRRULE:" + given.drawn.rule + count +
                             "\nEND:VEVENT\nEND:VCALENDAR\n";
    const auto calendar = parse_calendar("oracle", text, no_zones);
    ASSERT_TRUE(calendar.ok()) << text << calendar.error().chain();
    Instant at = given.start + hours(draw.number(-48, 200 * 24));
    const Instant end = at + days(20);
    auto state = calendar_state(*calendar, at);
    for (; at < end; at += hours(1)) {
      if (state.next_transition && *state.next_transition <= at) state = calendar_state(*calendar, at);
      ASSERT_EQ(state.open, !given.under_way(at)) << text << to_iso8601(at);
    }
  }
}

}  // namespace
}  // namespace belay::calendar
