#pragma once
// Change calendars: documents of the type ChangeCalendar, by name or ARN, as their default versions have them. They
// hold maintenance windows and associations back.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/calendar/calendar.hpp"
#include "store/documents.hpp"
#include "store/store.hpp"

namespace belay::server {

inline constexpr std::string_view kChangeCalendarType = "ChangeCalendar";

// "InvalidDocument" where there is no such document, "InvalidDocumentType" where it is of another type.
Result<store::documents::Document> find_change_calendar(store::Sql& sql, std::string_view name_or_arn);
bool is_no_calendar(const Error& error);  // one of the two
// The same, and "UnsupportedCalendarException" where it cannot be read (any more: its zone may have gone).
Result<calendar::Calendar> read_change_calendar(store::Sql& sql, const schedule::ReadZone& read_zone,
                                                std::string_view name_or_arn);

struct CalendarHold {
  std::string why;               // for a person: "the change calendar freeze is closed for 'Year end' until …"
  std::optional<Instant> until;  // nothing: nobody knows
};
// What holds a change back at `at`; empty where all of them are open. A calendar that is not there or cannot be read
// holds back too: nobody knows what it would have said.
Result<std::vector<CalendarHold>> held_by_calendars(store::Sql& sql, const schedule::ReadZone& read_zone,
                                                    const std::vector<std::string>& names, Instant at);

// Where all of them are open at `at`: when the first of them closes; nothing: not within two years.
Result<std::optional<Instant>> closing_of_calendars(store::Sql& sql, const schedule::ReadZone& read_zone,
                                                    const std::vector<std::string>& names, Instant at);

}  // namespace belay::server
