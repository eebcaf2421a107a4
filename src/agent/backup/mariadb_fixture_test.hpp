#pragma once
// For tests: a MariaDB server of its own in a temporary directory, and jobs about it whose vault is a directory beside.
#include <gtest/gtest.h>

#include <atomic>

#include "agent/backup/mariadb_restore.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/own_directory.hpp"
#include "tests/fakes/private_mariadb.hpp"
#include "tests/fakes/restic_repository.hpp"

namespace belay::agent::backups::mariadb {

class Stand : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void start_server() { ASSERT_TRUE(server_->start(data_)); }
  void stop_server(int signal = 15) { server_->stop(signal); }
  std::string sql(const std::string& text);       // as root; a failure is one of the test
  std::string shell(const std::string& command);  // likewise

  // Into the vault, where there is none: it is found there, and need not be made.
  void lay_repository();
  backup::Job job(backup::Task task, backup::BackupType type = backup::BackupType::full,
                  backup::EngineName engine = backup::EngineName::mariadb_backup);
  backup::JobReport run(const backup::Job& job);
  // A point that must be made; the job that drills it.
  backup::MadePoint back_up(backup::BackupType type, backup::EngineName engine = backup::EngineName::mariadb_backup);
  backup::Job drill_of(const backup::MadePoint& point, backup::ProofLevel level,
                       backup::EngineName engine = backup::EngineName::mariadb_backup);
  std::unique_ptr<BackupEngine> engine(backup::EngineName name);

  std::unique_ptr<fakes::OwnDirectory> own_;
  std::string root_, data_, option_file_, heartbeat_;
  std::atomic<bool> cancel_{false};
  std::unique_ptr<BackupHost> host_;
  std::unique_ptr<fakes::PrivateMariadb> server_;
  Secrets secrets_{{"repository.key", fakes::kRepositoryKey}};
};

// What was seen on the rungs, a line each: for the message of a failed test.
std::string told(const backup::JobReport& report);
bool passed(const backup::JobReport& report, std::string_view what);
bool failed_at(const backup::JobReport& report, std::string_view what);

}  // namespace belay::agent::backups::mariadb
