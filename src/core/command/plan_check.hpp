#pragma once
// Whether what a node's resolver would do is what was asked for, before it is frozen into an order.
#include <span>
#include <string>
#include <vector>

#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"

namespace belay::command {

struct PlanQuestion {
  std::span<const fleet::PackageChange> wanted;               // by the baseline, the list or the change set
  std::span<const fleet::PackageChange> planned;              // by the resolver
  const std::vector<fleet::PackageChange>* frozen = nullptr;  // a change set: nothing but its lines may be changed
  std::span<const std::string> blocked;                       // rejected with BLOCK: name patterns that may not come in
};
// Empty: the plan may be carried out as it is. Else what speaks against it, at most 50.
std::vector<fleet::Problem> check_plan(const PlanQuestion& question);

}  // namespace belay::command
