#pragma once
// MaxConcurrency and MaxErrors as SSM writes them: a number, or a share of the targets ("10%").
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace belay::command {

// How many may run at once, at least 1. Shares are rounded down, so never more than was said. invalid_argument where
// the text is not ^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$ or is above a million.
Result<std::uint32_t> max_concurrency(std::string_view text, std::uint32_t targets);
// How many errors are borne: one more stops the command. The same, and "0" and "0%". 10% of 50 is 5: the 6th stops.
Result<std::uint32_t> max_errors(std::string_view text, std::uint32_t targets);

// Of one step(): what is left of the free slots is due at once again (wake_at), so that the first nodes begin while
// orders for the last are still being made, and no transaction is longer than these.
inline constexpr std::uint32_t kBegunAtOnce = 500;

}  // namespace belay::command
