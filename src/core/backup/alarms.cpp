#include "core/backup/alarms.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

constexpr std::size_t kPointsTold = 5;
constexpr std::string_view kStart = "start", kWatch = "watch ";
using Alarms = std::map<std::string, Alarm>;

bool is_standing(std::string_view what) {
  return what == "rpo" || what == "rto" || what == "points" || what.starts_with(kWatch);
}

bool is_odd(const RecoveryPoint& point) {
  return point.state == PointState::suspect || point.state == PointState::quarantined ||
         point.state == PointState::damaged;
}

Trouble odd_points(const Known& known) {
  Trouble trouble;
  std::string told;
  for (const auto& point : known.points) {
    if (!is_odd(point)) continue;
    if (++trouble.weight > kPointsTold) continue;
    told += (told.empty() ? "" : "; ") + point.point_id + " in " + point.vault + " is " +
            boost::describe::enum_to_string(point.state, "") + (point.why.empty() ? "" : " (" + point.why.back() + ")");
  }
  if (trouble.weight > kPointsTold) told += "; and " + std::to_string(trouble.weight - kPointsTold) + " more";
  trouble.why = std::move(told);
  return trouble;
}

void end(Alarms& alarms, Alarms::iterator at, std::vector<Notice>& notices) {
  notices.push_back({at->first, false, at->second.why, at->second.since});
  alarms.erase(at);
}

}  // namespace

Troubles standing_troubles(const Known& known, const Posture& posture, Instant joined_at, Instant now) {
  Troubles troubles;
  const auto [rpo, rto] = known.plan.objectives;
  const Instant newest = posture.recoverable_to.value_or(joined_at);
  if (rpo.count() > 0 && now - newest > rpo)
    troubles["rpo"].why =
        "RPO of " + humanize(rpo) + " is missed: " +
        (posture.recoverable_to ? "the newest moment that can be given back is " + to_iso8601(newest)
                                : "nothing can be given back, and it is covered since " + to_iso8601(newest));
  if (const auto& time = posture.forecast.time_to_restore; rto.count() > 0 && time && *time > rto)
    troubles["rto"].why = "RTO of " + humanize(rto) + " is missed: a restore takes " + humanize(*time) + " (" +
                          posture.forecast.basis + ")";
  if (auto odd = odd_points(known); odd.weight > 0) troubles["points"] = std::move(odd);
  for (const auto& vault : known.vaults)
    if (auto old = secrets_problem(vault, now); !old.empty())
      troubles[std::string(kWatch) + "key-expires " + vault.name].why = std::move(old);
  if (known.watch && known.watch->plan_id == known.plan_id)
    for (const auto& finding : known.watch->findings) {
      auto& why = troubles[std::string(kWatch) + finding.what].why;
      why += (why.empty() ? "" : "; ") + finding.detail;
    }
  return troubles;
}

std::vector<Notice> turn_standing(Alarms& alarms, const Troubles& troubles, Instant now) {
  std::vector<Notice> notices;
  for (auto at = alarms.begin(); at != alarms.end();) {
    const auto here = at++;
    if (is_standing(here->first) && !troubles.contains(here->first)) end(alarms, here, notices);
  }
  for (const auto& [what, trouble] : troubles) {
    const auto [at, fresh] = alarms.try_emplace(what, Alarm{now, trouble.why, trouble.weight});
    const bool more = !fresh && trouble.weight > at->second.weight;
    if (fresh || more) notices.push_back({what, true, trouble.why, at->second.since});
    if (!fresh && trouble.weight != at->second.weight) at->second.weight = trouble.weight, at->second.why = trouble.why;
  }
  return notices;
}

std::vector<Notice> begin_trouble(Alarms& alarms, std::string_view what, const std::string& why, Instant now) {
  const auto [at, fresh] = alarms.try_emplace(std::string(what), Alarm{now, why, 0});
  if (!fresh) return {};
  return {{std::string(what), true, why, now}};
}

std::vector<Notice> end_trouble(Alarms& alarms, std::string_view what) {
  std::vector<Notice> notices;
  for (const auto name : {what, kStart})
    if (const auto at = alarms.find(std::string(name)); at != alarms.end()) end(alarms, at, notices);
  return notices;
}

std::string trouble_of_task(std::string_view task) {
  if (task.starts_with("backup")) return "backup";
  return task == "prove" ? "proof" : std::string(task);
}

void count_run(std::map<std::string, Tally>& tallies, std::string_view task, Tally last) {
  const auto [at, fresh] = tallies.try_emplace(trouble_of_task(task));
  last.runs = at->second.runs + 1;
  last.failed = at->second.failed + (last.state == "Succeeded" ? 0 : 1);
  last.last_ok_at = last.state == "Succeeded" ? std::optional(last.at) : at->second.last_ok_at;
  at->second = std::move(last);
}

}  // namespace belay::backup
