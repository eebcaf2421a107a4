// restic itself, and each way in which its exit status lies (docs/guide/backups.md). Takes the seconds that restic
// takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/backup/engines.hpp"
#include "agent/backup/real_fixture_test.hpp"
#include "agent/backup/restic_text.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class ResticLies : public RealFixture {
 protected:
  void SetUp() override {
    if (!has("restic")) GTEST_SKIP() << "restic is not installed";
    write(at("source/file"), noise(2'000'000, 1));
    lay_repository();
    reach();
  }
  void reach() {
    repository_.reset();
    access_.reset();
    auto access = VaultAccess::open(host_, job_, job_.vault, {});
    ASSERT_TRUE(access.ok()) << access.error().chain();
    access_ = std::make_unique<VaultAccess>(std::move(*access));
    repository_ = std::make_unique<Repository>(host_, job_, *access_, kRepositoryKey);
  }
  StoreWhat source() {
    StoreWhat what;
    what.paths = {at("source")};
    return what;
  }
  static std::string with_key() { return std::string("RESTIC_PASSWORD='") + kRepositoryKey + "' "; }
  std::string restic(const std::string& arguments) {
    return shell(with_key() + "RESTIC_CACHE_DIR=" + at("own-cache") + " restic -r " + access_->directory() + " " +
                 arguments);
  }
  std::unique_ptr<VaultAccess> access_;
  std::unique_ptr<Repository> repository_;
};

TEST_F(ResticLies, NoRepositoryIsNamedAndNotMadeUnasked) {
  fs::remove_all(access_->directory());
  const auto absent = repository_->open(false);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().reason(), "no-repository");
  EXPECT_FALSE(fs::exists(access_->directory() + "/config"));
  EXPECT_TRUE(repository_->open(true).ok());
  EXPECT_TRUE(repository_->open(true).ok());
}

TEST_F(ResticLies, AMissingSourcePathEndsWith0AndIsNoSuccess) {
  ASSERT_TRUE(repository_->open(true).ok());
  auto what = source();
  what.paths.push_back(at("unmounted"));
  const auto partial = repository_->store(what);
  ASSERT_TRUE(partial.ok()) << partial.error().chain();
  EXPECT_TRUE(partial->partial);
  ASSERT_FALSE(partial->unreadable.empty());
  EXPECT_THAT(partial->unreadable[0], HasSubstr("unmounted"));
  what.must_exist = what.paths;
  const auto refused = repository_->store(what);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason(), "source-missing");
  EXPECT_EQ(repository_->snapshots()->size(), 1u);
  what.paths = {at("unmounted")};
  what.must_exist.clear();
  EXPECT_FALSE(repository_->store(what).ok());
}

TEST_F(ResticLies, UnreadableFilesEndWith3AndThePointSaysWhich) {
  ASSERT_TRUE(repository_->open(true).ok());
  auto what = source();
  what.paths.emplace_back("/proc/1/mem");  // what even root cannot read
  const auto partial = repository_->store(what);
  ASSERT_TRUE(partial.ok()) << partial.error().chain();
  EXPECT_TRUE(partial->partial);
  EXPECT_THAT(partial->unreadable, testing::Contains("/proc/1/mem"));
  EXPECT_EQ(partial->files, 1u);
}

TEST_F(ResticLies, ALiveLockIsToldWithItsOwnerAndADeadOneIsTakenAway) {
  ASSERT_TRUE(repository_->open(true).ok());
  ASSERT_TRUE(repository_->store(source()).ok());
  Server holder(
      {"sh", "-c",
       "sleep 600 | " + with_key() + "exec restic --no-cache -r " + access_->directory() + " backup --stdin"});
  ASSERT_TRUE(eventually([&] { return !fs::is_empty(access_->directory() + "/locks"); }));
  EXPECT_TRUE(repository_->open(false).ok());  // it is shared
  const auto locked = repository_->check(false);
  ASSERT_FALSE(locked.ok());
  EXPECT_EQ(locked.error().reason(), "repository-locked");
  EXPECT_THAT(locked.error().message(), testing::AllOf(HasSubstr("process "), HasSubstr("since ")));
  // `unlock` says "successfully removed locks" while the lock stays.
  EXPECT_THAT(restic("unlock"), HasSubstr("successfully removed"));
  EXPECT_FALSE(fs::is_empty(access_->directory() + "/locks"));
  holder.kill_all();
  const auto checked = repository_->check(false);
  EXPECT_TRUE(checked.ok()) << checked.error().chain();
}

