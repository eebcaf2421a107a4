#pragma once
// Whether what a window would run fits before its cut-off, from what the same work took before. What was never measured
// is unknown, not short.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/time.hpp"

namespace belay::window {

// What a document took on a node before.
struct Measured {
  std::uint32_t runs = 0;  // 0: never
  Duration median{}, worst{};
};
Measured measure(std::vector<Duration> runs);

struct PlannedInvocation {
  std::uint32_t concurrency_max = 1;
  std::vector<Measured> nodes;  // in the order they begin
};
struct PlannedTask {
  std::uint32_t priority = 0;
  std::vector<PlannedInvocation> invocations;  // one after another
};

struct Estimate {
  Duration median{}, worst{};    // from the opening to the end of the last, of those that were measured
  std::uint32_t nodes = 0;       // runs on nodes, of all tasks
  std::uint32_t unmeasured = 0;  // of these, without any measure
};
Estimate estimate(std::span<const PlannedTask> tasks);

enum class Fit {
  FITS,      // even at its worst
  USUALLY,   // by its medians, not at its worst
  TOO_LONG,  // not even by the medians of what was measured
  UNKNOWN,   // what was measured fits; the rest was never measured
  // Before any time is looked at, which is the caller's to see:
  NOTHING,    // it would run on nobody
  WILL_FAIL,  // some of it cannot run at all
};
BOOST_DESCRIBE_ENUM(Fit, FITS, USUALLY, TOO_LONG, UNKNOWN, NOTHING, WILL_FAIL)
Fit fit(const Estimate& estimate, Duration until_cutoff);

}  // namespace belay::window
