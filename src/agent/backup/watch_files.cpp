#include <algorithm>

#include "agent/backup/files_engine.hpp"
#include "agent/backup/vault_parts.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::size_t kNoteBytesMax = 64 << 10;
constexpr Duration kLockOld{6LL * 3'600'000};  // no run of ours holds one so long without refreshing it
constexpr std::uint64_t kFreePercentMin = 5;

// What a backup notes down for those who watch without secrets.
struct Note {
  std::string directory;  // of the repository; "" where the vault is none
  std::string root;       // of the vault
  std::int64_t seen_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Note, (), (directory, root, seen_ms))

std::string note_path(const BackupHost& host, const std::string& plan, const std::string& vault) {
  auto name = plan + "@" + vault;
  std::ranges::replace(name, '/', '-');
  return host.state_directory + "/watch/" + name + ".json";
}

std::optional<Note> read_note(const BackupHost& host, const backup::Watch& watch) {
  const auto text = host.files.read(note_path(host, watch.plan_id, watch.vault_name), kNoteBytesMax);
  if (!text.ok()) return std::nullopt;
  const auto value = json::parse(*text);
  if (!value.ok()) return std::nullopt;
  auto note = json::decode<Note>(*value);
  return note.ok() ? std::optional(*note) : std::nullopt;
}

void look_at_locks(const BackupHost& host, const Note& note, backup::WatchReport& report) {
  const auto names = host.files.list(note.directory + "/locks");
  if (!names.ok()) return;
  for (const auto& name : *names) {
    const auto info = host.files.info(note.directory + "/locks/" + name);
    if (!info.ok() || report.at - info->modified < kLockOld) continue;
    report.findings.push_back(
        {"lock-old",
         "the lock " + name.substr(0, 8) + " in " + note.directory + " is there since " + to_iso8601(info->modified) +
             "; nobody gives space back meanwhile. The next backup takes it away where its process is gone"});
  }
}

void look_at_vault(const BackupHost& host, const backup::Watch& watch, const Note& note, backup::WatchReport& report) {
  const backup::Job job;
  const auto there = look_at_directory(host, job, note.root, watch.vault.kind != backup::VaultKind::local);
  if (!there.ok()) return report.findings.push_back({"vault-away", there.error().chain()});
  const auto repository = host.files.info(note.directory);
  if (!repository.ok() && repository.error().code() == Code::not_found)
    report.findings.push_back(
        {"repository-gone", note.directory +
                                " is not there any more, and backups were made into it; nothing "
                                "is made in its place. Bring it back, or see `belay vault check " +
                                watch.vault_name + "`"});
  look_at_locks(host, note, report);
  const auto space = host.files.space(note.root);
  if (!space.ok()) return;
  report.vault_bytes_free = space->bytes_free;
  if (space->bytes_total > 0 && space->bytes_free / (space->bytes_total / 100 + 1) < kFreePercentMin)
    report.findings.push_back({"vault-full", note.root + " has " + std::to_string(space->bytes_free >> 20) +
                                                 " MiB free, less than " + std::to_string(kFreePercentMin) +
                                                 " percent; keep less, or make it larger"});
}

void look_for_drive(const backup::Watch& watch, const Note& note, backup::WatchReport& report) {
  const auto after = watch.vault.removable->asked_after;
  const auto seen = from_unix_ms(note.seen_ms);
  if (after <= Duration(0) || report.at - seen < after) return;
  report.findings.push_back({"drive-wanted", "no drive of " + watch.vault_name + " (" +
                                                 join(watch.vault.removable->labels, ", ") +
                                                 ") was backed up to since " + to_iso8601(seen) + "; plug one in"});
}

}  // namespace

void note_for_watch(const BackupHost& host, const backup::Job& job, const VaultAccess& access) {
  Note note{.directory = access.directory(), .root = access.vault().path, .seen_ms = to_unix_ms(host.clock.now())};
  if (access.vault().kind == backup::VaultKind::tape) note.root = access.vault().tape->ltfs;
  // Without it the watch says less; the backup is none the worse.
  if (!host.files.make_directories(host.state_directory + "/watch", 0700).ok()) return;
  static_cast<void>(host.files.write_durable(note_path(host, job.plan_id, access.vault().name),
                                             json::to_text(json::encode(note)), 0600));
}

backup::WatchReport watch_vault(const BackupHost& host, const backup::Watch& watch) {
  backup::WatchReport report;
  report.plan_id = watch.plan_id;
  report.at = host.clock.now();
  using backup::VaultKind;
  const auto note = read_note(host, watch);
  if (!note) return report;  // nothing was backed up from here yet
  switch (watch.vault.kind) {
    case VaultKind::local:
    case VaultKind::mount:
    case VaultKind::tape: look_at_vault(host, watch, *note, report); break;
    case VaultKind::removable:
      if (watch.vault.removable) look_for_drive(watch, *note, report);
      break;
    case VaultKind::sftp:
    case VaultKind::s3:
    case VaultKind::rest: break;
  }
  return report;
}

}  // namespace belay::agent::backups
