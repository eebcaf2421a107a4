#include "agent/backup/fake_engine.hpp"

#include <algorithm>

#include "agent/backup/tools.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

using backup::Job;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;
using backups::fail;
using backups::failed;
using backups::pass;

constexpr std::size_t kFileBytesMax = 16u << 20;

// A point as it lies in the vault.
struct Kept {
  std::string checksum;  // of `files`
  std::map<std::string, std::string> files;
  std::int64_t taken_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Kept, (), (checksum, files, taken_ms))

std::string checksum_of(const std::map<std::string, std::string>& files) {
  std::string all;
  for (const auto& [path, content] : files) all += path + '\0' + content + '\0';
  return io::sha256_hex(all);
}

std::string directory_of(const Job& job, const backup::VaultSpec& vault) {
  return vault.path + "/" + backup::repository_name(job.plan_id, job.source_node_id);
}

Status open(const BackupHost& host, const std::string& directory, const std::string& key, bool make) {
  const auto path = directory + "/key";
  const auto word = io::sha256_hex(key);
  const auto there = host.files.read(path, 1000);
  if (there.ok() && *there == word) return {};
  if (there.ok()) return Error(Code::unauthenticated, "the repository was made with another key", "wrong-key");
  if (!make) return Error(Code::not_found, "there is no repository in " + directory, "no-repository");
  BELAY_TRY(host.files.make_directories(directory, 0700));
  return host.files.write_durable(path, word, 0600);
}

std::string key_of(const Secrets& secrets, const std::string& name) {
  const auto found = secrets.find(name);
  return found == secrets.end() ? "" : found->second;
}

Status gather(const BackupHost& host, const std::string& path, std::map<std::string, std::string>& files) {
  const auto info = host.files.info(path);
  if (!info.ok()) return Error(Code::not_found, path + " is not there; is it mounted?", "source-missing");
  if (info->kind == io::FileInfo::Kind::file) {
    BELAY_TRY_ASSIGN(files[path], host.files.read(path, kFileBytesMax));
    return {};
  }
  if (info->kind != io::FileInfo::Kind::directory) return {};
  BELAY_TRY_ASSIGN(const auto names, host.files.list(path));
  for (const auto& name : names) BELAY_TRY(gather(host, path + "/" + name, files));
  return {};
}

std::vector<backup::Fingerprint> prints_of(const std::map<std::string, std::string>& files) {
  std::vector<backup::Fingerprint> prints;
  for (const auto& [path, content] : files) prints.push_back({path, content.size(), io::sha256_hex(content)});
  return prints;
}

Result<Kept> load(const BackupHost& host, const std::string& directory, const std::string& reference) {
  const auto text = host.files.read(directory + "/" + reference + ".json", kFileBytesMax);
  if (!text.ok()) return Error(Code::not_found, "the point " + reference + " is not in the repository", "not-in-point");
  const auto value = json::parse(*text, {.bytes_max = kFileBytesMax, .depth_max = 8});
  if (!value.ok()) return Error(Code::corrupt, "the point " + reference + " cannot be read", "repository-damaged");
  return json::decode<Kept>(*value);
}

Status write_tree(const BackupHost& host, const Kept& kept, const std::string& root,
                  const std::vector<std::string>& only) {
  for (const auto& [path, content] : kept.files) {
    if (!only.empty() && std::ranges::find(only, path) == only.end()) continue;
    const auto place = root + path;
    BELAY_TRY(host.files.make_directories(place.substr(0, place.rfind('/')), 0755));
    BELAY_TRY(host.files.write_durable(place, content, 0644));
  }
  return {};
}

JobReport begun(Task task) {
  JobReport report;
  report.task = task;
  report.outcome = backup::JobOutcome::ok;
  return report;
}

}  // namespace

