#include "agent/backup/vault_parts.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::string_view kHost = "vault";

// A value of ssh_config: quoted, for there may be blanks in it. '"' and line ends cannot be said.
Result<std::string> quoted(const std::string& value) {
  if (value.find_first_of("\"\n\r") == std::string::npos) return "\"" + value + "\"";
  return Error(Code::invalid_argument, "a name of the vault holds a quote or a line end: " + sanitize(value, 100),
               "vault-refused");
}

}  // namespace

Status open_sftp(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix) {
  const auto& place = *impl.vault.sftp;
  auto key = secret_of(secrets, prefix, "sshKey");
  if (!key.ends_with('\n')) key += '\n';  // ssh does not read a key whose last line has no end
  BELAY_TRY_ASSIGN(const auto key_path, keep_secret(impl, "ssh-key", key));
  std::string known;
  for (const auto& host_key : place.host_keys) known += std::string(kHost) + " " + host_key + "\n";
  BELAY_TRY_ASSIGN(const auto known_path, keep_secret(impl, "known-hosts", known));
  BELAY_TRY_ASSIGN(const auto host, quoted(place.host));
  BELAY_TRY_ASSIGN(const auto user, quoted(place.user));
  BELAY_TRY_ASSIGN(const auto key_quoted, quoted(key_path));
  BELAY_TRY_ASSIGN(const auto known_quoted, quoted(known_path));
  const auto config = "Host " + std::string(kHost) + "\n  HostName " + host + "\n  Port " + std::to_string(place.port) +
                      "\n  User " + user + "\n  HostKeyAlias " + std::string(kHost) + "\n  IdentityFile " + key_quoted +
                      "\n  UserKnownHostsFile " + known_quoted +
                      "\n  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n  IdentityAgent none\n"
                      "  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  CheckHostIP no\n  BatchMode yes\n"
                      "  PreferredAuthentications publickey\n  ConnectTimeout 20\n  ServerAliveInterval 15\n"
                      "  ServerAliveCountMax 4\n  ControlMaster no\n  ControlPath none\n  ForwardAgent no\n"
                      "  ClearAllForwardings yes\n";
  BELAY_TRY_ASSIGN(impl.ssh_config, keep_secret(impl, "ssh-config", config));
  impl.ssh_path = place.path + "/" + name;
  impl.url = "sftp:" + std::string(kHost) + ":" + impl.ssh_path;
  // No file of the machine's: what a vault is reached with is what its operator said.
  impl.options.insert(impl.options.end(),
                      {"-o", "sftp.command=ssh -F '" + impl.ssh_config + "' " + std::string(kHost) + " -s sftp"});
  return {};
}

}  // namespace belay::agent::backups
