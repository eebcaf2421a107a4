#pragma once
// How an order's package files come from the pool where the archive has moved on, and how the pool gets those that it
// lacks. Without a pool each is what the package manager does by itself.
#include <cstdint>
#include <string>
#include <vector>

#include "agent/packages/package_manager.hpp"
#include "agent/runner/package_pool.hpp"

namespace belay::agent {

struct PoolTools {
  io::Files& files;
  PackageManager& packages;
  const Clock& clock;
  PackagePool* pool = nullptr;  // none: the order does not use it
};

// Asks the resolver. Where it is not offered everything any more, the pool's files are laid into the held directory and
// it is asked again; held files that are not what the order names are thrown away first. Why the pool could not help is
// among the plan's problems.
Result<TransactionPlan> simulate_with_pool(const PoolTools& tools, const InstallOrder& order);

// Holds the from_versions. Of those that the archive does not offer any more the pool's files are taken, rather than
// packed anew from what is installed; `old_files` names them.
Result<std::vector<fleet::Problem>> hold_with_pool(const PoolTools& tools, const InstallOrder& order,
                                                   const std::vector<fleet::PackageChange>& old_files);

// Gets every file; what the archive cannot give comes from the pool. Held files are checked once more, for they are
// installed next.
Status download_with_pool(const PoolTools& tools, const InstallOrder& order, const OutputLine& output);

// Sends the pool what it lacks of the order's files and this node has at hand. The problems name what it still lacks,
// and why; what another node sends at this moment is none.
std::vector<fleet::Problem> fill_pool(const PoolTools& tools, const InstallOrder& order, const OutputLine& output);

}  // namespace belay::agent
