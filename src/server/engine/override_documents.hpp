#pragma once
// What AWS-RunPatchBaseline takes by reference or in place: InstallOverrideList and BaselineOverride (ssm.md §1.5). In
// place is what Belay prefers; an https address is fetched once, when the command is sent, and frozen with it.
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/baseline/baseline.hpp"
#include "core/baseline/override_list.hpp"

namespace belay::server {

inline constexpr std::size_t kOverrideBytesMax = 1u << 20;

// The text itself where it is no address; else what the address answers. unsupported for s3:// and other schemes.
Result<std::string> fetch_override(std::string_view text_or_address);

// "patches:" with a list of {id, title}; JSON, or the plain YAML that AWS documents (no anchors, no tags).
Result<std::vector<baseline::OverridePatch>> parse_override_list(std::string_view text);
// A JSON list of baselines in the API's form (GetPatchBaseline's answer).
Result<std::vector<baseline::PatchBaseline>> parse_baseline_override(std::string_view text);

}  // namespace belay::server
