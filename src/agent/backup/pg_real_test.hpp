#pragma once
// A PostgreSQL of a test's own, in a directory of mktemp's, on a socket there alone; and a vault beside it.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "agent/backup/engines.hpp"
#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

class PgStand {
 public:
  PgStand();
  ~PgStand();
  // Why nothing of this can be tried here; "" it can.
  static std::string why_not(const std::vector<std::string>& programs);

  void start_server(const std::string& more_settings = {});
  void stop_server();
  void set(const std::string& lines);  // into postgresql.conf
  std::string psql(const std::string& sql, const std::string& database = "postgres") const;
  int sh(const std::string& command) const;                   // as root; quiet
  std::string out(const std::string& command) const;          // its output
  std::string as_postgres(const std::string& command) const;  // the command line
  std::string path(const std::string& name) const { return root_ + "/" + name; }

  backup::Job job(backup::Task task, backup::EngineName engine) const;
  backup::JobReport run(BackupEngine& engine, const backup::Job& job);
  backup::JobReport run(BackupEngine& engine, const backup::Job& job, const Secrets& secrets);
  BackupHost host() const;
  const BackupHost& kept_host() const { return host_; }
  Secrets secrets{{"repository.key", "a-key-of-the-test-0123456789"},
                  {"copy.repository.key", "another-key-9876543210"}};

 private:
  std::string root_, programs_;
  BackupHost host_;
};

std::string seen(const backup::JobReport& report);  // for the message of a failed expectation

}  // namespace belay::agent::backups
