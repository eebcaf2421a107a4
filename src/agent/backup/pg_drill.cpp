#include "agent/backup/pg_drill.hpp"

#include <algorithm>
#include <csignal>
#include <thread>

#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::JobReport;
using backup::ProofLevel;

constexpr Duration kLook{100}, kStopPatience{300'000};
constexpr std::uint32_t kPort = 5432;  // names the socket alone: nothing listens

void set(std::vector<std::string>& argv, const std::string& name, const std::string& value) {
  argv.insert(argv.end(), {"-c", name + "=" + value});
}

// On the command line, which goes before what ALTER SYSTEM left in postgresql.auto.conf; pgBackRest writes that file
// anew at each restore, with the settings of production.
std::vector<std::string> command_line(const PgDrillPlace& place, const ControlData& control) {
  std::vector<std::string> argv{place.programs + "/postgres", "-D", place.data};
  set(argv, "config_file", place.root + "/postgresql.conf");
  set(argv, "hba_file", place.root + "/pg_hba.conf");
  set(argv, "ident_file", place.root + "/pg_ident.conf");
  set(argv, "unix_socket_directories", place.root);
  set(argv, "port", std::to_string(kPort));
  static constexpr std::pair<const char*, const char*> kSettings[] = {{"listen_addresses", ""},
                                                                      {"archive_mode", "off"},
                                                                      {"ssl", "off"},
                                                                      {"wal_level", "replica"},
                                                                      {"primary_conninfo", ""},
                                                                      {"primary_slot_name", ""},
                                                                      {"logging_collector", "off"},
                                                                      {"log_destination", "stderr"},
                                                                      {"log_timezone", "UTC"},
                                                                      {"log_min_messages", "warning"},
                                                                      {"log_line_prefix", "%m "},
                                                                      {"autovacuum", "off"},
                                                                      {"shared_buffers", "128MB"},
                                                                      {"huge_pages", "off"},
                                                                      {"max_logical_replication_workers", "0"},
                                                                      {"session_replication_role", "replica"},
                                                                      {"synchronous_standby_names", ""},
                                                                      {"cron.launch_active_jobs", "off"},
                                                                      {"archive_cleanup_command", ""},
                                                                      {"recovery_end_command", ""},
                                                                      {"default_transaction_read_only", "off"}};
  for (const auto& [name, value] : kSettings) set(argv, name, value);
  set(argv, "shared_preload_libraries", place.libraries);
  // Lower than in production, recovery refuses to start.
  for (const auto& [name, least] : control.least) set(argv, name, std::to_string(least));
  return argv;
}

Status write_files(const BackupHost& host, const PgDrillPlace& place) {
  for (const auto& [name, text] :
       {std::pair<const char*, const char*>{"postgresql.conf", "# all on the command line\n"},
        {"pg_hba.conf", "local all all trust\n"},
        {"pg_ident.conf", "\n"}})
    BELAY_TRY(host.files.write_durable(place.root + "/" + name, text, 0644));
  return {};
}

Error ended_early(const DrillServer& process) {
  const auto log = process.output();
  const auto said = last_errors_in(log);
  if (log.find("recovery ended before configured recovery target was reached") != std::string::npos)
    return Error(Code::conflict,
                 "the logs end before the point to recover to: a gap in the archive, or the target lies beyond it (" +
                     said + ")",
                 "target-not-reached");
  return Error(Code::internal, "the restored server ended: " + said);
}

}  // namespace

bool holds_so_far(const JobReport& report) {
  return std::all_of(report.evidence.begin(), report.evidence.end(), [](const auto& item) { return item.passed; });
}

backup::Job walled(const backup::Job& job) {
  auto copy = job;
  if (copy.source.data_directory.empty()) copy.source.data_directory = "/var/lib/postgresql";
  if (copy.source.socket.empty()) copy.source.socket = "/var/run/postgresql";
  return copy;
}

