// The watchdog over a file system that is really frozen.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "agent/backup/freeze.hpp"
#include "agent/backup/real_fixture_test.hpp"

namespace belay::agent::backups {
namespace {

class FreezeReal : public RealFixture {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root freezes";
    const auto made = shell("truncate --size 32M " + at("image") + " && mkfs.ext4 -q " + at("image") +
                            " && mount -o loop " + at("image") + " " + at("source") + " && echo mounted");
    if (!made.ends_with("mounted\n")) GTEST_SKIP() << "no loop device: " << made;
    thaw_.argv = {"/usr/bin/touch", at("thawed")};
    waits_.argv = {"/usr/bin/true"};
  }
  void TearDown() override {
    static_cast<void>(shell("fsfreeze --unfreeze " + at("source")));
    ::umount2(at("source").c_str(), MNT_DETACH);
  }
  void freeze() { ASSERT_EQ(shell("fsfreeze --freeze " + at("source") + " && echo done"), "done\n"); }
  // Comes back only once nothing is frozen any more.
  void write_into() { EXPECT_EQ(shell("echo x >" + at("source/written") + " && echo done"), "done\n"); }
  bool program_ran() const { return io::real_files().info(at("thawed")).ok(); }
  backup::Hook thaw_, waits_;
};

TEST_F(FreezeReal, ThawsWhatNobodyThaws) {
  auto watchdog = FreezeWatchdog::start(host_, {at("source")}, thaw_, Duration(300));
  ASSERT_TRUE(watchdog.ok());
  freeze();
  write_into();
  EXPECT_TRUE(eventually([&] { return program_ran(); }));
  EXPECT_FALSE(watchdog->dismiss());
}

TEST_F(FreezeReal, KeepsQuietWhereItWasThawedInTime) {
  auto watchdog = FreezeWatchdog::start(host_, {at("source")}, thaw_);
  ASSERT_TRUE(watchdog.ok());
  freeze();
  EXPECT_EQ(shell("fsfreeze --unfreeze " + at("source") + " && echo done"), "done\n");
  EXPECT_TRUE(watchdog->dismiss());
  write_into();
  EXPECT_FALSE(program_ran());
}

TEST_F(FreezeReal, ThawsAtOnceWhereWhoStartedItIsKilled) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto watchdog = FreezeWatchdog::start(host_, {at("source")}, thaw_, Duration(3'600'000));
    if (!watchdog.ok() || !shell("fsfreeze --freeze " + at("source") + " && echo done").starts_with("done")) ::_exit(1);
    write(at("frozen"), "");
    for (;;) ::pause();
  }
  ASSERT_TRUE(eventually([&] { return io::real_files().info(at("frozen")).ok(); }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  write_into();
  EXPECT_TRUE(eventually([&] { return program_ran(); }));
}

// Around a snapshot that a stub takes.
class QuiesceReal : public FreezeReal {
 protected:
  void SetUp() override {
    FreezeReal::SetUp();
    if (IsSkipped()) return;
    if (!has("restic")) GTEST_SKIP() << "restic is not installed";
    write(at("source/rows"), "rows");
    lay_repository();
    job_.source.engine = backup::EngineName::snapshot;
    job_.source.freeze.emplace().argv = {"/usr/sbin/fsfreeze", "--freeze", at("source")};
    job_.source.thaw.emplace().argv = {"/usr/sbin/fsfreeze", "--unfreeze", at("source")};
    host_.take_snapshot = [this](const SnapshotWish& wish) -> Result<TakenSnapshot> {
      TakenSnapshot taken;
      taken.provider = "stub";
      taken.taken_at = host_.clock.now();
      if (wish.only_ask) return taken;
      const auto ready = wish.before();
      if (ready.ok()) held_writers_ = is_frozen();
      taken_ += ready.ok() ? 1 : 0;
      const auto done = wish.after();
      if (!ready.ok()) return ready.error();
      if (!done.ok()) return done.error();
      taken.views = {{at("source"), {"--bind", "-o", "ro", at("source")}}};
      taken.held = std::shared_ptr<void>(nullptr, [this](void*) { ++removed_; });
      return taken;
    };
  }
  bool is_frozen() const { return !shell("fsfreeze --freeze " + at("source")).empty(); }
  backup::JobReport run() { return do_job(host_, job_, {{"repository.key", kRepositoryKey}}); }
  bool held_writers_ = false;
  int taken_ = 0, removed_ = 0;
};

TEST_F(QuiesceReal, WritersAreHeldForTheMomentOfTheSnapshotAlone) {
  const auto report = run();
  EXPECT_EQ(report.outcome, backup::JobOutcome::ok) << report.why;
  EXPECT_TRUE(held_writers_);
  EXPECT_EQ(removed_, 1);
  write_into();
}

TEST_F(QuiesceReal, WhatCannotBeFrozenIsThawedAndNotTaken) {
  job_.source.freeze->argv = {"/usr/sbin/fsfreeze", "--freeze", at("nowhere")};
  job_.source.thaw->argv = {"/usr/bin/touch", at("thawed")};
  const auto report = run();
  EXPECT_EQ(report.outcome, backup::JobOutcome::failed);
  EXPECT_THAT(report.why, testing::HasSubstr("the command that freezes"));
  EXPECT_EQ(taken_, 0);
  EXPECT_TRUE(program_ran());
}

TEST_F(QuiesceReal, WhereThawingFailsTheWatchdogDoesIt) {
  job_.source.thaw->argv = {"/usr/bin/false"};
  const auto report = run();
  EXPECT_EQ(report.outcome, backup::JobOutcome::failed);
  EXPECT_THAT(report.why, testing::HasSubstr("the command that thaws"));
  write_into();
}

}  // namespace
}  // namespace belay::agent::backups
