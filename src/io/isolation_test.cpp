#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "base/text.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::io {
namespace {

ProcessSpec shell(std::string script) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", std::move(script)};
  spec.environment = plain_environment();
  return spec;
}

std::string make_directory() {
  std::string path = "/tmp/belay-isolation-XXXXXX";
  EXPECT_NE(::mkdtemp(path.data()), nullptr);
  return path;
}

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 2'000 && !holds(); ++i) std::this_thread::sleep_for(Duration(5));
  return holds();
}

class IsolationTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "namespaces need root";
    auto spec = shell("true");
    spec.isolation = Isolation{.network = true, .processes = true, .hidden = {}, .kept = {}};
    const auto outcome = real_processes().run(spec);
    if (!outcome.ok() && outcome.error().reason() == "no-isolation") GTEST_SKIP() << outcome.error().message();
    ASSERT_TRUE(outcome.ok()) << outcome.error().chain();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  ProcessOutcome run(const ProcessSpec& spec) {
    auto outcome = real_processes().run(spec);
    EXPECT_TRUE(outcome.ok()) << outcome.error().chain();
    return outcome.ok() ? *outcome : ProcessOutcome{};
  }
  ProcessSpec walled(std::string script) {
    auto spec = shell(std::move(script));
    spec.isolation = Isolation{.network = true, .processes = true, .hidden = {}, .kept = {}};
    return spec;
  }

  std::string directory_ = make_directory();
};

TEST_F(IsolationTest, HasNothingButLoAndSeesItselfAlone) {
  const auto outcome = run(walled(
      "tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/net/unix | wc -l; echo $$; ls -d /proc/[0-9]* | wc -l"));
  EXPECT_TRUE(outcome.success()) << outcome.standard_error;
  const auto lines = split(outcome.standard_output, '\n');
  ASSERT_GE(lines.size(), 4u);
  EXPECT_EQ(trim(lines[0]), "lo");
  EXPECT_EQ(trim(lines[1]), "1");  // the heading: no socket
  EXPECT_EQ(lines[2], "1");
  EXPECT_LE(std::stoi(std::string(lines[3])), 3);
}

TEST_F(IsolationTest, LoIsUp) {
  // The flags of lo end in 9: up and loopback.
  EXPECT_EQ(run(walled("mount -t sysfs s /sys && cat /sys/class/net/lo/flags")).standard_output, "0x9\n");
}

TEST_F(IsolationTest, HidesAndKeeps) {
  std::filesystem::create_directories(directory_ + "/shut/in/scratch");
  std::filesystem::permissions(directory_ + "/shut", std::filesystem::perms::owner_all);
  ASSERT_TRUE(real_files().write_durable(directory_ + "/shut/secret", "s", 0644).ok());
  ASSERT_TRUE(real_files().write_durable(directory_ + "/shut/in/scratch/file", "kept\n", 0644).ok());
  auto spec = walled("cd " + directory_ +
                     "/shut && ls -A . && cat in/scratch/file && echo new >in/scratch/new; touch nix || echo cannot");
  spec.isolation->hidden = {directory_ + "/shut", "/nonexistent", "/run"};
  spec.isolation->kept = {directory_ + "/shut/in/scratch"};
  spec.user_id = spec.group_id = 65534;
  std::filesystem::permissions(directory_, std::filesystem::perms(0755));
  std::filesystem::permissions(directory_ + "/shut/in/scratch", std::filesystem::perms(0777));
  const auto outcome = run(spec);
  EXPECT_EQ(outcome.standard_output, "in\nkept\ncannot\n") << outcome.standard_error;
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/shut/in/scratch/new"));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/shut/secret"));
}

TEST_F(IsolationTest, AMountAloneLeavesTheNetwork) {
  auto spec = shell("ls -A " + directory_ + "; readlink /proc/self/ns/net");
  ASSERT_TRUE(real_files().write_durable(directory_ + "/file", "", 0644).ok());
  spec.isolation = Isolation{.network = false, .processes = false, .hidden = {directory_}, .kept = {}};
  EXPECT_EQ(run(spec).standard_output, *real_files().read_link("/proc/self/ns/net") + "\n");
}

TEST_F(IsolationTest, ReadsAllAndWritesNothing) {
  ASSERT_TRUE(real_files().write_durable(directory_ + "/file", "secret\n", 0600).ok());
  auto spec = shell("cat " + directory_ + "/file; touch " + directory_ + "/x || echo cannot; id -u");
  spec.user_id = spec.group_id = 65534;
  spec.reads_all = true;
  EXPECT_EQ(run(spec).standard_output, "secret\ncannot\n65534\n");
}

TEST_F(IsolationTest, NothingButWhatIsKeptCanBeWritten) {
  for (const char* name : {"/kept", "/shown", "/other"}) std::filesystem::create_directories(directory_ + name);
  auto spec = walled("cd " + directory_ +
                     " && for d in kept shown other /run /etc /dev/shm; do touch $d/belay-x 2>/dev/null && echo $d; "
                     "done; cat shown/file; echo 1 >/proc/sys/vm/overcommit_memory || echo cannot");
  ASSERT_TRUE(real_files().write_durable(directory_ + "/shown/file", "seen\n", 0600).ok());
  spec.isolation->hidden = {"/run", "/dev/shm"};
  spec.isolation->kept = {directory_ + "/kept"};
  spec.isolation->shown = {directory_ + "/shown"};
  spec.isolation->read_only = true;
  const auto outcome = run(spec);  // as root
  EXPECT_EQ(outcome.standard_output, "kept\n/run\n/dev/shm\nseen\ncannot\n") << outcome.standard_error;
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/kept/belay-x"));
  EXPECT_FALSE(std::filesystem::exists("/etc/belay-x"));
  ASSERT_TRUE(real_files().write_durable(directory_ + "/other/mine", "", 0600).ok());  // the machine itself still can
}

