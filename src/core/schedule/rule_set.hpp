#pragma once
// What SSM lets each kind of object be scheduled by, as data, and the contradictions that are refused everywhere.
#include <optional>
#include <string_view>

#include "core/schedule/schedule.hpp"

namespace belay::schedule {

struct RuleSet {
  std::string_view name;              // "a maintenance window"
  std::string_view expression_field;  // what the API calls the expression
  Seconds gap_min{};                  // between two occurrences
  std::optional<Seconds> rate_below;  // a rate's period is shorter than this
  bool seconds_are_zero = false;      // the optional seconds field can only be 0
  bool any_month = false;             // the month field can only be *
};

// "Cron and rate expressions for Systems Manager": windows take everything not faster than five minutes; associations a
// smaller dialect: half-hourly or slower, rates below 31 days, no seconds, no months. (AWS also lists the hourly steps
// it supports for associations, 1, 2, 4, 8 and 12; we take any hours.) AWS's page says of windows that 0 is not
// supported as seconds and shows examples with it; we take it.
inline constexpr RuleSet kMaintenanceWindowRules{
    "a maintenance window", "Schedule", std::chrono::minutes(5), {}, false, false};
inline constexpr RuleSet kAssociationRules{
    "an association", "ScheduleExpression", std::chrono::minutes(30), std::chrono::days(31), true, true};
inline constexpr RuleSet kAnyRules{"a schedule", "Schedule", std::chrono::minutes(1), {}, false, false};

// invalid_argument, with the field named: an expression outside the rule set, an offset on a rate or an at, an EndDate
// that is not after StartDate or `now`, a schedule that never fires from `now` on. `rules` are the schedule's zone's.
Status validate(const Schedule& schedule, const ZoneRules& rules, const RuleSet& set, Instant now);

}  // namespace belay::schedule