Result<std::string> major_of(const BackupHost& host, const std::string& data_directory) {
  BELAY_TRY_ASSIGN(const auto text, host.files.read(data_directory + "/PG_VERSION", 100)
                                        .within(data_directory + " is no data directory of PostgreSQL"));
  return std::string(trim(text));
}

Result<ControlData> control_data(const BackupHost& host, const backup::Job& job, const PgDrillPlace& place) {
  Call what;
  what.argv = {place.programs + "/pg_controldata", "-D", place.data};
  what.user = place.user;
  what.environment = {{"LC_ALL", "C"}};
  BELAY_TRY_ASSIGN(const auto text, must(host, job, std::move(what)));
  return parse_control_data(text);
}

Result<PgDrill> PgDrill::start(const BackupHost& host, const backup::Job& job, PgDrillPlace place) {
  BELAY_TRY_ASSIGN(const auto control, control_data(host, job, place));
  BELAY_TRY(write_files(host, place));
  Call server;
  server.argv = command_line(place, control);
  server.user = place.user;
  server.shown = place.shown;
  server.directory = place.root;
  BELAY_TRY_ASSIGN(auto process, DrillServer::start(host, job, std::move(server)));
  return PgDrill(host, job, std::move(place), std::move(process));
}

PgServer PgDrill::server() const {
  PgServer server(*host_, *job_, place_.root, kPort, place_.user, &process_);
  server.set_programs(place_.programs);
  return server;
}

Status PgDrill::wait_until_recovered() const {
  const auto asked = server();
  const auto begun = host_->clock.monotonic();
  while (true) {
    if (!process_.is_running()) return ended_early(process_);
    if (host_->cancel && host_->cancel->load()) return Error(Code::cancelled, "stopped while the server recovered");
    const auto answer = asked.ask("postgres", "select pg_is_in_recovery();");
    if (answer.ok() && *answer == "f") return {};
    if (host_->clock.monotonic() - begun > job_->limits.timeout)
      return Error(Code::timed_out, "the restored server was not out of recovery after " +
                                        humanize(job_->limits.timeout) + ": " + last_errors_in(output()));
    std::this_thread::sleep_for(kLook);
  }
}

Status PgDrill::stop() { return process_.stop(SIGINT, kStopPatience); }

void compare_with_point(JobReport& report, const PgServer& server, const backup::MadePoint& point) {
  std::vector<backup::Fingerprint> now;
  const auto counted = server.all_fingerprints(&point.fingerprints);
  if (!counted.ok()) return fail(report, ProofLevel::P3, "rows", counted.error());
  now = *counted;
  for (const auto& then : point.fingerprints) {
    if (then.subject == kHeartbeatSubject) {
      const auto beat = server.read_beat("backup");
      if (!beat.ok()) return fail(report, ProofLevel::P3, "heartbeat", beat.error());
      now.push_back({then.subject, 1, *beat});
    } else if (then.subject == kDatabasesSubject) {
      const auto print = server.database_fingerprint();
      if (!print.ok()) return fail(report, ProofLevel::P3, "databases", print.error());
      now.push_back(*print);
    }
  }
  compare(report, point.fingerprints, now);
}

