#pragma once
// A restic repository in any kind of vault: what stores dumps, copies of databases, files and the output of commands,
// encrypted and de-duplicated. Engines that make files use it; the engine "restic" is little more than this. (restic
// 0.14, Debian 12, has no codes 10 to 12 and no JSON but of backup, ls, snapshots, stats: repository.cpp knows both.)
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

// How programs reach a vault: the restic URL of a repository in it, environment and files that hold the secrets. A
// mounted vault must really be mounted, a removable one is found by its label and mounted while this lives, a host key
// is pinned. reason "vault-away", "vault-full", "vault-refused", "drive-wanted".
class VaultAccess {
 public:
  static Result<VaultAccess> open(const BackupHost& host, const backup::Job& job, const backup::VaultSpec& vault,
                                  const Secrets& secrets, std::string_view secret_prefix = {});
  ~VaultAccess();
  VaultAccess(VaultAccess&&) noexcept;
  VaultAccess& operator=(VaultAccess&&) = delete;

  const std::string& restic_url() const;  // of the repository of the job's plan and source node
  const std::string& directory() const;   // the same as a path, where the vault is one; "" else
  const std::map<std::string, std::string>& environment() const;
  const std::vector<std::string>& restic_options() const;  // "-o", "sftp.command=…", "--cacert", …, limits
  Result<io::Space> space() const;                         // unsupported where the vault does not tell

 private:
  struct Impl;
  explicit VaultAccess(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct Stored {
  std::string snapshot_id;
  Instant taken_at{};
  std::uint64_t bytes_source = 0, bytes_added = 0, files = 0;
  std::vector<std::string> tags, paths, unreadable;
  bool partial = false;  // something could not be read, and is not in it
};

struct StoreWhat {
  std::vector<std::string> paths;
  std::vector<std::string> excludes{};
  std::vector<std::string> tags{};  // "belay", "type=full", …
  bool one_file_system = false;
  std::string relative_to{};              // restic runs in this directory and stores relative paths; "" absolute ones
  std::vector<std::string> must_exist{};  // a path that is missing is an error here, whatever restic says
};

class Repository {
 public:
  // Both outlive it.
  Repository(const BackupHost& host, const backup::Job& job, const VaultAccess& access, std::string key,
             bool own_cache = true);

  // Opens it, and makes it where `make` and there is none. unauthorized "wrong-key", not_found "no-repository",
  // conflict "repository-locked" (with the lock's age and owner; our own dead locks are taken away),
  // unavailable "vault-away", corrupt "repository-damaged".
  Status open(bool make, const Repository* like = nullptr);
  Result<Stored> store(const StoreWhat& what);
  Result<std::vector<Stored>> snapshots();
  Status check(bool read_data);  // P1, P2. corrupt "repository-damaged", with what restic named
  // Into a directory that is there; only `include` where not empty. Counts what came back.
  Result<std::pair<std::uint64_t, std::uint64_t>> restore(const std::string& snapshot_id, const std::string& target,
                                                          const std::vector<std::string>& include = {});
  Status forget(const std::vector<std::string>& snapshot_ids);
  Status prune();
  // Copies snapshots from another repository; those there already are passed over. new id by old id.
  Result<std::map<std::string, std::string>> copy_from(const Repository& from, const std::vector<std::string>& ids);
  Result<std::uint64_t> bytes();  // that it takes in the vault

 private:
  const BackupHost& host_;
  const backup::Job& job_;
  const VaultAccess& access_;
  std::string key_;
  bool own_cache_;
};

}  // namespace belay::agent::backups
