// tcp and http, against a server of the test's own on loopback, and over a network that fails as it is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "agent/probes/probes.hpp"
#include "io/pki.hpp"
#include "io/system_clock.hpp"
#include "tests/fakes/memory_files.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::agent {
namespace {

using patchrun::ProbeSpec;
using testing::HasSubstr;
using testing::StartsWith;

constexpr Duration kTime{30'000};
constexpr Duration kLong{20'000};

class LoopbackServer {
 public:
  explicit LoopbackServer(std::optional<io::TlsServerSettings> tls = {}, std::string address = "127.0.0.1",
                          std::uint16_t port = 0) {
    io::HttpServerOptions options;
    options.address = std::move(address);
    options.port = port;
    options.tls = std::move(tls);
    options.handler = [this](const io::HttpRequest& request, std::unique_ptr<io::Responder> responder) {
      if (request.target == "/silent") return kept_.push_back(std::move(responder));  // never answered
      io::HttpResponse response{request.target == "/broken" ? 503 : 200, {}, "all is well"};
      if (request.target == "/moved") {
        response.status = 301;
        response.headers.set("Location", "/");
      }
      if (request.target == "/huge") response.body.assign(5 << 20, 'x');
      responder->respond(std::move(response));
    };
    auto started = io::start_http_server(loop_, std::move(options));
    EXPECT_TRUE(started.ok()) << started.error().chain();
    server_ = std::move(*started);
    port_ = server_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~LoopbackServer() { stop(); }
  void stop() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    kept_.clear();
    server_.reset();
  }
  std::uint16_t port() const { return port_; }
  std::string at(const std::string& host) const { return host + ":" + std::to_string(port_); }

 private:
  io::EventLoop loop_;
  std::vector<std::unique_ptr<io::Responder>> kept_;
  std::unique_ptr<io::HttpServer> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

// A certificate that no bundle knows, for a name that is not the one asked for.
io::TlsServerSettings own_certificate() {
  const Instant since = io::system_clock().now() - std::chrono::hours(1);
  const auto ca = *io::make_ca("The machine's own", since, std::chrono::hours(48));
  io::LeafSpec spec;
  spec.common_name = "www.example.com";
  spec.dns_names = {"www.example.com"};
  spec.for_server = true;
  spec.not_before = since;
  spec.lifetime = std::chrono::hours(24);
  const auto key = io::make_key_pem();
  return {*io::sign_csr(ca, *io::make_csr(key, "x"), spec), key, ""};
}

struct NetworkHost {
  fakes::MemoryFiles disk;
  fakes::ScriptedProcesses processes;

  std::unique_ptr<HealthProbe> make(ProbeSpec spec, io::Reach& reach = io::real_reach()) {
    spec.name = "it";
    auto probes = make_probes({spec}, {disk, processes, io::system_clock(), reach});
    EXPECT_TRUE(probes.ok()) << probes.error().chain();
    return std::move(probes->at(0));
  }
  std::unique_ptr<HealthProbe> tcp(const std::string& address, io::Reach& reach = io::real_reach()) {
    ProbeSpec spec;
    spec.tcp = patchrun::TcpProbe{address, kLong};
    return make(spec, reach);
  }
  std::unique_ptr<HealthProbe> http(const std::string& url, const std::string& contains = "",
                                    io::Reach& reach = io::real_reach()) {
    ProbeSpec spec;
    spec.http = patchrun::HttpProbe{url, 200, kLong, contains};
    return make(spec, reach);
  }
};

std::string said(const Result<ProbeReading>& reading) {
  if (!reading.ok()) return "error: " + reading.error().chain();
  return (reading->healthy ? "healthy: " : "ill: ") + reading->detail;
}

TEST(TcpProbe, IsHealthyWhereSomebodyAccepts) {
  NetworkHost host;
  LoopbackServer four, six({}, "::1");
  EXPECT_THAT(said(host.tcp(four.at("127.0.0.1"))->measure(kTime)), StartsWith("healthy: connected in "));
  EXPECT_THAT(said(host.tcp(four.at("localhost"))->measure(kTime)), StartsWith("healthy: "));
  EXPECT_THAT(said(host.tcp(six.at("[::1]"))->measure(kTime)), StartsWith("healthy: "));
  four.stop();
  EXPECT_THAT(said(host.tcp(four.at("127.0.0.1"))->measure(kTime)), StartsWith("ill: cannot connect to 127.0.0.1"));
}

TEST(HttpProbe, JudgesStatusAndBodyOfThatAnswer) {
  NetworkHost host;
  LoopbackServer server;
  const auto url = "http://" + server.at("127.0.0.1");
  EXPECT_THAT(said(host.http(url)->measure(kTime)), StartsWith("healthy: status 200 after "));
  EXPECT_THAT(said(host.http(url, "is well")->measure(kTime)), StartsWith("healthy: "));
  EXPECT_THAT(said(host.http(url, "burns")->measure(kTime)), HasSubstr("its body does not contain 'burns'"));
  EXPECT_THAT(said(host.http(url + "/broken")->measure(kTime)), StartsWith("ill: status 503 after "));
  EXPECT_THAT(said(host.http(url + "/moved")->measure(kTime)), StartsWith("ill: status 301 after "));
  EXPECT_THAT(said(host.http(url + "/huge")->measure(kTime)), StartsWith("error: "));
  ProbeSpec moved;
  moved.http = patchrun::HttpProbe{url + "/moved", 301, kLong, ""};
  EXPECT_THAT(said(host.make(moved)->measure(kTime)), StartsWith("healthy: status 301"));
  server.stop();
  EXPECT_THAT(said(host.http(url)->measure(kTime)), StartsWith("ill: cannot connect"));
}

TEST(HttpProbe, ASlowAnswerIsIllAndAProbeCutShortIsNotMeasured) {
  NetworkHost host;
  LoopbackServer server;
  ProbeSpec spec;
  spec.http = patchrun::HttpProbe{"http://" + server.at("127.0.0.1") + "/silent", 200, Duration(200), ""};
  const auto probe = host.make(spec);
  const auto slow = said(probe->measure(kTime)), cut_short = said(probe->measure(Duration(50)));
  EXPECT_THAT(slow, StartsWith("ill: "));
  EXPECT_THAT(slow, HasSubstr("took longer than 200 ms"));
  EXPECT_THAT(cut_short, StartsWith("error: "));
  EXPECT_THAT(cut_short, HasSubstr("took longer than"));
}

TEST(HttpProbe, ACertificateOfTheMachinesOwnIsTakenAsFoundAndMustStay) {
  NetworkHost host;
  const auto tls = own_certificate();
  auto server = std::make_unique<LoopbackServer>(tls);
  const auto port = server->port();
  const auto probe = host.http("https://" + server->at("127.0.0.1"));
  const auto before = probe->measure(kTime);
  EXPECT_THAT(said(before), HasSubstr("healthy: status 200 after "));
  EXPECT_THAT(said(before), HasSubstr("by a certificate that no authority of this host vouches for"));
  ASSERT_EQ(before->values.at("certificate").size(), 64u);
  EXPECT_THAT(said(probe->measure(kTime, &*before)), StartsWith("healthy: status 200"));
  const ProbeReading vouched{true, "", {}};
  EXPECT_THAT(said(probe->measure(kTime, &vouched)), StartsWith("ill: "))
      << "before the change an authority vouched for it";

  server.reset();
  server = std::make_unique<LoopbackServer>(own_certificate(), "127.0.0.1", port);
  EXPECT_THAT(said(probe->measure(kTime, &*before)), StartsWith("ill: it shows another certificate than before"));
}

// A network that does as it is told.
class ToldReach final : public io::Reach {
 public:
  Error answer{Code::unavailable, "told so"};
  int certificates_looked_at = 0;

  Status connect(const Endpoint&, Duration) override { return answer; }
  Result<io::HttpResponse> get(const std::string&, const io::HttpClientOptions& options) override {
    EXPECT_TRUE(options.tls.system_ca || !options.tls.ca_sha256_hex.empty());
    return answer;
  }
  Result<std::string> certificate_sha256_hex(const Endpoint&, Duration) override {
    ++certificates_looked_at;
    return answer;
  }
};

TEST(NetworkProbes, TellTheOtherEndsFailuresFromTheirOwn) {
  struct Row {
    Error answer;
    const char* said;
  };
  const Row rows[] = {
      {Error(Code::unavailable, "refused"), "ill: refused"},
      {Error(Code::unavailable, "no such name", "name-unresolved"), "ill: no such name"},
      {Error(Code::timed_out, "late"), "ill: late"},
      {Error(Code::corrupt, "no HTTP"), "ill: no HTTP"},
      {Error(Code::unauthenticated, "who?", "certificate-untrusted"), "ill: who?"},
      {Error(Code::resource_exhausted, "no sockets left"), "error: no sockets left"},
      {Error(Code::not_found, "no bundle", "no-ca-bundle"), "error: no bundle"},
      {Error(Code::permission_denied, "not allowed"), "error: not allowed"},
  };
  NetworkHost host;
  ToldReach reach;
  for (const auto& row : rows) {
    reach.answer = row.answer;
    EXPECT_EQ(said(host.tcp("db.example:5432", reach)->measure(kTime)), row.said);
    EXPECT_EQ(said(host.http("https://web.example/", "", reach)->measure(kTime)), row.said);
  }
  EXPECT_EQ(reach.certificates_looked_at, 0) << "a stranger's certificate is taken nowhere but on loopback";
}

TEST(NetworkProbes, LoopbackIsWhatIsWrittenSo) {
  NetworkHost host;
  for (const auto& [address, is_loopback] : std::initializer_list<std::pair<const char*, bool>>{
           {"127.0.0.1", true},
           {"127.8.9.10", true},
           {"[::1]", true},
           {"localhost", true},
           {"LOCALHOST", true},
           {"10.0.0.1", false},
           {"127.example.com", false},
           {"localhost.example.com", false},
           {"[::2]", false},
       }) {
    ToldReach reach;
    reach.answer = Error(Code::unauthenticated, "who?", "certificate-untrusted");
    EXPECT_THAT(said(host.http("https://" + std::string(address) + "/", "", reach)->measure(kTime)),
                StartsWith("ill: "));
    EXPECT_EQ(reach.certificates_looked_at, is_loopback ? 1 : 0) << address;
  }
}

}  // namespace
}  // namespace belay::agent
