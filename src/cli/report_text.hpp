#pragma once
// A rollout's report as lines for a terminal: what failed and when, who is suspected, what to change.
#include <string>

#include "base/json.hpp"

namespace belay::cli {

// Bounded and free of control characters, whatever stands in the report.
std::string report_text(const json::Value& report);

}  // namespace belay::cli
