#include "io/trusted_file.hpp"

#include <unistd.h>

namespace belay::io {
namespace {

constexpr std::uint32_t kWritableByOthers = 0022;

Error untrusted(std::string why) { return Error(Code::permission_denied, std::move(why)); }

Status check_owner(const FileInfo& info, const std::string& path) {
  if (info.owner != 0 && info.owner != ::geteuid())
    return untrusted(path + " belongs to user " + std::to_string(info.owner) + ", not to root");
  if (info.mode & kWritableByOthers) return untrusted(path + " may be written by others than root; chmod go-w " + path);
  return {};
}

}  // namespace

Status check_trusted(const Files& files, const std::string& path) {
  BELAY_TRY_ASSIGN(const auto info, files.info(path));
  if (info.kind != FileInfo::Kind::file) return untrusted(path + " is no plain file");
  BELAY_TRY(check_owner(info, path));
  const auto slash = path.rfind('/');
  const auto folder = slash == std::string::npos ? std::string(".") : slash == 0 ? "/" : path.substr(0, slash);
  const auto around = files.info(folder);
  if (!around.ok()) return untrusted(around.error().chain());
  return check_owner(*around, folder);
}

}  // namespace belay::io
