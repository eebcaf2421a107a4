#pragma once
// Whether an offer passes a group of filters: values are alternatives, filters must all match.
#include <string_view>
#include <vector>

#include "core/baseline/baseline.hpp"
#include "core/fleet/package.hpp"

namespace belay::baseline {

// `product`: fleet::product_name of the node. Values compare without regard to case, may be globs, and "*" matches
// also what has no such attribute. Medium and Moderate are the same severity.
bool matches_all(const std::vector<PatchFilter>& filters, const fleet::Offer& offer, std::string_view product);

// "RedhatEnterpriseLinux9" names every 9.x, "AmazonLinux2.0" is AmazonLinux2.
bool product_matches(std::string_view value, std::string_view product);

// What SSM calls a security update of this format.
bool is_security(const fleet::Offer& offer);
// Critical 4, Important 3, Medium and Moderate 2, Low 1, else 0: the vendor's words in order.
int severity_rank(std::string_view severity);

}  // namespace belay::baseline
