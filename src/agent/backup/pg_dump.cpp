#include "agent/backup/pg_dump.hpp"

#include <algorithm>

#include "agent/backup/files_engine.hpp"
#include "agent/backup/pg_text.hpp"
#include "agent/backup/pg_watch.hpp"
#include "agent/backup/pgbackrest.hpp"
#include "agent/backup/restic_text.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace dumps {
namespace {

using backup::JobReport;
using backup::ProofLevel;

constexpr std::uint64_t kRoomBeside = 128u << 20;
constexpr std::string_view kExitMark = "belay-exit ";

// One transaction: its snapshot is counted in, and lent to pg_dump, which psql runs while it is open. What it needs is
// handed over in the environment, so that no name is read by the shell. (psql 15 does not tell how `\!` ended.)
std::string dump_script(const std::string& database) {
  return session_sql() +
         "begin isolation level repeatable read, read only;\n"
         "select pg_export_snapshot() as belay_snapshot \\gset\n\\setenv BELAY_SNAPSHOT :belay_snapshot\n" +
         fingerprint_sql(database, nullptr) +
         "\\! \"$BELAY_PG_DUMP\" -w --snapshot=\"$BELAY_SNAPSHOT\" -Fc -Z0 -f \"$BELAY_FILE\"; echo \"belay-exit $?\"\n"
         "commit;\n";
}

struct Made {
  Dumped dumped;
  std::vector<backup::Fingerprint> fingerprints;
};

Result<Made> dump(const BackupHost& host, const PgServer& server, const std::string& database,
                  const std::string& directory, std::size_t number, Duration timeout) {
  Made made;
  made.dumped.database = database;
  auto digits = std::to_string(number);
  made.dumped.file = std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits + ".dump";
  const auto path = directory + "/" + made.dumped.file;
  std::map<std::string, std::string> environment{{"BELAY_FILE", path},
                                                 {"BELAY_PG_DUMP", server.reach("pg_dump").front()}};
  if (!server.socket().empty()) environment["PGHOST"] = server.socket();
  if (server.port() != 0) environment["PGPORT"] = std::to_string(server.port());
  BELAY_TRY_ASSIGN(auto text, server.script(database, dump_script(database), timeout, environment));
  const auto mark = text.rfind(kExitMark);
  if (mark == text.npos || trim(std::string_view(text).substr(mark + kExitMark.size())) != "0")
    return Error(Code::internal,
                 "pg_dump of " + database + " failed: " +
                     sanitize(mark == text.npos ? std::string_view(text) : std::string_view(text).substr(mark), 500));
  text.resize(mark);
  BELAY_TRY_ASSIGN(made.fingerprints, parse_fingerprints(text));
  BELAY_TRY_ASSIGN(const auto info, host.files.info(path).within("pg_dump of " + database + " left no file"));
  made.dumped.bytes = info.bytes;
  Call list;
  list.argv = {server.programs().empty() ? "pg_restore" : server.programs() + "/pg_restore", "--list", path};
  BELAY_TRY_ASSIGN(const auto contents, server.run(std::move(list)));
  made.dumped.entries = parse_dump_entries(contents.standard_output).value_or(0);
  if (!contents.success() || made.dumped.bytes == 0)
    return Error(Code::corrupt, "the dump of " + database + " has no table of contents: " + how_it_ended(contents));
  return made;
}

Result<std::vector<std::string>> wanted_databases(const PgServer& server, const backup::Job& job) {
  BELAY_TRY_ASSIGN(auto there, server.databases());
  if (job.source.databases.empty()) return there;
  for (const auto& name : job.source.databases)
    if (std::find(there.begin(), there.end(), name) == there.end())
      return Error(Code::not_found, "the server has no database " + sanitize(name, 100) + ", which the plan names",
                   "no-database");
  return job.source.databases;
}

Status dump_globals(const PgServer& server, const std::string& directory) {
  Call what;
  what.argv = server.reach("pg_dumpall");
  what.argv.insert(what.argv.end(), {"--globals-only", "-f", directory + "/globals.sql"});
  what.timeout = Duration(600'000);
  BELAY_TRY_ASSIGN(const auto outcome, server.run(std::move(what)));
  return outcome.success() ? Status() : Status(Error(Code::internal, "pg_dumpall " + how_it_ended(outcome)));
}

Result<PgServer> source_of(const BackupHost& host, const backup::Job& job, PgFacts& facts) {
  auto server = PgServer::of(host, job);
  BELAY_TRY_ASSIGN(facts, server.facts());
  if (const auto programs = pg_programs(host, facts.major); !programs.empty()) server.set_programs(programs);
  return server;
}

void note_room(Place& place, JobReport& report) {
  if (const auto bytes = place.repository->bytes(); bytes.ok()) report.repository_bytes = *bytes;
  if (const auto space = place.access.space(); space.ok()) report.repository_bytes_free = space->bytes_free;
}

backup::MadePoint point_of(const Stored& stored) {
  backup::MadePoint point;
  point.reference = stored.snapshot_id;
  point.begun_at = point.taken_at = stored.taken_at;
  point.bytes_source = stored.bytes_source;
  point.bytes_added = stored.bytes_added;
  point.files = stored.files;
  return point;
}

}  // namespace

Result<std::unique_ptr<Place>> open_place(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                                          bool make) {
  BELAY_TRY_ASSIGN(auto access, VaultAccess::open(host, job, job.vault, secrets));
  auto place = std::make_unique<Place>(Place{std::move(access), nullptr});
  const bool own_cache = !(job.offsite && job.task == backup::Task::prove);
  const auto key = secrets.find("repository.key");
  place->repository = std::make_unique<Repository>(host, job, place->access,
                                                   key == secrets.end() ? std::string() : key->second, own_cache);
  BELAY_TRY(place->repository->open(make));
  return place;
}

Result<std::uint64_t> bytes_of(Repository& repository, const std::string& snapshot) {
  std::uint64_t bytes = 0;
  BELAY_TRY(repository.each_file(snapshot, [&](const ListedFile& file) {
    if (file.kind == ListedFile::Kind::file) bytes += file.bytes;
  }));
  return bytes;
}

Result<Stored> stored_point(Repository& repository, const backup::Job& job) {
  if (job.points.empty()) return Error(Code::invalid_argument, "the job names no point");
  const auto& id = job.points.front().reference;
  BELAY_TRY_ASSIGN(const auto there, repository.snapshots());
  for (const auto& stored : there)
    if (stored.snapshot_id == id) return stored;
  return Error(Code::not_found, "the vault " + job.vault.name + " has no snapshot " + id, "no-point");
}

Result<Manifest> read_manifest(const BackupHost& host, const std::string& directory) {
  BELAY_TRY_ASSIGN(const auto text, host.files.read(directory + "/manifest.json", kManifestBytesMax)
                                        .within("the point has no manifest: it is none of pg_dump's"));
  return json::decode_text<Manifest>(text, {.bytes_max = kManifestBytesMax}).within("the manifest of the dumps");
}

Status check(const BackupHost& host, const backup::Job& job, const Secrets& secrets, JobReport& report) {
  PgFacts facts;
  BELAY_TRY_ASSIGN(const auto server, source_of(host, job, facts));
  BELAY_TRY_ASSIGN(const auto names, wanted_databases(server, job));
  pass(report, ProofLevel::P0, "source",
       "PostgreSQL " + facts.version + ", " + std::to_string(names.size()) + " databases");
  BELAY_TRY_ASSIGN(const auto place, open_place(host, job, secrets, true));
  pass(report, ProofLevel::P0, "repository", "opened");
  if (!facts.in_recovery)
    if (const auto beat = server.beat("check"); !beat.ok()) return beat.error();
  note_room(*place, report);
  return {};
}

namespace {

Status dump_all(const BackupHost& host, const PgServer& server, const std::vector<std::string>& names,
                const std::string& directory, const backup::Job& job, Manifest& manifest, JobReport& report) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (host.progress) host.progress({.phase = "dump", .bytes_done = report.bytes, .bytes_total = 0, .left = {}});
    BELAY_TRY_ASSIGN(auto made, dump(host, server, names[i], directory, i + 1, job.limits.timeout));
    pass(report, ProofLevel::P0, "pg_dump " + names[i],
         std::to_string(made.dumped.bytes >> 10) + " KiB, " + std::to_string(made.dumped.entries) + " entries");
    report.bytes += made.dumped.bytes;
    manifest.databases.push_back(std::move(made.dumped));
    for (auto& one : made.fingerprints)
      if (manifest.fingerprints.size() < backup::kFingerprintsMax - 2) manifest.fingerprints.push_back(std::move(one));
  }
  return dump_globals(server, directory);
}

