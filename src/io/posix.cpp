#include "io/posix.hpp"

#include <unistd.h>

#include <cstring>

namespace belay::io {
namespace {

struct ErrnoRow {
  int number;
  Code code;
  const char* reason;
};
constexpr ErrnoRow kErrnoTable[] = {
    {ENOENT, Code::not_found, ""},
    {ENOTDIR, Code::not_found, ""},
    {ESRCH, Code::not_found, ""},
    {EACCES, Code::permission_denied, ""},
    {EPERM, Code::permission_denied, ""},
    {EROFS, Code::permission_denied, "read-only"},
    {EEXIST, Code::already_exists, ""},
    {EADDRINUSE, Code::already_exists, "address-in-use"},
    {ENOTEMPTY, Code::conflict, ""},
    {EBUSY, Code::conflict, ""},
    {ETXTBSY, Code::conflict, ""},
    {ENOSPC, Code::resource_exhausted, "disk-full"},
    {EDQUOT, Code::resource_exhausted, "disk-full"},
    {EFBIG, Code::resource_exhausted, ""},
    {EMFILE, Code::resource_exhausted, ""},
    {ENFILE, Code::resource_exhausted, ""},
    {ENOMEM, Code::resource_exhausted, ""},
    {EAGAIN, Code::resource_exhausted, ""},
    {ETIMEDOUT, Code::timed_out, ""},
    {ECONNREFUSED, Code::unavailable, ""},
    {ECONNRESET, Code::unavailable, ""},
    {EPIPE, Code::unavailable, ""},
    {EHOSTUNREACH, Code::unavailable, ""},
    {ENETUNREACH, Code::unavailable, ""},
    {EIO, Code::unavailable, "disk-error"},
    {EINVAL, Code::invalid_argument, ""},
    {EISDIR, Code::invalid_argument, ""},
    {ELOOP, Code::invalid_argument, ""},
    {ENAMETOOLONG, Code::invalid_argument, ""},
    {E2BIG, Code::invalid_argument, ""},
    {ENOEXEC, Code::invalid_argument, ""},
    {EADDRNOTAVAIL, Code::invalid_argument, ""},
    {EXDEV, Code::unsupported, "cross-device"},
    {EOPNOTSUPP, Code::unsupported, ""},
    {ENOSYS, Code::unsupported, ""},
};

}  // namespace

Error posix_error(int number, const std::string& what) {
  const char* words = strerrordesc_np(number);
  const std::string message = what + ": " + (words ? std::string(words) : "error " + std::to_string(number));
  for (const auto& row : kErrnoTable)
    if (row.number == number) return Error(row.code, message, row.reason);
  return Error(Code::internal, message);
}

void Descriptor::reset(int fd) {
  // Not repeated after EINTR: Linux has closed it by then.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace belay::io
