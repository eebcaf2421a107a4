// The rungs of the ladder back on one machine, and what is left where they end.
#include "agent/runner/kept_snapshots.hpp"
#include "agent/runner/run_fixture_test.hpp"

namespace belay::agent {
namespace {

PatchRunOrder watched_order() {
  auto order = order_for_both();
  order.probes = {{.name = "web", .disk = patchrun::DiskProbe{}}};
  return order;
}

// Ill as soon as the new packages were there once, until a snapshot is put back: packages alone do not help.
struct Spoiled {
  Machine machine;
  FakeSnapshots snapshots{machine.clock};
  std::map<std::string, std::string> disk_then;  // when the snapshot was taken
  bool spoiled = false;

  Spoiled() {
    snapshots.needs_reboot = true;
    machine.health["web"] = [this](const ProbeReading*) {
      if (disk_then.empty()) disk_then = machine.disk.content();
      spoiled = spoiled || machine.installed().contains("curl=2");
      return ProbeReading{!spoiled, spoiled ? "data is of the new format" : "up", {}};
    };
    snapshots.on_restore = [this] {
      spoiled = false;
      machine.disk.put(kPackagesPath, disk_then.at(kPackagesPath));
    };
  }
};

TEST(RunLadder, ASnapshotIsPutBackWherePackagesDoNotHelp) {
  Spoiled node;
  const auto run = drive_to_end(node.machine, watched_order(), {&node.snapshots});
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_EQ(run.rungs, (std::vector<std::string>{"restart", "packages", "snapshot"}));
  EXPECT_EQ(node.machine.installed(), kBefore);
  EXPECT_TRUE(run.rebooted);
  EXPECT_TRUE(node.snapshots.list()->empty()) << "it has served";
}

TEST(RunLadder, WithoutASnapshotAPersonMustLook) {
  Spoiled node;
  const auto run = drive_to_end(node.machine, watched_order());
  EXPECT_EQ(run.outcome, Outcome::rollback_failed) << told(run);
  EXPECT_EQ(run.rungs, (std::vector<std::string>{"restart", "packages"}));
  EXPECT_EQ(node.machine.installed(), kBefore);
  EXPECT_NE(run.problems.back().detail.find("data is of the new format"), std::string::npos);
}

TEST(RunLadder, WhatIsLeftOfAFailureIsToldApartFromPackages) {
  Spoiled node;
  const auto run = drive_to_end(node.machine, watched_order());
  EXPECT_EQ(patchrun::report(run).still_ill, "web") << "packages are as found, and it is ill all the same";
  Spoiled cured;
  EXPECT_EQ(drive_to_end(cured.machine, watched_order(), {&cured.snapshots}).still_ill, "");
  Spoiled broken;
  broken.machine.health["web"] = [&](const ProbeReading*) {
    const bool changed = broken.machine.installed().contains("curl=2");
    return ProbeReading{!changed, "ill", {}};
  };
  broken.machine.set_fault(FakeFault::broken_for_good, "libc6", 20);
  const auto failed = drive_to_end(broken.machine, watched_order());
  EXPECT_EQ(failed.still_ill, "") << told(failed);
}

// After its data was put back: only the probes are read, against what they said before that run.
TEST(RunLadder, AnOrderWithoutChangesOnlyMeasures) {
  for (const bool healed : {true, false}) {
    Spoiled node;
    ASSERT_EQ(drive_to_end(node.machine, watched_order()).outcome, Outcome::rollback_failed);
    node.spoiled = !healed;
    auto measure = watched_order();
    measure.changes.clear();
    measure.undoes = kRunId;
    measure.reboot = patchrun::Reboot::always;
    measure.hold_old_versions = false;
    const std::string id = "22222222-2222-4333-8444-555555555555";
    node.machine.disk.put("/state/orders/" + id + "/order.json", "{}");
    auto packages = node.machine.packages();
    RunTools tools{node.machine.disk,     packages, node.machine.host, node.machine.clock, {&node.snapshots},
                   node.machine.probes(), {}};
    const auto boots = node.machine.host.boots;
    const auto run =
        RunDriver(tools, node.machine.paths).run(id, measure, node.machine.clock.now() + std::chrono::hours(1));
    ASSERT_TRUE(run.ok()) << run.error().chain();
    EXPECT_EQ(run->outcome, healed ? Outcome::nothing_to_do : Outcome::refused) << told(*run);
    EXPECT_EQ(node.machine.installed(), kBefore);
    EXPECT_EQ(node.machine.host.boots, boots) << "it changes nothing";
    EXPECT_TRUE(node.snapshots.list()->empty());
    ASSERT_FALSE(run->probe_turns.empty());
    EXPECT_EQ(run->probe_turns.back().healthy, healed);
    if (!healed) EXPECT_EQ(run->problems.back().subject, "web");
  }
}

// A probe that was ill before the change is nobody's to heal; that is known after the failed run, too.
TEST(RunLadder, WhatWasIllBeforeTheFailedRunIsNotAskedOfItsData) {
  Spoiled node;
  node.machine.health["old"] = [](const ProbeReading*) { return ProbeReading{false, "long since", {}}; };
  auto order = watched_order();
  order.probes.push_back({.name = "old", .disk = patchrun::DiskProbe{}});
  order.ill_before = patchrun::IllBefore::patch;
  ASSERT_EQ(drive_to_end(node.machine, order).still_ill, "web");
  node.spoiled = false;
  order.changes.clear();
  order.undoes = kRunId;
  auto packages = node.machine.packages();
  RunTools tools{node.machine.disk, packages, node.machine.host, node.machine.clock, {}, node.machine.probes(), {}};
  const std::string id = "22222222-2222-4333-8444-555555555555";
  node.machine.disk.put("/state/orders/" + id + "/order.json", "{}");
  const auto run =
      RunDriver(tools, node.machine.paths).run(id, order, node.machine.clock.now() + std::chrono::hours(1));
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->outcome, Outcome::nothing_to_do) << told(*run);
}

TEST(RunLadder, ASnapshotThatWasDeletedBehindOurBackIsNamed) {
  Spoiled node;
  node.machine.host.on_restart = [&] {
    const auto all = node.snapshots.list().value();
    for (const auto& snapshot : all) EXPECT_TRUE(node.snapshots.remove(snapshot).ok());
  };
  const auto run = drive_to_end(node.machine, watched_order(), {&node.snapshots});
  EXPECT_EQ(run.outcome, Outcome::rollback_failed) << told(run);
  EXPECT_EQ(node.machine.installed(), kBefore) << "the packages are back all the same";
  EXPECT_TRUE(std::ranges::any_of(run.problems, [](const auto& problem) {
    return problem.subject.starts_with("fake:") && problem.detail.find("not there any more") != std::string::npos;
  })) << told(run);
}

TEST(RunLadder, ARestoreThatTakesEffectAtOnceNeedsNoReboot) {
  Spoiled node;
  node.snapshots.needs_reboot = false;
  auto order = watched_order();
  order.reboot = patchrun::Reboot::never;
  const auto run = drive_to_end(node.machine, order, {&node.snapshots});
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_EQ(node.machine.host.boots, 1);
}

TEST(RunLadder, NoRebootWhereTheOrderRulesItOut) {
  Spoiled node;
  auto order = watched_order();
  order.reboot = patchrun::Reboot::never;
  node.snapshots.on_restore = {};  // it would come with the next boot
  const auto run = drive_to_end(node.machine, order, {&node.snapshots});
  EXPECT_EQ(run.outcome, Outcome::rollback_failed) << told(run);
  EXPECT_TRUE(run.reboot_pending);
  EXPECT_EQ(node.machine.host.boots, 1);
  EXPECT_EQ(node.machine.host.reboot_requests, 0);
  ASSERT_EQ(node.snapshots.list()->size(), 1u) << "it is there for a person";
  const auto left = tidy_snapshots(node.machine.disk, node.machine.paths, {&node.snapshots}, node.machine.clock.now());
  ASSERT_EQ(left.size(), 1u);
  EXPECT_NE(left[0].detail.find("needs a person"), std::string::npos) << left[0].detail;
}

// The root snapshot holds the run's own journal, as it was then.
TEST(RunLadder, ANodeThatWasPutBackWithItsJournalDoesNotBeginAgain) {
  Spoiled node;
  class Rebooting final : public FakeHost {
   public:
    explicit Rebooting(Spoiled& spoiled) : node_(spoiled) {}
    Waited await_reboot(Duration) override {
      for (const auto& [path, content] : node_.disk_then) node_.machine.disk.put(path, content);
      reboot();
      throw Killed{};
    }

   private:
    Spoiled& node_;
  };
  Rebooting host(node);
  auto packages = node.machine.packages();
  RunTools tools{node.machine.disk, packages, host, node.machine.clock, {&node.snapshots}, node.machine.probes(), {}};
  const auto go = [&] {
    return RunDriver(tools, node.machine.paths).run(kRunId, watched_order(), node.machine.clock.now());
  };
  EXPECT_THROW(static_cast<void>(go()), Killed);
  EXPECT_EQ(node.machine.installed(), kBefore);
  const auto run = go();
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->outcome, Outcome::refused) << told(*run);
  EXPECT_NE(run->problems.at(0).detail.find("not begun again"), std::string::npos) << told(*run);
  EXPECT_EQ(node.machine.state().installs, 0u);
}

