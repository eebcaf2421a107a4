#include "agent/backup/mariadb_source.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

constexpr const char* kVariables =
    "'datadir','log_bin','log_bin_basename','log_slave_updates','lower_case_table_names','read_only','version',"
    "'character_set_server','collation_server','innodb_page_size'";
// Their content lies in the data directory; what others have lies elsewhere or nowhere.
constexpr const char* kEnginesWithContent = "'InnoDB','MyISAM','Aria','ARCHIVE','CSV','ROCKSDB'";

// "name\tvalue" lines as "name = value".
std::string as_settings(std::string_view rows) {
  std::string text;
  for (const auto& line : split(rows, '\n')) {
    const auto tab = line.find('\t');
    if (tab != std::string_view::npos)
      text += to_lower(line.substr(0, tab)) + " = " + unescaped(line.substr(tab + 1)) + "\n";
  }
  return text;
}

std::string parent(const std::string& path) { return path.substr(0, path.rfind('/')); }

Status look_at_logs(Source& source, const backup::Job& job) {
  source.logs = job.source.logs && source.variable("log_bin") == "ON";
  if (!source.logs) return {};
  if (!source.version.mariadb) {
    source.why_incomplete = "MySQL does not say to which position a snapshot belongs";
    return {};
  }
  BELAY_TRY_ASSIGN(const auto status,
                   ask(source.client, "show master status; show global status like 'Slaves_running'"));
  const auto lines = split(status, '\n');
  const auto fields = split(lines.front(), '\t');
  if (fields.size() >= 4 && (!trim(fields[2]).empty() || !trim(fields[3]).empty()))
    source.why_incomplete = "the binary logs leave databases out (binlog_do_db, binlog_ignore_db)";
  else if (source.variable("log_slave_updates") != "ON" && value_of(as_settings(status), "slaves_running") != "0")
    source.why_incomplete = "what is replicated is not in the binary logs (log_slave_updates is off)";
  source.logs_are_complete = source.why_incomplete.empty();
  return {};
}

std::pair<std::string, std::string> halves(const std::string& table) {
  const auto dot = table.find('.');
  return {table.substr(0, dot), dot == std::string::npos ? std::string() : table.substr(dot + 1)};
}

}  // namespace

Result<io::ProcessOutcome> Client::run(Call what) const {
  what.directory = directory.empty() ? "/" : directory;  // the watch has no work directory
  return drill ? drill->call(*host, *job, std::move(what)) : call(*host, *job, std::move(what));
}

Result<std::string> ask(const Client& client, const std::string& sql, Duration timeout) {
  Call what;
  what.argv = {client.program};
  what.argv.insert(what.argv.end(), client.options.begin(), client.options.end());
  for (const char* option :
       {"--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--connect-timeout=10"})
    what.argv.push_back(option);
  what.standard_input = sql + ";\n";
  what.timeout = timeout;
  BELAY_TRY_ASSIGN(auto outcome, client.run(std::move(what)));
  BELAY_TRY(judge_client(outcome, "asking the database server"));
  if (outcome.output_bytes_dropped > 0)
    return Error(Code::resource_exhausted, "the database server answered more than can be held", "too-much");
  return std::move(outcome.standard_output);
}

Status load(const Client& client, const std::string& file, const std::string& database) {
  Call what;
  what.argv = {client.program};
  what.argv.insert(what.argv.end(), client.options.begin(), client.options.end());
  for (const char* option : {"--batch", "--binary-mode", "--default-character-set=utf8mb4", "--max-allowed-packet=1G"})
    what.argv.push_back(option);
  if (!database.empty()) what.argv.insert(what.argv.end(), {"--one-database", database});
  what.input_file = file;
  what.timeout = client.job->limits.timeout;
  BELAY_TRY_ASSIGN(const auto outcome, client.run(std::move(what)));
  return judge_client(outcome, "loading " + file);
}

Result<Program> first_program(const BackupHost& host, const backup::Job& job, std::vector<std::string> names) {
  std::optional<Error> first;
  for (auto& name : names) {
    Call what;
    what.argv = {name, "--version"};
    what.directory = "/";
    what.timeout = kAskTimeout;
    const auto outcome = call(host, job, std::move(what));
    if (outcome.ok()) {
      auto version = read_version(outcome->standard_output);
      if (!version) version = read_version(outcome->standard_error);  // mariadb-backup says it there
      return Program{std::move(name), version};
    }
    if (outcome.error().code() != Code::not_found) return outcome.error();
    if (!first) first = outcome.error();
  }
  BELAY_ASSERT(first);
  return *first;
}

