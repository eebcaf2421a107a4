#pragma once
// From the lines of one VEVENT to an Event. Only for this room's own sources.
#include <map>
#include <string>
#include <vector>

#include "core/calendar/calendar.hpp"
#include "core/calendar/content_lines.hpp"

namespace belay::calendar {

// The zones of one text, each read once.
class Zones {
 public:
  explicit Zones(const schedule::ReadZone& read) : read_(read) {}
  Result<const schedule::ZoneRules*> find(std::string_view name, std::size_t line);
  schedule::ZoneRules floating;  // of times that name no zone

 private:
  const schedule::ReadZone& read_;
  std::map<std::string, schedule::ZoneRules, std::less<>> known_;
};

// `lines` are those between BEGIN:VEVENT (which stands on line `begun`) and END:VEVENT, without nested components.
// Nothing for a cancelled event.
Result<std::optional<Event>> read_event(std::size_t begun, const std::vector<ContentLine>& lines, Zones& zones);

}  // namespace belay::calendar
