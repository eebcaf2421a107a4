#include "server/engine/change_calendars.hpp"

#include "base/text.hpp"
#include "server/engine/documents.hpp"

namespace belay::server {
namespace {

std::string describe(const calendar::Hold& hold) {
  std::string text = "the change calendar " + hold.calendar + " is closed";
  if (!hold.event.empty()) text += " for '" + hold.event + "'";
  return text + (hold.until ? " until " + to_iso8601(*hold.until) : "");
}

Result<std::optional<CalendarHold>> held_by(store::Sql& sql, const schedule::ReadZone& read_zone,
                                            const std::string& name, Instant at) {
  const auto read = read_change_calendar(sql, read_zone, name);
  const std::string which = "the change calendar " + std::string(document_name_of(name));
  if (!read.ok() && is_no_calendar(read.error()))
    return std::optional(CalendarHold{which + " is not there any more", {}});
  if (!read.ok() && read.error().reason() == "UnsupportedCalendarException")
    return std::optional(CalendarHold{which + " cannot be read: " + read.error().message(), {}});
  if (!read.ok()) return read.error();
  const auto holds = calendar::held_by(std::span(&*read, 1), at);
  if (holds.empty()) return std::optional<CalendarHold>();
  return std::optional(CalendarHold{describe(holds.front()), holds.front().until});
}

}  // namespace

Result<store::documents::Document> find_change_calendar(store::Sql& sql, std::string_view name_or_arn) {
  const std::string shown = "'" + sanitize(name_or_arn, 200) + "'";
  auto document = store::documents::get(sql, document_name_of(name_or_arn));
  if (!document.ok() && document.error().code() != Code::not_found) return document.error();
  if (!document.ok()) return Error(Code::not_found, "there is no change calendar " + shown, "InvalidDocument");
  if (document->document_type != kChangeCalendarType)
    return Error(Code::invalid_argument,
                 "document " + shown + " is of the type " + document->document_type + ", not a ChangeCalendar",
                 "InvalidDocumentType");
  return document;
}

bool is_no_calendar(const Error& error) {
  return error.reason() == "InvalidDocument" || error.reason() == "InvalidDocumentType";
}

Result<calendar::Calendar> read_change_calendar(store::Sql& sql, const schedule::ReadZone& read_zone,
                                                std::string_view name_or_arn) {
  BELAY_TRY_ASSIGN(const auto document, find_change_calendar(sql, name_or_arn));
  BELAY_TRY_ASSIGN(const auto version, store::documents::get_version(sql, document.name, document.default_version));
  auto read = calendar::parse_calendar(document.name, version.content, read_zone);
  if (!read.ok()) return Error(Code::invalid_argument, read.error().chain(), "UnsupportedCalendarException");
  return read;
}

Result<std::vector<CalendarHold>> held_by_calendars(store::Sql& sql, const schedule::ReadZone& read_zone,
                                                    const std::vector<std::string>& names, Instant at) {
  std::vector<CalendarHold> holds;
  for (const auto& name : names) {
    BELAY_TRY_ASSIGN(auto hold, held_by(sql, read_zone, name, at));
    if (hold) holds.push_back(std::move(*hold));
  }
  return holds;
}

Result<std::optional<Instant>> closing_of_calendars(store::Sql& sql, const schedule::ReadZone& read_zone,
                                                    const std::vector<std::string>& names, Instant at) {
  std::vector<calendar::Calendar> calendars;
  for (const auto& name : names) {
    BELAY_TRY_ASSIGN(auto one, read_change_calendar(sql, read_zone, name));
    calendars.push_back(std::move(one));
  }
  if (calendars.empty()) return std::optional<Instant>();
  return calendar::calendar_state(calendars, at).next_transition;
}

}  // namespace belay::server