TEST(RunLadder, AFailedInstallGoesStraightToThePackages) {
  Machine machine;
  machine.set_fault(FakeFault::script_fails, "libc6");
  const auto run = drive_to_end(machine, watched_order());
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_EQ(run.rungs, std::vector<std::string>{"packages"});
}

TEST(RunLadder, WhatIsToBeLeftIsLeft) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  machine.health["web"] = [&](const ProbeReading*) {
    return ProbeReading{!machine.installed().contains("curl=2"), "status 502", {}};
  };
  auto order = watched_order();
  order.on_failure = patchrun::OnFailure::leave;
  const auto run = drive_to_end(machine, order, {&snapshots});
  EXPECT_EQ(run.outcome, Outcome::left_as_is) << told(run);
  EXPECT_EQ(machine.installed(), kAfter);
  EXPECT_TRUE(run.rungs.empty());
  EXPECT_TRUE(machine.host.restarted.empty());
  EXPECT_EQ(run.problems.at(0).subject, "web");
  EXPECT_EQ(snapshots.list()->size(), 1u) << "the way back is kept for a person";
}

TEST(RunLadder, AnOrderedRollbackIsARunLikeAnyOther) {
  Machine machine;
  ASSERT_EQ(drive_to_end(machine, order_for_both()).outcome, Outcome::committed);
  ASSERT_TRUE(machine.disk.remove(machine.paths.journal(kRunId)).ok());
  auto state = machine.state();  // the archive has moved on: the old version is only held
  std::erase_if(state.offers.offers, [](const auto& o) { return o.name == "curl" && o.version == "1"; });
  machine.disk.put(kPackagesPath, json::encode_text(state));
  PatchRunOrder back;
  back.undoes = kRunId;
  back.allow_downgrade = true;
  back.changes = {
      {"curl", "amd64", "2", "1", "", 0}, {"libc6", "amd64", "2", "1", "", 0}, {"libnew", "amd64", "1", "", "", 0}};
  const auto run = drive_to_end(machine, back);
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_EQ(patchrun::report(run).undoes, kRunId);
}

