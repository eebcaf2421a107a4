// mariadb-dump and mysqldump: everything as SQL in one consistent transaction, with its position in the binary logs.
#include <algorithm>

#include "agent/backup/engines.hpp"
#include "agent/backup/mariadb_restore.hpp"
#include "agent/backup/mariadb_watch.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace mariadb {
namespace {

using backup::Job;
using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;

constexpr std::size_t kHeadBytes = 16u << 10;
const std::vector<std::string> kTools{"mariadb-dump", "mysqldump"};

std::vector<std::string> dump_arguments(const Source& source, const std::string& tool, const std::string& file) {
  std::vector<std::string> argv{tool};
  argv.insert(argv.end(), source.client.options.begin(), source.client.options.end());
  argv.insert(argv.end(), {"--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob",
                           "--max-allowed-packet=1G", "--default-character-set=utf8mb4", "--result-file=" + file});
  return argv;
}

// The databases of a dump, in its order; the server's own left out.
std::vector<std::string> databases_in(std::string_view dump) {
  constexpr std::string_view kWords = "\n-- Current Database: `";
  std::vector<std::string> names;
  for (auto at = dump.find(kWords); at != std::string_view::npos; at = dump.find(kWords, at + 1)) {
    auto rest = dump.substr(at + kWords.size());
    rest = rest.substr(0, rest.find('\n'));
    if (!rest.ends_with('`')) continue;
    rest.remove_suffix(1);
    std::string name;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      name += rest[i];
      if (rest[i] == '`' && i + 1 < rest.size() && rest[i + 1] == '`') ++i;
    }
    if (name != "mysql" && name != "sys" && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

// "CREATE DATABASE … `shop` …": with the character set that it had.
std::string creation_of(std::string_view dump, const std::string& database) {
  const auto name = sql_name(database);
  constexpr std::string_view kWords = "\nCREATE DATABASE ";
  for (auto at = dump.find(kWords); at != std::string_view::npos; at = dump.find(kWords, at + 1)) {
    auto line = dump.substr(at + 1);
    line = line.substr(0, line.find('\n'));
    if (line.find(" " + name + " ") != std::string_view::npos && line.ends_with(';'))
      return std::string(line.substr(0, line.size() - 1));
  }
  return "create database if not exists " + name;
}

// One database, dumped before it is replaced.
Result<std::string> put_database_aside(const BackupHost& host, const Job& job, const Source& source,
                                       const std::string& database, const std::string& label) {
  BELAY_TRY_ASSIGN(const auto tool, program_for(host, job, kTools, source.version_text));
  const auto directory = host.state_directory + "/aside";
  BELAY_TRY(host.files.make_directories(directory, 0700));
  auto safe = database;
  std::ranges::replace_if(safe, [](char c) { return c == '/' || c == '\0'; }, '_');
  const auto file = directory + "/" + label + "-" + safe + ".sql";
  Call what;
  what.argv = dump_arguments(source, tool.name, file);
  what.argv.insert(what.argv.end(), {"--databases", database});
  what.timeout = job.limits.timeout;
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(what)));
  BELAY_TRY(judge_client(outcome, "dumping " + database + " before it is replaced"));
  BELAY_TRY(check_dump(file));
  return file;
}

// What was dumped before comes back where the new one could not be loaded whole.
Status bring_database_back(const Source& source, const std::string& name, const std::string& aside, const Error& why) {
  const auto back = [&]() -> Status {
    BELAY_TRY_ASSIGN(const auto dropped, ask(source.client, "drop database if exists " + sql_name(name)));
    std::string creation;
    {
      BELAY_TRY_ASSIGN(const auto mapped, io::MappedFile::open(aside));
      creation = creation_of(mapped.text(), name);
    }
    BELAY_TRY_ASSIGN(const auto made, ask(source.client, creation));
    return load(source.client, aside, name);
  }();
  if (!back.ok())
    return why.within("database " + name + " is loaded in part, and what was there (" + aside +
                      ") could not be loaded back (" + back.error().chain() + "): load it by hand");
  return why.within("database " + name + " could not be loaded, and is what it was before");
}

Status load_databases(const BackupHost& host, const Job& job, const Source& source, const std::string& dump,
                      JobReport& report) {
  std::vector<std::pair<std::string, std::string>> wanted;  // name, how it is created
  {
    BELAY_TRY_ASSIGN(const auto mapped, io::MappedFile::open(dump));
    const auto in_dump = databases_in(mapped.text());
    for (const auto& name : job.restore->paths.empty() ? in_dump : job.restore->paths) {
      if (std::ranges::find(in_dump, name) == in_dump.end())
        return Error(Code::not_found, "the dump has no database " + name, "no-database");
      wanted.emplace_back(name, creation_of(mapped.text(), name));
    }
  }
  BELAY_TRY_ASSIGN(const auto said, ask(source.client, "show databases"));
  const auto lines = split(said, '\n');
  const auto exists = [&](const std::string& name) {
    return std::ranges::any_of(lines, [&](const auto& line) { return unescaped(line) == name; });
  };
  for (const auto& [name, creation] : wanted)
    if (exists(name) && !job.restore->over)
      return Error(Code::conflict, "the server has a database " + name + "; order it to be replaced, or restore beside",
                   "target-not-empty");
  const auto label = label_of(host.clock.now(), backup::BackupType::full);
  for (const auto& [name, creation] : wanted) {
    if (job.restore->preview) {
      report.output += "load database " + name + (exists(name) ? ", after what is there was dumped" : "") + "\n";
      continue;
    }
    std::string aside;
    if (exists(name)) {
      BELAY_TRY_ASSIGN(aside, put_database_aside(host, job, source, name, label));
      report.output += "what was in database " + name + " is now in " + aside + "\n";
      report.put_aside.push_back(aside);
      BELAY_TRY_ASSIGN(const auto dropped, ask(source.client, "drop database " + sql_name(name)));
    }
    const auto made = ask(source.client, creation);
    auto loaded = made.ok() ? load(source.client, dump, name) : Status(made.error());
    if (!loaded.ok() && !aside.empty()) return bring_database_back(source, name, aside, loaded.error());
    BELAY_TRY(std::move(loaded).within("database " + name + " is loaded in part"));
    report.output += "loaded database " + name + "\n";
  }
  return {};
}

Status restore_dump_now(const BackupHost& host, const Job& job, const Secrets& secrets, const std::string& option_file,
                        JobReport& report) {
  BELAY_TRY_ASSIGN(const auto opened, OpenRepository::open(host, job, job.vault, secrets, {}, false));
  BELAY_TRY_ASSIGN(const auto all, opened->snapshots());
  BELAY_TRY_ASSIGN(const auto members, members_of(all, job.points.front().reference));
  const auto& point = *members.back();
  const auto bytes = to_number(tag_of(point, "set")).value_or(0);
  report.bytes = bytes;
  report.restored_to = point_of(point).taken_at;
  Stopwatch watch(host.clock, report);
  if (job.restore->in_place) {
    BELAY_TRY_ASSIGN(const auto source, open_source(host, job, option_file));
    BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host, job, bytes + kSlackBytes));
    BELAY_TRY_ASSIGN(const auto dump, fetch_dump(host, *opened, point, scratch.path() + "/dump", watch));
    watch.begin("load");
    BELAY_TRY(load_databases(host, job, source, dump, report));
    watch.end();
    return {};
  }
  const auto& target = job.restore->path;
  if (target.size() < 2 || target.front() != '/')
    return Error(Code::invalid_argument, "a restore needs an absolute path to go to");
  BELAY_TRY(check_target(host, target, job.restore->over));
  if (job.restore->preview) {
    report.output +=
        "put " + std::string(kDumpFile) + " of " + std::to_string(bytes >> 20) + " MiB into " + target + "\n";
    return {};
  }
  const auto label = label_of(host.clock.now(), backup::BackupType::full);
  BELAY_TRY_ASSIGN(const auto parent, make_building_place(host, job, target, label, report));
  BELAY_TRY_ASSIGN(const auto dump, fetch_dump(host, *opened, point, parent, watch));
  BELAY_TRY(host.files.remove(parent + "/" + kAboutFile));
  BELAY_TRY_ASSIGN(const auto aside, put_in_place(host, job, parent, target, job.restore->over, label));
  report.output += "restored to " + target + (aside.empty() ? "" : "; what was there is now " + aside) + "\n";
  return {};
}

