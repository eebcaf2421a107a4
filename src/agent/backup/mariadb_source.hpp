#pragma once
// A MariaDB or MySQL server as the programs of a job reach it: over its unix socket as root, or with user and password
// of an option file of the operator's; never with a secret in an argument. And what is known of its content: heartbeat
// and fingerprints. Both engines and the drill share it.
#include "agent/backup/mariadb_text.hpp"
#include "agent/backup/tools.hpp"

namespace belay::agent::backups::mariadb {

inline constexpr std::string_view kOptionFileDefault = "/etc/belay/mysql.cnf";
inline constexpr Duration kAskTimeout{60'000}, kReadAllTimeout{6LL * 3600 * 1000};

// The client program and its server. All that it names outlives it.
struct Client {
  const BackupHost* host = nullptr;
  const backup::Job* job = nullptr;
  const DrillServer* drill = nullptr;  // in whose walls it runs; nullptr: on the machine
  std::string program;                 // "mariadb" or "mysql"
  std::vector<std::string> options;    // how the server is reached; an option file first, as the programs want it
  std::string directory;               // that a relative socket counts from; "" the job's

  Result<io::ProcessOutcome> run(Call what) const;
};
// Answers of all statements, a line a row, fields separated by tabs; stops at the first that fails. May be repeated as
// far as the statements may.
Result<std::string> ask(const Client& client, const std::string& sql, Duration timeout = kAskTimeout);
// Feeds a file of SQL to the client on its standard input (the client's own `source` goes on after errors and ends
// with 0). `database`: only the statements of this one; "" all.
Status load(const Client& client, const std::string& file, const std::string& database = {});

// The first of the programs that is installed, and its version where it tells one. not_found names the package.
struct Program {
  std::string name;
  std::optional<Version> version;
};
Result<Program> first_program(const BackupHost& host, const backup::Job& job, std::vector<std::string> names);

struct Source {
  Client client;
  Version version;
  std::string version_text;
  std::string variables;  // "datadir = /var/lib/mysql/" lines
  std::string identity;   // of the data directory: another one cannot be built upon. "" where it cannot be seen
  bool logs = false;      // binary logs are on, and the plan keeps them
  // Every change is in them: no filter, no replica that does not log what it replays.
  bool logs_are_complete = false;
  std::string why_incomplete;
  std::string variable(std::string_view name) const { return value_of(variables, name); }
  std::string data_directory() const;  // without a slash at its end
  std::string log_directory() const;
};
// unauthenticated "access-denied", unavailable "source-down", permission_denied "option-file-open" where others may
// read the option file. May be repeated.
Result<Source> open_source(const BackupHost& host, const backup::Job& job, const std::string& option_file);
// The options of a client: the option file, checked, then the socket.
Result<std::vector<std::string>> client_options(const BackupHost& host, const std::string& option_file,
                                                const std::string& socket);

// ---- the heartbeat row, in "schema.table": (id int primary key, at_ms bigint), id 1
Status beat(const Client& client, const std::string& table, Instant now);
Result<std::optional<Instant>> newest_beat(const Client& client, const std::string& table);

// ---- fingerprints
struct Table {
  std::string schema, name;
  bool transactional = false;
  std::uint64_t bytes = 0;
  std::string subject() const { return schema + "." + name; }
  std::string full_name() const { return sql_name(schema) + "." + sql_name(name); }
};
// Base tables with content of their own, smallest first; of these databases, or all but the server's own.
Result<std::vector<Table>> tables_of(const Client& client, const std::vector<std::string>& databases);

struct Fingerprints {
  std::vector<backup::Fingerprint> of;
  LogPosition at;                    // of the snapshot; none where there are no logs
  std::vector<std::string> remarks;  // which tables are not in it, and why
};
// Rows and CHECKSUM TABLE of each, in one consistent snapshot. Tables that a snapshot does not hold still (MyISAM,
// Aria) are left out where something was written meanwhile. No more than `bytes_max` is read.
Result<Fingerprints> take_fingerprints(const Client& client, const std::vector<Table>& tables, bool with_position,
                                       std::uint64_t bytes_max);
// What is the same in both: tables that nobody changed between the two.
Fingerprints unchanged(const Fingerprints& before, const Fingerprints& after);

}  // namespace belay::agent::backups::mariadb
