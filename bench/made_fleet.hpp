#pragma once
// A made fleet for the evaluation benchmark, the same for every run: 12,000 package names with five versions each,
// package sets drawn from them, patches that bring one of the versions or a newer one, and baselines.
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/baseline/baseline.hpp"
#include "core/fleet/package.hpp"

namespace belay::bench {

struct FleetSize {
  std::uint32_t nodes = 100'000, sets = 5'000, packages_per_set = 600, patches = 50'000, baselines = 20, names = 12'000;
};

class MadeFleet {
 public:
  static constexpr std::uint32_t kVersions = 5;  // a sixth one is only ever on offer
  explicit MadeFleet(FleetSize size);

  struct Package {
    std::uint32_t name;
    std::uint32_t rank;  // of the version, in dpkg's order: what PostgreSQL is given instead of the text
  };
  const FleetSize& size() const { return size_; }
  const std::vector<std::vector<Package>>& sets() const { return sets_; }
  const std::vector<Package>& patch_places() const { return patch_places_; }
  const std::vector<std::uint32_t>& set_of_node() const { return set_of_node_; }
  const std::vector<std::uint32_t>& baseline_of_node() const { return baseline_of_node_; }
  const std::vector<baseline::PatchBaseline>& baselines() const { return baselines_; }

  std::string name(std::uint32_t name) const { return names_[name]; }
  std::string version(const Package& package) const;
  fleet::PackageSet package_set(std::uint32_t set) const;
  fleet::Offer patch(std::uint32_t patch) const;
  fleet::Offer another_patch();  // one more, for "a new advisory"

 private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  void make_sets();
  void make_patches();
  void make_baselines();
  fleet::Offer offer_at(const Package& place, std::uint64_t dice) const;

  FleetSize size_;
  std::mt19937_64 random_{20261123};
  std::vector<std::string> names_;
  std::vector<std::vector<Package>> sets_;
  std::vector<Package> patch_places_;
  std::vector<std::uint64_t> patch_dice_;
  std::vector<std::uint32_t> set_of_node_, baseline_of_node_;
  std::vector<baseline::PatchBaseline> baselines_;
};

}  // namespace belay::bench
