#pragma once
// The rules of one time zone as a value: where its clocks stood, and where they will stand. The library date-tz was
// weighed and left: it exists only as a shared object (the agent is one static file), it reads the disk and keeps a
// process-wide table (core does no I/O), and what we need of the format is small: transitions and one footer rule.
// tzif.hpp makes a ZoneRules of the system's own zone files, so updates of tzdata apply at the next reading.
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace belay::schedule {

using Seconds = std::chrono::seconds;
using LocalTime = std::chrono::local_time<Seconds>;  // what a clock on the wall shows, to the second
using UtcTime = std::chrono::sys_seconds;

inline constexpr Seconds kUtcOffsetMax = std::chrono::hours(26);  // either way; RFC 9636 allows no more

// One date a year, as a POSIX TZ text names it, with a time of day that may lie on another day.
struct YearlyChange {
  enum class Kind { month_week_day, day_without_leap, day_from_zero };  // M3.5.0, J60, 59
  Kind kind = Kind::month_week_day;
  unsigned month = 1, week = 1;  // 1-12; 1-5, 5 is the last
  unsigned day = 0;              // 0-6 (Sunday is 0), 1-365, 0-365
  Seconds time{7200};            // -167 h to 167 h, local time before the change
  bool operator==(const YearlyChange&) const = default;
};

// What holds after the last transition that is written out: "CET-1CEST,M3.5.0,M10.5.0/3".
struct FooterRule {
  Seconds standard{};  // east of UTC is positive
  struct Summer {
    Seconds offset{};
    YearlyChange begins, ends;
    bool operator==(const Summer&) const = default;
  };
  std::optional<Summer> summer;
  bool operator==(const FooterRule&) const = default;
};

struct Transition {
  UtcTime at;        // from here on
  Seconds offset{};  // local time = UTC + offset
  bool operator==(const Transition&) const = default;
};

struct ZoneRules {
  std::string name = "UTC";             // as in IANA's data
  Seconds first_offset{};               // before the first transition
  std::vector<Transition> transitions;  // ascending
  std::optional<FooterRule> footer;     // absent: the last offset holds for ever
  bool operator==(const ZoneRules&) const = default;
};

Seconds offset_at(const ZoneRules& rules, UtcTime at);
LocalTime to_local(const ZoneRules& rules, Instant at);  // whole seconds, rounded down
// The first transition after `after` that moves the clock; nothing where there is none (or none before the year 2300).
struct ClockChange {
  UtcTime at;
  Seconds before{}, after{};
};
std::optional<ClockChange> next_change(const ZoneRules& rules, UtcTime after);

// When the wall shows a local time.
struct Resolved {
  enum class Kind {
    once,
    twice,   // the clocks were put back: `at` is the first of the two
    skipped  // the clocks were put forward over it: it never is; `at` is the first instant after the gap
  };
  Kind kind = Kind::once;
  UtcTime at;
  // twice and skipped: the range of local times [from, until) that is all doubled or all left out.
  LocalTime from, until;
};
Resolved resolve(const ZoneRules& rules, LocalTime local);

// 2026-12-08T02:00:00+01:00
std::string to_local_iso8601(const ZoneRules& rules, Instant at);

}  // namespace belay::schedule
