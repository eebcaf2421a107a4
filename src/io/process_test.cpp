#include "io/process.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "base/text.hpp"
#include "io/files.hpp"

namespace belay::io {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using End = ProcessOutcome::End;

ProcessSpec shell(std::string script) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", std::move(script)};
  spec.environment = plain_environment();
  return spec;
}

ProcessOutcome run(const ProcessSpec& spec) {
  auto outcome = real_processes().run(spec);
  EXPECT_TRUE(outcome.ok()) << outcome.error().chain();
  return outcome.ok() ? *outcome : ProcessOutcome{};
}

bool is_alive(const std::string& pid) {
  const int number = std::atoi(pid.c_str());
  EXPECT_GT(number, 1);
  const auto state = real_files().read("/proc/" + pid + "/stat", 4096);
  return state.ok() && state->find(") Z ") == std::string::npos;
}

TEST(Process, TellsStreamsStatusAndInputApart) {
  auto spec = shell("cat; echo out; echo err >&2; exit 7");
  spec.standard_input = "in ";
  const auto outcome = run(spec);
  EXPECT_EQ(outcome.end, End::exited);
  EXPECT_EQ(outcome.exit_status, 7);
  EXPECT_FALSE(outcome.success());
  EXPECT_EQ(outcome.standard_output, "in out\n");
  EXPECT_EQ(outcome.standard_error, "err\n");
  EXPECT_EQ(outcome.output_bytes_dropped, 0u);
}

TEST(Process, TellsASignalFromAnExit) {
  const auto outcome = run(shell("kill -SEGV $$"));
  EXPECT_EQ(outcome.end, End::signalled);
  EXPECT_EQ(outcome.signal, SIGSEGV);
}

TEST(Process, InheritsNothing) {
  ASSERT_EQ(::setenv("BELAY_SECRET", "x", 1), 0);
  const int leaked = ::open("/dev/null", O_RDONLY);  // on purpose without close-on-exec
  auto spec = shell("env; echo fds: $(ls /proc/self/fd); pwd; umask; ulimit -c >/dev/null; trap");
  spec.working_directory = "/tmp";
  const auto outcome = run(spec);
  ::close(leaked);
  EXPECT_THAT(outcome.standard_output, Not(HasSubstr("BELAY_SECRET")));
  EXPECT_THAT(outcome.standard_output, HasSubstr("LC_ALL=C.UTF-8"));
  EXPECT_THAT(outcome.standard_output, HasSubstr("fds: 0 1 2 3\n/tmp\n0022"));  // 3 is what ls reads
}

TEST(Process, SignalsAreAsAtHomeInTheChild) {
  // SIGPIPE is ignored here, and an ignored signal would be inherited over exec: `yes` would not end. So is 32, as
  // whatever was started by glibc's posix_spawn finds it.
  const std::uint64_t ignored[4] = {1};
  ASSERT_EQ(::syscall(SYS_rt_sigaction, 32, ignored, nullptr, 8), 0);
  const auto outcome = run(shell("yes | head -n 1; grep -E 'Sig(Ign|Blk)' /proc/self/status"));
  EXPECT_EQ(outcome.standard_output, "y\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(Process, SaysWhatCannotBeStarted) {
  ProcessSpec spec;
  spec.environment = plain_environment();
  spec.argv = {"belay-no-such-program"};
  auto outcome = real_processes().run(spec);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), Code::not_found);
  EXPECT_EQ(outcome.error().reason(), "program-missing");
  EXPECT_THAT(outcome.error().message(), HasSubstr("belay-no-such-program"));
  spec.argv = {"/etc/passwd"};
  EXPECT_EQ(real_processes().run(spec).error().code(), Code::permission_denied);
  spec.argv = {"true"};
  spec.working_directory = "/no/such/folder";
  EXPECT_EQ(real_processes().run(spec).error().code(), Code::not_found);
  spec.argv = {};
  EXPECT_EQ(real_processes().run(spec).error().code(), Code::invalid_argument);
  spec.argv = {"true", std::string("a\0b", 3)};
  EXPECT_EQ(real_processes().run(spec).error().code(), Code::invalid_argument);
}

