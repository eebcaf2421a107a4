#include "agent/runner/pool_files.hpp"

#include <gtest/gtest.h>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/runner/fake_package_pool.hpp"
#include "agent/runner/run_driver.hpp"
#include "base/json.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

const std::string kRows = "/fake/packages.json";
const std::string kHeld = "/state/held";
const std::string kRunId = "11111111-2222-4333-8444-555555555555";

std::string content(const std::string& name, const std::string& version) {
  return FakePackageManager::file_content(name, version);
}

// A node with two packages, whose archive offers what the test says.
class PoolFilesTest : public testing::Test {
 protected:
  PoolFilesTest() { offer({}); }

  void offer(const std::vector<std::pair<std::string, std::string>>& versions) {
    FakeState state;
    state.installed.packages = {{"curl", "amd64", "1"}, {"libc6", "amd64", "1"}};
    for (const auto& [name, version] : versions) {
      fleet::Offer made;
      made.name = name, made.arch = "amd64", made.version = version;
      made.sha256 = io::sha256_hex(content(name, version)), made.size_bytes = content(name, version).size();
      state.offers.offers.push_back(made);
    }
    disk_.put(kRows, json::encode_text(state));
  }
  static fleet::PackageChange change(const std::string& name) {
    const auto text = content(name, "2");
    return {name, "amd64", "1", "2", io::sha256_hex(text), text.size()};
  }
  InstallOrder order() const {
    InstallOrder order;
    order.changes = {change("curl"), change("libc6")};
    order.held_directory = kHeld;
    return order;
  }
  void in_pool(const std::string& name) { pool_.content[change(name).sha256] = content(name, "2"); }
  PoolTools tools(PackagePool* pool) { return {disk_, packages_, clock_, pool}; }
  PoolTools tools() { return tools(&pool_); }
  patchrun::RunState run(bool use_pool = true) {
    patchrun::PatchRunOrder ordered;
    ordered.changes = order().changes;
    ordered.use_pool = use_pool;
    disk_.put("/state/orders/" + kRunId + "/order.json", "{}");
    RunTools run_tools{disk_, packages_, host_, clock_, {}, {}, {}, &pool_};
    const auto done =
        RunDriver(run_tools, StatePaths("/state")).run(kRunId, ordered, clock_.now() + Duration(1'000'000));
    EXPECT_TRUE(done.ok());
    return done.ok() ? *done : patchrun::RunState{};
  }
  std::string version(const std::string& name) {
    const auto state = packages_.load().value();
    for (const auto& package : state.installed.packages)
      if (package.name == name) return package.version;
    return "";
  }

  fakes::MemoryFiles disk_;
  fakes::ManualClock clock_;
  fakes::ScriptedProcesses processes_;
  FakeHost host_;
  FakePackageManager packages_{Host{disk_, processes_, clock_}, kRows};
  FakePackagePool pool_{disk_};
};

TEST_F(PoolFilesTest, WhatIsOfferedIsNotTakenFromThePool) {
  offer({{"curl", "2"}, {"libc6", "2"}});
  in_pool("curl"), in_pool("libc6");
  EXPECT_TRUE(simulate_with_pool(tools(), order())->problems.empty());
  EXPECT_TRUE(pool_.fetched.empty());
}

TEST_F(PoolFilesTest, WhatTheArchiveNoLongerOffersComesFromThePool) {
  offer({{"curl", "3"}, {"libc6", "3"}});
  in_pool("curl"), in_pool("libc6");
  EXPECT_FALSE(simulate_with_pool(tools(nullptr), order())->problems.empty());
  const auto plan = simulate_with_pool(tools(), order());
  ASSERT_TRUE(plan.ok());
  ASSERT_TRUE(plan->problems.empty()) << plan->problems.front().detail;
  EXPECT_EQ(pool_.fetched, (std::vector<std::string>{"curl", "libc6"}));
  EXPECT_EQ(plan->changes.front().sha256, change("curl").sha256) << "no list has it: from the order";
  EXPECT_EQ(run().outcome, patchrun::Outcome::committed);
  EXPECT_EQ(version("curl"), "2");
  EXPECT_EQ(version("libc6"), "2");
}

TEST_F(PoolFilesTest, WhatThePoolLacksTooIsRefusedByName) {
  offer({{"curl", "3"}});
  in_pool("curl");
  const auto ended = run();
  EXPECT_EQ(ended.outcome, patchrun::Outcome::refused);
  ASSERT_FALSE(ended.problems.empty());
  EXPECT_EQ(ended.problems.front().reason, fleet::Reason::version_not_offered);
  EXPECT_EQ(ended.problems.front().subject, "libc6");
  EXPECT_EQ(version("curl"), "1");
}

TEST_F(PoolFilesTest, ASwappedFileInThePoolIsRefusedAndTheNodeStaysAsItWas) {
  in_pool("curl");
  pool_.content[change("libc6").sha256] = "something else";
  const auto ended = run();
  EXPECT_EQ(ended.outcome, patchrun::Outcome::refused);
  EXPECT_TRUE(std::ranges::any_of(ended.problems,
                                  [](const auto& problem) { return problem.reason == fleet::Reason::signature_bad; }));
  EXPECT_EQ(version("curl"), "1");
  EXPECT_EQ(version("libc6"), "1");
}

