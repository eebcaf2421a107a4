#pragma once
// One machine in memory on which patch runs are driven to their end.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/probes/health_probe.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/runner/run_driver.hpp"
#include "agent/snapshots/fake_snapshots.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {

using fakes::Killed;
using fakes::MemoryFiles;
using patchrun::Outcome;
using patchrun::PatchRunOrder;
using patchrun::RunState;
using patchrun::State;

inline const std::string kRunId = "11111111-2222-4333-8444-555555555555";
inline const std::string kPackagesPath = "/fake/packages.json";

inline fleet::Offer offer(std::string name, std::string version) {
  fleet::Offer made;
  made.name = std::move(name);
  made.arch = "amd64";
  made.version = std::move(version);
  made.size_bytes = 1'000;
  return made;
}

class FakeProbe final : public HealthProbe {
 public:
  using Read = std::function<ProbeReading(const ProbeReading* before)>;
  FakeProbe(std::string name, Read read) : name_(std::move(name)), read_(std::move(read)) {}
  std::string_view name() const override { return name_; }
  Result<ProbeReading> measure(Duration, const ProbeReading* before) override {
    return read_ ? read_(before) : ProbeReading{true, "well", {}};
  }

 private:
  std::string name_;
  Read read_;
};

// One machine with three packages, two of which have an update that brings a third one in.
struct Machine {
  fakes::ManualClock clock;
  MemoryFiles disk{&clock};
  fakes::ScriptedProcesses processes;
  FakeHost host;
  StatePaths paths{"/state"};

  Machine() {
    FakeState state;
    state.installed.packages = {{"curl", "amd64", "1"}, {"libc6", "amd64", "1"}, {"vim", "amd64", "1"}};
    state.offers.offers = {offer("curl", "1"),  offer("curl", "2"),   offer("libc6", "1"),
                           offer("libc6", "2"), offer("libnew", "1"), offer("vim", "1")};
    state.restart_needed = {"ssh.service"};
    disk.put(kPackagesPath, json::encode_text(state));
    disk.put("/state/orders/" + kRunId + "/order.json", "{}");
  }

  // How the probes of an order read, by name: well unless told otherwise here.
  std::map<std::string, std::function<ProbeReading(const ProbeReading* before)>> health;
  ProbeMaker probes() {
    return [this](const std::vector<patchrun::ProbeSpec>& specs) -> Result<std::vector<std::unique_ptr<HealthProbe>>> {
      std::vector<std::unique_ptr<HealthProbe>> made;
      for (const auto& spec : specs) made.push_back(std::make_unique<FakeProbe>(spec.name, health[spec.name]));
      return made;
    };
  }

  FakePackageManager packages() { return {Host{disk, processes, clock}, kPackagesPath}; }
  FakeState state() { return packages().load().value(); }
  void set_fault(FakeFault fault, std::string package = "", int times = 1) {
    auto now = state();
    now.faults.push_back({fault, std::move(package), times});
    disk.put(kPackagesPath, json::encode_text(now));
  }
  std::set<std::string> installed() {
    std::set<std::string> all;
    for (const auto& p : state().installed.packages) all.insert(p.name + "=" + p.version);
    return all;
  }
  bool whole() { return state().broken.empty(); }
};

inline const std::set<std::string> kBefore{"curl=1", "libc6=1", "vim=1"};
inline const std::set<std::string> kAfter{"curl=2", "libc6=2", "libnew=1", "vim=1"};

inline PatchRunOrder order_for_both() {
  PatchRunOrder order;
  order.changes = {
      {"curl", "amd64", "1", "2", "", 0}, {"libc6", "amd64", "1", "2", "", 0}, {"libnew", "amd64", "", "1", "", 0}};
  return order;
}

inline Result<RunState> drive(Machine& machine, const PatchRunOrder& order,
                              std::vector<SnapshotProvider*> snapshots = {}) {
  auto packages = machine.packages();
  RunTools tools{machine.disk, packages, machine.host, machine.clock, std::move(snapshots), machine.probes(), {}};
  return RunDriver(tools, machine.paths).run(kRunId, order, machine.clock.now() + std::chrono::hours(1));
}

inline RunState drive_to_end(Machine& machine, const PatchRunOrder& order,
                             std::vector<SnapshotProvider*> snapshots = {}) {
  auto run = drive(machine, order, std::move(snapshots));
  EXPECT_TRUE(run.ok()) << run.error().chain();
  return run.ok() ? *run : RunState{};
}

inline std::string told(const RunState& run) {
  std::string text = run.outcome ? boost::describe::enum_to_string(*run.outcome, "?") : "no outcome";
  for (const auto& step : run.steps) text += " | " + step.state + (step.detail.empty() ? "" : ": " + step.detail);
  for (const auto& problem : run.problems) text += "\n  problem: " + problem.subject + " " + problem.detail;
  return text;
}

// What every end promises, whatever happened on the way.
inline void expect_honest(Machine& machine, const RunState& run, const std::string& how) {
  SCOPED_TRACE(how + "\n" + told(run));
  ASSERT_TRUE(run.outcome);
  switch (*run.outcome) {
    case Outcome::committed:
    case Outcome::nothing_to_do:
      EXPECT_EQ(machine.installed(), kAfter);
      EXPECT_TRUE(machine.whole());
      break;
    case Outcome::refused:
    case Outcome::rolled_back:
      EXPECT_EQ(machine.installed(), kBefore);
      EXPECT_TRUE(machine.whole());
      break;
    case Outcome::rollback_failed:
    case Outcome::inconsistent:
    case Outcome::left_as_is: ADD_FAILURE() << "the fakes leave a way back, so it must be found"; break;
  }
}

}  // namespace belay::agent
