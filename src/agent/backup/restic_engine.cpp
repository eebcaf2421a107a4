#include <algorithm>

#include "agent/backup/engines.hpp"
#include "agent/backup/files_engine.hpp"
#include "agent/backup/tape.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;

std::string key_of(const Secrets& secrets, const char* name) {
  const auto found = secrets.find(name);
  return found == secrets.end() ? std::string() : found->second;
}

class ResticStore final : public FileStore {
 public:
  ResticStore(const BackupHost& host, const Job& job, VaultAccess access, std::string key)
      : access_(std::move(access)), repository_(host, job, access_, std::move(key), !job.offsite) {}
  Status open(bool make) override { return repository_.open(make); }
  Result<Stored> store(const StoreWhat& what) override { return repository_.store(what); }
  Result<std::vector<Stored>> snapshots() override { return repository_.snapshots(); }
  Status check(bool read_data) override { return repository_.check(read_data); }
  Result<std::pair<std::uint64_t, std::uint64_t>> restore(const std::string& id, const std::string& target,
                                                          const std::vector<std::string>& include) override {
    return repository_.restore(id, target, include);
  }
  Status forget(const std::vector<std::string>& ids) override { return repository_.forget(ids); }
  Status compact() override { return repository_.prune(); }
  Result<std::uint64_t> bytes() override { return repository_.bytes(); }
  Status each_file(const std::string& id, const std::function<void(const ListedFile&)>& each) override {
    return repository_.each_file(id, each);
  }
  Result<std::string> version() override { return repository_.version(); }
  const VaultAccess& access() const override { return access_; }

 private:
  VaultAccess access_;
  Repository repository_;
};

class ResticEngine final : public ResticFiles {
 public:
  using ResticFiles::ResticFiles;
  backup::EngineName name() const override { return backup::EngineName::restic; }
};

Result<JobReport> copy_all(const BackupHost& host, const Job& job, const Secrets& secrets) {
  BELAY_TRY_ASSIGN(const auto own, VaultAccess::open(host, job, job.vault, secrets));
  BELAY_TRY_ASSIGN(const auto other, VaultAccess::open(host, job, *job.copy_to, secrets, "copy."));
  Repository from(host, job, own, key_of(secrets, "repository.key"), !job.offsite);
  Repository to(host, job, other, key_of(secrets, "copy.repository.key"), !job.offsite);
  BELAY_TRY(from.open(false));
  BELAY_TRY(to.open(true, &from));
  std::vector<std::string> ids;
  for (const auto& point : job.points) ids.push_back(point.reference);
  JobReport report;
  report.task = Task::copy;
  report.outcome = backup::JobOutcome::ok;
  Stopwatch watch(host.clock, report);
  watch.begin("copy");
  BELAY_TRY_ASSIGN(const auto made, to.copy_from(from, ids));
  watch.end();
  for (auto point : job.points) {
    point.reference = made.at(point.reference);
    report.bytes += point.bytes_added;
    report.files += point.files;
    report.points.push_back(std::move(point));
  }
  pass(report, ProofLevel::P0, "copied", std::to_string(made.size()) + " points are in the vault " + job.copy_to->name);
  if (const auto space = other.space(); space.ok()) report.repository_bytes_free = space->bytes_free;
  if (const auto bytes = to.bytes(); bytes.ok()) report.repository_bytes = *bytes;
  return report;
}

}  // namespace

JobReport ResticFiles::copy(const Job& job, const Secrets& secrets) {
  return job.copy_to && is_tape_drive(*job.copy_to) ? copy_to_tape(host_, job, secrets)
                                                    : copy_snapshots(host_, job, secrets);
}

JobReport ResticFiles::check(const Job& job, const Secrets& secrets) {
  return is_tape_drive(job.vault) ? check_tape(host_, job) : FilesEngine::check(job, secrets);
}

JobReport ResticFiles::forget(const Job& job, const Secrets& secrets) {
  return is_tape_drive(job.vault) ? let_go_of(job) : FilesEngine::forget(job, secrets);
}

Result<std::unique_ptr<FileStore>> ResticFiles::reach(const Job& job, const Secrets& secrets) {
  if (is_tape_drive(job.vault)) return read_from_tape(host_, job, secrets);
  BELAY_TRY_ASSIGN(auto access, VaultAccess::open(host_, job, job.vault, secrets));
  return std::unique_ptr<FileStore>(
      std::make_unique<ResticStore>(host_, job, std::move(access), key_of(secrets, "repository.key")));
}

JobReport copy_snapshots(const BackupHost& host, const Job& job, const Secrets& secrets) {
  if (!job.copy_to) return failed(Task::copy, Error(Code::invalid_argument, "the order names no vault to copy to"));
  auto report = copy_all(host, job, secrets);
  return report.ok() ? *report : failed(Task::copy, report.error());
}

std::unique_ptr<BackupEngine> make_restic(const BackupHost& host) { return std::make_unique<ResticEngine>(host); }

}  // namespace belay::agent::backups
