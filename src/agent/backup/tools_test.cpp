#include "agent/backup/tools.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "agent/backup/engines.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups {
namespace {

using backup::JobOutcome;
using backup::ProofLevel;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ToolsTest : public testing::Test {
 protected:
  ToolsTest() {
    files_.put("/etc/passwd",
               "root:x:0:0:root:/root:/bin/bash\nbroken:x:y:z\npostgres:x:106:114::/var/lib/postgresql:/bin/sh\n");
    EXPECT_TRUE(files_.make_directories("/var/lib", 0755).ok());
    EXPECT_TRUE(files_.make_directories("/var/lib/belay-agent", 0700).ok());
    EXPECT_TRUE(files_.make_directories(host_.work_directory, 0711).ok());
  }
  fakes::MemoryFiles files_;
  fakes::ScriptedProcesses processes_;
  fakes::ManualClock clock_;
  BackupHost host_{.files = files_,
                   .processes = processes_,
                   .clock = clock_,
                   .work_directory = "/var/lib/belay-agent/backups/work",
                   .state_directory = "/var/lib/belay-agent/backups"};
  backup::Job job_;
};

TEST_F(ToolsTest, ASecretFileIsRootsAloneAndGoesWithItsObject) {
  std::string path;
  {
    const auto file = SecretFile::make(host_, "key", "hunter22");
    ASSERT_TRUE(file.ok());
    path = file->path();
    EXPECT_EQ(files_.info(path)->mode, 0600u);
    EXPECT_EQ(*files_.read(path, 100), "hunter22");
    const auto another = SecretFile::make(host_, "key", "x");
    ASSERT_TRUE(another.ok());
    EXPECT_NE(another->path(), path);
  }
  EXPECT_FALSE(files_.info(path).ok());
  EXPECT_TRUE(processes_.calls().empty());
}

TEST_F(ToolsTest, ASecretFileIsHandedToItsUser) {
  processes_.on("chown *", fakes::prints(""));
  const auto file = SecretFile::make(host_, "pgpass", "x", 106, 114);
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(processes_.command_lines(), ElementsAre("chown --no-dereference 106:114 -- " + file->path()));
  processes_.on("chown *", fakes::fails(1, "no"));
  EXPECT_FALSE(SecretFile::make(host_, "pgpass", "x", 106, 114).ok());
  EXPECT_EQ(files_.list(host_.work_directory)->size(), 1u);  // what could not be handed over is gone
}

TEST_F(ToolsTest, CallsAsTheJobSays) {
  processes_.on("psql *", fakes::prints("1\n"));
  job_.limits.idle_io = true;
  Call what{
      .argv = {"psql", "-c", "select 1"}, .environment = {{"PGDATABASE", "x"}}, .user = "postgres", .gently = true};
  ASSERT_TRUE(call(host_, job_, what).ok());
  const auto spec = processes_.calls().at(0);
  EXPECT_EQ(spec.user_id, 106u);
  EXPECT_EQ(spec.group_id, 114u);
  EXPECT_EQ(spec.environment.at("HOME"), "/var/lib/postgresql");
  EXPECT_EQ(spec.environment.at("PGDATABASE"), "x");
  EXPECT_EQ(spec.working_directory, host_.work_directory);
  EXPECT_TRUE(spec.gently);
  EXPECT_TRUE(spec.dies_with_caller);
  // The agent's directory is root's alone: the way to the work directory is opened for the user, and to nothing else.
  ASSERT_TRUE(spec.isolation.has_value());
  EXPECT_FALSE(spec.isolation->network);
  EXPECT_THAT(spec.isolation->hidden, ElementsAre("/var/lib/belay-agent"));
  EXPECT_THAT(spec.isolation->kept, ElementsAre(host_.work_directory));
  job_.limits.idle_io = false;
  what.user.clear();
  ASSERT_TRUE(call(host_, job_, what).ok());
  EXPECT_FALSE(processes_.calls().at(1).gently);
  EXPECT_FALSE(processes_.calls().at(1).isolation.has_value());
}

TEST_F(ToolsTest, IsolationLeavesNoWayToProduction) {
  processes_.on("postgres *", fakes::prints(""));
  for (const char* path : {"/run", "/tmp", "/srv/pg/socket", "/srv/pg/data", "/var/lib/mysql", "/usr/share"})
    ASSERT_TRUE(files_.make_directories(path, 0755).ok());
  job_.source.data_directory = "/srv/pg/data";
  job_.source.socket = "/srv/pg/socket";
  ASSERT_TRUE(call(host_, job_,
                   {.argv = {"postgres", "-D", "x"},
                    .user = "postgres",
                    .isolated = true,
                    .kept = {"/srv/more"},
                    .shown = {"/srv/vault"}})
                  .ok());
  const auto walls = *processes_.calls().at(0).isolation;
  EXPECT_TRUE(walls.network);
  EXPECT_TRUE(walls.processes);
  EXPECT_TRUE(walls.read_only);
  EXPECT_THAT(walls.shown, ElementsAre("/srv/vault"));
  EXPECT_THAT(walls.hidden, testing::UnorderedElementsAre("/run", "/tmp", "/srv/pg", "/srv/pg/data", "/srv/pg/socket",
                                                          "/var/lib/belay-agent", "/var/lib/mysql"));
  EXPECT_THAT(walls.kept, testing::UnorderedElementsAre("/srv/more", host_.work_directory));
  job_.source.socket = "/var/lib/mysql/mysql.sock";
  job_.source.data_directory = "/usr/share/x";
  ASSERT_TRUE(call(host_, job_, {.argv = {"postgres", "-D", "x"}, .isolated = true}).ok());
  EXPECT_THAT(processes_.calls().at(1).isolation->hidden,
              testing::UnorderedElementsAre("/run", "/tmp", "/var/lib/mysql", "/var/lib/belay-agent"));
  // The plan names neither: where the package puts them.
  job_.source.socket = job_.source.data_directory = "";
  ASSERT_TRUE(call(host_, job_, {.argv = {"postgres", "-D", "x"}, .isolated = true}).ok());
  EXPECT_THAT(processes_.calls().at(2).isolation->hidden, testing::Contains("/var/lib/mysql"));
}

TEST_F(ToolsTest, NamesThePackageOfWhatIsNotInstalled) {
  const auto missing = call(host_, job_, {.argv = {"/usr/bin/borg", "list"}});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), Code::not_found);
  EXPECT_THAT(missing.error().message(), HasSubstr("borgbackup"));
  EXPECT_THAT(call(host_, job_, {.argv = {"restic"}}).error().message(), HasSubstr("package restic"));
  const auto nobody = call(host_, job_, {.argv = {"restic"}, .user = "mysql"});
  EXPECT_EQ(nobody.error().reason(), "no-user");
}

