// `schedule` of a plan, and what follows from it: whether the RPO can be met, whether points live until the next ones.
#include <algorithm>

#include "base/text.hpp"
#include "core/backup/agenda.hpp"
#include "core/backup/plan_parts.hpp"

namespace belay::backup::parts {
namespace {

constexpr schedule::Seconds kOftenest = std::chrono::minutes(5);

std::string one_schedule(const Place& place, std::string_view field) {
  auto text = place.text(field, false, schedule::kExpressionBytesMax);
  if (text.empty()) return text;
  const auto problem = schedule_problem(text);
  if (!problem.empty()) place.reader.refuse(place.at(field), problem);
  return problem.empty() ? text : std::string();
}

bool is_zone_name(std::string_view text) {
  return text.size() <= 64 && !text.starts_with('/') && text.find("..") == std::string_view::npos &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  c == '+' || c == '/';
         });
}

bool keeps_logs(const PlanSpec& plan) { return engine_rules(plan.source.engine).point_in_time && plan.source.logs; }

void check_types(const Place& place, const PlanSpec& plan) {
  const auto& rules = engine_rules(plan.source.engine);
  const auto& schedule = plan.schedule;
  const auto engine = std::string(text_of(plan.source.engine));
  const auto refuse = [&](std::string_view field, const std::string& why) {
    place.reader.refuse("schedule." + std::string(field), why);
  };
  const auto cannot = engine + " makes no such backups" +
                      (rules.files ? "; each of its backups is full and stores only what changed: put this into full"
                                   : "; put this into full");
  if (!schedule.differential.empty() && !rules.differential) refuse("differential", cannot);
  if (!schedule.incremental.empty() && !rules.incremental) refuse("incremental", cannot);
  const bool others =
      (!schedule.differential.empty() && rules.differential) || (!schedule.incremental.empty() && rules.incremental);
  if (others && schedule.full.empty())
    refuse("full", "is missing; a chain without new fulls grows for ever, and one lost file ends all of it");
}

void check_rpo(const Place& place, const PlanSpec& plan, std::optional<Duration> longest) {
  const auto rpo = plan.objectives.rpo;
  if (rpo == Duration::zero() || keeps_logs(plan)) return;
  const auto way_out = engine_rules(plan.source.engine).point_in_time
                           ? std::string("; keep the logs (source.logs), or back up more often")
                           : std::string("; back up more often, or promise less");
  if (!longest)
    place.reader.refuse("objectives.rpo", "is " + humanize(rpo) + ", but nothing is backed up again and again by the " +
                                              "schedule" + way_out);
  else if (*longest > rpo)
    place.reader.refuse("objectives.rpo", "is " + humanize(rpo) + ", but by the schedule two backups are up to " +
                                              humanize(*longest) + " apart" + way_out);
}

// Rules by periods keep the newest of each; `within` alone lets everything go that is older, the newest point, too.
void check_within(const Place& place, const std::string& path, const KeepRules& keep, std::optional<Duration> longest) {
  if (keep.last || keep.daily || keep.weekly || keep.monthly || keep.yearly || keep.within == Duration::zero()) return;
  if (longest && keep.within < *longest)
    place.reader.refuse(path, "is " + humanize(keep.within) + ", but the next backup may come only " +
                                  humanize(*longest) +
                                  " after the one before, which would be gone by then; keep it "
                                  "longer, or say last: 2");
}

}  // namespace

std::string schedule_problem(std::string_view text) {
  const auto read = schedule::parse_expression(text);
  if (!read.ok()) return read.error().message();
  const auto period = schedule::shortest_period(*read);
  if (period && *period < kOftenest)
    return "fires every " + humanize(*period) + "; every " + humanize(kOftenest) +
           " is the most (for less than that keep the logs of the database)";
  return {};
}

PlanSchedule read_schedule(const Place& place) {
  place.reader.only(place.object, place.path,
                    {"full", "differential", "incremental", "timezone", "startWithin", "jitter", "calendars"});
  PlanSchedule schedule;
  schedule.full = one_schedule(place, "full");
  schedule.differential = one_schedule(place, "differential");
  schedule.incremental = one_schedule(place, "incremental");
  if (place.find("timezone")) schedule.timezone = place.text("timezone", true, 100);
  if (!is_zone_name(schedule.timezone))
    place.reader.refuse(place.at("timezone"), "is no time zone; write it as Europe/Berlin");
  schedule.start_within = place.span("startWithin", schedule.start_within, 5 * kMinute, 7 * kDay);
  schedule.jitter = place.span("jitter", schedule.jitter, Duration::zero(), kDay);
  schedule.calendars = place.texts("calendars", 20, 512);
  return schedule;
}

void check_times(const Place& place, const PlanSpec& plan) {
  check_types(place, plan);
  const auto longest = longest_interval(plan.schedule, {}, kAnyMoment);
  check_rpo(place, plan, longest);
  check_within(place, "keep.within", plan.keep, longest);
  for (std::size_t i = 0; i < plan.copies.size(); ++i) {
    const auto& copy = plan.copies[i];
    auto between = longest;
    if (!copy.schedule.empty()) {
      PlanSchedule own;
      own.full = copy.schedule;
      between = longest_interval(own, {}, kAnyMoment);
    }
    check_within(place, item_path("copies", i) + ".keep.within", copy.keep, between);
  }
}

}  // namespace belay::backup::parts
