#include "core/schedule/cron_fields.hpp"

#include <array>
#include <charconv>
#include <span>
#include <vector>

#include "base/text.hpp"

namespace belay::schedule {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                   "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kDays{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct Field {
  std::string_view name;
  int first, last;
  std::span<const std::string_view> names;  // the first of them is `first`
  std::string_view right;                   // what may stand there
};

constexpr Field kSeconds{"seconds", 0, 59, {}, "0-59 with , - * /"};
constexpr Field kMinutes{"minutes", 0, 59, {}, "0-59 with , - * /"};
constexpr Field kHours{"hours", 0, 23, {}, "0-23 with , - * /"};
constexpr Field kDayOfMonth{"day-of-month", 1, 31, {}, "1-31 with , - * /, or ?, L, L-3, LW or 15W"};
constexpr Field kMonth{"month", 1, 12, kMonths, "1-12 or JAN-DEC with , - * /"};
constexpr Field kDayOfWeek{"day-of-week", 1, 7, kDays, "1-7 (1 is Sunday) or SUN-SAT with , - * /, or ?, 6L or FRI#2"};
constexpr Field kYear{"year", kYearFirst, kYearLast, {}, "1970-2199 with , - * /"};

Error refuse(const Field& field, std::string_view text, std::string_view why) {
  std::string message = "the cron field " + std::string(field.name) + " is '" + std::string(text.substr(0, 40)) +
                        "': " + std::string(why);
  return Error(Code::invalid_argument, message + "; write " + std::string(field.right));
}

std::optional<int> plain_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || text.size() > 4 || error != std::errc() || end != text.data() + text.size() || number < 0)
    return std::nullopt;
  return number;
}

// A number or a name of the field, inside its range.
Result<int> value_of(const Field& field, std::string_view text, std::string_view whole) {
  for (std::size_t i = 0; i < field.names.size(); ++i)
    if (equal_ignoring_case(text, field.names[i])) return field.first + static_cast<int>(i);
  const auto number = plain_number(text);
  if (!number)
    return refuse(field, whole,
                  text.empty() ? "a value is missing" : "'" + std::string(text.substr(0, 40)) + "' is no value of it");
  if (*number < field.first || *number > field.last)
    return refuse(
        field, whole,
        std::to_string(*number) + " is outside " + std::to_string(field.first) + "-" + std::to_string(field.last));
  return *number;
}

struct Part {
  int first, last, step;
};

// One item between commas: *, a, a-b, and each with /n.
Result<Part> part_of(const Field& field, std::string_view item, std::string_view whole) {
  Part part{field.first, field.last, 1};
  const auto slash = item.find('/');
  const std::string_view range = item.substr(0, slash);
  if (slash != std::string_view::npos) {
    const auto step = plain_number(item.substr(slash + 1));
    const int most = field.last - field.first;
    if (!step || *step < 1 || *step > most)
      return refuse(field, whole, "the step after / must be 1-" + std::to_string(most));
    part.step = *step;
  }
  if (range == "*") return part;
  if (range == "?") return refuse(field, whole, "? stands alone, and only in one of the day fields");
  const auto dash = range.find('-');
  BELAY_TRY_ASSIGN(part.first, value_of(field, range.substr(0, dash), whole));
  if (dash != std::string_view::npos) {
    BELAY_TRY_ASSIGN(part.last, value_of(field, range.substr(dash + 1), whole));
    if (part.last < part.first)
      return refuse(field, whole, "the range " + std::string(range) + " runs backwards; split it in two with a comma");
  } else if (slash == std::string_view::npos) {
    part.last = part.first;
  }
  return part;
}

// Calls set(value) for every value that the field names.
template <typename Set>
Status read_set(const Field& field, std::string_view text, Set set) {
  for (const auto item : split(text, ',')) {
    BELAY_TRY_ASSIGN(const Part part, part_of(field, item, text));
    for (int value = part.first; value <= part.last; value += part.step) set(value);
  }
  return {};
}

template <std::size_t Size>
Status read_bits(const Field& field, std::string_view text, std::bitset<Size>& bits, int base = 0) {
  return read_set(field, text, [&](int value) { bits.set(static_cast<std::size_t>(value - base)); });
}

bool ends_with_letter(std::string_view text, char upper) {
  return !text.empty() && (text.back() == upper || text.back() == upper - 'A' + 'a');
}

