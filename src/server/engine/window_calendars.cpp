#include "server/engine/window_calendars.hpp"

#include "core/calendar/calendar.hpp"
#include "store/documents.hpp"

namespace belay::server {
namespace {

std::string describe(const calendar::Hold& hold) {
  std::string text = "the change calendar " + hold.calendar + " is closed";
  if (!hold.event.empty()) text += " for '" + hold.event + "'";
  return text + (hold.until ? " until " + to_iso8601(*hold.until) : "");
}

Result<std::string> held_by(store::Sql& sql, const Zones& zones, const std::string& name, Instant at) {
  const auto document = store::documents::get(sql, name);
  if (!document.ok() && document.error().code() != Code::not_found) return document.error();
  if (!document.ok() || document->document_type != "ChangeCalendar")
    return "the change calendar " + name + " is not there any more";
  BELAY_TRY_ASSIGN(const auto version, store::documents::get_version(sql, name, document->default_version));
  const auto parsed = calendar::parse_calendar(name, version.content, zones.reader());
  if (!parsed.ok()) return "the change calendar " + name + " cannot be read: " + parsed.error().chain();
  const auto holds = calendar::held_by(std::span(&*parsed, 1), at);
  return holds.empty() ? std::string() : describe(holds.front());
}

}  // namespace

Result<std::string> held_by_calendars(store::Sql& sql, const Zones& zones, const std::vector<std::string>& names,
                                      Instant at) {
  for (const auto& name : names) {
    BELAY_TRY_ASSIGN(auto why, held_by(sql, zones, name, at));
    if (!why.empty()) return why;
  }
  return std::string();
}

}  // namespace belay::server