class MysqlDump final : public BackupEngine {
 public:
  MysqlDump(const BackupHost& host, std::string option_file) : host_(host), option_file_(std::move(option_file)) {}
  backup::EngineName name() const override { return backup::EngineName::mysqldump; }
  JobReport check(const Job& job, const Secrets& secrets) override {
    return check_source(host_, job, secrets, option_file_, kTools);
  }
  JobReport back_up(const Job& job, const Secrets& secrets) override;
  JobReport copy(const Job& job, const Secrets& secrets) override { return copy_points(host_, job, secrets); }
  JobReport prove(const Job& job, const Secrets& secrets) override { return drill(host_, job, secrets, option_file_); }
  JobReport restore(const Job& job, const Secrets& secrets) override {
    return restore_dump(host_, job, secrets, option_file_);
  }
  JobReport forget(const Job& job, const Secrets& secrets) override { return forget_points(host_, job, secrets); }
  JobReport list(const Job& job, const Secrets& secrets) override { return list_points(host_, job, secrets, name()); }
  backup::WatchReport watch(const backup::Watch& watch) override { return watch_server(host_, watch, option_file_); }

 private:
  Status make_point(const Job& job, const Secrets& secrets, JobReport& report);
  Result<LogPosition> dump(const Job& job, const Making& making, const std::string& file);

