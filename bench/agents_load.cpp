// Many agents at once, speaking the agents' real protocol: enrols COUNT nodes, connects them all without jitter (worse
// than real agents do), says hello, and holds the links. Orders of documents are taken as the agent takes them (told,
// then acknowledged) and answered a little later with what a short script says; nothing is executed. Prints one JSON
// line a phase, and two a command: when the last of its agents had taken it, and when all answers were taken in.
//   bench_agents_load URL CA_FILE ACTIVATION_ID COUNT [IDENTITIES]
// The activation's code is the first line of standard input, the next one lets them connect; its end is this program's.
// IDENTITIES is a file in which the nodes are kept: where it is there, they are read from it instead of enrolled.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/document/run.hpp"
#include "io/crypto.hpp"
#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/http.hpp"
#include "io/pki.hpp"
#include "io/process_start.hpp"
#include "io/system_clock.hpp"
#include "wire/codec.hpp"

namespace {

using namespace belay;

constexpr std::size_t kIdentitiesBytesMax = 1u << 30;
constexpr int kScriptMsMin = 500, kScriptMsMax = 1'500;

struct Agent {
  std::string node_id, key_pem, certificate_pem;
  std::shared_ptr<io::WebSocket> socket;
  int attempts = 0;
  std::uint64_t counter = 0;      // of the last order taken
  std::string result_id, result;  // not acknowledged yet
};
BOOST_DESCRIBE_STRUCT(Agent, (), (node_id, key_pem, certificate_pem))

struct Counts {
  std::size_t welcomed = 0, failed_attempts = 0, closed = 0;
  std::size_t orders_taken = 0, results_taken = 0, refused = 0;
};

void say(const char* phase, std::size_t count, double seconds, const Counts& counts) {
  std::cout << json::to_text(json::Object{{"phase", phase},
                                          {"agents", count},
                                          {"seconds", seconds},
                                          {"at", static_cast<double>(to_unix_ms(io::system_clock().now())) / 1000},
                                          {"welcomed", counts.welcomed},
                                          {"failed_attempts", counts.failed_attempts},
                                          {"closed", counts.closed},
                                          {"refused", counts.refused}})
            << std::endl;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int random_below(int bound) {
  const auto bytes = io::random_bytes(2);
  return (static_cast<unsigned char>(bytes[0]) * 256 + static_cast<unsigned char>(bytes[1])) % bound;
}

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

// Every step well, in no time: what the agent reports of a short script.
wire::OrderResult result_of(const wire::Order& order, Instant began, Instant now) {
  wire::OrderResult result;
  result.order_id = order.order_id;
  result.outcome = wire::OrderOutcome::success;
  result.exit_code = 0;
  result.started_at = began;
  result.finished_at = now;
  if (!order.steps) return result;
  wire::StepsReport report{order.steps->run, {}, "", {}};
  for (std::size_t i = 0; i < order.steps->steps.size(); ++i) {
    document::step(order.steps->steps, report.run, {document::EventKind::exited, 0, ""}, now);
    report.outputs.push_back({static_cast<std::uint32_t>(i), "done by a simulated node\n", ""});
  }
  result.steps = std::move(report);
  return result;
}

class Load {
 public:
  Load(std::string url, std::string ca_pem) : url_(std::move(url)), ca_pem_(std::move(ca_pem)) {}

  Status enroll(std::size_t count, const std::string& activation_id, const std::string& code) {
    io::HttpClientOptions options;
    options.tls.ca_pem = ca_pem_;
    BELAY_TRY_ASSIGN(auto client, io::make_http_client(url_, options));
    for (std::size_t i = 0; i < count; ++i) {
      Agent agent;
      agent.key_pem = io::make_key_pem();
      wire::EnrollRequest request;
      request.activation_id = activation_id;
      request.activation_code = code;
      BELAY_TRY_ASSIGN(request.csr_pem, io::make_csr(agent.key_pem, "node"));
      request.agent_version = BELAY_VERSION;
      request.facts = facts(i);
      BELAY_TRY_ASSIGN(const auto reply, post(*client, "/agent/v1/enroll", json::encode_text(request)));
      BELAY_TRY_ASSIGN(const auto enrolled, json::decode_text<wire::EnrollReply>(reply));
      agent.node_id = enrolled.node_id;
      agent.certificate_pem = enrolled.certificate_pem;
      agents_.push_back(std::move(agent));
    }
    return {};
  }

  Status keep(const std::string& path) const {
    std::string text;
    for (const auto& agent : agents_) text += json::encode_text(agent) + "\n";
    return io::real_files().write_durable(path, text, 0600);
  }

  Status read_kept(const std::string& path) {
    BELAY_TRY_ASSIGN(const auto text, io::real_files().read(path, kIdentitiesBytesMax));
    for (const auto& line : split(text, '\n')) {
      if (line.empty()) continue;
      BELAY_TRY_ASSIGN(auto agent, json::decode_text<Agent>(line));
      agents_.push_back(std::move(agent));
    }
    return {};
  }

  std::size_t size() const { return agents_.size(); }

  void connect_all() {
    for (std::size_t i = 0; i < agents_.size(); ++i) connect(i);
  }

  io::EventLoop& loop() { return loop_; }
  const Counts& counts() const { return counts_; }

 private:
  static fleet::NodeFacts facts(std::size_t i) {
    fleet::NodeFacts f;
    f.computer_name = "load-" + std::to_string(i);
    f.os_id = "debian";
    f.os_version = "12";
    f.os_name = "Debian GNU/Linux 12 (bookworm)";
    f.architecture = "x86_64";
    return f;
  }

  static Result<std::string> post(io::HttpClient& client, const std::string& target, std::string body) {
    io::HttpRequest request;
    request.method = "POST";
    request.target = target;
    request.headers.set("Content-Type", "application/json");
    request.body = std::move(body);
    BELAY_TRY_ASSIGN(auto response, client.send(request));
    while (response.status == 503 &&
           !response.headers.get("Retry-After").empty()) {  // as agents do: the server says when
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      BELAY_TRY_ASSIGN(response, client.send(request));
    }
    if (response.status != 200)
      return Error(Code::unavailable,
                   target + " answered " + std::to_string(response.status) + ": " + response.body.substr(0, 300));
    return response.body;
  }

  void connect(std::size_t i) {
    io::HttpClientOptions options;
    options.timeout = Duration(120'000);
    options.tls.ca_pem = ca_pem_;
    options.tls.certificate_pem = agents_[i].certificate_pem;
    options.tls.key_pem = agents_[i].key_pem;
    ++agents_[i].attempts;
    io::open_websocket(loop_, url_ + "/agent/v1/link", {}, options, io::ServerLimits{},
                       [this, i](Result<std::shared_ptr<io::WebSocket>> opened) { on_opened(i, std::move(opened)); });
  }

  void on_opened(std::size_t i, Result<std::shared_ptr<io::WebSocket>> opened) {
    if (!opened.ok()) {
      ++counts_.failed_attempts;
      retry(i);
      return;
    }
    agents_[i].socket = *opened;
    agents_[i].socket->on_message = [this, i](std::string text) {
      const auto envelope = wire::parse_envelope(text);
      if (envelope.ok()) on_message(i, *envelope);
    };
    agents_[i].socket->on_close = [this, i](std::string_view) {
      ++counts_.closed;
      retry(i);
    };
    wire::Hello hello;
    hello.agent_version = BELAY_VERSION;
    hello.boot_id = hello.instance_nonce = agents_[i].node_id;
    hello.facts = facts(i);
    send(i, wire::pack(new_id(), hello));
    if (!agents_[i].result.empty()) static_cast<void>(agents_[i].socket->send(agents_[i].result));
  }

  void send(std::size_t i, const wire::Envelope& message) {
    static_cast<void>(agents_[i].socket->send(wire::to_text(message)));  // what is lost comes again, as with agents
  }

  void on_message(std::size_t i, const wire::Envelope& message) {
    if (message.type == "welcome") ++counts_.welcomed;
    if (message.type == "refused") ++counts_.refused;
    if (message.type == "ack") on_ack(i, message);
    if (message.type == "signed_order") on_order(i, message);
  }

  // Told and acknowledged as the agent does it. Signatures are not checked here: nodes do that on cores of their own.
  void on_order(std::size_t i, const wire::Envelope& message) {
    const auto sent = wire::unpack<wire::SignedOrder>(message);
    const auto order = sent.ok() ? json::decode_text<wire::Order>(sent->payload) : Result<wire::Order>(sent.error());
    if (!order.ok()) return void(++counts_.refused);
    const bool first = order->counter > agents_[i].counter;
    const Instant now = io::system_clock().now();
    if (first) {
      agents_[i].counter = order->counter;
      send(i, wire::pack(new_id(), wire::OrderUpdate{order->order_id, static_cast<std::uint64_t>(to_unix_ms(now)),
                                                     wire::OrderState::accepted, "", "", now}));
    }
    send(i, wire::pack(new_id(), wire::Ack{{message.id}}));
    if (!first) return;
    if (counts_.orders_taken++ % agents_.size() == 0) command_began_ = std::chrono::steady_clock::now();
    if (counts_.orders_taken % agents_.size() == 0)
      say("command_taken", agents_.size(), seconds_since(command_began_), counts_);
    loop_.run_after(Duration(kScriptMsMin + random_below(kScriptMsMax - kScriptMsMin)),
                    [this, i, order = *order, now] { finish(i, order, now); });
  }

  void finish(std::size_t i, const wire::Order& order, Instant began) {
    auto& agent = agents_[i];
    agent.result_id = new_id();
    agent.result = wire::to_text(wire::pack(agent.result_id, result_of(order, began, io::system_clock().now())));
    static_cast<void>(agent.socket->send(agent.result));
  }

  void on_ack(std::size_t i, const wire::Envelope& message) {
    const auto ack = wire::unpack<wire::Ack>(message);
    if (!ack.ok() || std::ranges::find(ack->ids, agents_[i].result_id) == ack->ids.end()) return;
    agents_[i].result_id.clear();
    agents_[i].result.clear();
    if (++counts_.results_taken % agents_.size() == 0)
      say("command_answered", agents_.size(), seconds_since(command_began_), counts_);
  }

  // As agents do: later each time, and never all at once.
  void retry(std::size_t i) {
    const auto base = 500 * (1 << std::min(agents_[i].attempts, 5));
    const auto spread = static_cast<unsigned char>(io::random_bytes(1)[0]) * base / 255;
    loop_.run_after(Duration(base + spread), [this, i] { connect(i); });
  }

  std::string url_, ca_pem_;
  io::EventLoop loop_;
  std::vector<Agent> agents_;
  Counts counts_;
  std::chrono::steady_clock::time_point command_began_;
};

}  // namespace

int main(int argc, char** argv) {
  io::prepare_static_process();
  if (argc != 5 && argc != 6) {
    std::fprintf(stderr, "usage: bench_agents_load URL CA_FILE ACTIVATION_ID COUNT [IDENTITIES] <code\n");
    return 2;
  }
  const auto ca = io::real_files().read(argv[2], 1 << 20);
  if (!ca.ok()) return std::fprintf(stderr, "%s\n", ca.error().chain().c_str()), 1;
  std::string code;
  std::getline(std::cin, code);

  Load load(argv[1], *ca);
  auto start = std::chrono::steady_clock::now();
  const std::string kept = argc == 6 ? argv[5] : "";
  const bool known = !kept.empty() && io::real_files().info(kept).ok();
  Status enrolled = known ? load.read_kept(kept) : load.enroll(std::stoul(argv[4]), argv[3], code);
  if (enrolled.ok() && !known && !kept.empty()) enrolled = load.keep(kept);
  if (!enrolled.ok()) return std::fprintf(stderr, "%s\n", enrolled.error().chain().c_str()), 1;
  const std::size_t count = load.size();
  say("enrolled", count, seconds_since(start), load.counts());

  std::getline(std::cin, code);
  start = std::chrono::steady_clock::now();
  load.loop().post([&] { load.connect_all(); });
  std::function<void()> watch = [&] {
    if (load.counts().welcomed >= count) say("connected", count, seconds_since(start), load.counts());
    else load.loop().run_after(Duration(100), watch);
  };
  load.loop().post(watch);
  std::thread input([&] {
    std::string line;
    while (std::getline(std::cin, line)) {
    }
    load.loop().post([&] {
      say("held", count, seconds_since(start), load.counts());
      std::exit(0);  // thousands of links need not say goodbye one by one
    });
  });
  load.loop().run();
  input.join();
  return 0;
}
