#pragma once
// An engine of files for tests, whole and without any program: points are JSON files in the vault's directory,
// "encrypted" by a word that must be the same again. It keeps the contract of backup_engine.hpp
// (backup_engine_contract_test).
#include <optional>

#include "agent/backup/backup_engine.hpp"

namespace belay::agent {

class FakeBackupEngine final : public BackupEngine {
 public:
  explicit FakeBackupEngine(const BackupHost& host, backup::EngineName name = backup::EngineName::command)
      : host_(host), name_(name) {}
  backup::EngineName name() const override { return name_; }
  backup::JobReport check(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport back_up(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport copy(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport prove(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport restore(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport forget(const backup::Job& job, const Secrets& secrets) override;
  backup::JobReport list(const backup::Job& job, const Secrets& secrets) override;
  backup::WatchReport watch(const backup::Watch& watch) override;

  // The next task fails so.
  void fail_next(Error error) { failure_ = std::move(error); }

 private:
  std::optional<Error> planned() { return std::exchange(failure_, std::nullopt); }
  bool is_cancelled() const { return host_.cancel && host_.cancel->load(); }

  const BackupHost& host_;
  backup::EngineName name_;
  std::optional<Error> failure_;
};

}  // namespace belay::agent
