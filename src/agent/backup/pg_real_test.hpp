#pragma once
// A PostgreSQL of a test's own, in a directory of mktemp's, on a socket there alone; and a vault beside it.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "agent/backup/engines.hpp"
#include "agent/backup/tools.hpp"
#include "tests/fakes/own_directory.hpp"
#include "tests/fakes/restic_repository.hpp"

namespace belay::agent::backups {

class PgStand {
 public:
  PgStand();
  ~PgStand();
  // Why nothing of this can be tried here; "" it can.
  static std::string why_not(const std::vector<std::string>& programs);

  void lay_repository();  // of restic's into the vault: it need not be made
  void start_server(const std::string& more_settings = {});
  void stop_server();
  void set(const std::string& lines);  // into postgresql.conf
  std::string psql(const std::string& sql, const std::string& database = "postgres") const;
  int sh(const std::string& command) const;                   // as root; quiet
  std::string out(const std::string& command) const;          // its output
  std::string as_postgres(const std::string& command) const;  // the command line
  std::string path(const std::string& name) const { return own_.path() + "/" + name; }

  backup::Job job(backup::Task task, backup::EngineName engine) const;
  backup::JobReport run(BackupEngine& engine, const backup::Job& job);
  backup::JobReport run(BackupEngine& engine, const backup::Job& job, const Secrets& secrets);
  BackupHost host() const;
  const BackupHost& kept_host() const { return host_; }
  Secrets secrets{{"repository.key", fakes::kRepositoryKey}, {"copy.repository.key", "another-key-9876543210"}};

 private:
  const fakes::OwnDirectory own_{"pgbackup", 0755};
  std::string programs_;
  BackupHost host_;
};

std::string seen(const backup::JobReport& report);  // for the message of a failed expectation

}  // namespace belay::agent::backups
