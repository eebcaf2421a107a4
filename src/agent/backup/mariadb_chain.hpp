#pragma once
// Sets of mariadb-backup and how they build upon each other: what the next one is built on, and how a chain becomes a
// data directory again.
#include "agent/backup/mariadb_drill.hpp"
#include "agent/backup/mariadb_making.hpp"

namespace belay::agent::backups::mariadb {

// A point that others may be built upon. Kept on the node; lost, it is taken back from the repository.
struct Base {
  std::string label;
  std::vector<std::string> needs;
  std::string checkpoints;  // the file as mariadb-backup wrote it: it reads its position there, and nobody makes one up
};
struct ChainState {
  std::string identity;  // of the data directory
  Base full, last;
};
ChainState read_chain_state(std::string_view text);
std::string text_of(const ChainState& state);

// The name of the checkpoints file in this set, and its content: it changed with 11.0. not_found.
Result<std::string> read_set_file(const BackupHost& host, const std::string& set, std::string_view what);

struct Basis {
  backup::BackupType type = backup::BackupType::full;
  Base base;           // of other types than full
  std::string remark;  // why it became a full one
};
// What a backup of the wanted type is built on. Where there is nothing to build on (no full one, another data
// directory, a member of the chain that is gone) it becomes a full one, and says so.
Result<Basis> choose_basis(const BackupHost& host, const backup::Job& job, const Making& making);
Status remember_base(const BackupHost& host, const backup::Job& job, const std::string& identity,
                     backup::BackupType type, const Base& base);

// A drill found damage: the next backup is a full one, whatever was asked for.
Status want_full(const BackupHost& host, const backup::Job& job);

// The snapshots that make up a point, oldest first. corrupt "chain-broken" where one is missing.
Result<std::vector<const Stored*>> members_of(const std::vector<Stored>& all, const std::string& label);
// Their LSNs by tags: each begins where the one it builds on ended. P1 evidence.
void check_members(const std::vector<const Stored*>& members, backup::JobReport& report);
// Room for their restore: twice the whole, since preparing changes and grows it, and the increments.
std::uint64_t bytes_to_restore(const std::vector<const Stored*>& members);

struct Prepared {
  std::string directory;              // a data directory of server_user
  std::string about;                  // of the newest member
  LogPosition at;                     // that its content is as of
  std::vector<std::string> inside{};  // "shop/orders": tables that lay outside (DATA DIRECTORY), and do no more
};
// Fetches all into `parent` (an empty directory) and prepares them in order: the first becomes the data directory. What
// was changed in the server's definitions during a backup is only found here. Phases "fetch" and "prepare".
Result<Prepared> fetch_and_prepare(const BackupHost& host, const backup::Job& job, Repository& repository,
                                   const std::vector<const Stored*>& members, const std::string& parent,
                                   Stopwatch& watch);

}  // namespace belay::agent::backups::mariadb
