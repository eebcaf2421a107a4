#pragma once
// What the programs of MariaDB and MySQL print and leave in files, read as text: their exit statuses say too little
// (a dump cut short loads with 0, CHECK TABLE of a damaged table ends with 0, a prepare of flipped bits, too). Pure.
// Sources: the manual of mariadb-backup 10.11, its output and that of mariadb-dump, mariadb-binlog, mariadb-check.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "io/process.hpp"

namespace belay::agent::backups::mariadb {

// ---- "key = value" lines: xtrabackup_checkpoints, xtrabackup_info, and what we keep ourselves
std::string value_of(std::string_view text, std::string_view key);  // of the first such line; "" absent
std::uint64_t number_of(std::string_view text, std::string_view key);
std::optional<std::uint64_t> to_number(std::string_view text);  // decimal digits and nothing else

// xtrabackup_checkpoints; mariadb_backup_checkpoints from 11.0 on.
struct Checkpoints {
  std::string type;  // "full-backuped", "incremental", "log-applied", "full-prepared"
  std::uint64_t from_lsn = 0, to_lsn = 0, last_lsn = 0;
};
// corrupt "checkpoints-unreadable": a number is missing, or the copy begins after its own end (what a made-up LSN
// gives, with exit status 0).
Result<Checkpoints> read_checkpoints(std::string_view text);
// corrupt "chain-broken" where `next` does not begin where `before` ended.
Status check_follows(const Checkpoints& before, const Checkpoints& next);

// ---- positions in binary logs
struct LogPosition {
  std::string file;  // "bin.000123"; "" none
  std::uint64_t offset = 0;
  std::string gtid;
  bool operator==(const LogPosition&) const = default;
};
std::string text_of(const LogPosition& position);  // "bin.000123:456 0-7-2"
LogPosition read_position(std::string_view text);  // what text_of wrote
// "bin.000001\t640\t0-7-2", the file xtrabackup_binlog_info (mariadb_backup_binlog_info).
LogPosition read_binlog_info(std::string_view text);
// Of a dump's first lines: "CHANGE MASTER TO MASTER_LOG_FILE='…', MASTER_LOG_POS=…" (SOURCE_… with newer MySQL).
LogPosition read_dump_position(std::string_view head);
// The last line that holds something: "-- Dump completed", with or without a date.
bool is_dump_complete(std::string_view tail);

// "bin.000123": ("bin", 123). Nothing where the name has no number.
std::optional<std::pair<std::string, std::uint64_t>> log_number(std::string_view name);
// Names of an index file or of SHOW BINARY LOGS: the first column, in the order given, without directories.
struct ServerLog {
  std::string name;
  std::uint64_t bytes = 0;
};
std::vector<ServerLog> read_server_logs(std::string_view text);
// The newest "SET TIMESTAMP=…" of what mariadb-binlog decoded: when the last change was made.
std::optional<Instant> newest_change(std::string_view decoded);

// ---- versions
struct Version {
  bool mariadb = false;
  std::uint32_t major = 0, minor = 0, patch = 0;
  bool same_series(const Version& other) const {
    return mariadb == other.mariadb && major == other.major && minor == other.minor;
  }
};
// "10.11.19-MariaDB-0+deb12u1-log", "mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, …", "… Ver 8.0.36-0ubuntu0 …".
std::optional<Version> read_version(std::string_view text);
std::string text_of(const Version& version);  // "MariaDB 10.11.19"

// ---- how a program ended
// Of mariadb-backup: exit status 0 and "completed OK!" as the last line of standard error. Else an error that is
// named: unauthenticated "access-denied", unavailable "source-down", resource_exhausted "scratch-full", conflict
// "target-not-empty" or "ddl-during-backup", corrupt "chain-broken" or "damaged", timed_out, cancelled.
Status judge_backup_tool(const io::ProcessOutcome& outcome, std::string_view doing);
// Of clients and dumps, which end with 0 where all was well.
Status judge_client(const io::ProcessOutcome& outcome, std::string_view doing);

// ---- CHECK TABLE, one row a message: table, operation, kind, text, separated by tabs
struct CheckedTables {
  std::size_t sound = 0;
  std::vector<std::string> damaged;  // "shop.orders: Corrupt"
};
CheckedTables read_checked_tables(std::string_view text);

// `name` as SQL writes it.
std::string sql_name(std::string_view name);   // `a``b`
std::string sql_text(std::string_view value);  // 'it''s'
// A field as the client prints it in batch mode: \t, \n, \0 and \\ taken back.
std::string unescaped(std::string_view field);

}  // namespace belay::agent::backups::mariadb
