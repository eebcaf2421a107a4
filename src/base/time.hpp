#pragma once
// Time as a value. Nothing under core/ reads a clock: it is given `now`.
#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay {

using Duration = std::chrono::milliseconds;
using Instant = std::chrono::sys_time<std::chrono::milliseconds>;  // UTC

// Implemented by io/system_clock.hpp and, moved by hand, by tests/fakes.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;         // wall time, UTC; may jump
  virtual Duration monotonic() const = 0;  // since an arbitrary start; never goes back
};

// 2026-11-23T18:12:00Z; milliseconds are written only where they are not zero.
std::string to_iso8601(Instant instant);
// Accepts what to_iso8601 writes, a date alone (its first instant), any number of fraction digits, and in place of Z
// nothing (it is UTC then, too) or an offset: 2021-04-07T14:29:00-08:00.
Result<Instant> parse_iso8601(std::string_view text);
// RFC 7231 and apt's Release files: "Sun, 06 Nov 1994 08:49:37 GMT" (or "UTC").
Result<Instant> parse_http_date(std::string_view text);

std::int64_t to_unix_ms(Instant instant);
Instant from_unix_ms(std::int64_t ms);
// 2026-11-23, the UTC day.
std::string to_date(Instant instant);

// "90s", "5m", "2h", "7d", "250ms"; one number and one unit.
Result<Duration> parse_duration(std::string_view text);
// For people: "3 d", "2 h 5 min", "45 s".
std::string humanize(Duration duration);

}  // namespace belay
