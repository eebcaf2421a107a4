#include "agent/backup/files_engine.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobOutcome;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;

constexpr std::size_t kNamedMax = 20;
constexpr Duration kFuture{120'000};
constexpr std::uint64_t kRoomReserve = 64u << 20;

std::string figures(std::uint64_t files, std::uint64_t bytes) {
  return std::to_string(files) + " files, " + std::to_string(bytes) + " bytes";
}

// Partial is a failure that says so.
void judge_partial(JobReport& report, const Stored& stored, backup::MadePoint& point) {
  if (!stored.partial) return pass(report, ProofLevel::P0, "engine", "said ok, and its repository has the point");
  auto named = stored.unreadable;
  const auto more = named.size() > kNamedMax ? named.size() - kNamedMax : 0;
  named.resize(std::min(named.size(), kNamedMax));
  auto text = named.empty() ? std::string("something") : join(named, ", ");
  if (more > 0) text += " and " + std::to_string(more) + " more";
  point.remarks.push_back("could not be read: " + text);
  fail(report, ProofLevel::P0, "engine", "not everything could be read and is in the point: " + text);
  report.outcome = JobOutcome::partial;
}

backup::MadePoint point_of(const Stored& stored) {
  backup::MadePoint point;
  point.reference = stored.snapshot_id;
  point.taken_at = point.begun_at = stored.taken_at;
  point.bytes_source = stored.bytes_source;
  point.bytes_added = stored.bytes_added;
  point.files = stored.files;
  return point;
}

void add_prepared(const Prepared& prepared, backup::MadePoint& point) {
  if (prepared.taken_at) point.taken_at = *prepared.taken_at;
  point.rows = prepared.rows;
  point.position = prepared.position;
  point.server_version = prepared.server_version;
  point.remarks = prepared.remarks;
}

// P1 of a new point: its tree can be read, and is what was stored. Notes down what a restore is compared with.
void read_back(const BackupHost& host, const Job& job, FileStore& store, const StoreWhat& what, Instant since,
               JobReport& report, backup::MadePoint& point) {
  TreeSummary tree;
  const auto listed = store.each_file(point.reference, [&](const ListedFile& file) { tree.add(file); });
  if (!listed.ok()) return fail(report, ProofLevel::P1, "listing", listed.error());
  const bool lost = point.files > 0 && tree.files() == 0;
  if (lost)
    return fail(report, ProofLevel::P1, "listing",
                "the point is empty, and the engine counted " + figures(point.files, point.bytes_source));
  point.files = tree.files();
  point.bytes_source = std::max(point.bytes_source, tree.bytes());
  pass(report, ProofLevel::P1, "listing", figures(tree.files(), tree.bytes()));
  if (tree.files() == 0) point.remarks.emplace_back("there is no file in it; is the source mounted?");
  auto prints = tree.prints(host, job, what.relative_to);
  if (prints.ok()) point.fingerprints = std::move(*prints);
  else point.remarks.push_back("no fingerprints: " + prints.error().chain());
  point.entropy = tree.entropy(host, job, what.relative_to, since);
}

// A service or tool of the operator's that is started over what was restored.
void run_commands(const BackupHost& host, const Job& job, const std::string& root, JobReport& report) {
  bool any = false;
  for (const auto& check : job.checks) {
    if (check.command.empty()) continue;
    any = true;
    Call what;
    what.argv = check.command;
    what.environment = {{"BELAY_RESTORED", root}};
    what.user = kNobody;
    what.directory = root;
    what.timeout = check.timeout;
    what.isolated = what.reads_all = true;
    const auto name = check.name.empty() ? check.command.front() : check.name;
    const auto outcome = call(host, job, std::move(what));
    if (!outcome.ok()) fail(report, ProofLevel::P4, name, outcome.error());
    else if (!outcome->success()) fail(report, ProofLevel::P4, name, error_of(*outcome));
    else pass(report, ProofLevel::P4, name, "ran in isolation over what was restored: exit status 0");
  }
  if (!any)
    fail(report, ProofLevel::P4, "command",
         "the plan's checks have no command to run over restored files; give one, or ask for P3");
}

bool stops(const JobReport& report, const Job& job, ProofLevel done) {
  return report.outcome != JobOutcome::ok || job.level <= done;
}

// P0 to P2: the repository and what it says of the point.
void prove_stored(const Job& job, FileStore& store, Instant now, JobReport& report, Stopwatch& watch) {
  const auto& point = job.points.front();
  watch.begin("check");
  const auto list = store.snapshots();
  if (!list.ok()) return fail(report, ProofLevel::P0, "repository", list.error());
  const auto found = std::ranges::find(*list, point.reference, &Stored::snapshot_id);
  if (found == list->end())
    return fail(report, ProofLevel::P0, "repository", "the point " + point.reference + " is not in the repository");
  pass(report, ProofLevel::P0, "repository", "has the point, of " + to_iso8601(found->taken_at));
  if (stops(report, job, ProofLevel::P0)) return;
  if (found->taken_at > now + kFuture)
    fail(report, ProofLevel::P1, "date",
         "is dated " + to_iso8601(found->taken_at) + ", in the future: was this machine's clock wrong?");
  // Reading every byte looks at the structure, too. By itself it is looked at only where that fails, to tell the two.
  const bool reads = !stops(report, job, ProofLevel::P1);
  if (reads) watch.begin("read");
  const auto read = reads ? store.check(true) : Status();
  const auto checked = reads && read.ok() ? Status() : store.check(false);
  if (!checked.ok()) return fail(report, ProofLevel::P1, "structure", checked.error());
  pass(report, ProofLevel::P1, "structure", "index and trees are whole");
  if (!reads) return;
  if (!read.ok()) return fail(report, ProofLevel::P2, "every byte", read.error());
  pass(report, ProofLevel::P2, "every byte", "was read again, and its checksum is right");
}

}  // namespace