TEST_F(PoolFilesTest, AHeldFileThatWasSwappedIsThrownAwayAndFetchedAgain) {
  in_pool("curl"), in_pool("libc6");
  disk_.put(kHeld + "/curl_2.package", "something else");
  disk_.put(kHeld + "/libc6_2.package", "made here");
  disk_.put(kHeld + "/libc6_2.package.repacked", "");
  EXPECT_TRUE(simulate_with_pool(tools(), order())->problems.empty());
  EXPECT_EQ(disk_.content()[kHeld + "/curl_2.package"], content("curl", "2"));
  EXPECT_EQ(disk_.content()[kHeld + "/libc6_2.package"], "made here") << "what was repacked has another checksum";
  disk_.put(kHeld + "/curl_2.package", "swapped after the check");
  ASSERT_TRUE(download_with_pool(tools(), order(), {}).ok());
  EXPECT_EQ(disk_.content()[kHeld + "/curl_2.package"], content("curl", "2"));
}

TEST_F(PoolFilesTest, AMirrorThatLostAFileIsMadeGood) {
  offer({{"curl", "2"}, {"libc6", "2"}});
  in_pool("curl"), in_pool("libc6");
  auto state = packages_.load().value();
  state.faults = {{FakeFault::download_fails, "", 1}};
  ASSERT_TRUE(packages_.save(state).ok());
  EXPECT_EQ(run().outcome, patchrun::Outcome::committed);
  EXPECT_EQ(pool_.fetched.size(), 2U);
  EXPECT_EQ(version("libc6"), "2");
}

TEST_F(PoolFilesTest, AfterItsDownloadARunGivesWhatThePoolLacks) {
  offer({{"curl", "2"}, {"libc6", "2"}});
  in_pool("curl");
  pool_.wanted = {change("libc6").sha256};
  EXPECT_EQ(run().outcome, patchrun::Outcome::committed);
  EXPECT_EQ(pool_.given, (std::vector<std::string>{"libc6"}));
  EXPECT_EQ(pool_.content[change("libc6").sha256], content("libc6", "2"));
}

TEST_F(PoolFilesTest, APoolThatIsAwayOrFullFailsNoRun) {
  offer({{"curl", "2"}, {"libc6", "2"}});
  pool_.unreachable = true;
  EXPECT_EQ(run().outcome, patchrun::Outcome::committed);
}

TEST_F(PoolFilesTest, WhatCouldNotBeGivenIsNamed) {
  offer({{"curl", "2"}, {"libc6", "2"}});
  pool_.wanted = {change("curl").sha256, change("libc6").sha256};
  auto problems = fill_pool(tools(), order(), {});
  ASSERT_EQ(problems.size(), 2U) << "nothing was downloaded";
  EXPECT_EQ(problems.front().subject, "curl");
  ASSERT_TRUE(packages_.download(order(), {}).ok());
  pool_.full = true;
  problems = fill_pool(tools(), order(), {});
  ASSERT_EQ(problems.size(), 1U) << "a full pool is not asked again";
  EXPECT_NE(problems.front().detail.find("full"), std::string::npos);
  pool_.full = false, pool_.busy = true;
  EXPECT_TRUE(fill_pool(tools(), order(), {}).empty()) << "another node sends it";
  pool_.busy = false;
  EXPECT_TRUE(fill_pool(tools(), order(), {}).empty());
  EXPECT_EQ(pool_.given.size(), 2U);
}

TEST_F(PoolFilesTest, OldVersionsThatTheArchiveThrewAwayAreHeldFromThePool) {
  offer({{"curl", "2"}, {"libc6", "2"}, {"libc6", "1"}});
  auto state = packages_.load().value();
  state.faults = {{FakeFault::hold_fails, "", -1}};
  ASSERT_TRUE(packages_.save(state).ok());
  const auto old = [](const std::string& name) {
    const auto text = content(name, "1");
    return fleet::PackageChange{name, "amd64", "", "1", io::sha256_hex(text), text.size()};
  };
  for (const std::string name : {"curl", "libc6"}) pool_.content[old(name).sha256] = content(name, "1");
  EXPECT_EQ(hold_with_pool(tools(nullptr), order(), {old("curl"), old("libc6")})->size(), 2U);
  const auto problems = hold_with_pool(tools(), order(), {old("curl"), old("libc6")});
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U) << "what the archive has it is to give";
  EXPECT_EQ(problems->front().subject, "libc6");
  EXPECT_EQ(disk_.content()[kHeld + "/curl_1.package"], content("curl", "1"));
  pool_.unreachable = true;
  EXPECT_TRUE(hold_with_pool(tools(), order(), {old("curl")}).ok()) << "the package manager does what it can";
}

TEST_F(PoolFilesTest, AnOrderThatDoesNotUseItNeverAsks) {
  in_pool("curl"), in_pool("libc6");
  EXPECT_EQ(run(false).outcome, patchrun::Outcome::refused);
  EXPECT_TRUE(pool_.fetched.empty());
}

}  // namespace
}  // namespace belay::agent
