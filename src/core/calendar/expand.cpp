#include "core/calendar/expand.hpp"

#include <algorithm>

#include "core/schedule/expression.hpp"

namespace belay::calendar {
namespace {

using namespace std::chrono;
using schedule::LocalTime;
using schedule::Seconds;

constexpr local_days kLastDay{year{schedule::kYearLast} / December / 31};

// Calls visit(local beginning) for what the recurrence names from the period of `first` on, until it says false.
template <typename Visit>
void visit_beginnings(const Event& event, local_days first, Visit visit) {
  const auto& rule = *event.recurrence;
  const local_days start = floor<days>(event.start);
  for (int index = period_of(rule, start, first); beginning_of_period(rule, start, index) <= kLastDay; ++index)
    for (const local_days day : days_of_period(rule, start, index)) {
      const LocalTime begins = day + (event.start - start);
      if (begins >= event.start && !visit(begins)) return;
    }
}

}  // namespace

Instant instant_of(const schedule::ZoneRules& rules, LocalTime local) {
  const auto found = schedule::resolve(rules, local);
  return found.kind == schedule::Resolved::Kind::skipped ? found.at + (local - found.from) : found.at;
}

void add_occurrences(const Event& event, Instant from, Instant until, std::vector<Occurrence>& found) {
  const auto add = [&](LocalTime local) {
    const Instant begins = instant_of(event.rules, local);
    const Instant ends = instant_of(event.rules, local + event.wall) + event.elapsed;
    if (ends > from && begins < until && ends > begins && !std::ranges::binary_search(event.except, begins))
      found.push_back({begins, ends, &event});
  };
  if (!event.recurrence) return add(event.start);
  const auto& last = event.recurrence->until;
  // Two days more on both sides than the zones of the world can need.
  const auto reach = event.wall + event.elapsed + days(2);
  const local_days first_day{floor<days>(from - reach).time_since_epoch()};
  const LocalTime end_local{floor<Seconds>(until + days(2)).time_since_epoch()};
  visit_beginnings(event, first_day, [&](LocalTime local) {
    if (local > end_local || (last && instant_of(event.rules, local) > *last)) return false;
    add(local);
    return true;
  });
}

Instant last_of_count(const Event& event) {
  int left = *event.recurrence->count;
  LocalTime last = event.start;
  visit_beginnings(event, floor<days>(event.start), [&](LocalTime local) {
    last = local;
    return --left > 0;
  });
  return instant_of(event.rules, last);
}

}  // namespace belay::calendar
