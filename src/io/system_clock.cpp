#include "io/system_clock.hpp"

namespace belay::io {
namespace {

class SystemClock final : public Clock {
 public:
  Instant now() const override { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }
  Duration monotonic() const override {
    return std::chrono::floor<Duration>(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace belay::io
