#include "agent/runner/scan_work.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/fake_host.hpp"
#include "base/json.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

const std::string kPackagesPath = "/fake/packages.json";

struct Node {
  fakes::MemoryFiles disk;
  fakes::ManualClock clock;
  fakes::ScriptedProcesses processes;
  FakeHost host;
  StatePaths paths{"/state"};
  FakePackageManager packages{Host{disk, processes, clock}, kPackagesPath};

  void set(std::map<std::string, std::string> broken, std::vector<FakeFaultRow> faults) {
    FakeState state;
    state.installed.packages = {{"curl", "amd64", "1"}};
    state.broken = std::move(broken);
    state.faults = std::move(faults);
    disk.put(kPackagesPath, json::encode_text(state));
  }
  std::vector<fleet::Reason> scan(Refresh when) {
    const WorkTools tools{
        disk, processes, clock, packages, host, {}, {}, [] { return fleet::NodeFacts{}; }, {disk, processes, {}}};
    const auto report = scan_node(tools, paths, when);
    EXPECT_TRUE(report.ok()) << report.error().chain();
    std::vector<fleet::Reason> reasons;
    if (report.ok())
      for (const auto& problem : report->problems) reasons.push_back(problem.reason);
    std::ranges::sort(reasons);
    return reasons;
  }
  std::size_t faults_left() { return packages.load()->faults.size(); }
};

using Reasons = std::vector<fleet::Reason>;

TEST(ScanWork, WhatWasKilledInTheMiddleIsSaid) {
  Node node;
  node.set({{"curl", "unconfigured"}}, {});
  EXPECT_EQ(node.scan(Refresh::never), Reasons{fleet::Reason::dpkg_interrupted});
}

TEST(ScanWork, WhatAnotherIsInTheMiddleOfIsWaitedFor) {
  Node node;
  node.set({{"curl", "unconfigured"}}, {{FakeFault::in_use, "", 5}});
  EXPECT_EQ(node.scan(Refresh::never), Reasons{});
}

TEST(ScanWork, OneThatStaysAtWorkIsNamedAndNotCalledInterrupted) {
  Node node;
  node.set({{"curl", "unconfigured"}}, {{FakeFault::in_use, "", -1}});
  EXPECT_EQ(node.scan(Refresh::never), Reasons{fleet::Reason::lock_held});
}

// The fake's lists were always fetched this very moment.
TEST(ScanWork, FreshListsAreNotFetchedAgain) {
  const std::vector<FakeFaultRow> unreachable{{FakeFault::refresh_unreachable, "", 1}};
  for (const auto& [when, asked] :
       {std::pair(Refresh::never, false), {Refresh::if_old, false}, {Refresh::always, true}}) {
    Node node;
    node.set({}, unreachable);
    const auto reasons = node.scan(when);
    EXPECT_EQ(reasons, asked ? Reasons{fleet::Reason::repository_unreachable} : Reasons{});
    EXPECT_EQ(node.faults_left(), asked ? 0u : 1u);
  }
}

}  // namespace
}  // namespace belay::agent
