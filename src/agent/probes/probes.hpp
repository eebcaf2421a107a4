#pragma once
// The probes of core/patchrun/health.hpp, real.
#include "agent/probes/health_probe.hpp"
#include "io/files.hpp"
#include "io/process.hpp"
#include "io/reach.hpp"

namespace belay::agent {

// All outlive the probes.
struct ProbeSeams {
  io::Files& files;
  io::Processes& processes;
  Clock& clock;
  io::Reach& reach;
};

// In the order of the specs. invalid_argument where check_probes() refuses them, also for a kind that this agent does
// not know: an order is not begun with a probe left out.
Result<std::vector<std::unique_ptr<HealthProbe>>> make_probes(const std::vector<patchrun::ProbeSpec>& specs,
                                                              const ProbeSeams& seams);

}  // namespace belay::agent