Result<DayRule> day_of_month(std::string_view text) {
  DayRule rule;
  if (equal_ignoring_case(text, "LW")) return DayRule{DayRule::Kind::last_weekday};
  if (equal_ignoring_case(text.substr(0, 1), "L")) {
    rule.kind = DayRule::Kind::from_last;
    if (text.size() == 1) return rule;
    const auto days = text[1] == '-' ? plain_number(text.substr(2)) : std::nullopt;
    if (!days || *days < 1 || *days > 30) return refuse(kDayOfMonth, text, "behind L only W or -1 to -30 may stand");
    rule.number = static_cast<unsigned>(*days);
    return rule;
  }
  if (ends_with_letter(text, 'W')) {
    const auto day = plain_number(text.substr(0, text.size() - 1));
    if (!day || *day < 1 || *day > 31) return refuse(kDayOfMonth, text, "before W one day from 1 to 31 must stand");
    rule.kind = DayRule::Kind::nearest_weekday;
    rule.number = static_cast<unsigned>(*day);
    return rule;
  }
  if (text.find_first_of("LlWw") != std::string_view::npos)
    return refuse(kDayOfMonth, text, "L and W cannot be part of a list, a range or a step");
  BELAY_TRY(read_set(kDayOfMonth, text, [&](int day) { rule.bits |= 1U << day; }));
  return rule;
}

Result<DayRule> day_of_week(std::string_view text) {
  DayRule rule;
  rule.kind = DayRule::Kind::days_of_week;
  const auto hash = text.find('#');
  const bool last_of = text.size() > 1 && ends_with_letter(text, 'L');
  if (equal_ignoring_case(text, "L")) {
    rule.bits = 1U << 6;
    return rule;
  }
  if (hash == std::string_view::npos && !last_of) {
    BELAY_TRY(read_set(kDayOfWeek, text, [&](int day) { rule.bits |= 1U << (day - 1); }));
    return rule;
  }
  const std::string_view day = hash != std::string_view::npos ? text.substr(0, hash) : text.substr(0, text.size() - 1);
  if (day.find_first_of(",-/*?") != std::string_view::npos || text.find_first_of(",/*?") != std::string_view::npos)
    return refuse(kDayOfWeek, text, "L and # take one day and cannot be part of a list, a range or a step");
  BELAY_TRY_ASSIGN(const int weekday, value_of(kDayOfWeek, day, text));
  rule.weekday = static_cast<unsigned>(weekday - 1);
  rule.kind = DayRule::Kind::last_of_week;
  if (hash == std::string_view::npos) return rule;
  const auto number = plain_number(text.substr(hash + 1));
  if (!number || *number < 1 || *number > 5)
    return refuse(kDayOfWeek, text, "behind # a number from 1 to 5 must stand");
  rule.kind = DayRule::Kind::nth_of_week;
  rule.number = static_cast<unsigned>(*number);
  return rule;
}

Result<DayRule> day_rule(std::string_view of_month, std::string_view of_week) {
  if (of_month == "?" && of_week == "?")
    return refuse(kDayOfWeek, of_week, "only one of the two day fields may be ?; make this one * for every day");
  if (of_month == "?") return day_of_week(of_week);
  if (of_week == "?") return day_of_month(of_month);
  return Error(Code::invalid_argument, "the cron fields day-of-month '" + std::string(of_month.substr(0, 40)) +
                                           "' and day-of-week '" + std::string(of_week.substr(0, 40)) +
                                           "' cannot both be given; write ? in the one that does not matter");
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (const auto word : split(text, ' '))
    if (!word.empty()) words.push_back(word);
  return words;
}

}  // namespace

Result<Cron> parse_cron(std::string_view fields) {
  auto words = words_of(fields);
  if (words.size() != 6 && words.size() != 7)
    return Error(Code::invalid_argument,
                 "the cron expression has " + std::to_string(words.size()) +
                     " fields; write cron(minutes hours day-of-month month day-of-week year), or seconds before them");
  Cron cron;
  cron.has_seconds = words.size() == 7;
  if (cron.has_seconds) {
    BELAY_TRY(read_bits(kSeconds, words.front(), cron.seconds));
    words.erase(words.begin());
  } else {
    cron.seconds.set(0);
  }
  BELAY_TRY(read_bits(kMinutes, words[0], cron.minutes));
  BELAY_TRY(read_bits(kHours, words[1], cron.hours));
  BELAY_TRY(read_bits(kMonth, words[3], cron.months));
  BELAY_TRY(read_bits(kYear, words[5], cron.years, kYearFirst));
  BELAY_TRY_ASSIGN(cron.day, day_rule(words[2], words[4]));
  if (!first_match(cron, LocalTime::min()))
    return Error(Code::invalid_argument, "the cron expression never fires: day-of-month '" + std::string(words[2]) +
                                             "' does not occur in month '" + std::string(words[3]) + "' of year '" +
                                             std::string(words[5]) + "'; choose a day that those months have");
  return cron;
}

}  // namespace belay::schedule
