#include "agent/runner/run_driver.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/snapshots/fake_snapshots.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using fakes::Killed;
using fakes::MemoryFiles;
using patchrun::Outcome;
using patchrun::PatchRunOrder;
using patchrun::RunState;
using patchrun::State;

const std::string kRunId = "11111111-2222-4333-8444-555555555555";
const std::string kPackagesPath = "/fake/packages.json";

fleet::Offer offer(std::string name, std::string version) {
  fleet::Offer made;
  made.name = std::move(name);
  made.arch = "amd64";
  made.version = std::move(version);
  made.size_bytes = 1'000;
  return made;
}

// One machine with three packages, two of which have an update that brings a third one in.
struct Machine {
  MemoryFiles disk;
  fakes::ManualClock clock;
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

const std::set<std::string> kBefore{"curl=1", "libc6=1", "vim=1"};
const std::set<std::string> kAfter{"curl=2", "libc6=2", "libnew=1", "vim=1"};

PatchRunOrder order_for_both() {
  PatchRunOrder order;
  order.changes = {
      {"curl", "amd64", "1", "2", "", 0}, {"libc6", "amd64", "1", "2", "", 0}, {"libnew", "amd64", "", "1", "", 0}};
  return order;
}

Result<RunState> drive(Machine& machine, const PatchRunOrder& order, std::vector<SnapshotProvider*> snapshots = {}) {
  auto packages = machine.packages();
  RunTools tools{machine.disk, packages, machine.host, machine.clock, std::move(snapshots), {}, {}};
  return RunDriver(tools, machine.paths).run(kRunId, order, machine.clock.now() + std::chrono::hours(1));
}

RunState drive_to_end(Machine& machine, const PatchRunOrder& order) {
  auto run = drive(machine, order);
  EXPECT_TRUE(run.ok()) << run.error().chain();
  return run.ok() ? *run : RunState{};
}

std::string told(const RunState& run) {
  std::string text = run.outcome ? boost::describe::enum_to_string(*run.outcome, "?") : "no outcome";
  for (const auto& step : run.steps) text += " | " + step.state + (step.detail.empty() ? "" : ": " + step.detail);
  for (const auto& problem : run.problems) text += "\n  problem: " + problem.subject + " " + problem.detail;
  return text;
}

// What every end promises, whatever happened on the way.
void expect_honest(Machine& machine, const RunState& run, const std::string& how) {
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
    case Outcome::inconsistent: ADD_FAILURE() << "the fakes leave a way back, so it must be found"; break;
  }
}

TEST(RunDriver, CommitsWhatWasOrdered) {
  Machine machine;
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(machine.installed(), kAfter);
  EXPECT_EQ(run.changed.size(), 3u);
  EXPECT_EQ(run.restart_needed, std::vector<std::string>{"ssh.service"});
  EXPECT_TRUE(run.problems.empty()) << told(run);
}

TEST(RunDriver, ASecondRunOfTheSameOrderHasNothingToDo) {
  Machine machine;
  ASSERT_EQ(drive_to_end(machine, order_for_both()).outcome, Outcome::committed);
  ASSERT_TRUE(machine.disk.remove(machine.paths.journal(kRunId)).ok());
  EXPECT_EQ(drive_to_end(machine, order_for_both()).outcome, Outcome::nothing_to_do);
}

TEST(RunDriver, AFinishedRunIsNotRunAgain) {
  Machine machine;
  ASSERT_EQ(drive_to_end(machine, order_for_both()).outcome, Outcome::committed);
  const auto installs = machine.state().installs;
  EXPECT_EQ(drive_to_end(machine, order_for_both()).outcome, Outcome::committed);
  EXPECT_EQ(machine.state().installs, installs);
}

