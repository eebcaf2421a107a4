#pragma once
// What a request hands to other services of AWS that are not here. Saying yes and doing nothing would be a lie, so each
// is refused, with the reason that is its own.
#include <string>

#include "base/json.hpp"
#include "base/result.hpp"

namespace belay::server {

// `holder`: the members of a SendCommand, or of a task's RunCommand; `path` stands before their names in the message.
// ValidationException. CloudWatchOutputConfig is taken where it says that it is off.
Status refuse_aws_members(const json::Value& holder, const std::string& path);

}  // namespace belay::server
