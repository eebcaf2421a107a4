// What change calendars say at a time.
#include "core/calendar/calendar.hpp"
#include "server/api/handlers.hpp"
#include "server/engine/change_calendars.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kCalendarsMax = 10;  // each may be 64 KB of events

}  // namespace

Result<json::Object> get_calendar_state(const Call& call) {
  BELAY_TRY_ASSIGN(const auto names,
                   json::decode<std::vector<std::string>>(call.request.at("CalendarNames"), "CalendarNames"));
  if (names.empty() || names.size() > kCalendarsMax)
    return failure("ValidationException", "CalendarNames: 1 to " + std::to_string(kCalendarsMax) + " are taken");
  Instant at = call.now;
  if (const auto wanted = call.text("AtTime"); !wanted.empty()) {
    const auto parsed = parse_iso8601(wanted);
    if (!parsed.ok()) return failure("ValidationException", "AtTime is an ISO 8601 time such as 2027-01-31T00:00:00Z");
    at = *parsed;
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    std::vector<calendar::Calendar> calendars;
    for (const auto& name : names) {
      BELAY_TRY_ASSIGN(auto calendar, read_change_calendar(sql, call.services.windows.read_zone(), name));
      calendars.push_back(std::move(calendar));
    }
    const auto state = calendar::calendar_state(calendars, at);
    json::Object reply{{"State", state.open ? "OPEN" : "CLOSED"}, {"AtTime", to_iso8601(at)}};
    if (state.next_transition) reply["NextTransitionTime"] = to_iso8601(*state.next_transition);
    return reply;
  });
}

}  // namespace belay::server
