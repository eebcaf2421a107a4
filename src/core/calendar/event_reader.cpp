#include "core/calendar/event_reader.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/calendar/expand.hpp"
#include "core/schedule/expression.hpp"

namespace belay::calendar {
namespace {

using namespace std::chrono;
using schedule::LocalTime;
using schedule::Seconds;

constexpr std::size_t kSummaryBytesMax = 200;
constexpr Seconds kRecurringLengthMax = days(366);

// A DATE or DATE-TIME in its zone.
struct Moment {
  LocalTime local;
  const schedule::ZoneRules* rules = nullptr;
  bool whole_day = false;
  Instant instant() const { return instant_of(*rules, local); }
};

int digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// 20270131, or 20270131T020000 without the Z.
std::optional<LocalTime> local_of(std::string_view text, bool whole_day) {
  if (text.size() != (whole_day ? 8U : 15U)) return std::nullopt;
  const int y = digits(text.substr(0, 4)), mo = digits(text.substr(4, 2)), d = digits(text.substr(6, 2));
  if (y < schedule::kYearFirst || y > schedule::kYearLast || mo < 1 || d < 1) return std::nullopt;
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!date.ok()) return std::nullopt;
  if (whole_day) return LocalTime{local_days{date}};
  const int h = digits(text.substr(9, 2)), mi = digits(text.substr(11, 2)), s = digits(text.substr(13, 2));
  if (text[8] != 'T' || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60) return std::nullopt;
  return local_days{date} + hours(h) + minutes(mi) + Seconds(s);
}

Result<Moment> moment_of(const ContentLine& line, std::string_view value, Zones& zones) {
  static const schedule::ZoneRules utc;
  Moment moment;
  moment.whole_day = line.parameter("VALUE") == "DATE" || value.size() == 8;
  const std::string_view given = value;
  const bool is_utc = value.ends_with('Z');
  if (is_utc) value.remove_suffix(1);
  const auto local = local_of(value, moment.whole_day);
  if (!local || (is_utc && moment.whole_day))
    return at_line(line.number, line.name + " is '" + sanitize(given, 40) +
                                    "'; write 20270131T020000Z, or without Z in the zone of TZID, or 20270131, in the "
                                    "years 1970-2199");
  moment.local = *local;
  moment.rules = is_utc ? &utc : &zones.floating;
  if (const auto zone = line.parameter("TZID"); !is_utc && !zone.empty()) {
    BELAY_TRY_ASSIGN(moment.rules, zones.find(zone, line.number));
  }
  return moment;
}

struct Length {
  Seconds wall{}, elapsed{};
};

// P1W, P2DT3H30M: weeks and days on the wall, the rest by the stopwatch.
std::optional<Length> length_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (!text.starts_with('P') || text.size() < 3) return std::nullopt;
  text.remove_prefix(1);
  Length length;
  bool time = false, any = false;
  while (!text.empty()) {
    if (text.front() == 'T' && !time) {
      time = true;
      text.remove_prefix(1);
      continue;
    }
    const auto end = text.find_first_not_of("0123456789");
    if (end == std::string_view::npos || end == 0 || end > 6) return std::nullopt;
    const int number = digits(text.substr(0, end));
    switch (text[end]) {
      case 'W': length.wall += weeks(number); break;
      case 'D': length.wall += days(number); break;
      case 'H': length.elapsed += hours(number); break;
      case 'M': length.elapsed += minutes(number); break;
      case 'S': length.elapsed += Seconds(number); break;
      default: return std::nullopt;
    }
    const bool is_time = text[end] == 'H' || text[end] == 'M' || text[end] == 'S';
    if (is_time != time) return std::nullopt;
    any = true;
    text.remove_prefix(end + 1);
  }
  return any ? std::optional(length) : std::nullopt;
}

struct Lines {
  const ContentLine *start = nullptr, *end = nullptr, *duration = nullptr, *rule = nullptr;
  std::vector<const ContentLine*> except;
  bool cancelled = false;
  std::string uid, summary;
};

Status sort_line(Lines& lines, const ContentLine& line) {
  for (const auto* refused : {"RDATE", "EXRULE", "RECURRENCE-ID"})
    if (line.name == refused)
      return at_line(line.number, line.name + " is not supported; write the changed dates as events of their own");
  for (const auto& [name, place] : {std::pair{"DTSTART", &lines.start}, std::pair{"DTEND", &lines.end},
                                    std::pair{"DURATION", &lines.duration}, std::pair{"RRULE", &lines.rule}}) {
    if (line.name != name) continue;
    if (*place) return at_line(line.number, line.name + " is given twice in one event; keep one");
    *place = &line;
  }
  if (line.name == "EXDATE") lines.except.push_back(&line);
  if (line.name == "STATUS") lines.cancelled = equal_ignoring_case(line.value, "CANCELLED");
  if (line.name == "UID") lines.uid = sanitize(line.value, kSummaryBytesMax);
  if (line.name == "SUMMARY") lines.summary = sanitize(unescape(line.value), kSummaryBytesMax);
  return {};
}

