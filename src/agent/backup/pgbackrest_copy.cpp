// Copies of points in another vault. pgBackRest cannot copy between repositories, and its files do not change once they
// are written: so they are stored by restic, as they are, which reads only what is new and reaches every kind of vault.
// One snapshot a point, without the backups that are none of its chain. The pass of the repository lies in the
// snapshot, for the copy is encrypted with a key of its own.
#include <algorithm>

#include "agent/backup/pg_dump.hpp"
#include "agent/backup/pgbackrest.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::pgbackrest {
namespace {

constexpr std::string_view kPassFile = "pgbackrest-pass", kLabelTag = "label=";
constexpr std::size_t kPassBytesMax = 4'096;

std::string secret(const Secrets& secrets, const char* name) {
  const auto found = secrets.find(name);
  return found == secrets.end() ? std::string() : found->second;
}

std::string label_in(const Stored& stored) {
  for (const auto& tag : stored.tags)
    if (tag.starts_with(kLabelTag)) return tag.substr(kLabelTag.size());
  return {};
}

backup::MadePoint point_in(const Stored& stored) {
  backup::MadePoint point;
  const auto label = label_in(stored);
  point.reference = stored.snapshot_id + ":" + label;
  point.type = type_of(label).value_or(backup::BackupType::full);
  point.begun_at = point.taken_at = stored.taken_at;
  point.bytes_source = stored.bytes_source;
  point.bytes_added = stored.bytes_added;
  return point;
}

// Beside its own name nothing of the point changes; it needs no other one there.
backup::MadePoint copy_of(backup::MadePoint point, const Stored& stored) {
  point.reference = stored.snapshot_id + ":" + label_of(point.reference);
  point.needs.clear();
  point.bytes_added = stored.bytes_added;
  return point;
}

StoreWhat what_to_store(const Session& session, const Info& info, const Made& made, const std::string& pass_file) {
  StoreWhat what;
  what.paths = {session.directory(), pass_file};
  what.must_exist = what.paths;
  what.tags = {"belay", "pgbackrest", std::string(kLabelTag) + made.label};
  const auto base = session.directory() + "/backup/" + session.stanza() + "/";
  what.excludes = {base + "latest"};
  for (const auto& other : info.made)
    if (other.label != made.label &&
        std::find(made.references.begin(), made.references.end(), other.label) == made.references.end())
      what.excludes.push_back(base + other.label);
  return what;
}

}  // namespace

Status copy(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
            backup::JobReport& report) {
  if (!job.copy_to) return Error(Code::invalid_argument, "the job names no vault to copy to");
  BELAY_TRY_ASSIGN(const auto session, Session::open(host, places, job, secrets, {}));
  if (!session.is_directory())
    return Error(Code::unsupported,
                 "a pgBackRest repository in " + job.vault.name +
                     " cannot be copied: only one in a directory can. Let the bucket replicate itself, or give the "
                     "offsite vault a plan of its own",
                 "no-copy");
  BELAY_TRY_ASSIGN(const auto info, session.info());
  BELAY_TRY_ASSIGN(const auto access, VaultAccess::open(host, job, *job.copy_to, secrets, "copy."));
  Repository repository(host, job, access, secret(secrets, "copy.repository.key"));
  BELAY_TRY(repository.open(true));
  BELAY_TRY_ASSIGN(const auto there, repository.snapshots());
  const auto pass_path = host.work_directory + "/" + std::string(kPassFile);
  BELAY_TRY(host.files.write_durable(pass_path, secret(secrets, "repository.key"), 0600));
  for (const auto& point : job.points) {
    const auto* made = info.find(point.reference);
    if (!made) return Error(Code::not_found, point.reference + " is not in the vault " + job.vault.name, "no-point");
    const auto old =
        std::find_if(there.begin(), there.end(), [&](const Stored& one) { return label_in(one) == made->label; });
    if (old != there.end()) {
      report.points.push_back(copy_of(point, *old));
      continue;
    }
    BELAY_TRY_ASSIGN(const auto stored, repository.store(what_to_store(session, info, *made, pass_path)));
    if (stored.partial)
      return Error(
          Code::corrupt,
          "not everything of " + made->label + " could be read: " + sanitize(join(stored.unreadable, ", "), 500),
          "repository-damaged");
    report.points.push_back(copy_of(point, stored));
    report.bytes += stored.bytes_added;
    pass(report, backup::ProofLevel::P0, made->label, "copied as snapshot " + stored.snapshot_id);
  }
  if (const auto bytes = repository.bytes(); bytes.ok()) report.repository_bytes = *bytes;
  if (const auto space = access.space(); space.ok()) report.repository_bytes_free = space->bytes_free;
  return {};
}

