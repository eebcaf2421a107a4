#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/backup/pg_real_test.hpp"
#include "base/text.hpp"
#include "io/files.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/postgres_data.hpp"

namespace belay::agent::backups {
namespace {

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin";
constexpr int kPort = 5499;

bool is_there(const std::string& program) {
  for (const char* directory : {"/usr/bin/", "/bin/", "/usr/sbin/", "/usr/lib/postgresql/15/bin/"})
    if (access((directory + program).c_str(), X_OK) == 0) return true;
  return false;
}

BackupHost host_at(const std::string& root) {
  return {.files = io::real_files(),
          .processes = io::real_processes(),
          .clock = io::system_clock(),
          .work_directory = root + "/work",
          .state_directory = root + "/state"};
}

}  // namespace

std::string seen(const backup::JobReport& report) {
  std::string text = "outcome " + std::to_string(static_cast<int>(report.outcome)) + ", why: " + report.why + "\n";
  for (const auto& item : report.evidence)
    text += "  P" + std::to_string(static_cast<int>(item.level)) + (item.passed ? " ok   " : " FAIL ") + item.what +
            ": " + item.seen + "\n";
  for (const auto& phase : report.phases) text += "  " + phase.name + " " + humanize(phase.took) + "\n";
  return text + report.output;
}

std::string PgStand::why_not(const std::vector<std::string>& programs) {
  if (geteuid() != 0) return "needs root: servers run as the user postgres";
  for (const auto& program : programs)
    if (!is_there(program)) return "the program " + program + " is not installed";
  if (!system_user(host_at("/tmp"), "postgres").ok()) return "there is no user postgres";
  return {};
}

PgStand::PgStand() : programs_(kPrograms), host_(host_at(own_.path())) {
  sh("install -d -o postgres -g postgres -m 0700 " + path("socket"));
  sh("mkdir -p -m 0755 " + path("vault") + " && mkdir -m 0711 " + path("scratch"));
  sh(as_postgres("true"));
  EXPECT_TRUE(fakes::lay_postgres_data(programs_, path("data")));
  set("listen_addresses = ''\nunix_socket_directories = '" + path("socket") + "'\nport = " + std::to_string(kPort) +
      "\nfsync = off\nshared_buffers = 32MB\nmax_connections = 40\n");
}

PgStand::~PgStand() { stop_server(); }

void PgStand::lay_repository() {
  const auto about = job(backup::Task::backup, backup::EngineName::pg_dump);
  fakes::lay_restic_repository(about.vault.path + "/" + backup::repository_name(about.plan_id, about.source_node_id));
}

void PgStand::start_server(const std::string& more_settings) {
  if (!more_settings.empty()) set(more_settings);
  EXPECT_EQ(sh(as_postgres(programs_ + "/pg_ctl -D " + path("data") + " -l " + path("socket/log") + " -w start")), 0)
      << out("tail -5 " + path("socket/log"));
}

void PgStand::stop_server() { sh(as_postgres(programs_ + "/pg_ctl -D " + path("data") + " -m fast -w stop")); }

void PgStand::set(const std::string& lines) { std::ofstream(path("data/postgresql.conf"), std::ios::app) << lines; }

std::string PgStand::psql(const std::string& sql, const std::string& database) const {
  std::ofstream(path("sql"), std::ios::trunc) << sql;
  return out(as_postgres(programs_ + "/psql -XAtq -v ON_ERROR_STOP=1 -h " + path("socket") + " -p " +
                         std::to_string(kPort) + " -d " + database) +
             " < " + path("sql"));
}

int PgStand::sh(const std::string& command) const {
  return std::system(("cd /; " + command + " >/dev/null 2>&1").c_str());
}

std::string PgStand::out(const std::string& command) const {
  std::string text;
  if (FILE* pipe = popen(("cd /; " + command + " 2>&1").c_str(), "r")) {
    char buffer[4096];
    for (std::size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, count);
    pclose(pipe);
  }
  return std::string(trim(text));
}

std::string PgStand::as_postgres(const std::string& command) const {
  return "setpriv --reuid=postgres --regid=postgres --init-groups " + command;
}

BackupHost PgStand::host() const { return host_at(own_.path()); }

backup::Job PgStand::job(backup::Task task, backup::EngineName engine) const {
  backup::Job job;
  job.job_id = "bj-0123456789abcdef0";
  job.task = task;
  job.plan_id = "bp-0123456789abcdef0";
  job.plan_name = "pg-test";
  job.node_id = job.source_node_id = "mi-0123456789abcdef0";
  job.source.engine = engine;
  job.source.stanza = engine == backup::EngineName::pgbackrest ? "main" : "";
  job.source.socket = path("socket");
  job.source.port = kPort;
  job.source.heartbeat = "belay.heartbeat";
  job.vault.name = "main-nas";
  job.vault.kind = backup::VaultKind::local;
  job.vault.path = path("vault");
  job.scratch = path("scratch");
  job.limits.processes = 2;
  job.limits.idle_io = false;  // behind whatever else runs here it would take minutes
  job.limits.timeout = Duration(600'000);
  return job;
}

backup::JobReport PgStand::run(BackupEngine& engine, const backup::Job& job) { return run(engine, job, secrets); }

backup::JobReport PgStand::run(BackupEngine& engine, const backup::Job& job, const Secrets& secret) {
  return do_job_with(host_, engine, job, secret);
}

}  // namespace belay::agent::backups
