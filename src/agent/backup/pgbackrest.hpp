#pragma once
// PostgreSQL by pgBackRest 2.45: chains of full, differential and incremental backups, and WAL for points in time.
//
// The server's archive_command must push WAL all the time, so a configuration lies on the node:
// /etc/belay/backup/pgbackrest-<plan>.conf, 0640, root and the server's group. It holds the pass of this repository
// alone and, of an S3 vault, its keys: whoever is the server's user can read the backups of this server, which he
// serves anyway. check() writes it; the server's own configuration is never edited, what it lacks is told.
//
// A point's reference is the label of its backup. Its position names a restore point that was made behind the backup,
// and the fingerprints were taken there: a drill recovers to exactly that name. In a vault that points were copied to,
// the reference is "<restic snapshot>:<label>": the repository's files as they were, with their pass.
#include "agent/backup/engines.hpp"
#include "agent/backup/pg_server.hpp"
#include "agent/backup/pgbackrest_text.hpp"
#include "agent/backup/repository.hpp"
#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

struct PgBackRestPlaces {
  std::string configs = "/etc/belay/backup";  // everybody may go through it
  std::string spool = "/var/spool/belay";     // locks and WAL fetched ahead, the server's user's
};
std::unique_ptr<BackupEngine> make_pgbackrest_at(const BackupHost& host, PgBackRestPlaces places);

namespace pgbackrest {

// One repository as one job reaches it.
class Session {
 public:
  enum class For { node, job };  // which configuration: the node's, written anew; one of this job alone, gone with it
  struct Wants {
    For whom = For::job;
    std::string data_directory{};  // of the live server, or where a restore goes
    std::string repository{};      // instead of the vault's: a copy that was fetched into scratch
    std::string key{};             // of that copy
    std::string spool{};           // instead of the node's
    std::uint64_t archive_get_bytes_max = 0;
  };
  static Result<Session> open(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job,
                              const Secrets& secrets, Wants wants);

  // As the server's user. An end that is not 0 is an error with its meaning.
  Result<std::string> run(std::vector<std::string> arguments, Duration timeout = Duration(600'000),
                          io::OutputSink sink = {}) const;
  Result<io::ProcessOutcome> try_run(std::vector<std::string> arguments, Duration timeout,
                                     io::OutputSink sink = {}) const;
  Result<Info> info() const;  // judged
  Result<Listed> list(const std::string& path, bool recurse) const;

  // Without secrets and vault: by the configuration that check() left on the node.
  static Result<Session> on_node(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job);

  const std::string& config_path() const { return config_path_; }
  const std::string& stanza() const { return stanza_; }
  const std::string& user_name() const { return user_name_; }
  const SystemUser& user() const { return user_; }
  bool is_directory() const { return !directory_.empty(); }
  const std::string& directory() const { return directory_; }  // of the repository
  const VaultAccess* access() const { return access_ ? &*access_ : nullptr; }
  const BackupHost& host() const { return *host_; }
  const backup::Job& job() const { return *job_; }

 private:
  Session(const BackupHost& host, const backup::Job& job) : host_(&host), job_(&job) {}
  Status settle(const std::string& node_path, const std::string& text);
  const BackupHost* host_;
  const backup::Job* job_;
  std::optional<VaultAccess> access_;
  std::optional<SecretFile> config_file_, ca_file_;
  std::string config_path_, stanza_, user_name_, directory_;
  SystemUser user_;
};

// Another node's repository: a restore or a drill as a guest.
bool is_elsewhere(const backup::Job& job);
// Earlier restores as a guest left their configuration, with the owner's key in it.
void remove_left_configs(const BackupHost& host, const PgBackRestPlaces& places);
std::string stanza_of(const backup::SourceSpec& source);
std::string user_of(const backup::SourceSpec& source);
Result<std::string> node_config_path(const PgBackRestPlaces& places, const backup::Job& job);
std::string spool_directory(const PgBackRestPlaces& places, const backup::Job& job);
Error error_of(const io::ProcessOutcome& outcome, std::string_view command);
// Progress from its lines about files: "(8KB, 99.96%)".
io::OutputSink progress_sink(const BackupHost& host, std::string phase, std::uint64_t bytes_total);

// P0 and P1 of a point: it is listed without errors, each member of its chain is there, and so is all WAL from its
// beginning to its position (`to_the_end`: to the newest; gaps behind the position are remarked). The names of that
// WAL.
struct Chain {
  std::vector<std::string> labels;  // oldest first, its own last
  std::vector<std::string> wal;
  std::uint64_t wal_bytes = 0;  // stored in the repository, all of it
  std::vector<std::string> remarks;
};
Chain check_chain(backup::JobReport& report, const Session& session, const Info& info, const Made& made,
                  const std::optional<Position>& position, std::uint64_t segment_bytes, bool to_the_end);

backup::MadePoint point_of(const Info& info, const Made& made);
std::optional<std::string> copied_snapshot(std::string_view reference);  // of "<snapshot>:<label>"
std::string label_of(std::string_view reference);

// A copy in another vault, brought back into scratch: a repository again, and the pass that opens it.
struct FetchedCopy {
  Scratch scratch;
  std::string repository, key;
};
Result<FetchedCopy> fetch_copy(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                               backup::JobReport& report);
Status forget_copies(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);
Status list_copies(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report);

// How far recovery goes: always to an explicit target, and then the server is promoted (the default is to pause).
std::vector<std::string> target_options(const std::optional<Instant>& time, const Position& position);
// WAL of a chain up to a segment ("" all) into a directory of the server's user. pgBackRest asks the restored data
// directory whose it is.
Status fetch_wal(const Session& session, const Chain& chain, const Made& made, const std::string& target,
                 const std::string& data, const std::string& into);
// Bytes of a WAL segment of the cluster that a backup is of.
std::uint64_t segment_bytes_of(const Made& made);
std::string annotation(const Made& made, const char* name);  // "" none

// Lies while a restore in place is under way, with the unit that runs the server and the directory that was put aside.
std::string restore_note(const BackupHost& host, const backup::Job& job);

// ---- the tasks; each fills the report and says what kept it from the end
Status check(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
             backup::JobReport& report);
Status back_up(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
               backup::JobReport& report);
Status copy(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
            backup::JobReport& report);
Status prove(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
             backup::JobReport& report);
Status restore(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
               backup::JobReport& report);
Status forget(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
              backup::JobReport& report);
Status list(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const Secrets& secrets,
            backup::JobReport& report);
void watch(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const backup::Watch& watch,
           backup::WatchReport& report);

}  // namespace pgbackrest

// A report at its end: failed where something was in the way or evidence says so, else ok.
void conclude(backup::JobReport& report, backup::Task task, const Status& status);

}  // namespace belay::agent::backups
