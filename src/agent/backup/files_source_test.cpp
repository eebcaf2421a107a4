#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backup/files_engine.hpp"
#include "base/json.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent::backups {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

class FilesSource : public testing::Test {
 protected:
  FilesSource() {
    processes_.on("stat *", fakes::prints("2049 directory\n2050 directory\n"));
    EXPECT_TRUE(files_.make_directories("/srv/vault", 0700).ok());
    EXPECT_TRUE(files_.make_directories(host_.work_directory, 0711).ok());
    job_.plan_id = "bp-1";
    job_.source_node_id = "mi-1";
    job_.vault.name = "near";
    job_.vault.path = "/srv/vault";
  }
  Result<StoreWhat> what() {
    auto access = VaultAccess::open(host_, job_, job_.vault, {});
    EXPECT_TRUE(access.ok()) << access.error().chain();
    return what_to_store(host_, job_, *access);
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

TEST_F(FilesSource, TheRepositoryIsNeverInItself) {
  job_.source.paths = {"/srv", "/etc"};
  job_.source.excludes = {"*.tmp"};
  const auto stored = what();
  ASSERT_TRUE(stored.ok());
  EXPECT_THAT(stored->paths, ElementsAre("/srv", "/etc"));
  EXPECT_EQ(stored->must_exist, stored->paths);
  EXPECT_THAT(stored->excludes, ElementsAre("*.tmp", "/srv/vault"));
  EXPECT_THAT(stored->tags, Contains("belay"));
  job_.source.paths.clear();
  EXPECT_FALSE(what().ok());
}

TEST_F(FilesSource, TheWholeSystemIsItsDisks) {
  files_.put("/proc/self/mountinfo",
             "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:5 / /proc rw - proc proc rw\n3 1 8:2 / /home\\040big rw "
             "shared:1 - xfs /dev/sda2 rw\n"
             "4 1 8:1 /srv /mnt/bound rw - ext4 /dev/sda1 rw\n5 1 0:30 / /mnt/nas rw - nfs4 nas:/x rw\n6 1 0:31 / /run "
             "rw - tmpfs tmpfs rw\nbroken\n");
  job_.source.whole_system = true;
  const auto stored = what();
  ASSERT_TRUE(stored.ok());
  EXPECT_THAT(stored->paths, ElementsAre("/", "/home big"));
  EXPECT_TRUE(stored->one_file_system);
  for (const char* path : {"/proc", "/run", "/srv/vault", "/var/lib/belay-agent/backups"})
    EXPECT_THAT(stored->excludes, Contains(path));
}

TEST_F(FilesSource, TheWatchNeedsNoSecretAndNamesWhatItSees) {
  backup::Watch watch;
  watch.plan_id = "bp-1";
  watch.vault_name = "near";
  watch.vault = job_.vault;
  EXPECT_TRUE(watch_vault(host_, watch).findings.empty());  // nothing was backed up yet
  {
    auto access = VaultAccess::open(host_, job_, job_.vault, {});
    ASSERT_TRUE(access.ok());
    note_for_watch(host_, job_, *access);
  }
  files_.put("/srv/vault/bp-1/mi-1/locks/0123456789ab", "lock");
  files_.set_space({.bytes_total = 100 << 20, .bytes_free = 50 << 20, .inodes_free = 1'000});
  auto report = watch_vault(host_, watch);
  EXPECT_EQ(report.vault_bytes_free, 50u << 20);
  // The fake's files are of the epoch: the lock is old.
  ASSERT_EQ(report.findings.size(), 1u) << json::to_text(json::encode(report));
  EXPECT_EQ(report.findings[0].what, "lock-old");
  files_.set_space({.bytes_total = 100 << 20, .bytes_free = 2 << 20, .inodes_free = 1'000});
  EXPECT_EQ(watch_vault(host_, watch).findings.at(1).what, "vault-full");
  processes_.on("stat *", fakes::times_out());
  report = watch_vault(host_, watch);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].what, "vault-away");
  watch.vault.kind = backup::VaultKind::removable;
  watch.vault.removable.emplace().labels = {"A", "B"};
  watch.vault.removable->asked_after = Duration(3'600'000);
  EXPECT_TRUE(watch_vault(host_, watch).findings.empty());
  clock_.advance(Duration(3'600'000));
  EXPECT_EQ(watch_vault(host_, watch).findings.at(0).what, "drive-wanted");
}

}  // namespace
}  // namespace belay::agent::backups
