#pragma once
// Dealing with nodes that do not comply: executions of the kind "remedy", one for each policy (core/remedy decides).
//
// A policy looks at a node when its verdict or a report changed (tell_remedies), when its time has come, and at every
// node now and then, for what changes by time alone: a scan that grows stale, a delay that is over. Episodes, what is
// done and the execution's state are one transaction: killed anywhere, it goes on, and nothing is done twice.
#include <memory>
#include <string>
#include <string_view>

#include "core/remedy/remedy.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/judge.hpp"
#include "store/remedies.hpp"

namespace belay::server {

inline constexpr std::string_view kRemedyKind = "remedy";
inline constexpr Duration kRemedySweepEvery{15LL * 60 * 1000};

std::unique_ptr<ExecutionKind> make_remedy_kind(Judge& judge);

// ---- in the caller's transaction
// What contradicts itself, or names a document, a parameter, a window or a target that is not there: invalid_argument.
// It sends the policy's command to nobody, so call it in a transaction that is undone.
Status rehearse_remedy(store::Sql& sql, const remedy::Policy& policy, Instant now);
// A new policy, or what the one of this name is from now on; open episodes stay, and are judged by the new words.
// Returns it as kept.
Result<store::remedies::Policy> put_remedy(store::Sql& sql, const remedy::Policy& policy, std::string_view by,
                                           Instant now);
// Its open episodes are closed, its history stays. not_found.
Status remove_remedy(store::Sql& sql, std::string_view name, std::string_view by, Instant now);
// How the node stands may have changed: every policy looks at it soon. ok where there are none.
Status tell_remedies(store::Sql& sql, std::string_view node_id, Instant now);

}  // namespace belay::server
