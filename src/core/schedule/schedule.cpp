#include "core/schedule/schedule.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::schedule {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr std::size_t kSkippedMax = 100;
constexpr UtcTime kEnd = std::chrono::sys_days{std::chrono::year{kYearLast + 2} / std::chrono::January / 1};

// Instants far outside the calendar of cron are brought to its edge, so that sums with them cannot overflow.
UtcTime bounded(Instant at) { return std::clamp(floor<Seconds>(at), UtcTime{} - days(366), kEnd); }

bool is_valid_at(const Schedule& schedule, UtcTime at) {
  return at >= schedule.since && (!schedule.start || at >= *schedule.start) && (!schedule.end || at < *schedule.end);
}

Instant anchor(const Schedule& schedule) { return std::max(schedule.since, schedule.start.value_or(schedule.since)); }

// The instant at which the day that a moved occurrence comes from was due; a gap counts from its end.
UtcTime base_instant(const Schedule& schedule, const ZoneRules& rules, LocalTime moved) {
  return resolve(rules, moved - days(schedule.offset_days)).at;
}

// Strictly after `after` and not before the schedule's beginning; `end` is the caller's.
std::optional<UtcTime> next_of_cron(const Cron& cron, const Schedule& schedule, const ZoneRules& rules, UtcTime after) {
  const days moved(schedule.offset_days);
  LocalTime from = std::max(to_local(rules, after), to_local(rules, bounded(schedule.since)) + moved);
  for (;;) {
    const auto base = first_match(cron, from - moved);
    if (!base) return std::nullopt;
    const LocalTime local = *base + moved;
    const Resolved found = resolve(rules, local);
    if (schedule.end && found.at >= *schedule.end) return std::nullopt;
    const bool skipped = found.kind == Resolved::Kind::skipped;
    const bool put_back = found.kind == Resolved::Kind::twice && found.at + (found.until - local) <= after;
    if (skipped || put_back) {
      from = found.until;  // where the clocks have been put back, the whole doubled range has had its turn
    } else if (found.at <= after || !is_valid_at(schedule, found.at) ||
               base_instant(schedule, rules, local) < schedule.since) {
      from = local + Seconds(1);
    } else {
      return found.at;
    }
  }
}

// The latest local time that the wall has shown by `at`: clocks put back have shown more than they show now.
LocalTime latest_shown(const ZoneRules& rules, UtcTime at) {
  LocalTime latest = to_local(rules, at);
  auto change = next_change(rules, at - kUtcOffsetMax * 2);
  for (; change && change->at <= at; change = next_change(rules, change->at))
    latest = std::max(latest, LocalTime{change->at.time_since_epoch() + change->before} - Seconds(1));
  return latest;
}

std::optional<UtcTime> previous_of_cron(const Cron& cron, const Schedule& schedule, const ZoneRules& rules,
                                        UtcTime at) {
  const days moved(schedule.offset_days);
  LocalTime from = latest_shown(rules, at);
  for (;;) {
    const auto base = last_match(cron, from - moved);
    if (!base) return std::nullopt;
    const LocalTime local = *base + moved;
    const Resolved found = resolve(rules, local);
    if (found.kind == Resolved::Kind::skipped) {
      from = found.from - Seconds(1);
      continue;
    }
    const bool too_early = found.at < schedule.since || (schedule.start && found.at < *schedule.start);
    if (too_early || base_instant(schedule, rules, local) < schedule.since) return std::nullopt;
    if (found.at <= at && is_valid_at(schedule, found.at)) return found.at;
    from = local - Seconds(1);
  }
}

// Where the instant of an at(…) lies; nothing where its local time never is.
std::optional<UtcTime> instant_of(const At& at, const ZoneRules& rules) {
  const Resolved found = resolve(rules, at.local);
  if (found.kind == Resolved::Kind::skipped) return std::nullopt;
  return found.at;
}

Result<Instant> parse_date(std::string_view field, std::string_view text) {
  const auto at = parse_iso8601(text);
  if (at.ok()) return *at;
  return Error(Code::invalid_argument, std::string(field) + " is '" + std::string(text.substr(0, 60)) +
                                           "'; write it in ISO 8601: 2027-01-31T00:00:00+01:00");
}

}  // namespace

