#pragma once
// Copies on tape. A drive can neither be written at random nor list what it holds, so each copy is an archive of its
// own: a restic repository that holds the copied points and nothing else, encrypted with the tape vault's key, written
// at the end of what the tape holds, and read again at once. Archive 0 of a tape is its label. A plain file stands for
// a tape as well (a virtual one); archives follow each other in it.
//
// A tape forgets nothing: a point that is let go of stays on it until somebody erases the tape.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/backup/files_engine.hpp"

namespace belay::agent::backups {

// Where a point is: "tape:TAPE:PLACE:SNAPSHOT". PLACE is the number of the archive, in a plain file its first byte.
struct OnTape {
  std::string tape;  // as its label says
  std::uint64_t place = 0;
  std::string snapshot_id;
};
std::string text_of(const OnTape& point);
std::optional<OnTape> parse_on_tape(std::string_view reference);

bool is_tape_drive(const backup::VaultSpec& vault);

// job.points into job.copy_to, which is a drive. Points in the report have the same order. reason "drive-wanted" where
// there is no tape, "vault-refused" where the tape is somebody else's.
backup::JobReport copy_to_tape(const BackupHost& host, const backup::Job& job, const Secrets& secrets);

// Whether a tape of the vault, or an empty one, is in the drive job.vault.
backup::JobReport check_tape(const BackupHost& host, const backup::Job& job);
// Forgets what a tape cannot: needs no tape.
backup::JobReport let_go_of(const backup::Job& job);

// The archive of job.points[0], read into scratch as job.vault is a drive. It is opened as every store; nothing can be
// stored in it, and forgetting only lets go. "drive-wanted" where another tape is in the drive.
Result<std::unique_ptr<FileStore>> read_from_tape(const BackupHost& host, const backup::Job& job,
                                                  const Secrets& secrets);

}  // namespace belay::agent::backups
