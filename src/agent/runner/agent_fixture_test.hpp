#pragma once
// The agent against a server on the loopback: real TLS, real WebSockets, real processes; only packages are fake.
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "agent/packages/fake_package_manager.hpp"
#include "agent/runner/agent.hpp"
#include "agent/runner/enrolment.hpp"
#include "agent/runner/fake_host.hpp"
#include "agent/runner/order_work.hpp"
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "io/pki.hpp"
#include "io/system_clock.hpp"
#include "wire/codec.hpp"
namespace belay::agent {

inline const std::string kNode = "mi-0123456789abcdef0";
inline constexpr auto kPatience = std::chrono::seconds(60);

inline std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

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

}  // namespace belay::agent
