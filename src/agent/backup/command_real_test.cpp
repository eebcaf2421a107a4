// What the contract of engines does not ask of a program of the operator's: who may run it.
#include <gmock/gmock.h>
#include <unistd.h>

#include "agent/backup/real_fixture_test.hpp"
#include "base/json.hpp"

namespace belay::agent::backups {
namespace {

using backup::JobOutcome;
using backup::Task;
using testing::HasSubstr;

TEST_F(RealFixture, AProgramThatVerifiesMayBeRunByNobody) {
  if (!has("restic")) GTEST_SKIP() << "restic is not installed";
  if (::geteuid() != 0) GTEST_SKIP() << "drills need root";
  shell("chmod 0711 " + at(""));
  write(at("bin/program"),
        "#!/bin/sh\n"
        "case $1 in\n"
        "create) echo content >\"$(sed 's/.*\"directory\":\"\\([^\"]*\\)\".*/\\1/')/file\"; echo '{}' ;;\n"
        "verify) echo \"{\\\"ok\\\": true, \\\"seen\\\": \\\"as user $(id -u)\\\"}\" ;;\n"
        "*) exit 64 ;;\n"
        "esac\n");
  shell("chmod 0700 " + at("bin/program"));
  lay_repository();
  job_.source.engine = backup::EngineName::command;
  job_.source.program = at("bin/program");
  const Secrets secrets{{"repository.key", kRepositoryKey}};
  const auto made = do_job(host_, job_, secrets);
  ASSERT_EQ(made.outcome, JobOutcome::ok) << made.why;
  auto proof = job_;
  proof.task = Task::prove;
  proof.points = made.points;
  proof.level = backup::ProofLevel::P3;
  const auto refused = do_job(host_, proof, secrets);
  EXPECT_EQ(refused.outcome, JobOutcome::failed);
  EXPECT_THAT(refused.why, HasSubstr("chmod o+x " + at("bin/program")));
  shell("chmod 0711 " + at("bin/program"));  // it is read by the right to read everything
  const auto proven = do_job(host_, proof, secrets);
  EXPECT_EQ(proven.outcome, JobOutcome::ok) << proven.why;
  EXPECT_THAT(json::to_pretty_text(json::encode(proven)), HasSubstr("as user 65534"));
}

}  // namespace
}  // namespace belay::agent::backups
