// Probes and the gate in a run; what they decide over time stands in core/patchrun/gate_test.cpp.
#include "agent/runner/records.hpp"
#include "agent/runner/run_fixture_test.hpp"

namespace belay::agent {
namespace {

PatchRunOrder watched_order() {
  auto order = order_for_both();
  order.probes = {{.name = "web", .disk = patchrun::DiskProbe{}}};
  order.gate = {Duration(30'000), Duration(10'000), 2};
  return order;
}

bool is_new(Machine& machine) { return machine.installed().contains("curl=2"); }

TEST(RunGate, AnIllNodeIsLeftAloneWithTheProbesWords) {
  Machine machine;
  FakeSnapshots snapshots(machine.clock);
  machine.health["web"] = [](const ProbeReading*) { return ProbeReading{false, "connection refused", {}}; };
  const auto run = drive_to_end(machine, watched_order(), {&snapshots});
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  ASSERT_EQ(run.problems.size(), 1u);
  EXPECT_EQ(run.problems[0].subject, "web");
  EXPECT_NE(run.problems[0].detail.find("connection refused"), std::string::npos);
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_EQ(snapshots.created(), 0);
}

TEST(RunGate, WhatWasIllBeforeIsNotBlamedWhereTheOrderSaysSo) {
  Machine machine;
  machine.health["web"] = [](const ProbeReading*) { return ProbeReading{false, "connection refused", {}}; };
  auto order = watched_order();
  order.ill_before = patchrun::IllBefore::patch;
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_TRUE(run.problems.empty()) << told(run);
}

TEST(RunGate, AnAgentThatCannotReadTheProbeDoesNotBegin) {
  Machine machine;
  auto packages = machine.packages();
  RunTools tools{machine.disk, packages, machine.host, machine.clock, {}, {}, {}};
  const auto run = RunDriver(tools, machine.paths).run(kRunId, watched_order(), machine.clock.now());
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->outcome, Outcome::refused) << told(*run);
}

TEST(RunGate, IsWatchedToItsEndAndRemembered) {
  Machine machine;
  int readings = 0;
  bool compared = false;
  machine.health["web"] = [&](const ProbeReading* before) {
    readings += 1;
    compared = before && before->values.at("seen") == "1";
    return ProbeReading{readings != 3, readings != 3 ? "up" : "slow", {{"seen", std::to_string(readings)}}};
  };
  const auto run = drive_to_end(machine, watched_order());
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(readings, 5) << "once before, and at 0, 10, 20 and 30 s";
  EXPECT_TRUE(compared) << "a reading is compared with the one from before";
  const auto report = patchrun::report(run);
  ASSERT_EQ(report.probe_turns.size(), 3u);
  EXPECT_EQ(report.probe_turns[1].detail, "slow");
  EXPECT_TRUE(report.rungs.empty());
}

TEST(RunGate, ClosedItPutsThePackagesBack) {
  Machine machine;
  machine.host.log = "web: cannot open libnew.so.2\n";
  machine.health["web"] = [&](const ProbeReading*) { return ProbeReading{!is_new(machine), "status 502", {}}; };
  auto order = watched_order();
  const auto run = drive_to_end(machine, order);
  // The service that still uses old libraries is begun anew first.
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_EQ(run.rungs, (std::vector<std::string>{"restart", "packages"}));
  EXPECT_EQ(machine.installed(), kBefore);
  EXPECT_NE(run.failure_log.find("libnew"), std::string::npos);
  ASSERT_EQ(run.problems.size(), 1u) << told(run);
  EXPECT_EQ(run.problems[0].subject, "web");
  EXPECT_NE(run.problems[0].detail.find("status 502"), std::string::npos);
  ASSERT_EQ(run.probe_turns.size(), 3u);
  EXPECT_TRUE(run.probe_turns.back().healthy) << "after the rollback it is well";
}

TEST(RunGate, ARestartOfWhatAilsMayCureIt) {
  Machine machine;
  auto order = watched_order();
  order.probes = {{.name = "units", .systemd = patchrun::SystemdProbe{}}};
  machine.health["units"] = [&](const ProbeReading*) {
    const bool ill = is_new(machine) && machine.host.restarted.empty();
    return ProbeReading{
        !ill, ill ? "web.service failed" : "none failed", {{std::string(kUnitsAiling), ill ? "web.service" : ""}}};
  };
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(run.rungs, std::vector<std::string>{"restart"});
  EXPECT_EQ(machine.host.restarted, (std::vector<std::string>{"web.service", "ssh.service"}));
  EXPECT_TRUE(run.problems.empty()) << told(run);
  EXPECT_TRUE(run.restart_needed.empty()) << "it was restarted";
}

TEST(RunGate, AServiceThatDoesNotComeUpIsNoCure) {
  Machine machine;
  machine.host.refuses_restart = true;
  machine.health["web"] = [&](const ProbeReading*) { return ProbeReading{!is_new(machine), "status 502", {}}; };
  const auto run = drive_to_end(machine, watched_order());
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_EQ(run.problems.at(0).subject, "ssh.service");
}

TEST(RunGate, TheWatchIsRepeatedAfterAReboot) {
  Machine machine;
  machine.host.needs_reboot = true;
  machine.health["web"] = [&](const ProbeReading*) {
    return ProbeReading{!(is_new(machine) && machine.host.boots > 1), "status 502", {}};
  };
  const auto run = drive_to_end(machine, watched_order());
  EXPECT_EQ(run.outcome, Outcome::rolled_back) << told(run);
  EXPECT_EQ(machine.host.boots, 3) << "the old packages run after another boot";
}

TEST(RunGate, WithoutProbesNothingIsWaitedFor) {
  Machine machine;
  const auto run = drive_to_end(machine, order_for_both());
  EXPECT_EQ(run.outcome, Outcome::committed);
  EXPECT_TRUE(run.probe_turns.empty());
  EXPECT_TRUE(machine.host.restarted.empty()) << "nothing is restarted unasked";
}

// ---- services

TEST(RunServices, AreRestartedWhereTheOrderSaysSo) {
  Machine machine;
  auto order = order_for_both();
  order.restart_services = true;
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::committed) << told(run);
  EXPECT_EQ(machine.host.restarted, std::vector<std::string>{"ssh.service"});
  EXPECT_TRUE(run.restart_needed.empty());
  EXPECT_TRUE(run.rungs.empty()) << "that is no rollback";
}