  const BackupHost& host_;
  std::string option_file_;
};

Result<LogPosition> MysqlDump::dump(const Job& job, const Making& making, const std::string& file) {
  const auto& source = making.source;
  Call what;
  what.argv = dump_arguments(source, making.tool.name, file);
  if (source.logs) what.argv.push_back(source.version.mariadb ? "--master-data=2" : "--source-data=2");
  if (job.source.databases.empty()) {
    what.argv.push_back("--all-databases");
  } else {
    what.argv.push_back("--databases");
    what.argv.insert(what.argv.end(), job.source.databases.begin(), job.source.databases.end());
  }
  what.gently = true;
  what.timeout = job.limits.timeout;
  if (host_.progress) host_.progress({.phase = "backup", .bytes_total = making.bytes, .left = {}});
  BELAY_TRY_ASSIGN(const auto outcome, call(host_, job, std::move(what)));
  BELAY_TRY(judge_client(outcome, making.tool.name));
  BELAY_TRY(check_dump(file));
  if (!source.logs) return LogPosition();
  BELAY_TRY_ASSIGN(const auto mapped, io::MappedFile::open(file));
  auto from = read_dump_position(mapped.text().substr(0, kHeadBytes));
  if (from.file.empty())
    return Error(Code::corrupt, "the dump does not say its position in the binary logs", "dump-without-position");
  return from;
}

Status MysqlDump::make_point(const Job& job, const Secrets& secrets, JobReport& report) {
  if (job.type != backup::BackupType::full)
    return Error(Code::invalid_argument, "a dump is always full; use mariadb-backup for increments");
  BELAY_TRY_ASSIGN(auto making, Making::begin(host_, job, secrets, option_file_, kTools));
  // Blobs are written in hexadecimal digits.
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host_, job, 2 * making.bytes + kSlackBytes));
  backup::MadePoint point;
  BELAY_TRY(making.count_before());
  point.taken_at = point.begun_at = host_.clock.now();  // the transaction begins with the dump
  point.reference = label_of(point.begun_at, point.type);
  const auto file = scratch.path() + "/" + kDumpFile;
  Stopwatch watch(host_.clock, report);
  watch.begin("backup");
  BELAY_TRY_ASSIGN(const auto from, dump(job, making, file));
  pass(report, ProofLevel::P0, making.tool.name, "ended with 0, and its last line is \"-- Dump completed\"");
  BELAY_TRY_ASSIGN(const auto info, host_.files.info(file));
  point.position = text_of(from);
  watch.begin("store");
  BELAY_TRY(
      making.keep(scratch.path(), {kDumpFile}, std::move(point), from, {"set=" + std::to_string(info.bytes)}, report));
  watch.end();
  return {};
}

JobReport MysqlDump::back_up(const Job& job, const Secrets& secrets) {
  JobReport report;
  report.task = Task::backup;
  if (const auto made = make_point(job, secrets, report); !made.ok()) {
    auto said = failed(Task::backup, made.error());
    said.evidence = std::move(report.evidence);
    return said;
  }
  report.outcome = JobOutcome::ok;
  return report;
}

}  // namespace

backup::JobReport restore_dump(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                               const std::string& option_file) {
  JobReport report;
  report.task = Task::restore;
  Status done;
  if (!job.restore || job.points.empty())
    done = Error(Code::invalid_argument, "the job does not say what to restore where");
  else if (job.restore->time && job.restore->in_place)
    done = Error(Code::unsupported,
                 "a dump is not recovered to a point in time in a server that runs; restore it beside, and move it");
  else if (job.restore->time) return restore_server(host, job, secrets, option_file);
  else done = restore_dump_now(host, job, secrets, option_file, report);
  if (!done.ok()) {
    auto said = failed(Task::restore, done.error());
    said.output = report.output;
    said.put_aside = report.put_aside;
    return said;
  }
  report.outcome = JobOutcome::ok;
  report.time_to_restore = time_to_restore(report);
  return report;
}

std::unique_ptr<BackupEngine> mysqldump_with(const BackupHost& host, std::string option_file) {
  return std::make_unique<MysqlDump>(host, std::move(option_file));
}

}  // namespace mariadb

std::unique_ptr<BackupEngine> make_mysqldump(const BackupHost& host) {
  return mariadb::mysqldump_with(host, std::string(mariadb::kOptionFileDefault));
}

}  // namespace belay::agent::backups
