#pragma once
// The RRULE of an event: the subset that Change Calendar, Google, Outlook and iCloud write.
//   FREQ=DAILY, WEEKLY, MONTHLY or YEARLY · INTERVAL 1-1000 · COUNT 1-10000 or UNTIL · WKST
//   BYDAY (with a number only in MONTHLY, and in YEARLY with BYMONTH) · BYMONTH · BYMONTHDAY (not in WEEKLY)
//   BYSETPOS (in MONTHLY and YEARLY)
// Anything else (SECONDLY, MINUTELY, HOURLY, BYHOUR, BYMINUTE, BYSECOND, BYWEEKNO, BYYEARDAY) is refused by name.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::calendar {

struct Recurrence {
  enum class Frequency { daily, weekly, monthly, yearly };
  struct NumberedDay {
    int number;  // 1 the first, -1 the last of the month
    unsigned weekday;
  };
  Frequency frequency = Frequency::daily;
  int interval = 1;
  std::optional<int> count;
  std::string until_text;        // as written
  std::optional<Instant> until;  // no occurrence begins later
  std::uint32_t weekdays = 0;    // bits 0-6, Sunday is 0
  std::uint32_t months = 0;      // bits 1-12
  std::vector<NumberedDay> numbered_days;
  std::vector<int> month_days;  // 1-31, or -1 to -31 from the end
  std::vector<int> set_positions;
  unsigned week_start = 1;
};

// COUNT and UNTIL are left to the caller, who knows the event's beginning and zone.
Result<Recurrence> parse_recurrence(std::string_view text);

// The days of the `index`th period (day, week, month or year, times the interval) counted from `start`'s, ascending.
// They may lie before `start`.
std::vector<std::chrono::local_days> days_of_period(const Recurrence& rule, std::chrono::local_days start, int index);
// The first day that the period can have.
std::chrono::local_days beginning_of_period(const Recurrence& rule, std::chrono::local_days start, int index);
// The index of the period that `day` lies in, at least 0.
int period_of(const Recurrence& rule, std::chrono::local_days start, std::chrono::local_days day);

}  // namespace belay::calendar
