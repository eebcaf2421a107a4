#pragma once
// A gateway with its server, store and engine, and nodes that enrol at it.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "io/pki.hpp"
#include "io/system_clock.hpp"
#include "server/engine/command_kind.hpp"
#include "server/engine/engine.hpp"
#include "server/gateway/gateway.hpp"
#include "server/gateway/raw_link_test.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace belay::server {

inline store::Seams plain_seams() {
  store::Seams seams;
  seams.sha256_hex = [](std::string_view bytes) { return io::sha256_hex(bytes); };
  seams.seal = [](std::string_view bytes) { return std::string(bytes); };
  seams.unseal = [](std::string_view bytes) -> Result<std::string> { return std::string(bytes); };
  return seams;
}

struct Enrolled {
  std::string id, key_pem, certificate_pem;
};

class GatewayTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kPoolBytes = 5u << 20;

  GatewayTest() {
    folder_ = (std::filesystem::temp_directory_path() / ("belay-gateway-" + new_id())).string();
    std::filesystem::create_directory(folder_);
    store_ = store::sqlite::open(folder_ + "/belay.db", plain_seams()).value();
    const auto keys = io::make_signing_key();
    authority_.order_private_key = keys.private_key, authority_.order_public_key = keys.public_key;
    authority_.ca = io::make_ca("Test CA", clock_.now() - Duration(60'000), Duration(1LL << 40)).value();
    EXPECT_TRUE(install_predefined_baselines(*store_, clock_.now()).ok());
    judge_ = std::make_unique<Judge>(*store_, clock_);
    commands_ = std::make_unique<Commands>(*store_, clock_);
    change_sets_ = std::make_unique<ChangeSets>(*store_, clock_, *judge_);
    nodes_ = std::make_unique<NodeRegistry>(*store_, clock_, authority_);
    zones_ = std::make_unique<Zones>(
        clock_, [](std::string_view name) -> Result<std::string> { return Error(Code::not_found, std::string(name)); });
    windows_ = std::make_unique<Windows>(*store_, clock_, *zones_);
    pool_ = std::make_unique<PackagePool>(*store_, clock_, kPoolBytes);
    rollouts_ = std::make_unique<Rollouts>(*store_, clock_, authority_, *judge_, *change_sets_, *windows_);
    services_ = std::make_unique<Services>(
        Services{*store_, clock_, *judge_, *commands_, *change_sets_, *nodes_, *windows_, *rollouts_, pool_.get()});
    engine_ = std::make_unique<Engine>(*store_, clock_, EngineSettings{.owner = "test"});
    engine_->add(make_command_kind(authority_, *judge_));
    start();
  }

  void start() {
    workers_ = std::make_unique<io::WorkerPool>(3, 1'000);
    GatewaySettings settings;
    settings.look_every = Duration(50);
    settings.failed_enrolments_a_minute = 3;
    gateway_ = std::make_unique<Gateway>(
        GatewayParts{loop_, *workers_, *services_, authority_, [this] { engine_->poke(); }}, settings);
    nodes_->on_revoked = [this](std::string_view id) { gateway_->revoked(id); };
    engine_->on_progress = [this] { gateway_->orders_queued(); };
    io::HttpServerOptions options;
    options.tls.emplace();
    options.tls->key_pem = io::make_key_pem();
    io::LeafSpec spec;
    spec.common_name = "localhost";
    spec.ip_addresses = {"127.0.0.1"};
    spec.for_server = true;
    spec.not_before = clock_.now() - Duration(60'000);
    spec.lifetime = Duration(1LL << 32);
    options.tls->certificate_chain_pem =
        io::sign_csr(authority_.ca, io::make_csr(options.tls->key_pem, "localhost").value(), spec).value();
    options.tls->client_ca_pem = authority_.ca.certificate_pem;
    options.limits.body_bytes_max = options.limits.message_bytes_max = wire::kMessageBytesMax;
    options.handler = [this](io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
      gateway_->handle(std::move(request), std::move(responder));
    };
    options.upgrade = [this](const io::HttpRequest& request) { return gateway_->upgrade(request); };
    options.opened = [this](std::shared_ptr<io::WebSocket> socket) { gateway_->opened(std::move(socket)); };
    server_ = io::start_http_server(loop_, std::move(options)).value();
    url_ = "https://127.0.0.1:" + std::to_string(server_->port());
    gateway_->start();
    engine_->start();
    thread_ = std::thread([this] { loop_.run(); });
  }

  ~GatewayTest() override {
    loop_.post([this] {
      gateway_->stop();
      server_->drain(Duration(1'000), [this] { loop_.stop(); });
    });
    thread_.join();
    engine_->stop();
    workers_.reset();
    server_.reset();
    gateway_.reset();
    engine_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  io::HttpResponse post(const std::string& path, const std::string& body, const Enrolled* who = nullptr) {
    return send("POST", path, body, who);
  }

  io::HttpResponse send(const std::string& method, const std::string& path, const std::string& body,
                        const Enrolled* who) {
    io::HttpClientOptions options;
    options.tls.ca_pem = authority_.ca.certificate_pem;
    if (who) options.tls.certificate_pem = who->certificate_pem, options.tls.key_pem = who->key_pem;
    auto client = io::make_http_client(url_, options).value();
    io::HttpRequest request;
    request.method = method;
    request.target = path;
    request.body = body;
    const auto response = client->send(request);
    EXPECT_TRUE(response.ok()) << (response.ok() ? "" : response.error().chain());
    return response.ok() ? *response : io::HttpResponse{};
  }

  Enrolled enroll(const std::string& name = "web") {
    store::activations::Activation wanted;
    wanted.default_instance_name = name;
    wanted.created_by = "test";
    const auto activation = nodes_->create_activation(wanted).value();
    Enrolled node;
    node.key_pem = io::make_key_pem();
    wire::EnrollRequest request{activation.activation.activation_id, activation.code,
                                io::make_csr(node.key_pem, "x").value(), "0.1.0", facts()};
    const auto response = post("/agent/v1/enroll", json::encode_text(request));
    EXPECT_EQ(response.status, 200) << response.body;
    const auto reply = json::decode_text<wire::EnrollReply>(response.body).value();
    node.id = reply.node_id;
    node.certificate_pem = reply.certificate_pem;
    return node;
  }

  static fleet::NodeFacts facts() {
    fleet::NodeFacts facts;
    facts.computer_name = "host";
    facts.os_id = "debian";
    facts.os_version = "12";
    facts.boot_id = "boot";
    return facts;
  }

  std::shared_ptr<RawLink> connect(const Enrolled& node) {
    io::HttpClientOptions options;
    options.tls.ca_pem = authority_.ca.certificate_pem;
    options.tls.certificate_pem = node.certificate_pem;
    options.tls.key_pem = node.key_pem;
    auto link = std::make_shared<RawLink>();
    io::open_websocket(loop_, url_ + "/agent/v1/link", {}, options, {},
                       [link](Result<std::shared_ptr<io::WebSocket>> socket) { link->opened(std::move(socket)); });
    return link;
  }

  std::shared_ptr<RawLink> greet(const Enrolled& node, const std::string& nonce = "nonce") {
    auto link = connect(node);
    EXPECT_TRUE(link->wait_open()) << link->why();
    link->send(wire::Hello{"0.1.0", "boot", nonce, "", facts()});
    EXPECT_TRUE(link->next<wire::Welcome>().has_value()) << link->why();
    return link;
  }

  std::string give(const Enrolled& node) {
    SendCommandRequest request;
    request.document_name = "AWS-RunShellScript";
    request.parameters = {{"commands", {"true"}}};
    request.instance_ids = {node.id};
    auto id = commands_->send(request).value().command_id;
    engine_->poke();
    return id;
  }

  store::nodes::Node node(const std::string& id) {
    return store_->read([&](store::Sql& sql) { return store::nodes::get(sql, id); }).value();
  }

  Clock& clock_ = io::system_clock();
  std::string folder_, url_;
  std::unique_ptr<store::Store> store_;
  Authority authority_;
  std::unique_ptr<Judge> judge_;
  std::unique_ptr<Commands> commands_;
  std::unique_ptr<ChangeSets> change_sets_;
  std::unique_ptr<NodeRegistry> nodes_;
  std::unique_ptr<Zones> zones_;
  std::unique_ptr<Windows> windows_;
  std::unique_ptr<Rollouts> rollouts_;
  std::unique_ptr<PackagePool> pool_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Engine> engine_;
  io::EventLoop loop_;
  std::unique_ptr<io::WorkerPool> workers_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<io::HttpServer> server_;
  std::thread thread_;
};

}  // namespace belay::server
