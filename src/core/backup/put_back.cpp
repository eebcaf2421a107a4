#include "core/backup/put_back.hpp"

#include <algorithm>

#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

constexpr Duration kToTheSecond{2'000};  // engines date what they made to the second

bool recovers_in_place(EngineName engine) {
  return engine == EngineName::pgbackrest || engine == EngineName::mariadb_backup;
}

bool has_gap(const Known& known, Instant from, Instant until) {
  if (!known.watch || known.watch->plan_id != known.plan_id) return false;
  const auto& gaps = known.watch->log_gaps;
  const bool told = std::any_of(known.watch->findings.begin(), known.watch->findings.end(),
                                [](const Finding& finding) { return finding.what == "log-gap"; });
  if (gaps.empty()) return told;  // somewhere
  return std::any_of(gaps.begin(), gaps.end(),
                     [&](const LogGap& gap) { return gap.from < until && from < std::max(gap.until, gap.from); });
}

}  // namespace

PutBack put_back_to(const Known& known, Instant moment, Instant now) {
  PutBack back;
  const auto engine = known.plan.source.engine;
  if (!engine_rules(engine).is_database) {
    back.why_not = "the plan " + known.plan.name + " keeps files (" + std::string(text_of(engine)) +
                   "), which are put back by a person: `belay restore`";
    return back;
  }
  const Ways ways(known, now);
  const auto found = std::find_if(ways.points.begin(), ways.points.end(),
                                  [&](const auto* point) { return point->made.taken_at + kToTheSecond <= moment; });
  if (found == ways.points.end()) {
    back.why_not =
        "no recovery point of the plan " + known.plan.name + " that counts was taken before " + to_iso8601(moment);
    return back;
  }
  back.point = *found;
  if (!recovers_in_place(engine)) back.remark = std::string(text_of(engine)) + " goes back to its points alone";
  else if (!known.plan.source.logs) back.remark = "the plan keeps no logs";
  else if (back.point->vault != known.plan.vault) back.remark = "it is a copy, and logs do not lead on from copies";
  else if (has_gap(known, back.point->made.taken_at, moment)) back.remark = "logs are missing in between";
  else back.time = moment;
  return back;
}

}  // namespace belay::backup
