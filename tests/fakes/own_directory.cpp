#include "tests/fakes/own_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace belay::fakes {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInMemory = "/dev/shm";
constexpr const char* kOnDisk = "/tmp";
constexpr std::uintmax_t kRoom = 2ull << 30;

std::string prefix_of(const std::string& name) { return "belay-own-" + name + "-"; }

void unmount_below(const std::string& path) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::vector<std::string> points;
  for (std::string line; std::getline(mounts, line);) {
    const auto fields = split(line, ' ');
    if (fields.size() > 4 && fields[4].starts_with(path + "/")) points.emplace_back(fields[4]);
  }
  for (auto point = points.rbegin(); point != points.rend(); ++point) ::umount2(point->c_str(), MNT_DETACH);
}

void remove_whole(const std::string& path) {
  unmount_below(path);
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// The directory, locked; -1 where somebody else has it.
int lock(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return -1;
}

void remove_forsaken(const std::string& base, const std::string& prefix) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(base, error)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const int fd = lock(entry.path());
    if (fd < 0) continue;
    remove_whole(entry.path());
    ::close(fd);
  }
}

}  // namespace

OwnDirectory::OwnDirectory(const std::string& name, unsigned mode) {
  for (const char* base : {kInMemory, kOnDisk}) remove_forsaken(base, prefix_of(name));
  std::error_code error;
  const auto space = fs::space(kInMemory, error);
  const std::string base = !error && space.available > kRoom ? kInMemory : kOnDisk;
  while (held_ < 0) {
    path_ = base + "/" + prefix_of(name) + "XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
    held_ = lock(path_);  // another that begins now may have taken it for a forsaken one
    if (held_ >= 0 && !fs::exists(path_)) ::close(std::exchange(held_, -1));
  }
  ::chmod(path_.c_str(), mode);
}

OwnDirectory::~OwnDirectory() {
  remove_whole(path_);
  ::close(held_);
}

}  // namespace belay::fakes
