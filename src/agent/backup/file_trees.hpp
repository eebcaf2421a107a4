#pragma once
// Trees of files as evidence: how much came back, and whether some of them are what they were when the point was made.
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/backup/restic_text.hpp"
#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

// Bytes and number of the regular files below; a symlink is not followed. not_found.
Result<std::pair<std::uint64_t, std::uint64_t>> count_tree(const io::Files& files, const std::string& path);

// What a recovery point holds, and which of its files are looked at closely: a fixed choice of at most kSampledMax by
// their names, so that the same are chosen anew.
class TreeSummary {
 public:
  static constexpr std::size_t kSampledMax = 200;
  void add(const ListedFile& file);
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t files() const { return files_; }
  // "files", "links" and (where they are known) "bytes" with their numbers, then the chosen files by path: rows are
  // their bytes, the checksum is SHA-256 of what lies at root + path now. What was written after it was read for the
  // point is left out.
  Result<std::vector<backup::Fingerprint>> prints(const BackupHost& host, const backup::Job& job,
                                                  const std::string& root) const;
  // Mean bits per byte of the chosen files that changed after `since`; nothing where they are too few to say.
  std::optional<double> entropy(const BackupHost& host, const backup::Job& job, const std::string& root,
                                Instant since) const;

 private:
  struct Chosen {
    std::size_t rank = 0;
    ListedFile file;
  };
  std::uint64_t bytes_ = 0, files_ = 0, links_ = 0;
  bool bytes_are_whole_ = true;
  std::vector<Chosen> chosen_;  // a heap, the highest rank first
};

// The same of what was restored to `root`: its counts, and the files that `then` names.
Result<std::vector<backup::Fingerprint>> prints_of_tree(const BackupHost& host, const backup::Job& job,
                                                        const std::string& root,
                                                        const std::vector<backup::Fingerprint>& then);

}  // namespace belay::agent::backups
