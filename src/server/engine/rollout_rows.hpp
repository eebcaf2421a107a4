#pragma once
// Inside of rollouts.cpp and rollout_rollbacks.cpp: how a rollout is kept, found and refused.
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/rollout_kind.hpp"

namespace belay::server {

inline Error refused_rollout(std::string what) {
  return Error(Code::invalid_argument, std::move(what), "ValidationException");
}
inline Error wrong_rollout_state(std::string what) {
  return Error(Code::conflict, std::move(what), "InvalidStateException");
}
// The rollout's rows, and the execution that carries it out.
Status keep_rollout(store::Sql& sql, const store::rollouts::Rollout& row, const RolloutExecution& state,
                    std::vector<rollout::Node> nodes);
Result<store::rollouts::Rollout> rollout_named(store::Sql& sql, std::string_view rollout_id);

}  // namespace belay::server
