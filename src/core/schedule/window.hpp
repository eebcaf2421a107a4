#pragma once
// A maintenance window: a schedule, how long it stays open, and how long before its end nothing new is started. Its
// hours are elapsed time: a window of four hours is four hours long in the night the clocks change, too. It ends where
// the next one opens: on a day of 23 hours, a daily window of 24 is an hour shorter.
#include "core/schedule/rule_set.hpp"

namespace belay::schedule {

struct Window {
  Schedule schedule;
  unsigned duration_h = 1;  // 1-24
  unsigned cutoff_h = 0;    // 0-23, below duration_h
};

// One time it is open.
struct Opening {
  Instant opens;
  Instant cutoff;  // new tasks and invocations may start in [opens, cutoff)
  Instant closes;  // open in [opens, closes)
  bool operator==(const Opening&) const = default;
};
inline bool may_start(const Opening& opening, Instant at) { return opening.opens <= at && at < opening.cutoff; }

// What validate() of the schedule refuses, and: Duration or Cutoff out of range, Cutoff not below Duration, Duration
// longer than the shortest time between two occurrences (by the clock on the wall).
Status validate(const Window& window, const ZoneRules& rules, Instant now);

// The one that begins at `opens`, which must be an occurrence.
Opening opening_at(const Window& window, const ZoneRules& rules, Instant opens);
// The opening that `at` lies in; none that began before the schedule's `since`, so what runs keeps its Opening when the
// window is changed under it.
std::optional<Opening> contains(const Window& window, const ZoneRules& rules, Instant at);
// The first opening that begins after `after`.
std::optional<Opening> next_opening(const Window& window, const ZoneRules& rules, Instant after);
// How long until new tasks may start: 0 inside an opening before its cut-off; nothing where it never opens again.
std::optional<Duration> until(const Window& window, const ZoneRules& rules, Instant at);

}  // namespace belay::schedule
