#pragma once
// The baselines that are there from the start, one for every system, named as at AWS (ssm.md §1.3); read only.
// Their ids are the same in every installation: "pb-" and 17 digits made from the name.
#include <string_view>
#include <vector>

#include "core/baseline/baseline.hpp"

namespace belay::baseline {

// One for every system but MACOS, in the order of OperatingSystem. The Windows one exists so that SSM's defaults
// resolve; it is never applied. Debian, Ubuntu and Raspbian have no delay in force at AWS (the stored 7 is unused
// there); here dates work on them, so their rule says 0 and behaves as at AWS.
const std::vector<PatchBaseline>& predefined_baselines();
// nullptr where there is none.
const PatchBaseline* predefined_baseline(OperatingSystem system);
const PatchBaseline* predefined_baseline_by_id(std::string_view id);

}  // namespace belay::baseline