void note_marks(const std::string& beat, const std::vector<std::string>& names, Manifest& manifest) {
  manifest.fingerprints.push_back({std::string(kDatabasesSubject), names.size(), sanitize(join(names, ","), 1'000)});
  if (!beat.empty()) manifest.fingerprints.push_back({std::string(kHeartbeatSubject), 1, beat});
}

}  // namespace

Status back_up(const BackupHost& host, const backup::Job& job, const Secrets& secrets, JobReport& report) {
  Stopwatch watch(host.clock, report);
  watch.begin("prepare");
  PgFacts facts;
  BELAY_TRY_ASSIGN(const auto server, source_of(host, job, facts));
  BELAY_TRY_ASSIGN(const auto names, wanted_databases(server, job));
  BELAY_TRY_ASSIGN(const auto place, open_place(host, job, secrets, true));
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host, job, facts.bytes + kRoomBeside, server.user()));
  Manifest manifest{facts.version, server.user(), facts.libraries, facts.major, host.clock.now(), {}, {}};
  const auto begun_at = manifest.taken_at;
  const auto beat = facts.in_recovery ? Result<std::string>(std::string()) : server.beat("backup");
  watch.begin("dump");
  BELAY_TRY(dump_all(host, server, names, scratch.path(), job, manifest, report));
  note_marks(beat.ok() ? *beat : std::string(), names, manifest);
  BELAY_TRY(host.files.write_durable(scratch.path() + "/manifest.json", json::encode_text(manifest), 0600));
  watch.begin("store");
  StoreWhat what;
  what.paths = {"manifest.json", "globals.sql"};
  for (const auto& one : manifest.databases) what.paths.push_back(one.file);
  what.relative_to = scratch.path();
  what.tags = {"belay", "pg_dump"};
  for (const auto& path : what.paths) what.must_exist.push_back(scratch.path() + "/" + path);
  BELAY_TRY_ASSIGN(const auto stored, place->repository->store(what));
  watch.end();
  auto point = point_of(stored);
  point.begun_at = begun_at;
  point.taken_at = manifest.taken_at;
  point.engine_version = point.server_version = facts.version;
  for (const auto& one : manifest.fingerprints)
    if (one.subject != kDatabasesSubject && one.subject != kHeartbeatSubject) point.rows += one.rows;
  point.fingerprints = std::move(manifest.fingerprints);
  if (!beat.ok()) point.remarks.push_back(beat.error().chain());
  if (stored.partial) {
    fail(report, ProofLevel::P0, "stored", "not all dumps could be read: " + join(stored.unreadable, ", "));
    report.outcome = backup::JobOutcome::partial;
  } else pass(report, ProofLevel::P0, "stored", "snapshot " + stored.snapshot_id);
  if (const auto whole = place->repository->check(false); whole.ok())
    pass(report, ProofLevel::P1, "repository", "its index and trees are whole");
  else fail(report, ProofLevel::P1, "repository", whole.error().chain());
  note_room(*place, report);
  note_for_watch(host, job, place->access);
  report.points.push_back(std::move(point));
  return {};
}

