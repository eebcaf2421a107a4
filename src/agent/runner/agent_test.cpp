// The agent against a server on the loopback: real TLS, real WebSockets, real processes; only packages are fake.
#include "agent/runner/agent.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/enrolment.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/runner/order_work.hpp"
#include "agent/runner/undo.hpp"
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "io/pki.hpp"
#include "io/system_clock.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {

const std::string kNode = "mi-0123456789abcdef0";
constexpr auto kPatience = std::chrono::seconds(60);

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

// The least of a server: signs, welcomes, acknowledges, and remembers what it heard.
class TestServer {
 public:
  explicit TestServer(bool websockets = true) : websockets_(websockets) {
    const auto now = io::system_clock().now();
    ca_ = io::make_ca("test authority", now - std::chrono::hours(1), std::chrono::hours(24)).value();
    start(0);
  }
  ~TestServer() { stop(); }

  void start(std::uint16_t port) {
    const auto now = io::system_clock().now();
    const auto key = io::make_key_pem();
    io::LeafSpec leaf{"server", {"localhost"}, {"127.0.0.1"}, true, now - std::chrono::hours(1), std::chrono::hours(2)};
    io::HttpServerOptions options;
    options.port = port;
    options.tls = io::TlsServerSettings{
        io::sign_csr(ca_, io::make_csr(key, "server").value(), leaf).value() + ca_.certificate_pem, key,
        ca_.certificate_pem};
    options.handler = [this](io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
      answer(request, *responder);
    };
    options.upgrade = [this](const io::HttpRequest& request) -> std::optional<io::HttpResponse> {
      if (!websockets_) return io::HttpResponse{403, {}, "no"};
      if (request.peer_common_name != kNode) return io::HttpResponse{401, {}, "who?"};
      if (removed && refuses_upgrades) return ++refused, io::HttpResponse{401, {}, "not a node"};
      return std::nullopt;
    };
    options.opened = [this](const std::shared_ptr<io::WebSocket>& socket) {
      const std::lock_guard guard(mutex_);
      socket_ = socket;
      socket->on_message = [this, raw = socket.get()](const std::string& text) {
        hear(wire::parse_envelope(text).value(),
             [raw](std::string reply) { static_cast<void>(raw->send(std::move(reply))); });
      };
      socket->on_close = [](std::string_view) {};
    };
    loop_ = std::make_unique<io::EventLoop>();
    server_ = io::start_http_server(*loop_, std::move(options)).value();
    port_ = server_->port();
    thread_ = std::thread([this] { loop_->run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    loop_->post([this] {
      {
        const std::lock_guard guard(mutex_);
        socket_.reset();
      }
      server_.reset();
      loop_->stop();
    });
    thread_.join();
    loop_.reset();
  }
  std::uint16_t port() const { return port_; }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  const std::string& ca_pem() const { return ca_.certificate_pem; }

  void send(const wire::Envelope& message) {
    const std::lock_guard guard(mutex_);
    if (socket_) static_cast<void>(socket_->send(wire::to_text(message)));
    else to_poll_.push_back(message);
  }
  wire::Envelope order(wire::Order made) {
    made.order_id = new_id();
    made.node_id = kNode;
    made.counter = ++counter_;
    made.issued_at = io::system_clock().now();
    made.expires_at = made.issued_at + std::chrono::hours(1);
    last_order_ = made.order_id;
    const auto payload = json::to_canonical_text(json::encode(made));
    return wire::pack(new_id(), wire::SignedOrder{payload, to_base64(io::ed25519_sign(keys_.private_key, payload))});
  }
  wire::Envelope shell(std::string command) {
    wire::Order made;
    made.kind = wire::OrderKind::steps;
    document::RunShellScript script;
    script.commands = {std::move(command)};
    script.timeout = Duration(20'000);
    document::Step step;
    step.name = "script";
    step.work = script;
    made.steps = wire::StepsOrder{{step}, document::new_run(std::span(&step, 1)), {}};
    return order(std::move(made));
  }

  // Waits for the n-th message of the type.
  template <typename Message>
  std::optional<Message> wait_for(std::size_t number = 1) {
    std::unique_lock lock(mutex_);
    std::optional<Message> found;
    heard_some_.wait_for(lock, kPatience, [&] {
      std::size_t seen = 0;
      for (const auto& message : heard_)
        if (message.type == wire::type_name<Message>() && ++seen == number)
          found = wire::unpack<Message>(message).value();
      return found.has_value();
    });
    return found;
  }
  std::size_t count(std::string_view type) {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(std::ranges::count(heard_, type, &wire::Envelope::type));
  }

  std::atomic<bool> acknowledges = true;
  std::atomic<int> enrolled = 0, renewed = 0;
  std::atomic<bool> removed = false, refuses_upgrades = false;  // the node, from the next word on
  std::atomic<int> refused = 0;
  Duration certificate_life{std::chrono::hours(2)};
  std::atomic<bool> wants_renewal = false;

 private:
  void answer(const io::HttpRequest& request, io::Responder& responder) {
    if (request.path() == "/agent/v1/enroll") return enroll(request, responder);
    if (request.path() == "/agent/v1/renew") {
      renewed += 1;
      const auto body = json::decode_text<wire::RenewRequest>(request.body).value();
      return responder.respond(
          {200, {}, json::encode_text(wire::RenewReply{certificate(body.csr_pem), ca_.certificate_pem})});
    }
    if (request.path() == "/agent/v1/exchange" && removed)
      return ++refused, responder.respond({401, {}, "{\"message\":\"is of a deregistered node\"}"});
    if (request.path() == "/agent/v1/exchange" && request.peer_common_name == kNode) {
      wire::Exchange replies;
      const auto sent = json::decode_text<wire::Exchange>(request.body, {.bytes_max = 16 << 20}).value();
      for (const auto& message : sent.messages)
        hear(message, [&](const std::string& text) { replies.messages.push_back(wire::parse_envelope(text).value()); });
      const std::lock_guard guard(mutex_);
      for (auto& message : to_poll_) replies.messages.push_back(std::move(message));
      to_poll_.clear();
      return responder.respond({200, {}, json::encode_text(replies)});
    }
    responder.respond({404, {}, "{\"message\":\"no such thing\"}"});
  }
  void enroll(const io::HttpRequest& request, io::Responder& responder) {
    const auto body = json::decode_text<wire::EnrollRequest>(request.body).value();
    if (body.activation_code != "right")
      return responder.respond({403, {}, "{\"message\":\"the activation code is wrong\"}"});
    enrolled += 1;
    responder.respond({200,
                       {},
                       json::encode_text(wire::EnrollReply{kNode, certificate(body.csr_pem), ca_.certificate_pem,
                                                           to_base64(keys_.public_key)})});
  }
  std::string certificate(const std::string& csr) {
    const auto now = io::system_clock().now();
    return io::sign_csr(ca_, csr, {kNode, {}, {}, false, now - std::chrono::seconds(5), certificate_life}).value();
  }
  void hear(const wire::Envelope& message, const std::function<void(std::string)>& reply) {
    if (removed) {
      refused += message.type == "hello" ? 1 : 0;
      reply(wire::to_text(wire::pack(new_id(), wire::Refused{message.id, "unauthenticated", "deregistered"})));
      return;
    }
    if (message.type == "hello") {
      wire::Welcome welcome;
      welcome.server_time = io::system_clock().now();
      welcome.order_public_key = to_base64(keys_.public_key);
      welcome.renew_certificate = wants_renewal.exchange(false);
      reply(wire::to_text(wire::pack(new_id(), welcome)));
    } else if (message.type != "ack" && acknowledges) {
      reply(wire::to_text(wire::pack(new_id(), wire::Ack{{message.id}})));
    }
    const std::lock_guard guard(mutex_);
    heard_.push_back(message);
    heard_some_.notify_all();
  }

  bool websockets_;
  io::KeyAndCertificate ca_;
  io::SigningKeyPair keys_ = io::make_signing_key();
  std::unique_ptr<io::EventLoop> loop_;
  std::unique_ptr<io::HttpServer> server_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable heard_some_;
  std::vector<wire::Envelope> heard_;
  std::vector<wire::Envelope> to_poll_;
  std::shared_ptr<io::WebSocket> socket_;
  std::uint64_t counter_ = 0;
  std::string last_order_;
};

class WorkingLauncher final : public Launcher {
 public:
  WorkingLauncher(const StatePaths& paths, std::string packages_path)
      : paths_(paths), packages_path_(std::move(packages_path)) {}
  Status launch(const std::string& order_id, wire::OrderKind) override {
    FakePackageManager packages({io::real_files(), io::real_processes(), io::system_clock()}, packages_path_);
    FakeHost host;
    const WorkTools tools{io::real_files(),
                          io::real_processes(),
                          io::system_clock(),
                          packages,
                          host,
                          {},
                          {},
                          [] { return fleet::NodeFacts{}; },
                          {io::real_files(), io::real_processes(), {}}};
    return work_on_order(tools, paths_, order_id);
  }

 private:
  StatePaths paths_;
  std::string packages_path_;
};

// One agent on a loop of its own.
class TestAgent {
 public:
  static constexpr BackoffSettings kQuick{Duration(50),  Duration(100), Duration(50),
                                          Duration(400), Duration(50),  Duration(50)};
  TestAgent(const std::filesystem::path& directory, const StatePaths& paths, const BackoffSettings& backoff = kQuick)
      : launcher_(paths, (directory / "packages.json").string()) {
    LinkSettings link;
    link.backoff = backoff;
    auto made = Agent::make({loop_, workers_, io::real_files(), io::system_clock(), paths, launcher_,
                             [] { return fleet::NodeFacts{}; }, link});
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().chain());
    agent_ = std::move(*made);
    agent_->start();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~TestAgent() {
    loop_.post([this] {
      agent_->stop();
      loop_.stop();
    });
    thread_.join();
  }

 private:
  io::EventLoop loop_;
  io::WorkerPool workers_{2, 16};
  WorkingLauncher launcher_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_;
};

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    log::set_level(log::Level::error);
    std::filesystem::create_directories(directory_ / "state");
  }
  ~AgentTest() override { std::filesystem::remove_all(directory_); }

  Result<Identity> enroll_at(const TestServer& server, std::string code = "right", bool force = false) {
    EnrolmentRequest request;
    request.server = server.url();
    request.activation_id = new_id();
    request.activation_code = std::move(code);
    request.ca_pem = server.ca_pem();
    request.force = force;
    return enroll(io::real_files(), paths_, request, io::system_clock().now());
  }

  std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                     ("belay-agent-" + std::to_string(::getpid()) + "-" + to_hex(io::random_bytes(4)));
  StatePaths paths_{(directory_ / "state").string()};
};

TEST_F(AgentTest, EnrolsOnceAndSaysSo) {
  TestServer server;
  EXPECT_EQ(enroll_at(server, "wrong").error().code(), Code::unauthenticated);
  const auto identity = enroll_at(server);
  ASSERT_TRUE(identity.ok()) << identity.error().chain();
  EXPECT_EQ(identity->node_id, kNode);
  EXPECT_EQ(io::real_files().read(paths_.root() + "/node-id", 100).value(), kNode + "\n");
  EXPECT_EQ(io::real_files().info(paths_.identity("identity.json"))->mode, 0600u);
  EXPECT_EQ(enroll_at(server).error().code(), Code::already_exists);
  EXPECT_EQ(server.enrolled, 1);
  EXPECT_TRUE(enroll_at(server, "right", true).ok());
}

TEST_F(AgentTest, DoesNotEnrolWithoutKnowingTheServer) {
  TestServer server;
  EnrolmentRequest request;
  request.server = server.url();
  request.activation_id = new_id();
  request.activation_code = "right";
  for (const auto& [fingerprint, told] : {std::pair{"", "--ca FILE or --ca-sha256 HEX"},
                                          {"00", "64 hexadecimal digits"},
                                          {"zz00", "64 hexadecimal digits"}}) {
    request.ca_sha256_hex = fingerprint;
    const auto refused = enroll(io::real_files(), paths_, request, io::system_clock().now());
    EXPECT_EQ(refused.error().code(), Code::invalid_argument);
    EXPECT_NE(refused.error().chain().find(told), std::string::npos) << refused.error().chain();
  }
  EXPECT_EQ(server.enrolled, 0);
}

TEST_F(AgentTest, EnrolsByTheAuthoritysFingerprintAndNotByAnother) {
  TestServer server;
  EnrolmentRequest request;
  request.server = server.url();
  request.activation_id = new_id();
  request.activation_code = "right";
  request.ca_sha256_hex = std::string(64, 'a');
  EXPECT_FALSE(enroll(io::real_files(), paths_, request, io::system_clock().now()).ok());
  EXPECT_EQ(server.enrolled, 0);
  request.ca_sha256_hex = io::read_certificate(server.ca_pem())->sha256_hex;
  const auto identity = enroll(io::real_files(), paths_, request, io::system_clock().now());
  EXPECT_TRUE(identity.ok()) << identity.error().chain();
}

TEST_F(AgentTest, CarriesOutAnOrderAndReportsItOnce) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  const auto order = server.shell("echo hello");
  server.send(order);
  server.send(order);
  const auto result = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->steps->outputs.at(0).standard_output, "hello\n");
  server.send(server.shell("echo again"));
  const auto second = server.wait_for<wire::OrderResult>(2);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->steps->outputs.at(0).standard_output, "again\n");
  EXPECT_EQ(server.count("order_result"), 2u);
}

