#pragma once
// The engines, one function each. Who adds one replaces its line in make_engine (engines.cpp). `host` outlives them.
#include <memory>

#include "agent/backup/backup_engine.hpp"

namespace belay::agent::backups {

std::unique_ptr<BackupEngine> make_pgbackrest(const BackupHost& host);
std::unique_ptr<BackupEngine> make_pg_dump(const BackupHost& host);
std::unique_ptr<BackupEngine> make_mariadb_backup(const BackupHost& host);
std::unique_ptr<BackupEngine> make_mysqldump(const BackupHost& host);
std::unique_ptr<BackupEngine> make_restic(const BackupHost& host);
std::unique_ptr<BackupEngine> make_borg(const BackupHost& host);
std::unique_ptr<BackupEngine> make_sqlite(const BackupHost& host);
std::unique_ptr<BackupEngine> make_snapshot_engine(const BackupHost& host);
std::unique_ptr<BackupEngine> make_command_engine(const BackupHost& host);

// What all jobs share, whichever engine does the work (do_job is this with make_engine).
backup::JobReport do_job_with(const BackupHost& host, BackupEngine& engine, const backup::Job& job,
                              const Secrets& secrets);

}  // namespace belay::agent::backups