TEST(RunServices, AreNotRestartedWhereARebootIsToCome) {
  Machine machine;
  machine.host.needs_reboot = true;
  auto order = order_for_both();
  order.restart_services = true;
  EXPECT_EQ(drive_to_end(machine, order).outcome, Outcome::committed);
  EXPECT_TRUE(machine.host.restarted.empty());
}

// ---- the window's cut-off

TEST(RunEndBy, WhatDoesNotFitIsNotBegun) {
  Machine machine;
  auto order = watched_order();
  order.end_by = machine.clock.now() + std::chrono::minutes(10);
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  EXPECT_EQ(run.problems.at(0).subject, "end_by");
  EXPECT_NE(run.problems[0].detail.find("10 min are left"), std::string::npos) << told(run);
  EXPECT_EQ(machine.installed(), kBefore);
}

TEST(RunEndBy, TheNodesOwnFiguresCount) {
  Machine machine;
  wire::OrderResult earlier;
  earlier.run = patchrun::PatchRunReport{};
  earlier.run->changed.resize(3);
  for (const char* state : {"installing", "rebooting", "rolling_back"})
    earlier.run->steps.push_back({state, machine.clock.now(), Duration(20'000), ""});
  machine.disk.put(machine.paths.archived("11111111-2222-4333-8444-555555555550"), json::encode_text(earlier));
  auto order = watched_order();
  order.end_by = machine.clock.now() + std::chrono::minutes(10);
  EXPECT_EQ(drive_to_end(machine, order).outcome, Outcome::committed);
}

TEST(RunEndBy, IsAskedAgainRightBeforeTheFirstByte) {
  Machine machine;
  machine.health["web"] = [&](const ProbeReading*) {
    machine.clock.advance(std::chrono::minutes(30));  // it took so long to get ready
    return ProbeReading{true, "up", {}};
  };
  auto order = watched_order();
  order.end_by = machine.clock.now() + std::chrono::minutes(50);
  const auto run = drive_to_end(machine, order);
  EXPECT_EQ(run.outcome, Outcome::refused) << told(run);
  EXPECT_EQ(run.steps.at(run.steps.size() - 2).state, "downloading");
  EXPECT_EQ(machine.installed(), kBefore);
}

}  // namespace
}  // namespace belay::agent