Result<FetchedCopy> fetch_copy(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                               backup::JobReport& report) {
  const auto snapshot = copied_snapshot(job.points.front().reference).value_or(std::string());
  BELAY_TRY_ASSIGN(const auto access, VaultAccess::open(host, job, job.vault, secrets));
  Repository repository(host, job, access, secret(secrets, "repository.key"), !job.offsite);
  BELAY_TRY(repository.open(false));
  BELAY_TRY_ASSIGN(const auto there, repository.snapshots());
  const auto stored =
      std::find_if(there.begin(), there.end(), [&](const Stored& one) { return one.snapshot_id == snapshot; });
  if (stored == there.end())
    return Error(Code::not_found, "the vault " + job.vault.name + " has no snapshot " + snapshot, "no-point");
  if (job.task == backup::Task::prove && job.level >= backup::ProofLevel::P2) {
    const auto whole = repository.check(true);
    if (whole.ok()) pass(report, backup::ProofLevel::P2, "copy", "every byte of the vault's repository was read");
    else fail(report, backup::ProofLevel::P2, "copy", whole.error().chain());
  }
  Stopwatch watch(host.clock, report);
  watch.begin("fetch");
  const auto user = user_of(job.source);
  BELAY_TRY_ASSIGN(const auto bytes, dumps::bytes_of(repository, snapshot));
  BELAY_TRY_ASSIGN(auto scratch, Scratch::make(host, job, bytes + (64u << 20), user));
  if (const auto restored = repository.restore(snapshot, scratch.path()); !restored.ok()) return restored.error();
  std::string base, pass_path;
  for (const auto& path : stored->paths) (path.ends_with(kPassFile) ? pass_path : base) = scratch.path() + path;
  BELAY_TRY_ASSIGN(auto key, host.files.read(pass_path, kPassBytesMax).within("the copy lacks its pass"));
  BELAY_TRY(host.files.remove(pass_path));
  BELAY_TRY_ASSIGN(const auto owner, system_user(host, user));
  BELAY_TRY(give_to(host, owner, scratch.path(), true));
  watch.end();
  return FetchedCopy{std::move(scratch), std::move(base), std::move(key)};
}

Status forget_copies(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                     backup::JobReport& report) {
  BELAY_TRY_ASSIGN(const auto access, VaultAccess::open(host, job, job.vault, secrets));
  Repository repository(host, job, access, secret(secrets, "repository.key"));
  BELAY_TRY(repository.open(false));
  std::vector<std::string> ids;
  for (const auto& point : job.points)
    if (const auto id = copied_snapshot(point.reference)) ids.push_back(*id);
  BELAY_TRY(repository.forget(ids));
  for (const auto& point : job.points) report.forgotten.push_back(point.reference);
  return job.compact ? repository.prune() : Status();
}

Status list_copies(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report) {
  BELAY_TRY_ASSIGN(const auto access, VaultAccess::open(host, job, job.vault, secrets));
  Repository repository(host, job, access, secret(secrets, "repository.key"));
  BELAY_TRY(repository.open(false));
  BELAY_TRY_ASSIGN(const auto there, repository.snapshots());
  for (const auto& stored : there)
    if (!label_in(stored).empty()) report.points.push_back(point_in(stored));
  return {};
}

}  // namespace belay::agent::backups::pgbackrest
