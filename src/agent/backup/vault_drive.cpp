#include <algorithm>

#include "agent/backup/vault_parts.hpp"
#include "base/bytes.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::string_view kMarkFile = ".belay-vault";
constexpr std::size_t kMarkBytesMax = 4'096;
constexpr Duration kBlkidTimeout{30'000}, kMountTimeout{60'000};

// As udev writes a label: what is not a plain character is \xHH.
std::string to_udev(std::string_view label) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#+-.:=@_";
  std::string name;
  for (const char c : label) {
    if (kPlain.find(c) != std::string_view::npos) name += c;
    else name += "\\x" + to_hex(std::string_view(&c, 1));
  }
  return name;
}

// The device of a label; "" where no drive with it is plugged in.
Result<std::string> device_of(const BackupHost& host, const backup::Job& job, const std::string& label) {
  auto link = "/dev/disk/by-label/" + to_udev(label);
  if (host.files.info(link).ok()) return link;
  // No udev here, or it has not seen the drive yet.
  Call what;
  // Not -L: that asks a cache, which remembers drives that were unplugged.
  what.argv = {"blkid", "-c", "/dev/null", "-o", "device", "-t", "LABEL=" + label};
  what.timeout = kBlkidTimeout;
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(what)));
  return outcome.success() ? std::string(trim(split(outcome.standard_output, '\n').front())) : std::string();
}

std::string mark_of(const std::string& vault, const std::string& label, const std::string& key) {
  const auto said = "belay-drive-1\n" + vault + "\n" + label + "\n";
  return said + to_hex(io::hmac_sha256(key, said)) + "\n";
}

bool writes(backup::Task task) {
  return task == backup::Task::backup || task == backup::Task::copy || task == backup::Task::check;
}

Status mount_at(VaultAccess::Impl& impl, const std::string& device, const std::string& path) {
  BELAY_TRY(impl.host.files.make_directories(path, 0700));
  Call what;
  what.argv = {"mount", "-o", "nosuid,nodev,noexec", "--", device, path};
  what.timeout = kMountTimeout;
  const auto mounted = must(impl.host, impl.job, std::move(what));
  if (!mounted.ok())
    return Error(Code::unavailable,
                 "the drive " + device + " of the vault " + impl.vault.name +
                     " cannot be mounted: " + mounted.error().chain() + "; check its file system",
                 "vault-away");
  impl.mounted_at = path;
  return {};
}

// The first one that is plugged in, alone. Where there is none they stay: who opens the vault names them all.
Status keep_plugged(const BackupHost& host, const backup::Job& job, std::vector<std::string>& labels) {
  if (labels.size() < 2) return {};
  for (const auto& label : labels) {
    BELAY_TRY_ASSIGN(const auto device, device_of(host, job, label));
    if (device.empty()) continue;
    labels = std::vector<std::string>{label};
    break;
  }
  return {};
}

}  // namespace

std::string drive_of(const backup::VaultSpec& vault) {
  const bool one = vault.removable && vault.removable->labels.size() == 1;
  return one ? vault.removable->labels.front() : std::string();
}

Status choose_drives(const BackupHost& host, backup::Job& job) {
  using backup::Task;
  if (job.copy_to && job.copy_to->removable) BELAY_TRY(keep_plugged(host, job, job.copy_to->removable->labels));
  if (!job.vault.removable) return {};
  auto& labels = job.vault.removable->labels;
  std::vector<std::string> wanted;  // in the order of the points
  for (const auto& point : job.points)
    if (!point.drive.empty() && std::ranges::find(wanted, point.drive) == wanted.end()) wanted.push_back(point.drive);
  if (!wanted.empty()) labels = wanted;
  if (job.task == Task::prove || job.task == Task::restore || job.task == Task::copy)
    labels.resize(std::min<std::size_t>(labels.size(), wanted.empty() ? labels.size() : 1));
  BELAY_TRY(keep_plugged(host, job, labels));
  const auto drive = drive_of(job.vault);
  if (drive.empty()) return {};
  const auto elsewhere = [&](const backup::MadePoint& point) { return !point.drive.empty() && point.drive != drive; };
  std::erase_if(job.points, elsewhere);
  std::erase_if(job.chain, elsewhere);
  // What an increment would build on is not here.
  if (job.task == Task::backup && job.chain.empty()) job.type = backup::BackupType::full;
  return {};
}