struct FaultRow {
  const char* name;
  FakeFault fault;
  const char* package;
  int times;
  Outcome outcome;
};
class RunDriverFault : public testing::TestWithParam<FaultRow> {};
TEST_P(RunDriverFault, EndsAsItMust) {
  Machine machine;
  machine.set_fault(GetParam().fault, GetParam().package, GetParam().times);
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, GetParam().outcome) << told(run);
  EXPECT_FALSE(run.problems.empty());
  expect_honest(machine, run, GetParam().name);
}
INSTANTIATE_TEST_SUITE_P(Table, RunDriverFault,
                         testing::Values(FaultRow{"removes", FakeFault::simulate_removes, "vim", -1, Outcome::refused},
                                         FaultRow{"download", FakeFault::download_fails, "", -1, Outcome::refused},
                                         FaultRow{"hold", FakeFault::hold_fails, "libc6", -1, Outcome::refused},
                                         FaultRow{"lock", FakeFault::lock_held, "", 1, Outcome::rolled_back},
                                         FaultRow{"disk", FakeFault::disk_full, "", 1, Outcome::rolled_back},
                                         FaultRow{"script", FakeFault::script_fails, "libc6", 1, Outcome::rolled_back},
                                         FaultRow{"half_way", FakeFault::stops_half_way, "curl", 1,
                                                  Outcome::rolled_back},
                                         FaultRow{"lies", FakeFault::lies, "libc6", 1, Outcome::rolled_back}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(RunDriver, WaitsForAnotherPackageManagerInTheMiddleOfItsWork) {
  Machine machine;
  auto state = machine.state();
  state.broken = {{"vim", "unconfigured"}};
  state.faults = {{FakeFault::in_use, "", 3}};
  machine.disk.put(kPackagesPath, json::encode_text(state));
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(run.output.find("mended"), std::string::npos) << "it was not broken";
}

TEST(RunDriver, OneThatStaysAtWorkIsNamedAndLeftAlone) {
  Machine machine;
  auto state = machine.state();
  state.broken = {{"vim", "unconfigured"}};
  state.faults = {{FakeFault::in_use, "", -1}};
  machine.disk.put(kPackagesPath, json::encode_text(state));
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  ASSERT_EQ(run.problems.size(), 1u) << told(run);
  EXPECT_EQ(run.problems[0].reason, fleet::Reason::lock_held);
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_FALSE(machine.whole()) << "nobody repairs under another's hands";
}

TEST(RunDriver, WhatCannotBePutBackIsToldAsSuch) {
  Machine machine;
  machine.set_fault(FakeFault::broken_for_good, "libc6", -1);
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::rollback_failed) << told(run);
  EXPECT_FALSE(run.problems.empty());
}

TEST(RunDriver, AnOrderMadeForOtherVersionsIsRefused) {
  Machine machine;
  auto order = order_for_both();
  order.changes[0].from_version = "0.9";
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::refused);
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_NE(run.problems.at(0).detail.find("0.9"), std::string::npos);
}

TEST(RunDriver, WhatTheOrderDoesNotListIsNotPulledIn) {
  Machine machine;
  auto state = machine.state();
  state.needs = {{"curl", {"libnew"}}};
  machine.disk.put(kPackagesPath, json::encode_text(state));
  auto order = order_for_both();
  order.changes.pop_back();  // libnew
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  EXPECT_EQ(machine.installed(), kBefore);
}

TEST(RunDriver, AFullDiskIsRefusedBeforeAnythingIsDone) {
  Machine machine;
  machine.disk.set_space({100u << 20, 60u << 20, 1'000});  // less than the reserve of 64 MiB
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::refused);
  ASSERT_FALSE(run.problems.empty());
  EXPECT_EQ(run.problems[0].reason, fleet::Reason::disk_full);
}

TEST(RunDriver, AnExpiredOrderIsRefused) {
  Machine machine;
  auto packages = machine.packages();
  RunTools tools{machine.disk, packages, machine.host, machine.clock, {}, {}, {}};
  const auto run =
      RunDriver(tools, machine.paths).run(kRunId, order_for_both(), machine.clock.now() - std::chrono::seconds(1));
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->outcome, Outcome::refused);
  EXPECT_EQ(machine.installed(), kBefore);
}

TEST(RunDriver, ACancelIsHeardBeforeTheChange) {
  Machine machine;
  machine.disk.put(machine.paths.cancel(kRunId), "");
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::refused);
  EXPECT_TRUE(run.cancelled);
  EXPECT_EQ(machine.installed(), kBefore);
}

TEST(RunDriver, RebootsWhereItIsNeededAndGoesOnInTheNextBoot) {
  Machine machine;
  machine.host.needs_reboot = true;
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_TRUE(run.rebooted);
  EXPECT_FALSE(run.reboot_pending);
  EXPECT_EQ(machine.host.boots, 2);
}

// The bus of a machine that goes down is gone before the run is.
TEST(RunDriver, AMachineThatIsGoingDownAlreadyIsAskedAgain) {
  Machine machine;
  machine.host.refusals = 5;
  auto order = order_for_both();
  order.reboot = patchrun::Reboot::always;
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_TRUE(run.rebooted);
  EXPECT_TRUE(run.problems.empty()) << told(run);
}

TEST(RunDriver, NeverMeansNever) {
  Machine machine;
  machine.host.needs_reboot = true;
  auto order = order_for_both();
  order.reboot = patchrun::Reboot::never;
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_TRUE(run.reboot_pending);
  EXPECT_EQ(machine.host.boots, 1);
}

TEST(RunDriver, ARebootThatDoesNotComeIsToldNotPunished) {
  for (const bool refuses : {true, false}) {
    Machine machine;
    machine.host.needs_reboot = true;
    machine.host.refuses_reboot = refuses;
    machine.host.ignores_reboot = !refuses;
    const auto run = drive_to_end(machine, order_for_both());
    EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
    EXPECT_TRUE(run.reboot_pending);
    ASSERT_EQ(run.problems.size(), 1u);
    EXPECT_EQ(run.problems[0].reason, fleet::Reason::reboot_pending);
  }
}

TEST(RunDriver, AJournalThatCannotBeReadStopsEverything) {
  Machine machine;
  machine.disk.put(machine.paths.journal(kRunId), "{\"format\": 1, \"state\": \"instal");
  const auto run = drive(machine, order_for_both());
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code(), Code::corrupt);
  EXPECT_EQ(machine.installed(), kBefore);
}

