// A real process with a real disk, killed with SIGKILL at every change it makes to it; the next process goes on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <set>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/deadly_files.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/runner/order_work.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "io/system_clock.hpp"

namespace belay::agent {
namespace {

const std::string kOrderId = "11111111-2222-4333-8444-555555555555";

// Its boots are counted in a file: a reboot ends the process, as the real one does.
class MortalHost final : public FakeHost {
 public:
  explicit MortalHost(std::string path) : path_(std::move(path)) {
    const auto text = io::real_files().read(path_, 16);
    boots = text.ok() ? std::stoi(*text) : 1;
    needs_reboot = boots == 1;
  }
  Waited await_reboot(Duration) override {
    static_cast<void>(io::real_files().write_durable(path_, std::to_string(boots + 1), 0600));
    ::kill(::getpid(), SIGTERM);
    return Waited::timed_out;
  }

 private:
  std::string path_;
};

class ProcessKill : public testing::Test {
 protected:
  ProcessKill() { reset(); }
  ~ProcessKill() override { std::filesystem::remove_all(directory_); }

  void reset() {
    std::filesystem::remove_all(directory_);
    FakeState state;
    state.restart_needed = {"ssh.service"};
    state.installed.packages = {{"curl", "amd64", "1"}, {"libc6", "amd64", "1"}};
    for (const char* name : {"curl", "libc6"}) {
      fleet::Offer offer;
      offer.name = name;
      offer.arch = "amd64";
      offer.version = "2";
      state.offers.offers.push_back(offer);
    }
    ASSERT_TRUE(files_.make_directories(paths_.orders(), 0700).ok());
    ASSERT_TRUE(files_.write_durable(packages_path(), json::encode_text(state), 0600).ok());
    AcceptedOrder accepted;
    accepted.order.order_id = kOrderId;
    accepted.order.kind = wire::OrderKind::patch;
    accepted.order.expires_at = io::system_clock().now() + std::chrono::hours(1);
    accepted.order.patch = patchrun::PatchRunOrder{};
    accepted.order.patch->changes = {{"curl", "amd64", "1", "2", "", 0}, {"libc6", "amd64", "1", "2", "", 0}};
    if (change_order_) change_order_(*accepted.order.patch);
    ASSERT_TRUE(OrderBook(files_, paths_).add(accepted).ok());
  }

  // Not healthy where the new curl is.
  class Probe final : public HealthProbe {
   public:
    Probe(std::string name, ProcessKill& node) : name_(std::move(name)), node_(node) {}
    std::string_view name() const override { return name_; }
    Result<ProbeReading> measure(Duration, const ProbeReading*) override {
      return ProbeReading{!node_.installed().contains("curl=2"), "status 502", {}};
    }

   private:
    std::string name_;
    ProcessKill& node_;
  };

  std::string packages_path() const { return (directory_ / "packages.json").string(); }

