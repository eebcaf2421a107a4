#pragma once
// TOML: what an administrator writes by hand on a machine (settings, the node's policy) comes in through here.
#include <string_view>

#include "base/marked_json.hpp"

namespace belay::toml {

// TOML 1.0 as the value JSON would have; dates and times are refused, for nothing here means one. invalid_argument with
// the line where the text is no TOML, and beyond the limits resource_exhausted.
Result<MarkedValue> parse(std::string_view text, MarkedLimits limits = {});

}  // namespace belay::toml
