#pragma once
// What restic says, as values. Everything here is outside data: bounded, and nothing of it is trusted to be whole.
// (restic 0.14: JSON lines of backup, ls and snapshots; plain text of everything else, judged by its words.)
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/backup/backup_engine.hpp"
#include "agent/backup/repository.hpp"

namespace belay::agent::backups {

// Lines of what comes in pieces. A line that is longer than any of ours is passed over.
class Lines {
 public:
  explicit Lines(std::function<void(std::string_view line)> each) : each_(std::move(each)) {}
  void add(std::string_view text);
  void end();  // the last line may have no end

 private:
  std::function<void(std::string_view)> each_;
  std::string rest_;
  bool too_long_ = false;
};

struct ResticBackup {
  std::optional<Stored> summary;        // only where restic came to its end
  std::vector<std::string> unreadable;  // at most 100, and how many there were
  std::uint64_t unreadable_count = 0;
  std::vector<std::string> skipped;  // paths that do not exist, which restic passes over with status 0
  std::vector<std::string> said;     // other words, the last 20 lines
};
// One line of `restic backup --json`, of either stream.
void read_backup_line(std::string_view line, ResticBackup& backup,
                      const std::function<void(const BackupProgress&)>& progress);

// `restic snapshots --json`; corrupt where it is none of it.
Result<std::vector<Stored>> parse_snapshots(std::string_view text);

// A line of `restic ls --json` or of `borg list --json-lines`.
struct ListedFile {
  enum class Kind { file, hard_link, directory, link, other };  // hard_link: borg's, whose bytes stand elsewhere
  Kind kind = Kind::other;
  std::string path;
  std::uint64_t bytes = 0;
  std::string modified;  // as it was written
};
std::optional<ListedFile> parse_listed(std::string_view line);

struct ResticLock {
  Instant since{};
  bool exclusive = false;
  std::string host, user;
  std::uint64_t process = 0;
};
Result<ResticLock> parse_lock(std::string_view text);

// Why restic failed, from its words: the errors of Repository (see there), internal where they are not understood.
Error restic_error(std::string_view what, std::string_view said);
// Packs that `check --read-data` names as damaged.
std::vector<std::string> damaged_packs(std::string_view said);

}  // namespace belay::agent::backups