TEST_F(ToolsTest, MustSaysHowItEnded) {
  processes_.on("a", fakes::fails(64, "first\nlast words\n"));
  processes_.on("b", fakes::times_out());
  processes_.on("c", fakes::dies_of(9));
  processes_.on("d", fakes::prints("fine"));
  EXPECT_THAT(must(host_, job_, {.argv = {"a"}}).error().message(), HasSubstr("exit status 64: first\nlast words"));
  const auto late = must(host_, job_, {.argv = {"b"}});
  EXPECT_EQ(late.error().code(), Code::timed_out);
  EXPECT_THAT(late.error().message(), HasSubstr("timed out after 5 min"));
  EXPECT_THAT(must(host_, job_, {.argv = {"c"}}).error().message(), HasSubstr("killed by signal 9"));
  EXPECT_EQ(*must(host_, job_, {.argv = {"d"}}), "fine");
}

TEST(WithoutSecrets, CrossesOutEveryFormAndKeepsTheRest) {
  const Secrets secrets{{"repository.key", "s3cr/et"},
                        {"user", "backup"},
                        {"short", "a"},
                        {"sshKey", "-----BEGIN X-----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQC7\n-----END X-----\n"}};
  EXPECT_EQ(
      without_secrets(
          "backup of s3cr/et at https://backup:s3cr%2Fet@host: a AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 -----BEGIN X-----",
          secrets, 1000),
      "backup of [secret] at https://backup:[secret]@host: a [secret] -----BEGIN X-----");
  const auto cut = without_secrets(std::string(500, 'x') + "end", {}, 100);
  EXPECT_LT(cut.size(), 160u);
  EXPECT_THAT(cut, HasSubstr("bytes cut here"));
  EXPECT_TRUE(cut.ends_with("end"));
}