TEST(Process, KeepsHeadAndTailOfAFlood) {
  auto spec = shell("echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo last; echo small >&2");
  spec.output_bytes_max = 10'000;
  const auto outcome = run(spec);
  EXPECT_THAT(outcome.standard_output, StartsWith("first\nxxx"));
  EXPECT_TRUE(outcome.standard_output.ends_with("xxx\nlast\n"));
  EXPECT_THAT(outcome.standard_output,
              HasSubstr("\n[… " + std::to_string(30'000'012 - 10'000) + " bytes cut here …]\n"));
  EXPECT_EQ(outcome.output_bytes_dropped, 30'000'012u - 10'000u);
  EXPECT_EQ(outcome.standard_error, "small\n");
}

TEST(Process, GivesTheSinkEverythingAsItComes) {
  std::string seen;
  auto spec = shell("echo one; echo two >&2");
  spec.output_bytes_max = 0;
  const auto outcome = real_processes().run(
      spec, [&](int stream, std::string_view text) { seen += std::to_string(stream) + std::string(text); });
  EXPECT_THAT(seen, HasSubstr("1one\n"));
  EXPECT_THAT(seen, HasSubstr("2two\n"));
  EXPECT_EQ(outcome->output_bytes_dropped, 8u);
}

TEST(Process, ReadsWhileItWrites) {
  auto spec = shell("cat");
  spec.standard_input = std::string(8 << 20, 'i');
  spec.output_bytes_max = 9 << 20;
  EXPECT_EQ(run(spec).standard_output, spec.standard_input);
  spec = shell("exec <&-; echo deaf");
  spec.standard_input = std::string(8 << 20, 'i');
  EXPECT_EQ(run(spec).standard_output, "deaf\n");
}

TEST(Process, TimesOutTheWholeGroup) {
  auto spec = shell("sleep 1000 & echo $!; sleep 1000");
  spec.timeout = Duration(2'000);
  const auto outcome = run(spec);
  EXPECT_EQ(outcome.end, End::timed_out);
  EXPECT_LT(outcome.duration, Duration(11'000));  // SIGTERM was enough
  EXPECT_FALSE(is_alive(std::string(trim(outcome.standard_output))));
}

TEST(Process, KillsWhatIgnoresTermination) {
  auto spec = shell("trap '' TERM; echo ready; while :; do sleep 1; done");
  spec.timeout = Duration(2'000);
  const auto outcome = run(spec);
  EXPECT_EQ(outcome.end, End::timed_out);
  EXPECT_EQ(outcome.signal, SIGKILL);
  EXPECT_EQ(outcome.standard_output, "ready\n");
}

TEST(Process, CanBeCancelled) {
  std::atomic<bool> cancel{false};
  auto spec = shell("trap 'echo tidy; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
  spec.cancel = &cancel;
  const auto outcome = real_processes().run(spec, [&](int, std::string_view) { cancel = true; });
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->end, End::cancelled);
  EXPECT_EQ(outcome->standard_output, "ready\ntidy\n");
}

TEST(Process, LeavesNoGrandchildBehind) {
  const auto outcome = run(shell("(trap '' HUP TERM; while :; do sleep 1; done) & echo $!"));
  EXPECT_TRUE(outcome.success());
  EXPECT_FALSE(is_alive(std::string(trim(outcome.standard_output))));
}

TEST(Process, DoesNotWaitForADaemonThatHoldsThePipe) {
  const auto outcome = run(shell(
      "f=$(mktemp -u); mkfifo $f; setsid sh -c \"echo \\$\\$; echo > $f; exec sleep 1000\" & read x < $f; rm $f"));
  EXPECT_TRUE(outcome.success());
  EXPECT_LT(outcome.duration, Duration(60'000));
  // It left the group on purpose, as services do that a package starts: it lives.
  const auto pid = std::string(trim(outcome.standard_output));
  EXPECT_TRUE(is_alive(pid));
  ::kill(std::atoi(pid.c_str()), SIGKILL);
}

TEST(Process, LeavesNoZombies) {
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(run(shell("true")).success());
  const auto own = std::to_string(::getpid());
  const auto outcome = run(shell("ps -o stat= --ppid " + own + " | grep -c Z"));
  EXPECT_EQ(outcome.standard_output, "0\n");
}

TEST(Process, RunsFromManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&good, t] {
      for (int i = 0; i < 10; ++i) {
        auto spec = shell("cat; echo " + std::to_string(t));
        spec.standard_input = "a";
        good += run(spec).standard_output == "a" + std::to_string(t) + "\n";
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
}

TEST(Process, DropsToAnotherUser) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  auto spec = shell("id -u; id -g; id -G");
  spec.user_id = 65'534;
  spec.group_id = 65'534;
  EXPECT_EQ(run(spec).standard_output, "65534\n65534\n65534\n");
}

}  // namespace
}  // namespace belay::io
