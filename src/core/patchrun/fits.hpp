#pragma once
// Whether a run, and its rollback, can end before a window's cut-off. Pure; the figures are the node's own, measured.
#include <cstddef>
#include <optional>
#include <vector>

#include "core/fleet/problem.hpp"
#include "core/patchrun/order.hpp"

namespace belay::patchrun {

// What stands for a step that this node has not measured yet.
inline constexpr Duration kInstallUnmeasured{600'000};
inline constexpr Duration kRebootUnmeasured{300'000};
inline constexpr Duration kReadPackages{60'000};  // versions and package health, beside the gate

struct PastRun {
  std::size_t changed = 0;  // packages
  std::vector<StepRecord> steps;
};

struct Estimate {
  Duration install{};
  Duration reboot{};    // where one is allowed
  Duration checks{};    // versions and the gate, and both again after the services that ail were restarted
  Duration rollback{};  // put back, rebooted, read again
  Duration total() const { return install + reboot + checks + rollback; }
};

// The longest of what was measured. An install that was measured only with far fewer packages counts as unmeasured;
// a rollback that was never measured takes as long as the install.
Estimate estimate(const PatchRunOrder& order, const std::vector<PastRun>& past);

// What is wrong with beginning now; nothing where it fits or there is no cut-off.
std::optional<fleet::Problem> check_fits(const PatchRunOrder& order, const Estimate& estimate, Instant now);

}  // namespace belay::patchrun
