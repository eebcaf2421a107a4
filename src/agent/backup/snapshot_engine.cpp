// Volumes: a snapshot is taken by the providers of this node, with file systems frozen or databases quiesced by the
// operator's commands for the moment of it, and its files are read out of it into a restic repository. A snapshot on
// the disks that it was taken of is no backup; it is removed once it was read.
#include <algorithm>

#include "agent/backup/engines.hpp"
#include "agent/backup/files_engine.hpp"
#include "agent/backup/freeze.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobReport;
using backup::ProofLevel;

// The mounts go before what they show.
struct Held {
  TakenSnapshot snapshot;
  std::optional<Scratch> places;
};

class Quiesce {
 public:
  Quiesce(const BackupHost& host, const Job& job) : host_(host), job_(job) {}

  Status begin() {
    const auto& freeze = job_.source.freeze;
    if (!freeze || freeze->argv.empty() || !job_.source.thaw) return {};
    BELAY_TRY_ASSIGN(auto watchdog, FreezeWatchdog::start(host_, job_.source.paths, *job_.source.thaw));
    watchdog_.emplace(std::move(watchdog));
    // What was frozen half-way is thawed by end(), which is called in any case.
    return run(*freeze).within("the command that freezes");
  }

  Status end() {
    if (!watchdog_) return {};
    const auto thawed = run(*job_.source.thaw);
    if (!thawed.ok()) {
      watchdog_.reset();  // thaws at once
      return thawed.error().within("the command that thaws; it was started a second time");
    }
    const bool in_time = watchdog_->dismiss();
    watchdog_.reset();
    if (in_time) return {};
    return Error(Code::timed_out,
                 "the snapshot was not there after " + humanize(kFrozenMax) +
                     ", so the freeze was ended and it may hold what was half written; look why taking one lasts so "
                     "long, or whether the agent's own files lie on what is frozen",
                 "thawed-early");
  }

 private:
  Status run(const backup::Hook& hook) const {
    Call what;
    what.argv = hook.argv;
    what.user = hook.user;
    what.timeout = std::min(hook.timeout, kFrozenMax);
    what.directory = "/";
    what.environment = {{"BELAY_PLAN", job_.plan_name}, {"BELAY_JOB", job_.job_id}};
    const auto ended = must(host_, job_, std::move(what));
    return ended.ok() ? Status() : Status(ended.error());
  }

  const BackupHost& host_;
  const Job& job_;
  std::optional<FreezeWatchdog> watchdog_;
};

class SnapshotEngine final : public ResticFiles {
 public:
  using ResticFiles::ResticFiles;
  backup::EngineName name() const override { return backup::EngineName::snapshot; }

 protected:
  void look_at_source(const Job& job, JobReport& report) override;
  Result<Prepared> prepare(const Job& job, const VaultAccess& access, JobReport& report) override;

 private:
  Result<TakenSnapshot> take(const Job& job, bool only_ask);
  Status mount(const Job& job, const TakenSnapshot& snapshot, const std::string& root);
};

Result<TakenSnapshot> SnapshotEngine::take(const Job& job, bool only_ask) {
  for (const auto& path : job.source.paths)
    if (!host_.files.info(path).ok())
      return Error(Code::not_found, path + " is not there, and the plan backs it up; is its file system mounted?",
                   "source-missing");
  if (!host_.take_snapshot)
    return Error(Code::unsupported,
                 "this agent has no snapshot providers; name some in its snapshots.toml, or use another engine",
                 "no-provider");
  SnapshotWish wish{.providers = job.source.providers,
                    .paths = job.source.paths,
                    .tag = "backup-" + job.plan_id,
                    .only_ask = only_ask};
  Quiesce quiesce(host_, job);
  wish.before = [&] { return quiesce.begin(); };
  wish.after = [&] { return quiesce.end(); };
  return host_.take_snapshot(wish);
}

void SnapshotEngine::look_at_source(const Job& job, JobReport& report) {
  const auto could = take(job, true);
  if (could.ok()) pass(report, ProofLevel::P0, "snapshot", "can be taken by " + could->provider);
  else fail(report, ProofLevel::P0, "snapshot", could.error().chain());
}

// Where they would be below `root`, outer ones first.
Status SnapshotEngine::mount(const Job& job, const TakenSnapshot& snapshot, const std::string& root) {
  auto views = snapshot.views;
  std::ranges::sort(views, {}, [](const auto& view) { return view.mount.size(); });
  for (const auto& view : views) {
    const auto place = view.mount == "/" ? root : root + view.mount;
    if (!host_.files.info(place).ok()) BELAY_TRY(host_.files.make_directories(place, 0755));
    Call what;
    what.argv = {"mount"};
    what.argv.insert(what.argv.end(), view.arguments.begin(), view.arguments.end());
    what.argv.push_back(place);
    what.directory = "/";
    const auto mounted = must(host_, job, std::move(what));
    if (!mounted.ok()) return mounted.error().within("the snapshot of " + view.mount + " cannot be read");
  }
  return {};
}

Result<Prepared> SnapshotEngine::prepare(const Job& job, const VaultAccess&, JobReport& report) {
  BELAY_TRY_ASSIGN(auto taken, take(job, false));
  const auto held = std::make_shared<Held>();
  held->snapshot = std::move(taken);
  BELAY_TRY_ASSIGN(auto places, Scratch::make(host_, job, 0));
  const auto root = places.path();
  held->places.emplace(std::move(places));
  BELAY_TRY(mount(job, held->snapshot, root));
  pass(report, ProofLevel::P0, "snapshot",
       "of " + to_iso8601(held->snapshot.taken_at) + " by " + held->snapshot.provider +
           (job.source.freeze ? ", with its writers held" : ", as after a power cut"));
  Prepared made;
  made.taken_at = held->snapshot.taken_at;
  made.position = held->snapshot.provider;
  made.what.relative_to = root;
  made.what.tags = {"belay", "plan=" + job.plan_id};
  for (const auto& path : job.source.paths) made.what.paths.push_back(path == "/" ? "." : path.substr(1));
  made.what.must_exist = made.what.paths;
  for (const auto& exclude : job.source.excludes)
    made.what.excludes.push_back(exclude.starts_with('/') ? root + exclude : exclude);
  made.held = held;
  return made;
}

}  // namespace

std::unique_ptr<BackupEngine> make_snapshot_engine(const BackupHost& host) {
  return std::make_unique<SnapshotEngine>(host);
}

}  // namespace belay::agent::backups
