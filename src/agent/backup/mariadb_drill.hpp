#pragma once
// A restored MariaDB or MySQL data directory, and a server on it that runs in walls, as nobody of importance, without
// network, binary log, events and replication. The drill and every restore that needs logs go through it.
#include "agent/backup/mariadb_logs.hpp"

namespace belay::agent::backups::mariadb {

inline constexpr std::uint64_t kSlackBytes = 256u << 20;  // redo log, temporary tables

// Who the server runs as: source.user, else mysql.
std::string server_user(const backup::Job& job);

class DrilledServer {
 public:
  // On `data_directory`, which belongs to server_user. `about`: what the point says of its server. Returns once it
  // answers. unsupported "wrong-major" where the server that is installed is of another series than the point's,
  // corrupt "server-failed" with the end of its log.
  static Result<std::unique_ptr<DrilledServer>> start(const BackupHost& host, const backup::Job& job,
                                                      const std::string& option_file, const std::string& data_directory,
                                                      const std::string& about);
  const Client& client() const { return client_; }
  const DrillServer& server() const { return *server_; }
  Status stop();  // cleanly: its files are whole afterwards

 private:
  DrilledServer() = default;
  std::optional<DrillServer> server_;
  Client client_;
};

// A data directory without anything in it, for a dump.
Status make_data_directory(const BackupHost& host, const backup::Job& job, const std::string& directory);
// The first of these that is of the server's series. unsupported "wrong-major", not_found where none is installed.
Result<Program> program_for(const BackupHost& host, const backup::Job& job, const std::vector<std::string>& names,
                            const std::string& server_version);

// ---- rungs
// P3: the checksum of every page of every InnoDB file. Reads all of them.
void check_pages(const BackupHost& host, const backup::Job& job, const std::string& data_directory,
                 backup::JobReport& report);
// P3: the fingerprints again, compared with the point's.
void compare_content(const Client& client, const std::vector<std::string>& databases, const backup::MadePoint& point,
                     backup::JobReport& report);
// P4: CHECK TABLE … EXTENDED of all tables, read by its text.
void check_tables(const Client& client, backup::JobReport& report);
// P5: the operator's questions.
void ask_operators_checks(const DrilledServer& server, const backup::Job& job, const std::string& root,
                          backup::JobReport& report);
// The fingerprint that says how many tables there are: an empty database has this one.
backup::Fingerprint count_of(const std::vector<Table>& tables);

// ---- phases that count into the time to restore
Duration time_to_restore(const backup::JobReport& report);  // "fetch", "prepare", "load", "start", "recover"

}  // namespace belay::agent::backups::mariadb
