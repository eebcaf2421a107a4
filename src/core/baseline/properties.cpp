#include "core/baseline/properties.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/baseline/filter.hpp"
#include "core/baseline/validate.hpp"
#include "core/fleet/operating_system.hpp"

namespace belay::baseline {
namespace {

using enum PatchFilterKey;
using fleet::PackageFormat;

// What product_name() makes of the versions that the vendors maintain; a node of another version adds its own.
std::vector<std::string> known_products(OperatingSystem system) {
  using enum OperatingSystem;
  const auto versions = [&]() -> std::vector<std::string_view> {
    switch (system) {
      case UBUNTU: return {"16.04", "18.04", "20.04", "22.04", "24.04"};
      case DEBIAN: return {"11", "12", "13"};
      case RASPBIAN: return {"11", "12"};
      case AMAZON_LINUX: return {"2018.03"};
      case AMAZON_LINUX_2: return {"2"};
      case AMAZON_LINUX_2022: return {"2022"};
      case AMAZON_LINUX_2023: return {"2023"};
      case CENTOS: return {"7", "8", "9", "10"};
      default: return {};  // minor versions come and go: the fleet's own count
    }
  }();
  std::vector<std::string> products;
  for (const auto version : versions) products.push_back(fleet::product_name(system, version));
  return products;
}

// What the vendors of a system write, so that a console can offer it before the first scan.
std::vector<std::string> known_values(OperatingSystem system, PatchFilterKey property) {
  const bool deb = fleet::package_format(system) == PackageFormat::deb;
  const bool suse = system == OperatingSystem::SUSE;
  if (property == PRODUCT) return known_products(system);
  if (property == PRIORITY && deb) return {"Required", "Important", "Standard", "Optional", "Extra"};
  if (property == CLASSIFICATION && suse) return {"Security", "Recommended", "Optional", "Feature", "Document", "Yast"};
  if (property == CLASSIFICATION && !deb) return {"Security", "Bugfix", "Enhancement", "Recommended", "Newpackage"};
  if (property == SEVERITY && suse) return {"Critical", "Important", "Moderate", "Low"};
  if (property == SEVERITY && !deb) return {"Critical", "Important", "Medium", "Low", "None"};
  return {};
}

std::string value_of(const fleet::Offer& offer, PatchFilterKey property) {
  switch (property) {
    case PRIORITY: return offer.priority;
    case SECTION: return offer.section;
    case CLASSIFICATION: return offer.classification;
    case SEVERITY: return offer.severity;
    default: return {};
  }
}

}  // namespace

std::vector<std::string> patch_properties(OperatingSystem system, PatchFilterKey property,
                                          const std::vector<OfferedTo>& offered) {
  const auto less = [](const std::string& a, const std::string& b) { return to_lower(a) < to_lower(b); };
  std::set<std::string, decltype(less)> values(less);  // "optional" and "Optional" are one
  if (const auto& keys = allowed_filter_keys(system); std::ranges::find(keys, property) == keys.end()) return {};
  for (auto& value : known_values(system, property)) values.insert(std::move(value));
  for (const auto& [product, offers] : offered) {
    if (property == PRODUCT && !product.empty()) values.emplace(product);
    if (property == PRODUCT) continue;
    for (const auto& offer : offers.offers)
      if (auto value = value_of(offer, property); !value.empty()) values.insert(std::move(value));
  }
  return {values.begin(), values.end()};
}

}  // namespace belay::baseline
