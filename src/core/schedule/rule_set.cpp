#include "core/schedule/rule_set.hpp"

namespace belay::schedule {
namespace {

Error refuse(std::string message) { return Error(Code::invalid_argument, std::move(message)); }

std::string quoted(const Schedule& schedule, const RuleSet& set) {
  return std::string(set.expression_field) + " is '" + schedule.expression.text + "'";
}

Status check_cron(const Cron& cron, const Schedule& schedule, const RuleSet& set) {
  if (set.seconds_are_zero && cron.has_seconds && (cron.seconds.count() != 1 || !cron.seconds[0]))
    return refuse(quoted(schedule, set) + ": the seconds of " + std::string(set.name) +
                  " can only be 0; write 0 or leave the field out");
  if (set.any_month && cron.months.count() != 12)
    return refuse(quoted(schedule, set) + ": " + std::string(set.name) +
                  " cannot choose months; write * in the month field");
  const auto gap = shortest_gap(cron);
  if (gap && *gap < set.gap_min)
    return refuse(quoted(schedule, set) + ": it fires every " + humanize(*gap) + "; " + std::string(set.name) +
                  " can do so every " + humanize(set.gap_min) + " at most");
  return {};
}

Status check_rate(const Rate& rate, const Schedule& schedule, const RuleSet& set) {
  if (rate.period < set.gap_min)
    return refuse(quoted(schedule, set) + ": the rate of " + std::string(set.name) + " is " + humanize(set.gap_min) +
                  " or slower");
  if (set.rate_below && rate.period >= *set.rate_below)
    return refuse(quoted(schedule, set) + ": the rate of " + std::string(set.name) + " is below " +
                  humanize(*set.rate_below) + "; use cron for longer periods");
  return {};
}

Status check_dates(const Schedule& schedule, Instant now) {
  if (!schedule.end) return {};
  if (schedule.start && *schedule.end <= *schedule.start)
    return refuse("EndDate " + to_iso8601(*schedule.end) + " is not after StartDate " + to_iso8601(*schedule.start) +
                  "; choose a later one");
  if (*schedule.end <= now)
    return refuse("EndDate " + to_iso8601(*schedule.end) + " has passed; choose one after " + to_iso8601(now));
  return {};
}

Status check_fires(const Schedule& schedule, const ZoneRules& rules, const RuleSet& set, Instant now) {
  if (const auto* at = schedule.expression.at()) {
    const auto found = resolve(rules, at->local);
    if (found.kind == Resolved::Kind::skipped)
      return refuse(quoted(schedule, set) + ": that local time never is in " + schedule.timezone +
                    ", whose clocks are put forward over it at " + to_iso8601(found.at) + "; choose another");
  }
  if (next(schedule, rules, now)) return {};
  if (schedule.end)
    return refuse("EndDate " + to_iso8601(*schedule.end) + " is before the first occurrence of '" +
                  schedule.expression.text + "'; choose a later one");
  return refuse(quoted(schedule, set) + ": it never fires after " +
                to_iso8601(schedule.start ? std::max(*schedule.start, now) : now) + "; choose a time to come");
}

}  // namespace

Status validate(const Schedule& schedule, const ZoneRules& rules, const RuleSet& set, Instant now) {
  if (const auto* cron = schedule.expression.cron()) BELAY_TRY(check_cron(*cron, schedule, set));
  if (const auto* rate = schedule.expression.rate()) BELAY_TRY(check_rate(*rate, schedule, set));
  if (schedule.offset_days > 0 && !schedule.expression.cron())
    return refuse("ScheduleOffset is " + std::to_string(schedule.offset_days) + ", but '" + schedule.expression.text +
                  "' is no cron expression; leave the offset out");
  BELAY_TRY(check_dates(schedule, now));
  return check_fires(schedule, rules, set, now);
}

}  // namespace belay::schedule
