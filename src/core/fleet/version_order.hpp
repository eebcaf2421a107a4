#pragma once
// The version order of a package format, and which offers can stand in for an installed package.
#include <string_view>

#include "core/fleet/package.hpp"
#include "core/version/version.hpp"

namespace belay::fleet {

inline std::strong_ordering compare_versions(PackageFormat format, std::string_view a, std::string_view b) {
  return format == PackageFormat::deb ? version::compare_deb(a, b) : version::compare_rpm(a, b);
}

inline bool is_any_architecture(std::string_view arch) { return arch == "all" || arch == "noarch"; }

// An offer replaces an installed package of the same architecture, or one of them is for any.
inline bool can_replace(std::string_view offered_arch, std::string_view installed_arch) {
  return offered_arch == installed_arch || is_any_architecture(offered_arch) || is_any_architecture(installed_arch);
}

}  // namespace belay::fleet