void check_running(const BackupHost& host, JobReport& report, const PgServer& server) {
  static_cast<void>(host);
  Call amcheck;
  amcheck.argv = server.reach("pg_amcheck");
  amcheck.argv.insert(amcheck.argv.end(), {"--all", "--install-missing", "--heapallindexed"});
  amcheck.timeout = Duration(12LL * 3600 * 1000);
  const auto checked = server.run(std::move(amcheck));
  if (!checked.ok()) return fail(report, ProofLevel::P4, "pg_amcheck", checked.error());
  if (checked->end != io::ProcessOutcome::End::exited)
    return could_not(report, ProofLevel::P4, "pg_amcheck", how_it_ended(*checked));
  if (!checked->success()) {
    const auto said = trim(checked->standard_output);
    return fail(report, ProofLevel::P4, "pg_amcheck", said.empty() ? how_it_ended(*checked) : sanitize(said, 800));
  }
  pass(report, ProofLevel::P4, "pg_amcheck", "every table and every B-tree index, entries against rows");
  const auto names = server.databases();
  if (!names.ok()) return fail(report, ProofLevel::P4, "databases", names.error());
  for (const auto& name : *names) {
    Call dump;
    dump.argv = server.reach("pg_dump");
    dump.argv.insert(dump.argv.end(), {"--no-sync", "-f", "/dev/null"});
    dump.environment = {{"PGDATABASE", name}};
    dump.timeout = Duration(12LL * 3600 * 1000);
    const auto read = server.run(std::move(dump));
    const auto what = "every row of " + name;
    if (!read.ok()) return fail(report, ProofLevel::P4, what, read.error());
    if (read->end != io::ProcessOutcome::End::exited)
      return could_not(report, ProofLevel::P4, what, how_it_ended(*read));
    if (read->success()) pass(report, ProofLevel::P4, what, "read by pg_dump");
    else fail(report, ProofLevel::P4, what, how_it_ended(*read));
  }
}

void check_stopped(const BackupHost& host, const backup::Job& job, JobReport& report, PgDrill& drill,
                   const PgDrillPlace& place) {
  if (const auto stopped = drill.stop(); !stopped.ok()) return fail(report, ProofLevel::P4, "stop", stopped.error());
  const auto control = control_data(host, job, place);
  if (!control.ok()) return fail(report, ProofLevel::P4, "pg_controldata", control.error());
  if (control->state != "shut down") return fail(report, ProofLevel::P4, "stop", "it is \"" + control->state + "\"");
  if (!control->has_checksums)
    return pass(report, ProofLevel::P4, "page checksums", "this cluster has none; initdb --data-checksums makes them");
  Call what;
  what.argv = {place.programs + "/pg_checksums", "--check", "-D", place.data};
  what.user = place.user;
  what.timeout = Duration(12LL * 3600 * 1000);
  const auto checked = call(host, job, std::move(what));
  if (checked.ok() && checked->success())
    pass(report, ProofLevel::P4, "page checksums", "pg_checksums: all pages are right");
  else if (checked.ok()) fail(report, ProofLevel::P4, "page checksums", how_it_ended(*checked));
  else fail(report, ProofLevel::P4, "page checksums", checked.error());
}

void check_wishes(const BackupHost& host, const backup::Job& job, JobReport& report, const PgDrill& drill,
                  const PgDrillPlace& place) {
  if (job.checks.empty())
    return fail(report, ProofLevel::P5, "checks", "the plan asks nothing (prove.checks), so P5 cannot be reached");
  const auto server = drill.server();
  const auto names = server.databases();
  // The only database beside the server's own, else that.
  std::vector<std::string> own;
  if (names.ok())
    for (const auto& name : *names)
      if (name != "postgres") own.push_back(name);
  const auto fallback = own.size() == 1 ? own.front() : std::string("postgres");
  run_checks(
      host, job, report, place.data,
      [&](const backup::Check& check) -> Result<std::string> {
        BELAY_TRY_ASSIGN(const auto text,
                         server.script(check.database.empty() ? fallback : check.database, check.sql, check.timeout));
        const auto line = std::string_view(text).substr(0, text.find('\n'));
        return std::string(line.substr(0, line.find('\x1f')));
      },
      [&](Call what) {
        what.environment["PGHOST"] = place.root;
        what.environment["PGPORT"] = std::to_string(kPort);
        return server.run(std::move(what));
      });
  pass(report, ProofLevel::P5, "time to restore",
       report.time_to_restore ? humanize(*report.time_to_restore) : std::string("not measured"));
  pass(report, ProofLevel::P5, "restored to",
       report.restored_to ? to_iso8601(*report.restored_to) : std::string("not measured"));
}

}  // namespace belay::agent::backups
