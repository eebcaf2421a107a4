#pragma once
// How a simulated host's service is found to be.
#include "agent/probes/health_probe.hpp"
#include "tests/sim/machine.hpp"

namespace belay::sim {

class ServiceProbe final : public agent::HealthProbe {
 public:
  ServiceProbe(const Machine& machine, std::string name) : machine_(machine), name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  Result<agent::ProbeReading> measure(Duration, const agent::ProbeReading*) override {
    const auto ails = machine_.ails();
    return agent::ProbeReading{ails.empty(), ails.empty() ? "answers" : "does not answer since " + ails, {}};
  }

 private:
  const Machine& machine_;
  const std::string name_;
};

}  // namespace belay::sim