// ---- a kernel on trial

PatchRunOrder with_a_new_kernel(Machine& machine) {
  machine.host.needs_reboot = true;
  machine.host.new_kernel = "6.1.0-56";
  return order_for_both();
}

TEST(RunKernel, TheNewOneIsKeptOnceTheRunHasVerifiedIt) {
  Machine machine;
  const auto run = drive_to_end(machine, with_a_new_kernel(machine));
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(machine.host.kernel, "6.1.0-56");
  EXPECT_EQ(machine.host.trial.wanted, "") << "the trial has ended";
  EXPECT_NE(told(run).find("kernel 6.1.0-56 is booted once, 6.1.0-50 until it is verified"), std::string::npos);
}

TEST(RunKernel, OneThatDoesNotComeUpIsRolledBackUnderTheOldOne) {
  Machine machine;
  auto order = with_a_new_kernel(machine);
  machine.host.new_kernel_fails = true;
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_NE(told(run).find("kernel 6.1.0-56 did not come up: the machine fell back to 6.1.0-50"), std::string::npos);
  EXPECT_EQ(told(run).find("falling_back"), std::string::npos) << "it has fallen back by itself";
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_EQ(machine.host.trial.wanted, "");
}

TEST(RunKernel, OneUnderWhichTheNodeIsIllIsLeftBeforeItIsRemoved) {
  Machine machine;
  auto order = with_a_new_kernel(machine);
  order.probes = {{.name = "web", .command = patchrun::CommandProbe{}}};
  machine.health["web"] = [&](const ProbeReading*) {
    return ProbeReading{machine.host.kernel == "6.1.0-50", "asked", {}};
  };
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_EQ(machine.host.kernel, "6.1.0-50");
  EXPECT_EQ(machine.installed(), kBefore);
  std::string order_of;
  for (const auto& step : run.steps) order_of += step.state + " ";
  EXPECT_NE(order_of.find("verifying falling_back rolling_back "), std::string::npos) << order_of;
}

