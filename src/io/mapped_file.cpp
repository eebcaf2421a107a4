#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "io/files.hpp"
#include "io/posix.hpp"

namespace belay::io {

Result<MappedFile> MappedFile::open(const std::string& path) {
  const Descriptor fd(uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!fd) return posix_error(errno, "cannot open " + path);
  struct stat information{};
  if (::fstat(fd.get(), &information) != 0) return posix_error(errno, "cannot look at " + path);
  if (!S_ISREG(information.st_mode)) return Error(Code::invalid_argument, path + " is no regular file");
  MappedFile file;
  if (information.st_size == 0) return file;
  file.size_ = static_cast<std::size_t>(information.st_size);
  void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) {
    file.size_ = 0;
    return posix_error(errno, "cannot map " + path);
  }
  ::madvise(data, file.size_, MADV_SEQUENTIAL);
  file.data_ = static_cast<const char*>(data);
  return file;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<char*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  Descriptor fd(uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600); }));
  if (!fd) return posix_error(errno, "cannot open the lock file " + path);
  if (uninterrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) return Error(Code::conflict, "another process holds the lock " + path, "lock-held");
    return posix_error(errno, "cannot lock " + path);
  }
  FileLock lock;
  lock.fd_ = fd.release();
  return lock;
}

FileLock::~FileLock() { Descriptor(std::exchange(fd_, -1)).reset(); }

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

}  // namespace belay::io
