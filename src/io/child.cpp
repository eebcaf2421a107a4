#include "io/child.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"
#include "io/isolation.hpp"

namespace belay::io {
namespace {

constexpr int kStatusFd = 3;          // in the child: closed by exec, carries errno where exec fails
constexpr rlim_t kCloseMax = 65'536;  // where the kernel has no close_range; ours are all close-on-exec anyway

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return posix_error(errno, "cannot make a pipe");
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// All that the child needs, made before fork: after it only async-signal-safe calls are allowed.
struct Prepared {
  std::string program;
  std::vector<char*> argv;
  std::vector<std::string> assignments;
  std::vector<char*> environment;
  Descriptor input_file, output_file;
  PreparedWalls walls;
  Pipe input, output, error, status;
};

bool is_program(const std::string& path) {
  struct stat information{};
  return ::stat(path.c_str(), &information) == 0 && S_ISREG(information.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

Result<std::string> find_program(const ProcessSpec& spec) {
  const std::string& name = spec.argv.front();
  if (name.find('/') != std::string::npos) return name;
  const auto path = spec.environment.find("PATH");
  const std::string folders = path == spec.environment.end() ? "/usr/bin:/bin" : path->second;
  for (const auto folder : split(folders, ':')) {
    const std::string candidate = (folder.empty() ? std::string(".") : std::string(folder)) + "/" + name;
    if (is_program(candidate)) return candidate;
  }
  return Error(Code::not_found, "the program " + name + " is not installed (looked in " + folders + ")",
               "program-missing");
}

bool has_zero_byte(const std::string& text) { return text.find('\0') != std::string::npos; }

Status check_spec(const ProcessSpec& spec) {
  if (spec.argv.empty() || spec.argv.front().empty()) return Error(Code::invalid_argument, "no program is named");
  bool bad = std::any_of(spec.argv.begin(), spec.argv.end(), has_zero_byte) || has_zero_byte(spec.working_directory);
  for (const auto& [name, value] : spec.environment)
    bad = bad || name.empty() || name.find('=') != std::string::npos || has_zero_byte(name) || has_zero_byte(value);
  if (bad)
    return Error(Code::invalid_argument,
                 "an argument or variable of " + spec.argv.front() + " holds a zero byte or '='");
  return {};
}

Status prepare_streams(const ProcessSpec& spec, Prepared& prepared) {
  if (spec.standard_input.empty() || !spec.input_file.empty()) {
    const std::string from = spec.input_file.empty() ? "/dev/null" : spec.input_file;
    prepared.input_file.reset(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    if (!prepared.input_file) return posix_error(errno, "cannot open " + from);
  } else {
    BELAY_TRY_ASSIGN(prepared.input, make_pipe());
  }
  if (spec.output_file.empty()) {
    BELAY_TRY_ASSIGN(prepared.output, make_pipe());
    return {};
  }
  prepared.output_file.reset(
      ::open(spec.output_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!prepared.output_file) return posix_error(errno, "cannot write " + spec.output_file);
  return {};
}

Result<Prepared> prepare(const ProcessSpec& spec) {
  BELAY_TRY(check_spec(spec));
  Prepared prepared;
  BELAY_TRY_ASSIGN(prepared.program, find_program(spec));
  for (const auto& argument : spec.argv) prepared.argv.push_back(const_cast<char*>(argument.c_str()));
  prepared.argv.push_back(nullptr);
  for (const auto& [name, value] : spec.environment) prepared.assignments.push_back(name + "=" + value);
  for (auto& assignment : prepared.assignments) prepared.environment.push_back(assignment.data());
  prepared.environment.push_back(nullptr);
  BELAY_TRY(prepare_streams(spec, prepared));
  BELAY_TRY_ASSIGN(prepared.walls, prepare_walls(spec));
  BELAY_TRY_ASSIGN(prepared.error, make_pipe());
  BELAY_TRY_ASSIGN(prepared.status, make_pipe());
  return prepared;
}

// --- in the child, between fork and exec ---

// The kernel's struct sigaction, all zero: SIG_DFL with no flags. Raw calls again: glibc's refuse 32 and 33, which it
// keeps for itself and which its own posix_spawn leaves ignored in whatever it starts.
void restore_signals() {
  constexpr std::size_t kSignalSetBytes = 8;
  const std::uint64_t standard[4] = {};
  for (int number = 1; number < NSIG; ++number) ::syscall(SYS_rt_sigaction, number, standard, nullptr, kSignalSetBytes);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The four descriptors may already carry low numbers, so they first go where nothing is overwritten.
bool place_descriptors(const Prepared& prepared) {
  const int sources[] = {prepared.input_file ? prepared.input_file.get() : prepared.input.read.get(),
                         prepared.output_file ? prepared.output_file.get() : prepared.output.write.get(),
                         prepared.error.write.get(), prepared.status.write.get()};
  int safe[4];
  for (int i = 0; i < 4; ++i)
    if ((safe[i] = ::fcntl(sources[i], F_DUPFD_CLOEXEC, 10)) < 0) return false;
  for (int i = 0; i < 4; ++i)
    if (::dup2(safe[i], i) < 0) return false;
  return ::fcntl(kStatusFd, F_SETFD, FD_CLOEXEC) == 0;
}

void close_others(rlim_t limit) {
  if (::syscall(SYS_close_range, kStatusFd + 1, ~0U, 0) == 0) return;
  for (int fd = kStatusFd + 1; fd < static_cast<int>(std::min(limit, kCloseMax)); ++fd) ::close(fd);
}

bool keep_reading() {
  // Else root's execve would give it all of them back.
  if (::geteuid() == 0 && ::prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) != 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = data[0].inheritable = 1U << CAP_DAC_READ_SEARCH;
  return ::syscall(SYS_capset, &header, data) == 0 &&
         ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) == 0;
}

// Raw calls: glibc's change every thread of the process, and after fork only this one exists.
bool drop_to_user(const ProcessSpec& spec) {
  if (spec.user_id == 0 && spec.group_id == 0) return !spec.reads_all || keep_reading();
  if (::syscall(SYS_setgroups, 0, nullptr) != 0) return false;
  if (spec.group_id != 0 && ::syscall(SYS_setresgid, spec.group_id, spec.group_id, spec.group_id) != 0) return false;
  if (spec.user_id == 0) return true;
  if (spec.reads_all && ::prctl(PR_SET_KEEPCAPS, 1) != 0) return false;
  if (::syscall(SYS_setresuid, spec.user_id, spec.user_id, spec.user_id) != 0) return false;
  return !spec.reads_all || keep_reading();
}

// Not allowed or not known here: then it runs as everything does.
void give_way() {
  constexpr int kWhoProcess = 1, kIdleClass = 3 << 13;
  ::setpriority(PRIO_PROCESS, 0, 19);
  ::syscall(SYS_ioprio_set, kWhoProcess, 0, kIdleClass);
}

// Set last, since a change of user clears it. Whoever ended before it was set left a pipe without a reader.
bool die_with_caller() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  pollfd reader{kStatusFd, 0, 0};
  if (::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR)) ::_exit(127);
  return true;
}

[[noreturn]] void run_program(const ProcessSpec& spec, const Prepared& prepared, rlim_t descriptors_max) {
  ::setsid();
  restore_signals();
  ::umask(022);
  if (go_beside(prepared.walls) && place_descriptors(prepared)) {
    close_others(descriptors_max);
    if (spec.gently) give_way();
    if (raise_walls(prepared.walls) && drop_to_user(spec) && (!spec.dies_with_caller || die_with_caller()) &&
        ::chdir(spec.working_directory.c_str()) == 0)
      ::execve(prepared.program.c_str(), prepared.argv.data(), prepared.environment.data());
    const int number = errno;
    if (::write(kStatusFd, &number, sizeof number) < 0) ::_exit(126);
  }
  ::_exit(127);
}

// --- in the parent ---

void set_non_blocking(const Descriptor& fd) {
  if (fd) ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

// All signals are held back around fork, so that a handler of ours never runs in the child.
pid_t fork_quietly(const ProcessSpec& spec, const Prepared& prepared) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork_within(prepared.walls);
  if (pid == 0) run_program(spec, prepared, limit.rlim_cur);
  const int number = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = number;
  return pid;
}

}  // namespace

Result<Child> start_child(const ProcessSpec& spec) {
  BELAY_TRY_ASSIGN(auto prepared, prepare(spec));
  Child child;
  child.pid = fork_quietly(spec, prepared);
  if (child.pid < 0) {
    const auto what = "cannot start a process for " + spec.argv.front();
    return spec.isolation && (errno == EPERM || errno == EINVAL || errno == ENOSPC) ? no_isolation(what)
                                                                                    : posix_error(errno, what);
  }
  prepared.status.write.reset();
  int number = 0;
  const auto count = uninterrupted([&] { return ::read(prepared.status.read.get(), &number, sizeof number); });
  if (count == sizeof number) {
    uninterrupted([&] { return ::waitpid(child.pid, nullptr, 0); });
    const auto what = "cannot run " + prepared.program + " in " + spec.working_directory;
    return spec.isolation && number == EPERM ? no_isolation(what) : posix_error(number, what);
  }
  child.input = std::move(prepared.input.write);
  child.output = std::move(prepared.output.read);
  child.error = std::move(prepared.error.read);
  for (const auto* fd : {&child.input, &child.output, &child.error}) set_non_blocking(*fd);
  child.ended.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  return child;
}

}  // namespace belay::io
