#pragma once
// What PostgreSQL's programs print, as values; and text for them. Pure, bounded.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/backup/point.hpp"

namespace belay::agent::backups {

std::string sql_literal(std::string_view text);     // 'it''s'; NUL bytes are left out
std::string sql_identifier(std::string_view text);  // "a""b"
// "schema.table" of a plan, each part quoted; invalid_argument where it is not two plain names.
Result<std::string> sql_table(std::string_view name);
// An entry of a configuration file of the server: 'it''s', with its backslashes doubled.
std::string pg_setting(std::string_view value);

// `pg_controldata`: the settings that a server which replays must not go below, and what else a drill asks.
struct ControlData {
  std::string state;  // "in production", "shut down", …
  std::uint64_t system_id = 0, segment_bytes = 0;
  std::uint32_t timeline = 0;
  bool has_checksums = false;
  // max_connections, max_worker_processes, max_wal_senders, max_prepared_transactions, max_locks_per_transaction
  std::map<std::string, std::uint64_t> least;
};
Result<ControlData> parse_control_data(std::string_view text);

// Lines of `["db.schema.table", 12, "-7"]`; corrupt where one is something else. At most kFingerprintsMax.
Result<std::vector<backup::Fingerprint>> parse_fingerprints(std::string_view text);
// What stood still: those of `before` that `after` has alike.
std::vector<backup::Fingerprint> unchanged(const std::vector<backup::Fingerprint>& before,
                                           const std::vector<backup::Fingerprint>& after);

// "last completed transaction was at log time 2026-11-23 15:42:55.123456+00" of a server's log, the last one.
std::optional<Instant> last_transaction_in(std::string_view log);
// The lines of a server's log that say why it ended: FATAL, PANIC, ERROR; printable, the last ones, at most 1,000
// bytes.
std::string last_errors_in(std::string_view log);
Result<Instant> parse_pg_time(std::string_view text);  // "2026-11-23 15:42:55.123456+00"
std::string pg_time(Instant instant);                  // the same, in UTC

// Those of a command line that a server was started with which a restart needs (postmaster.opts).
std::vector<std::string> parse_server_options(std::string_view text);

// The names, as SQL writes them, that statements of `pg_dumpall --globals-only` create: `what` is "ROLE" or
// "TABLESPACE". What stands inside a literal (a comment on a role) is no statement.
std::vector<std::string> names_created(std::string_view sql, std::string_view what);

// `pg_restore --list`: how many entries its table of contents has; nothing where it is none.
std::optional<std::uint64_t> parse_dump_entries(std::string_view text);

}  // namespace belay::agent::backups