JobReport FakeBackupEngine::check(const Job& job, const Secrets& secrets) {
  if (const auto error = planned()) return failed(Task::check, *error);
  const auto opened = open(host_, directory_of(job, job.vault), key_of(secrets, "repository.key"), true);
  if (!opened.ok()) return failed(Task::check, opened.error());
  auto report = begun(Task::check);
  pass(report, ProofLevel::P0, "repository", "opens with its key");
  return report;
}

JobReport FakeBackupEngine::back_up(const Job& job, const Secrets& secrets) {
  if (const auto error = planned()) return failed(Task::backup, *error);
  const auto directory = directory_of(job, job.vault);
  const auto opened = open(host_, directory, key_of(secrets, "repository.key"), true);
  if (!opened.ok()) return failed(Task::backup, opened.error());
  if (is_cancelled()) return failed(Task::backup, Error(Code::cancelled, "the backup was stopped"));
  Kept kept;
  for (const auto& path : job.source.paths)
    if (const auto got = gather(host_, path, kept.files); !got.ok()) return failed(Task::backup, got.error());
  kept.checksum = checksum_of(kept.files);
  kept.taken_ms = to_unix_ms(host_.clock.now());
  backup::MadePoint point;
  point.reference = io::sha256_hex(io::random_bytes(16)).substr(0, 16);
  point.begun_at = point.taken_at = from_unix_ms(kept.taken_ms);
  point.engine_version = "fake 1";
  point.files = kept.files.size();
  for (const auto& [path, content] : kept.files) point.bytes_source += content.size();
  point.bytes_added = point.bytes_source;
  point.fingerprints = prints_of(kept.files);
  const auto written =
      host_.files.write_durable(directory + "/" + point.reference + ".json", json::to_text(json::encode(kept)), 0600);
  if (!written.ok()) return failed(Task::backup, written.error());
  auto report = begun(Task::backup);
  pass(report, ProofLevel::P0, "engine", "said ok");
  pass(report, ProofLevel::P1, "listing", std::to_string(point.files) + " files");
  report.bytes = point.bytes_added;
  report.points.push_back(std::move(point));
  return report;
}

JobReport FakeBackupEngine::copy(const Job& job, const Secrets& secrets) {
  if (const auto error = planned()) return failed(Task::copy, *error);
  const auto from = directory_of(job, job.vault), to = directory_of(job, *job.copy_to);
  for (const auto& opened : {open(host_, from, key_of(secrets, "repository.key"), false),
                             open(host_, to, key_of(secrets, "copy.repository.key"), true)})
    if (!opened.ok()) return failed(Task::copy, opened.error());
  auto report = begun(Task::copy);
  for (const auto& point : job.points) {
    const auto kept = load(host_, from, point.reference);
    if (!kept.ok()) return failed(Task::copy, kept.error());
    const auto written =
        host_.files.write_durable(to + "/" + point.reference + ".json", json::to_text(json::encode(*kept)), 0600);
    if (!written.ok()) return failed(Task::copy, written.error());
    report.points.push_back(point);
  }
  pass(report, ProofLevel::P0, "copied", std::to_string(job.points.size()) + " points");
  return report;
}

JobReport FakeBackupEngine::prove(const Job& job, const Secrets& secrets) {
  if (const auto error = planned()) return failed(Task::prove, *error);
  const auto directory = directory_of(job, job.vault);
  const auto opened = open(host_, directory, key_of(secrets, "repository.key"), false);
  if (!opened.ok()) return failed(Task::prove, opened.error());
  auto report = begun(Task::prove);
  const auto kept = load(host_, directory, job.points.front().reference);
  if (!kept.ok()) return fail(report, ProofLevel::P0, "repository", kept.error().chain()), report;
  pass(report, ProofLevel::P0, "repository", "has the point");
  pass(report, ProofLevel::P1, "structure", "is whole");
  if (kept->checksum != checksum_of(kept->files))
    return fail(report, ProofLevel::P2, "every byte", "a checksum is wrong"), report;
  if (job.level >= ProofLevel::P2) pass(report, ProofLevel::P2, "every byte", "was read again");
  if (job.level < ProofLevel::P3) return report;
  const auto room = backups::Scratch::make(host_, job, job.points.front().bytes_source);
  if (!room.ok()) return failed(Task::prove, room.error());
  if (const auto done = write_tree(host_, *kept, room->path(), {}); !done.ok())
    return fail(report, ProofLevel::P3, "restore", done.error().chain()), report;
  report.time_to_restore = Duration(1);
  report.restored_to = from_unix_ms(kept->taken_ms);
  backups::compare(report, job.points.front().fingerprints, prints_of(kept->files));
  if (job.level >= ProofLevel::P4 && report.outcome == backup::JobOutcome::ok)
    pass(report, ProofLevel::P4, "service", "there is none to start");
  if (job.level >= ProofLevel::P5 && report.outcome == backup::JobOutcome::ok)
    backups::run_checks(host_, job, report, room->path(), {}, {});
  return report;
}

