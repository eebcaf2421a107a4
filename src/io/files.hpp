#pragma once
// The disk, as far as Belay needs it. Paths are absolute or relative to the process; errors name the path.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::io {

struct FileInfo {
  enum class Kind { file, directory, symlink, other };
  Kind kind = Kind::other;
  std::uint64_t bytes = 0;
  Instant modified{};
  std::uint32_t mode = 0;   // permission bits
  std::uint32_t owner = 0;  // a user's number; 0 is root
};

struct Space {
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_free = 0;  // to an unprivileged user
  std::uint64_t inodes_free = 0;
};

class Files {
 public:
  virtual ~Files() = default;

  // Whole content; not_found where absent, resource_exhausted over bytes_max. Also for /proc and /sys files.
  virtual Result<std::string> read(const std::string& path, std::size_t bytes_max) const = 0;
  // Replaces the file so that after a power cut it has the old or the new content, never a mix: temporary file
  // beside it, fsync, rename, fsync of the directory. May be repeated.
  virtual Status write_durable(const std::string& path, std::string_view content, std::uint32_t mode) = 0;
  // Appends and fsyncs; creates the file. A torn tail after a crash is possible: readers check their records.
  virtual Status append_durable(const std::string& path, std::string_view content, std::uint32_t mode) = 0;
  // Links a new name in place of any old one, durably.
  virtual Status rename_durable(const std::string& from, const std::string& to) = 0;
  // Swaps what two names stand for in one step, durably: at no moment is either of them absent. not_found where one is.
  virtual Status exchange_durable(const std::string& one, const std::string& other) = 0;
  virtual Status remove(const std::string& path) = 0;  // a file or link, durably; absent is fine
  // Absent is fine. Never follows a symlink, refuses a mount below (reason "mount-below"). Not durable: after a power
  // cut parts may be back; repeat it.
  virtual Status remove_tree(const std::string& path) = 0;
  virtual Status make_directories(const std::string& path, std::uint32_t mode) = 0;  // existing is fine
  virtual Result<std::vector<std::string>> list(const std::string& path) const = 0;  // names, sorted; not_found
  virtual Result<FileInfo> info(const std::string& path) const = 0;                  // does not follow a symlink
  virtual Result<std::string> read_link(const std::string& path) const = 0;
  virtual Result<Space> space(const std::string& path) const = 0;
};

// The real disk.
Files& real_files();

// A file mapped for reading: for package lists of tens of megabytes. The view lives as long as the object.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;
  std::string_view text() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

// Held as long as the object lives (flock). conflict where another process has it.
class FileLock {
 public:
  static Result<FileLock> acquire(const std::string& path);
  ~FileLock();
  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) noexcept;

 private:
  FileLock() = default;
  int fd_ = -1;
};

}  // namespace belay::io
