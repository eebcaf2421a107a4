#pragma once
// Points of either engine brought back: for a drill, beside, or in the place of the server. Phases "fetch", "prepare",
// "start", "load", "recover" make up the time to restore.
#include "agent/backup/mariadb_chain.hpp"

namespace belay::agent::backups::mariadb {

// A data directory out of a point's snapshots, in `parent` (an empty directory); of a dump, with the file that is to be
// loaded into it.
struct BroughtBack {
  Prepared prepared;
  std::string dump;  // "" of mariadb-backup
};
Result<BroughtBack> bring_back(const BackupHost& host, const backup::Job& job, Repository& repository,
                               const std::vector<const Stored*>& members, const std::string& parent, Stopwatch& watch);

// Of a dump: complete by its last line. corrupt "dump-cut".
Status check_dump(const std::string& file);
// The dump of a point alone, into `directory`: the path of it. Phase "fetch".
Result<std::string> fetch_dump(const BackupHost& host, Repository& repository, const Stored& point,
                               const std::string& directory, Stopwatch& watch);

// Programs are there and of the server's series, it answers, the repository opens.
backup::JobReport check_source(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                               const std::string& option_file, const std::vector<std::string>& tools);
// The ladder. With binary logs first to the position where the point was counted; then, where the job has a target, on
// to it.
backup::JobReport drill(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                        const std::string& option_file);
// A data directory: beside, or in place of the server's, which is put aside.
backup::JobReport restore_server(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                                 const std::string& option_file);

// ---- parts that a dump's restore uses, too
// corrupt "before-the-point" where the wanted moment is older than the point.
Status check_time(const backup::Job& job, const Stored& point);
// `built` takes the place of `target`, and what was there is put aside where `over`, else conflict "target-not-empty".
// The name of what was put aside (put_aside_name), "" where nothing was. At an error, and wherever it is killed, the
// target is whole: as it was, or as it was built.
Result<std::string> put_in_place(const BackupHost& host, const backup::Job& job, const std::string& built,
                                 const std::string& target, bool over, std::string_view label);
std::string put_aside_name(const std::string& target, std::string_view label);
Status check_target(const BackupHost& host, const std::string& target, bool over);
// An empty directory beside `target` to build in. What lies there already is never removed (killed at the wrong moment,
// a restore may have left the live data there): moved away, and its new name told.
Result<std::string> make_building_place(const BackupHost& host, const backup::Job& job, const std::string& target,
                                        std::string_view label, backup::JobReport& report);
// Stores what the server logged since the last run, so that the newest moments can be restored, too.
Status archive_newest(const BackupHost& host, const backup::Job& job, const std::string& option_file,
                      Repository& repository, std::vector<Stored>& all);

// Of a dump: the file into a directory, or databases into the running server; a data directory where a time is wanted.
backup::JobReport restore_dump(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                               const std::string& option_file);

// With the path of an option file of their own: for tests.
std::unique_ptr<BackupEngine> mariadb_backup_with(const BackupHost& host, std::string option_file);
std::unique_ptr<BackupEngine> mysqldump_with(const BackupHost& host, std::string option_file);

}  // namespace belay::agent::backups::mariadb
