#include "core/association/settings.hpp"

#include "core/command/rate.hpp"
#include "core/schedule/rule_set.hpp"

namespace belay::association {
namespace {

Error refuse(std::string what, std::string reason) {
  return Error(Code::invalid_argument, std::move(what), std::move(reason));
}

Status check_schedule(const Settings& settings, Instant now) {
  const auto refuse_schedule = [](std::string what) { return refuse(std::move(what), "InvalidSchedule"); };
  const bool timed = !settings.schedule.empty();
  if (!timed && settings.offset_days) return refuse_schedule("ScheduleOffset needs a ScheduleExpression");
  if (!timed && settings.only_at_schedule && settings.window_id.empty())
    return refuse_schedule("ApplyOnlyAtCronInterval needs a ScheduleExpression or a window: without one it never runs");
  const auto read = schedule_of(settings, now);
  if (!read.ok()) return refuse_schedule(read.error().chain());
  if (!*read) return {};
  if (settings.only_at_schedule && (*read)->expression.rate())
    return refuse_schedule("ApplyOnlyAtCronInterval does not go with a rate: give a cron or an at expression");
  const Status valid = schedule::validate(**read, schedule::ZoneRules{}, schedule::kAssociationRules, now);
  return valid.ok() ? valid : refuse_schedule(valid.error().chain());
}

Status check_cutoff(const Settings& settings) {
  const auto& duration = settings.duration_hours;
  if (duration && (*duration < 1 || *duration > 24)) return refuse("Duration must be 1 to 24 hours", "InvalidSchedule");
  if (!settings.cutoff_hours) return {};
  if (!duration && settings.window_id.empty())
    return refuse("CutoffHours needs a Duration or a WindowId to count back from", "InvalidSchedule");
  if (*settings.cutoff_hours < 0 || *settings.cutoff_hours > 23)
    return refuse("CutoffHours must be 0 to 23", "InvalidSchedule");
  if (duration && *settings.cutoff_hours >= *duration)
    return refuse("CutoffHours must be less than Duration: nothing could ever begin", "InvalidSchedule");
  return {};
}

}  // namespace

Result<std::optional<schedule::Schedule>> schedule_of(const Settings& settings, Instant since) {
  if (settings.schedule.empty()) return std::optional<schedule::Schedule>();
  schedule::ScheduleText text;
  text.expression = settings.schedule;
  text.offset_days = settings.offset_days;
  BELAY_TRY_ASSIGN(auto parsed, schedule::parse_schedule(text, since));
  return std::optional(std::move(parsed));
}

std::vector<std::string> notes(const Settings& settings) {
  std::vector<std::string> said;
  if (!settings.duration_hours) return said;
  const std::string duration = "Duration is " + std::to_string(*settings.duration_hours) + " hours, ";
  if (settings.schedule.empty()) {
    said.push_back(duration +
                   "and there is no ScheduleExpression: it counts from each run that is begun by an edit, a "
                   "new node, a request or a window");
    return said;
  }
  const auto expression = schedule::parse_expression(settings.schedule);
  const auto period = expression.ok() ? schedule::shortest_period(*expression) : std::nullopt;
  if (period && std::chrono::hours(*settings.duration_hours) > *period)
    said.push_back(duration + "but '" + settings.schedule + "' is due again after " + humanize(*period) +
                   ": a due time that comes while a run is under way is Skipped");
  return said;
}

Status validate(const Settings& settings, Instant now) {
  if (settings.document.empty()) return refuse("Name must name a document", "InvalidDocument");
  if (settings.targets.empty()) return refuse("give Targets or an InstanceId", "InvalidTarget");
  if (settings.targets.size() > 5) return refuse("Targets may hold at most 5 keys", "InvalidTarget");
  for (const auto& target : settings.targets)
    if (target.values.empty()) return refuse("target '" + target.key + "' has no values", "InvalidTarget");
  // Shares are checked against any number of nodes alike.
  if (!settings.max_concurrency.empty()) {
    const auto read = command::max_concurrency(settings.max_concurrency, 100);
    if (!read.ok()) return refuse("MaxConcurrency: " + read.error().message(), "InvalidParameters");
  }
  if (!settings.max_errors.empty()) {
    const auto read = command::max_errors(settings.max_errors, 100);
    if (!read.ok()) return refuse("MaxErrors: " + read.error().message(), "InvalidParameters");
  }
  BELAY_TRY(check_schedule(settings, now));
  return check_cutoff(settings);
}

}  // namespace belay::association
