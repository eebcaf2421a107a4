#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "agent/backup/tools.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups {
namespace {

using testing::HasSubstr;

TEST(DrillServer, ClientsRunBesideIt) {
  fakes::MemoryFiles files;
  fakes::ScriptedProcesses processes;
  processes.on("serverd", fakes::serves("ready\n"));
  processes.on("client", fakes::prints("hello"));
  const BackupHost host{.files = files,
                        .processes = processes,
                        .clock = io::system_clock(),
                        .work_directory = "/work",
                        .state_directory = "/state"};
  const backup::Job job;
  auto server = DrillServer::start(host, job, {.argv = {"serverd"}});
  ASSERT_TRUE(server.ok()) << server.error().chain();
  EXPECT_TRUE(server->is_running());
  EXPECT_EQ(server->call(host, job, {.argv = {"client"}})->standard_output, "hello");
  EXPECT_TRUE(processes.calls().at(0).isolation->network);
  EXPECT_EQ(processes.calls().at(0).timeout, job.limits.timeout);
  EXPECT_EQ(processes.calls().at(1).beside, 4242);
  EXPECT_TRUE(server->stop(SIGINT, Duration(10'000)).ok());
  EXPECT_EQ(server->outcome()->signal, SIGINT);
  EXPECT_EQ(server->output(), "ready\n");
  EXPECT_EQ(server->call(host, job, {.argv = {"client"}}).error().reason(), "drill-server-down");
}

TEST(DrillServer, SaysWhyItDoesNotStart) {
  fakes::MemoryFiles files;
  fakes::ScriptedProcesses processes;
  const BackupHost host{.files = files,
                        .processes = processes,
                        .clock = io::system_clock(),
                        .work_directory = "/work",
                        .state_directory = "/state"};
  const auto server = DrillServer::start(host, {}, {.argv = {"serverd"}});
  ASSERT_FALSE(server.ok());
  EXPECT_EQ(server.error().code(), Code::not_found);
}

class RealDrill : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "namespaces need root";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    std::filesystem::create_directories(directory_ + "/state");
    std::filesystem::create_directories(directory_ + "/work");
    std::filesystem::permissions(directory_ + "/work", std::filesystem::perms(0711));
    const auto probe = call(host(), job_, {.argv = {"true"}, .isolated = true});
    if (!probe.ok() && probe.error().reason() == "no-isolation") GTEST_SKIP() << probe.error().message();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  BackupHost host() {
    return {.files = io::real_files(),
            .processes = io::real_processes(),
            .clock = io::system_clock(),
            .work_directory = directory_ + "/work",
            .state_directory = directory_ + "/state"};
  }
  std::string directory_ = "/tmp/belay-drill-XXXXXX";
  backup::Job job_;
};

TEST_F(RealDrill, AnUnprivilegedServerInItsOwnWorld) {
  auto scratch = Scratch::make(host(), job_, 1 << 20, kNobody);
  ASSERT_TRUE(scratch.ok()) << scratch.error().chain();
  const auto script = "trap 'exit 0' TERM; id -u >" + scratch->path() + "/who; ls -A /run >" + scratch->path() +
                      "/run; echo up; while :; do sleep 0.05; done";
  auto server = DrillServer::start(host(), job_, {.argv = {"sh", "-c", script}, .user = std::string(kNobody)});
  ASSERT_TRUE(server.ok()) << server.error().chain();
  while (server->output().empty() && server->is_running()) std::this_thread::sleep_for(Duration(2));
  const auto client = server->call(
      host(), job_,
      {.argv = {"sh", "-c", "cat " + scratch->path() + "/who " + scratch->path() + "/run; grep -c : /proc/net/dev"},
       .user = std::string(kNobody),
       .directory = "/"});
  ASSERT_TRUE(client.ok()) << client.error().chain();
  EXPECT_EQ(client->standard_output, "65534\n1\n") << client->standard_error;
  EXPECT_TRUE(server->stop(SIGTERM, Duration(20'000)).ok());
  EXPECT_EQ(server->outcome()->exit_status, 0);
}

TEST_F(RealDrill, IsGoneWithItsObject) {
  {
    const auto server = DrillServer::start(host(), job_, {.argv = {"sh", "-c", "sleep 600 & sleep 601"}});
    ASSERT_TRUE(server.ok()) << server.error().chain();
  }
  const auto left =
      call(host(), job_, {.argv = {"sh", "-c", "grep -lzx '60[1]' /proc/[0-9]*/cmdline 2>/dev/null | head -1"}});
  EXPECT_EQ(left->standard_output, "");
}

TEST_F(RealDrill, ADeafServerIsKilledAndToldOf) {
  auto server =
      DrillServer::start(host(), job_, {.argv = {"sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"}});
  ASSERT_TRUE(server.ok()) << server.error().chain();
  while (server->output().empty() && server->is_running()) std::this_thread::sleep_for(Duration(2));
  const auto stopped = server->stop(SIGTERM, Duration(50));
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code(), Code::timed_out);
  EXPECT_FALSE(server->is_running());
}

}  // namespace
}  // namespace belay::agent::backups
