#pragma once
// When something is due: an expression on the clocks of one zone, moved by whole days, inside a span of validity.
//
// cron and at follow the clock on the wall, rate counts elapsed time. Where the clocks change, as EventBridge Scheduler
// documents it (SSM documents nothing):
// - a local time that the clocks skip never is: that occurrence is left out; skipped_times() lists such times, so that
// a
//   preview can say so. An at(…) in such a gap is refused.
// - a local time that comes twice fires once, at the first of the two.
// A rate fires at its anchor (StartDate, or `since` where that is later) and every period after it; a day is 24 hours.
//
// ScheduleOffset moves each day of a cron by whole days of the calendar, at the same local time; what counts for a gap
// is the day it was moved to. A day before `since` is not made up for: a window made on Wednesday for "Tuesday, two
// days later" first opens in the next period, as SSM says.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/schedule/expression.hpp"

namespace belay::schedule {

inline constexpr std::size_t kOccurrencesMax = 1000;  // of one listing

struct Schedule {
  Expression expression;
  std::string timezone = "UTC";    // IANA; the rules handed in beside a schedule are this zone's
  unsigned offset_days = 0;        // cron only, 1-6
  std::optional<Instant> start{};  // valid from here on …
  std::optional<Instant> end{};    // … and before this: what began before it is not cut short
  Instant since{};                 // made or last changed; nothing before it counts
};

// The fields as SSM's API has them; what is absent is "" or nothing.
struct ScheduleText {
  std::string expression;
  std::string timezone;  // "" is UTC
  std::optional<int> offset_days;
  std::string start_date, end_date;  // ISO 8601, with or without an offset from UTC
};
// Reads the fields; the first that cannot be read is named. Whether they go together is validate()'s (rule_set.hpp).
Result<Schedule> parse_schedule(const ScheduleText& text, Instant since);

// The first occurrence after `after`; nothing where there is none any more. Microseconds, whatever the distance.
std::optional<Instant> next(const Schedule& schedule, const ZoneRules& rules, Instant after);
// The last occurrence at or before `at`.
std::optional<Instant> previous(const Schedule& schedule, const ZoneRules& rules, Instant at);
// The next `count` (at most kOccurrencesMax) after `after`, in order.
std::vector<Instant> occurrences(const Schedule& schedule, const ZoneRules& rules, Instant after, std::size_t count);

// Local times of a cron that never are, because the clocks are put forward over them: the first of each gap.
struct SkippedTime {
  LocalTime local;
  Instant clocks_change_at;
};
// Of the gaps after `after` and until `until`, at most 100.
std::vector<SkippedTime> skipped_times(const Schedule& schedule, const ZoneRules& rules, Instant after, Instant until);

}  // namespace belay::schedule
