#pragma once
// A PostgreSQL that runs for a drill alone, on a data directory in scratch: behind walls, on a socket in scratch, as
// the source's user, who reaches nothing of production there. What could act by itself is off: archiving, replication,
// subscriptions, triggers of the user's and of events, jobs of pg_cron.
#include <memory>
#include <string>
#include <vector>

#include "agent/backup/pg_server.hpp"
#include "agent/backup/pg_text.hpp"
#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

struct PgDrillPlace {
  std::string root;  // the scratch; its user's
  std::string data;  // the data directory below it
  std::string user, programs;
  std::string libraries;           // shared_preload_libraries of the source
  std::vector<std::string> shown;  // that restore_command reads from
};

class PgDrill {
 public:
  // `job` outlives it.
  static Result<PgDrill> start(const BackupHost& host, const backup::Job& job, PgDrillPlace place);
  // Until it is out of recovery and answers; accepting connections is not enough. Its own words where it ends before.
  Status wait_until_recovered() const;
  PgServer server() const;
  const DrillServer& process() const { return process_; }
  std::string output() const { return process_.output(); }
  Status stop();  // in order: pg_checksums wants that. May be repeated

 private:
  PgDrill(const BackupHost& host, const backup::Job& job, PgDrillPlace place, DrillServer process)
      : host_(&host), job_(&job), place_(std::move(place)), process_(std::move(process)) {}
  const BackupHost* host_;
  const backup::Job* job_;
  PgDrillPlace place_;
  DrillServer process_;
};

// The job as a drill sees it: the source's own directory is known, so that it is out of reach.
backup::Job walled(const backup::Job& job);
Result<std::string> major_of(const BackupHost& host, const std::string& data_directory);  // its file PG_VERSION
Result<ControlData> control_data(const BackupHost& host, const backup::Job& job, const PgDrillPlace& place);

// P3: the fingerprints that the point came with, against those of the restored.
void compare_with_point(backup::JobReport& report, const PgServer& server, const backup::MadePoint& point);
// P4: indexes against their tables, every row read; then, stopped, the checksums of all pages.
void check_running(const BackupHost& host, backup::JobReport& report, const PgServer& server);
void check_stopped(const BackupHost& host, const backup::Job& job, backup::JobReport& report, PgDrill& drill,
                   const PgDrillPlace& place);
// P5: the operator's questions, and what was measured.
void check_wishes(const BackupHost& host, const backup::Job& job, backup::JobReport& report, const PgDrill& drill,
                  const PgDrillPlace& place);

bool holds_so_far(const backup::JobReport& report);  // no evidence failed

}  // namespace belay::agent::backups