TEST_F(ToolsTest, AStopwatchTakesPhasesAsTheyFollow) {
  backup::JobReport report;
  Stopwatch watch(clock_, report);
  watch.begin("fetch");
  clock_.advance(Duration(1'000));
  watch.begin("restore");
  clock_.advance(Duration(250));
  watch.end();
  watch.end();
  ASSERT_EQ(report.phases.size(), 2u);
  EXPECT_EQ(report.phases[0].name, "fetch");
  EXPECT_EQ(report.phases[0].took, Duration(1'000));
  EXPECT_EQ(report.phases[1].took, Duration(250));
}

TEST_F(ToolsTest, ScratchWantsItsRoomAndCleansUpAfterTheDead) {
  files_.set_space({.bytes_total = 1 << 30, .bytes_free = 100 << 20, .inodes_free = 100'000});
  const auto base = scratch_base(host_, job_);
  files_.put(base + "/belay-scratch-999999999-0/left", "x");
  files_.put(base + "/other/file", "x");
  const auto full = Scratch::make(host_, job_, 200 << 20);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().reason(), "no-room");
  EXPECT_THAT(full.error().message(), testing::AllOf(HasSubstr("100 MiB"), HasSubstr("200 MiB")));
  EXPECT_FALSE(files_.info(base + "/belay-scratch-999999999-0").ok());
  EXPECT_TRUE(files_.info(base + "/other/file").ok());
  std::string path;
  {
    const auto scratch = Scratch::make(host_, job_, 50 << 20);
    ASSERT_TRUE(scratch.ok()) << scratch.error().chain();
    path = scratch->path();
    EXPECT_EQ(files_.info(path)->mode, 0700u);
    files_.put(path + "/deep/file", "x");
  }
  EXPECT_FALSE(files_.info(path).ok());
  job_.scratch = "/srv/scratch";
  EXPECT_TRUE(Scratch::make(host_, job_, 0)->path().starts_with("/srv/scratch/belay-scratch-"));
}

TEST_F(ToolsTest, ScratchUnmountsWhatLiesInIt) {
  processes_.on("umount *", fakes::prints(""));
  {
    const auto scratch = Scratch::make(host_, job_, 0);
    ASSERT_TRUE(scratch.ok());
    files_.put("/proc/self/mountinfo",
               "1 1 0:1 / / rw - ext4 x rw\n2 1 0:2 / " + scratch->path() + "/a rw - tmpfs x rw\n3 1 0:3 / " +
                   scratch->path() + "/a/b rw - tmpfs x rw\n4 1 0:4 / " + scratch->path() + "x rw - tmpfs x rw\n");
  }
  EXPECT_THAT(processes_.command_lines(), ElementsAre(HasSubstr("/a/b"), testing::EndsWith("/a")));
}

TEST_F(ToolsTest, ChecksAreAnsweredAndJudged) {
  files_.put("/scratch/etc/hosts", "12345");
  processes_.on("count *", fakes::prints("17\nmore\n"));
  processes_.on("broken", fakes::fails(3, "no table"));
  std::vector<backup::Check> checks(7);
  checks[0].sql = "select 1", checks[0].at_least = 10, checks[0].at_most = 20;
  checks[1].name = "too few", checks[1].command = {"count", "x"}, checks[1].at_least = 18;
  checks[2].name = "words", checks[2].sql = "select 2", checks[2].equals = "17";
  checks[3].name = "no number", checks[3].sql = "text", checks[3].at_least = 1;
  checks[4].file = "/etc/hosts", checks[4].at_least = 5;
  checks[5].file = "/etc/absent";
  checks[6].name = "fails", checks[6].command = {"broken"};
  job_.checks = checks;
  backup::JobReport report;
  report.outcome = JobOutcome::ok;
  const auto run = [&](Call what) { return call(host_, job_, std::move(what)); };
  run_checks(
      host_, job_, report, "/scratch",
      [](const backup::Check& check) -> Result<std::string> {
        return std::string(check.sql == "text" ? "12 rows" : "17");
      },
      run);
  ASSERT_EQ(report.evidence.size(), 7u);
  const bool passed[] = {true, false, true, false, true, false, false};
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(report.evidence[i].passed, passed[i]) << i << report.evidence[i].seen;
    EXPECT_EQ(report.evidence[i].level, ProofLevel::P5);
  }
  EXPECT_EQ(report.evidence[0].what, "select 1");
  EXPECT_EQ(report.evidence[1].seen, "17 (wanted: at least 18)");
  EXPECT_THAT(report.evidence[6].seen, HasSubstr("no table"));
  EXPECT_EQ(report.outcome, JobOutcome::failed);
  EXPECT_EQ(processes_.calls().at(0).environment.at("BELAY_RESTORED"), "/scratch");
}

TEST_F(ToolsTest, AFileBehindALinkIsNotTheMachinesOwn) {
  files_.put("/etc/hosts", "12345");
  files_.put_link("/scratch/alias", "/etc");
  job_.checks.resize(1);
  job_.checks[0].file = "/alias/hosts";
  backup::JobReport report;
  run_checks(host_, job_, report, "/scratch", {}, {});
  ASSERT_EQ(report.evidence.size(), 1u);
  EXPECT_FALSE(report.evidence[0].passed);
  EXPECT_THAT(report.evidence[0].seen, HasSubstr("/alias is a link"));
}

TEST_F(ToolsTest, AnErrorOfThePlaceBlamesNobody) {
  const struct {
    Error error;
    bool nobody;
  } rows[] = {
      {Error(Code::resource_exhausted, "needs 67 MiB", "no-room"), true},
      {Error(Code::unavailable, "is not mounted", "vault-away"), true},
      {Error(Code::unavailable, "drive B is in", "drive-wanted"), true},
      {Error(Code::timed_out, "after 5 min"), true},
      {Error(Code::cancelled, "stopped"), true},
      {Error(Code::not_found, "restic is not installed", "program-missing"), true},
      {Error(Code::conflict, "by process 7", "repository-locked"), true},
      {Error(Code::corrupt, "pack 12 is broken", "repository-damaged"), false},
      {Error(Code::conflict, "the logs end before", "target-not-reached"), false},
      {Error(Code::not_found, "the set is not there", "no-point"), false},
      {Error(Code::internal, "exit status 1"), false},
  };
  for (const auto& row : rows) {
    backup::JobReport report;
    fail(report, backup::ProofLevel::P3, "restore", row.error);
    EXPECT_EQ(report.outcome, backup::JobOutcome::failed);
    EXPECT_EQ(report.why, "restore: " + row.error.chain());
    ASSERT_EQ(report.evidence.size(), 1u);
    EXPECT_FALSE(report.evidence[0].passed);
    EXPECT_EQ(report.evidence[0].looked_at, !row.nobody) << row.error.chain();
  }
}

TEST(Compare, NamesWhatDiffers) {
  const std::vector<backup::Fingerprint> then{{"a", 3, "x"}, {"b", 4, ""}, {"c", 1, "y"}};
  backup::JobReport same;
  same.outcome = JobOutcome::ok;
  compare(same, then, {{"c", 1, "y"}, {"a", 3, "x"}, {"b", 4, "z"}, {"more", 1, ""}});
  EXPECT_EQ(same.outcome, JobOutcome::ok);
  ASSERT_EQ(same.evidence.size(), 1u);
  EXPECT_EQ(same.evidence[0].seen, "3 of 3 as when the point was made");

  backup::JobReport other;
  compare(other, then, {{"a", 2, "x"}, {"b", 4, ""}});
  EXPECT_EQ(other.outcome, JobOutcome::failed);
  ASSERT_EQ(other.evidence.size(), 3u);
  EXPECT_EQ(other.evidence[0].seen, "has 2, and had 3 when the point was made");
  EXPECT_EQ(other.evidence[1].seen, "is not in what was restored");
  backup::JobReport nothing;
  compare(nothing, {}, {});
  EXPECT_EQ(nothing.outcome, JobOutcome::failed);  // nothing compared is nothing proven
}

}  // namespace
}  // namespace belay::agent::backups
