#pragma once
// What a node's resolver says that it would do, held against what the server knows by itself. A node speaks for itself
// alone, and its plan is what other nodes get.
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"
#include "store/rollouts.hpp"

namespace belay::server {

// Each line leads to a version that stands among the offers, with the file that the signed index names: else it is told
// what speaks against it. Offers are of what is installed, so a package that comes in anew and is named by no offer
// passes, but without checksum and size: it never enters the pool, and each node takes it from its own signed archive
// or not at all.
std::vector<fleet::Problem> check_origin(std::vector<fleet::PackageChange>& planned, const fleet::OfferSet& offers);

// What is in quarantine goes nowhere as a dependency either.
std::vector<fleet::Problem> check_quarantine(const std::vector<fleet::PackageChange>& planned,
                                             const std::vector<store::rollouts::Quarantine>& in_force,
                                             std::string_view operating_system,
                                             const std::vector<std::string>& roles = {});

}  // namespace belay::server