bool must_be_there(const backup::Job& job, const backup::VaultSpec& vault) {
  const auto is = [&](const backup::VaultSpec& one) {
    return one.name == vault.name && one.kind == vault.kind && one.path == vault.path;
  };
  const auto* known = is(job.vault) ? &job.known_in : job.copy_to && is(*job.copy_to) ? &job.copy_known_in : nullptr;
  return known && std::ranges::find(*known, drive_of(vault)) != known->end();
}

Error repository_gone(const backup::VaultSpec& vault) {
  const auto& name = vault.name;
  const auto drive = drive_of(vault);
  return Error(Code::not_found,
               "the repository in the vault " + name + (drive.empty() ? "" : " on the drive " + drive) +
                   " is gone, and recovery points are known to be in it; nothing was made in its place. Mount it or "
                   "bring it back, and say `belay vault check " +
                   name +
                   "`. Where it is lost for good, let go of its points with `belay backup delete`: the next backup "
                   "makes a new one",
               "repository-gone");
}

Status check_mark(const BackupHost& host, const backup::Job& job, const std::string& root, const std::string& vault,
                  const std::string& label, const std::string& key, std::vector<std::string>& remarks) {
  const auto path = root + "/" + std::string(kMarkFile);
  const auto wanted = mark_of(vault, label, key);
  const auto mark = host.files.read(path, kMarkBytesMax);
  if (mark.ok() && equal_constant_time(*mark, wanted)) return {};
  if (mark.ok())
    return Error(Code::unauthenticated,
                 root + " has the label " + label + ", but the mark of another vault or key (" + path +
                     "); plug in the right one, or remove the mark where this one is to be taken over",
                 "vault-refused");
  if (mark.error().code() != Code::not_found) return mark.error().within("the drive cannot be read");
  if (!writes(job.task))
    return Error(Code::not_found,
                 root + " has the label " + label + ", but no mark of this vault: nothing was backed up to it",
                 "vault-refused");
  remarks.push_back("the drive " + label + " was new and is marked as one of the vault " + vault + " now");
  const auto written = host.files.write_durable(path, wanted, 0600);
  if (written.ok()) return {};
  return Error(written.error().code(), "the drive cannot be marked: " + written.error().chain(), "vault-refused");
}

Status open_drive(VaultAccess::Impl& impl, const std::string& name, const Secrets& secrets, std::string_view prefix) {
  const auto& place = *impl.vault.removable;
  std::string device, label;
  for (const auto& candidate : place.labels) {
    BELAY_TRY_ASSIGN(device, device_of(impl.host, impl.job, candidate));
    label = candidate;
    if (!device.empty()) break;
  }
  if (device.empty())
    return Error(Code::unavailable,
                 "no drive of the vault " + impl.vault.name + " is plugged in; it is one with the file system label " +
                     join(place.labels, " or "),
                 "drive-wanted");
  const auto root = impl.host.work_directory + "/drive-" + std::string(prefix.empty() ? "own" : "copy");
  BELAY_TRY(mount_at(impl, device, root));
  BELAY_TRY(check_mark(impl.host, impl.job, root, impl.vault.name, label, secret_of(secrets, prefix, "repository.key"),
                       impl.remarks));
  impl.remarks.push_back("drive " + label);
  const auto below = root + (place.path.empty() ? "" : "/" + place.path);
  impl.directory = impl.url = below + "/" + name;
  const auto made = impl.host.files.make_directories(impl.directory.substr(0, impl.directory.rfind('/')), 0711);
  if (made.ok()) return {};
  return Error(Code::permission_denied, "the drive " + label + " cannot be written: " + made.error().chain(),
               "vault-refused");
}

}  // namespace belay::agent::backups
