#pragma once
// One host: its clock, disk, package manager and probes, and how it dies. What the real agent runs on.
#include <functional>
#include <memory>
#include <string>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/probes/health_probe.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/snapshots/fake_snapshots.hpp"
#include "core/fleet/facts.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"
#include "tests/sim/scenario.hpp"

namespace belay::sim {

// Which part of a host a kill ends.
enum class Dies { run, agent, power, reboot };

class Machine {
 public:
  Machine(const NodePlan& plan, const Scenario& scenario, Random random);

  Duration elapsed() const { return clock.monotonic(); }  // since the simulation began, by this host's own work
  void work(Duration least, Duration most) { clock.advance(random.between(least, most)); }
  agent::FakeState packages() const;
  std::map<std::string, std::string> installed() const;
  // What its service says now: the version that ails it, "" where it is well.
  std::string ails() const;
  fleet::NodeFacts facts() const;
  void change_packages(const std::function<void(agent::FakeState&)>& change);
  std::vector<agent::SnapshotProvider*> snapshot_providers();
  // From now on its archives offer "3", and nothing older.
  void move_archive();
  // After a death: what is left of the disk, and the next boot where it takes one.
  void come_back(Dies how);

  const NodePlan plan;
  const Scenario& scenario;
  Random random;
  fakes::ManualClock clock;
  fakes::MemoryFiles disk{&clock};
  fakes::ScriptedProcesses processes;
  Dies dies = Dies::run;  // how the next kill of the disk is meant
  bool ignores_reboot = false;

  // What the run asks of the host; each call takes its time and lets the node say where the run is.
  class HostSeam final : public agent::FakeHost {
   public:
    explicit HostSeam(Machine& machine) : machine_(machine) {}
    Waited await_reboot(Duration timeout) override;
    void pause(Duration duration) override;

   private:
    Machine& machine_;
  };
  HostSeam host{*this};
  std::unique_ptr<agent::PackageManager> manager;
  agent::FakeSnapshots snapshots{clock};

  std::function<void()> on_progress = [] {};
  std::function<void(const agent::InstallOrder&)> on_install = [](const auto&) {};

 private:
  void note_versions();
  bool archive_moved_ = false;
  std::string kept_packages_;              // as the newest snapshot has them
  std::map<std::string, Duration> since_;  // "package=version", since when it is installed
  friend class Manager;
};

}  // namespace belay::sim
