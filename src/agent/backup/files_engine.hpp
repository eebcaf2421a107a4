#pragma once
// What engines of files share (restic, borg): what is stored, the ladder of proof, restores beside and over. Only for
// this room's sources.
#include "agent/backup/file_trees.hpp"
#include "agent/backup/repository.hpp"

namespace belay::agent::backups {

// One repository, reached. The errors are those of Repository.
class FileStore {
 public:
  virtual ~FileStore() = default;
  virtual Status open(bool make) = 0;
  virtual Result<Stored> store(const StoreWhat& what) = 0;
  virtual Result<std::vector<Stored>> snapshots() = 0;
  virtual Status check(bool read_data) = 0;
  virtual Result<std::pair<std::uint64_t, std::uint64_t>> restore(const std::string& id, const std::string& target,
                                                                  const std::vector<std::string>& include) = 0;
  virtual Status forget(const std::vector<std::string>& ids) = 0;
  virtual Status compact() = 0;
  virtual Result<std::uint64_t> bytes() = 0;
  virtual Status each_file(const std::string& id, const std::function<void(const ListedFile&)>& each) = 0;
  virtual Result<std::string> version() = 0;
  virtual const VaultAccess& access() const = 0;
};

class FilesEngine : public BackupEngine {
 public:
  explicit FilesEngine(const BackupHost& host) : host_(host) {}
  backup::JobReport check(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport back_up(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport prove(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport restore(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport forget(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport list(const backup::Job& job, const Secrets& secrets) override;
  backup::WatchReport watch(const backup::Watch& watch) override;

 protected:
  virtual Result<std::unique_ptr<FileStore>> reach(const backup::Job& job, const Secrets& secrets) = 0;
  const BackupHost& host_;

 private:
  Result<std::unique_ptr<FileStore>> opened(const backup::Job& job, const Secrets& secrets, bool make);
};

// What the source of a job names, as the engine is told it; the repository and our own caches are never in it.
Result<StoreWhat> what_to_store(const BackupHost& host, const backup::Job& job, const VaultAccess& access);

// Adds what the vault holds now, where it tells.
void add_space(backup::JobReport& report, const VaultAccess& access, FileStore* store);

// ---- restores for people, of any engine that makes files (files_restore.cpp)
// `fetch` brings the point into a directory that is there and empty.
backup::JobReport restore_files(const BackupHost& host, const backup::Job& job, FileStore& store);

// ---- what is watched without secrets (watch_files.cpp): the vault's directory, its space, the age of locks, a drive
// that is wanted. Noted down by note_for_watch at each backup.
backup::WatchReport watch_vault(const BackupHost& host, const backup::Watch& watch);
void note_for_watch(const BackupHost& host, const backup::Job& job, const VaultAccess& access);

}  // namespace belay::agent::backups
