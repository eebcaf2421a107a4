#pragma once
// What pgBackRest is told and what it says, as values. Pure, bounded. Its ways (2.45, Debian 12; its manual and
// source): `info` and `verify` end with 0 whatever they found, `verify` passes over a backup whose directory vanished
// and over gaps in the archive, messages of a wrong key carry raw bytes.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/backup/point.hpp"
#include "core/backup/vault.hpp"

namespace belay::agent::backups::pgbackrest {

// ---- its configuration file: holds the cipher pass and the vault's keys, so only the server's group may read it.
struct Config {
  std::string stanza, data_directory, socket_directory;  // socket_directory "" : its default
  std::uint32_t port = 0;                                // 0: its default
  std::string repository;                                // absolute path: in the file system, or below the bucket
  const backup::VaultSpec* vault = nullptr;              // must outlive it
  std::string key, access_key, secret_key;
  std::string ca_file;  // of an S3 endpoint that is not a public one
  std::string lock_path, spool_path;
  std::uint32_t processes = 1;
  std::uint64_t archive_get_bytes_max = 0;  // of WAL fetched ahead; 0: none is
};
// invalid_argument where a value has a line break (it would be another option), unsupported where pgBackRest 2.45
// cannot reach such a vault.
Result<std::string> config_text(const Config& config);

// The line of postgresql.conf; the file's name and the stanza are checked to need no quotes.
std::string archive_command(std::string_view config_path, std::string_view stanza);

// ---- `info --output=json`
struct Made {
  std::string label;                    // 20261123-154255F, …F_20261123-160000D, …I
  std::vector<std::string> references;  // all that it needs, oldest first
  std::string wal_start, wal_stop;      // 24 hex digits
  std::string lsn_start, lsn_stop;
  Instant began_at{}, ended_at{};
  std::uint64_t bytes = 0, bytes_repository_added = 0;
  bool page_errors = false;  // a page whose checksum is wrong was copied
  std::string version, archive_id;
  std::map<std::string, std::string> annotations;
};
struct Info {
  int code = 99;
  std::string message;  // printable
  bool backup_runs = false;
  std::vector<Made> made;  // as they were made
  std::string archive_id;  // of the present cluster: "15-1"; "" none
  const Made* find(std::string_view label) const;
};
// corrupt where it is no JSON or has no such stanza.
Result<Info> parse_info(std::string_view text, std::string_view stanza);
// Ok where the repository can be used (also with no backup in it yet). not_found "no-repository", unauthenticated
// "wrong-key", corrupt "repository-damaged", conflict "other-cluster".
Status judge(const Info& info);

std::optional<backup::BackupType> type_of(std::string_view label);  // by its last letter

// ---- `verify --output=text --verbose`, its exit status means nothing
struct Verified {
  bool said_ok = false;
  struct Part {
    std::string name;  // a label or an archive id
    bool valid = false;
    std::string figures;  // "total files checked: 967, total valid files: 966, checksum invalid: 1"
  };
  std::vector<Part> archives, backups;
  const Part* backup(std::string_view label) const;
};
// corrupt where it does not say its status.
Result<Verified> parse_verify(std::string_view text);

// ---- `repo-ls --output=json`: the last part of the path of each file (`files`) or directory.
struct Listed {
  std::vector<std::string> files, directories;
  std::vector<Instant> times;  // of the files, in the same order: when they were last written
  std::uint64_t bytes = 0;
};
Result<Listed> parse_repo_ls(std::string_view text);

// ---- what an exit status means, and what to do. By pgBackRest's error table (build/error.yaml) and trials.
struct ExitMeaning {
  Code code = Code::internal;
  std::string_view reason;  // stable; "" none
  std::string_view what;
};
ExitMeaning exit_meaning(int status);
// The lines that begin with ERROR or WARN, printable, at most 1,000 bytes.
std::string complaints(std::string_view output, std::string_view kind = "ERROR");

// ---- a position: the name of the restore point and where it lies: "belay-20261123-154255F@0/3000100"
struct Position {
  std::string name, lsn;
};
std::string to_text(const Position& position);
std::optional<Position> parse_position(std::string_view text);

// A segment of WAL by its number: timeline and LSN to the name of its file. "" where the LSN is none.
std::string wal_name(std::uint32_t timeline, std::string_view lsn, std::uint64_t segment_bytes);
std::optional<std::uint64_t> parse_lsn(std::string_view text);  // "16/B374D848"
// The names of a listing from one segment on up to another (""), whatever its timeline, without what follows them.
std::vector<std::string> wal_between(const std::vector<std::string>& files, std::string_view from, std::string_view to);
bool is_wal_name(std::string_view text);  // 24 hex digits

}  // namespace belay::agent::backups::pgbackrest
