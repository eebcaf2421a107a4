#include "core/schedule/window.hpp"

#include <algorithm>

namespace belay::schedule {
namespace {

using std::chrono::hours;

constexpr unsigned kDurationMax_h = 24;

Error refuse(std::string message) { return Error(Code::invalid_argument, std::move(message)); }

}  // namespace

Status validate(const Window& window, const ZoneRules& rules, Instant now) {
  if (window.duration_h < 1 || window.duration_h > kDurationMax_h)
    return refuse("Duration is " + std::to_string(window.duration_h) + " hours; write 1 to 24");
  if (window.cutoff_h >= window.duration_h)
    return refuse("Cutoff is " + std::to_string(window.cutoff_h) + " hours of a Duration of " +
                  std::to_string(window.duration_h) + ": nothing could ever start; write less than Duration");
  BELAY_TRY(validate(window.schedule, rules, kMaintenanceWindowRules, now));
  const auto period = shortest_period(window.schedule.expression);
  if (period && hours(window.duration_h) > *period)
    return refuse("Duration is " + std::to_string(window.duration_h) + " hours, but '" +
                  window.schedule.expression.text + "' opens again after " + humanize(*period) +
                  "; shorten the window or schedule it less often");
  return {};
}

Opening opening_at(const Window& window, const ZoneRules& rules, Instant opens) {
  Instant closes = opens + hours(window.duration_h);
  if (const auto following = next(window.schedule, rules, opens)) closes = std::min(closes, *following);
  return {opens, std::max(opens, closes - hours(window.cutoff_h)), closes};
}

std::optional<Opening> contains(const Window& window, const ZoneRules& rules, Instant at) {
  const auto opens = previous(window.schedule, rules, at);
  if (!opens) return std::nullopt;
  const Opening opening = opening_at(window, rules, *opens);
  return at < opening.closes ? std::optional(opening) : std::nullopt;
}

std::optional<Opening> next_opening(const Window& window, const ZoneRules& rules, Instant after) {
  const auto opens = next(window.schedule, rules, after);
  return opens ? std::optional(opening_at(window, rules, *opens)) : std::nullopt;
}

std::optional<Duration> until(const Window& window, const ZoneRules& rules, Instant at) {
  if (const auto open = contains(window, rules, at); open && may_start(*open, at)) return Duration(0);
  const auto opening = next_opening(window, rules, at);
  return opening ? std::optional(opening->opens - at) : std::nullopt;
}

}  // namespace belay::schedule
