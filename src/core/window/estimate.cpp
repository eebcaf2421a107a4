#include "core/window/estimate.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>

namespace belay::window {
namespace {

// Nodes take the free slots in order; the end of the last.
Duration time_of(const PlannedInvocation& invocation, Duration Measured::* which) {
  std::priority_queue<Duration, std::vector<Duration>, std::greater<>> ends;
  Duration last{};
  for (const auto& node : invocation.nodes) {
    Duration begins{};
    if (ends.size() >= std::max<std::uint32_t>(invocation.concurrency_max, 1)) {
      begins = ends.top();
      ends.pop();
    }
    ends.push(begins + node.*which);
    last = std::max(last, begins + node.*which);
  }
  return last;
}

Duration time_of(std::span<const PlannedTask> tasks, Duration Measured::* which) {
  std::map<std::uint32_t, Duration> longest;  // of each priority
  for (const auto& task : tasks) {
    Duration sum{};
    for (const auto& invocation : task.invocations) sum += time_of(invocation, which);
    longest[task.priority] = std::max(longest[task.priority], sum);
  }
  Duration whole{};
  for (const auto& [priority, time] : longest) whole += time;
  return whole;
}

}  // namespace

Measured measure(std::vector<Duration> runs) {
  if (runs.empty()) return {};
  std::ranges::sort(runs);
  return {static_cast<std::uint32_t>(runs.size()), runs[(runs.size() - 1) / 2], runs.back()};
}

Estimate estimate(std::span<const PlannedTask> tasks) {
  Estimate estimate;
  for (const auto& task : tasks)
    for (const auto& invocation : task.invocations)
      for (const auto& node : invocation.nodes) {
        ++estimate.nodes;
        if (node.runs == 0) ++estimate.unmeasured;
      }
  estimate.median = time_of(tasks, &Measured::median);
  estimate.worst = time_of(tasks, &Measured::worst);
  return estimate;
}

Fit fit(const Estimate& estimate, Duration until_cutoff) {
  if (estimate.median > until_cutoff) return Fit::TOO_LONG;
  if (estimate.unmeasured > 0) return Fit::UNKNOWN;
  return estimate.worst > until_cutoff ? Fit::USUALLY : Fit::FITS;
}

}  // namespace belay::window
