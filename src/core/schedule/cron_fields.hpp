#pragma once
// From the text of a cron expression to its sets. Only for this room's own sources.
#include <string_view>

#include "core/schedule/expression.hpp"

namespace belay::schedule {

// What stands between the brackets of cron(…).
Result<Cron> parse_cron(std::string_view fields);

}  // namespace belay::schedule
