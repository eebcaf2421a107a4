#pragma once
// What every backup engine must do, tried over the fake and over the real programs of this machine. Each test gets a
// fresh stand. An engine joins with a stand of its own and its row in backup_engine_contract.cpp.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/backup/backup_engine.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/own_directory.hpp"

namespace belay::agent::contract {

// The real processes, and what was said to them.
class RecordingProcesses final : public io::Processes {
 public:
  Result<io::ProcessOutcome> run(const io::ProcessSpec& spec, const io::OutputSink& sink) override;
  std::string said() const;  // all arguments and variables of all calls
  // Asked before each call; an error stands for what would have come of it.
  std::function<Status(const io::ProcessSpec&)> before;

 private:
  mutable std::mutex mutex_;
  std::string said_;
};

// A source, two vaults and an engine between them, below a directory that goes with it.
class BackupStand {
 public:
  BackupStand();
  virtual ~BackupStand() = default;
  BackupStand(const BackupStand&) = delete;
  BackupStand& operator=(const BackupStand&) = delete;

  virtual BackupEngine& engine() = 0;
  // The source and its rules, for a job.
  virtual backup::SourceSpec source() const = 0;
  // Adds, changes and removes something that a restore must show.
  virtual void change_source() = 0;
  // The source goes away: an unmounted directory, a database that is down. "" where there is no such thing.
  virtual void lose_source() = 0;
  // What is in the source now, and the same of what was restored to `path` (Job::restore, or a data directory).
  virtual std::string content() = 0;
  virtual std::string content_restored(const std::string& path) = 0;
  // Changes one byte of what is stored of all points. False: cannot.
  virtual bool spoil(const std::string& repository) = 0;
  // The level at which a spoiled byte must be found at the latest.
  virtual backup::ProofLevel finds_damage_at() const { return backup::ProofLevel::P2; }
  virtual backup::ProofLevel proves_up_to() const { return backup::ProofLevel::P3; }
  virtual bool copies() const { return true; }
  // A check that holds, for P5; its command, if it has one, also is what P4 starts.
  virtual std::vector<backup::Check> checks() const { return {}; }
  virtual std::optional<std::string> one_file() const { return std::nullopt; }  // that can be restored alone

  // A repository that a backup finds there, where its engine keeps one of restic's: none has to be made, which is slow.
  virtual void lay_repository();

  // ---- what all share
  backup::Job job(backup::Task task) const;
  backup::JobReport run(const backup::Job& job) { return run(job, secrets()); }
  backup::JobReport run(const backup::Job& job, const Secrets& secrets);
  backup::MadePoint back_up();  // and expects it to be well
  Secrets secrets() const;
  std::string directory(const std::string& name) const { return own_.path() + "/" + name; }
  std::string repository(const std::string& vault = "vault") const;
  RecordingProcesses& processes() { return processes_; }
  BackupHost& host() { return host_; }

 private:
  const fakes::OwnDirectory own_{"backup"};
  RecordingProcesses processes_;
  std::atomic<bool> cancel_{false};

 protected:
  BackupHost host_;
};

// The stand, or why there is none here.
struct MadeBackupStand {
  std::unique_ptr<BackupStand> stand;
  std::string why_not;
};
struct BackupStandMaker {
  std::string name;
  MadeBackupStand (*make)();
};

MadeBackupStand make_fake_backup_stand();
MadeBackupStand make_restic_stand();
MadeBackupStand make_borg_stand();
MadeBackupStand make_mariadb_backup_stand();  // mariadb_stands.cpp
MadeBackupStand make_mysqldump_stand();
MadeBackupStand make_pgbackrest_stand();
MadeBackupStand make_pg_dump_stand();
MadeBackupStand make_sqlite_stand();  // backup_stands_more.cpp
MadeBackupStand make_command_stand();
MadeBackupStand make_copied_snapshot_stand();
MadeBackupStand make_btrfs_snapshot_stand();

// For stands of files: a tree as text, with modes, links and content.
std::string tree_as_text(const std::string& root);
// Flips one byte in the middle of the largest file below.
bool spoil_largest(const std::string& directory);
bool has_program(const std::string& name);

}  // namespace belay::agent::contract
