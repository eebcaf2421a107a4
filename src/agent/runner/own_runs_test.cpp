// A node that is cut off: the set it keeps, the runs it begins by itself, and what is left of them wherever it is
// killed.
#include "agent/runner/own_runs.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/deadly_files.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/runner/order_desk.hpp"
#include "agent/runner/order_work.hpp"
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {
using namespace std::chrono_literals;

const std::string kNode = "mi-0123456789abcdef0";
const std::string kAssociation = "01234567-89ab-4def-8123-456789abcdef";

// Works on orders in this process, or not at all.
class WorkingLauncher final : public Launcher {
 public:
  explicit WorkingLauncher(std::function<Status(const std::string&)> work) : work_(std::move(work)) {}
  Status launch(const std::string& order_id, wire::OrderKind) override { return idle ? Status() : work_(order_id); }
  bool idle = false;

 private:
  std::function<Status(const std::string&)> work_;
};

// The agent's parts over one directory, as one process has them.
struct Parts {
  Parts(io::Files& the_files, fakes::ManualClock& the_clock, const std::string& directory, const std::string& key)
      : files(the_files),
        clock(the_clock),
        paths(directory + "/state"),
        packages({files, io::real_processes(), clock}, directory + "/packages.json"),
        verifier(files, paths, kNode, key),
        outbox(Outbox::open(files, paths).value()) {
    static_cast<void>(files.make_directories(paths.orders(), 0700));
    DeskParts parts{files, clock, paths, verifier, outbox, launcher, {}, {}, {}};
    parts.run_blocking = [](std::function<void()> work, std::function<void()> done) { work(), done(); };
    parts.tell = [](const wire::OrderUpdate&) {};
    parts.outbox_filled = [] {};
    desk = std::make_unique<OrderDesk>(std::move(parts));
  }
  Status work(const std::string& order_id) {
    const WorkTools tools{files,
                          io::real_processes(),
                          clock,
                          packages,
                          host,
                          {},
                          {},
                          [] { return fleet::NodeFacts{}; },
                          {files, io::real_processes(), {}},
                          paths.root() + "/../agent-policy.toml"};
    return work_on_order(tools, paths, order_id);
  }
  void finish() {
    for (int i = 0; i < 200 && desk->tick(); ++i) clock.advance(1s);
    EXPECT_TRUE(desk->is_idle());
  }

  io::Files& files;
  fakes::ManualClock& clock;
  StatePaths paths;
  FakePackageManager packages;
  FakeHost host;
  OrderVerifier verifier;
  Outbox outbox;
  WorkingLauncher launcher{[this](const std::string& id) { return work(id); }};
  std::unique_ptr<OrderDesk> desk;
};

class OwnRunsTest : public testing::Test {
 protected:
  OwnRunsTest() {
    std::filesystem::create_directories(directory_);
    start();
  }
  ~OwnRunsTest() override { std::filesystem::remove_all(directory_); }

  void start(io::Files& files = io::real_files()) {
    parts_.reset();
    parts_ = std::make_unique<Parts>(files, clock_, directory_.string(), keys_.public_key);
  }
  std::string ran_path() const { return (directory_ / "ran").string(); }
  std::size_t times_run() const {
    const auto text = io::real_files().read(ran_path(), 1 << 20);
    return text.ok() ? static_cast<std::size_t>(std::ranges::count(*text, '\n')) : 0;
  }
  wire::OfflineAssociation hourly(std::int64_t version = 1, std::vector<std::string> commands = {}) {
    document::RunShellScript script;
    script.commands = commands.empty() ? std::vector<std::string>{"echo run >>" + ran_path(), "echo done"} : commands;
    script.timeout = 20s;
    document::Step step;
    step.name = "script";
    step.work = script;
    wire::OfflineAssociation made;
    made.association_id = kAssociation;
    made.version = version;
    made.document = "AWS-RunShellScript";
    made.schedule = "rate(1 hour)";
    made.since = made_at_;
    made.steps = {step};
    return made;
  }
  wire::Order set_order(std::vector<wire::OfflineAssociation> associations) {
    wire::Order order;
    order.order_id = make_uuid(io::random_bytes(kIdRandomBytes));
    order.node_id = kNode;
    order.counter = ++counter_;
    order.issued_at = clock_.now();
    order.expires_at = clock_.now() + 720h;
    order.kind = wire::OrderKind::associations;
    order.associations = wire::AssociationsOrder{io::sha256_hex(wire::canonical_text(associations)), order.expires_at,
                                                 std::move(associations)};
    return order;
  }
  wire::SignedOrder sign(const wire::Order& order) {
    const auto payload = json::to_canonical_text(json::encode(order));
    return {payload, to_base64(io::ed25519_sign(keys_.private_key, payload))};
  }
  void keep(std::vector<wire::OfflineAssociation> associations) {
    ASSERT_TRUE(desk().receive(sign(set_order(std::move(associations))), {}).ok());
  }
  OrderDesk& desk() { return *parts_->desk; }
  void cut() { ASSERT_TRUE(desk().own_runs().cut_off(clock_.now()).ok()); }
  // To `after` from its making, and what is due then.
  void run_at(Duration after) {
    clock_.set_wall(made_at_ + after);
    static_cast<void>(desk().run_own());
    parts_->finish();
  }
  std::vector<wire::OrderResult> results() {
    std::vector<wire::OrderResult> all;
    std::uint64_t after = 0;
    while (const auto item = parts_->outbox.next(after)) {
      after = item->sequence;
      if (auto result = wire::unpack<wire::OrderResult>(item->message); result.ok() && result->due)
        all.push_back(std::move(*result));
    }
    return all;
  }

  std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                     ("belay-own-" + std::to_string(::getpid()) + "-" + to_hex(io::random_bytes(4)));
  fakes::ManualClock clock_;
  const Instant made_at_ = clock_.now();
  io::SigningKeyPair keys_ = io::make_signing_key();
  std::uint64_t counter_ = 0;
  std::unique_ptr<Parts> parts_;
};

TEST_F(OwnRunsTest, CutOffItRunsByTheScheduleAndTellsItOnce) {
  keep({hourly()});
  EXPECT_EQ(desk().own_runs().hash(), io::sha256_hex(wire::canonical_text({hourly()})));
  run_at(2h + 30min);
  EXPECT_EQ(times_run(), 0U) << "the server answers";
  cut();
  run_at(3h + 30s);
  EXPECT_EQ(times_run(), 0U) << "the server may still come";
  run_at(3h + 1min);
  ASSERT_EQ(times_run(), 1U);
  run_at(3h + 2min);
  start();  // as after a restart of the agent
  run_at(3h + 3min);
  EXPECT_EQ(times_run(), 1U);
  run_at(4h + 1min);
  EXPECT_EQ(times_run(), 2U);
  const auto told = results();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(*told[0].due, (wire::AssociationDue{kAssociation, 1, made_at_ + 3h}));
  EXPECT_EQ(told[0].outcome, wire::OrderOutcome::success);
  EXPECT_EQ(told[0].steps->outputs.at(0).standard_output, "done\n");
  EXPECT_EQ(told[0].order_id, desk().own_runs().order_id(*told[0].due));
  EXPECT_EQ(desk().own_runs().taken_up().at(0).due_at, made_at_ + 4h);
}

TEST_F(OwnRunsTest, TheServersOrderForTheSameRunIsTheSameOrder) {
  keep({hourly()});
  cut();
  run_at(1h + 1min);
  ASSERT_EQ(times_run(), 1U);
  auto order = desk().own_runs().order_of(hourly(), {kAssociation, 1, made_at_ + 1h}, clock_.now());
  order.counter = ++counter_;
  ASSERT_TRUE(desk().own_runs().reached().ok());
  ASSERT_TRUE(desk().receive(sign(order), {}).ok());
  parts_->finish();
  EXPECT_EQ(times_run(), 1U);
  EXPECT_EQ(results().size(), 1U);
}

TEST_F(OwnRunsTest, ARunThatTheServerBeganIsNotBegunHere) {
  keep({hourly()});
  clock_.set_wall(made_at_ + 1h);
  auto order = desk().own_runs().order_of(hourly(), {kAssociation, 1, made_at_ + 1h}, clock_.now());
  order.counter = ++counter_;
  ASSERT_TRUE(desk().receive(sign(order), {}).ok());
  parts_->launcher.idle = true;
  cut();
  run_at(1h + 2min);
  EXPECT_TRUE(results().empty());
  EXPECT_EQ(desk().own_runs().taken_up().at(0).due_at, made_at_ + 1h);
}

TEST_F(OwnRunsTest, WhatWasChangedOrTakenAwayIsNotRun) {
  keep({hourly()});
  keep({hourly(2, {"echo two >>" + ran_path()})});
  cut();
  run_at(1h + 1min);
  EXPECT_EQ(io::real_files().read(ran_path(), 100).value(), "two\n");
  ASSERT_TRUE(desk().own_runs().reached().ok());
  keep({});
  EXPECT_TRUE(desk().own_runs().kept().empty());
  EXPECT_TRUE(desk().own_runs().taken_up().empty());
  cut();
  run_at(3h + 1min);
  EXPECT_EQ(times_run(), 1U);
}

TEST_F(OwnRunsTest, WhatIsNotTheServersOrTooOldIsNotRun) {
  keep({hourly()});
  const auto path = parts_->paths.associations();
  auto text = io::real_files().read(path, 1 << 20).value();
  const auto at = text.find("echo done");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 9, "echo evil");
  ASSERT_TRUE(io::real_files().write_durable(path, text, 0600).ok());
  start();
  EXPECT_TRUE(desk().own_runs().kept().empty());
  EXPECT_EQ(desk().own_runs().hash(), "") << "so the server sends it again";

  auto forged = sign(set_order({hourly()}));
  forged.signature = sign(set_order({})).signature;
  EXPECT_EQ(desk().receive(forged, {}).error().reason(), "signature-bad");
  auto bad = hourly();
  bad.schedule = "every now and then";
  ASSERT_TRUE(desk().receive(sign(set_order({bad})), {}).ok()) << "refused by a result";
  EXPECT_TRUE(desk().own_runs().kept().empty());

  keep({hourly()});
  cut();
  run_at(721h + 2min);
  EXPECT_EQ(times_run(), 0U) << "its validity is over";
}

