#pragma once
// What borg says with --log-json and --json, as values. Outside data: bounded, nothing of it is trusted to be whole.
#include "agent/backup/restic_text.hpp"

namespace belay::agent::backups {

struct BorgMessages {
  std::vector<std::string> errors, warnings;  // at most 100 each
  std::vector<std::string> unreadable;        // of the warnings: what is not in the archive
  std::vector<std::string> ids;               // "PassphraseWrong", "LockTimeout", …
};
// One line of standard error.
void read_borg_message(std::string_view line, BorgMessages& messages,
                       const std::function<void(const BackupProgress&)>& progress);
// Why it failed: the reasons of Repository.
Error borg_error(std::string_view what, const BorgMessages& messages);
// `borg create --json`; times are UTC (TZ). snapshot_id is the archive's name.
Result<Stored> parse_borg_created(std::string_view text);
// `borg list --json`, oldest first.
Result<std::vector<Stored>> parse_borg_list(std::string_view text);

}  // namespace belay::agent::backups