TEST(RunKernel, ABootMenuThatCannotBePutBackIsTold) {
  Machine machine;
  auto order = with_a_new_kernel(machine);
  machine.host.ends_no_trial = true;
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  ASSERT_EQ(run.problems.size(), 1u) << told(run);
  EXPECT_NE(run.problems[0].detail.find("boot menu"), std::string::npos);
}

// The change is on the node, and an order takes it back; `well` says how the service is.
patchrun::RunState taken_back(Machine& machine, const std::function<ProbeReading(const ProbeReading*)>& well_after,
                              bool forgotten = false) {
  machine.health["web"] = [](const ProbeReading*) { return ProbeReading{true, "up", {{"seen", "before"}}}; };
  EXPECT_EQ(drive_to_end(machine, watched_order()).outcome, Outcome::committed);
  EXPECT_TRUE(machine.disk.remove(machine.paths.journal(kRunId)).ok());
  if (forgotten) EXPECT_TRUE(machine.disk.remove(machine.paths.probes_before()).ok());
  machine.health["web"] = well_after;
  auto back = watched_order();
  back.undoes = kRunId;
  back.allow_downgrade = true;
  back.changes = {
      {"curl", "amd64", "2", "1", "", 0}, {"libc6", "amd64", "2", "1", "", 0}, {"libnew", "amd64", "1", "", "", 0}};
  return drive_to_end(machine, back);
}

TEST(RunLadder, AnOrderedRollbackIsJudgedByHowTheNodeWasBeforeTheRunThatItTakesBack) {
  for (const bool forgotten : {false, true}) {
    Machine machine;
    bool compared = false;
    const auto run = taken_back(
        machine,
        [&](const ProbeReading* before) {
          compared = compared || (before && before->values.contains("seen"));
          const bool back = machine.installed() == kBefore;
          return ProbeReading{back, back ? "up" : "status 502", {}};
        },
        forgotten);
    EXPECT_EQ(run.outcome, Outcome::committed) << "ill before it, which is why it was ordered: " << told(run);
    EXPECT_EQ(machine.installed(), kBefore);
    EXPECT_EQ(compared, !forgotten) << "compared with the moment before the run, where that is known";
    ASSERT_EQ(run.probe_turns.size(), 2u);
    EXPECT_FALSE(run.probe_turns[0].healthy);
    EXPECT_TRUE(run.probe_turns[1].healthy);
  }
}

TEST(RunLadder, AnOrderedRollbackThatDoesNotHelpIsToldAndLeft) {
  for (const bool forgotten : {false, true}) {
    Machine machine;
    const auto run =
        taken_back(machine, [](const ProbeReading*) { return ProbeReading{false, "status 502", {}}; }, forgotten);
    EXPECT_EQ(run.outcome, Outcome::left_as_is) << told(run);
    EXPECT_EQ(machine.installed(), kBefore) << "the new versions are not put there again";
    ASSERT_FALSE(run.problems.empty());
    EXPECT_NE(run.problems[0].detail.find("the old versions are back"), std::string::npos) << told(run);
  }
}

TEST(RunLadder, WhatHealsAWhileAfterARollbackIsWell) {
  Machine machine;
  int readings = 0;
  const auto run = taken_back(machine, [&](const ProbeReading*) {
    return ProbeReading{machine.installed() == kBefore && ++readings > 4, "starting", {}};
  });
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
}

}  // namespace
}  // namespace belay::agent
