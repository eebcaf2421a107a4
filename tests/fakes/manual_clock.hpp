#pragma once
// Time that moves only by hand. May be used from any thread.
#include <atomic>

#include "base/time.hpp"

namespace belay::fakes {

class ManualClock final : public Clock {
 public:
  // 2026-11-23T12:00:00Z unless told otherwise.
  explicit ManualClock(Instant start = from_unix_ms(1'795'435'200'000)) : wall_ms_(to_unix_ms(start)) {}

  Instant now() const override { return from_unix_ms(wall_ms_.load()); }
  Duration monotonic() const override { return Duration(monotonic_ms_.load()); }

  void advance(Duration step) {
    wall_ms_ += step.count();
    monotonic_ms_ += step.count();
  }
  // Somebody sets the wall clock; the monotonic one goes on.
  void set_wall(Instant now) { wall_ms_ = to_unix_ms(now); }

 private:
  std::atomic<std::int64_t> wall_ms_;
  std::atomic<std::int64_t> monotonic_ms_{0};
};

}  // namespace belay::fakes