Status forget(const BackupHost& host, const backup::Job& job, const Secrets& secrets, JobReport& report) {
  BELAY_TRY_ASSIGN(const auto place, open_place(host, job, secrets, false));
  for (const auto& point : job.points) report.forgotten.push_back(point.reference);
  if (const auto gone = place->repository->forget(report.forgotten); !gone.ok()) return report.forgotten.clear(), gone;
  if (job.compact) BELAY_TRY(place->repository->prune());
  note_room(*place, report);
  return {};
}

Status list(const BackupHost& host, const backup::Job& job, const Secrets& secrets, JobReport& report) {
  BELAY_TRY_ASSIGN(const auto place, open_place(host, job, secrets, false));
  BELAY_TRY_ASSIGN(const auto there, place->repository->snapshots());
  for (const auto& stored : there) report.points.push_back(point_of(stored));
  return {};
}

}  // namespace dumps

namespace {

using backup::Job;
using backup::JobReport;
using backup::Task;

class PgDump final : public BackupEngine {
 public:
  explicit PgDump(const BackupHost& host) : host_(host) {}
  backup::EngineName name() const override { return backup::EngineName::pg_dump; }
  JobReport check(const Job& job, const Secrets& secrets) override {
    return done(Task::check, dumps::check, job, secrets);
  }
  JobReport back_up(const Job& job, const Secrets& secrets) override {
    return done(Task::backup, dumps::back_up, job, secrets);
  }
  JobReport copy(const Job& job, const Secrets& secrets) override { return copy_snapshots(host_, job, secrets); }
  JobReport prove(const Job& job, const Secrets& secrets) override {
    return done(Task::prove, dumps::prove, job, secrets);
  }
  JobReport restore(const Job& job, const Secrets& secrets) override {
    return done(Task::restore, dumps::restore, job, secrets);
  }
  JobReport forget(const Job& job, const Secrets& secrets) override {
    return done(Task::forget, dumps::forget, job, secrets);
  }
  JobReport list(const Job& job, const Secrets& secrets) override {
    return done(Task::list, dumps::list, job, secrets);
  }
  backup::WatchReport watch(const backup::Watch& watch) override {
    auto report = watch_vault(host_, watch);
    const WatchedHost watched(host_, watch);
    const auto server = PgServer::of(watched.host(), watched.job());
    const auto recovery = server.ask("postgres", "select pg_is_in_recovery();");
    if (!recovery.ok()) report.findings.push_back({"source-down", recovery.error().chain()});
    else if (*recovery == "f")
      if (const auto beat = server.beat("watch"); !beat.ok())
        report.findings.push_back({"heartbeat-old", beat.error().chain()});
    return report;
  }

 private:
  using Work = Status (*)(const BackupHost&, const Job&, const Secrets&, JobReport&);
  JobReport done(Task task, Work work, const Job& job, const Secrets& secrets) {
    JobReport report;
    const auto status = work(host_, job, secrets, report);
    conclude(report, task, status);
    return report;
  }
  const BackupHost& host_;
};

}  // namespace

std::unique_ptr<BackupEngine> make_pg_dump(const BackupHost& host) { return std::make_unique<PgDump>(host); }

}  // namespace belay::agent::backups
