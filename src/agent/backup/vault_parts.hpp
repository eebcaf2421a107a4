#pragma once
// Only for this room's sources: what VaultAccess is made of.
#include "agent/backup/repository.hpp"

namespace belay::agent::backups {

struct VaultAccess::Impl {
  Impl(const BackupHost& h, const backup::Job& j, backup::VaultSpec v) : host(h), job(j), vault(std::move(v)) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const BackupHost& host;
  const backup::Job& job;
  backup::VaultSpec vault;
  std::string url, secret_url, directory, ssh_config, ssh_path;
  std::map<std::string, std::string> environment;
  std::vector<std::string> options, remarks;
  std::vector<SecretFile> files;
  std::string repository_file;
  std::string mounted_at;  // unmounted at the end
};

// Whether a directory answers within some seconds and is there; `as_mount`: and something is mounted on it. A hanging
// mount hangs a child of ours and not us. unavailable "vault-away".
Status look_at_directory(const BackupHost& host, const backup::Job& job, const std::string& path, bool as_mount);

Status open_sftp(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix);
Status open_drive(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix);
// The mark of a drive or tape of ours, in its root. Made where there is none and the task writes; unauthenticated
// "vault-refused" where it is another's.
Status check_mark(const BackupHost& host, const backup::Job& job, const std::string& root, const std::string& vault,
                  const std::string& label, const std::string& key, std::vector<std::string>& remarks);

std::string secret_of(const Secrets& secrets, std::string_view prefix, std::string_view name);
Result<std::string> keep_secret(VaultAccess::Impl& impl, std::string_view name, std::string_view content);
std::string percent_encode(std::string_view text);

}  // namespace belay::agent::backups
