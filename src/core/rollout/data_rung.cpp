#include "core/rollout/data_rung.hpp"

#include "base/text.hpp"

namespace belay::rollout {

DataVerdict judge_data(const patchrun::PatchRunReport& run, Instant ended_at, Instant now) {
  DataVerdict verdict;
  if (run.outcome != patchrun::Outcome::rollback_failed || !run.undoes.empty()) return verdict;
  const auto no = [&](std::string why) { verdict.why_not = std::move(why); };
  if (run.still_ill.empty()) no("not all packages are as they were found, so data is not known to be at fault");
  else if (run.steps.empty()) no("the run does not say when it began");
  else if (const auto begun = run.steps.front().entered_at; begun > now + kDataClockTolerance || ended_at < begun)
    no("the node's clock is wrong, so the moment before the change is not known");
  else if (now - ended_at > kDataRungWithin)
    no("the run ended " + humanize(now - ended_at) + " ago, and what was mended there since is not known");
  else verdict.until = begun;
  return verdict;
}

std::string told(const DataRung& data) {
  std::string out = "its data (plan " + data.plan_name + ", recovery point " + data.point_id + ") was put back";
  const auto as_of = data.restored_to.value_or(data.moment);
  out += " to " + to_iso8601(as_of);
  if (!data.remark.empty()) out += " (" + data.remark + ")";
  if (data.took) out += " in " + humanize(*data.took);
  if (data.put_aside.empty()) return out + "; what was written after that is not in it";
  return out + "; what was written after that is not in it, but in what was put aside: " + join(data.put_aside, ", ");
}

}  // namespace belay::rollout
