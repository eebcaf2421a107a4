#pragma once
// What the administrator of a node lets a server do on it, whatever the server thinks: /etc/belay/agent-policy.toml, as
// a value. What the file does not speak of is allowed; a list that is there and empty allows nothing.
// docs/guide/security.md.
#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/marked_json.hpp"
#include "core/document/steps.hpp"
#include "core/schedule/zone_rules.hpp"

namespace belay::policy {

inline constexpr std::uint32_t kApprovalsMax = 10;
inline constexpr std::size_t kPolicyBytesMax = 64 << 10;
inline constexpr std::string_view kLocalZone = "local";

// A span of the clock on the wall, on the days it begins on; one that ends before it begins ends on the next day.
struct Hours {
  std::array<bool, 7> days{};  // Sunday is 0
  std::chrono::minutes from{0}, until{24 * 60};
};

struct Policy {
  std::optional<std::vector<std::string>> documents;  // globs of names; of a built-in one any of its names
  std::optional<std::vector<std::string>> users;      // globs of who asked
  std::optional<std::vector<std::string>> paths;      // absolute folders with all below them, or globs
  bool scripts = true;                                // aws:runShellScript, probes' commands
  bool patching = true;                               // installing and taking back; a scan is none
  std::uint32_t approvals = 0;                        // people besides its author who approved what is installed
  std::string timezone{kLocalZone};                   // an IANA name, or the machine's own
  std::optional<std::vector<Hours>> hours;            // when what changes the node may begin
};

// invalid_argument with every mistake, its field and line. A name that is not known is a mistake: a rule that is passed
// over forbids nothing.
Result<Policy> read_policy(const MarkedValue& file);

// An order, as far as a policy is about it.
struct Question {
  std::string_view document, requested_by;  // "" where the server asks for itself
  bool changes_node = false;                // a patch run or a document's steps; else it only looks
  bool patches = false;                     // a patch run, or the plan of one
  bool goes_on = false;  // a part of its document ran here already: the hours were asked at its beginning
  std::span<const document::Step> steps;
  bool installs = false;        // a patch run that brings what was not there: no way back to what this node knows
  std::uint32_t approvals = 0;  // of its changes, proven
  std::string_view script{};    // what it runs besides its steps, as root: "the command of the probe app"; "" nothing
};
// permission_denied "policy-forbids" says which rule stands against it. `rules` are those of the policy's time zone.
Status check(const Policy& policy, const schedule::ZoneRules& rules, const Question& question, Instant now);

// For a person, one rule a line.
std::vector<std::string> describe(const Policy& policy);

}  // namespace belay::policy
