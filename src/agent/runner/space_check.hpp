#pragma once
// Whether a change fits on the disks, before it begins.
#include <vector>

#include "agent/packages/package_manager.hpp"
#include "core/fleet/problem.hpp"
#include "core/patchrun/order.hpp"
#include "io/files.hpp"

namespace belay::agent {

// One problem for each of /, /var and /boot that would be left with less than the order's reserve. Where they share a
// file system its needs are added up.
std::vector<fleet::Problem> check_space(const io::Files& files, const TransactionPlan& plan,
                                        const patchrun::PatchRunOrder& order);

}  // namespace belay::agent