// `belay-agent rollback` is another process: what it did is told at once, without waiting for the next scan, and once.
TEST_F(AgentTest, TellsOfARunThatWasUndoneByHand) {
  FakeState state;
  state.installed.packages = {{"curl", "amd64", "1"}};
  state.offers.offers.resize(2);
  for (std::size_t i = 0; i < 2; ++i) {
    state.offers.offers[i].name = "curl";
    state.offers.offers[i].arch = "amd64";
    state.offers.offers[i].version = std::to_string(i + 1);
  }
  ASSERT_TRUE(
      io::real_files().write_durable((directory_ / "packages.json").string(), json::encode_text(state), 0600).ok());
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  wire::Order patch;
  patch.kind = wire::OrderKind::patch;
  patch.patch = patchrun::PatchRunOrder{};
  patch.patch->changes = {{"curl", "amd64", "1", "2", "", 0}};
  server.send(server.order(patch));
  const auto patched = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(patched && patched->run && patched->run->outcome == patchrun::Outcome::committed)
      << (patched ? patched->standard_error : "nothing");
  std::optional<Undo> undo;
  for (int i = 0; i < 600 && !undo; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(50)))
    if (auto planned = plan_undo(io::real_files(), paths_); planned.ok()) undo = *planned;
  ASSERT_TRUE(undo);
  ASSERT_TRUE(accept_undo(io::real_files(), paths_, *undo, patchrun::Reboot::never, io::system_clock().now()).ok());
  const auto own = server.wait_for<wire::OwnRun>();
  ASSERT_TRUE(own);
  EXPECT_EQ(own->run_id, undo->order_id);
  EXPECT_EQ(own->undoes, patched->order_id);
  EXPECT_EQ(own->run.outcome, patchrun::Outcome::committed);
  ASSERT_EQ(own->run.changed.size(), 1U);
  EXPECT_EQ(own->run.changed[0].to_version, "1");
  EXPECT_TRUE(server.wait_for<wire::ScanReport>(2)) << "and what the node has since";
  EXPECT_EQ(server.count("own_run"), 1U);
  EXPECT_EQ(server.count("order_result"), 1U);
}

