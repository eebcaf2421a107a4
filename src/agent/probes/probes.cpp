#include "agent/probes/probes.hpp"

#include "agent/probes/kinds.hpp"

namespace belay::agent {

Result<std::vector<std::unique_ptr<HealthProbe>>> make_probes(const std::vector<patchrun::ProbeSpec>& specs,
                                                              const ProbeSeams& seams) {
  BELAY_TRY(patchrun::check_probes(specs));
  std::vector<std::unique_ptr<HealthProbe>> probes;
  for (const auto& spec : specs) {
    const auto add = [&](const auto& kind) {
      if (kind) probes.push_back(probes::make_probe(spec.name, *kind, seams));
    };
    add(spec.systemd);
    add(spec.tcp);
    add(spec.http);
    add(spec.command);
    add(spec.journal);
    add(spec.ports);
    add(spec.disk);
    add(spec.load);
  }
  return probes;
}

}  // namespace belay::agent
