#include "agent/backup/vault_parts.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::VaultKind;

constexpr Duration kLookTimeout{10'000};  // a stat that takes longer is a mount that hangs
constexpr Duration kUnmountTimeout{60'000};
constexpr std::string_view kTapeLabel = "tape";

Status open_directory(VaultAccess::Impl& impl, const std::string& root, const std::string& name) {
  impl.directory = impl.url = root + "/" + name;
  // The directory above the repository: borg and restic make the last one themselves, and want it to be new or empty.
  const auto above = impl.directory.substr(0, impl.directory.rfind('/'));
  // 0711: an engine that runs as its server's user (pgBackRest) goes through it to a repository of its own.
  const auto made = impl.host.files.make_directories(above, 0711);
  if (made.ok()) return {};
  return Error(made.error().code(),
               "the vault " + impl.vault.name + " cannot be written: " + made.error().chain() +
                   "; look at the owner and the mount options of " + root,
               made.error().reason() == "disk-full" ? "vault-full" : "vault-refused");
}

Status open_s3(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix) {
  const auto& place = *impl.vault.s3;
  const auto endpoint = place.endpoint.empty()
                            ? "https://s3." + (place.region.empty() ? "" : place.region + ".") + "amazonaws.com"
                            : place.endpoint;
  impl.url = "s3:" + endpoint + "/" + place.bucket + "/" + (place.prefix.empty() ? "" : place.prefix + "/") + name;
  BELAY_TRY_ASSIGN(impl.environment["AWS_SHARED_CREDENTIALS_FILE"],
                   keep_secret(impl, "s3",
                               "[default]\naws_access_key_id = " + secret_of(secrets, prefix, "accessKey") +
                                   "\naws_secret_access_key = " + secret_of(secrets, prefix, "secretKey") + "\n"));
  const auto add = [&](std::string option) { impl.options.insert(impl.options.end(), {"-o", std::move(option)}); };
  if (!place.region.empty()) add("s3.region=" + place.region);
  if (!place.storage_class.empty()) add("s3.storage-class=" + place.storage_class);
  if (place.path_style) add("s3.bucket-lookup=path");
  if (place.ca_pem.empty()) return {};
  BELAY_TRY_ASSIGN(const auto path, keep_secret(impl, "ca", place.ca_pem));
  impl.options.insert(impl.options.end(), {"--cacert", path});
  return {};
}

Status open_rest(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix) {
  const auto& place = *impl.vault.rest;
  const auto slash = place.url.ends_with('/') ? "" : "/";
  impl.url = "rest:" + place.url + slash + name + "/";
  const auto user = secret_of(secrets, prefix, "user");
  const auto host = place.url.find("://");
  if (!user.empty() && host != std::string::npos)
    impl.secret_url = "rest:" + place.url.substr(0, host + 3) + percent_encode(user) + ":" +
                      percent_encode(secret_of(secrets, prefix, "password")) + "@" + place.url.substr(host + 3) +
                      slash + name + "/";
  if (place.ca_pem.empty()) return {};
  BELAY_TRY_ASSIGN(const auto path, keep_secret(impl, "ca", place.ca_pem));
  impl.options.insert(impl.options.end(), {"--cacert", path});
  return {};
}

Status open_tape(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix) {
  const auto& place = *impl.vault.tape;
  if (place.ltfs.empty())
    return Error(Code::unsupported,
                 "the vault " + impl.vault.name + " is the tape drive " + place.device +
                     ", and this engine cannot write to a drive; mount the tape as LTFS and name that as `ltfs`",
                 "no-engine");
  BELAY_TRY(look_at_directory(impl.host, impl.job, place.ltfs, true));
  BELAY_TRY(check_mark(impl.host, impl.job, place.ltfs, impl.vault.name, std::string(kTapeLabel),
                       secret_of(secrets, prefix, "repository.key"), impl.remarks));
  return open_directory(impl, place.ltfs, name);
}

Status open_kind(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix) {
  switch (impl.vault.kind) {
    case VaultKind::local:
    case VaultKind::mount:
      BELAY_TRY(look_at_directory(impl.host, impl.job, impl.vault.path, impl.vault.kind == VaultKind::mount));
      return open_directory(impl, impl.vault.path, name);
    case VaultKind::sftp: return open_sftp(impl, name, secrets, prefix);
    case VaultKind::s3: return open_s3(impl, name, secrets, prefix);
    case VaultKind::rest: return open_rest(impl, name, secrets, prefix);
    case VaultKind::removable: return open_drive(impl, name, secrets, prefix);
    case VaultKind::tape: return open_tape(impl, name, secrets, prefix);
  }
  return Error(Code::unsupported, "the agent does not know this kind of vault; upgrade it", "no-engine");
}

bool has_its_place(const backup::VaultSpec& vault) {
  switch (vault.kind) {
    case VaultKind::sftp: return vault.sftp.has_value();
    case VaultKind::s3: return vault.s3.has_value();
    case VaultKind::rest: return vault.rest.has_value();
    case VaultKind::removable: return vault.removable.has_value();
    case VaultKind::tape: return vault.tape.has_value();
    case VaultKind::local:
    case VaultKind::mount: break;
  }
  return vault.path.starts_with('/');
}

// restic counts in KiB a second; the tighter of both counts.
void add_limits(VaultAccess::Impl& impl) {
  auto limit = impl.vault.bytes_a_second_max;
  const auto of_job = impl.job.limits.bytes_a_second_max;
  if (of_job != 0 && (limit == 0 || of_job < limit)) limit = of_job;
  if (limit == 0) return;
  const auto kibibytes = std::to_string(std::max<std::uint64_t>(1, limit >> 10));
  impl.options.insert(impl.options.end(), {"--limit-upload", kibibytes, "--limit-download", kibibytes});
}

}  // namespace

std::string secret_of(const Secrets& secrets, std::string_view prefix, std::string_view name) {
  const auto found = secrets.find(std::string(prefix) + std::string(name));
  return found == secrets.end() ? std::string() : found->second;
}

Result<std::string> keep_secret(VaultAccess::Impl& impl, std::string_view name, std::string_view content) {
  BELAY_TRY_ASSIGN(auto file, SecretFile::make(impl.host, name, content));
  auto path = file.path();
  impl.files.push_back(std::move(file));
  return path;
}

Status look_at_directory(const BackupHost& host, const backup::Job& job, const std::string& path, bool as_mount) {
  const auto away = [&](const std::string& why) {
    return Error(Code::unavailable, "the vault's directory " + path + " " + why, "vault-away");
  };
  Call look;
  look.argv = {"stat", "--format=%d %F", "--", path, path + "/.."};
  look.timeout = kLookTimeout;
  look.directory = "/";
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(look)));
  if (outcome.end == io::ProcessOutcome::End::timed_out)
    return away("does not answer: the mount hangs; look at its server and the network");
  const auto lines = split(outcome.standard_output, '\n');
  if (!outcome.success() || lines.size() < 2)
    return away("is not there: " + how_it_ended(outcome) + "; make or mount it");
  if (!lines[0].ends_with(" directory")) return away("is no directory");
  const auto device = split(lines[0], ' ').front(), device_above = split(lines[1], ' ').front();
  if (as_mount && device == device_above)
    return away(
        "is an empty place: nothing is mounted there, and a backup would fill this machine's own disk; mount it");
  return {};
}

