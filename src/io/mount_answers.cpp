#include "io/mount_answers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>

namespace belay::io {
namespace {

constexpr std::size_t kMountsMax = 64;

// Children that did not come back, by what they were asked about.
struct Forsaken {
  std::mutex mutex;
  std::map<std::string, pid_t> children;
};
Forsaken& forsaken() {
  static Forsaken all;
  return all;
}

// Those whose mount answered after all, or is gone: whether anybody asks for it again or not.
void reap_those_that_came_back() {
  auto& all = forsaken();
  const std::scoped_lock lock(all.mutex);
  std::erase_if(all.children, [](const auto& child) { return ::waitpid(child.second, nullptr, WNOHANG) != 0; });
}

// Whether the one that was asked earlier still hangs.
bool still_hangs(const std::string& path) {
  auto& all = forsaken();
  const std::scoped_lock lock(all.mutex);
  return all.children.contains(path);
}

struct Asked {
  pid_t child = -1;
  int answer = -1;
};

Asked ask(const std::string& path) {
  int pipes[2];
  if (::pipe2(pipes, O_CLOEXEC) != 0) return {};
  const char* place = path.c_str();
  const pid_t child = ::fork();
  if (child == 0) {
    // Nothing but system calls: other threads of ours were not copied, and may hold any lock.
    struct statfs space;
    const char word = ::statfs(place, &space) == 0 ? 'y' : 'n';
    static_cast<void>(!::write(pipes[1], &word, 1));
    ::_exit(0);
  }
  ::close(pipes[1]);
  if (child > 0) return {child, pipes[0]};
  ::close(pipes[0]);
  return {};
}

int left_ms(std::chrono::steady_clock::time_point end) {
  const auto left = std::chrono::duration_cast<Duration>(end - std::chrono::steady_clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

MountAnswer await(const std::string& path, const Asked& asked, std::chrono::steady_clock::time_point end) {
  pollfd wait{.fd = asked.answer, .events = POLLIN, .revents = 0};
  int came = 0;
  do came = ::poll(&wait, 1, left_ms(end));
  while (came < 0 && errno == EINTR);
  char word = 'n';
  const bool said = came > 0 && ::read(asked.answer, &word, 1) == 1;
  ::close(asked.answer);
  if (came > 0) {
    ::waitpid(asked.child, nullptr, 0);  // it ends without touching the mount again
    return said && word == 'y' ? MountAnswer::answers : MountAnswer::refuses;
  }
  ::kill(asked.child, SIGKILL);
  auto& all = forsaken();
  const std::scoped_lock lock(all.mutex);
  all.children[path] = asked.child;
  return MountAnswer::hangs;
}

}  // namespace

std::vector<MountAnswer> ask_mounts(const std::vector<std::string>& paths, Duration patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  reap_those_that_came_back();
  std::vector<Asked> asked;
  std::vector<MountAnswer> answers(paths.size(), MountAnswer::answers);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    asked.emplace_back();
    if (i >= kMountsMax) continue;
    if (still_hangs(paths[i])) answers[i] = MountAnswer::hangs;
    else asked.back() = ask(paths[i]);
  }
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (asked[i].child > 0) answers[i] = await(paths[i], asked[i], end);
  return answers;
}

}  // namespace belay::io
