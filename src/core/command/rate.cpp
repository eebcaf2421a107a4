#include "core/command/rate.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace belay::command {
namespace {
constexpr std::uint32_t kNumberMax = 1'000'000;

Result<std::uint32_t> amount(std::string_view text, std::uint32_t targets, bool zero_allowed, std::string_view field) {
  const auto refuse = [&] {
    return Error(Code::invalid_argument, std::string(field) + " is '" + std::string(text.substr(0, 20)) +
                                             "': expected a number" + (zero_allowed ? "" : " above 0") +
                                             " or a share of the targets like 10%");
  };
  const bool share = text.ends_with('%');
  const std::string_view digits = share ? text.substr(0, text.size() - 1) : text;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return refuse();
  if (digits.size() > 1 && digits.front() == '0') return refuse();
  if (number == 0 && !zero_allowed) return refuse();
  if (number > (share ? 100 : kNumberMax)) return refuse();
  if (!share) return number;
  return static_cast<std::uint32_t>(std::uint64_t{targets} * number / 100);
}
}  // namespace

Result<std::uint32_t> max_concurrency(std::string_view text, std::uint32_t targets) {
  BELAY_TRY_ASSIGN(const auto number, amount(text, targets, false, "MaxConcurrency"));
  return std::max<std::uint32_t>(number, 1);
}

Result<std::uint32_t> max_errors(std::string_view text, std::uint32_t targets) {
  return amount(text, targets, true, "MaxErrors");
}

}  // namespace belay::command
