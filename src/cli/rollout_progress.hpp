#pragma once
// A rollout as it stands, and followed until it is over or waits for a decision that only a person can make.
#include <string>

#include "base/result.hpp"
#include "cli/context.hpp"

namespace belay::cli {

// GetRollout's member Rollout.
Result<json::Value> get_rollout(Context& context, const std::string& id);
// Its rings and what each waits for; `whole` is what JSON gets.
void print_rollout(const Context& context, const json::Value& rollout, const json::Value& whole);

// The exit status: 0 where it is Completed (or, `put_back`, every node it took back is well), else kExitNonCompliant.
// `unlike`: an earlier view that it stood at before a request; as long as it is that one, the request was not heard of.
Result<int> follow_rollout(Context& context, const std::string& id, bool put_back = false,
                           const json::Value& unlike = {});

}  // namespace belay::cli