TEST_F(AgentTest, SendsTheSetsThatTheServerLacks) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  wire::Order scan;
  scan.kind = wire::OrderKind::scan;
  scan.scan = wire::ScanOrder{};
  server.send(server.order(scan));
  const auto report = server.wait_for<wire::ScanReport>();
  ASSERT_TRUE(report);
  server.send(wire::pack(new_id(), wire::NeedSets{{report->package_set_hash}, {report->offer_set_hash}}));
  const auto set = server.wait_for<wire::PackageSetUpload>();
  ASSERT_TRUE(set);
  EXPECT_EQ(set->hash, io::sha256_hex(wire::canonical_text(set->set)));
  EXPECT_TRUE(server.wait_for<wire::OfferSetUpload>());
}

TEST_F(AgentTest, WhatWasNotAcknowledgedComesAgainOverTheNextConnection) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  server.acknowledges = false;
  server.send(server.shell("echo kept"));
  const auto first = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(first);
  const auto port = server.port();
  server.stop();
  server.acknowledges = true;
  server.start(port);
  const auto again = server.wait_for<wire::OrderResult>(2);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->order_id, first->order_id);
}

TEST_F(AgentTest, PollsWhereNoWebSocketGetsThrough) {
  TestServer server(false);
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  ASSERT_TRUE(server.wait_for<wire::Hello>());
  server.send(server.shell("echo polled"));
  const auto result = server.wait_for<wire::OrderResult>();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->steps->outputs.at(0).standard_output, "polled\n");
}