TEST(RunDriver, AJournalThatCannotBeWrittenStopsEverything) {
  Machine machine;
  machine.disk.set_bytes_free(0);
  EXPECT_FALSE(drive(machine, order_for_both()).ok());
  machine.disk.set_bytes_free(std::nullopt);
  EXPECT_EQ(machine.installed(), kBefore);
}

TEST(RunDriver, SnapshotsAreTakenAndLetGo) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  auto run = drive(machine, order_for_both(), {&snapshots});
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->outcome, Outcome::committed) << told(*run);
  EXPECT_EQ(snapshots.created(), 1);
  EXPECT_TRUE(snapshots.list()->empty());
}

TEST(RunDriver, ASnapshotIsRestoredWherePackagesCannotBePutBack) {
  Machine machine;
  machine.set_fault(FakeFault::broken_for_good, "libc6", -1);
  const auto before = machine.disk.read(kPackagesPath, 1 << 20).value();
  FakeSnapshots snapshots(machine.clock);
  snapshots.on_restore = [&] {
    auto state = json::decode_text<FakeState>(before).value();
    state.faults.clear();
    machine.disk.put(kPackagesPath, json::encode_text(state));
  };
  auto run = drive(machine, order_for_both(), {&snapshots});
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->outcome, Outcome::rolled_back) << told(*run);
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_TRUE(run->rebooted);
}

// ---- dying at every change of the disk, the package manager's own included

struct Scenario {
  const char* name;
  std::vector<FakeFaultRow> faults;
  bool needs_reboot;
};
const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"straight", {}, false},
      {"reboot", {}, true},
      {"script fails", {{FakeFault::script_fails, "libc6", 1}}, false},
      {"stops half way", {{FakeFault::stops_half_way, "curl", 1}}, false},
      {"lies after a reboot", {{FakeFault::lies, "curl", 1}}, true},
      {"refused", {{FakeFault::download_fails, "", -1}}, false},
  };
  return all;
}

void set_up(Machine& machine, const Scenario& scenario) {
  for (const auto& fault : scenario.faults) machine.set_fault(fault.fault, fault.package, fault.times);
  machine.host.needs_reboot = scenario.needs_reboot;
}

enum class After { process_restart, power_cut };

// Drives until it ends; each time it dies, what the machine lost is lost and the next process goes on.
RunState drive_through_deaths(Machine& machine, After after, int* deaths) {
  const auto order = order_for_both();
  for (int attempt = 0; attempt < 100; ++attempt) {
    try {
      auto run = drive(machine, order);
      if (run.ok()) return *run;
      ADD_FAILURE() << run.error().chain();
      return {};
    } catch (const Killed&) {
      if (deaths) *deaths += 1;
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
  Machine machine;
  set_up(machine, scenario);
  const int before = machine.disk.change_count();
  static_cast<void>(drive(machine, order_for_both()));
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
          Machine machine;
          set_up(machine, scenario);
          machine.disk.kill_at(at, kind);
          bool killed = false;
          try {
            static_cast<void>(drive(machine, order_for_both()));
          } catch (const Killed&) {
            killed = true;
            after == After::power_cut ? machine.disk.power_cut() : machine.disk.restart();
            if (after == After::power_cut) machine.host.reboot();
            died[died_in(machine)] += 1;
          }
          EXPECT_TRUE(killed);
          const auto run = drive_through_deaths(machine, after, nullptr);
          expect_honest(
              machine, run,
              std::string(scenario.name) + ", change " + std::to_string(at) + " of " + std::to_string(changes));
        }
  }
  // The scenarios together die in every state of the table but the first two and those only a snapshot leads to.
  for (const char* state : {"checking", "protecting", "downloading", "installing", "rebooting", "verifying",
                            "committing", "rolling_back", "rollback_rebooting", "verifying_rollback", "finished"})
    EXPECT_GT(died[state], 0) << "no death in " << state;
}

TEST(RunDriverKill, DiesTwiceAndMoreAtRandomAndEndsHonestly) {
  log::set_level(log::Level::error);
  constexpr unsigned kSeed = 4711;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (int round = 0; round < 150; ++round) {
    const auto& scenario = scenarios()[random() % scenarios().size()];
    Machine machine;
    set_up(machine, scenario);
    const int deaths = 2 + static_cast<int>(random() % 4);
    RunState run;
    for (int death = 0; death < deaths; ++death) {
      machine.disk.kill_at(1 + static_cast<int>(random() % 12),
                           random() % 2 == 0 ? MemoryFiles::Kill::before : MemoryFiles::Kill::after);
      const auto after = random() % 2 == 0 ? After::power_cut : After::process_restart;
      try {
        static_cast<void>(drive(machine, order_for_both()));
      } catch (const Killed&) {
      }
      if (after == After::power_cut) {
        machine.disk.power_cut();
        machine.host.reboot();
      } else {
        machine.disk.restart();
      }
    }
    run = drive_through_deaths(machine, After::process_restart, nullptr);
    expect_honest(machine, run, std::string(scenario.name) + ", round " + std::to_string(round));
  }
}

}  // namespace
}  // namespace belay::agent
