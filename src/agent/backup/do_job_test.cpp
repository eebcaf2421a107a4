#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "agent/backup/engines.hpp"
#include "agent/backup/tools.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups {
namespace {

using backup::JobOutcome;
using backup::Task;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Says what it was told, with a secret in every place where one may slip in.
class Talkative final : public BackupEngine {
 public:
  explicit Talkative(std::function<void()> meanwhile = {}) : meanwhile_(std::move(meanwhile)) {}
  backup::EngineName name() const override { return backup::EngineName::command; }
  backup::JobReport check(const backup::Job&, const Secrets&) override {
    ++checks;
    backup::JobReport report;
    report.outcome = ready ? JobOutcome::ok : JobOutcome::failed;
    report.why = ready ? "" : "archive_mode is off";
    return report;
  }
  backup::JobReport back_up(const backup::Job&, const Secrets&) override {
    if (meanwhile_) meanwhile_();
    backup::JobReport report;
    report.outcome = outcome;
    report.why = outcome == JobOutcome::ok ? "" : "key hunter22 is wrong";
    report.output = "hunter22\x01";
    pass(report, backup::ProofLevel::P0, "hunter22", "hunter22");
    auto& point = report.points.emplace_back();
    point.reference = reference;
    point.remarks = {"hunter22"};
    return report;
  }
  backup::JobReport copy(const backup::Job&, const Secrets&) override { return {}; }
  backup::JobReport prove(const backup::Job&, const Secrets&) override {
    backup::JobReport report;
    report.outcome = JobOutcome::ok;
    pass(report, backup::ProofLevel::P0, "repository", "has the point");
    if (damaged) fail(report, backup::ProofLevel::P3, "restore", "killed by signal 15");
    return report;
  }
  backup::JobReport restore(const backup::Job&, const Secrets&) override { return {}; }
  backup::JobReport forget(const backup::Job&, const Secrets&) override { return {}; }
  backup::JobReport list(const backup::Job&, const Secrets&) override { return {}; }
  backup::WatchReport watch(const backup::Watch&) override { return {}; }
  JobOutcome outcome = JobOutcome::ok;
  std::string reference = "0f3c";
  bool ready = true, damaged = false;
  int checks = 0;