TEST_F(ResticLies, AFullVaultLosesNothingAndTheNextRunIsWell) {
  if (::mount("tmpfs", at("vault").c_str(), "tmpfs", 0, "size=6m") != 0) GTEST_SKIP() << "no tmpfs can be mounted here";
  reach();
  ASSERT_TRUE(repository_->open(true).ok());
  const auto first = repository_->store(source());
  ASSERT_TRUE(first.ok()) << first.error().chain();
  write(at("source/large"), noise(20'000'000, 2));
  const auto full = repository_->store(source());
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().reason(), "vault-full") << full.error().chain();
  EXPECT_EQ(::mount("tmpfs", at("vault").c_str(), "tmpfs", MS_REMOUNT, "size=200m"), 0);
  ASSERT_EQ(repository_->snapshots()->size(), 1u);
  const auto second = repository_->store(source());
  EXPECT_TRUE(second.ok()) << second.error().chain();
  EXPECT_TRUE(repository_->check(true).ok());
  repository_.reset();
  access_.reset();
  EXPECT_EQ(::umount(at("vault").c_str()), 0);
}

TEST_F(ResticLies, ABitFlipPassesCheckAndTheNextBackupAndIsFoundByReading) {
  ASSERT_TRUE(repository_->open(true).ok());
  const auto first = repository_->store(source());
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(spoil_largest(access_->directory() + "/data"));
  EXPECT_TRUE(repository_->check(false).ok());  // restic's own check sees nothing
  fs::create_directories(at("out"));
  const auto broken = repository_->restore(first->snapshot_id, at("out"));
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().reason(), "repository-damaged") << broken.error().chain();
  // restic itself goes on and lets the new snapshot point at the damaged pack.
  EXPECT_THAT(restic("backup --force --json " + at("source") + "; echo status $?"), HasSubstr("status 0"));
  const auto found = repository_->check(true);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().reason(), "repository-damaged") << found.error().chain();
  // Now that it is known, nothing is built on it: the pack is put aside, its content stored anew.
  const auto healed = repository_->store(source());
  ASSERT_TRUE(healed.ok()) << healed.error().chain();
  EXPECT_FALSE(fs::is_empty(access_->directory() + "/damaged"));
  EXPECT_TRUE(repository_->check(true).ok());
  fs::create_directories(at("out2"));
  EXPECT_TRUE(repository_->restore(healed->snapshot_id, at("out2")).ok());
  EXPECT_TRUE(repository_->restore(first->snapshot_id, at("out2")).ok());  // the old one is whole again, too
}

TEST_F(ResticLies, ARestoreOfNothingEndsWith0AndIsNoSuccess) {
  ASSERT_TRUE(repository_->open(true).ok());
  const auto stored = repository_->store(source());
  ASSERT_TRUE(stored.ok());
  fs::create_directories(at("out"));
  const auto nothing = repository_->restore(stored->snapshot_id, at("out"), {"/not/in/it"});
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().reason(), "not-in-point");
  const auto came = repository_->restore(stored->snapshot_id, at("out"));
  ASSERT_TRUE(came.ok());
  EXPECT_EQ(came->first, 2'000'000u);
  EXPECT_EQ(came->second, 1u);
}

