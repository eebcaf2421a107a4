#pragma once
// The patch baseline between SSM's words on the wire and core/baseline's struct.
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "core/baseline/baseline.hpp"
#include "store/baselines.hpp"

namespace belay::server {

// Lays what the request says over `baseline`: members that are absent leave it as it is. The request was validated.
// Works for Create, Update, and BaselineOverride alike. invalid_argument from core/baseline's check.
Status lay_over(baseline::PatchBaseline& baseline, const json::Value& request);

// The members that GetPatchBaseline and UpdatePatchBaseline share.
json::Object baseline_reply(const baseline::PatchBaseline& baseline);

// The struct of a stored version, its id and times included.
Result<baseline::PatchBaseline> content_of(const store::baselines::Version& version);

// "pb-…" of an id or an ARN.
std::string baseline_id_of(std::string_view id_or_arn);

}  // namespace belay::server