// What the agent logs on standard error meanwhile.
std::string logged(const std::function<void()>& work) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

std::size_t times(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

// However it hears of it: at the greeting, at the upgrade, or at the long poll.
TEST_F(AgentTest, ARemovedNodeSaysSoOnceKeepsItsReportsAndIsTakenBackWhenTheServerKnowsItAgain) {
  for (const auto& [websockets, at_upgrade] : {std::pair{true, false}, {true, true}, {false, false}}) {
    TestServer server(websockets);
    ASSERT_TRUE(enroll_at(server, "right", true).ok());
    server.removed = true;
    server.refuses_upgrades = at_upgrade;
    {
      auto outbox = Outbox::open(io::real_files(), paths_);
      ASSERT_TRUE(outbox.ok() && outbox->put(wire::pack(new_id(), wire::FactsReport{}), Outbox::Keep::always).ok());
    }
    const auto text = logged([&] {
      const TestAgent agent(directory_, paths_);
      for (int i = 0; i < 1200 && server.refused < 3; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      EXPECT_GE(server.refused, 3);
      server.removed = false;
      EXPECT_TRUE(server.wait_for<wire::FactsReport>());
    });
    EXPECT_EQ(times(text, "identity_refused"), 1u) << text;
    EXPECT_NE(text.find("enroll --force"), std::string::npos) << text;
  }
}

TEST_F(AgentTest, ARemovedNodeAsksSlowly) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  server.removed = true;
  auto backoff = TestAgent::kQuick;
  backoff.refused_base = backoff.refused_longest = std::chrono::hours(1);
  const TestAgent agent(directory_, paths_, backoff);
  for (int i = 0; i < 1200 && server.refused < 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));  // at the pace of other failures, several more
  EXPECT_EQ(server.refused, 1);
}