Result<std::vector<std::string>> client_options(const BackupHost& host, const std::string& option_file,
                                                const std::string& socket) {
  std::vector<std::string> options;
  const auto file = host.files.info(option_file);
  if (file.ok()) {
    if (file->kind != io::FileInfo::Kind::file || file->owner != 0 || (file->mode & 077) != 0)
      return Error(Code::permission_denied,
                   option_file + " holds a password and others than root may read it; chown root and chmod 600 it",
                   "option-file-open");
    options.push_back("--defaults-extra-file=" + option_file);
  } else if (file.error().code() != Code::not_found) {
    return file.error();
  } else {
    options.push_back("--user=root");
  }
  if (!socket.empty()) options.push_back("--socket=" + socket);
  return options;
}

std::string Source::data_directory() const {
  auto path = variable("datadir");
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string Source::log_directory() const { return parent(variable("log_bin_basename")); }

Result<Source> open_source(const BackupHost& host, const backup::Job& job, const std::string& option_file) {
  Source source;
  BELAY_TRY_ASSIGN(auto program, first_program(host, job, {"mariadb", "mysql"}));
  source.client.host = &host;
  source.client.job = &job;
  source.client.program = std::move(program.name);
  BELAY_TRY_ASSIGN(source.client.options, client_options(host, option_file, job.source.socket));
  BELAY_TRY_ASSIGN(const auto rows, ask(source.client, std::string("show global variables where variable_name in (") +
                                                           kVariables + ")"));
  source.variables = as_settings(rows);
  source.version_text = source.variable("version");
  const auto version = read_version(source.version_text);
  if (!version || source.data_directory().empty())
    return Error(Code::unsupported, "the database server does not say its version or its data directory: " +
                                        sanitize(source.version_text, 100));
  source.version = *version;
  // Its inode and its birth: a restored or moved directory has others, and no increment may build across that.
  Call what;
  what.argv = {"stat", "--format=%i-%W", source.data_directory() + "/ibdata1"};
  what.directory = "/";
  if (const auto seen = must(host, job, std::move(what)); seen.ok()) source.identity = std::string(trim(*seen));
  BELAY_TRY(look_at_logs(source, job));
  return source;
}

Status beat(const Client& client, const std::string& table, Instant now) {
  const auto [schema, name] = halves(table);
  const auto full = sql_name(schema) + "." + sql_name(name);
  const auto write = "replace into " + full + " values (1, " + std::to_string(to_unix_ms(now)) + ")";
  const auto written = ask(client, write);
  if (written.ok()) return {};
  // Made only where it is not there: even "if not exists" is written to the binary log each time.
  if (written.error().message().find("doesn't exist") == std::string::npos &&
      written.error().message().find("Unknown database") == std::string::npos)
    return written.error();
  const auto made = ask(client, "create database if not exists " + sql_name(schema) + "; create table if not exists " +
                                    full + " (id int primary key, at_ms bigint not null) engine=InnoDB; " + write);
  return made.ok() ? Status() : made.error().within("cannot write the heartbeat to " + table);
}

Result<std::optional<Instant>> newest_beat(const Client& client, const std::string& table) {
  const auto [schema, name] = halves(table);
  BELAY_TRY_ASSIGN(const auto said, ask(client, "select max(at_ms) from " + sql_name(schema) + "." + sql_name(name)));
  const auto at = to_number(trim(said));
  if (!at) return std::optional<Instant>();
  return std::optional(from_unix_ms(static_cast<std::int64_t>(*at)));
}

Result<std::vector<Table>> tables_of(const Client& client, const std::vector<std::string>& databases) {
  std::string where = "table_schema not in ('information_schema','performance_schema','mysql','sys')";
  if (!databases.empty()) {
    where = "table_schema in (";
    for (const auto& database : databases) where += (where.ends_with('(') ? "" : ",") + sql_text(database);
    where += ")";
  }
  BELAY_TRY_ASSIGN(const auto rows, ask(client,
                                        "select table_schema, table_name, engine, coalesce(data_length, 0) from "
                                        "information_schema.tables where " +
                                            where + " and table_type like 'BASE%' and engine in (" +
                                            kEnginesWithContent + ") order by 4, 1, 2"));
  std::vector<Table> tables;
  for (const auto& line : split(rows, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() != 4) continue;
    tables.push_back({unescaped(fields[0]), unescaped(fields[1]), fields[2] == "InnoDB" || fields[2] == "ROCKSDB",
                      to_number(fields[3]).value_or(0)});
  }
  return tables;
}

namespace {

// One session: its snapshot begins, every table is read and let go of (a lock on its definition that is held would stop
// an ALTER, and everybody behind that), the end is marked.
std::string fingerprint_script(const std::vector<const Table*>& tables, bool with_position) {
  std::string sql =
      "set session transaction isolation level repeatable read; start transaction with consistent snapshot;\n";
  if (with_position) sql += "show status like 'binlog_snapshot%';\n";
  sql += "savepoint belay;\n";
  for (std::size_t i = 0; i < tables.size(); ++i)
    sql += "select 'T', " + std::to_string(i) + ", count(*) from " + tables[i]->full_name() + ";\nchecksum table " +
           tables[i]->full_name() + ";\nrollback to savepoint belay;\n";
  if (with_position) sql += "show master status;\n";
  return sql + "select 'END'";
}

}  // namespace

Result<Fingerprints> take_fingerprints(const Client& client, const std::vector<Table>& tables, bool with_position,
                                       std::uint64_t bytes_max) {
  std::vector<const Table*> read;
  std::uint64_t bytes = 0;
  for (const auto& table : tables)
    if (read.size() + 1 < backup::kFingerprintsMax && (bytes += table.bytes) <= bytes_max) read.push_back(&table);
  Fingerprints taken;
  if (read.size() < tables.size())
    taken.remarks.push_back(std::to_string(tables.size() - read.size()) + " of " + std::to_string(tables.size()) +
                            " tables are too large or too many to be counted with this backup");
  BELAY_TRY_ASSIGN(const auto said, ask(client, fingerprint_script(read, with_position), kReadAllTimeout));
  const auto lines = split(trim(said), '\n');
  if (lines.back() != "END") return Error(Code::internal, "the database server did not answer to the end");
  LogPosition ended;
  std::vector<std::optional<backup::Fingerprint>> found(read.size());
  std::size_t at = read.size();
  for (const auto& line : lines) {
    const auto fields = split(line, '\t');
    if (fields.size() == 3 && fields[0] == "T") {
      at = to_number(fields[1]).value_or(read.size());
      if (at < read.size()) found[at] = backup::Fingerprint{read[at]->subject(), to_number(fields[2]).value_or(0), {}};
    } else if (fields.size() == 2 && fields[0] == "Binlog_snapshot_file") {
      taken.at.file = fields[1];
    } else if (fields.size() == 2 && fields[0] == "Binlog_snapshot_position") {
      taken.at.offset = to_number(fields[1]).value_or(0);
    } else if (at < read.size() && fields.size() == 2) {
      if (fields[1] != "NULL") found[at]->checksum = fields[1];
      at = read.size();
    } else if (fields.size() >= 4) {
      ended = read_binlog_info(line);
    }
  }
  const bool quiet = with_position && ended.file == taken.at.file && ended.offset == taken.at.offset;
  std::size_t moving = 0;
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (!found[i] || found[i]->checksum.empty()) {
      taken.remarks.push_back("table " + read[i]->subject() + " could not be read: check it");
    } else if (with_position && !read[i]->transactional && !quiet) {
      ++moving;
    } else {
      taken.of.push_back(std::move(*found[i]));
    }
  }
  if (moving > 0)
    taken.remarks.push_back(std::to_string(moving) +
                            " tables without transactions were not counted: they were written to meanwhile");
  return taken;
}

Fingerprints unchanged(const Fingerprints& before, const Fingerprints& after) {
  Fingerprints same{{}, {}, after.remarks};
  for (const auto& now : after.of)
    if (std::ranges::find(before.of, now) != before.of.end()) same.of.push_back(now);
  if (same.of.size() < after.of.size())
    same.remarks.push_back(std::to_string(after.of.size() - same.of.size()) +
                           " tables changed during the backup and are not compared after a restore");
  return same;
}

}  // namespace belay::agent::backups::mariadb
