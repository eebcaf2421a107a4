#pragma once
// Points and binary logs of a MariaDB or MySQL server as snapshots of a restic repository. A point has a label of its
// own, "20261127-175449.123F", and all that is said of it stands in the tags of its snapshot: labels and tags are the
// same in every copy, while restic's ids are not; and a node that lost its state finds everything again.
#include "agent/backup/mariadb_text.hpp"
#include "agent/backup/repository.hpp"

namespace belay::agent::backups::mariadb {

// In a point's snapshot: "set/" (what mariadb-backup made) or "dump.sql", and this file of "key = value" lines.
inline constexpr const char* kAboutFile = "about";
inline constexpr const char* kSetDirectory = "set";
inline constexpr const char* kDumpFile = "dump.sql";

std::string label_of(Instant at, backup::BackupType type);
// The value of the tag "name=…"; "" none. Values hold no comma (restic parts tags at them).
std::string tag_of(const Stored& stored, std::string_view name);
std::vector<std::string> split_labels(std::string_view text);  // "a+b"

// The snapshot of a point; nullptr where there is none.
const Stored* find_point(const std::vector<Stored>& all, std::string_view label);
// What tags say of a point; fingerprints are not among it.
backup::MadePoint point_of(const Stored& stored);
bool is_point(const Stored& stored, backup::EngineName engine);

// Ids of all snapshots that these points need: their own, those they build on, the logs from the oldest one on.
// not_found "chain-broken".
Result<std::vector<std::string>> ids_of(const std::vector<Stored>& all, const std::vector<backup::MadePoint>& points);

// One run of closed binary logs in the repository, in sequence.
struct LogRun {
  std::string snapshot_id, base, epoch;
  std::uint64_t first = 0, last = 0;
  Instant until{};  // everything up to then is in this run or those before
};
// Of this sequence ("" of any), in order.
std::vector<LogRun> log_runs(const std::vector<Stored>& all, std::string_view epoch);
std::string log_name(std::string_view base, std::uint64_t number);  // "bin", 7: "bin.000007"

// ---- tasks that are the same for both engines
backup::JobReport list_points(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                              backup::EngineName engine);
// With the logs that belong to them.
backup::JobReport copy_points(const BackupHost& host, const backup::Job& job, const Secrets& secrets);
// And the logs that no point needs any more. Refuses a point that another one, which stays, needs.
backup::JobReport forget_points(const BackupHost& host, const backup::Job& job, const Secrets& secrets);

// The vault and the repository of a job, opened: they stay together.
class OpenRepository {
 public:
  static Result<OpenRepository> open(const BackupHost& host, const backup::Job& job, const backup::VaultSpec& vault,
                                     const Secrets& secrets, std::string_view prefix, bool make,
                                     Repository* like = nullptr);
  Repository& operator*() const { return *repository_; }
  Repository* operator->() const { return repository_.get(); }
  // For the watch, which has no secrets.
  void note(const BackupHost& host, const backup::Job& job) const;
  // Into the report: what it takes and what is free. Unknown stays 0.
  void measure(backup::JobReport& report) const;

 private:
  OpenRepository() = default;
  std::unique_ptr<VaultAccess> access_;
  std::unique_ptr<Repository> repository_;
};

}  // namespace belay::agent::backups::mariadb