TEST_F(OwnRunsTest, WhatTheNodesPolicyForbidsIsRefusedAndSaid) {
  ASSERT_TRUE(io::real_files()
                  .write_durable((directory_ / "agent-policy.toml").string(), "documents = [\"Another\"]\n", 0644)
                  .ok());
  keep({hourly()});
  cut();
  run_at(1h + 1min);
  EXPECT_EQ(times_run(), 0U);
  ASSERT_EQ(results().size(), 1U);
  EXPECT_EQ(results()[0].outcome, wire::OrderOutcome::refused);
  ASSERT_FALSE(results()[0].problems.empty());
  EXPECT_EQ(results()[0].problems[0].reason, fleet::Reason::policy_forbids) << results()[0].standard_error;
}

TEST_F(OwnRunsTest, ASetThatIsSentAgainIsAcknowledgedAgain) {
  const auto sent = sign(set_order({hourly()}));
  ASSERT_TRUE(desk().receive(sent, {}).ok());
  start();
  ASSERT_TRUE(desk().receive(sent, {}).ok());
  EXPECT_EQ(parts_->outbox.size(), 1U) << "one result, and no refusal";
}

TEST_F(OwnRunsTest, ARunThatLastsPassesTheNextDueTimeOver) {
  keep({hourly()});
  parts_->launcher.idle = true;
  cut();
  clock_.set_wall(made_at_ + 1h + 1min);
  static_cast<void>(desk().run_own());
  static_cast<void>(desk().tick());
  clock_.set_wall(made_at_ + 2h + 1min);
  static_cast<void>(desk().run_own());
  parts_->launcher.idle = false;
  parts_->finish();
  EXPECT_EQ(times_run(), 1U);
  const auto told = results();
  ASSERT_EQ(told.size(), 2U);
  const auto& skipped = told[told[0].steps ? 1 : 0];
  EXPECT_EQ(skipped.outcome, wire::OrderOutcome::cancelled);
  EXPECT_EQ(skipped.due->due_at, made_at_ + 2h);
  EXPECT_NE(skipped.standard_error.find("still under way"), std::string::npos);
}