Result<Schedule> parse_schedule(const ScheduleText& text, Instant since) {
  Schedule schedule;
  schedule.since = since;
  BELAY_TRY_ASSIGN(schedule.expression, parse_expression(text.expression));
  if (!text.timezone.empty()) schedule.timezone = text.timezone;
  if (text.offset_days) {
    if (*text.offset_days < 1 || *text.offset_days > 6)
      return Error(Code::invalid_argument,
                   "ScheduleOffset is " + std::to_string(*text.offset_days) + "; write 1 to 6 days, or leave it out");
    schedule.offset_days = static_cast<unsigned>(*text.offset_days);
  }
  if (!text.start_date.empty()) {
    BELAY_TRY_ASSIGN(schedule.start, parse_date("StartDate", text.start_date));
  }
  if (!text.end_date.empty()) {
    BELAY_TRY_ASSIGN(schedule.end, parse_date("EndDate", text.end_date));
  }
  return schedule;
}

std::optional<Instant> next(const Schedule& schedule, const ZoneRules& rules, Instant after) {
  std::optional<Instant> found;
  if (const auto* rate = schedule.expression.rate()) {
    const Instant first = anchor(schedule);
    const auto periods = after < first ? 0 : (after - first) / Duration(rate->period) + 1;
    found = first + periods * Duration(rate->period);
  } else if (const auto* at = schedule.expression.at()) {
    if (const auto instant = instant_of(*at, rules); instant && *instant > after) found = *instant;
  } else {
    // An occurrence may be at the very beginning of the validity.
    const Instant begin = anchor(schedule) - Duration(1);
    if (const auto due = next_of_cron(*schedule.expression.cron(), schedule, rules, bounded(std::max(after, begin))))
      found = *due;
  }
  if (!found || *found < schedule.since || (schedule.start && *found < *schedule.start)) return std::nullopt;
  if (schedule.end && *found >= *schedule.end) return std::nullopt;
  return found;
}

std::optional<Instant> previous(const Schedule& schedule, const ZoneRules& rules, Instant at) {
  if (schedule.end && at >= *schedule.end) at = *schedule.end - Duration(1);
  const Instant first = anchor(schedule);
  if (at < first) return std::nullopt;
  if (const auto* rate = schedule.expression.rate()) {
    const Duration period(rate->period);
    return first + (at - first) / period * period;
  }
  if (const auto* once = schedule.expression.at()) {
    const auto instant = instant_of(*once, rules);
    if (!instant || *instant > at || *instant < first) return std::nullopt;
    return *instant;
  }
  const auto due = previous_of_cron(*schedule.expression.cron(), schedule, rules, bounded(at));
  if (!due) return std::nullopt;
  return *due;
}

std::vector<Instant> occurrences(const Schedule& schedule, const ZoneRules& rules, Instant after, std::size_t count) {
  std::vector<Instant> found;
  for (count = std::min(count, kOccurrencesMax); found.size() < count;) {
    const auto due = next(schedule, rules, found.empty() ? after : found.back());
    if (!due) break;
    found.push_back(*due);
  }
  return found;
}

std::vector<SkippedTime> skipped_times(const Schedule& schedule, const ZoneRules& rules, Instant after, Instant until) {
  std::vector<SkippedTime> skipped;
  const auto* cron = schedule.expression.cron();
  if (!cron) return skipped;
  const days moved(schedule.offset_days);
  auto change = next_change(rules, bounded(after));
  for (; change && change->at <= until && skipped.size() < kSkippedMax; change = next_change(rules, change->at)) {
    const auto from = LocalTime{change->at.time_since_epoch() + change->before};
    const auto base = change->after > change->before ? first_match(*cron, from - moved) : std::nullopt;
    const bool inside = base && *base + moved < LocalTime{change->at.time_since_epoch() + change->after};
    if (inside && is_valid_at(schedule, change->at)) skipped.push_back({*base + moved, change->at});
  }
  return skipped;
}

}  // namespace belay::schedule
