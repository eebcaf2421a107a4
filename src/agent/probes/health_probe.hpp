#pragma once
// One health measurement on the node. A probe measures; the gate (core/patchrun) decides.
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::agent {

struct ProbeReading {
  bool healthy = false;
  std::string detail;                         // what was seen, bounded and sanitized
  std::map<std::string, std::string> values;  // what a later reading is compared with (failed units, …)
};

class HealthProbe {
 public:
  virtual ~HealthProbe() = default;
  virtual std::string_view name() const = 0;
  // An error means it could not be measured, which is never "healthy". Reads only, may be repeated.
  virtual Result<ProbeReading> measure(Duration timeout) = 0;
};

}  // namespace belay::agent
