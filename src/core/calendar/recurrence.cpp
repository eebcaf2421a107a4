#include "core/calendar/recurrence.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/text.hpp"
#include "core/schedule/expression.hpp"

namespace belay::calendar {
namespace {

using namespace std::chrono;
using Frequency = Recurrence::Frequency;

constexpr std::array<std::string_view, 7> kDays{"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
constexpr int kIntervalMax = 1000, kCountMax = 10'000;

Error refuse(std::string_view part, std::string_view value, std::string_view why) {
  return Error(Code::invalid_argument,
               "RRULE " + std::string(part) + "=" + std::string(value.substr(0, 60)) + ": " + std::string(why));
}

std::optional<int> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<unsigned> weekday_of(std::string_view text) {
  const auto found = std::ranges::find(kDays, text);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<unsigned>(found - kDays.begin());
}

// Numbers of -most to most but 0; without the negative ones where `signs` is false.
Result<std::vector<int>> numbers_of(std::string_view part, std::string_view value, int most, bool signs) {
  std::vector<int> numbers;
  for (const auto item : split(value, ',')) {
    const auto number = number_of(item);
    if (!number || *number == 0 || *number > most || *number < (signs ? -most : 1))
      return refuse(part, value,
                    "write numbers from 1 to " + std::to_string(most) + (signs ? ", or with - from the end" : ""));
    numbers.push_back(*number);
  }
  return numbers;
}

Status read_days(Recurrence& rule, std::string_view value) {
  for (const auto item : split(value, ',')) {
    const auto weekday = item.size() < 2 ? std::nullopt : weekday_of(item.substr(item.size() - 2));
    if (!weekday) return refuse("BYDAY", value, "write days such as MO or 2TU or -1FR");
    const std::string_view number_text = item.substr(0, item.size() - 2);
    if (number_text.empty()) {
      rule.weekdays |= 1U << *weekday;
      continue;
    }
    const auto number = number_of(number_text);
    if (!number || *number == 0 || *number > 5 || *number < -5)
      return refuse("BYDAY", value, "a day's number is 1 to 5 or -1 to -5");
    rule.numbered_days.push_back({*number, *weekday});
  }
  return {};
}

Status read_frequency(Recurrence& rule, std::string_view value) {
  constexpr std::array<std::string_view, 4> names{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
  const auto found = std::ranges::find(names, value);
  if (found == names.end()) return refuse("FREQ", value, "is not supported; use DAILY, WEEKLY, MONTHLY or YEARLY");
  rule.frequency = static_cast<Frequency>(found - names.begin());
  return {};
}

Status read_part(Recurrence& rule, std::string_view name, std::string_view value) {
  if (name == "FREQ") return read_frequency(rule, value);
  if (name == "BYDAY") return read_days(rule, value);
  if (name == "UNTIL") {
    rule.until_text = value;
    return {};
  }
  if (name == "INTERVAL" || name == "COUNT") {
    const int most = name == "COUNT" ? kCountMax : kIntervalMax;
    const auto number = number_of(value);
    if (!number || *number < 1 || *number > most) return refuse(name, value, "write 1 to " + std::to_string(most));
    if (name == "COUNT") rule.count = number;
    else rule.interval = *number;
    return {};
  }
  if (name == "WKST") {
    const auto weekday = weekday_of(value);
    if (!weekday) return refuse(name, value, "write a day such as MO");
    rule.week_start = *weekday;
    return {};
  }
  if (name == "BYMONTH") {
    BELAY_TRY_ASSIGN(const auto months, numbers_of(name, value, 12, false));
    for (const int month : months) rule.months |= 1U << month;
    return {};
  }
  if (name == "BYMONTHDAY") {
    BELAY_TRY_ASSIGN(rule.month_days, numbers_of(name, value, 31, true));
    return {};
  }
  if (name == "BYSETPOS") {
    BELAY_TRY_ASSIGN(rule.set_positions, numbers_of(name, value, 366, true));
    return {};
  }
  return refuse(name, value,
                "is not supported; use FREQ, INTERVAL, COUNT, UNTIL, WKST, BYDAY, BYMONTH, BYMONTHDAY or BYSETPOS");
}

Status check_together(const Recurrence& rule) {
  const bool by_month = rule.frequency == Frequency::monthly || rule.frequency == Frequency::yearly;
  const auto error = [](std::string_view message) {
    return Error(Code::invalid_argument, "RRULE " + std::string(message));
  };
  if (rule.count && !rule.until_text.empty()) return error("has COUNT and UNTIL; write one of them");
  if (!rule.numbered_days.empty() && !by_month)
    return error("BYDAY with a number is supported in FREQ=MONTHLY and YEARLY only; leave the number out");
  if (!rule.numbered_days.empty() && rule.frequency == Frequency::yearly && rule.months == 0)
    return error("BYDAY with a number in FREQ=YEARLY is supported with BYMONTH only; add BYMONTH");
  if (!rule.set_positions.empty() && !by_month)
    return error("BYSETPOS is supported in FREQ=MONTHLY and YEARLY only; leave it out");
  if (!rule.month_days.empty() && rule.frequency == Frequency::weekly)
    return error("BYMONTHDAY does not go with FREQ=WEEKLY; use FREQ=MONTHLY");
  return {};
}

bool in_months(const Recurrence& rule, month m) { return rule.months == 0 || (rule.months >> unsigned(m) & 1) != 0; }

std::uint32_t month_day_bits(const std::vector<int>& days, int length) {
  std::uint32_t bits = 0;
  for (const int day : days)
    if (const int date = day > 0 ? day : length + 1 + day; date >= 1 && date <= length) bits |= 1U << date;
  return bits;
}

std::uint32_t weekday_bits(const Recurrence& rule, year_month where, int length) {
  using schedule::DayRule;
  std::uint32_t bits = schedule::matching_days({DayRule::Kind::days_of_week, rule.weekdays}, where);
  for (const auto& numbered : rule.numbered_days) {
    const auto all = schedule::matching_days({DayRule::Kind::days_of_week, 1U << numbered.weekday}, where);
    const int first = std::countr_zero(all), last_day = 31 - std::countl_zero(all);
    const int date = numbered.number > 0 ? first + 7 * (numbered.number - 1) : last_day + 7 * (numbered.number + 1);
    if (date >= 1 && date <= length) bits |= 1U << date;
  }
  return bits;
}

void add_days_of_month(const Recurrence& rule, year_month where, day start_day, std::vector<local_days>& days) {
  const int length = static_cast<int>(static_cast<unsigned>((where / last).day()));
  const bool by_weekday = rule.weekdays != 0 || !rule.numbered_days.empty();
  std::uint32_t bits = ~std::uint32_t{0};
  if (!rule.month_days.empty()) bits &= month_day_bits(rule.month_days, length);
  if (by_weekday) bits &= weekday_bits(rule, where, length);
  if (!by_weekday && rule.month_days.empty()) bits = month_day_bits({static_cast<int>(unsigned(start_day))}, length);
  for (int date = 1; date <= length; ++date)
    if (bits >> date & 1) days.push_back(local_days{where / day(static_cast<unsigned>(date))});
}

std::vector<local_days> at_positions(const std::vector<int>& positions, const std::vector<local_days>& days) {
  if (positions.empty()) return days;
  std::vector<local_days> chosen;
  const int size = static_cast<int>(days.size());
  for (int i = 0; i < size; ++i)
    if (std::ranges::find(positions, i + 1) != positions.end() ||
        std::ranges::find(positions, i - size) != positions.end())
      chosen.push_back(days[static_cast<std::size_t>(i)]);
  return chosen;
}

std::vector<local_days> days_of_week(const Recurrence& rule, local_days start, local_days first) {
  const std::uint32_t wanted = rule.weekdays ? rule.weekdays : 1U << weekday(start).c_encoding();
  std::vector<local_days> found;
  for (local_days day = first; day < first + days(7); day += days(1))
    if ((wanted >> weekday(day).c_encoding() & 1) && in_months(rule, year_month_day(day).month())) found.push_back(day);
  return found;
}

std::vector<local_days> this_day(const Recurrence& rule, local_days day) {
  const year_month_day date(day);
  const int length = static_cast<int>(static_cast<unsigned>((date.year() / date.month() / last).day()));
  const auto date_bit = 1U << static_cast<unsigned>(date.day());
  const bool fits = in_months(rule, date.month()) &&
                    (rule.weekdays == 0 || (rule.weekdays >> weekday(day).c_encoding() & 1)) &&
                    (rule.month_days.empty() || (month_day_bits(rule.month_days, length) & date_bit) != 0);
  return fits ? std::vector{day} : std::vector<local_days>{};
}

}  // namespace

Result<Recurrence> parse_recurrence(std::string_view text) {
  Recurrence rule;
  bool has_frequency = false;
  std::vector<std::string_view> seen;
  for (const auto part : split(text, ';')) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos)
      return Error(Code::invalid_argument, "RRULE has '" + std::string(part.substr(0, 60)) + "'; write NAME=VALUE;…");
    const std::string_view name = part.substr(0, equals);
    if (std::ranges::find(seen, name) != seen.end()) return refuse(name, part.substr(equals + 1), "is given twice");
    seen.push_back(name);
    has_frequency |= name == "FREQ";
    BELAY_TRY(read_part(rule, name, part.substr(equals + 1)));
  }
  if (!has_frequency) return Error(Code::invalid_argument, "RRULE has no FREQ; write FREQ=WEEKLY, say");
  BELAY_TRY(check_together(rule));
  return rule;
}

local_days beginning_of_period(const Recurrence& rule, local_days start, int index) {
  const int steps = rule.interval * index;
  const year_month_day date(start);
  switch (rule.frequency) {
    case Frequency::daily: return start + days(steps);
    case Frequency::weekly: return start - (weekday(start) - weekday(rule.week_start)) + weeks(steps);
    case Frequency::monthly: return local_days{(date.year() / date.month() + months(steps)) / 1};
    case Frequency::yearly: return local_days{(date.year() + years(steps)) / January / 1};
  }
  return start;
}

int period_of(const Recurrence& rule, local_days start, local_days day) {
  if (day <= start) return 0;
  const year_month_day from(start), to(day);
  int steps = 0;
  switch (rule.frequency) {
    case Frequency::daily: steps = static_cast<int>((day - start).count()); break;
    case Frequency::weekly: steps = static_cast<int>((day - beginning_of_period(rule, start, 0)).count() / 7); break;
    case Frequency::monthly:
      steps = static_cast<int>((to.year() / to.month() - from.year() / from.month()).count());
      break;
    case Frequency::yearly: steps = static_cast<int>((to.year() - from.year()).count()); break;
  }
  return steps / rule.interval;
}

std::vector<local_days> days_of_period(const Recurrence& rule, local_days start, int index) {
  const local_days first = beginning_of_period(rule, start, index);
  const year_month_day start_date(start), date(first);
  std::vector<local_days> found;
  switch (rule.frequency) {
    case Frequency::daily: return this_day(rule, first);
    case Frequency::weekly: return days_of_week(rule, start, first);
    case Frequency::monthly:
      if (in_months(rule, date.month())) add_days_of_month(rule, date.year() / date.month(), start_date.day(), found);
      break;
    case Frequency::yearly: {
      const bool every_month = !rule.month_days.empty() || rule.weekdays != 0;
      for (unsigned m = 1; m <= 12; ++m)
        if (rule.months ? in_months(rule, month(m)) : every_month || month(m) == start_date.month())
          add_days_of_month(rule, date.year() / month(m), start_date.day(), found);
      break;
    }
  }
  return at_positions(rule.set_positions, found);
}

}  // namespace belay::calendar