TEST_F(OwnRunsTest, AStepThatAsksForAssociationsReachesTheServerOrRunsWhatIsKept) {
  keep({hourly()});
  const auto ask = [&](std::vector<std::string> ids) {
    wire::Order order;
    order.order_id = make_uuid(io::random_bytes(kIdRandomBytes));
    order.node_id = kNode;
    order.counter = ++counter_;
    order.issued_at = clock_.now();
    order.expires_at = clock_.now() + 1h;
    order.kind = wire::OrderKind::steps;
    document::Step step;
    step.name = "refresh";
    step.work = document::RefreshAssociation{std::move(ids)};
    order.steps = wire::StepsOrder{{step}, document::new_run(std::span(&step, 1)), ""};
    ASSERT_TRUE(desk().receive(sign(order), {}).ok());
    parts_->finish();
  };
  const auto asked = [&] {
    std::vector<wire::AssociationsWanted> all;
    std::uint64_t after = 0;
    while (const auto item = parts_->outbox.next(after)) {
      after = item->sequence;
      if (auto wanted = wire::unpack<wire::AssociationsWanted>(item->message); wanted.ok()) all.push_back(*wanted);
    }
    return all;
  };
  ask({});
  ASSERT_EQ(asked().size(), 1U);
  EXPECT_TRUE(asked()[0].association_ids.empty());
  EXPECT_EQ(times_run(), 0U);
  cut();
  ask({});
  EXPECT_EQ(times_run(), 1U);
  EXPECT_EQ(asked().size(), 1U);
  ask({kAssociation, "another"});
  EXPECT_EQ(times_run(), 2U);
  ASSERT_EQ(asked().size(), 2U);
  EXPECT_EQ(asked()[1].association_ids, std::vector<std::string>{"another"}) << "what it does not keep is the server's";
}

