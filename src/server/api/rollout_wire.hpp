#pragma once
// Rollouts and what belongs to them as replies have them.
#include <string>
#include <string_view>
#include <vector>

#include "server/api/operation.hpp"
#include "server/engine/rollouts.hpp"

namespace belay::server {

json::Object rollout_reply(const RolloutView& view);
json::Object rollout_node_reply(const RolloutNodeView& view);

// Member `name`, a list of texts; empty where it is absent.
std::vector<std::string> texts_of(const Call& call, std::string_view name);
bool flag_of(const Call& call, std::string_view name);

}  // namespace belay::server
