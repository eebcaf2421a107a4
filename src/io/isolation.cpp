#include "io/isolation.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace belay::io {
namespace {

constexpr int kKeptFd = 40;  // of the first kept directory, while the walls are raised
constexpr std::size_t kKeptMax = 20;

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

std::vector<std::string> parents_of(const std::string& path) {
  std::vector<std::string> parents;
  for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    parents.push_back(path.substr(0, slash));
  parents.push_back(path);
  return parents;
}

Result<Descriptor> open_namespace(int process, const char* kind) {
  const auto path = (process == 0 ? std::string("/proc/self") : "/proc/" + std::to_string(process)) + "/ns/" + kind;
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return posix_error(errno, "cannot open " + path);
  return fd;
}

Status prepare_beside(int process, PreparedWalls& walls) {
  for (const char* kind : {"net", "ipc", "uts", "mnt"}) {
    BELAY_TRY_ASSIGN(auto fd, open_namespace(process, kind));
    walls.beside.push_back(std::move(fd));
  }
  BELAY_TRY_ASSIGN(walls.beside_processes, open_namespace(process, "pid"));
  BELAY_TRY_ASSIGN(walls.own_processes, open_namespace(0, "pid"));
  return {};
}

// --- in the child ---

bool raise_loopback() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  bool done = ::ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  // A container without CAP_NET_ADMIN leaves it down: the walls are only higher then.
  done = done && (::ioctl(fd, SIOCSIFFLAGS, &request) == 0 || errno == EPERM);
  ::close(fd);
  return done;
}

bool is_for_all(const std::string& path) { return path == "/tmp" || path == "/var/tmp" || path == "/dev/shm"; }

// "/proc/self/fd/4N", made without a call that might allocate.
void name_descriptor(char (&name)[24], int fd) {
  std::memcpy(name, "/proc/self/fd/00", 17);
  name[14] = static_cast<char>('0' + fd / 10);
  name[15] = static_cast<char>('0' + fd % 10);
}

bool open_kept(const PreparedWalls& walls) {
  int next = kKeptFd;
  for (const auto& kept : walls.kept) {
    const int fd = ::open(kept.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || ::dup3(fd, next++, O_CLOEXEC) < 0) return false;
    ::close(fd);
  }
  return true;
}

bool place_kept(const PreparedWalls& walls) {
  int next = kKeptFd;
  for (const auto& kept : walls.kept) {
    for (const auto& parent : kept.parents)
      if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST && errno != EROFS) return false;
    char name[24];
    name_descriptor(name, next);
    if (::mount(name, kept.path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return false;
    ::close(next++);
  }
  return true;
}

// linux/mount.h: `struct mount_attr` and its constants, which glibc has from 2.36 on and Linux from 5.12.
struct MountAttributes {
  std::uint64_t set, clear, propagation, user_namespace;
};
constexpr long kMountSetattr = 442;
constexpr std::uint64_t kReadOnly = 1;
constexpr unsigned kWithAllBelow = 0x8000;

// Of an older kernel one mount at a time: what it is called with is all that it has afterwards.
bool remount(const char* path, bool writable) {
  constexpr unsigned long kStay = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME;  // as in f_flags
  struct statfs now{};
  if (::statfs(path, &now) != 0) return errno == ENOENT;
  const auto flags = (static_cast<unsigned long>(now.f_flags) & kStay) | (writable ? 0UL : MS_RDONLY);
  return ::mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | flags, nullptr) == 0 || errno == EINVAL;
}

bool set_writable(const char* path, bool writable) {
  const MountAttributes change{writable ? 0 : kReadOnly, writable ? kReadOnly : 0, 0, 0};
  if (::syscall(kMountSetattr, AT_FDCWD, path, 0, &change, sizeof change) == 0) return true;
  if (errno == ENOENT || errno == EINVAL) return true;  // hidden and not there, or below another one that hides it
  return errno == ENOSYS && remount(path, writable);
}

