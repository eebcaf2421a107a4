#include "io/read_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "io/posix.hpp"

namespace belay::io {
namespace {

constexpr int kTreeDepthMax = 200;  // one descriptor a level
constexpr std::size_t kReadBytes = 64 << 10;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

bool is_dot(std::string_view name) { return name == "." || name == ".."; }

// Names of an open directory; `fd` is taken over.
Result<std::vector<std::string>> names_in(int fd, const std::string& path) {
  const Directory directory(::fdopendir(fd));
  if (!directory) {
    const Error error = posix_error(errno, "cannot list " + path);
    ::close(fd);
    return error;
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get()))
    if (!is_dot(entry->d_name)) names.emplace_back(entry->d_name);
  if (errno != 0) return posix_error(errno, "cannot list " + path);
  return names;
}

Status remove_entry(int parent, const std::string& name, const std::string& path, dev_t device, int depth);

Status empty_directory(int fd, const std::string& path, dev_t device, int depth) {
  if (depth > kTreeDepthMax)
    return Error(Code::resource_exhausted,
                 path + " is nested deeper than " + std::to_string(kTreeDepthMax) + " levels");
  const int listing = ::dup(fd);
  if (listing < 0) return posix_error(errno, "cannot list " + path);
  BELAY_TRY_ASSIGN(const auto names, names_in(listing, path));
  for (const auto& name : names) BELAY_TRY(remove_entry(fd, name, path + "/" + name, device, depth));
  return {};
}

Status remove_entry(int parent, const std::string& name, const std::string& path, dev_t device, int depth) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return posix_error(errno, "cannot remove " + path);
  const Descriptor fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return posix_error(errno, "cannot open " + path + " to remove it");
  struct stat information{};
  if (::fstat(fd.get(), &information) != 0) return posix_error(errno, "cannot look at " + path);
  if (information.st_dev != device)
    return Error(Code::conflict, path + " lies on another file system (a mount); unmount it first", "mount-below");
  BELAY_TRY(empty_directory(fd.get(), path, device, depth + 1));
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return posix_error(errno, "cannot remove the directory " + path);
  return {};
}

FileInfo::Kind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileInfo::Kind::file;
  if (S_ISDIR(mode)) return FileInfo::Kind::directory;
  return S_ISLNK(mode) ? FileInfo::Kind::symlink : FileInfo::Kind::other;
}

}  // namespace

Result<std::string> ReadFiles::read(const std::string& path, std::size_t bytes_max) const {
  const Descriptor fd(uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!fd) return posix_error(errno, "cannot open " + path);
  std::string content;
  struct stat information{};
  // A hint only: files of /proc and /sys say 0 or 4096.
  if (::fstat(fd.get(), &information) == 0 && information.st_size > 0)
    content.reserve(std::min(static_cast<std::size_t>(information.st_size), bytes_max) + 1);
  for (;;) {
    const std::size_t filled = content.size();
    content.resize(filled + std::min(kReadBytes, bytes_max - filled + 1));
    const ssize_t count =
        uninterrupted([&] { return ::read(fd.get(), content.data() + filled, content.size() - filled); });
    if (count < 0) return posix_error(errno, "cannot read " + path);
    content.resize(filled + static_cast<std::size_t>(count));
    if (count == 0) return content;
    if (content.size() > bytes_max)
      return Error(Code::resource_exhausted, path + " is larger than " + std::to_string(bytes_max) + " bytes",
                   "file-too-large");
  }
}

Status ReadFiles::remove_tree(const std::string& path) {
  struct stat information{};
  if (::lstat(path.c_str(), &information) != 0)
    return errno == ENOENT || errno == ENOTDIR ? Status() : Status(posix_error(errno, "cannot look at " + path));
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  if (trimmed == "/") return Error(Code::invalid_argument, "the root directory cannot be removed");
  return remove_entry(AT_FDCWD, trimmed, trimmed, information.st_dev, 0);
}

Result<std::vector<std::string>> ReadFiles::list(const std::string& path) const {
  const int fd = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return posix_error(errno, "cannot list " + path);
  BELAY_TRY_ASSIGN(auto names, names_in(fd, path));
  std::erase_if(names, [](const std::string& name) { return name.starts_with(kTemporaryPrefix); });
  std::sort(names.begin(), names.end());
  return names;
}

Result<FileInfo> ReadFiles::info(const std::string& path) const {
  struct stat information{};
  if (::lstat(path.c_str(), &information) != 0) return posix_error(errno, "cannot look at " + path);
  FileInfo info;
  info.kind = kind_of(information.st_mode);
  info.bytes = static_cast<std::uint64_t>(information.st_size);
  info.modified = Instant(std::chrono::seconds(information.st_mtim.tv_sec) +
                          std::chrono::floor<Duration>(std::chrono::nanoseconds(information.st_mtim.tv_nsec)));
  info.mode = information.st_mode & 07777;
  info.owner = information.st_uid;
  return info;
}

Result<std::string> ReadFiles::read_link(const std::string& path) const {
  char target[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size < 0) return posix_error(errno, "cannot read the link " + path);
  return std::string(target, static_cast<std::size_t>(size));
}

Result<Space> ReadFiles::space(const std::string& path) const {
  struct statvfs information{};
  if (uninterrupted([&] { return ::statvfs(path.c_str(), &information); }) != 0)
    return posix_error(errno, "cannot ask for the free space of " + path);
  Space space;
  space.bytes_total = std::uint64_t{information.f_blocks} * information.f_frsize;
  space.bytes_free = std::uint64_t{information.f_bavail} * information.f_frsize;
  space.inodes_free = information.f_favail;
  return space;
}

}  // namespace belay::io
