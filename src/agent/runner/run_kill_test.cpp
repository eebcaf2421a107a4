// Dying at every change of the disk, the package manager's own included.
#include <random>

#include "agent/runner/run_fixture_test.hpp"

namespace belay::agent {
namespace {

enum class Probe { none, healthy, ill_until_restart, ill_until_rollback, ill_until_restore, ill_under_new_kernel };

struct Scenario {
  const char* name;
  std::vector<FakeFaultRow> faults;
  bool needs_reboot;
  Probe probe = Probe::none;
  bool restart_services = false;
  const char* new_kernel = "";
};
const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"straight", {}, false},
      {"reboot", {}, true},
      {"script fails", {{FakeFault::script_fails, "libc6", 1}}, false},
      {"stops half way", {{FakeFault::stops_half_way, "curl", 1}}, false},
      {"lies after a reboot", {{FakeFault::lies, "curl", 1}}, true},
      {"refused", {{FakeFault::download_fails, "", -1}}, false},
      {"the gate opens", {}, false, Probe::healthy, true},
      {"a restart cures", {}, false, Probe::ill_until_restart},
      {"the gate closes", {}, false, Probe::ill_until_rollback},
      {"the gate closes after a reboot", {}, true, Probe::ill_until_rollback},
      {"only a snapshot helps", {}, false, Probe::ill_until_restore},
      {"a new kernel", {}, true, Probe::healthy, false, "6.1.0-56"},
      {"a new kernel is ill", {}, true, Probe::ill_under_new_kernel, false, "6.1.0-56"},
  };
  return all;
}

// A machine in a scenario, with what survives the death of a process.
struct Node : Machine {
  explicit Node(const Scenario& scenario) : scenario(scenario) {
    for (const auto& fault : scenario.faults) set_fault(fault.fault, fault.package, fault.times);
    host.needs_reboot = scenario.needs_reboot;
    host.new_kernel = scenario.new_kernel;
    before = disk.read(kPackagesPath, 1 << 20).value();
    snapshots.needs_reboot = true;
    snapshots.on_restore = [this] {
      spoiled = false;
      disk.put(kPackagesPath, before);
    };
    health["web"] = [this](const ProbeReading*) { return ProbeReading{!is_ill(), "as it is", {}}; };
  }

  bool is_ill() {
    const bool is_new = installed().contains("curl=2");
    if (!is_new) restarted_before = host.restarted.size();
    spoiled = spoiled || is_new;
    switch (scenario.probe) {
      case Probe::none:
      case Probe::healthy: return false;
      case Probe::ill_until_restart: return is_new && host.restarted.size() == restarted_before && host.boots == 1;
      case Probe::ill_until_rollback: return is_new;
      case Probe::ill_until_restore: return spoiled;
      case Probe::ill_under_new_kernel: return host.kernel == scenario.new_kernel;
    }
    return false;
  }

  PatchRunOrder order() const {
    auto made = order_for_both();
    made.restart_services = scenario.restart_services;
    made.gate = {Duration(20'000), Duration(10'000), 2};
    if (scenario.probe != Probe::none) made.probes = {{.name = "web", .disk = patchrun::DiskProbe{}}};
    return made;
  }
  Result<RunState> go() { return drive(*this, order(), {&snapshots}); }

  const Scenario& scenario;
  FakeSnapshots snapshots{clock};
  std::string before;
  std::size_t restarted_before = 0;
  bool spoiled = false;
};

enum class After { process_restart, power_cut };

// Drives until it ends; each time it dies, what the machine lost is lost and the next process goes on.
RunState drive_through_deaths(Node& machine, After after) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    try {
      auto run = machine.go();
      if (run.ok()) return *run;
      ADD_FAILURE() << run.error().chain();
      return {};
    } catch (const Killed&) {
      if (after == After::power_cut) {
        machine.disk.power_cut();
        machine.host.reboot();
      } else {
        machine.disk.restart();
      }
    }
  }
  ADD_FAILURE() << "no end";
  return {};
}

std::string died_in(Machine& machine) {
  const auto journal = RunJournal(machine.disk, machine.paths, kRunId).load();
  return journal.ok() && *journal ? boost::describe::enum_to_string((*journal)->state, "?") : "before the journal";
}

int changes_of(const Scenario& scenario) {
  Node machine(scenario);
  const int before = machine.disk.change_count();
  static_cast<void>(machine.go());
  return machine.disk.change_count() - before;
}

TEST(RunDriverKill, DiesOnceAtEveryChangeAndEndsHonestly) {
  log::set_level(log::Level::error);
  std::map<std::string, int> died;
  for (const auto& scenario : scenarios()) {
    const int changes = changes_of(scenario);
    ASSERT_GT(changes, 5) << scenario.name;
    for (int at = 1; at <= changes; ++at)
      for (const auto kind : {MemoryFiles::Kill::before, MemoryFiles::Kill::after, MemoryFiles::Kill::torn})
        for (const auto after : {After::process_restart, After::power_cut}) {
          Node machine(scenario);
          machine.disk.kill_at(at, kind);
          bool killed = false;
          try {
            static_cast<void>(machine.go());
          } catch (const Killed&) {
            killed = true;
            after == After::power_cut ? machine.disk.power_cut() : machine.disk.restart();
            if (after == After::power_cut) machine.host.reboot();
            died[died_in(machine)] += 1;
          }
          EXPECT_TRUE(killed);
          const auto run = drive_through_deaths(machine, after);
          expect_honest(
              machine, run,
              std::string(scenario.name) + ", change " + std::to_string(at) + " of " + std::to_string(changes));
          EXPECT_TRUE(machine.snapshots.list()->empty()) << scenario.name << ", change " << at;
        }
  }
  // The scenarios together die in every state of the table but the first.
  for (const char* state :
       {"checking", "protecting", "downloading", "installing", "rebooting", "restarting", "verifying", "committing",
        "falling_back", "rolling_back", "rollback_rebooting", "verifying_rollback", "restoring", "finished"})
    EXPECT_GT(died[state], 0) << "no death in " << state;
}

TEST(RunDriverKill, DiesTwiceAndMoreAtRandomAndEndsHonestly) {
  log::set_level(log::Level::error);
  constexpr unsigned kSeed = 4711;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (int round = 0; round < 300; ++round) {
    const auto& scenario = scenarios()[random() % scenarios().size()];
    Node machine(scenario);
    const int deaths = 2 + static_cast<int>(random() % 4);
    RunState run;
    for (int death = 0; death < deaths; ++death) {
      machine.disk.kill_at(1 + static_cast<int>(random() % 12),
                           random() % 2 == 0 ? MemoryFiles::Kill::before : MemoryFiles::Kill::after);
      const auto after = random() % 2 == 0 ? After::power_cut : After::process_restart;
      try {
        static_cast<void>(machine.go());
      } catch (const Killed&) {
      }
      if (after == After::power_cut) {
        machine.disk.power_cut();
        machine.host.reboot();
      } else {
        machine.disk.restart();
      }
    }
    run = drive_through_deaths(machine, After::process_restart);
    expect_honest(machine, run, std::string(scenario.name) + ", round " + std::to_string(round));
  }
}

}  // namespace
}  // namespace belay::agent