// A process of its own that is killed at every change it makes to the disk; the next goes on. Whatever was written, the
// set is kept or comes again, and each due time is run once and told once.
TEST_F(OwnRunsTest, KilledAtEveryChangeItRunsOnceAndTellsItOnce) {
  const auto sent = sign(set_order({hourly()}));
  const auto live = [&](io::Files& files) {
    log::set_level(log::Level::error);
    clock_.set_wall(made_at_ + 10min);
    start(files);
    if (!desk().receive(sent, {}).ok()) return 1;
    if (!desk().own_runs().cut_off(clock_.now()).ok()) return 2;
    clock_.set_wall(made_at_ + 1h + 2min);
    static_cast<void>(desk().run_own());
    for (int i = 0; i < 50 && desk().tick(); ++i) clock_.advance(1s);
    return desk().is_idle() ? 0 : 3;
  };
  int kills = 0;
  for (const bool after : {false, true})
    for (int change = 1;; ++change) {
      ASSERT_LT(change, 200);
      SCOPED_TRACE("change " + std::to_string(change) + (after ? ", after it" : ", before it"));
      parts_.reset();
      std::filesystem::remove_all(directory_);
      std::filesystem::create_directories(directory_);
      const pid_t child = ::fork();
      if (child == 0) {
        DeadlyFiles files(change, after);
        ::_exit(live(files));
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      const bool killed = WIFSIGNALED(status);
      if (!killed) ASSERT_EQ(WEXITSTATUS(status), 0);
      ASSERT_EQ(live(io::real_files()), 0);
      const auto told = results();
      ASSERT_EQ(told.size(), 1U);
      EXPECT_EQ(told[0].due->due_at, made_at_ + 1h);
      // A script that was under way when its process was killed is never begun again, and says so.
      EXPECT_LE(times_run(), 1U);
      if (told[0].outcome == wire::OrderOutcome::success) EXPECT_EQ(times_run(), 1U);
      if (!killed) break;
      ++kills;
    }
  EXPECT_GT(kills, 20);
}

}  // namespace
}  // namespace belay::agent
