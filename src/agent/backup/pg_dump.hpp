#pragma once
// PostgreSQL by pg_dump: one dump of each database, in one snapshot each that its rows are counted in, and the roles
// of the cluster, as files in a restic repository. Databases are not of the same moment among each other. Uncompressed:
// the repository compresses, and finds again what did not change.
#include "agent/backup/engines.hpp"
#include "agent/backup/pg_drill.hpp"
#include "agent/backup/pg_server.hpp"
#include "agent/backup/repository.hpp"

namespace belay::agent::backups::dumps {

// What lies beside the dumps and tells what they are: manifest.json.
struct Dumped {
  std::string database, file;  // "0001.dump": names of databases may hold anything
  std::uint64_t bytes = 0, entries = 0;
};
BOOST_DESCRIBE_STRUCT(Dumped, (), (database, file, bytes, entries))
struct Manifest {
  std::string server_version, superuser, libraries;
  std::uint32_t major = 0;
  Instant taken_at{};
  std::vector<Dumped> databases;
  std::vector<backup::Fingerprint> fingerprints;
};
BOOST_DESCRIBE_STRUCT(Manifest, (), (server_version, superuser, libraries, major, taken_at, databases, fingerprints))
inline constexpr std::size_t kManifestBytesMax = 4u << 20;

Status check(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);
Status back_up(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);
Status prove(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);
Status restore(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);
Status forget(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);
Status list(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);

// The vault and the repository in it, opened.
struct Place {
  VaultAccess access;
  std::unique_ptr<Repository> repository;
};
Result<std::unique_ptr<Place>> open_place(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                                          bool make);
// Of all files of a snapshot, as the repository lists them.
Result<std::uint64_t> bytes_of(Repository& repository, const std::string& snapshot);
Result<Stored> stored_point(Repository& repository, const backup::Job& job);
Result<Manifest> read_manifest(const BackupHost& host, const std::string& directory);
// Into a database that is not there yet, as it was: its owner, encoding and locale.
Status load(const PgServer& server, const std::string& dump, const std::string& database, std::uint32_t processes,
            bool with_tablespaces, const std::string& as_name = {});
// Into a server of our own: the roles of the cluster, with all that they may. Tablespaces are left out.
Status load_globals(const PgServer& server, const std::string& file);

}  // namespace belay::agent::backups::dumps
