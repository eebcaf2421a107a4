#pragma once
// The probes of one run's order, as agent/probes makes them. Reading never fails: what cannot be measured is not
// healthy.
#include <memory>
#include <vector>

#include "agent/probes/health_probe.hpp"
#include "core/patchrun/gate.hpp"
#include "core/patchrun/order.hpp"

namespace belay::agent {

class RunProbes {
 public:
  RunProbes(const ProbeMaker& make, const std::vector<patchrun::ProbeSpec>& specs);

  // Readings from here on belong to one watch.
  void begin_watch();
  // Every probe once. `before`: the readings from before the change; empty where this is that reading.
  std::vector<patchrun::ProbeResult> read(const std::vector<patchrun::ProbeResult>& before);

 private:
  patchrun::ProbeResult read_one(const patchrun::ProbeSpec& spec, const std::vector<patchrun::ProbeResult>& before);

  const std::vector<patchrun::ProbeSpec>& specs_;
  std::vector<std::unique_ptr<HealthProbe>> probes_;
  std::string why_none_;  // where they could not be made
};

}  // namespace belay::agent
