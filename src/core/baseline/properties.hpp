#pragma once
// DescribePatchProperties: the values that occur, for consoles that build filters.
#include <string>
#include <string_view>
#include <vector>

#include "core/baseline/baseline.hpp"
#include "core/fleet/package.hpp"

namespace belay::baseline {

struct OfferedTo {
  std::string_view product;  // fleet::product_name of the nodes that have these offers
  const fleet::OfferSet& offers;
};

// Distinct values, sorted: those the vendors of this system are known to use and those that really occur. Empty for a
// property the system does not have (PRIORITY of an rpm system).
std::vector<std::string> patch_properties(OperatingSystem system, PatchFilterKey property,
                                          const std::vector<OfferedTo>& offered);

}  // namespace belay::baseline
