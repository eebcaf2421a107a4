// Many agents at once, speaking the agents' real protocol: enrols COUNT nodes, connects them all without jitter (worse
// than real agents do), says hello, and holds the links. Prints one JSON line a phase; ends on end of standard input.
//   bench_agents_load URL CA_FILE ACTIVATION_ID COUNT        the activation's code on the first line of standard input
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.hpp"
#include "io/crypto.hpp"
#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/http.hpp"
#include "io/pki.hpp"
#include "io/process_start.hpp"
#include "wire/codec.hpp"

namespace {

using namespace belay;

struct Agent {
  std::string node_id, key_pem, certificate_pem;
  std::shared_ptr<io::WebSocket> socket;
  int attempts = 0;
};

struct Counts {
  std::size_t welcomed = 0, failed_attempts = 0, closed = 0;
};

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
    agents_[i].socket->on_message = [this](std::string text) {
      const auto envelope = wire::parse_envelope(text);
      if (envelope.ok() && envelope->type == "welcome") ++counts_.welcomed;
    };
    agents_[i].socket->on_close = [this, i](std::string_view) {
      ++counts_.closed;
      retry(i);
    };
    wire::Hello hello;
    hello.agent_version = BELAY_VERSION;
    hello.boot_id = hello.instance_nonce = agents_[i].node_id;
    hello.facts = facts(i);
    (void)agents_[i].socket->send(wire::to_text(wire::pack(make_uuid(io::random_bytes(kIdRandomBytes)), hello)));
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
};

void say(const char* phase, std::size_t count, double seconds, const Counts& counts) {
  std::cout << json::to_text(json::Object{{"phase", phase},
                                          {"agents", count},
                                          {"seconds", seconds},
                                          {"welcomed", counts.welcomed},
                                          {"failed_attempts", counts.failed_attempts},
                                          {"closed", counts.closed}})
            << std::endl;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  io::prepare_static_process();
  if (argc != 5) {
    std::fprintf(stderr, "usage: bench_agents_load URL CA_FILE ACTIVATION_ID COUNT <code\n");
    return 2;
  }
  const auto ca = io::real_files().read(argv[2], 1 << 20);
  if (!ca.ok()) return std::fprintf(stderr, "%s\n", ca.error().chain().c_str()), 1;
  const std::size_t count = std::stoul(argv[4]);
  std::string code;
  std::getline(std::cin, code);

  Load load(argv[1], *ca);
  auto start = std::chrono::steady_clock::now();
  const auto enrolled = load.enroll(count, argv[3], code);
  if (!enrolled.ok()) return std::fprintf(stderr, "%s\n", enrolled.error().chain().c_str()), 1;
  say("enrolled", count, seconds_since(start), load.counts());

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
