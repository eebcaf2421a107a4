#pragma once
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace belay::cli {
// "Key=Value" words as SSM's Tags.
Result<json::Array> parse_tags(const std::vector<std::string>& words);
}  // namespace belay::cli
