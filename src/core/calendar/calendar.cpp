#include "core/calendar/calendar.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/calendar/event_reader.hpp"
#include "core/calendar/expand.hpp"

namespace belay::calendar {
namespace {

using std::chrono::days;

class Reader {
 public:
  Reader(Calendar& calendar, Zones& zones) : calendar_(calendar), zones_(zones) {}

  Status take(const ContentLine& line) {
    if (line.name == "BEGIN") return begin(line);
    if (line.name == "END") return end(line);
    if (open_.empty()) return at_line(line.number, "a calendar begins with BEGIN:VCALENDAR; nothing stands outside it");
    if (open_.size() == 1) return property(line);
    if (open_.size() == 2 && open_.back() == "VEVENT") event_.push_back(line);
    return {};
  }

  Status finish() const {
    if (!open_.empty())
      return Error(Code::invalid_argument, "the text ends inside " + open_.back() + "; add END:" + open_.back());
    if (!any_) return Error(Code::invalid_argument, "this is no iCalendar text; begin it with BEGIN:VCALENDAR");
    return {};
  }

 private:
  static constexpr std::size_t kDepthMax = 8;

  Status begin(const ContentLine& line) {
    const bool is_calendar = equal_ignoring_case(line.value, "VCALENDAR");
    if (is_calendar != open_.empty() || open_.size() >= kDepthMax)
      return at_line(line.number, "BEGIN:" + sanitize(line.value, 40) + " cannot stand here");
    any_ = true;
    open_.push_back(equal_ignoring_case(line.value, "VEVENT") ? "VEVENT" : sanitize(line.value, 40));
    if (open_.size() == 2) begun_ = line.number, event_.clear();
    return {};
  }

  Status end(const ContentLine& line) {
    if (open_.empty() || !equal_ignoring_case(sanitize(line.value, 40), open_.back()))
      return at_line(line.number, "END:" + sanitize(line.value, 40) + " closes nothing that is open");
    const bool is_event = open_.size() == 2 && open_.back() == "VEVENT";
    open_.pop_back();
    if (!is_event) return {};
    BELAY_TRY_ASSIGN(auto event, read_event(begun_, event_, zones_));
    if (event) calendar_.events.push_back(std::move(*event));
    return {};
  }

  Status property(const ContentLine& line) {
    if (line.name != "X-CALENDAR-TYPE") return {};
    if (line.value != "DEFAULT_OPEN" && line.value != "DEFAULT_CLOSED")
      return at_line(line.number,
                     "X-CALENDAR-TYPE is '" + sanitize(line.value, 40) + "'; write DEFAULT_OPEN or DEFAULT_CLOSED");
    calendar_.default_open = line.value == "DEFAULT_OPEN";
    return {};
  }

  Calendar& calendar_;
  Zones& zones_;
  std::vector<std::string> open_;
  std::vector<ContentLine> event_;
  std::size_t begun_ = 0;
  bool any_ = false;
};

struct Span {
  Instant begins, ends;
};

// Sorted, and what overlaps or adjoins made one.
std::vector<Span> merged(std::vector<Span> spans) {
  std::ranges::sort(spans, {}, &Span::begins);
  std::vector<Span> whole;
  for (const auto& span : spans) {
    if (whole.empty() || span.begins > whole.back().ends) whole.push_back(span);
    else whole.back().ends = std::max(whole.back().ends, span.ends);
  }
  return whole;
}

// When the calendar is CLOSED within [from, until).
void add_closed(const Calendar& calendar, Instant from, Instant until, std::vector<Span>& closed) {
  std::vector<Occurrence> found;
  for (const auto& event : calendar.events) add_occurrences(event, from, until, found);
  std::vector<Span> events;
  for (const auto& occurrence : found)
    events.push_back({std::max(occurrence.begins, from), std::min(occurrence.ends, until)});
  events = merged(std::move(events));
  if (calendar.default_open) {
    closed.insert(closed.end(), events.begin(), events.end());
    return;
  }
  for (const auto& event : events) {
    if (event.begins > from) closed.push_back({from, event.begins});
    from = event.ends;
  }
  if (from < until) closed.push_back({from, until});
}

std::string event_at(const Calendar& calendar, Instant at) {
  std::vector<Occurrence> found;
  for (const auto& event : calendar.events) {
    add_occurrences(event, at, at + Duration(1), found);
    if (!found.empty()) return event.summary;
  }
  return "";
}

State state_within(std::span<const Calendar> calendars, Instant at, Duration horizon) {
  std::vector<Span> closed;
  for (const auto& calendar : calendars) add_closed(calendar, at, at + horizon, closed);
  closed = merged(std::move(closed));
  if (closed.empty()) return {};
  if (closed.front().begins > at) return {true, closed.front().begins, ""};
  State state{false, std::nullopt, ""};
  if (closed.front().ends < at + horizon) state.next_transition = closed.front().ends;
  return state;
}

}  // namespace

Result<Calendar> parse_calendar(std::string_view name, std::string_view text, const schedule::ReadZone& read) {
  const std::string whose = "the calendar '" + sanitize(name, 128) + "'";
  if (text.size() > kCalendarBytesMax)
    return Error(Code::resource_exhausted, whose + " has " + std::to_string(text.size()) +
                                               " bytes; at most 65536 are taken: export fewer events");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  BELAY_TRY_ASSIGN(const auto lines, content_lines(text).within(whose));
  Calendar calendar{std::string(name), true, {}};
  Zones zones(read);
  for (const auto& line : lines) {
    if (line.name != "X-WR-TIMEZONE" || line.value.empty()) continue;
    BELAY_TRY_ASSIGN(const auto* rules, zones.find(line.value, line.number).within(whose));
    zones.floating = *rules;
  }
  Reader reader(calendar, zones);
  for (const auto& line : lines) BELAY_TRY(reader.take(line).within(whose));
  BELAY_TRY(reader.finish().within(whose));
  return calendar;
}

State calendar_state(std::span<const Calendar> calendars, Instant at) {
  State state;
  // Most calendars change within days: only where these do not, further ahead is looked at.
  for (const Duration horizon : {Duration(days(9)), Duration(days(92)), Duration(days(732))}) {
    state = state_within(calendars, at, horizon);
    if (state.next_transition) break;
  }
  for (const auto& calendar : calendars)
    if (state.event.empty() && (state.open || calendar.default_open)) state.event = event_at(calendar, at);
  return state;
}

State calendar_state(const Calendar& calendar, Instant at) { return calendar_state(std::span(&calendar, 1), at); }

std::vector<Hold> held_by(std::span<const Calendar> calendars, Instant at) {
  std::vector<Hold> holds;
  for (const auto& calendar : calendars)
    if (const State state = calendar_state(calendar, at); !state.open)
      holds.push_back({calendar.name, state.event, state.next_transition});
  return holds;
}

}  // namespace belay::calendar