TEST(Backoff, AfterARefusalItIsSlowBoundedAndSpread) {
  const BackoffSettings settings;
  for (std::uint32_t refusals = 1; refusals < 40; ++refusals) {
    EXPECT_GE(wait_after_refusal(settings, refusals, 0), settings.refused_base / 2);
    EXPECT_LE(wait_after_refusal(settings, refusals, ~0ULL), settings.refused_longest);
  }
  EXPECT_EQ(wait_after_refusal(settings, 40, 0), settings.refused_longest / 2);
  EXPECT_NE(wait_after_refusal(settings, 40, 12'345), wait_after_refusal(settings, 40, 54'321));
}

TEST_F(AgentTest, RenewsItsCertificateAtHalfItsLife) {
  TestServer server;
  server.certificate_life = std::chrono::seconds(10);  // issued 5 s ago: due now
  ASSERT_TRUE(enroll_at(server).ok());
  const auto before = load_identity(io::real_files(), paths_)->certificate_pem;
  server.certificate_life = std::chrono::hours(2);
  const TestAgent agent(directory_, paths_);
  for (int i = 0; i < 600 && server.renewed == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(server.renewed, 1);
  for (int i = 0; i < 600 && load_identity(io::real_files(), paths_)->certificate_pem == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_NE(load_identity(io::real_files(), paths_)->certificate_pem, before);
}

TEST_F(AgentTest, MakesAFreshKeyWhereTheServerAsks) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const auto before = load_identity(io::real_files(), paths_)->key_pem;
  server.wants_renewal = true;
  const TestAgent agent(directory_, paths_);
  for (int i = 0; i < 600 && load_identity(io::real_files(), paths_)->key_pem == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_NE(load_identity(io::real_files(), paths_)->key_pem, before);
}

TEST_F(AgentTest, TwoAgentsOnOneStateAreOneTooMany) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const TestAgent agent(directory_, paths_);
  io::EventLoop loop;
  io::WorkerPool workers(1, 1);
  WorkingLauncher launcher(paths_, "");
  const auto second = Agent::make({loop, workers, io::real_files(), io::system_clock(), paths_, launcher, {}, {}});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), Code::conflict);
}

}  // namespace
}  // namespace belay::agent