VaultAccess::Impl::~Impl() {
  files.clear();
  if (mounted_at.empty()) return;
  Call what;
  what.argv = {"umount", "--", mounted_at};
  what.timeout = kUnmountTimeout;
  what.directory = "/";
  const auto gone = must(host, job, std::move(what));
  if (gone.ok()) static_cast<void>(host.files.remove_tree(mounted_at));
  else log::warning("backup_drive_left", {{"path", mounted_at}, {"why", gone.error()}});
}

VaultAccess::VaultAccess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VaultAccess::VaultAccess(VaultAccess&&) noexcept = default;
VaultAccess::~VaultAccess() = default;

Result<VaultAccess> VaultAccess::open(const BackupHost& host, const backup::Job& job, const backup::VaultSpec& vault,
                                      const Secrets& secrets, std::string_view secret_prefix) {
  if (!has_its_place(vault))
    return Error(Code::invalid_argument, "the vault " + vault.name + " does not say where it is", "vault-refused");
  auto impl = std::make_unique<Impl>(host, job, vault);
  const auto& node = job.source_node_id.empty() ? job.node_id : job.source_node_id;
  BELAY_TRY(open_kind(*impl, backup::repository_name(job.plan_id, node), secrets, secret_prefix));
  add_limits(*impl);
  BELAY_TRY_ASSIGN(impl->repository_file,
                   keep_secret(*impl, "repository", impl->secret_url.empty() ? impl->url : impl->secret_url));
  return VaultAccess(std::move(impl));
}

const backup::VaultSpec& VaultAccess::vault() const { return impl_->vault; }
const std::string& VaultAccess::restic_url() const { return impl_->url; }
const std::string& VaultAccess::repository_file() const { return impl_->repository_file; }
const std::string& VaultAccess::directory() const { return impl_->directory; }
const std::map<std::string, std::string>& VaultAccess::environment() const { return impl_->environment; }
const std::vector<std::string>& VaultAccess::restic_options() const { return impl_->options; }
const std::string& VaultAccess::ssh_config() const { return impl_->ssh_config; }
const std::string& VaultAccess::ssh_path() const { return impl_->ssh_path; }
const std::vector<std::string>& VaultAccess::remarks() const { return impl_->remarks; }

Result<io::Space> VaultAccess::space() const {
  if (impl_->directory.empty())
    return Error(Code::unsupported, "the vault " + impl_->vault.name + " does not tell its space");
  return impl_->host.files.space(impl_->directory.substr(0, impl_->directory.rfind('/')));
}

bool VaultAccess::goes_with(const VaultAccess& other) const {
  // Both come in through the same variable or option.
  const auto ours = impl_->vault.kind, theirs = other.impl_->vault.kind;
  return ours != theirs || (ours != VaultKind::sftp && ours != VaultKind::s3);
}

}  // namespace belay::agent::backups
