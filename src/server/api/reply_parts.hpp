#pragma once
// Pieces that several replies are made of.
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "core/baseline/evaluate.hpp"
#include "core/fleet/problem.hpp"
#include "server/api/operation.hpp"
#include "store/nodes.hpp"
#include "store/verdicts.hpp"

namespace belay::server {

// A node that was not heard of for longer is Inactive; before that, and past Services::online_within, ConnectionLost.
inline constexpr Duration kInactiveAfter{30LL * 24 * 3600 * 1000};
std::string_view ping_status(const Services& services, const store::nodes::Brief& node, Instant now);

// The active node, or InvalidInstanceId.
Result<store::nodes::Node> active_node(store::Sql& sql, std::string_view node_id);

// "MissingCount", …: as InstancePatchState has them. NotApplicableCount holds only what can be known: approved packages
// that the node is offered and does not have, and plain names of the approved list that it does not have. Agents report
// offers for what is installed, not the whole of their repositories, so on apt and dnf hosts the former is 0; SSM's
// count would be the repositories' size (docs/guide/compliance.md).
// AsOf of the request, where it has one: ValidationException where it lies ahead, of which nothing is known.
Result<std::optional<Instant>> as_of_in(const Call& call);
json::Object counts_reply(const baseline::PatchCounts& counts);
json::Array problems_reply(const std::vector<fleet::Problem>& problems);
json::Array texts_reply(const std::vector<std::string>& texts);
std::string_view compliance_text(store::verdicts::Compliance compliance);  // "NON_COMPLIANT"
std::int64_t seconds_of(Duration duration);

// Ids of the active nodes of a patch group (either spelling of the tag), sorted.
Result<std::vector<std::string>> nodes_of_patch_group(store::Sql& sql, std::string_view group);

}  // namespace belay::server
