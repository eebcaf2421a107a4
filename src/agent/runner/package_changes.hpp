#pragma once
// Comparing what is installed with what was and with what was ordered. Pure.
#include <string>
#include <utility>
#include <vector>

#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"

namespace belay::agent {

using PackageKey = std::pair<std::string, std::string>;  // name, arch

// Every (name, arch) that the changes touch, sorted, once.
std::vector<PackageKey> touched_keys(const std::vector<fleet::PackageChange>& changes);

// What is installed of these, sorted. A key may have several versions (kernels of rpm systems) or none.
std::vector<fleet::InstalledPackage> installed_of(const fleet::PackageSet& set, const std::vector<PackageKey>& keys);

// From `before` to `after`, of these keys.
std::vector<fleet::PackageChange> difference(const std::vector<fleet::InstalledPackage>& before,
                                             const std::vector<fleet::InstalledPackage>& after,
                                             const std::vector<PackageKey>& keys);

// The target of the change is what is installed.
bool is_there(const fleet::PackageChange& change, const fleet::PackageSet& set);
// What the change starts from is what is installed.
bool starts_here(const fleet::PackageChange& change, const fleet::PackageSet& set);

// "libc6 amd64 2.36-9 -> 2.36-10", "libfoo amd64 1.2 (new)", "libbar amd64 1 (removed)"
std::string describe(const fleet::PackageChange& change);

}  // namespace belay::agent
