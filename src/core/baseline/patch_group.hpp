#pragma once
// Which baseline is in force on a node (ssm.md §1.3).
#include <boost/describe.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/baseline/baseline.hpp"

namespace belay::baseline {

// "Patch Group" or "PatchGroup", exactly; "Patch Group" wins where a node carries both. "" where it is in no group.
std::string patch_group_of(const std::map<std::string, std::string>& tags);

struct PatchGroupRegistration {
  std::string patch_group;
  OperatingSystem operating_system = OperatingSystem::WINDOWS;
  std::string baseline_id;
};
BOOST_DESCRIBE_STRUCT(PatchGroupRegistration, (), (patch_group, operating_system, baseline_id))

enum class ChosenBy { patch_group, default_baseline, predefined };
BOOST_DESCRIBE_ENUM(ChosenBy, patch_group, default_baseline, predefined)

struct BaselineChoice {
  std::string baseline_id;
  std::string patch_group;  // the node's group, also where no baseline is registered for it
  ChosenBy by = ChosenBy::predefined;
};
BOOST_DESCRIBE_STRUCT(BaselineChoice, (), (baseline_id, patch_group, by))

// `defaults`: the registered default baseline's id of each system that has one; else the predefined one.
// The id is "" only where the system has no predefined baseline (MACOS).
BaselineChoice choose_baseline(const std::map<std::string, std::string>& tags, OperatingSystem system,
                               const std::vector<PatchGroupRegistration>& registrations,
                               const std::map<OperatingSystem, std::string>& defaults);

}  // namespace belay::baseline