bool shut_disk() {
  const MountAttributes change{kReadOnly, 0, 0, 0};
  if (::syscall(kMountSetattr, AT_FDCWD, "/", kWithAllBelow, &change, sizeof change) == 0) return true;
  if (errno != ENOSYS) return false;
  for (const char* path : {"/", "/boot", "/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var", "/var/lib"})
    if (!remount(path, false)) return false;
  return true;
}

// Once all else is in its place.
bool make_read_only(const PreparedWalls& walls) {
  if (!shut_disk()) return false;
  for (const auto& path : walls.hidden)
    if (!set_writable(path.c_str(), true)) return false;
  for (const auto& kept : walls.kept)
    if (!set_writable(kept.path.c_str(), kept.writable)) return false;
  return true;
}

}  // namespace

Error no_isolation(const std::string& what) {
  return Error(Code::unsupported,
               what +
                   ": this machine does not allow namespaces of its own to it; run the agent as root, outside of a "
                   "container that forbids them",
               "no-isolation");
}

Result<PreparedWalls> prepare_walls(const ProcessSpec& spec) {
  PreparedWalls walls;
  if (spec.beside != 0) BELAY_TRY(prepare_beside(spec.beside, walls));
  if (!spec.isolation) return walls;
  BELAY_ASSERT(spec.beside == 0 && (spec.isolation->network || !spec.isolation->processes));
  walls.namespaces = CLONE_NEWNS;
  if (spec.isolation->network) walls.namespaces |= CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  if (spec.isolation->processes) walls.namespaces |= CLONE_NEWPID;
  walls.hidden = spec.isolation->hidden;
  std::ranges::sort(walls.hidden);  // a directory before those below it
  walls.read_only = spec.isolation->read_only;
  const auto keep = [&](const std::string& path, bool writable) {
    if (walls.read_only ||
        std::ranges::any_of(walls.hidden, [&](const auto& hidden) { return is_below(path, hidden); }))
      walls.kept.push_back({path, parents_of(path), writable});
  };
  for (const auto& path : spec.isolation->kept) keep(path, true);
  for (const auto& path : spec.isolation->shown) keep(path, false);
  BELAY_ASSERT(walls.kept.size() <= kKeptMax);
  return walls;
}

pid_t fork_within(const PreparedWalls& walls) {
  // With all else zero the kernel's clone is fork. glibc's bookkeeping is skipped: the child only makes raw calls.
  if (walls.namespaces != 0)
    return static_cast<pid_t>(
        ::syscall(SYS_clone, walls.namespaces | static_cast<unsigned long>(SIGCHLD), nullptr, nullptr, nullptr, 0UL));
  if (!walls.beside_processes) return ::fork();
  if (::setns(walls.beside_processes.get(), CLONE_NEWPID) != 0) return -1;
  const pid_t pid = ::fork();
  const int number = errno;
  if (pid != 0) BELAY_ASSERT(::setns(walls.own_processes.get(), CLONE_NEWPID) == 0);
  errno = number;
  return pid;
}

bool go_beside(const PreparedWalls& walls) {
  return std::ranges::all_of(walls.beside, [](const auto& fd) { return ::setns(fd.get(), 0) == 0; }) &&
         (walls.beside.empty() || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

bool raise_walls(const PreparedWalls& walls) {
  if (walls.namespaces == 0) return true;
  // Unmounts of the machine reach us, so that we keep no disk busy; ours never reach the machine.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
  if (!open_kept(walls)) return false;
  for (const auto& path : walls.hidden) {
    const char* options = is_for_all(path) ? "mode=1777" : "mode=0755,size=16m";
    if (::mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) != 0 && errno != ENOENT) return false;
  }
  if (!place_kept(walls) || (walls.read_only && !make_read_only(walls))) return false;
  const unsigned long shut = walls.read_only ? MS_RDONLY : 0;
  if ((walls.namespaces & CLONE_NEWPID) &&
      ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | shut, nullptr) != 0)
    return false;
  if (!(walls.namespaces & CLONE_NEWNET)) return true;
  return raise_loopback() && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

}  // namespace belay::io
