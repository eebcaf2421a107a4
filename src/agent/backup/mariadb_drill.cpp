#include "agent/backup/mariadb_drill.hpp"

#include <algorithm>
#include <csignal>
#include <thread>

#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

using backup::ProofLevel;

constexpr Duration kStartPatience{300'000}, kStopPatience{300'000}, kLookAgain{100};
constexpr const char* kSocket = "drill.sock";  // relative: the path of a socket may have no more than 107 bytes
constexpr std::size_t kNamedMax = 20, kFilesMax = 1'000'000, kLogShown = 800;

std::string end_of(const std::string& text, std::size_t bytes) {
  return sanitize(trim(text.size() > bytes ? std::string_view(text).substr(text.size() - bytes) : text), bytes);
}

Status wait_for_answer(const BackupHost& host, const DrillServer& server, const Client& client) {
  const auto give_up = host.clock.monotonic() + kStartPatience;
  while (true) {
    const auto answer = ask(client, "select 1");
    if (answer.ok()) return {};
    if (!server.is_running())
      return Error(Code::corrupt,
                   "the server does not start on what was restored: " + end_of(server.output(), kLogShown),
                   "server-failed");
    if (answer.error().reason() == "access-denied") return answer.error();
    if (host.clock.monotonic() >= give_up)
      return Error(Code::timed_out, "the server does not answer on what was restored: " + answer.error().message(),
                   "server-failed");
    if (host.cancel && host.cancel->load()) return Error(Code::cancelled, "the drill was stopped", "cancelled");
    std::this_thread::sleep_for(kLookAgain);
  }
}

void find_tablespaces(const BackupHost& host, const std::string& directory, int depth,
                      std::vector<std::string>& found) {
  const auto names = host.files.list(directory);
  if (!names.ok() || found.size() > kFilesMax) return;
  for (const auto& name : *names) {
    const auto path = directory + "/" + name;
    const auto info = host.files.info(path);
    if (!info.ok()) continue;
    if (info->kind == io::FileInfo::Kind::directory && depth > 0) find_tablespaces(host, path, depth - 1, found);
    const bool system = name == "ibdata1" || (name.starts_with("undo") && depth > 0);
    if (info->kind == io::FileInfo::Kind::file && info->bytes > 0 && (name.ends_with(".ibd") || system))
      found.push_back(path);
  }
}

}  // namespace

std::string server_user(const backup::Job& job) { return job.source.user.empty() ? "mysql" : job.source.user; }

Result<Program> program_for(const BackupHost& host, const backup::Job& job, const std::vector<std::string>& names,
                            const std::string& server_version) {
  const auto wanted = read_version(server_version);
  std::string seen;
  for (const auto& name : names) {
    auto program = first_program(host, job, {name});
    if (!program.ok() && program.error().code() == Code::not_found && (&name != &names.back() || !seen.empty()))
      continue;
    if (!program.ok()) return program.error();
    if (wanted && program->version && program->version->same_series(*wanted)) return program;
    seen = name + " here is " + (program->version ? text_of(*program->version) : std::string("of an unknown version"));
  }
  return Error(Code::unsupported,
               seen + ", the server is " + (wanted ? text_of(*wanted) : sanitize(server_version, 100)) +
                   ": install the same series",
               "wrong-major");
}

