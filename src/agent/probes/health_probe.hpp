#pragma once
// One health measurement on the node. A probe measures; the gate (core/patchrun) decides.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/patchrun/health.hpp"

namespace belay::agent {

// Of `values`, in both halves of a pair together. They are journalled, and outlive a crash and a reboot.
inline constexpr std::size_t kProbeValuesBytesMax = 16 << 10;
// The value that names, separated by blanks, the units for which a systemd probe is not healthy: what to restart first.
inline constexpr std::string_view kUnitsAiling = "ailing";

struct ProbeReading {
  bool healthy = false;
  std::string detail;                         // what was seen, bounded and sanitized
  std::map<std::string, std::string> values;  // what a later reading is compared with (failed units, …)
};

class HealthProbe {
 public:
  virtual ~HealthProbe() = default;
  virtual std::string_view name() const = 0;
  // Readings from here on watch the node after a change, a boot or a way back; what it wrote meanwhile is not counted.
  // Where nobody says so, the first reading with a `before` begins the watch.
  virtual void begin_watch() {}
  // `before` is the reading before the change, its values as they were kept; null where this is that reading. A kind
  // that compares is healthy before the change wherever it can be measured, and cannot be measured after it where
  // `before` lacks its values. An error means it could not be measured, which is never "healthy". Reads only, may be
  // repeated. Blocks: no longer than `timeout`, but for a name that resolves slowly (resolv.conf says how slowly) and a
  // program that has to be killed (up to 10 s more).
  virtual Result<ProbeReading> measure(Duration timeout, const ProbeReading* before = nullptr) = 0;
};

// Of one run's specs; invalid_argument where check_probes() refuses them.
using ProbeMaker =
    std::function<Result<std::vector<std::unique_ptr<HealthProbe>>>(const std::vector<patchrun::ProbeSpec>&)>;

}  // namespace belay::agent
