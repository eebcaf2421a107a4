#pragma once
// Drives a well-kept backup program. An engine says outcome and evidence, never an exit status alone: each of these
// programs ends with 0 after failures that it only prints. Blocking, in the process of one order; killed at any moment,
// the next call on the same repository heals what was left or says what a person must do.
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/backup/job.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent {

// Of one job; known to the process that works on it and to nobody else.
//   "repository.key"          what the repository is encrypted with; of every vault kind
//   "accessKey" "secretKey" "user" "password" "sshKey"   of the vault (core/backup/vault.hpp, secrets_of)
// and the same names with "copy." before them for the vault that is copied to.
using Secrets = std::map<std::string, std::string>;

struct BackupProgress {
  std::string phase;                              // "backup", "restore", "recover", "verify", …
  std::uint64_t bytes_done = 0, bytes_total = 0;  // 0: not known
  std::optional<Duration> left;
};

// Volumes as they were at one moment.
struct TakenSnapshot {
  struct View {
    std::string mount;                   // what it shows
    std::vector<std::string> arguments;  // of mount(8), before the place
  };
  std::string provider;
  Instant taken_at{};
  std::vector<View> views;
  std::shared_ptr<void> held;  // removed with it; no view may be mounted any more then
};
struct SnapshotWish {
  std::vector<std::string> providers;  // by name, the first that covers; empty: all of this node
  std::vector<std::string> paths;
  std::string tag;        // what was taken under it before is removed first
  bool only_ask = false;  // whether it could be taken, and by whom
  // Right before and right after it is taken, the latter whatever happened. Between them nothing but that is done.
  std::function<Status()> before{}, after{};
};

// All outlive the work.
struct BackupHost {
  io::Files& files;
  io::Processes& processes;
  const Clock& clock;
  std::string work_directory;   // of this job alone, only root reads it; removed afterwards
  std::string state_directory;  // kept between jobs (StatePaths::backups): caches, chain positions, watch lists
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(const BackupProgress&)> progress{};
  // By the snapshot providers of this node; empty: it has none. unsupported "no-provider" where none covers the paths.
  std::function<Result<TakenSnapshot>(const SnapshotWish&)> take_snapshot{};
};

class BackupEngine {
 public:
  virtual ~BackupEngine() = default;
  virtual backup::EngineName name() const = 0;

  // Programs are there and new enough, the source answers, the repository can be opened (made where there is none, a
  // wrong key is named). May be repeated.
  virtual backup::JobReport check(const backup::Job& job, const Secrets& secrets) = 0;
  // One new point, P0 and P1 judged, fingerprints and position taken with it. A second one on the same repository at
  // the same time is refused with "repository-busy". Repeating it makes a second point.
  virtual backup::JobReport back_up(const backup::Job& job, const Secrets& secrets) = 0;
  // The points into the other vault; those there already are passed over. May be repeated.
  virtual backup::JobReport copy(const backup::Job& job, const Secrets& secrets) = 0;
  // Climbs the ladder up to job.level and stops at the first rung that fails; measures. What it restores lies in
  // scratch, whose room was checked, runs without network and rights, and is gone afterwards. May be repeated.
  virtual backup::JobReport prove(const backup::Job& job, const Secrets& secrets) = 0;
  // Never into a place that is not empty unless `over`, and then what was there is put aside first and told.
  virtual backup::JobReport restore(const backup::Job& job, const Secrets& secrets) = 0;
  // By reference; absent is fine; a point that another one needs is refused.
  virtual backup::JobReport forget(const backup::Job& job, const Secrets& secrets) = 0;
  virtual backup::JobReport list(const backup::Job& job, const Secrets& secrets) = 0;
  // Cheap, each minute, without the vault's secrets; hanging mounts never hang it.
  virtual backup::WatchReport watch(const backup::Watch& watch) = 0;
};

// The engine of the source; all parts of `host` outlive it.
std::unique_ptr<BackupEngine> make_engine(const BackupHost& host, backup::EngineName engine);

// Does what the job says with its engine, and sees to what all share: the work directory, the repository's lock on this
// node, hooks before and after, that no secret is in the report, an end for every beginning.
backup::JobReport do_job(const BackupHost& host, const backup::Job& job, const Secrets& secrets);

}  // namespace belay::agent
