#pragma once
// What both engines of PostgreSQL look at each minute.
#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

backup::WatchReport begin_watch(const BackupHost& host, const backup::Watch& watch);

// Programs are called as for a job, with no directory of a job's.
class WatchedHost {
 public:
  WatchedHost(const BackupHost& host, const backup::Watch& watch);
  const BackupHost& host() const { return host_; }
  const backup::Job& job() const { return job_; }

 private:
  BackupHost host_;
  backup::Job job_;
};

// Of a vault that is a directory, asked in a process of its own, for a mount may hang. "vault-away" where it is not
// there, "vault-full" where less than a twentieth or a GiB is free.
void look_at_space(const BackupHost& host, const backup::Job& job, backup::WatchReport& report);

}  // namespace belay::agent::backups
