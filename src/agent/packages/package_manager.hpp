#pragma once
// What a run needs of a package manager, in the words of the domain. Backends: apt, dnf, fake (and zypper later).
// One contract suite (tests/contract/package_manager_contract.hpp) runs over the fake and the real ones.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent {

// One repository as the node sees it.
struct RepositoryState {
  std::string name;  // "bookworm-security main amd64", or the dnf repository id
  std::string site;
  std::optional<Instant> released_at;  // Date of the signed metadata
  std::optional<Instant> valid_until;
  std::optional<Instant> fetched_at;  // when this node last got it
};

struct ScanResult {
  fleet::PackageSet installed;
  fleet::OfferSet offers;
  std::vector<std::string> held;       // names
  std::vector<std::string> automatic;  // names installed only as dependencies
  std::vector<RepositoryState> repositories;
  std::vector<fleet::Problem> problems;  // blocks_judgement where the offers cannot be trusted
};

struct RefreshReport {
  std::vector<RepositoryState> repositories;
  std::vector<fleet::Problem> problems;
};

// What the resolver would really do for an order.
struct TransactionPlan {
  std::vector<fleet::PackageChange> changes;  // everything that would change, dependencies and removals too
  std::vector<fleet::Problem> problems;       // any: do not start
  std::uint64_t download_bytes = 0;
  std::uint64_t disk_bytes = 0;  // additional, at most
};

struct ConffileDifference {
  std::string path;  // kept as the operator had it
  std::string package;
  std::string new_path;  // where the package's own version lies (*.dpkg-dist, *.rpmnew)
};

struct InstallReport {
  std::vector<fleet::PackageChange> changed;  // compared before and after, not as the tool claims
  std::vector<ConffileDifference> conffiles;
  std::vector<std::string> restart_needed;  // services, listed and not restarted
  std::vector<fleet::Problem> problems;     // empty: the ordered versions are installed and whole
  std::string output;                       // of the package manager, sanitized and bounded
};

struct InstallOrder {
  std::vector<fleet::PackageChange>
      changes;                   // exact versions; nothing else may be changed but new dependencies listed here
  bool allow_downgrade = false;  // a rollback
  bool allow_removal = false;    // of what `changes` lists with an empty to_version
  // Where hold_old_versions() put package files: a to_version found there need not be offered any more. "" for none.
  std::string held_directory{};
  Duration lock_timeout{600'000};
  Duration timeout{7'200'000};
};

using OutputLine = std::function<void(std::string_view)>;  // one line, sanitized, without its end

// The seams a backend works through.
struct Host {
  io::Files& files;
  io::Processes& processes;
  const Clock& clock;
};

class PackageManager {
 public:
  virtual ~PackageManager() = default;
  virtual std::string_view name() const = 0;  // "apt", "dnf", "fake"

  // Reads only; no lock, no network; needs no root. May be repeated.
  virtual Result<ScanResult> scan() = 0;
  // Fills severity, advisories, CVEs and dates of the security offers where the repositories' lists have none (apt:
  // from the updates' changelogs). Fetches what it has not read before, within bounds; with a timeout of zero it stays
  // with what this node knows already, needs no network and no root. What stays empty is told by a problem that blocks
  // nothing. The changelog's date then stands as the release date, in place of the fleet's first sight.
  // May be repeated. An error changes nothing of the scan's worth.
  virtual Status describe_updates(ScanResult& scan, Duration timeout) {
    static_cast<void>(scan), static_cast<void>(timeout);
    return {};
  }
  // Fetches package lists. May be repeated. A repository that cannot be trusted or reached is a problem in the
  // report, whatever the tool's exit status says.
  virtual Result<RefreshReport> refresh(Duration timeout, const OutputLine& output) = 0;
  // Asks the resolver; changes nothing. May be repeated.
  virtual Result<TransactionPlan> simulate(const InstallOrder& order) = 0;
  // Gets every file of the order into the cache or `directory` and checks its sha256. May be repeated.
  virtual Status download(const InstallOrder& order, const OutputLine& output) = 0;
  // Puts the packages named (with from_version) as files where a rollback finds them: fetched, else repacked (and then
  // named so in a file beside it). What could not be held is in the problems. May be repeated: what is there and whole
  // stays.
  virtual Result<std::vector<fleet::Problem>> hold_old_versions(const InstallOrder& order,
                                                                const std::string& directory) = 0;
  // What the file of a change's to_version is called where hold_old_versions() would have put it.
  virtual std::string held_name(const fleet::PackageChange& change) const = 0;
  // Where the file of a change's to_version lies: held, else as download() left it; "" for nowhere (or in a repository
  // on this machine, of which there is no copy). What it holds is not looked at.
  virtual std::string package_file(const InstallOrder& order, const fleet::PackageChange& change) const = 0;
  // Waits for the lock, installs exactly the order, compares. After a crash in it: check_health, repair, then again
  // or roll back; repeating an order that is already installed changes nothing and is ok.
  virtual Result<InstallReport> install(const InstallOrder& order, const OutputLine& output) = 0;
  // Another package manager that works on this system at this very moment: lock_held, its holder named. Nothing: none
  // does, or this process may not ask (it takes root). Keeps no lock. May be repeated.
  virtual Result<std::optional<fleet::Problem>> in_use() = 0;
  // Where the files of these packages lie, as they are installed now (from_versions); folders among them, and nothing
  // of what is not installed. Reads only. May be repeated.
  virtual Result<std::vector<std::string>> installed_files(const std::vector<fleet::PackageChange>& changes) = 0;
  // Half-installed, unconfigured or broken packages. Reads only. Empty: whole.
  virtual Result<std::vector<fleet::Problem>> check_health() = 0;
  // Mends what check_health finds, where that is safe; what is left is returned. May be repeated.
  virtual Result<std::vector<fleet::Problem>> repair(Duration timeout, const OutputLine& output) = 0;
};

// A package manager in the middle of its work looks like one that was killed there. True where the problems may be
// that; whether they are, in_use() says.
bool may_be_under_way(const std::vector<fleet::Problem>& problems);
// Says that another one is at work, in place of the broken state it looks like.
void put_down_to(const fleet::Problem& in_use, std::vector<fleet::Problem>& problems);

}  // namespace belay::agent
