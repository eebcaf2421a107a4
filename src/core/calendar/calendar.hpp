#pragma once
// Change calendars: iCalendar text (RFC 5545) as AWS::SSM::ChangeCalendar documents and common exporters write it, and
// whether changes may happen at an instant. A DEFAULT_OPEN calendar (also one that does not say X-CALENDAR-TYPE) is
// CLOSED during its events, a DEFAULT_CLOSED one is OPEN only during them.
//
// Of a VEVENT count DTSTART, DTEND or DURATION, RRULE, EXDATE, STATUS (a cancelled event does not), SUMMARY and UID;
// times are UTC, local of an IANA zone (TZID), floating (the calendar's X-WR-TIMEZONE, else UTC) or whole days. RDATE,
// EXRULE, RECURRENCE-ID and what recurrence.hpp does not list are refused by name and line, never passed over. Other
// components (VTODO, VTIMEZONE, …) block no time. A local time that the clocks skip means the instant as far behind the
// gap's beginning; one that comes twice the first (RFC 5545, 3.3.5).
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/calendar/recurrence.hpp"
#include "core/schedule/tzif.hpp"

namespace belay::calendar {

inline constexpr std::size_t kCalendarBytesMax = std::size_t{64} * 1024;  // as of every SSM document

struct Event {
  std::string uid, summary;
  schedule::ZoneRules rules;  // of the zone its times are in
  schedule::LocalTime start;
  schedule::Seconds wall{};     // its length on the wall …
  schedule::Seconds elapsed{};  // … and then by the stopwatch
  std::optional<Recurrence> recurrence;
  std::vector<Instant> except;  // beginnings that do not happen, sorted
};

struct Calendar {
  std::string name;
  bool default_open = true;
  std::vector<Event> events;
};

// `read` gives the zone files that the text names. invalid_argument says which line, what is wrong and what would be
// right; resource_exhausted where the text is over kCalendarBytesMax.
Result<Calendar> parse_calendar(std::string_view name, std::string_view text, const schedule::ReadZone& read);

struct State {
  bool open = true;
  std::optional<Instant> next_transition;  // nothing: none within two years
  std::string event;                       // the summary of an event under way
};
State calendar_state(const Calendar& calendar, Instant at);
// Of several at once, as GetCalendarState: OPEN where all of them are. The event is the first calendar's that has
// one, of those that hold where it is CLOSED.
State calendar_state(std::span<const Calendar> calendars, Instant at);

struct Hold {
  std::string calendar;
  std::string event;             // "" where a DEFAULT_CLOSED calendar has none now
  std::optional<Instant> until;  // nothing: for two years at least
};
// Every calendar that is CLOSED at `at`, in the order given; empty: nothing holds a change back.
std::vector<Hold> held_by(std::span<const Calendar> calendars, Instant at);

}  // namespace belay::calendar
