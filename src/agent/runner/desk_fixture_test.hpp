#pragma once
// The desk, the work on orders and the outbox together, over the real disk and real scripts; only packages are fake.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/runner/order_desk.hpp"
#include "agent/runner/order_work.hpp"
#include "agent/runner/set_store.hpp"
#include "agent/snapshots/snapshot_provider.hpp"
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "wire/codec.hpp"

namespace belay::agent {

inline const std::string kNode = "mi-0123456789abcdef0";

// Works on the order at once, in this process, or not at all.
class InlineLauncher final : public Launcher {
 public:
  explicit InlineLauncher(std::function<Status(const std::string&)> work) : work_(std::move(work)) {}
  Status launch(const std::string& order_id, wire::OrderKind) override {
    launches += 1;
    launched.push_back(order_id);
    if (dies > 0) return --dies, Status();
    return work_(order_id);
  }
  int launches = 0;
  std::vector<std::string> launched;  // orders, as they were launched
  int dies = 0;

 private:
  std::function<Status(const std::string&)> work_;
};

class DeskTest : public testing::Test {
 protected:
  DeskTest() {
    std::filesystem::create_directories(directory_);
    EXPECT_TRUE(files_.make_directories(paths_.orders(), 0700).ok());
    FakeState state;
    state.installed.packages = {{"curl", "amd64", "1"}};
    fleet::Offer offer;
    offer.name = "curl";
    offer.arch = "amd64";
    offer.version = "2";
    state.offers.offers = {offer};
    EXPECT_TRUE(files_.write_durable(packages_path(), json::encode_text(state), 0600).ok());
    outbox_ = std::make_unique<Outbox>(Outbox::open(files_, paths_).value());
    open_desk();
  }
  ~DeskTest() override { std::filesystem::remove_all(directory_); }

  std::string policy_path() const { return (directory_ / "agent-policy.toml").string(); }
  void allow(std::string_view rules) { ASSERT_TRUE(files_.write_durable(policy_path(), rules, 0644).ok()); }
  std::string packages_path() const { return (directory_ / "packages.json").string(); }

  void open_desk() {
    DeskParts parts{files_, clock_, paths_, verifier_, *outbox_, launcher_, {}, {}, {}};
    parts.run_blocking = [](std::function<void()> work, std::function<void()> done) { work(), done(); };
    parts.tell = [this](const wire::OrderUpdate& update) { updates_.push_back(update); };
    parts.outbox_filled = [] {};
    desk_ = std::make_unique<OrderDesk>(std::move(parts));
  }

  Status work(const std::string& order_id) {
    FakePackageManager packages({files_, io::real_processes(), clock_}, packages_path());
    WorkTools tools{files_,
                    io::real_processes(),
                    clock_,
                    packages,
                    host_,
                    snapshots_,
                    {},
                    [] { return fleet::NodeFacts{}; },
                    {files_, io::real_processes(), {}},
                    policy_path()};
    tools.fetch_secrets = fetch_secrets_;
    tools.do_backup = do_backup_;
    return work_on_order(tools, paths_, order_id);
  }

  wire::Order order(wire::OrderKind kind) {
    wire::Order made;
    made.order_id = make_uuid(io::random_bytes(kIdRandomBytes));
    made.node_id = kNode;
    made.counter = ++counter_;
    made.issued_at = clock_.now();
    made.expires_at = clock_.now() + std::chrono::hours(1);
    made.kind = kind;
    return made;
  }
  wire::Order shell(std::vector<std::string> commands) {
    document::RunShellScript script;
    script.commands = std::move(commands);
    script.timeout = Duration(20'000);
    return steps({step("script", script)});
  }
  static document::Step step(std::string name, document::Work work) {
    document::Step made;
    made.name = std::move(name);
    made.work = std::move(work);
    return made;
  }
  wire::Order steps(std::vector<document::Step> all) {
    auto made = order(wire::OrderKind::steps);
    made.steps = wire::StepsOrder{std::move(all), {}, {}};
    made.steps->run = document::new_run(made.steps->steps);
    return made;
  }
  static std::string output_of(const wire::OrderResult& result) {
    std::string text;
    for (const auto& output : result.steps->outputs) text += output.standard_output;
    return text;
  }
  static std::string errors_of(const wire::OrderResult& result) {
    std::string text;
    for (const auto& output : result.steps->outputs) text += output.standard_error;
    return text;
  }
  wire::Order patch() {
    auto made = order(wire::OrderKind::patch);
    made.patch = patchrun::PatchRunOrder{};
    made.patch->changes = {{"curl", "amd64", "1", "2", "", 0}};
    return made;
  }
  wire::SignedOrder sign(const wire::Order& made) {
    const auto payload = json::to_canonical_text(json::encode(made));
    return {payload, to_base64(io::ed25519_sign(keys_.private_key, payload))};
  }
  void finish() {
    for (int i = 0; i < 200 && desk_->tick(); ++i) clock_.advance(Duration(1'000));
    EXPECT_TRUE(desk_->is_idle());
  }
  template <typename Message>
  std::vector<Message> sent() {
    std::vector<Message> all;
    std::uint64_t after = 0;
    while (const auto item = outbox_->next(after)) {
      after = item->sequence;
      if (auto message = wire::unpack<Message>(item->message); message.ok()) all.push_back(std::move(*message));
    }
    return all;
  }

  std::function<Result<Secrets>(const std::string&)> fetch_secrets_;
  std::function<backup::JobReport(const BackupHost&, const backup::Job&, const Secrets&)> do_backup_;
  std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                     ("belay-desk-" + std::to_string(::getpid()) + "-" + to_hex(io::random_bytes(4)));
  io::Files& files_ = io::real_files();
  fakes::ManualClock clock_;
  FakeHost host_;
  std::vector<SnapshotProvider*> snapshots_;
  StatePaths paths_{(directory_ / "state").string()};
  io::SigningKeyPair keys_ = io::make_signing_key();
  std::unique_ptr<Outbox> outbox_;
  OrderVerifier verifier_{files_, paths_, kNode, keys_.public_key};
  InlineLauncher launcher_{[this](const std::string& id) { return work(id); }};
  std::vector<wire::OrderUpdate> updates_;
  std::unique_ptr<OrderDesk> desk_;
  std::uint64_t counter_ = 0;
};

}  // namespace belay::agent
