#pragma once
// How long to wait before the next attempt to connect. Pure: randomness comes in.
#include <cstdint>

#include "base/time.hpp"

namespace belay::agent {

struct BackoffSettings {
  Duration first_spread{3'000};        // of the first connection: a thousand agents may start together
  Duration after_loss_spread{10'000};  // of the first attempt after a connection was lost: its server restarted
  Duration base{2'000};
  Duration longest{300'000};
  Duration refused_base{900'000};  // a server that does not know this node (any longer): a quarter of an hour …
  Duration refused_longest{std::chrono::hours(6)};
};

// `random` is uniform over all of its values. `failures` counts attempts since the last good connection.
Duration first_wait(const BackoffSettings& settings, std::uint64_t random);
Duration wait_after_loss(const BackoffSettings& settings, std::uint64_t random);
// Between half and all of base × 2^(failures − 1), at most `longest`.
Duration wait_after_failure(const BackoffSettings& settings, std::uint32_t failures, std::uint64_t random);

// The same with refused_base and refused_longest: `refusals` counts how often the server did not know this node.
Duration wait_after_refusal(const BackoffSettings& settings, std::uint32_t refusals, std::uint64_t random);

}  // namespace belay::agent