Result<std::unique_ptr<DrilledServer>> DrilledServer::start(const BackupHost& host, const backup::Job& job,
                                                            const std::string& option_file,
                                                            const std::string& data_directory,
                                                            const std::string& about) {
  std::unique_ptr<DrilledServer> drilled(new DrilledServer);
  BELAY_TRY_ASSIGN(const auto program,
                   program_for(host, job, {"mariadbd", "mysqld"}, value_of(about, "server_version")));
  Call what;
  const auto settings = data_directory + "/backup-my.cnf";  // the sizes its files were made with
  what.argv = {program.name,
               host.files.info(settings).ok() ? "--defaults-file=" + settings : "--no-defaults",
               "--datadir=" + data_directory,
               std::string("--socket=") + kSocket,
               "--pid-file=drill.pid",
               "--tmpdir=" + data_directory,
               "--skip-networking",
               "--skip-log-bin",
               "--skip-slave-start",
               "--event-scheduler=OFF",
               "--skip-name-resolve",
               "--performance-schema=OFF",
               "--innodb-buffer-pool-size=128M",
               "--max-allowed-packet=1G",
               "--default-time-zone=+00:00"};
  for (const char* name : {"lower_case_table_names", "character_set_server", "collation_server"}) {
    auto value = value_of(about, name);
    if (!value.empty()) what.argv.push_back("--" + std::string(name) + "=" + value);
  }
  what.user = server_user(job);
  what.directory = data_directory;
  what.kept = {data_directory};
  BELAY_TRY_ASSIGN(auto server, DrillServer::start(host, job, std::move(what)));
  drilled->server_.emplace(std::move(server));
  BELAY_TRY_ASSIGN(const auto client, first_program(host, job, {"mariadb", "mysql"}));
  BELAY_TRY_ASSIGN(auto options, client_options(host, option_file, std::string("./") + kSocket));
  drilled->client_ = {&host, &job, &*drilled->server_, client.name, std::move(options), data_directory};
  BELAY_TRY(wait_for_answer(host, *drilled->server_, drilled->client_));
  return drilled;
}

Status DrilledServer::stop() { return server_->stop(SIGTERM, kStopPatience); }

Status make_data_directory(const BackupHost& host, const backup::Job& job, const std::string& directory) {
  const auto user = server_user(job);
  BELAY_TRY(host.files.make_directories(directory, 0700));
  BELAY_TRY_ASSIGN(const auto owner, system_user(host, user));
  BELAY_TRY(give_to(host, owner, directory));
  Call what;
  what.argv = {"mariadb-install-db",     "--no-defaults",
               "--datadir=" + directory, "--auth-root-authentication-method=socket",
               "--skip-test-db",         "--skip-name-resolve"};
  what.user = user;
  what.isolated = true;
  what.kept = {directory};
  auto outcome = call(host, job, what);
  if (!outcome.ok() && outcome.error().code() == Code::not_found) {
    what.argv = {"mysqld", "--no-defaults", "--initialize-insecure", "--datadir=" + directory};
    outcome = call(host, job, what);
  }
  if (!outcome.ok()) return outcome.error();
  return judge_client(*outcome, "making an empty data directory");
}

namespace {

// corrupt where a page's checksum is wrong.
Status check_file(const BackupHost& host, const backup::Job& job, const std::string& data_directory,
                  const std::string& file, const char* part) {
  Call what;
  what.argv = {"innochecksum"};  // one file at a time: with several it names none
  if (*part) what.argv.emplace_back(part);
  what.argv.push_back(file);
  what.user = server_user(job);
  what.isolated = true;
  what.kept = {data_directory};
  what.timeout = kReadAllTimeout;
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(what)));
  if (outcome.success()) return {};
  using End = io::ProcessOutcome::End;
  const auto code = outcome.end == End::cancelled ? Code::cancelled
                    : outcome.end == End::exited  ? Code::corrupt
                                                  : Code::timed_out;
  return Error(code, end_of(how_it_ended(outcome), 300));
}

}  // namespace

void check_pages(const BackupHost& host, const backup::Job& job, const std::string& data_directory,
                 backup::JobReport& report) {
  std::vector<std::string> files;
  find_tablespaces(host, data_directory, 2, files);
  std::size_t damaged = 0;
  for (const auto& file : files) {
    // The doublewrite buffer, two extents from page 64 on, holds pages of other files, which innochecksum takes amiss.
    const bool system = file.ends_with("/ibdata1");
    auto sound = check_file(host, job, data_directory, file, system ? "--end-page=63" : "");
    if (sound.ok() && system) sound = check_file(host, job, data_directory, file, "--start-page=192");
    if (sound.ok()) continue;
    const auto name = "pages of " + file.substr(data_directory.size() + 1);
    if (blames_nobody(sound.error())) return fail(report, ProofLevel::P3, name, sound.error());
    if (++damaged <= kNamedMax) fail(report, ProofLevel::P3, name, sound.error());
  }
  const auto seen = std::to_string(files.size() - damaged) + " of " + std::to_string(files.size()) + " files are sound";
  if (damaged == 0 && !files.empty()) pass(report, ProofLevel::P3, "innochecksum", seen);
  else fail(report, ProofLevel::P3, "innochecksum", seen);
}

