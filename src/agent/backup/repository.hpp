#pragma once
// A restic repository in any kind of vault: what stores dumps, copies of databases, files and the output of commands,
// encrypted and de-duplicated. Engines that make files use it; the engine "restic" is little more than this. (restic
// 0.14, Debian 12, has no codes 10 to 12 and no JSON but of backup, ls, snapshots, stats: repository.cpp knows both.)
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

// How programs reach a vault: the restic URL of a repository in it, environment and files that hold the secrets. A
// mounted vault must really be mounted, a removable one is found by its label and mounted while this lives, a host key
// is pinned. reason "vault-away", "vault-full", "vault-refused", "drive-wanted"; unsupported of a tape drive.
class VaultAccess {
 public:
  static Result<VaultAccess> open(const BackupHost& host, const backup::Job& job, const backup::VaultSpec& vault,
                                  const Secrets& secrets, std::string_view secret_prefix = {});
  ~VaultAccess();
  VaultAccess(VaultAccess&&) noexcept;
  VaultAccess& operator=(VaultAccess&&) = delete;

  const backup::VaultSpec& vault() const;
  const std::string& restic_url() const;       // of the repository of the job's plan and source node; no secret in it
  const std::string& repository_file() const;  // holds the same with what is secret in it: restic's --repository-file
  const std::string& directory() const;        // the same as a path, where the vault is one; "" else
  const std::map<std::string, std::string>& environment() const;
  const std::vector<std::string>& restic_options() const;  // "-o", "sftp.command=…", "--cacert", …, limits
  // Of sftp: ssh's configuration, whose only host is "vault" with its key pinned; and the path there. "" else.
  const std::string& ssh_config() const;
  const std::string& ssh_path() const;
  const std::vector<std::string>& remarks() const;  // for a person: "drive B", …
  // Of a bucket: whether it keeps versions and locks objects, as far as the tools of this machine tell. Asks the vault.
  std::vector<std::string> protections() const;
  Result<io::Space> space() const;  // unsupported where the vault does not tell
  // A program that reaches both at once: whether their secrets and options go together.
  bool goes_with(const VaultAccess& other) const;

  struct Impl;  // vault_parts.hpp

 private:
  explicit VaultAccess(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Leaves of the labels of a removable vault the one drive that this job is about: the one that its points lie on, else
// the one that is plugged in; and of its points and chain what lies there. Where no drive is plugged in several labels
// may stay, for who opens the vault to name.
Status choose_drives(const BackupHost& host, backup::Job& job);
// The label where one drive is left; "" else and of other vaults.
std::string drive_of(const backup::VaultSpec& vault);
// The server knows points in this repository: where there is none it is gone, and none is made in its place.
bool must_be_there(const backup::Job& job, const backup::VaultSpec& vault);
Error repository_gone(const backup::VaultSpec& vault);

struct Stored {
  std::string snapshot_id;
  std::string original;  // of a copy: the snapshot it was made from
  std::string host;
  Instant taken_at{};
  Instant previous_at{};                                       // of a new one: when the one before it was taken
  std::uint64_t bytes_source = 0, bytes_added = 0, files = 0;  // of a new one; 0 in a list
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

struct ListedFile;    // restic_text.hpp
struct ResticBackup;  // the same

class Repository {
 public:
  // Host, job and access outlive it. `key`: what it is encrypted with.
  Repository(const BackupHost& host, const backup::Job& job, const VaultAccess& access, std::string key,
             bool own_cache = true);

  // Opens it, and makes it where `make` and there is none. unauthenticated "wrong-key", not_found "no-repository" and,
  // where it must be there, "repository-gone",
  // conflict "repository-locked" (with the lock's age and owner; our own dead locks are taken away),
  // unavailable "vault-away", corrupt "repository-damaged".
  Status open(bool make, Repository* like = nullptr);
  // A repository in which a check found damage is mended first: the damaged packs are put aside and what they held is
  // stored anew (directories); elsewhere corrupt "repository-damaged" until a person did that.
  Result<Stored> store(const StoreWhat& what);
  Result<std::vector<Stored>> snapshots();  // oldest first by their own date
  Status check(bool read_data);             // P1, P2. corrupt "repository-damaged", with what restic named
  // Into a directory that is there; only `include` where not empty. Counts what came back: bytes, files.
  Result<std::pair<std::uint64_t, std::uint64_t>> restore(const std::string& snapshot_id, const std::string& target,
                                                          const std::vector<std::string>& include = {});
  Status forget(const std::vector<std::string>& snapshot_ids);  // absent ones are fine; those left over are an error
  Status prune();
  // Copies snapshots from another repository; those there already are passed over. new id by old id.
  Result<std::map<std::string, std::string>> copy_from(Repository& from, const std::vector<std::string>& ids);
  Result<std::uint64_t> bytes();  // that it takes in the vault
  // Each entry of a snapshot, as the repository has it.
  Status each_file(const std::string& snapshot_id, const std::function<void(const ListedFile&)>& each);
  Result<std::string> version();  // "restic 0.14.0"

 private:
  Result<Call> call_of(std::vector<std::string> arguments);
  Result<std::string> expect(const std::string& what, Call call);
  Result<std::string> restic(const std::string& what, std::vector<std::string> arguments, Duration timeout);
  Status make(Repository* like);
  Error why_no_ssh(const Error& error);
  Result<std::vector<std::string>> lock_ids();
  Status drop_dead_locks(bool exclusive);
  std::string note_of_damage() const;  // the path of the file
  Status mend();
  Result<Stored> store_once(const StoreWhat& what, bool anew);
  Result<Stored> found(const ResticBackup& seen, const StoreWhat& what);
  Result<std::map<std::string, std::string>> copy_by_staging(Repository& from, const std::vector<std::string>& ids);

  const BackupHost& host_;
  const backup::Job& job_;
  const VaultAccess& access_;
  std::string key_;
  bool own_cache_;
  std::optional<SecretFile> key_file_;
};

// A directory that is a repository of another program's (borg, pgBackRest): kept as a snapshot in `target`. The program
// must not write meanwhile. Its content comes back with Repository::restore.
Result<Stored> store_directory(Repository& target, const std::string& directory, std::vector<std::string> tags);

// The task `copy` of an engine whose points are snapshots of a restic repository: job.points into job.copy_to. Points
// in the report have the same order.
backup::JobReport copy_snapshots(const BackupHost& host, const backup::Job& job, const Secrets& secrets);

}  // namespace belay::agent::backups