JobReport begun(Task task) {
  JobReport report;
  report.task = task;
  report.outcome = JobOutcome::ok;
  return report;
}

void add_space(JobReport& report, const VaultAccess& access, FileStore* store) {
  if (const auto space = access.space(); space.ok()) report.repository_bytes_free = space->bytes_free;
  if (!store) return;
  if (const auto bytes = store->bytes(); bytes.ok()) report.repository_bytes = *bytes;
}

Result<std::unique_ptr<FileStore>> FilesEngine::opened(const Job& job, const Secrets& secrets, bool make) {
  BELAY_TRY_ASSIGN(auto store, reach(job, secrets));
  BELAY_TRY(store->open(make));
  return store;
}

void FilesEngine::look_at_source(const Job& job, JobReport& report) {
  for (const auto& path : job.source.paths) {
    if (host_.files.info(path).ok()) pass(report, ProofLevel::P0, path, "is there");
    else fail(report, ProofLevel::P0, path, "is not there; is it mounted?");
  }
}

Result<Prepared> FilesEngine::prepare(const Job& job, const VaultAccess& access, JobReport&) {
  BELAY_TRY_ASSIGN(auto what, what_to_store(host_, job, access));
  return Prepared{.what = std::move(what)};
}

std::vector<backup::Fingerprint> FilesEngine::examine(const Job&, const std::string&, JobReport&) { return {}; }

void FilesEngine::start(const Job& job, const std::string& root, JobReport& report) {
  run_commands(host_, job, root, report);
}

std::function<Result<std::string>(const backup::Check&)> FilesEngine::asker(const Job&, const std::string&) {
  return {};
}

void FilesEngine::forgotten(const Job&, JobReport&) {}

Status FilesEngine::prove_restored(const Job& job, FileStore& store, JobReport& report, Stopwatch& watch) {
  const auto& point = job.points.front();
  const auto room = Scratch::make(host_, job, point.bytes_source + point.bytes_source / 20 + kRoomReserve);
  if (!room.ok()) return could_not(report, ProofLevel::P3, "room", room.error().chain()), Status();
  const auto begin = host_.clock.monotonic();
  watch.begin("restore");
  const auto came = store.restore(point.reference, room->path(), {});
  if (!came.ok()) return fail(report, ProofLevel::P3, "restore", came.error()), Status();
  report.time_to_restore = host_.clock.monotonic() - begin;
  report.restored_to = point.taken_at;
  report.bytes = came->first;
  report.files = came->second;
  pass(report, ProofLevel::P3, "restore", figures(came->second, came->first) + " came back");
  watch.begin("verify");
  BELAY_TRY_ASSIGN(auto now, prints_of_tree(host_, job, room->path(), point.fingerprints));
  const auto more = examine(job, room->path(), report);
  if (backup::could_not_be_done(report)) return {};  // what it did not look at is not missing
  now.insert(now.end(), more.begin(), more.end());
  compare(report, point.fingerprints, now);
  if (stops(report, job, ProofLevel::P3)) return {};
  start(job, room->path(), report);
  // Until what was restored answered.
  report.time_to_restore = host_.clock.monotonic() - begin;
  if (stops(report, job, ProofLevel::P4)) return {};
  run_checks(host_, job, report, room->path(), asker(job, room->path()), {});
  return {};
}

