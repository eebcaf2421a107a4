#include "agent/backup/pg_server.hpp"

#include <algorithm>

#include "agent/backup/pg_text.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr Duration kCountTimeout{3'600'000};

const char kFacts[] = R"(select json_build_object(
 'version', current_setting('server_version'), 'number', current_setting('server_version_num')::int,
 'data', current_setting('data_directory'), 'recovery', pg_is_in_recovery(),
 'archive_mode', current_setting('archive_mode'), 'archive_command', current_setting('archive_command'),
 'wal_level', current_setting('wal_level'), 'libraries', current_setting('shared_preload_libraries'),
 'segment', (select setting::bigint from pg_settings where name = 'wal_segment_size'),
 'timeout', (select setting::bigint from pg_settings where name = 'archive_timeout'),
 'timeline', (select timeline_id from pg_control_checkpoint()),
 'checksums', current_setting('data_checksums'),
 'bytes', (select sum(pg_database_size(oid))::bigint from pg_database),
 'tablespaces', (select count(*) from pg_tablespace where spcname !~ '^pg_'));
)";

// Up to these bounds a table is read at each backup; beyond them it is vouched for by the other checks.
const char kBounds[] = "size <= 256 * 1024 * 1024 and total <= 2147483648 and place <= 2000";

std::uint64_t number_of(const json::Value& value, std::string_view member) {
  const auto* found = json::find(value, member);
  return found && found->is_int64() && found->get_int64() > 0 ? static_cast<std::uint64_t>(found->get_int64()) : 0;
}

Result<json::Value> parse_object(std::string_view text) {
  BELAY_TRY_ASSIGN(auto value, json::parse(trim(text)).within("psql printed no JSON"));
  if (!value.is_object()) return Error(Code::corrupt, "psql printed no object");
  return value;
}

std::string database_of(std::string_view subject) { return std::string(subject.substr(0, subject.find('.'))); }

}  // namespace

std::string heartbeat_database(const backup::SourceSpec& source) {
  return source.databases.empty() ? "postgres" : source.databases.front();
}

std::string pg_programs(const BackupHost& host, std::uint32_t major) {
  const auto has = [&](const std::string& directory) { return host.files.info(directory + "/postgres").ok(); };
  const std::uint32_t from = major == 0 ? 30 : major, to = major == 0 ? 10 : major;
  for (std::uint32_t version = from; version >= to; --version)
    for (const char* before : {"/usr/lib/postgresql/", "/usr/pgsql-", "/usr/lib/postgresql"})
      if (auto directory = before + std::to_string(version) + "/bin"; has(directory)) return directory;
  return {};
}

PgServer PgServer::of(const BackupHost& host, const backup::Job& job) {
  PgServer server(host, job, job.source.socket, job.source.port,
                  job.source.user.empty() ? "postgres" : job.source.user);
  server.set_programs(pg_programs(host, 0));
  return server;
}

std::vector<std::string> PgServer::reach(std::string_view program) const {
  std::vector<std::string> argv{programs_.empty() ? std::string(program) : programs_ + "/" + std::string(program)};
  if (!socket_.empty()) argv.insert(argv.end(), {"-h", socket_});
  if (port_ != 0) argv.insert(argv.end(), {"-p", std::to_string(port_)});
  argv.push_back("-w");
  return argv;
}

Result<io::ProcessOutcome> PgServer::run(Call what) const {
  what.user = user_;
  what.environment.emplace("PGAPPNAME", "belay");
  return drill_ ? drill_->call(host_, job_, std::move(what)) : call(host_, job_, std::move(what));
}

