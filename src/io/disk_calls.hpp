#pragma once
// The few calls on which the order of durable effects rests, so that a test can fail, record or cut each of them.
// They are the system calls of the same names: -1 and errno. Only for io's own sources.
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

#include "io/files.hpp"

namespace belay::io {

class DiskCalls {
 public:
  virtual ~DiskCalls() = default;
  virtual int open(const std::string& path, int flags, mode_t mode) = 0;
  virtual ssize_t write(int fd, const char* data, std::size_t size) = 0;
  virtual int fchmod(int fd, mode_t mode) = 0;
  virtual int fsync(int fd) = 0;
  virtual int close(int fd) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int exchange(const std::string& one, const std::string& other) = 0;  // renameat2, RENAME_EXCHANGE
  virtual int unlink(const std::string& path) = 0;
  virtual int mkdir(const std::string& path, mode_t mode) = 0;
};

DiskCalls& real_disk_calls();
// The real Files over these calls; `calls` must outlive it.
std::unique_ptr<Files> make_files(DiskCalls& calls);

}  // namespace belay::io
