#pragma once
// What both engines do around the copy itself: the source and the repository opened, heartbeat, fingerprints, binary
// logs, the snapshot with its tags.
//
// Fingerprints belong to a moment, and no engine lets us count in the very moment of its copy. Where the binary logs
// hold every change, they are counted in a snapshot right after it, whose position is kept as the marker: a drill
// recovers by the logs to the marker, then compares. Without logs all is counted before and after the copy, and what
// is the same in both stands for the copy.
#include "agent/backup/mariadb_logs.hpp"

namespace belay::agent::backups::mariadb {

inline constexpr std::uint64_t kCountedBytesMax = 64ULL << 30;      // with a full or differential backup
inline constexpr std::uint64_t kCountedBytesMaxOften = 2ULL << 30;  // with an incremental one

struct Making {
  // unsupported "wrong-major" where none of `tools` is of the server's series.
  static Result<Making> begin(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                              const std::string& option_file, const std::vector<std::string>& tools);
  // Just before the copy.
  Status count_before();
  // The copy lies in `directory`, below the names of `paths`; `point` has its label, type, needs and times; it began at
  // `from`. Counts, archives logs, stores. `more_tags`: of the engine. The report has the point and evidence of P0, P1.
  Status keep(const std::string& directory, std::vector<std::string> paths, backup::MadePoint point,
              const LogPosition& from, std::vector<std::string> more_tags, backup::JobReport& report);

  Source source;
  Program tool;
  std::optional<OpenRepository> repository;
  std::vector<Stored> all;
  Archived archived;
  std::uint64_t bytes = 0;  // of the data directory
  std::vector<std::string> remarks;

 private:
  Result<Fingerprints> count() const;
  std::vector<Table> tables_;
  Fingerprints before_;
};

}  // namespace belay::agent::backups::mariadb
