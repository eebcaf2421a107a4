#pragma once
// Binary logs: closed ones into the repository with each run, out of it again to recover to a moment or a position.
// What is in the repository is also remembered on the node, for the watch, which has no key.
#include "agent/backup/mariadb_points.hpp"
#include "agent/backup/mariadb_source.hpp"

namespace belay::agent::backups::mariadb {

// On the node, in the state directory; lost, it is read from the repository's tags.
struct Archived {
  std::string base, epoch;  // of the sequence: after RESET MASTER numbers begin anew, and so does a new epoch
  std::uint64_t first = 0, last = 0;
  std::uint64_t last_bytes = 0;  // of the newest one: another size under the same name is another sequence
  std::uint64_t open_bytes = 0;  // of the log that followed, when it was opened: as long as now, nothing was changed
  Instant until{};               // every change up to then is in the repository
  std::string gap;               // for a person: the newest one, until the next full backup
  std::vector<backup::LogGap> gaps{};  // oldest first
};
Archived read_archived(std::string_view text);
std::string text_of(const Archived& archived);
Archived archived_in(const std::vector<LogRun>& runs);  // what the repository itself says
// From the node, else from the repository.
Archived load_archived(const BackupHost& host, std::string_view plan_id, const std::vector<Stored>& all);
std::optional<Archived> remembered(const BackupHost& host, std::string_view plan_id);
Status remember(const BackupHost& host, std::string_view plan_id, const Archived& archived);

// Logs are missing between what is archived and `until`.
void note_gap(Archived& archived, Instant until);

// The server's logs are not those that follow what is archived.
bool is_another_sequence(const Archived& archived, const std::vector<ServerLog>& server);
// What is to be stored now, of the server's logs but the one that is open.
struct ToArchive {
  std::vector<ServerLog> logs;
  std::string gap;  // "3 binary logs between …": deleted before they were archived
};
// `needed_from`: where the newest point begins, should nothing be archived yet.
ToArchive to_archive(const Archived& archived, const std::vector<ServerLog>& server, const LogPosition& needed_from);

// Closes the server's open log: what came before is then in closed files.
Result<std::vector<ServerLog>> flush_logs(const Source& source);
// Flushes, stores what is new, remembers it. Remarks are for a person. May be repeated.
Status archive_logs(const Source& source, Repository& repository, const LogPosition& needed_from, Archived& archived,
                    std::vector<std::string>& remarks);

struct LogsWanted {
  std::string epoch;
  LogPosition from;
  std::optional<LogPosition> to;  // a position, or …
  std::optional<Instant> until;   // … a moment
};
// The files that are needed, in order, in `directory`. corrupt "log-gap" where one is missing, not_found
// "logs-too-short" where they end before.
Result<std::vector<std::string>> fetch_logs(const BackupHost& host, Repository& repository,
                                            const std::vector<Stored>& all, const LogsWanted& wanted,
                                            const std::string& directory);
// Decodes all files in one call (what one begins may end in the next), then feeds them to the server: through a file,
// since a pipe hides how its first half ended. When the newest change in them was made.
Result<std::optional<Instant>> recover(const Client& client, const std::vector<std::string>& files,
                                       const LogsWanted& wanted, const std::string& scratch);

}  // namespace belay::agent::backups::mariadb
