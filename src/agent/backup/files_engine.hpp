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

// What an engine made ready to be stored.
struct Prepared {
  StoreWhat what;
  std::shared_ptr<void> held{};               // it can be read while this lives
  std::optional<Instant> taken_at{};          // what it holds is as of then; absent: as the repository says
  std::vector<backup::Fingerprint> prints{};  // beside those of the files
  std::uint64_t rows = 0;                     // of all tables
  std::string position{}, server_version{};   // as MadePoint has them
  std::vector<std::string> remarks{};
};

// Engines that make files override some of the steps; the ladder and the repository are the same for all.
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
  // The source and its programs are there: adds evidence of P0.
  virtual void look_at_source(const backup::Job& job, backup::JobReport& report);
  // What is to be stored; what was seen on the way is evidence.
  virtual Result<Prepared> prepare(const backup::Job& job, const VaultAccess& access, backup::JobReport& report);
  // P3 of what was restored below `root`, beside its files: more to compare, and evidence.
  virtual std::vector<backup::Fingerprint> examine(const backup::Job& job, const std::string& root,
                                                   backup::JobReport& report);
  // P4 of the same: by itself the operator's own commands.
  virtual void start(const backup::Job& job, const std::string& root, backup::JobReport& report);
  // Answers the operator's SQL at P5; empty: there is none.
  virtual std::function<Result<std::string>(const backup::Check&)> asker(const backup::Job& job,
                                                                         const std::string& root);
  // What belongs to a file by its name with this added, and is put aside with it.
  virtual std::vector<std::string> companions() const { return {}; }
  // Points that are no more in the repository.
  virtual void forgotten(const backup::Job& job, backup::JobReport& report);
  Result<std::unique_ptr<FileStore>> opened(const backup::Job& job, const Secrets& secrets, bool make);
  const BackupHost& host_;

 private:
  Status prove_restored(const backup::Job& job, FileStore& store, backup::JobReport& report, Stopwatch& watch);
};

// Those whose files are kept by restic.
class ResticFiles : public FilesEngine {
 public:
  using FilesEngine::FilesEngine;
  backup::JobReport copy(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport check(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport forget(const backup::Job& job, const Secrets& secrets) override;

 protected:
  Result<std::unique_ptr<FileStore>> reach(const backup::Job& job, const Secrets& secrets) override;
};

backup::JobReport begun(backup::Task task);  // well until something fails

// What the source of a job names, as the engine is told it; the repository and our own caches are never in it.
Result<StoreWhat> what_to_store(const BackupHost& host, const backup::Job& job, const VaultAccess& access);

// Adds what the vault holds now, where it tells.
void add_space(backup::JobReport& report, const VaultAccess& access, FileStore* store);

// ---- restores for people, of any engine that makes files (files_restore.cpp)
// `fetch` brings the point into a directory that is there and empty.
backup::JobReport restore_files(const BackupHost& host, const backup::Job& job, FileStore& store,
                                const std::vector<std::string>& companions = {});

// ---- what is watched without secrets (watch_files.cpp): the vault's directory, its space, the age of locks, a drive
// that is wanted. Noted down by note_for_watch at each backup.
backup::WatchReport watch_vault(const BackupHost& host, const backup::Watch& watch);
void note_for_watch(const BackupHost& host, const backup::Job& job, const VaultAccess& access);

}  // namespace belay::agent::backups
