#pragma once
// What the actions of a run share: how they end, and what the run touches.
#include <string>
#include <string_view>
#include <vector>

#include "agent/packages/package_manager.hpp"
#include "agent/runner/package_changes.hpp"
#include "agent/runner/run_actions.hpp"
#include "agent/runner/state_paths.hpp"
#include "core/patchrun/machine.hpp"

namespace belay::agent {

inline constexpr Duration kRepairTimeout{1'800'000};

Happened failed(patchrun::Findings findings, std::string detail);
Happened failed(patchrun::Findings findings);  // told by its first problem
Happened failed(const Error& error, patchrun::Findings findings);
Happened succeeded(patchrun::Findings findings, std::string detail);

InstallOrder install_order(const patchrun::RunState& run, const StatePaths& paths);

// "1 package", "3 packages"
std::string count(std::size_t number, std::string_view one, std::string_view many);

// Everything this run may have touched, what its install reported included.
std::vector<PackageKey> keys_of(const patchrun::RunState& run);
// What was installed before; of what the check did not foresee, what the install said it came from.
std::vector<fleet::InstalledPackage> before_of(const patchrun::RunState& run);

void add(std::vector<fleet::Problem>& all, const std::vector<fleet::Problem>& more);

}  // namespace belay::agent
