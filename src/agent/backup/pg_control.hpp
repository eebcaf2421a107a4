#pragma once
// Stopping and starting the live server, for a restore in its place.
#include <string>
#include <vector>

#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

// How a server is run: by a unit of systemd's, or as it was started by hand (its postmaster.opts).
class PgControl {
 public:
  // Of a server that runs on this data directory; one that does not run is started as it last was. unsupported where
  // nothing tells how.
  static Result<PgControl> of(const BackupHost& host, const backup::Job& job, std::string user, std::string programs,
                              std::string data_directory, std::string unit_hint = {});
  Status stop() const;   // in order; one that does not run is fine
  Status start() const;  // may return before it is out of recovery; its own words where it ends at once
  bool is_running() const;
  const std::string& unit() const { return unit_; }  // "" none
  std::string told() const;                          // "systemctl stop postgresql@15-main.service"

 private:
  PgControl(const BackupHost& host, const backup::Job& job) : host_(&host), job_(&job) {}
  const BackupHost* host_;
  const backup::Job* job_;
  std::string user_, programs_, data_, unit_;
  std::vector<std::string> options_;
};

// The process that its postmaster.pid names and that is alive; 0 none.
int postmaster_of(const BackupHost& host, const std::string& data_directory);
// "postgresql@15-main.service" of a file /proc/N/cgroup; "" where it is in none, or in the same as `own`.
std::string unit_in(std::string_view cgroup, std::string_view own);

}  // namespace belay::agent::backups
