#include "core/patchrun/fits.hpp"

#include <algorithm>
#include <string_view>

#include "core/patchrun/gate.hpp"

namespace belay::patchrun {
namespace {

std::optional<Duration> longest(const std::vector<PastRun>& past, std::string_view state, std::size_t changed_min = 0) {
  std::optional<Duration> found;
  for (const auto& run : past)
    for (const auto& step : run.steps)
      if (step.state == state && run.changed >= changed_min && step.took > Duration::zero())
        found = std::max(found.value_or(step.took), step.took);
  return found;
}

}  // namespace

Estimate estimate(const PatchRunOrder& order, const std::vector<PastRun>& past) {
  Estimate wanted;
  // Of a run that rolled back no package is changed; what it took counts too.
  const auto any_install = longest(past, "installing").value_or(Duration::zero());
  const auto alike = longest(past, "installing", (order.changes.size() + 1) / 2);
  wanted.install = alike ? any_install : std::max(any_install, kInstallUnmeasured);
  const bool reboots = order.reboot != Reboot::never;
  if (reboots)
    wanted.reboot =
        std::max(longest(past, "rebooting"), longest(past, "rollback_rebooting")).value_or(kRebootUnmeasured);
  wanted.checks = kReadPackages;
  const bool rolls_back = order.on_failure == OnFailure::roll_back;
  if (!order.probes.empty()) {
    wanted.checks += longest_watch(order.gate);
    if (rolls_back) wanted.checks *= 2;
  }
  if (rolls_back)
    wanted.rollback = longest(past, "rolling_back").value_or(wanted.install) + wanted.reboot + kReadPackages;
  return wanted;
}

std::optional<fleet::Problem> check_fits(const PatchRunOrder& order, const Estimate& estimate, Instant now) {
  if (!order.end_by || now + estimate.total() <= *order.end_by) return std::nullopt;
  const auto left = std::max(Duration(*order.end_by - now), Duration::zero());
  return fleet::Problem{fleet::Reason::other, "end_by",
                        "the run needs " + humanize(estimate.total()) + " (install " + humanize(estimate.install) +
                            ", reboot " + humanize(estimate.reboot) + ", checks " + humanize(estimate.checks) +
                            ", rollback " + humanize(estimate.rollback) + "), and " + humanize(left) +
                            " are left until " + to_iso8601(*order.end_by),
                        "order it in a longer window, or shorten the gate", false};
}

}  // namespace belay::patchrun