backup::Fingerprint count_of(const std::vector<Table>& tables) { return {"tables", tables.size(), {}}; }

void compare_content(const Client& client, const std::vector<std::string>& databases, const backup::MadePoint& point,
                     backup::JobReport& report) {
  const auto all = tables_of(client, databases);
  if (!all.ok()) return fail(report, ProofLevel::P3, "comparison", all.error());
  std::vector<Table> wanted;
  for (const auto& table : *all)
    if (std::ranges::find(point.fingerprints, table.subject(), &backup::Fingerprint::subject) !=
        point.fingerprints.end())
      wanted.push_back(table);
  auto now = take_fingerprints(client, wanted, false, UINT64_MAX);
  if (!now.ok()) return fail(report, ProofLevel::P3, "comparison", now.error());
  now->of.push_back(count_of(*all));
  compare(report, point.fingerprints, now->of);
}

void check_tables(const Client& client, backup::JobReport& report) {
  const auto tables =
      ask(client,
          "select table_schema, table_name from information_schema.tables where table_type like 'BASE%' and "
          "table_schema not in ('information_schema','performance_schema')");
  if (!tables.ok()) return fail(report, ProofLevel::P4, "CHECK TABLE", tables.error());
  std::string sql;
  for (const auto& line : split(trim(*tables), '\n')) {
    const auto tab = line.find('\t');
    if (tab == std::string_view::npos) continue;
    sql += "check table " + sql_name(unescaped(line.substr(0, tab))) + "." + sql_name(unescaped(line.substr(tab + 1))) +
           " extended;\n";
  }
  const auto said = ask(client, sql + "select 'END'", kReadAllTimeout);
  if (!said.ok()) return fail(report, ProofLevel::P4, "CHECK TABLE", said.error());
  const auto checked = read_checked_tables(*said);
  for (std::size_t i = 0; i < std::min(checked.damaged.size(), kNamedMax); ++i)
    fail(report, ProofLevel::P4, "CHECK TABLE", checked.damaged[i]);
  const auto seen =
      std::to_string(checked.sound) + " tables are sound, " + std::to_string(checked.damaged.size()) + " are not";
  if (checked.damaged.empty() && checked.sound > 0 && trim(*said).ends_with("END"))
    pass(report, ProofLevel::P4, "CHECK TABLE EXTENDED", seen);
  else fail(report, ProofLevel::P4, "CHECK TABLE EXTENDED", seen);
}

void ask_operators_checks(const DrilledServer& server, const backup::Job& job, const std::string& root,
                          backup::JobReport& report) {
  const auto& host = *server.client().host;
  run_checks(
      host, job, report, root,
      [&](const backup::Check& check) -> Result<std::string> {
        const auto use = check.database.empty() ? std::string() : "use " + sql_name(check.database) + ";\n";
        BELAY_TRY_ASSIGN(const auto said, ask(server.client(), use + check.sql, check.timeout));
        const auto row = split(said, '\n').front();
        return unescaped(row.substr(0, row.find('\t')));
      },
      [&](Call what) {
        what.user = server_user(job);
        return server.server().call(host, job, std::move(what));
      });
}

Duration time_to_restore(const backup::JobReport& report) {
  Duration total{};
  for (const auto& phase : report.phases)
    for (const std::string_view name : {"fetch", "prepare", "load", "start", "recover"})
      if (phase.name == name) total += phase.took;
  return total;
}

}  // namespace belay::agent::backups::mariadb
