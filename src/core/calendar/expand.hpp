#pragma once
// When an event happens. Only for this room's own sources.
#include <vector>

#include "core/calendar/calendar.hpp"

namespace belay::calendar {

struct Occurrence {
  Instant begins, ends;  // [begins, ends)
  const Event* event = nullptr;
};

// When the wall of a zone shows a local time; of a time that is skipped, as far behind the gap's beginning.
Instant instant_of(const schedule::ZoneRules& rules, schedule::LocalTime local);

// Adds every occurrence that has a part in [from, until). Bounded by the span and the event's length.
void add_occurrences(const Event& event, Instant from, Instant until, std::vector<Occurrence>& found);

// The beginning of the last occurrence that COUNT allows.
Instant last_of_count(const Event& event);

}  // namespace belay::calendar
