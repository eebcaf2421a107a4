// Writes that survive a power cut, over DiskCalls. What only reads is in read_files.cpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "io/disk_calls.hpp"
#include "io/posix.hpp"
#include "io/read_files.hpp"

namespace belay::io {
namespace {

class RealDiskCalls final : public DiskCalls {
 public:
  int open(const std::string& path, int flags, mode_t mode) override {
    return uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  }
  ssize_t write(int fd, const char* data, std::size_t size) override {
    return uninterrupted([&] { return ::write(fd, data, size); });
  }
  int fchmod(int fd, mode_t mode) override { return ::fchmod(fd, mode); }
  int fsync(int fd) override {
    return uninterrupted([&] { return ::fsync(fd); });
  }
  int close(int fd) override { return ::close(fd); }
  int rename(const std::string& from, const std::string& to) override { return ::rename(from.c_str(), to.c_str()); }
  int exchange(const std::string& one, const std::string& other) override {
    return ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
  }
  int unlink(const std::string& path) override { return ::unlink(path.c_str()); }
  int mkdir(const std::string& path, mode_t mode) override { return ::mkdir(path.c_str(), mode); }
};

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_name_beside(const std::string& path) {
  static std::atomic<std::uint64_t> counter{0};
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return folder + std::string(kTemporaryPrefix) + name + "-" + std::to_string(::getpid()) + "-" +
         std::to_string(counter.fetch_add(1));
}

class DurableFiles final : public ReadFiles {
 public:
  explicit DurableFiles(DiskCalls& calls) : calls_(calls) {}

  Status write_durable(const std::string& path, std::string_view content, std::uint32_t mode) override {
    const std::string temporary = temporary_name_beside(path);
    BELAY_TRY(write_new(temporary, content, O_CREAT | O_EXCL | O_WRONLY, mode).within("cannot write " + path));
    if (calls_.rename(temporary, path) != 0) {
      const Error error = posix_error(errno, "cannot replace " + path);
      calls_.unlink(temporary);
      return error;
    }
    return sync_directory(directory_of(path));
  }

  Status append_durable(const std::string& path, std::string_view content, std::uint32_t mode) override {
    int fd = calls_.open(path, O_WRONLY | O_APPEND, 0);
    const bool created = fd < 0 && errno == ENOENT;
    if (created) fd = calls_.open(path, O_WRONLY | O_APPEND | O_CREAT, mode & 07777);
    if (fd < 0) return posix_error(errno, "cannot open " + path + " for appending");
    const auto written = write_and_close(fd, path, content, created ? std::optional(mode) : std::nullopt);
    BELAY_TRY(written);
    return created ? sync_directory(directory_of(path)) : Status();
  }

  Status rename_durable(const std::string& from, const std::string& to) override {
    if (calls_.rename(from, to) != 0) return posix_error(errno, "cannot rename " + from + " to " + to);
    BELAY_TRY(sync_directory(directory_of(to)));
    return directory_of(from) == directory_of(to) ? Status() : sync_directory(directory_of(from));
  }

  Status exchange_durable(const std::string& one, const std::string& other) override {
    if (calls_.exchange(one, other) != 0) return posix_error(errno, "cannot exchange " + one + " with " + other);
    BELAY_TRY(sync_directory(directory_of(one)));
    return directory_of(one) == directory_of(other) ? Status() : sync_directory(directory_of(other));
  }

  Status remove(const std::string& path) override {
    if (calls_.unlink(path) == 0) return sync_directory(directory_of(path));
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return posix_error(errno, "cannot remove " + path);
  }

  Status make_directories(const std::string& path, std::uint32_t mode) override {
    struct stat present{};
    if (::stat(path.c_str(), &present) == 0) {
      if (S_ISDIR(present.st_mode)) return {};
      return Error(Code::already_exists, path + " exists and is no directory; remove or rename it");
    }
    const std::string parent = directory_of(path);
    if (parent != path && parent != ".") BELAY_TRY(make_directories(parent, mode));
    if (calls_.mkdir(path, mode & 07777) != 0) {
      if (errno == EEXIST) return {};  // somebody else was faster
      return posix_error(errno, "cannot make the directory " + path);
    }
    BELAY_TRY(set_mode(path, mode));
    return sync_directory(parent);
  }

 private:
  // The mode given to mkdir() is cut by the umask, like that to open().
  Status set_mode(const std::string& directory, std::uint32_t mode) {
    const int fd = calls_.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0) return posix_error(errno, "cannot open the directory " + directory);
    Status set;
    if (calls_.fchmod(fd, mode & 07777) != 0) set = posix_error(errno, "cannot set the permissions of " + directory);
    calls_.close(fd);
    return set;
  }

  Status write_new(const std::string& path, std::string_view content, int flags, std::uint32_t mode) {
    const int fd = calls_.open(path, flags, 0600);
    if (fd < 0) return posix_error(errno, "cannot create " + path);
    auto written = write_and_close(fd, path, content, mode);
    if (!written.ok()) calls_.unlink(path);
    return written;
  }

  // fchmod, because the mode given to open() is cut by the umask.
  Status write_and_close(int fd, const std::string& path, std::string_view content, std::optional<std::uint32_t> mode) {
    auto written = write_all(fd, path, content);
    if (written.ok() && mode && calls_.fchmod(fd, *mode & 07777) != 0)
      written = posix_error(errno, "cannot set the permissions of " + path);
    if (written.ok() && calls_.fsync(fd) != 0) written = posix_error(errno, "cannot bring " + path + " to the disk");
    if (calls_.close(fd) != 0 && written.ok()) written = posix_error(errno, "cannot close " + path);
    return written;
  }

  Status write_all(int fd, const std::string& path, std::string_view content) {
    while (!content.empty()) {
      const ssize_t count = calls_.write(fd, content.data(), content.size());
      if (count < 0) return posix_error(errno, "cannot write to " + path);
      if (count == 0) return Error(Code::unavailable, "cannot write to " + path + ": the disk takes nothing");
      content.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
  }

  Status sync_directory(const std::string& path) {
    const int fd = calls_.open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return posix_error(errno, "cannot open the directory " + path);
    // EINVAL: a file system that has no such thing (some network ones); the name is then as safe as it gets.
    const bool synced = calls_.fsync(fd) == 0 || errno == EINVAL;
    const int number = errno;
    calls_.close(fd);
    return synced ? Status() : Status(posix_error(number, "cannot bring the directory " + path + " to the disk"));
  }

  DiskCalls& calls_;
};

}  // namespace

DiskCalls& real_disk_calls() {
  static RealDiskCalls calls;
  return calls;
}

std::unique_ptr<Files> make_files(DiskCalls& calls) { return std::make_unique<DurableFiles>(calls); }

Files& real_files() {
  static DurableFiles files(real_disk_calls());
  return files;
}

}  // namespace belay::io