  enum class Ended { by_itself, by_reboot, killed };
  Ended run_process(int deadly_change, bool after) {
    const pid_t child = ::fork();
    if (child == 0) {
      log::set_level(log::Level::error);
      DeadlyFiles files(deadly_change, after);
      FakePackageManager packages({files, io::real_processes(), io::system_clock()}, packages_path());
      MortalHost host((directory_ / "boots").string());
      const WorkTools tools{files,
                            io::real_processes(),
                            io::system_clock(),
                            packages,
                            host,
                            {},
                            [this](const auto& specs) -> Result<std::vector<std::unique_ptr<HealthProbe>>> {
                              std::vector<std::unique_ptr<HealthProbe>> probes;
                              for (const auto& spec : specs)
                                probes.push_back(std::make_unique<Probe>(spec.name, *this));
                              return probes;
                            },
                            [] { return fleet::NodeFacts{}; },
                            {files, io::real_processes(), {}}};
      const auto done = work_on_order(tools, paths_, kOrderId);
      ::_exit(done.ok() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL ? Ended::killed : Ended::by_reboot;
    EXPECT_EQ(WEXITSTATUS(status), 0);
    return Ended::by_itself;
  }

  void bring_to_end() {
    for (int process = 0; process < 10 && !OrderBook(files_, paths_).has_result(kOrderId); ++process)
      run_process(0, false);
  }

  std::set<std::string> installed() {
    FakePackageManager packages({files_, io::real_processes(), io::system_clock()}, packages_path());
    std::set<std::string> all;
    const auto state = packages.load().value();
    for (const auto& p : state.installed.packages) all.insert(p.name + "=" + p.version);
    return all;
  }

  void expect_honest_end(const std::string& how) {
    SCOPED_TRACE(how);
    const auto result = OrderBook(files_, paths_).result(kOrderId);
    ASSERT_TRUE(result.ok() && *result && (*result)->run);
    const auto& run = *(*result)->run;
    if (run.outcome == patchrun::Outcome::committed)
      EXPECT_EQ(installed(), (std::set<std::string>{"curl=2", "libc6=2"}));
    else if (run.outcome == patchrun::Outcome::rolled_back)
      EXPECT_EQ(installed(), (std::set<std::string>{"curl=1", "libc6=1"}));
    else ADD_FAILURE() << boost::describe::enum_to_string(run.outcome, "?") << "\n" << (*result)->standard_error;
    outcomes_.insert(run.outcome);
  }

  std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                     ("belay-kill-" + std::to_string(::getpid()) + "-" + to_hex(io::random_bytes(4)));
  io::Files& files_ = io::real_files();
  StatePaths paths_{(directory_ / "state").string()};
  std::set<patchrun::Outcome> outcomes_;
  std::function<void(patchrun::PatchRunOrder&)> change_order_;
};

TEST_F(ProcessKill, AtEveryChangeBeforeTheReboot) {
  int kills = 0;
  for (const bool after : {false, true})
    for (int change = 1;; ++change) {
      ASSERT_LT(change, 100);
      reset();
      const auto ended = run_process(change, after);
      bring_to_end();
      expect_honest_end("change " + std::to_string(change) + (after ? ", after it" : ", before it"));
      if (ended != Ended::killed) break;
      kills += 1;
    }
  EXPECT_GT(kills, 20);
  EXPECT_TRUE(outcomes_.contains(patchrun::Outcome::committed));
  EXPECT_TRUE(outcomes_.contains(patchrun::Outcome::rolled_back));
}

TEST_F(ProcessKill, AtEveryChangeAfterTheReboot) {
  for (const bool after : {false, true})
    for (int change = 1;; ++change) {
      ASSERT_LT(change, 100);
      reset();
      ASSERT_EQ(run_process(0, false), Ended::by_reboot);
      const auto ended = run_process(change, after);
      bring_to_end();
      expect_honest_end("change " + std::to_string(change) + " after the reboot");
      if (ended != Ended::killed) break;
    }
  EXPECT_EQ(outcomes_, std::set{patchrun::Outcome::committed});
}

// No reboot on the way, so that one process is all of it.
void watch(patchrun::PatchRunOrder& order) {
  order.reboot = patchrun::Reboot::never;
  order.probes = {{.name = "web", .disk = patchrun::DiskProbe{}}};
  order.gate = {Duration::zero(), Duration(1'000), 1};
}

TEST_F(ProcessKill, AtEveryChangeWhereTheGateCloses) {
  change_order_ = watch;
  for (const bool after : {false, true})
    for (int change = 1;; ++change) {
      ASSERT_LT(change, 100);
      reset();
      const auto ended = run_process(change, after);
      bring_to_end();
      expect_honest_end("change " + std::to_string(change) + (after ? ", after it" : ", before it"));
      if (ended != Ended::killed) break;
    }
  EXPECT_EQ(outcomes_, std::set{patchrun::Outcome::rolled_back});
}

TEST_F(ProcessKill, AtEveryChangeWhereServicesAreRestarted) {
  change_order_ = [](patchrun::PatchRunOrder& order) {
    order.reboot = patchrun::Reboot::never;
    order.restart_services = true;
  };
  for (const bool after : {false, true})
    for (int change = 1;; ++change) {
      ASSERT_LT(change, 100);
      reset();
      const auto ended = run_process(change, after);
      bring_to_end();
      expect_honest_end("change " + std::to_string(change) + (after ? ", after it" : ", before it"));
      if (ended != Ended::killed) break;
    }
  EXPECT_TRUE(outcomes_.contains(patchrun::Outcome::committed));
}

TEST_F(ProcessKill, TwiceOnTheLadder) {
  change_order_ = watch;
  for (int first = 8; first <= 22; first += 2)
    for (int second = 1; second <= 5; second += 2) {
      reset();
      run_process(first, true);
      run_process(second, second % 4 == 1);
      bring_to_end();
      expect_honest_end("changes " + std::to_string(first) + " and " + std::to_string(second));
    }
}

TEST_F(ProcessKill, InTheInstallAndAgainInTheRollback) {
  for (int change = 1; change <= 10; ++change) {
    reset();
    ASSERT_EQ(run_process(14, true), Ended::killed);
    run_process(change, change % 2 == 0);
    bring_to_end();
    expect_honest_end("change " + std::to_string(change) + " of the second process");
  }
}

}  // namespace
}  // namespace belay::agent
