#pragma once
// So many a second, with a second's worth in hand. Time comes in.
#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace belay::server {

class TokenBucket {
 public:
  TokenBucket(std::uint32_t tokens_max, Duration refill)
      : tokens_max_(tokens_max), refill_(refill), tokens_(tokens_max) {}

  bool take(Duration now) {
    const double gained =
        static_cast<double>((now - filled_at_).count()) * tokens_max_ / static_cast<double>(refill_.count());
    tokens_ = std::min<double>(tokens_max_, tokens_ + std::max(0.0, gained));
    filled_at_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double tokens_max_;
  Duration refill_;
  double tokens_;
  Duration filled_at_{};
};

}  // namespace belay::server
