#include "agent/runner/run_driver.hpp"

#include "agent/runner/run_fixture_test.hpp"

namespace belay::agent {
namespace {

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

// What a person does meanwhile, while the files are fetched.
class Interrupted final : public PackageManager {
 public:
  Interrupted(FakePackageManager inner, std::function<void()> meanwhile)
      : inner_(std::move(inner)), meanwhile_(std::move(meanwhile)) {}
  std::string_view name() const override { return inner_.name(); }
  Result<ScanResult> scan() override { return inner_.scan(); }
  Result<RefreshReport> refresh(Duration timeout, const OutputLine& output) override {
    return inner_.refresh(timeout, output);
  }
  Result<TransactionPlan> simulate(const InstallOrder& order) override { return inner_.simulate(order); }
  Status download(const InstallOrder& order, const OutputLine& output) override {
    meanwhile_();
    return inner_.download(order, output);
  }
  Result<std::vector<fleet::Problem>> hold_old_versions(const InstallOrder& order, const std::string& into) override {
    return inner_.hold_old_versions(order, into);
  }
  Result<InstallReport> install(const InstallOrder& order, const OutputLine& output) override {
    return inner_.install(order, output);
  }
  std::string held_name(const fleet::PackageChange& change) const override { return inner_.held_name(change); }
  std::string package_file(const InstallOrder& order, const fleet::PackageChange& change) const override {
    return inner_.package_file(order, change);
  }
  Result<std::optional<fleet::Problem>> in_use() override { return inner_.in_use(); }
  Result<std::vector<std::string>> installed_files(const std::vector<fleet::PackageChange>& changes) override {
    return inner_.installed_files(changes);
  }
  Result<std::vector<fleet::Problem>> check_health() override { return inner_.check_health(); }
  Result<std::vector<fleet::Problem>> repair(Duration timeout, const OutputLine& output) override {
    return inner_.repair(timeout, output);
  }

 private:
  FakePackageManager inner_;
  std::function<void()> meanwhile_;
};

TEST(RunDriver, ACancelIsHeardAtTheEndOfTheDownload) {
  Machine machine;
  Interrupted packages(machine.packages(), [&] { machine.disk.put(machine.paths.cancel(kRunId), ""); });
  RunTools tools{machine.disk, packages, machine.host, machine.clock, {}, {}, {}};
  const auto run =
      RunDriver(tools, machine.paths).run(kRunId, order_for_both(), machine.clock.now() + std::chrono::hours(1));
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->outcome, Outcome::refused) << told(*run);
  EXPECT_TRUE(run->cancelled);
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
  snapshots.needs_reboot = true;
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

}  // namespace
}  // namespace belay::agent