JobReport FakeBackupEngine::restore(const Job& job, const Secrets& secrets) {
  if (const auto error = planned()) return failed(Task::restore, *error);
  const auto directory = directory_of(job, job.vault);
  const auto opened = open(host_, directory, key_of(secrets, "repository.key"), false);
  if (!opened.ok()) return failed(Task::restore, opened.error());
  const auto kept = load(host_, directory, job.points.front().reference);
  if (!kept.ok()) return failed(Task::restore, kept.error());
  auto report = begun(Task::restore);
  const auto& to = *job.restore;
  for (const auto& path : to.paths)
    if (!kept->files.contains(path))
      return failed(Task::restore, Error(Code::not_found, path + " is not in the point", "not-in-point"));
  if (to.preview) return pass(report, ProofLevel::P0, "would restore", to.path), report;
  const auto names = host_.files.list(to.path);
  if (names.ok() && !names->empty()) {
    if (!to.over) return failed(Task::restore, Error(Code::conflict, to.path + " is not empty", "target-not-empty"));
    const auto aside = to.path + ".belay-before-" + job.job_id;
    if (const auto moved = host_.files.rename_durable(to.path, aside); !moved.ok())
      return failed(Task::restore, moved.error());
    pass(report, ProofLevel::P0, "put aside", aside);
  }
  if (const auto done = write_tree(host_, *kept, to.path, to.paths); !done.ok())
    return failed(Task::restore, done.error());
  report.time_to_restore = Duration(1);
  report.restored_to = from_unix_ms(kept->taken_ms);
  return report;
}

JobReport FakeBackupEngine::forget(const Job& job, const Secrets& secrets) {
  if (const auto error = planned()) return failed(Task::forget, *error);
  const auto directory = directory_of(job, job.vault);
  const auto opened = open(host_, directory, key_of(secrets, "repository.key"), false);
  if (!opened.ok()) return failed(Task::forget, opened.error());
  auto report = begun(Task::forget);
  for (const auto& point : job.points) {
    if (const auto gone = host_.files.remove(directory + "/" + point.reference + ".json"); !gone.ok())
      return failed(Task::forget, gone.error());
    report.forgotten.push_back(point.reference);
  }
  return report;
}

JobReport FakeBackupEngine::list(const Job& job, const Secrets& secrets) {
  if (const auto error = planned()) return failed(Task::list, *error);
  const auto directory = directory_of(job, job.vault);
  const auto opened = open(host_, directory, key_of(secrets, "repository.key"), false);
  if (!opened.ok()) return failed(Task::list, opened.error());
  auto report = begun(Task::list);
  const auto names = host_.files.list(directory);
  if (!names.ok()) return failed(Task::list, names.error());
  for (const auto& name : *names)
    if (name.ends_with(".json")) report.points.emplace_back().reference = name.substr(0, name.size() - 5);
  return report;
}

backup::WatchReport FakeBackupEngine::watch(const backup::Watch& watch) {
  backup::WatchReport report;
  report.plan_id = watch.plan_id;
  report.at = host_.clock.now();
  return report;
}

}  // namespace belay::agent
