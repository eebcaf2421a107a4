#include "core/baseline/properties.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/baseline/filter.hpp"
#include "core/baseline/validate.hpp"

namespace belay::baseline {
namespace {

using enum PatchFilterKey;
using fleet::PackageFormat;

// What the vendors of a system write, so that a console can offer it before the first scan.
std::vector<std::string> known_values(OperatingSystem system, PatchFilterKey property) {
  const bool deb = fleet::package_format(system) == PackageFormat::deb;
  const bool suse = system == OperatingSystem::SUSE;
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