Status read_length(Event& event, const Moment& start, const Lines& lines, std::size_t begun, Zones& zones) {
  if (lines.end && lines.duration)
    return at_line(lines.duration->number, "an event has DTEND or DURATION; take one of them out");
  const auto& given = lines.end ? lines.end : lines.duration;
  if (lines.duration) {
    const auto length = length_of(lines.duration->value);
    if (!length)
      return at_line(lines.duration->number,
                     "DURATION is '" + sanitize(lines.duration->value, 40) + "'; write PT4H, P1D or P1W");
    event.wall = length->wall, event.elapsed = length->elapsed;
  } else if (lines.end) {
    BELAY_TRY_ASSIGN(const Moment end, moment_of(*lines.end, lines.end->value, zones));
    if (end.whole_day != start.whole_day)
      return at_line(lines.end->number, "DTEND and DTSTART must both be days or both be times");
    if (end.rules->name == start.rules->name) event.wall = end.local - start.local;
    else event.elapsed = floor<Seconds>(end.instant() - start.instant());
  } else if (start.whole_day) {
    event.wall = days(1);
  }
  if (event.wall + event.elapsed <= Seconds(0))
    return at_line(given ? given->number : begun,
                   "the event lasts no time; give it a DTEND after DTSTART, or a DURATION");
  if (lines.rule && event.wall + event.elapsed > kRecurringLengthMax)
    return at_line(given ? given->number : begun, "an event that recurs may last a year at most");
  return {};
}

Status read_rule(Event& event, const ContentLine& line, bool whole_day, Zones& zones) {
  const auto parsed = parse_recurrence(line.value);
  if (!parsed.ok()) return at_line(line.number, parsed.error().message());
  event.recurrence = *parsed;
  Recurrence& rule = *event.recurrence;
  const auto first = days_of_period(rule, floor<days>(event.start), 0);
  if (std::ranges::find(first, floor<days>(event.start)) == first.end())
    return at_line(line.number, "DTSTART is not among the days that RRULE names; move it to the first of them");
  if (!rule.until_text.empty()) {
    const ContentLine until{line.number, "UNTIL", {}, rule.until_text};
    BELAY_TRY_ASSIGN(Moment end, moment_of(until, until.value, zones));
    if (!until.value.ends_with('Z')) end.rules = &event.rules;
    rule.until = end.instant();
    if (end.whole_day && !whole_day) rule.until = *rule.until + days(1) - Duration(1);
  }
  if (rule.count) rule.until = last_of_count(event);
  return {};
}

}  // namespace

Result<const schedule::ZoneRules*> Zones::find(std::string_view name, std::size_t line) {
  if (name.starts_with('/')) name.remove_prefix(1);  // a globally unique name, as some write it
  const auto found = known_.find(name);
  if (found != known_.end()) return &found->second;
  auto rules = schedule::zone_of(name, read_);
  if (!rules.ok()) {
    const std::string what = "line " + std::to_string(line) + ": TZID '" + sanitize(name, 60) +
                             "' is no IANA zone known here; replace it by one such as Europe/Berlin";
    return rules.error().within(what);
  }
  return &known_.emplace(std::string(name), std::move(rules).value()).first->second;
}

Result<std::optional<Event>> read_event(std::size_t begun, const std::vector<ContentLine>& given, Zones& zones) {
  Lines lines;
  for (const auto& line : given) BELAY_TRY(sort_line(lines, line));
  if (lines.cancelled) return std::optional<Event>();
  if (!lines.start) return at_line(begun, "the event has no DTSTART; add one");
  BELAY_TRY_ASSIGN(const Moment start, moment_of(*lines.start, lines.start->value, zones));
  Event event;
  event.uid = lines.uid;
  event.summary = lines.summary;
  event.rules = *start.rules;
  event.start = start.local;
  BELAY_TRY(read_length(event, start, lines, begun, zones));
  for (const auto* line : lines.except)
    for (const auto value : split(line->value, ',')) {
      BELAY_TRY_ASSIGN(Moment moment, moment_of(*line, value, zones));
      // A day alone takes out the occurrence of that day, whatever its time.
      if (moment.whole_day && !start.whole_day) moment.local += start.local - floor<days>(start.local);
      if (moment.whole_day) moment.rules = start.rules;
      event.except.push_back(moment.instant());
    }
  std::ranges::sort(event.except);
  if (lines.rule) BELAY_TRY(read_rule(event, *lines.rule, start.whole_day, zones));
  return std::optional(std::move(event));
}

}  // namespace belay::calendar
