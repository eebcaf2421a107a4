#include "agent/runner/backoff.hpp"

#include <algorithm>

namespace belay::agent {
namespace {
Duration part_of(Duration whole, std::uint64_t random) {
  if (whole <= Duration::zero()) return Duration::zero();
  return Duration(static_cast<Duration::rep>(random % (static_cast<std::uint64_t>(whole.count()) + 1)));
}

Duration growing(Duration base, Duration longest, std::uint32_t times, std::uint64_t random) {
  auto whole = base;
  for (std::uint32_t i = 1; i < times && whole < longest; ++i) whole *= 2;
  whole = std::min(whole, longest);
  return whole / 2 + part_of(whole - whole / 2, random);
}
}  // namespace

Duration first_wait(const BackoffSettings& settings, std::uint64_t random) {
  return part_of(settings.first_spread, random);
}

Duration wait_after_loss(const BackoffSettings& settings, std::uint64_t random) {
  return part_of(settings.after_loss_spread, random);
}

Duration wait_after_failure(const BackoffSettings& settings, std::uint32_t failures, std::uint64_t random) {
  return growing(settings.base, settings.longest, failures, random);
}

Duration wait_after_refusal(const BackoffSettings& settings, std::uint32_t refusals, std::uint64_t random) {
  return growing(settings.refused_base, settings.refused_longest, refusals, random);
}

}  // namespace belay::agent
