#pragma once
// Says once that something does not work, again each minute while it lasts, and that it works again: what a loop would
// otherwise say every second. Of one thread at a time.
#include <optional>
#include <string_view>

#include "base/log.hpp"
#include "base/time.hpp"

namespace belay::server {

class Trouble {
 public:
  // Names of log events: while it lasts, and at its end.
  constexpr Trouble(std::string_view lasts, std::string_view over) : lasts_(lasts), over_(over) {}

  // `passed` from Clock::monotonic().
  void note(const Status& status, Duration passed) {
    if (status.ok()) {
      if (since_) log::info(over_, {{"after_s", (passed - *since_).count() / 1000}});
      since_.reset();
    } else if (!since_ || passed - said_ >= kAgain) {
      if (!since_) since_ = passed;
      said_ = passed;
      log::warning(lasts_, {{"error", status.error()}});
    }
  }

 private:
  static constexpr Duration kAgain{60'000};
  std::string_view lasts_, over_;
  std::optional<Duration> since_;
  Duration said_{};
};

}  // namespace belay::server