Result<std::string> PgServer::script(std::string_view database, std::string sql, Duration timeout,
                                     const std::map<std::string, std::string>& environment) const {
  Call what;
  what.argv = reach("psql");
  what.argv.insert(what.argv.end(), {"-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1"});
  what.environment = environment;
  what.environment["PGDATABASE"] = std::string(database);  // never an option, whatever its name
  what.environment["PGCONNECT_TIMEOUT"] = "10";
  what.standard_input = std::move(sql);
  what.timeout = timeout;
  BELAY_TRY_ASSIGN(auto outcome, run(std::move(what)));
  if (outcome.success()) return std::move(outcome.standard_output);
  const auto said = sanitize(trim(outcome.standard_error), 1'000);
  // psql: 2 is a connection that failed or was lost, 3 an error in the script.
  if (outcome.end == io::ProcessOutcome::End::exited && outcome.exit_status == 2)
    return Error(Code::unavailable, "the server does not answer: " + said, "source-down");
  return Error(Code::internal, "psql " + how_it_ended(outcome) + ": " + said);
}

Result<std::string> PgServer::ask(std::string_view database, std::string sql) const {
  BELAY_TRY_ASSIGN(const auto text, script(database, std::move(sql)));
  return std::string(trim(text));
}

Result<PgFacts> PgServer::facts() const {
  BELAY_TRY_ASSIGN(const auto text, ask("postgres", kFacts));
  BELAY_TRY_ASSIGN(const auto said, parse_object(text));
  PgFacts facts;
  facts.version = json::text_or_empty(said, "version");
  facts.major = static_cast<std::uint32_t>(number_of(said, "number") / 10'000);
  facts.data_directory = json::text_or_empty(said, "data");
  facts.archive_mode = json::text_or_empty(said, "archive_mode");
  facts.archive_command = json::text_or_empty(said, "archive_command");
  facts.wal_level = json::text_or_empty(said, "wal_level");
  facts.libraries = json::text_or_empty(said, "libraries");
  facts.segment_bytes = number_of(said, "segment");
  facts.archive_timeout_s = number_of(said, "timeout");
  facts.timeline = static_cast<std::uint32_t>(number_of(said, "timeline"));
  facts.bytes = number_of(said, "bytes");
  facts.has_tablespaces = number_of(said, "tablespaces") > 0;
  facts.has_checksums = json::text_or_empty(said, "checksums") == "on";
  if (const auto* recovery = json::find(said, "recovery"); recovery && recovery->is_bool())
    facts.in_recovery = recovery->get_bool();
  if (facts.major == 0 || facts.segment_bytes == 0 || facts.data_directory.empty())
    return Error(Code::permission_denied, "the server hides its settings from " + user_ + ", who must be a superuser",
                 "source-refused");
  return facts;
}

Result<std::vector<std::string>> PgServer::databases() const {
  BELAY_TRY_ASSIGN(const auto text, ask("postgres",
                                        "select json_build_object('names', coalesce(json_agg(datname order by datname),"
                                        " '[]')) from pg_database where datallowconn and not datistemplate;"));
  BELAY_TRY_ASSIGN(const auto said, parse_object(text));
  std::vector<std::string> names;
  if (const auto* list = json::find(said, "names"); list && list->is_array())
    for (const auto& name : list->get_array())
      if (name.is_string()) names.emplace_back(std::string_view(name.get_string()));
  return names;
}

std::string session_sql() {
  return "set client_min_messages = error; set client_encoding = 'UTF8'; set datestyle = 'ISO, MDY'; "
         "set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 1; "
         "set bytea_output = 'hex'; set xmloption = 'content'; set lc_monetary = 'C'; set search_path = pg_catalog; "
         "set row_security = off; set default_transaction_read_only = off; set statement_timeout = 0; "
         "set lock_timeout = '10s';\n";
}

std::string fingerprint_sql(const std::string& database, const std::vector<backup::Fingerprint>* only) {
  std::string wanted;
  if (only) {
    std::string names;
    for (const auto& one : *only)
      if (database_of(one.subject) == database) names += (names.empty() ? "" : ",") + sql_literal(one.subject);
    if (names.empty()) return {};
    wanted = "subject in (" + names + ")";
  }
  // What belongs to an extension is not in a dump; unlogged tables are empty after a recovery.
  return R"(select format('select json_build_array(%L, count(*), coalesce(sum(hashtextextended((belay_row.*)::text, 0)::numeric), 0)::text) from only %I.%I as belay_row', subject, nspname, relname)
from (select *, sum(size) over (order by size, oid) as total, row_number() over (order by size, oid) as place
 from (select c.oid, n.nspname, c.relname, pg_table_size(c.oid) as size, current_database() || '.' || n.nspname || '.' || c.relname as subject
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
 ) tables) sized
where )" +
         (only ? wanted : kBounds) + " order by size, oid \\gexec\n";
}

Result<std::vector<backup::Fingerprint>> PgServer::fingerprints(const std::string& database,
                                                                const std::vector<backup::Fingerprint>* only) const {
  const auto sql = fingerprint_sql(database, only);
  if (sql.empty()) return std::vector<backup::Fingerprint>{};
  BELAY_TRY_ASSIGN(
      const auto text,
      script(database, session_sql() + "begin isolation level repeatable read, read only;\n" + sql + "commit;\n",
             kCountTimeout));
  return parse_fingerprints(text);
}

Result<std::vector<backup::Fingerprint>> PgServer::all_fingerprints(
    const std::vector<backup::Fingerprint>* only) const {
  std::vector<backup::Fingerprint> all;
  BELAY_TRY_ASSIGN(const auto names, databases());
  for (const auto& name : names) {
    BELAY_TRY_ASSIGN(auto some, fingerprints(name, only).within("counting the rows of database " + name));
    for (auto& one : some)
      if (all.size() < backup::kFingerprintsMax) all.push_back(std::move(one));
  }
  return all;
}

Result<backup::Fingerprint> PgServer::database_fingerprint() const {
  BELAY_TRY_ASSIGN(const auto names, databases());
  return backup::Fingerprint{std::string(kDatabasesSubject), names.size(), sanitize(join(names, ","), 1'000)};
}

namespace {

// A snapshot's text is "xmin:xmax:running,…": nothing runs that could be committing where the last part is empty.
struct Restorable {
  std::string snapshot, lsn;
  Instant at{};
};

Result<Restorable> restore_point(const PgServer& server, const std::string& name) {
  BELAY_TRY_ASSIGN(const auto text,
                   server.ask("postgres", session_sql() +
                                              "select pg_current_snapshot()::text as s \\gset\n"
                                              "select json_build_object('snapshot', :'s', 'lsn', "
                                              "pg_create_restore_point(" +
                                              sql_literal(name) + ")::text, 'at', clock_timestamp()::text);\n"));
  BELAY_TRY_ASSIGN(const auto said, parse_object(text));
  Restorable made{json::text_or_empty(said, "snapshot"), json::text_or_empty(said, "lsn"), {}};
  BELAY_TRY_ASSIGN(made.at, parse_pg_time(json::text_or_empty(said, "at")));
  return made;
}

}  // namespace

// A server that moves cannot be counted at a point of its log: between the two, transactions commit. So rows are
// counted after the point; if no transaction ran or ended meanwhile, that is what a recovery to the point brings back.
// Else a second point is made and counted behind it, and what is alike on both sides of it stood still.
Result<PgMoment> PgServer::mark_moment(const std::string& name) const {
  PgMoment moment;
  BELAY_TRY_ASSIGN(const auto first, restore_point(*this, name));
  BELAY_TRY_ASSIGN(moment.fingerprints, all_fingerprints());
  BELAY_TRY_ASSIGN(const auto snapshot, ask("postgres", "select pg_current_snapshot();"));
  moment.name = name;
  moment.lsn = first.lsn;
  moment.at = first.at;
  for (const auto& one : moment.fingerprints) moment.rows += one.rows;
  if (snapshot == first.snapshot && snapshot.ends_with(':')) return moment;
  moment.name += "-2";
  BELAY_TRY_ASSIGN(const auto second, restore_point(*this, moment.name));
  BELAY_TRY_ASSIGN(const auto after, all_fingerprints());
  moment.lsn = second.lsn;
  moment.at = second.at;
  moment.rows = 0;
  for (const auto& one : after) moment.rows += one.rows;
  moment.fingerprints = unchanged(moment.fingerprints, after);
  if (const auto moved = after.size() - std::min(after.size(), moment.fingerprints.size()); moved > 0)
    moment.remarks.push_back(std::to_string(moved) + " of " + std::to_string(after.size()) +
                             " tables changed while their rows were counted; a drill does not compare those");
  return moment;
}

Result<std::string> PgServer::beat(std::string_view id) const {
  if (job_.source.heartbeat.empty()) return std::string();
  BELAY_TRY_ASSIGN(const auto table, sql_table(job_.source.heartbeat));
  const auto schema = table.substr(0, table.find("\".\"") + 1);
  return ask(heartbeat_database(job_.source),
             session_sql() + "set statement_timeout = '10s'; set synchronous_commit = on;\n" +
                 "create schema if not exists " + schema + "; create table if not exists " + table +
                 " (id text primary key, at timestamptz not null);\ninsert into " + table + " values (" +
                 sql_literal(id) +
                 ", clock_timestamp()) on conflict (id) do update set at = excluded.at returning at;\n")
      .within("writing the heartbeat " + job_.source.heartbeat);
}

Result<std::string> PgServer::read_beat(std::string_view id) const {
  if (job_.source.heartbeat.empty()) return std::string();
  BELAY_TRY_ASSIGN(const auto table, sql_table(job_.source.heartbeat));
  return ask(heartbeat_database(job_.source),
             session_sql() + "select at from " + table + " where id = " + sql_literal(id) + ";\n")
      .within("reading the heartbeat " + job_.source.heartbeat);
}

Result<Instant> PgServer::newest_beat() const {
  if (job_.source.heartbeat.empty()) return Error(Code::not_found, "the plan names no heartbeat table");
  BELAY_TRY_ASSIGN(const auto table, sql_table(job_.source.heartbeat));
  BELAY_TRY_ASSIGN(const auto text,
                   ask(heartbeat_database(job_.source), session_sql() + "select max(at) from " + table + ";\n"));
  if (text.empty()) return Error(Code::not_found, "the heartbeat table " + job_.source.heartbeat + " has no row");
  return parse_pg_time(text);
}

}  // namespace belay::agent::backups
