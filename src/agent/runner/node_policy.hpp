#pragma once
// The node's own policy, read anew for every order, so that a change counts at once and needs nobody's restart.
#include <string>
#include <string_view>
#include <vector>

#include "agent/runner/state_paths.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "core/policy/policy.hpp"
#include "io/files.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

inline constexpr std::string_view kPolicyFileDefault = "/etc/belay/agent-policy.toml";

struct NodePolicy {
  policy::Policy policy;
  schedule::ZoneRules zone;
};
// Without a file everything is allowed: not_found. What is there and cannot be relied on is an error "policy-unusable":
// unreadable, malformed, a zone that is not known here, or a file that others than root (or the user this runs as) may
// write, itself or by its directory.
Result<NodePolicy> read_node_policy(const io::Files& files, const std::string& path);

// Whether the policy lets the order be begun; `goes_on` as policy::Question has it. permission_denied "policy-forbids",
// and everything is refused where the policy cannot be relied on. The order's approvals were checked when it came in
// (order_verifier.hpp). A rollback needs none where the records of this node say that it had those versions.
Status check_policy(const io::Files& files, const StatePaths& paths, const std::string& path, const wire::Order& order,
                    Instant now);

}  // namespace belay::agent
