#pragma once
// InstallOverrideList: replaces the whole baseline for one Install (ssm.md §1.2, §1.5). Its YAML is parsed at the edge;
// what comes here is the parsed list. Not relevant to compliance: what it installs is INSTALLED_OTHER afterwards unless
// the baseline matches it.
#include <boost/describe.hpp>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/baseline/evaluate.hpp"

namespace belay::baseline {

struct OverridePatch {
  std::string id;     // name.arch, or a name for every architecture; globs
  std::string title;  // glob against the version (rpm: also without its epoch) or SSM's Title; "" for the newest
  bool operator==(const OverridePatch&) const = default;
};
BOOST_DESCRIBE_STRUCT(OverridePatch, (), (id, title))

inline constexpr std::size_t kOverridePatchesMax = 1'000;
inline constexpr std::size_t kOverrideTextMax = 256;  // bytes of an id or a title

// invalid_argument that names the entry: too many, empty or overlong ids, control characters.
Status check(const std::vector<OverridePatch>& patches);

struct OverrideSelection {
  std::vector<fleet::PackageChange>
      changes;  // newest offered version that the list names and that is newer than installed
  std::vector<std::string> already_installed;  // entries that are satisfied as it stands
  std::vector<std::string> unmatched;  // entries that name nothing installed, or no version on offer: to be reported
};
OverrideSelection select(const fleet::PackageSet& installed, const fleet::OfferSet& offers,
                         const std::vector<OverridePatch>& patches);

}  // namespace belay::baseline