 private:
  std::function<void()> meanwhile_;
};

class DoJobTest : public testing::Test {
 protected:
  DoJobTest() {
    job_.plan_id = "bp-1";
    job_.plan_name = "files";
    job_.source_node_id = "mi-1";
  }
  static std::string made() {
    std::string path = "/tmp/belay-job-XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    return path;
  }
  ~DoJobTest() override { std::filesystem::remove_all(directory_); }
  std::string directory_ = made();
  fakes::ScriptedProcesses processes_;
  BackupHost host_{.files = io::real_files(),
                   .processes = processes_,
                   .clock = io::system_clock(),
                   .work_directory = directory_ + "/work",
                   .state_directory = directory_ + "/state"};
  backup::Job job_;
  Secrets secrets_{{"repository.key", "hunter22"}};
};

TEST_F(DoJobTest, NamesThatAToolCouldTakeForSomethingElseNeitherLeaveNorEnter) {
  Talkative engine({});
  engine.reference = "--cache-dir=/etc";
  const auto report = do_job_with(host_, engine, job_, secrets_);
  EXPECT_EQ(report.outcome, JobOutcome::unknown);
  EXPECT_TRUE(report.points.empty());
  EXPECT_NE(report.why.find("name"), std::string::npos);
  job_.task = backup::Task::prove;
  job_.points.emplace_back().reference = "latest";
  const auto refused = do_job_with(host_, engine, job_, secrets_);
  EXPECT_EQ(refused.outcome, JobOutcome::failed);
  EXPECT_TRUE(refused.evidence.empty());
  job_.points[0].reference = "0f3c";
  job_.chain.emplace_back().reference = "--config=/tmp/x";  // what it needs is named by the same rule
  EXPECT_THAT(do_job_with(host_, engine, job_, secrets_).why, HasSubstr("no engine names so"));
}

TEST_F(DoJobTest, NoSecretLeavesAndTheWorkDirectoryIsTidy) {
  bool there = false;
  Talkative engine([&] { there = std::filesystem::is_directory(host_.work_directory); });
  engine.outcome = JobOutcome::failed;
  std::filesystem::create_directories(host_.work_directory + "/left");
  const auto report = do_job_with(host_, engine, job_, secrets_);
  EXPECT_TRUE(there);
  EXPECT_FALSE(std::filesystem::exists(host_.work_directory));
  EXPECT_EQ(report.why, "key [secret] is wrong");
  EXPECT_EQ(report.output, "[secret]\\x01");
  EXPECT_EQ(report.evidence[0].what, "[secret]");
  EXPECT_EQ(report.evidence[0].seen, "[secret]");
  EXPECT_EQ(report.points[0].remarks[0], "[secret]");
}

TEST_F(DoJobTest, ThePlansFirstBackupLooksWhetherAllIsThere) {
  Talkative engine;
  engine.ready = false;
  auto report = do_job_with(host_, engine, job_, secrets_);
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_EQ(report.why, "archive_mode is off");
  EXPECT_EQ(report.task, backup::Task::backup);
  engine.ready = true;
  EXPECT_EQ(do_job_with(host_, engine, job_, secrets_).outcome, JobOutcome::ok);
  EXPECT_EQ(do_job_with(host_, engine, job_, secrets_).outcome, JobOutcome::ok);
  EXPECT_EQ(engine.checks, 2);
  job_.source.stanza = "other";  // the plan was changed
  EXPECT_EQ(do_job_with(host_, engine, job_, secrets_).outcome, JobOutcome::ok);
  EXPECT_EQ(engine.checks, 3);
}

TEST_F(DoJobTest, WhatWasStoppedSaysNothingOfThePoint) {
  std::atomic<bool> cancel = false;
  host_.cancel = &cancel;
  Talkative engine;
  engine.outcome = JobOutcome::failed;
  engine.damaged = true;
  job_.task = Task::prove;
  EXPECT_TRUE(backup::speaks_against(do_job_with(host_, engine, job_, secrets_).evidence));
  cancel = true;
  const auto stopped = do_job_with(host_, engine, job_, secrets_);
  EXPECT_FALSE(backup::speaks_against(stopped.evidence));
  EXPECT_TRUE(backup::could_not_be_done(stopped));
  EXPECT_TRUE(stopped.evidence[0].looked_at);  // what passed before was seen
}

TEST_F(DoJobTest, TwoOnOneRepositoryAreRefused) {
  backup::JobReport second;
  Talkative engine([&] {
    Talkative other;
    auto host = host_;
    host.work_directory += "-2";
    second = do_job_with(host, other, job_, secrets_);
    job_.plan_id = "bp-2";
    EXPECT_EQ(do_job_with(host, other, job_, secrets_).outcome, JobOutcome::ok);
  });
  EXPECT_EQ(do_job_with(host_, engine, job_, secrets_).outcome, JobOutcome::ok);
  EXPECT_EQ(second.outcome, JobOutcome::failed);
  ASSERT_EQ(second.problems.size(), 1u);
  EXPECT_EQ(second.problems[0].subject, "repository-busy");
}

TEST_F(DoJobTest, HooksRunAroundAndTheSecondComesWhatMay) {
  job_.source.before = backup::Hook{.argv = {"quiesce"}, .user = {}, .timeout = Duration(1'000)};
  job_.source.after = backup::Hook{.argv = {"release"}, .user = {}};
  processes_.on("quiesce", fakes::fails(1, "not now"));
  processes_.on("release", fakes::prints(""));
  Talkative engine;
  const auto refused = do_job_with(host_, engine, job_, secrets_);
  EXPECT_EQ(refused.outcome, JobOutcome::failed);
  EXPECT_THAT(refused.why, HasSubstr("not now"));
  EXPECT_THAT(processes_.command_lines(), ElementsAre("quiesce", "release"));
  processes_.on("quiesce", fakes::prints(""));
  EXPECT_EQ(do_job_with(host_, engine, job_, secrets_).outcome, JobOutcome::ok);
  processes_.on("release", fakes::fails(2, "stuck"));
  const auto stuck = do_job_with(host_, engine, job_, secrets_);
  EXPECT_EQ(stuck.outcome, JobOutcome::partial);
  EXPECT_THAT(stuck.why, HasSubstr("stuck"));
}

TEST_F(DoJobTest, ADriveThatAKilledJobLeftMountedIsNoHindrance) {
  std::filesystem::create_directories(host_.work_directory + "/drive-own");
  if (::mount("tmpfs", (host_.work_directory + "/drive-own").c_str(), "tmpfs", 0, "") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted here";
  processes_.on("umount *", [](const io::ProcessSpec& spec, const io::OutputSink&) {
    EXPECT_EQ(::umount(spec.argv.back().c_str()), 0);
    return fakes::exits(0);
  });
  Talkative engine;
  EXPECT_EQ(do_job_with(host_, engine, job_, secrets_).outcome, JobOutcome::ok);
  EXPECT_FALSE(std::filesystem::exists(host_.work_directory));
}

TEST_F(DoJobTest, AnEngineThatIsNotHereIsSaidToBeNone) {
  job_.source.engine = static_cast<backup::EngineName>(99);  // of a newer server
  const auto report = do_job(host_, job_, secrets_);
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_THAT(report.why, HasSubstr("this agent has no engine"));
}

}  // namespace
}  // namespace belay::agent::backups
