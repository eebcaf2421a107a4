#include "agent/backup/freeze.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace belay::agent::backups {
namespace {

constexpr char kDone = 'd', kThawed = 't';

// Everything that the watchdog needs once it runs: it allocates nothing and looks nothing up then.
struct Ready {
  std::vector<std::string> words, variables;
  std::vector<char*> argv, environment;
  std::vector<int> mounts;
  SystemUser user;
  int orders = -1, says = -1, nothing = -1;
  int patience_ms = 0;
};

void close_all(std::vector<int>& fds) {
  for (const int fd : fds) ::close(fd);
  fds.clear();
}

// The repository's lock and the journal's files are not the watchdog's.
void keep_only(std::vector<int>& sorted) {
  int from = 3;
  for (const int fd : sorted) {
    if (fd > from) static_cast<void>(::close_range(static_cast<unsigned>(from), static_cast<unsigned>(fd - 1), 0));
    from = std::max(from, fd + 1);
  }
  static_cast<void>(::close_range(static_cast<unsigned>(from), ~0U, 0));
}

void run_thaw(const Ready& ready) {
  const auto child = ::fork();
  if (child > 0) {
    ::waitpid(child, nullptr, 0);
    return;
  }
  if (child < 0) return;
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGHUP, SIG_DFL);
  const auto group = ready.user.group_id;
  if (ready.user.user_id != 0 &&
      (::setgroups(1, &group) != 0 || ::setgid(group) != 0 || ::setuid(ready.user.user_id) != 0))
    ::_exit(126);
  ::execve(ready.argv[0], ready.argv.data(), ready.environment.data());
  ::_exit(127);
}

[[noreturn]] void watch(Ready& ready, std::vector<int>& kept) {
  ::setsid();
  // Whoever ends the order ends the one who waits for it as well, and then this one must go on.
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  for (int fd = 0; fd < 3; ++fd) ::dup2(ready.nothing, fd);  // nobody waits for the end of an output because of it
  keep_only(kept);
  pollfd order{.fd = ready.orders, .events = POLLIN, .revents = 0};
  int came = 0;
  do came = ::poll(&order, 1, ready.patience_ms);
  while (came < 0 && errno == EINTR);
  char word = 0;
  if (came > 0 && ::read(ready.orders, &word, 1) == 1 && word == kDone) ::_exit(0);
  static_cast<void>(!::write(ready.says, &kThawed, 1));
  for (const int fd : ready.mounts) static_cast<void>(::ioctl(fd, FITHAW, 0));
  run_thaw(ready);
  ::_exit(1);
}

Status prepare(const BackupHost& host, const std::vector<std::string>& paths, const backup::Hook& thaw, Ready& ready) {
  ready.words = thaw.argv;
  for (const auto& [name, value] : io::plain_environment()) ready.variables.push_back(name + "=" + value);
  for (auto& word : ready.words) ready.argv.push_back(word.data());
  for (auto& variable : ready.variables) ready.environment.push_back(variable.data());
  ready.argv.push_back(nullptr);
  ready.environment.push_back(nullptr);
  if (!thaw.user.empty() && thaw.user != "root") {
    BELAY_TRY_ASSIGN(ready.user, system_user(host, thaw.user));
  }
  for (const auto& path : paths)
    if (const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); fd >= 0) ready.mounts.push_back(fd);
  ready.nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (ready.nothing >= 0) return {};
  return Error(Code::internal, "/dev/null cannot be opened, so nothing is frozen");
}

}  // namespace

Result<FreezeWatchdog> FreezeWatchdog::start(const BackupHost& host, const std::vector<std::string>& paths,
                                             const backup::Hook& thaw, Duration patience) {
  BELAY_ASSERT(!thaw.argv.empty());
  Ready ready;
  ready.patience_ms = static_cast<int>(patience.count());
  const auto prepared = prepare(host, paths, thaw, ready);
  int orders[2] = {-1, -1}, says[2] = {-1, -1};
  const bool has_pipes = prepared.ok() && ::pipe2(orders, O_CLOEXEC) == 0 && ::pipe2(says, O_CLOEXEC) == 0;
  pid_t process = -1;
  if (has_pipes) {
    ready.orders = orders[0];
    ready.says = says[1];
    auto kept = ready.mounts;
    kept.insert(kept.end(), {ready.orders, ready.says, ready.nothing});
    std::ranges::sort(kept);
    process = ::fork();
    if (process == 0) watch(ready, kept);
  }
  close_all(ready.mounts);
  for (const int fd : {ready.nothing, orders[0], says[1]})
    if (fd >= 0) ::close(fd);
  if (process > 0) return FreezeWatchdog(process, orders[1], says[0]);
  for (const int fd : {orders[1], says[0]})
    if (fd >= 0) ::close(fd);
  if (!prepared.ok()) return prepared.error();
  return Error(Code::resource_exhausted, "no watchdog could be started for the freeze, so nothing is frozen");
}

FreezeWatchdog::FreezeWatchdog(FreezeWatchdog&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      orders_(std::exchange(other.orders_, -1)),
      says_(std::exchange(other.says_, -1)) {}

void FreezeWatchdog::let_go() {
  ::close(orders_);
  ::close(says_);
  process_ = orders_ = says_ = -1;
}

bool FreezeWatchdog::dismiss() {
  BELAY_ASSERT(process_ > 0);
  static_cast<void>(!::write(orders_, &kDone, 1));
  char word = 0;
  ssize_t got = 0;
  do got = ::read(says_, &word, 1);
  while (got < 0 && errno == EINTR);
  const bool thawed = got == 1 && word == kThawed;
  // One that thaws may still wait for its program; it is nobody's then but the system's.
  ::waitpid(process_, nullptr, thawed ? WNOHANG : 0);
  let_go();
  return !thawed;
}

FreezeWatchdog::~FreezeWatchdog() {
  if (process_ <= 0) return;
  ::close(orders_);
  orders_ = -1;
  ::waitpid(process_, nullptr, 0);
  ::close(says_);
}

}  // namespace belay::agent::backups