TEST_F(ResticLies, ASnapshotOfTheFutureEvictsNobodyAndFailsItsProof) {
  ASSERT_TRUE(repository_->open(true).ok());
  ASSERT_TRUE(repository_->store(source()).ok());
  restic("backup --host mi-1 --time '2040-01-01 00:00:00' " + at("source"));
  write(at("source/file"), "later");
  ASSERT_TRUE(repository_->store(source()).ok());
  const auto list = *repository_->snapshots();
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(to_date(list[2].taken_at), "2040-01-01");
  job_.points.emplace_back().reference = list[2].snapshot_id;
  job_.level = backup::ProofLevel::P1;
  const auto engine = make_restic(host_);
  const auto report = engine->prove(job_, {{"repository.key", kRepositoryKey}});
  EXPECT_EQ(report.outcome, backup::JobOutcome::failed);
  EXPECT_THAT(report.why, HasSubstr("in the future"));
  // Deleted is what is named, whatever is "newest".
  ASSERT_TRUE(repository_->forget({list[2].snapshot_id}).ok());
  EXPECT_EQ(repository_->snapshots()->size(), 2u);
}

TEST_F(ResticLies, ForgettingWhatIsNotThereEndsWith0AndIsFine) {
  ASSERT_TRUE(repository_->open(true).ok());
  const auto stored = repository_->store(source());
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(repository_->forget({std::string(64, 'a')}).ok());
  EXPECT_TRUE(repository_->forget({stored->snapshot_id, std::string(64, 'a')}).ok());
  EXPECT_TRUE(repository_->snapshots()->empty());
  EXPECT_TRUE(repository_->prune().ok());
}

TEST_F(ResticLies, AVaultThatVanishesIsAwayAndNoEmptyRepository) {
  ASSERT_TRUE(repository_->open(true).ok());
  fs::rename(at("vault"), at("vault-gone"));
  const auto away = VaultAccess::open(host_, job_, job_.vault, {});
  ASSERT_FALSE(away.ok());
  EXPECT_EQ(away.error().reason(), "vault-away");
  EXPECT_FALSE(fs::exists(at("vault")));
}

TEST_F(ResticLies, ARepositoryOfAnotherProgramIsKeptAsADirectory) {
  write(at("other/data/0"), noise(100'000, 7));
  write(at("other/config"), "[repository]\n");
  ASSERT_TRUE(repository_->open(true).ok());
  const auto stored = store_directory(*repository_, at("other"), {"belay"});
  ASSERT_TRUE(stored.ok()) << stored.error().chain();
  fs::create_directories(at("out"));
  ASSERT_TRUE(repository_->restore(stored->snapshot_id, at("out")).ok());
  EXPECT_EQ(shell("diff -r " + at("other") + " " + at("out") + " && echo same"), "same\n");
}

TEST_F(ResticLies, CopiesOnceAndKeepsTheChunks) {
  ASSERT_TRUE(repository_->open(true).ok());
  const auto stored = repository_->store(source());
  ASSERT_TRUE(stored.ok());
  auto far = job_.vault;
  far.name = "far";
  far.path = at("far");
  const auto access = VaultAccess::open(host_, job_, far, {}, "copy.");
  ASSERT_TRUE(access.ok());
  Repository other(host_, job_, *access, "other key");
  ASSERT_TRUE(other.open(true, repository_.get()).ok());
  const auto once = other.copy_from(*repository_, {stored->snapshot_id});
  ASSERT_TRUE(once.ok()) << once.error().chain();
  const auto twice = other.copy_from(*repository_, {stored->snapshot_id});
  ASSERT_TRUE(twice.ok()) << twice.error().chain();
  EXPECT_EQ(*once, *twice);
  // The same chunker: a backup straight into the other vault finds everything there.
  const auto direct = other.store(source());
  ASSERT_TRUE(direct.ok());
  EXPECT_LT(direct->bytes_added, 10'000u);
  EXPECT_FALSE(other.copy_from(*repository_, {std::string(64, 'a')}).ok());
}

}  // namespace
}  // namespace belay::agent::backups
