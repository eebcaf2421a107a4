#pragma once
// A PostgreSQL server that is asked through psql, as the system user that it runs as (peer), over its socket: the live
// one of a source, or one of a drill. Everything that is asked goes in on standard input.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

// Fingerprints that are of no table.
inline constexpr std::string_view kHeartbeatSubject = "heartbeat", kDatabasesSubject = "databases";

// What the server says of itself.
struct PgFacts {
  std::string version;  // "15.18 (Debian …)"
  std::uint32_t major = 0;
  std::string data_directory, archive_mode, archive_command, wal_level, libraries;
  std::uint64_t segment_bytes = 0, bytes = 0;  // of one WAL segment; of all databases
  std::uint64_t archive_timeout_s = 0;
  std::uint32_t timeline = 0;
  bool in_recovery = false, has_tablespaces = false, has_checksums = false;
};

// What was seen at one named moment in the log.
struct PgMoment {
  std::string name, lsn;  // of the restore point
  Instant at{};
  std::vector<backup::Fingerprint> fingerprints;  // of what stood still around it
  std::uint64_t rows = 0;                         // of every table that was counted
  std::vector<std::string> remarks;
};

class PgServer {
 public:
  // `drill`: asks inside its namespaces. All outlive it. socket "" and port 0: the defaults of the programs.
  PgServer(const BackupHost& host, const backup::Job& job, std::string socket, std::uint32_t port, std::string user,
           const DrillServer* drill = nullptr)
      : host_(host), job_(job), socket_(std::move(socket)), port_(port), user_(std::move(user)), drill_(drill) {}
  // Of the source of a job: "postgres" where it names no user.
  static PgServer of(const BackupHost& host, const backup::Job& job);

  // Arguments that make one of PostgreSQL's programs reach this server; `program` by its bare name.
  std::vector<std::string> reach(std::string_view program) const;
  Result<io::ProcessOutcome> run(Call what) const;  // as the user, in the drill's namespaces where it is one
  // The standard output of a script for psql; stops at the first error. unavailable "source-down" where nothing
  // answers, failed in the server's words else.
  Result<std::string> script(std::string_view database, std::string sql, Duration timeout = Duration(60'000),
                             const std::map<std::string, std::string>& environment = {}) const;
  Result<std::string> ask(std::string_view database, std::string sql) const;  // without white space around it

  Result<PgFacts> facts() const;
  Result<std::vector<std::string>> databases() const;  // that may be connected to, templates apart
  // Counts and hashes of the rows of ordinary tables, the smaller ones first, up to bounds, in one snapshot.
  // `only`: of exactly these, whatever their size.
  Result<std::vector<backup::Fingerprint>> fingerprints(const std::string& database,
                                                        const std::vector<backup::Fingerprint>* only = nullptr) const;
  Result<std::vector<backup::Fingerprint>> all_fingerprints(
      const std::vector<backup::Fingerprint>* only = nullptr) const;
  // How many databases, and which.
  Result<backup::Fingerprint> database_fingerprint() const;
  // A restore point, and what was in the tables then. Tables that change meanwhile are told apart by reading twice.
  Result<PgMoment> mark_moment(const std::string& name) const;

  // Writes the row `id` of the source's heartbeat table (made where there is none); its time as the server says it.
  // "" where the source has none.
  Result<std::string> beat(std::string_view id) const;
  Result<std::string> read_beat(std::string_view id) const;  // "" where there is no such row
  Result<Instant> newest_beat() const;                       // not_found where there is none

  const std::string& user() const { return user_; }
  const std::string& socket() const { return socket_; }
  std::uint32_t port() const { return port_; }
  void set_programs(std::string directory) { programs_ = std::move(directory); }
  const std::string& programs() const { return programs_; }

 private:
  const BackupHost& host_;
  const backup::Job& job_;
  std::string socket_;
  std::uint32_t port_;
  std::string user_;
  const DrillServer* drill_;
  std::string programs_;  // "" by PATH
};

// Where PostgreSQL's programs of a major version lie; 0: of the newest one; "" where only PATH may know.
std::string pg_programs(const BackupHost& host, std::uint32_t major);
// The script that prints fingerprints, within a transaction that is open; for who has a snapshot of his own.
std::string fingerprint_sql(const std::string& database, const std::vector<backup::Fingerprint>* only);
std::string session_sql();  // settings on which the text of a row depends
// The heartbeat table lies in the first database of the source, "postgres" where it names none.
std::string heartbeat_database(const backup::SourceSpec& source);

}  // namespace belay::agent::backups
