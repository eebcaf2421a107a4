#include "core/baseline/filter.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/version/version.hpp"

namespace belay::baseline {
namespace {

using enum PatchFilterKey;
using fleet::Offer;

bool is_medium(std::string_view text) {
  return equal_ignoring_case(text, "medium") || equal_ignoring_case(text, "moderate");
}

bool same(std::string_view value, std::string_view attribute) {
  if (attribute.empty()) return false;
  if (value.find_first_of("*?[") == std::string_view::npos) return equal_ignoring_case(value, attribute);
  return glob_match(to_lower(value), to_lower(attribute));
}

bool same_as_any(std::string_view value, const std::vector<std::string>& attributes) {
  return std::ranges::any_of(attributes, [&](const auto& attribute) { return same(value, attribute); });
}

// "non-free/libs" is libs too.
bool section_matches(std::string_view value, std::string_view section) {
  const auto slash = section.rfind('/');
  return same(value, section) || (slash != std::string_view::npos && same(value, section.substr(slash + 1)));
}

bool value_matches(PatchFilterKey key, std::string_view value, const Offer& offer, std::string_view product) {
  if (value == "*") return true;
  switch (key) {
    case PRODUCT: return product_matches(value, product);
    case CLASSIFICATION:
      return same(value, offer.classification) || (is_security(offer) && equal_ignoring_case(value, "security"));
    case SEVERITY: return same(value, offer.severity) || (is_medium(value) && is_medium(offer.severity));
    case PRIORITY: return same(value, offer.priority);
    case SECTION: return section_matches(value, offer.section);
    case NAME: return same(value, offer.name);
    case ARCH: return same(value, offer.arch);
    case ADVISORY_ID: return same_as_any(value, offer.advisory_ids);
    case CVE_ID: return same_as_any(value, offer.cve_ids);
    case BUGZILLA_ID: return same_as_any(value, offer.bugzilla_ids);
    case PATCH_ID: return same(value, offer.name + "." + offer.arch) || same_as_any(value, offer.advisory_ids);
    case REPOSITORY: return same(value, offer.label) || same(value, offer.suite) || same(value, offer.codename);
    case SECURITY: return equal_ignoring_case(value, is_security(offer) ? "true" : "false");
    case VERSION: return same(value, offer.version) || same(value, version::split_evr(offer.version).version);
    case RELEASE: return same(value, version::split_evr(offer.version).release);
    case EPOCH: {
      const auto epoch = version::split_evr(offer.version).epoch;
      return value == (epoch.empty() ? "0" : epoch);
    }
    case PATCH_SET:
    case PRODUCT_FAMILY:
    case MSRC_SEVERITY: return false;  // Windows has them
  }
  return false;
}

}  // namespace

bool product_matches(std::string_view value, std::string_view product) {
  if (value == "*" || same(value, product)) return true;
  if (value.size() < product.size() && product[value.size()] == '.' &&
      equal_ignoring_case(value, product.substr(0, value.size())))
    return true;
  return value.ends_with(".0") && equal_ignoring_case(value.substr(0, value.size() - 2), product);
}

bool matches_all(const std::vector<PatchFilter>& filters, const Offer& offer, std::string_view product) {
  return std::ranges::all_of(filters, [&](const PatchFilter& filter) {
    return std::ranges::any_of(filter.values,
                               [&](const auto& value) { return value_matches(filter.key, value, offer, product); });
  });
}

bool is_security(const Offer& offer) { return offer.security || equal_ignoring_case(offer.classification, "security"); }

int severity_rank(std::string_view severity) {
  if (equal_ignoring_case(severity, "critical")) return 4;
  if (equal_ignoring_case(severity, "important") || equal_ignoring_case(severity, "high")) return 3;
  return is_medium(severity) ? 2 : equal_ignoring_case(severity, "low") ? 1 : 0;
}

}  // namespace belay::baseline
