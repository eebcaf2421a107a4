#pragma once
// Schedule expressions as SSM writes them: cron(…), rate(…), at(…). What AWS documents is the measure ("Cron and rate
// expressions for Systems Manager"); which of them a window or an association may use is rule_set.hpp's.
//
// cron([seconds] minutes hours day-of-month month day-of-week year), fields apart by spaces, letters of any case:
//   seconds, minutes 0-59 · hours 0-23 · month 1-12 or JAN-DEC · year 1970-2199     , - * /
//   day-of-month 1-31                                                               , - * / ? L W
//   day-of-week 1-7 or SUN-SAT (1 is Sunday)                                        , - * / ? L #
// Exactly one of the two day fields is ?. a/n is every n-th from a to the end; a-b/n within a-b; a range that runs
// backwards is refused. L: the last day of the month, in day-of-week Saturday; L-3: three days before the last; LW: the
// last weekday; 15W: the weekday (Monday to Friday) nearest to the 15th, never in another month; 6L: the month's last
// Friday; FRI#2: its second Friday. These stand alone in their field. W of a day the month does not have is never.
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::schedule {

inline constexpr int kYearFirst = 1970, kYearLast = 2199;
inline constexpr std::size_t kExpressionBytesMax = 256;

struct DayRule {
  enum class Kind {
    days_of_month,    // `bits` 1-31
    from_last,        // `number` days before the last
    nearest_weekday,  // to day `number`
    last_weekday,     // Monday to Friday
    days_of_week,     // `bits` 0-6, Sunday is 0
    last_of_week,     // the last `weekday`
    nth_of_week,      // the `number`th `weekday`
  };
  Kind kind = Kind::days_of_month;
  std::uint32_t bits = 0;
  unsigned number = 0;
  unsigned weekday = 0;  // 0-6, Sunday is 0
};

struct Cron {
  std::bitset<60> seconds, minutes;  // seconds: only 0 where the field is absent
  std::bitset<24> hours;
  std::bitset<13> months;  // 1-12
  std::bitset<kYearLast - kYearFirst + 1> years;
  DayRule day;
  bool has_seconds = false;
};
struct Rate {
  Seconds period{};
};
struct At {
  LocalTime local;
};

struct Expression {
  std::variant<Cron, Rate, At> rule;
  std::string text;  // as given
  const Cron* cron() const { return std::get_if<Cron>(&rule); }
  const Rate* rate() const { return std::get_if<Rate>(&rule); }
  const At* at() const { return std::get_if<At>(&rule); }
};

// invalid_argument names the field, what is wrong in it and what would be right. A cron that no day ever matches
// (30 February) is refused too.
Result<Expression> parse_expression(std::string_view text);

// The days of that month which match, bit 1 to 31.
std::uint32_t matching_days(const DayRule& rule, std::chrono::year_month month);

// The first matching local time at or after `from`, the last at or before `from`.
std::optional<LocalTime> first_match(const Cron& cron, LocalTime from);
std::optional<LocalTime> last_match(const Cron& cron, LocalTime from);

// The shortest time between two matches, by the clock on the wall; nothing where there are fewer than two.
std::optional<Seconds> shortest_gap(const Cron& cron);
// Of any expression: the shortest time from one occurrence to the next; none where there is but one.
std::optional<Seconds> shortest_period(const Expression& expression);

}  // namespace belay::schedule
