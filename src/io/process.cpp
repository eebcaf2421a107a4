#include "io/process.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "io/child.hpp"
#include "io/system_clock.hpp"

namespace belay::io {
namespace {

constexpr Duration kGrace{10'000};  // between SIGTERM and SIGKILL
constexpr Duration kUnkillableAfter{60'000};
constexpr Duration kCancelTick{50};    // how soon a cancel is seen
constexpr Duration kExitTick{20};      // how soon an end is seen without pidfd
constexpr Duration kGroupWait{5'000};  // for the kernel to carry out SIGKILL on the rest of the group
constexpr std::size_t kReadBytes = 64 << 10;

// Keeps the head and the tail of what may be endless.
class BoundedText {
 public:
  explicit BoundedText(std::size_t bytes_max) : head_max_(bytes_max / 2), tail_max_(bytes_max - bytes_max / 2) {}

  void add(std::string_view text) {
    const std::size_t to_head = std::min(text.size(), head_max_ - head_.size());
    head_ += text.substr(0, to_head);
    tail_ += text.substr(to_head);
    if (tail_.size() > 2 * tail_max_ + kReadBytes) trim();
  }

  std::uint64_t dropped() { return trim(), dropped_; }

  std::string take() {
    trim();
    if (dropped_ == 0) return head_ + tail_;
    return head_ + "\n[… " + std::to_string(dropped_) + " bytes cut here …]\n" + tail_;
  }

 private:
  void trim() {
    if (tail_.size() <= tail_max_) return;
    const std::size_t excess = tail_.size() - tail_max_;
    dropped_ += excess;
    tail_.erase(0, excess);
  }

  std::size_t head_max_, tail_max_;
  std::string head_, tail_;
  std::uint64_t dropped_ = 0;
};

// Watches one child from its start to the end of its process group.
class Supervisor {
 public:
  Supervisor(const ProcessSpec& spec, const OutputSink& sink, Child child)
      : spec_(spec),
        sink_(sink),
        child_(std::move(child)),
        started_(system_clock().monotonic()),
        texts_{BoundedText(spec.output_bytes_max), BoundedText(spec.output_bytes_max)} {}

  Result<ProcessOutcome> watch() {
    while (!has_ended()) {
      pass_signal();
      BELAY_TRY(press());
      wait_for_events();
    }
    ::kill(-child_.pid, SIGKILL);  // the leader is not reaped yet, so the number still is its group's
    collect_status();
    wait_for_group();
    drain();
    return finish();
  }

 private:
  Duration elapsed() const { return system_clock().monotonic() - started_; }

  bool has_ended() const {
    siginfo_t information{};
    const int result = uninterrupted(
        [&] { return ::waitid(P_PID, static_cast<id_t>(child_.pid), &information, WEXITED | WNOHANG | WNOWAIT); });
    return result != 0 || information.si_pid == child_.pid;
  }

  void pass_signal() {
    const int number = spec_.send_signal ? spec_.send_signal->load(std::memory_order_relaxed) : 0;
    if (number == 0 || number == signal_passed_) return;
    signal_passed_ = number;
    ::kill(child_.pid, number);
  }

  // SIGTERM where time is up or somebody cancelled, SIGKILL after the grace.
  Status press() {
    const bool cancelled = spec_.cancel && spec_.cancel->load(std::memory_order_relaxed);
    if (!terminated_at_ && (cancelled || elapsed() >= spec_.timeout)) {
      end_ = cancelled ? ProcessOutcome::End::cancelled : ProcessOutcome::End::timed_out;
      terminated_at_ = elapsed();
      ::kill(-child_.pid, SIGTERM);
    }
    if (!terminated_at_) return {};
    const Duration since = elapsed() - *terminated_at_;
    if (since >= kGrace) ::kill(-child_.pid, SIGKILL);
    if (since < kGrace + kUnkillableAfter) return {};
    return Error(Code::internal,
                 spec_.argv.front() + " (process " + std::to_string(child_.pid) +
                     ") does not end even on SIGKILL; it hangs in the kernel, look at its disk or network mount",
                 "unkillable");
  }

  Duration next_tick() const {
    Duration tick = terminated_at_ ? std::max(Duration(1), kGrace - (elapsed() - *terminated_at_))
                                   : std::max(Duration(1), spec_.timeout - elapsed());
    if (terminated_at_ && elapsed() - *terminated_at_ >= kGrace) tick = Duration(1'000);
    if ((spec_.cancel || spec_.send_signal) && !terminated_at_) tick = std::min(tick, kCancelTick);
    if (!child_.ended) tick = std::min(tick, kExitTick);
    return std::min(tick, Duration(60'000));
  }

  void wait_for_events() {
    pollfd events[] = {{child_.output.get(), POLLIN, 0},
                       {child_.error.get(), POLLIN, 0},
                       {child_.input.get(), POLLOUT, 0},
                       {child_.ended.get(), POLLIN, 0}};
    if (::poll(events, std::size(events), static_cast<int>(next_tick().count())) <= 0) return;
    if (events[0].revents) read_from(child_.output, 1);
    if (events[1].revents) read_from(child_.error, 2);
    if (events[2].revents) feed();
  }

  // False where nothing is there now, or never again.
  bool read_from(Descriptor& fd, int stream) {
    if (!fd) return false;
    char buffer[kReadBytes];
    const auto count = uninterrupted([&] { return ::read(fd.get(), buffer, sizeof buffer); });
    if (count < 0 && errno == EAGAIN) return false;
    if (count <= 0) return fd.reset(), false;
    const std::string_view text(buffer, static_cast<std::size_t>(count));
    texts_[stream - 1].add(text);
    if (sink_) sink_(stream, text);
    return true;
  }

  void feed() {
    const std::string_view rest = std::string_view(spec_.standard_input).substr(fed_);
    const auto count = uninterrupted([&] { return ::write(child_.input.get(), rest.data(), rest.size()); });
    if (count < 0 && errno == EAGAIN) return;
    if (count > 0) fed_ += static_cast<std::size_t>(count);
    if (count <= 0 || fed_ == spec_.standard_input.size()) child_.input.reset();
  }

  void collect_status() {
    int status = 0;
    uninterrupted([&] { return ::waitpid(child_.pid, &status, 0); });
    if (WIFEXITED(status)) outcome_.exit_status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
    outcome_.end = end_ ? *end_ : WIFSIGNALED(status) ? ProcessOutcome::End::signalled : ProcessOutcome::End::exited;
  }

  void wait_for_group() const {
    const Duration begin = elapsed();
    while (group_is_alive(child_.pid) && elapsed() - begin < kGroupWait) std::this_thread::sleep_for(Duration(2));
  }

  // What lies in the pipes, and not more: a daemon that left the group may hold them open for ever.
  void drain() {
    constexpr int kPipeReadsMax = 64;  // 4 MiB: more than any pipe holds
    for (int i = 0; i < kPipeReadsMax && read_from(child_.output, 1); ++i) continue;
    for (int i = 0; i < kPipeReadsMax && read_from(child_.error, 2); ++i) continue;
  }

  ProcessOutcome finish() {
    outcome_.output_bytes_dropped = texts_[0].dropped() + texts_[1].dropped();
    outcome_.standard_output = texts_[0].take();
    outcome_.standard_error = texts_[1].take();
    outcome_.duration = elapsed();
    return std::move(outcome_);
  }

  const ProcessSpec& spec_;
  const OutputSink& sink_;
  Child child_;
  Duration started_;
  BoundedText texts_[2];
  std::size_t fed_ = 0;
  int signal_passed_ = 0;
  std::optional<Duration> terminated_at_;
  std::optional<ProcessOutcome::End> end_;
  ProcessOutcome outcome_;
};

class RealProcesses final : public Processes {
 public:
  // A child that closes its standard input early must not kill us.
  RealProcesses() { BELAY_ASSERT(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR); }

  Result<ProcessOutcome> run(const ProcessSpec& spec, const OutputSink& sink) override {
    BELAY_TRY_ASSIGN(auto child, start_child(spec));
    if (spec.started) spec.started(child.pid);
    return Supervisor(spec, sink, std::move(child)).watch();
  }
};

}  // namespace

Processes& real_processes() {
  static RealProcesses processes;
  return processes;
}

std::map<std::string, std::string> plain_environment() {
  return {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
          {"LC_ALL", "C.UTF-8"},
          {"HOME", "/root"}};
}

}  // namespace belay::io