TEST_F(IsolationTest, RootByNameAlone) {
  std::filesystem::create_directories(directory_ + "/anothers");
  ASSERT_TRUE(real_files().write_durable(directory_ + "/anothers/file", "secret\n", 0600).ok());
  ASSERT_EQ(
      run(shell("chown -R nobody " + directory_ + "/anothers; chmod 700 " + directory_ + "/anothers")).exit_status, 0);
  auto spec = shell("cd " + directory_ +
                    "/anothers && cat file; touch x || echo cannot; mount -t tmpfs x /mnt || echo "
                    "neither; id -u");
  spec.reads_all = true;
  EXPECT_EQ(run(spec).standard_output, "secret\ncannot\nneither\n0\n");
}

TEST_F(IsolationTest, AnotherRunsBesideIt) {
  std::atomic<int> process{0};
  std::atomic<int> signal{0};
  auto spec = walled("echo there >/run/there; exec sleep 60");
  spec.isolation->hidden = {"/run"};
  spec.started = [&](int id) { process = id; };
  spec.send_signal = &signal;
  auto server = std::async(std::launch::async, [&] { return run(spec); });
  ASSERT_TRUE(eventually([&] { return process != 0; }));
  auto client = shell(
      "while ! test -s /run/there; do sleep 0.02; done; cat /run/there; tail -n +3 /proc/net/dev | cut -d: -f1; test "
      "$$ -lt 1000 && echo inside");
  client.beside = process;
  EXPECT_EQ(run(client).standard_output, "there\n    lo\ninside\n");
  EXPECT_FALSE(std::filesystem::exists("/run/there"));
  EXPECT_EQ(run(shell("readlink /proc/self/ns/pid")).standard_output,
            *real_files().read_link("/proc/self/ns/pid") + "\n");
  signal = SIGKILL;
  EXPECT_EQ(server.get().signal, SIGKILL);
}

TEST_F(IsolationTest, DiesWithItsCaller) {
  for (const bool isolated : {false, true}) {
    SCOPED_TRACE(isolated);
    const auto mark = directory_ + "/pid";
    ASSERT_TRUE(real_files().remove(mark).ok());
    const pid_t caller = ::fork();
    if (caller == 0) {
      auto spec = isolated ? walled("sleep 600 & wait") : shell("exec sleep 600");
      spec.dies_with_caller = true;
      spec.user_id = spec.group_id = 65534;
      spec.started = [&](int id) { static_cast<void>(real_files().write_durable(mark, std::to_string(id), 0600)); };
      static_cast<void>(real_processes().run(spec));
      ::_exit(0);
    }
    ASSERT_TRUE(eventually([&] { return real_files().info(mark).ok(); }));
    const auto process = *real_files().read(mark, 100);
    ::kill(caller, SIGKILL);
    ::waitpid(caller, nullptr, 0);
    EXPECT_TRUE(eventually([&] {
      const auto state = real_files().read("/proc/" + process + "/stat", 4096);
      return !state.ok() || state->find(") Z ") != std::string::npos;
    }));
  }
}

TEST(ProcessStreams, GoFromAndIntoFiles) {
  const auto directory = make_directory();
  ASSERT_TRUE(real_files().write_durable(directory + "/in", "from a file\n", 0600).ok());
  auto spec = shell("cat; echo err >&2");
  spec.input_file = directory + "/in";
  spec.output_file = directory + "/out";
  const auto outcome = real_processes().run(spec);
  ASSERT_TRUE(outcome.ok()) << outcome.error().chain();
  EXPECT_EQ(outcome->standard_output, "");
  EXPECT_EQ(outcome->standard_error, "err\n");
  EXPECT_EQ(*real_files().read(directory + "/out", 100), "from a file\n");
  EXPECT_EQ(real_files().info(directory + "/out")->mode & 0777, 0600u);
  spec.input_file = directory + "/absent";
  const auto absent = real_processes().run(spec);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), Code::not_found);
  std::filesystem::remove_all(directory);
}

TEST(ProcessPriority, GivesWay) {
  auto spec = shell("nice; ionice -p $$");
  spec.gently = true;
  const auto outcome = real_processes().run(spec);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->standard_output, "19\nidle\n");
}

TEST(ProcessSignals, AreSentOnceToTheProcess) {
  std::atomic<int> number{0};
  auto spec = shell("trap 'echo told; exit 3' INT; echo ready; while :; do sleep 0.01; done");
  spec.send_signal = &number;
  spec.timeout = Duration(30'000);
  const auto outcome = real_processes().run(spec, [&](int, std::string_view) { number = SIGINT; });
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->standard_output, "ready\ntold\n");
  EXPECT_EQ(outcome->exit_status, 3);
}

}  // namespace
}  // namespace belay::io
