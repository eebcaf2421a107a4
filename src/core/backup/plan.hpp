#pragma once
// A backup plan as its author writes it, so that it can live under Git: what is backed up on which nodes, when,
// whither, how long it is kept, which objectives it must meet, and how it is proven. docs/guide/backups.md describes
// the file.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/backup/vault.hpp"

namespace belay::backup {

inline constexpr std::size_t kPlanBytesMax = 64 << 10;
inline constexpr std::size_t kTargetsMax = 100, kPathsMax = 200, kCopiesMax = 10, kChecksMax = 50;

enum class BackupType { full, differential, incremental };
BOOST_DESCRIBE_ENUM(BackupType, full, differential, incremental)

enum class EngineName { pgbackrest, pg_dump, mariadb_backup, mysqldump, restic, borg, sqlite, snapshot, command };
BOOST_DESCRIBE_ENUM(EngineName, pgbackrest, pg_dump, mariadb_backup, mysqldump, restic, borg, sqlite, snapshot, command)
// "mariadb-backup" in files and on the screen, where the enum must say mariadb_backup.
std::string_view text_of(EngineName engine);

// A command of the operator's, run as root or as `user` on the node; a program with arguments, no shell.
struct Hook {
  std::vector<std::string> argv;
  std::string user;
  Duration timeout{300'000};
};
BOOST_DESCRIBE_STRUCT(Hook, (), (argv, user, timeout))

// What is backed up. Which members an engine takes, and which it needs: engine_rules().
struct SourceSpec {
  EngineName engine = EngineName::restic;
  std::string stanza;                  // pgbackrest
  std::string data_directory;          // pgbackrest, mariadb-backup; "" as the server says
  std::string socket;                  // directory (PostgreSQL) or file (MariaDB) of the server's socket; "" default
  std::uint32_t port = 0;              // 0 default; names the socket (PostgreSQL)
  std::string user;                    // system user that the server runs as; "" postgres, mysql
  std::vector<std::string> databases;  // dumps; empty: all
  std::vector<std::string> paths;      // restic, borg, snapshot: absolute; sqlite: the database files
  std::vector<std::string> excludes;   // restic, borg, snapshot
  bool whole_system = false;           // restic, borg: "/" without what is not of a disk
  std::vector<std::string> providers;  // snapshot: by name, the first that covers
  std::string program;                 // command: absolute, only root may write it (docs/guide/backup-protocol.md)
  bool logs = true;  // pgbackrest, mariadb-backup, mysqldump: keep WAL or binary logs, for points in time
  std::optional<Hook> before, after;  // around the copy: quiesce and release; `after` runs whatever happened
  std::optional<Hook> freeze, thaw;   // snapshot: around the taking of it; thawed after 60 s come what may
  std::string heartbeat;              // SQL databases: "schema.table" that a row is written to; "" none
};
BOOST_DESCRIBE_STRUCT(SourceSpec, (),
                      (engine, stanza, data_directory, socket, port, user, databases, paths, excludes, whole_system,
                       providers, program, logs, before, after, freeze, thaw, heartbeat))

// cron(…), rate(…) or at(…) of core/schedule; "" never by itself.
struct PlanSchedule {
  std::string full, differential, incremental;
  std::string timezone = "UTC";
  Duration start_within{3'600'000};    // not begun so long after it was due: missed, and said so
  Duration jitter{};                   // nodes begin spread over so long
  std::vector<std::string> calendars;  // change calendars that must be open
};
BOOST_DESCRIBE_STRUCT(PlanSchedule, (), (full, differential, incremental, timezone, start_within, jitter, calendars))

// What is kept: rules add up, a point stays while one of them wants it (retention.hpp has the exact rule).
struct KeepRules {
  std::uint32_t last = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0;
  Duration within{};  // everything younger than this
  bool operator==(const KeepRules&) const = default;
  bool empty() const { return *this == KeepRules(); }
};
BOOST_DESCRIBE_STRUCT(KeepRules, (), (last, daily, weekly, monthly, yearly, within))

struct CopySpec {
  std::string vault;
  KeepRules keep;
  std::string schedule;  // "" after each backup
};
BOOST_DESCRIBE_STRUCT(CopySpec, (), (vault, keep, schedule))

struct Objectives {
  Duration rpo{}, rto{};  // 0: none
};
BOOST_DESCRIBE_STRUCT(Objectives, (), (rpo, rto))

// The ladder that all engines share; each level holds what the one before holds.
enum class ProofLevel {
  P0,  // the engine said ok, and its output agrees
  P1,  // metadata and chain checked
  P2,  // every byte re-read and its checksum right
  P3,  // restored elsewhere and compared
  P4,  // the service started in isolation and its integrity tools passed
  P5,  // the operator's checks passed and RTO and RPO were measured
};
BOOST_DESCRIBE_ENUM(ProofLevel, P0, P1, P2, P3, P4, P5)

enum class Pick { newest, random, oldest, offsite };
BOOST_DESCRIBE_ENUM(Pick, newest, random, oldest, offsite)

// One question to what was restored. Exactly one of sql, command, file.
struct Check {
  std::string name;                  // "" its place
  std::string sql;                   // the first column of its first row is the answer
  std::string database;              // "" the only one, else the server's default
  std::vector<std::string> command;  // run in the drill's isolation; its first output line is the answer
  std::string file;                  // a path that must be in what was restored; its bytes are the answer
  std::optional<std::int64_t> at_least, at_most;
  std::optional<std::string> equals;
  Duration timeout{300'000};
};
BOOST_DESCRIBE_STRUCT(Check, (), (name, sql, database, command, file, at_least, at_most, equals, timeout))

struct ProveSpec {
  std::string schedule;  // "" only when asked for
  ProofLevel level = ProofLevel::P3;
  std::vector<Pick> pick{Pick::newest};  // take turns
  std::vector<Check> checks;
  std::string scratch;  // a directory on the node with room for a restore; "" the agent's own
};
BOOST_DESCRIBE_STRUCT(ProveSpec, (), (schedule, level, pick, checks, scratch))

struct Limits {
  std::uint64_t bytes_a_second_max = 0;  // 0: none
  bool idle_io = true;                   // ionice idle, nice 19
  std::uint32_t processes = 1;           // of the engine's workers
  std::uint32_t retries = 2;             // after the first try
  Duration retry_after{300'000};
  Duration timeout{12LL * 3600 * 1000};  // of one backup
};
BOOST_DESCRIBE_STRUCT(Limits, (), (bytes_a_second_max, idle_io, processes, retries, retry_after, timeout))

struct PlanSpec {
  std::string name, description;
  std::vector<std::string> targets;  // as rollouts have them: "tag:Key=a,b", "group:NAME", a node, "*"
  SourceSpec source;
  PlanSchedule schedule;
  std::string vault;
  std::vector<CopySpec> copies;
  KeepRules keep;
  Objectives objectives;
  ProveSpec prove;
  Limits limits;
  std::vector<std::string> notify;  // https addresses told of a trouble and of its end
  std::vector<std::string> mails;   // and mail addresses
};
BOOST_DESCRIBE_STRUCT(PlanSpec, (),
                      (name, description, targets, source, schedule, vault, copies, keep, objectives, prove, limits,
                       notify, mails))

// Everything that is wrong with the file by itself, at once, each with its field and line: unknown members, a member
// the engine does not take, a type it cannot make, a schedule that cannot be read, a level it cannot reach, keep rules
// that keep nothing, an RPO shorter than the schedule can meet, a secret written into it. Reason "ValidationException".
Result<PlanSpec> read_plan(std::string_view content);

// What an engine can do; the table stands in engine_rules.cpp with its sources (facts of the engines' manuals).
struct EngineRules {
  EngineName engine = EngineName::restic;
  bool differential = false, incremental = false;  // chains; restic and borg call every backup full
  bool point_in_time = false;                      // with logs
  bool is_database = false;
  bool files = false;  // single files can be restored out of a point
  ProofLevel most = ProofLevel::P5;
  std::vector<VaultKind> vaults;       // that it can write to
  std::vector<VaultKind> copies_from;  // vault kinds whose repository can be copied into another vault
};
const EngineRules& engine_rules(EngineName engine);

// What plan and vaults say together: a vault the engine cannot write to, a copy it cannot make, a copy into the same
// failure domain told as offsite, retention shorter than the vault's lock. All at once; "ValidationException".
Status check_plan_with_vaults(const PlanSpec& plan, const VaultSpec& vault, const std::vector<VaultSpec>& copies);

}  // namespace belay::backup
