#pragma once
// The row that tells what a node was judged to be: the same in every reply (shape NodeCompliance).
#include "server/api/operation.hpp"
#include "store/nodes.hpp"

namespace belay::server {

Result<json::Object> judged_reply(const Call& call, const store::nodes::Brief& node, const JudgedCounts& counts);
Result<json::Object> judged_reply(const Call& call, const store::nodes::Brief& node, const Judgement& judgement);

}  // namespace belay::server
