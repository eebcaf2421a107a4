#pragma once
// What AWS-RunPatchBaseline takes by reference or in place: InstallOverrideList and BaselineOverride (ssm.md §1.5). In
// place is what Belay prefers; an https address is fetched once, when the command is sent, and frozen with it.
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/baseline/baseline.hpp"
#include "core/baseline/override_list.hpp"

namespace belay::server {

inline constexpr std::size_t kOverrideBytesMax = 1u << 20;

// Whether what is named by an https address may be fetched. The server fetches from public addresses only (whoever may
// send a command must not reach the server's own network by it), but for the hosts that its operator named.
struct Fetching {
  bool allowed = false;
  std::vector<std::string> private_hosts{};  // in lower case
  static const Fetching refused;
};
inline const Fetching Fetching::refused{};

// The text itself where it is no address; else what the address answers. unsupported for s3:// and other schemes.
Result<std::string> fetch_override(std::string_view text_or_address, const Fetching& fetching);

// "patches:" with a list of {id, title}; JSON, or the plain YAML that AWS documents (no anchors, no tags).
Result<std::vector<baseline::OverridePatch>> parse_override_list(std::string_view text);
// A JSON list of baselines in the API's form (GetPatchBaseline's answer).
Result<std::vector<baseline::PatchBaseline>> parse_baseline_override(std::string_view text);

}  // namespace belay::server