JobReport FilesEngine::check(const Job& job, const Secrets& secrets) {
  const auto store = opened(job, secrets, true);
  if (!store.ok()) return failed(Task::check, store.error());
  auto report = begun(Task::check);
  const auto version = (*store)->version();
  if (!version.ok()) return failed(Task::check, version.error());
  pass(report, ProofLevel::P0, "repository", "opens with its key (" + *version + ")");
  for (const auto& remark : (*store)->access().remarks()) pass(report, ProofLevel::P0, "vault", remark);
  for (const auto& remark : (*store)->access().protections()) pass(report, ProofLevel::P0, "vault", remark);
  look_at_source(job, report);
  add_space(report, (*store)->access(), store->get());
  return report;
}

JobReport FilesEngine::back_up(const Job& job, const Secrets& secrets) {
  const auto store = opened(job, secrets, true);
  if (!store.ok()) return failed(Task::backup, store.error());
  auto report = begun(Task::backup);
  Stopwatch watch(host_.clock, report);
  const auto begun_at = host_.clock.now();
  watch.begin("prepare");
  const auto prepared = prepare(job, (*store)->access(), report);
  if (!prepared.ok()) return failed(Task::backup, prepared.error());
  watch.begin("backup");
  const auto stored = (*store)->store(prepared->what);
  if (!stored.ok()) return failed(Task::backup, stored.error());
  auto point = point_of(*stored);
  point.begun_at = begun_at;
  add_prepared(*prepared, point);
  if (const auto version = (*store)->version(); version.ok()) point.engine_version = *version;
  for (const auto& remark : (*store)->access().remarks()) point.remarks.push_back(remark);
  judge_partial(report, *stored, point);
  watch.begin("verify");
  read_back(host_, job, **store, prepared->what, stored->previous_at, report, point);
  point.fingerprints.insert(point.fingerprints.end(), prepared->prints.begin(), prepared->prints.end());
  watch.end();
  report.bytes = point.bytes_added;
  report.files = point.files;
  report.points.push_back(std::move(point));
  // Elsewhere its size costs a walk over all snapshots: told when they are listed or deleted.
  const bool is_cheap = !(*store)->access().directory().empty();
  add_space(report, (*store)->access(), is_cheap ? store->get() : nullptr);
  note_for_watch(host_, job, (*store)->access());
  return report;
}

JobReport FilesEngine::prove(const Job& job, const Secrets& secrets) {
  if (job.points.empty())
    return failed(Task::prove, Error(Code::invalid_argument, "the order names no recovery point"));
  const auto store = opened(job, secrets, false);
  if (!store.ok()) {
    auto report = failed(Task::prove, store.error());
    if (store.error().code() == Code::corrupt)
      report.evidence.push_back({.level = ProofLevel::P0, .what = "repository", .seen = store.error().chain()});
    return report;
  }
  auto report = begun(Task::prove);
  Stopwatch watch(host_.clock, report);
  prove_stored(job, **store, host_.clock.now(), report, watch);
  if (!stops(report, job, ProofLevel::P2))
    if (const auto done = prove_restored(job, **store, report, watch); !done.ok())
      fail(report, ProofLevel::P3, "restore", done.error());
  watch.end();
  return report;
}

JobReport FilesEngine::restore(const Job& job, const Secrets& secrets) {
  const auto store = opened(job, secrets, false);
  if (!store.ok()) return failed(Task::restore, store.error());
  return restore_files(host_, job, **store, companions());
}

JobReport FilesEngine::forget(const Job& job, const Secrets& secrets) {
  const auto store = opened(job, secrets, false);
  if (!store.ok()) return failed(Task::forget, store.error());
  auto report = begun(Task::forget);
  std::vector<std::string> ids;
  for (const auto& point : job.points) ids.push_back(point.reference);
  if (const auto gone = (*store)->forget(ids); !gone.ok()) return failed(Task::forget, gone.error());
  report.forgotten = ids;
  pass(report, ProofLevel::P0, "deleted", std::to_string(ids.size()) + " points are not in the repository");
  forgotten(job, report);
  if (job.compact) {
    if (const auto compacted = (*store)->compact(); compacted.ok())
      pass(report, ProofLevel::P0, "compacted", "the space was given back");
    else fail(report, ProofLevel::P0, "compacted", compacted.error().chain());
  }
  add_space(report, (*store)->access(), store->get());
  return report;
}

JobReport FilesEngine::list(const Job& job, const Secrets& secrets) {
  const auto store = opened(job, secrets, false);
  if (!store.ok()) return failed(Task::list, store.error());
  const auto list = (*store)->snapshots();
  if (!list.ok()) return failed(Task::list, list.error());
  auto report = begun(Task::list);
  for (const auto& stored : *list) report.points.push_back(point_of(stored));
  pass(report, ProofLevel::P0, "repository", std::to_string(list->size()) + " points");
  add_space(report, (*store)->access(), store->get());
  return report;
}

backup::WatchReport FilesEngine::watch(const backup::Watch& watch) { return watch_vault(host_, watch); }

}  // namespace belay::agent::backups
