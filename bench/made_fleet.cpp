#include "made_fleet.hpp"

#include <algorithm>
#include <array>

namespace belay::bench {
namespace {

using baseline::PatchFilterKey;

constexpr std::array kSections{"libs", "admin", "net", "utils", "kernel", "python"};
constexpr std::array kPriorities{"required", "important", "standard", "optional", "extra"};

}  // namespace

MadeFleet::MadeFleet(FleetSize size) : size_(size) {
  static constexpr std::array stems{"lib", "python3-", "linux-", "perl-", "gir1.2-", "golang-", "", "fonts-"};
  for (std::uint32_t i = 0; i < size_.names; ++i) {
    std::string name = stems[i % stems.size()];
    for (std::uint32_t letters = 4 + below(9); letters-- > 0;) name += static_cast<char>('a' + below(26));
    names_.push_back(name + std::to_string(i));
  }
  make_sets();
  make_patches();
  make_baselines();
}

// The order of ranks is the order of the texts: an epoch for some, then numbers that only grow.
std::string MadeFleet::version(const Package& package) const {
  const auto n = package.name;
  const std::string epoch = n % 7 == 0 ? "1:" : "";
  return epoch + std::to_string(1 + n % 9) + "." + std::to_string(n % 40) + "." + std::to_string(8 + package.rank) +
         "+dfsg-" + std::to_string(1 + n % 3) + "+deb12u" + std::to_string(1 + package.rank);
}

void MadeFleet::make_sets() {
  std::vector<std::uint32_t> names(size_.names);
  for (std::uint32_t i = 0; i < size_.names; ++i) names[i] = i;
  for (std::uint32_t set = 0; set < size_.sets; ++set) {
    for (std::uint32_t i = 0; i < size_.packages_per_set; ++i) std::swap(names[i], names[i + below(size_.names - i)]);
    std::vector<std::uint32_t> drawn(names.begin(), names.begin() + size_.packages_per_set);
    std::ranges::sort(drawn, {}, [&](std::uint32_t name) -> const std::string& { return names_[name]; });
    std::vector<Package> packages;
    for (const auto name : drawn) packages.push_back({name, below(10) < 7 ? kVersions - 1 : below(kVersions)});
    sets_.push_back(std::move(packages));
  }
  for (std::uint32_t node = 0; node < size_.nodes; ++node) {
    set_of_node_.push_back(below(size_.sets));
    baseline_of_node_.push_back(below(size_.baselines));
  }
}

void MadeFleet::make_patches() {
  for (std::uint32_t patch = 0; patch < size_.patches; ++patch) {
    patch_places_.push_back({below(size_.names), 1 + below(kVersions)});
    patch_dice_.push_back(random_());
  }
}

fleet::PackageSet MadeFleet::package_set(std::uint32_t set) const {
  fleet::PackageSet made{fleet::PackageFormat::deb, {}};
  made.packages.reserve(sets_[set].size());
  for (const auto& package : sets_[set]) made.packages.push_back({names_[package.name], "amd64", version(package)});
  return made;
}

fleet::Offer MadeFleet::offer_at(const Package& place, std::uint64_t dice) const {
  fleet::Offer made;
  made.name = names_[place.name];
  made.arch = "amd64";
  made.version = version(place);
  made.origin = "Debian";
  made.suite = "stable-security";
  made.security = dice % 3 != 0;
  made.section = kSections[dice / 3 % kSections.size()];
  made.priority = kPriorities[dice / 18 % kPriorities.size()];
  made.advisory_ids = {"DSA-" + std::to_string(dice / 90 % 6000) + "-1"};
  made.cve_ids = {"CVE-2026-" + std::to_string(dice / 90 % 50'000)};
  made.released_at = *parse_iso8601("2026-11-23") - std::chrono::hours(dice / 90 % (60 * 24));
  return made;
}

fleet::Offer MadeFleet::patch(std::uint32_t patch) const { return offer_at(patch_places_[patch], patch_dice_[patch]); }

fleet::Offer MadeFleet::another_patch() { return offer_at({below(size_.names), 1 + below(kVersions)}, random_()); }

void MadeFleet::make_baselines() {
  for (std::uint32_t i = 0; i < size_.baselines; ++i) {
    baseline::PatchBaseline made;
    made.id = "made-" + std::to_string(i);
    made.operating_system = fleet::OperatingSystem::DEBIAN;
    baseline::PatchRule first;
    first.filters = {{PatchFilterKey::PRODUCT, {"*"}},
                     {PatchFilterKey::PRIORITY, {"Required", "Important", "Standard"}}};
    first.approve_after_days = static_cast<std::int32_t>(i % 15);
    first.enable_non_security = i % 2 == 0;
    first.compliance_level = baseline::ComplianceLevel::HIGH;
    baseline::PatchRule second;
    second.filters = {{PatchFilterKey::SECTION, {kSections[i % kSections.size()], "libs"}}};
    second.approve_after_days = static_cast<std::int32_t>(i);
    second.compliance_level = baseline::ComplianceLevel::CRITICAL;
    made.approval_rules = {first, second};
    if (i % 4 == 0) made.approved_patches = {names_[i], names_[i + 1], "linux-*"};
    if (i % 4 == 1) made.rejected_patches = {names_[i], "fonts-*"};
    baselines_.push_back(std::move(made));
  }
}

}  // namespace belay::bench
