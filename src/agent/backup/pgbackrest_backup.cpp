#include <algorithm>
#include <thread>

#include "agent/backup/pg_text.hpp"
#include "agent/backup/pgbackrest.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::pgbackrest {
namespace {

using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;

constexpr int kExitBusy = 50;
constexpr Duration kWorkersLinger{20'000}, kLook{500};

struct Source {
  PgServer server;
  PgFacts facts;
};

Result<Source> source_of(const BackupHost& host, const backup::Job& job) {
  Source source{PgServer::of(host, job), {}};
  BELAY_TRY_ASSIGN(source.facts, source.server.facts());
  if (const auto programs = pg_programs(host, source.facts.major); !programs.empty())
    source.server.set_programs(programs);
  if (source.facts.in_recovery)
    return Error(Code::conflict,
                 "this server is a standby or still recovers: back up the primary, which knows the restore points",
                 "source-is-standby");
  return source;
}

Result<std::string> version_of(const BackupHost& host, const backup::Job& job) {
  Call what;
  what.argv = {"pgbackrest", "version"};
  BELAY_TRY_ASSIGN(const auto text, must(host, job, std::move(what)));
  const auto version = trim(text);
  constexpr std::string_view kBefore = "pgBackRest ";
  if (!version.starts_with(kBefore))
    return Error(Code::corrupt, "pgbackrest version says \"" + sanitize(version, 100) + "\"");
  return std::string(version.substr(kBefore.size()));
}

// Bundles came with 2.39, annotations with 2.41.
bool is_new_enough(std::string_view version) {
  const auto parts = split(version, '.');
  if (parts.size() < 2) return false;
  const auto number = [](std::string_view text) {
    int value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9' || value > 10'000) break;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  return number(parts[0]) > 2 || (number(parts[0]) == 2 && number(parts[1]) >= 41);
}

// Exactly which lines of the server's configuration are missing; it is the operator's, and a change needs a restart.
std::vector<std::string> missing_lines(const PgFacts& facts, const Session& session) {
  std::vector<std::string> lines;
  if (facts.wal_level == "minimal") lines.emplace_back("wal_level = replica          # needs a restart");
  if (facts.archive_mode == "off") lines.emplace_back("archive_mode = on            # needs a restart");
  const auto& command = facts.archive_command;
  if (facts.archive_mode == "off" || command.find("archive-push") == command.npos ||
      command.find(session.config_path()) == command.npos ||
      command.find("--stanza=" + session.stanza()) == command.npos)
    lines.push_back("archive_command = " + pg_setting(archive_command(session.config_path(), session.stanza())) +
                    "    # needs a reload");
  return lines;
}

Status make_stanza(const Session& session, const backup::Job& job, JobReport& report) {
  const auto text = session.run({"info", "--output=json", "--log-level-console=off"});
  if (!text.ok()) return text.error();
  BELAY_TRY_ASSIGN(const auto info, parse_info(*text, session.stanza()));
  const auto judged = judge(info);
  if (judged.ok()) {
    pass(report, ProofLevel::P0, "repository",
         std::to_string(info.made.size()) + " backups of stanza " + session.stanza());
    return {};
  }
  if (judged.error().reason() != "no-repository") return judged.error();
  if (must_be_there(job, job.vault)) return repository_gone(job.vault);
  const auto made = session.run({"stanza-create", "--log-level-console=warn"});
  if (!made.ok()) return made.error();
  pass(report, ProofLevel::P0, "repository", "made: stanza " + session.stanza());
  return {};
}

}  // namespace

Status check(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
             JobReport& report) {
  BELAY_TRY_ASSIGN(const auto version, version_of(host, job));
  if (!is_new_enough(version))
    return Error(Code::unsupported, "pgBackRest " + version + " is too old, 2.41 at least", "program-too-old");
  BELAY_TRY_ASSIGN(const auto source, source_of(host, job));
  pass(report, ProofLevel::P0, "programs", "pgBackRest " + version + ", PostgreSQL " + source.facts.version);
  Session::Wants wants;
  wants.whom = Session::For::node;
  wants.data_directory = source.facts.data_directory;
  BELAY_TRY_ASSIGN(const auto session, Session::open(host, places, job, secrets, std::move(wants)));
  BELAY_TRY(make_stanza(session, job, report));
  if (const auto lines = missing_lines(source.facts, session); !lines.empty()) {
    fail(report, ProofLevel::P0, "postgresql.conf",
         "the server does not archive its WAL to this repository; put in: " + join(lines, "; "));
    report.output = "# into postgresql.conf:\n" + join(lines, "\n") + "\n";
    return {};
  }
  const auto checked = session.run({"check", "--log-level-console=warn"});
  if (!checked.ok()) return checked.error();
  pass(report, ProofLevel::P0, "archive", "a segment of WAL went through archive_command into the repository");
  if (source.facts.archive_timeout_s == 0)
    report.output =
        "archive_timeout is 0: while little is written, WAL stays on the server until a segment is full; "
        "archive_timeout = 60 sends it each minute.\n";
  if (job.source.heartbeat.empty()) return {};
  const auto beat = source.server.beat("check");
  return beat.ok() ? Status() : beat.error();
}

namespace {

std::string_view option_of(backup::BackupType type) {
  switch (type) {
    case backup::BackupType::full: return "--type=full";
    case backup::BackupType::differential: return "--type=diff";
    case backup::BackupType::incremental: return "--type=incr";
  }
  return "--type=full";
}

// The label that was not there before; "" where there is none or more than one.
std::string new_label(const Info& before, const Info& after) {
  std::string label;
  for (const auto& made : after.made) {
    if (before.find(made.label)) continue;
    if (!label.empty()) return {};
    label = made.label;
  }
  return label;
}

// The restore point behind the backup, and what was in the tables then; its WAL into the archive.
void note_moment(const Source& source, const Session& session, JobReport& report, backup::MadePoint& point) {
  const auto beat = source.server.beat("backup");
  const auto databases = source.server.database_fingerprint();
  auto moment = source.server.mark_moment("belay-" + point.reference);
  if (!moment.ok()) {
    fail(report, ProofLevel::P0, "restore point", moment.error().chain());
    return;
  }
  point.position = to_text(Position{moment->name, moment->lsn});
  point.taken_at = moment->at;
  point.rows = moment->rows;
  point.fingerprints = std::move(moment->fingerprints);
  std::move(moment->remarks.begin(), moment->remarks.end(), std::back_inserter(point.remarks));
  if (databases.ok()) point.fingerprints.push_back(*databases);
  if (!beat.ok()) point.remarks.push_back(beat.error().chain());
  else if (!beat->empty()) point.fingerprints.push_back({std::string(kHeartbeatSubject), 1, *beat});
  // Switches to the next segment and waits until the one with the restore point has arrived.
  const auto archived = session.run({"check", "--log-level-console=warn"});
  if (!archived.ok()) fail(report, ProofLevel::P1, "archive", archived.error().chain());
}

// So that the repository alone tells what its points are.
void annotate(const Session& session, backup::MadePoint& point, const PgFacts& facts) {
  std::vector<std::string> arguments{"annotate", "--set=" + point.reference, "--log-level-console=warn",
                                     "--annotation=belay-job=" + session.job().job_id,
                                     "--annotation=belay-server=" + facts.version};
  if (!point.position.empty()) arguments.push_back("--annotation=belay-point=" + point.position);
  if (facts.segment_bytes != 16u << 20)
    arguments.push_back("--annotation=belay-segment=" + std::to_string(facts.segment_bytes));
  if (!facts.libraries.empty()) arguments.push_back("--annotation=belay-libraries=" + facts.libraries);
  if (const auto done = session.run(std::move(arguments)); !done.ok()) point.remarks.push_back(done.error().chain());
}

// The workers of a run that was killed hold the lock until they see that it is gone. No other job of ours works on this
// repository (do_job); a run of somebody else's lasts longer.
Result<io::ProcessOutcome> run_backup(const Session& session, std::uint64_t bytes) {
  const auto& host = session.host();
  const auto& job = session.job();
  const auto begun = host.clock.monotonic();
  while (true) {
    BELAY_TRY_ASSIGN(auto ended,
                     session.try_run({"backup", std::string(option_of(job.type)), "--log-level-console=detail"},
                                     job.limits.timeout, progress_sink(host, "backup", bytes)));
    const bool busy = ended.end == io::ProcessOutcome::End::exited && ended.exit_status == kExitBusy;
    if (!busy || host.clock.monotonic() - begun > kWorkersLinger || (host.cancel && host.cancel->load())) return ended;
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace

Status back_up(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
               JobReport& report) {
  Stopwatch watch(host.clock, report);
  watch.begin("prepare");
  BELAY_TRY_ASSIGN(const auto source, source_of(host, job));
  Session::Wants wants;
  wants.whom = Session::For::node;
  wants.data_directory = source.facts.data_directory;
  BELAY_TRY_ASSIGN(const auto session, Session::open(host, places, job, secrets, std::move(wants)));
  BELAY_TRY_ASSIGN(const auto before, session.info());
  watch.begin("backup");
  BELAY_TRY_ASSIGN(const auto ended, run_backup(session, source.facts.bytes));
  if (!ended.success()) return error_of(ended, "backup");
  BELAY_TRY_ASSIGN(const auto after, session.info());
  const auto label = new_label(before, after);
  const auto* made = after.find(label);
  if (!made) {
    report.why = "pgbackrest backup ended with 0, and its list has no new backup";
    return {};
  }
  watch.begin("mark");
  auto point = point_of(after, *made);
  point.server_version = source.facts.version;
  note_moment(source, session, report, point);
  watch.begin("check");
  const auto chain =
      check_chain(report, session, after, *made, parse_position(point.position), source.facts.segment_bytes, false);
  annotate(session, point, source.facts);
  watch.end();
  if (const auto warned = complaints(ended.standard_error, "WARN"); !warned.empty()) point.remarks.push_back(warned);
  report.bytes = made->bytes;
  report.repository_bytes = chain.wal_bytes;
  for (const auto& one : after.made) report.repository_bytes += one.bytes_repository_added;
  if (session.access())
    if (const auto space = session.access()->space(); space.ok()) report.repository_bytes_free = space->bytes_free;
  // A point exists, and something about it is wrong: it counts as a failure that says so.
  if (report.outcome == JobOutcome::failed) report.outcome = JobOutcome::partial;
  report.points.push_back(std::move(point));
  return {};
}

Status forget(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
              JobReport& report) {
  if (!job.points.empty() && copied_snapshot(job.points.front().reference))
    return forget_copies(host, job, secrets, report);
  std::vector<std::string> labels;
  for (const auto& point : job.points) labels.push_back(label_of(point.reference));
  BELAY_TRY_ASSIGN(const auto session, Session::open(host, places, job, secrets, {}));
  BELAY_TRY_ASSIGN(const auto info, session.info());
  const auto goes = [&](const std::string& label) {
    return std::find(labels.begin(), labels.end(), label) != labels.end();
  };
  for (const auto& made : info.made)
    for (const auto& needed : made.references)
      if (!goes(made.label) && goes(needed))  // pgbackrest expire would take the whole chain with it
        return Error(Code::conflict, needed + " is needed by " + made.label + ": forget that one first, or keep both",
                     "needed");
  std::sort(labels.begin(), labels.end());
  std::reverse(labels.begin(), labels.end());  // those that need others before those
  std::size_t fulls = 0;
  for (const auto& made : info.made) fulls += type_of(made.label) == backup::BackupType::full && !goes(made.label);
  for (const auto& label : labels) {
    if (info.find(label)) {
      const auto gone = session.run({"expire", "--set=" + label, "--log-level-console=warn"});
      if (!gone.ok()) return gone.error();
    }
    report.forgotten.push_back(label);
  }
  // WAL before the oldest full backup that stays: the number is theirs, so that none of them expires.
  if (job.compact && fulls > 0) {
    const auto swept = session.run(
        {"expire", "--repo1-retention-full=" + std::to_string(fulls), "--log-level-console=warn"}, job.limits.timeout);
    if (!swept.ok()) return swept.error();
  }
  return {};
}

Status list(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
            JobReport& report) {
  const auto kind = job.vault.kind;
  const bool may_be_ours = kind == backup::VaultKind::local || kind == backup::VaultKind::mount ||
                           kind == backup::VaultKind::removable || kind == backup::VaultKind::s3;
  if (!may_be_ours) return list_copies(host, job, secrets, report);
  BELAY_TRY_ASSIGN(const auto session, Session::open(host, places, job, secrets, {}));
  const auto listed = session.info();
  if (!listed.ok() && listed.error().reason() == "no-repository" && list_copies(host, job, secrets, report).ok())
    return {};
  if (!listed.ok()) return listed.error();
  const auto& info = *listed;
  for (const auto& made : info.made) report.points.push_back(point_of(info, made));
  return {};
}

}  // namespace belay::agent::backups::pgbackrest
