// Both ends against each other over real TLS, and against the curl command and Python's ssl module.
#include "base/text.hpp"
#include "io/files.hpp"
#include "io/http_support_test.hpp"
#include "io/process.hpp"
#include "io/system_clock.hpp"

namespace belay::io {
namespace {

using testing::HasSubstr;

void with_tls(HttpServerOptions& options) { options.tls = test_pki().server; }

HttpClientOptions as_client(const KeyAndCertificate& identity) {
  auto options = pinned(test_pki());
  options.tls.certificate_pem = identity.certificate_pem;
  options.tls.key_pem = identity.key_pem;
  return options;
}

Result<HttpResponse> ask(const TestServer& server, HttpClientOptions options) {
  auto client = make_http_client(server.url("https"), std::move(options));
  if (!client.ok()) return client.error();
  return (*client)->send(get("/"));
}

TEST(Tls, ThePinnedAuthorityIsTrusted) {
  TestServer server(with_tls);
  auto client = *make_http_client(server.url("https"), pinned(test_pki()));
  EXPECT_EQ(client->send(get("/a"))->body, "GET /a |");
  EXPECT_EQ(client->send(post("/b", std::string(1 << 20, 'x')))->body.size(), 9u + (1 << 20));
  EXPECT_EQ(client->send(get("/large"))->body.size(), 3u << 20);
  EXPECT_EQ(server.server().connections(), 1u);
  EXPECT_EQ(client->server_ca_pem(), test_pki().ca.certificate_pem);
}

TEST(Tls, TheClientsCertificateNamesIt) {
  TestServer server(with_tls);
  EXPECT_EQ(ask(server, as_client(test_pki().client("mi-0123456789abcdef0")))->body, "GET / mi-0123456789abcdef0|");
  EXPECT_EQ(ask(server, pinned(test_pki()))->body, "GET / |");
}

TEST(Tls, AForeignOrExpiredClientIsRefused) {
  TestServer server(with_tls);
  const auto& pki = test_pki();
  const Instant now = system_clock().now();
  const auto foreign = pki.leaf(pki.other_ca, "mi-0123456789abcdef0", false, now - std::chrono::hours(1), kTestYear);
  const auto expired =
      pki.leaf(pki.ca, "mi-0123456789abcdef0", false, now - std::chrono::hours(10), std::chrono::hours(9));
  const auto early = pki.leaf(pki.ca, "mi-0123456789abcdef0", false, now + std::chrono::hours(10), kTestYear);
  const auto server_only = pki.leaf(pki.ca, "mi-0123456789abcdef0", true, now - std::chrono::hours(1), kTestYear);
  for (const auto& identity : {foreign, expired, early, server_only}) {
    const auto answer = ask(server, as_client(identity));
    ASSERT_FALSE(answer.ok());
    EXPECT_THAT(answer.error().chain(), HasSubstr("alert")) << "the client must be told why";
  }
  EXPECT_TRUE(ask(server, pinned(pki)).ok());
}

struct ServerRow {
  const char* why;
  std::string certificate_name;
  Duration age, lifetime;
  bool foreign;
  const char* reason;
};

TEST(Tls, AServerThatIsNotTheOneIsRefused) {
  const auto hour = std::chrono::hours(1);
  const ServerRow rows[] = {
      {"another authority", "localhost", hour, kTestYear, true, "certificate-untrusted"},
      {"another name", "elsewhere.example", hour, kTestYear, false, "certificate-name"},
      {"expired", "localhost", 10 * hour, 9 * hour, false, "certificate-time"},
      {"not yet valid", "localhost", -10 * hour, kTestYear, false, "certificate-time"},
  };
  const auto& pki = test_pki();
  for (const auto& row : rows) {
    const auto& authority = row.foreign ? pki.other_ca : pki.ca;
    const auto leaf = pki.leaf(authority, row.certificate_name, true, system_clock().now() - row.age, row.lifetime);
    TestServer server(
        [&](HttpServerOptions& options) { options.tls = TlsServerSettings{leaf.certificate_pem, leaf.key_pem, ""}; });
    auto client = make_http_client("https://localhost:" + std::to_string(server.port()), pinned(pki));
    const auto answer = (*client)->send(get("/"));
    ASSERT_FALSE(answer.ok()) << row.why;
    EXPECT_EQ(answer.error().code(), Code::unauthenticated) << row.why;
    EXPECT_EQ(answer.error().reason(), row.reason) << row.why << ": " << answer.error().chain();
  }
}

TEST(Tls, AFingerprintStandsForTheAuthorityOrTheLeaf) {
  TestServer server(with_tls);
  const auto& pki = test_pki();
  HttpClientOptions options;
  options.tls.ca_sha256_hex = read_certificate(pki.ca.certificate_pem)->sha256_hex;
  auto client = *make_http_client(server.url("https"), options);
  ASSERT_TRUE(client->send(get("/")).ok());
  EXPECT_EQ(client->server_ca_pem(), pki.ca.certificate_pem);
  options.tls.ca_sha256_hex = read_certificate(pki.server.certificate_chain_pem)->sha256_hex;
  const auto by_leaf = ask(server, options);
  EXPECT_TRUE(by_leaf.ok()) << by_leaf.error().chain();
  options.tls.ca_sha256_hex = read_certificate(pki.other_ca.certificate_pem)->sha256_hex;
  EXPECT_EQ(ask(server, options).error().reason(), "certificate-untrusted");
}

// The authority's certificate is public: a chain that merely contains it proves nothing.
TEST(Tls, AFingerprintIsNotFooledByAStrangerWhoShowsTheAuthority) {
  const auto& pki = test_pki();
  const auto leaf = pki.leaf(pki.other_ca, "localhost", true, system_clock().now() - std::chrono::hours(1), kTestYear);
  TestServer server([&](HttpServerOptions& options) {
    options.tls = TlsServerSettings{leaf.certificate_pem + pki.ca.certificate_pem, leaf.key_pem, ""};
  });
  HttpClientOptions options;
  options.tls.ca_sha256_hex = read_certificate(pki.ca.certificate_pem)->sha256_hex;
  EXPECT_EQ(ask(server, options).error().reason(), "certificate-untrusted");
}

TEST(Tls, TheClientMustSayWhomItTrusts) {
  EXPECT_EQ(make_http_client("https://localhost", {}).error().reason(), "no-authority");
  auto options = pinned(test_pki());
  options.tls.system_ca = true;
  EXPECT_EQ(make_http_client("https://localhost", options).error().reason(), "no-authority");
  options = {};
  options.tls.ca_pem = "junk";
  EXPECT_EQ(make_http_client("https://localhost", options).error().code(), Code::invalid_argument);
  options = {};
  options.tls.system_ca = true;
  const auto client = make_http_client("https://localhost", options);
  if (!client.ok() && client.error().reason() == "no-ca-bundle")
    GTEST_SKIP() << "this host has no bundle of authorities";
  EXPECT_TRUE(client.ok()) << client.error().chain();
}

TEST(Tls, PlainTalkToATlsPortAndTheReverseEnd) {
  TestServer encrypted(with_tls), plain;
  auto client = *make_http_client(encrypted.url("http"), {});
  EXPECT_FALSE(client->send(get("/")).ok());
  EXPECT_EQ(ask(plain, pinned(test_pki())).error().reason(), "tls-failed");
}

TEST(Tls, AHandshakeThatStallsIsCut) {
  TestServer server([](HttpServerOptions& options) {
    with_tls(options);
    options.limits.header_timeout = Duration(200);
  });
  RawClient stalling(server.port());
  stalling.send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
  EXPECT_EQ(stalling.read_to_end(), "");
}

TEST(Tls, ARenewedCertificateServesTheNextHandshakes) {
  TestServer server(with_tls);
  const auto& pki = test_pki();
  auto kept = *make_http_client(server.url("https"), pinned(pki));
  ASSERT_TRUE(kept->send(get("/")).ok());
  const auto renewed =
      pki.leaf(pki.other_ca, "localhost", true, system_clock().now() - std::chrono::hours(1), kTestYear);
  EXPECT_FALSE(server.server().reload({"junk", "junk", ""}).ok());
  ASSERT_TRUE(server.server().reload({renewed.certificate_pem, renewed.key_pem, ""}).ok());
  EXPECT_TRUE(kept->send(get("/")).ok());
  EXPECT_EQ(ask(server, pinned(pki)).error().reason(), "certificate-untrusted");
}

// --- second opinions ---

struct Outside {
  std::string folder;
  Outside() {
    char name[] = "/tmp/belay-tls-XXXXXX";
    folder = ::mkdtemp(name);
    const auto client = test_pki().client("mi-0123456789abcdef0");
    EXPECT_TRUE(real_files().write_durable(folder + "/ca.pem", test_pki().ca.certificate_pem, 0600).ok());
    EXPECT_TRUE(real_files().write_durable(folder + "/client.pem", client.certificate_pem + client.key_pem, 0600).ok());
  }
  ~Outside() { EXPECT_TRUE(real_files().remove_tree(folder).ok()); }

  Result<ProcessOutcome> run(std::vector<std::string> argv, const std::string& input = {}) const {
    ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.environment = plain_environment();
    spec.working_directory = folder;
    spec.standard_input = input;
    spec.output_bytes_max = 8 << 20;
    return real_processes().run(spec);
  }
};

TEST(TlsInterop, CurlTalksToTheServer) {
  TestServer server(with_tls);
  const Outside outside;
  const std::string url = "https://localhost:" + std::to_string(server.port());
  const auto first =
      outside.run({"curl", "-sS", "--http1.1", "--cacert", "ca.pem", "--cert", "client.pem", url + "/a"});
  if (!first.ok() && first.error().code() == Code::not_found) GTEST_SKIP() << "curl is not installed";
  EXPECT_EQ(first->standard_output, "GET /a mi-0123456789abcdef0|") << first->standard_error;
  const auto large = outside.run({"curl", "-sS", "--cacert", "ca.pem", "--data-binary", "@-", "-H",
                                  "Expect: 100-continue", "-H", "Transfer-Encoding: chunked", url + "/b"},
                                 std::string(2 << 20, 'u'));
  EXPECT_EQ(large->standard_output, "POST /b |" + std::string(2 << 20, 'u'));
  const auto refused = outside.run(
      {"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", "ca.pem", "--data-binary", "@-", url + "/b"},
      std::string(5 << 20, 'u'));
  EXPECT_EQ(refused->standard_output, "413") << refused->standard_error;
  const auto old =
      outside.run({"curl", "-sS", "--tls-max", "1.2", "--tlsv1.2", "--http1.0", "--cacert", "ca.pem", url + "/c"});
  EXPECT_EQ(old->standard_output, "GET /c |") << old->standard_error;
  const auto ancient = outside.run({"curl", "-sS", "--tls-max", "1.1", "--cacert", "ca.pem", url + "/c"});
  EXPECT_FALSE(ancient->success());
}

constexpr const char* kPythonClient = R"(
import socket, ssl, sys
context = ssl.create_default_context(cafile="ca.pem")
context.load_cert_chain("client.pem")
session, lines = None, []
for i in range(3):
    raw = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    with context.wrap_socket(raw, server_hostname="localhost", session=session) as s:
        s.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % i)
        text = b""
        while part := s.recv(65536): text += part
        session = s.session
        lines.append("%s %s %s" % (s.version(), s.session_reused, text.rsplit(b"\r\n", 1)[1].decode()))
print("\n".join(lines))
)";

TEST(TlsInterop, PythonResumesItsSessions) {
  TestServer server(with_tls);
  const Outside outside;
  const auto outcome = outside.run({"python3", "-c", kPythonClient, std::to_string(server.port())});
  if (!outcome.ok() && outcome.error().code() == Code::not_found) GTEST_SKIP() << "python3 is not installed";
  EXPECT_EQ(outcome->standard_output,
            "TLSv1.3 False GET /0 mi-0123456789abcdef0|\nTLSv1.3 True GET /1 mi-0123456789abcdef0|\n"
            "TLSv1.3 True GET /2 mi-0123456789abcdef0|\n")
      << outcome->standard_error;
}

constexpr const char* kPythonServer = R"(
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = dict(x[0] for x in self.connection.getpeercert()["subject"])["commonName"]
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (name.encode(), b"|", body):
            if part: self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")
    def log_message(self, *a): pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem")
context.load_verify_locations("ca.pem")
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
)";

TEST(TlsInterop, TheClientTalksToPython) {
  const Outside outside;
  const auto& tls = test_pki().server;
  ASSERT_TRUE(
      real_files().write_durable(outside.folder + "/server.pem", tls.certificate_chain_pem + tls.key_pem, 0600).ok());
  std::atomic<bool> cancel{false};
  Mailbox ports;
  std::thread server([&] {
    ProcessSpec spec;
    spec.argv = {"python3", "-c", kPythonServer};
    spec.environment = plain_environment();
    spec.working_directory = outside.folder;
    spec.cancel = &cancel;
    const auto outcome =
        real_processes().run(spec, [&](int, std::string_view text) { ports.put(std::string(trim(text))); });
    if (!outcome.ok()) ports.put("missing");
  });
  const std::string port = ports.take();
  if (port != "missing") {
    auto client = *make_http_client("https://127.0.0.1:" + port, as_client(test_pki().client("mi-0123456789abcdef0")));
    for (const std::string body : {"", "small", "again"}) {
      const auto answer = client->send(post("/", body));
      EXPECT_TRUE(answer.ok()) << answer.error().chain();
      if (answer.ok()) EXPECT_EQ(answer->body, "mi-0123456789abcdef0|" + body);
    }
  }
  cancel = true;
  server.join();
  if (port == "missing") GTEST_SKIP() << "python3 is not installed";
}

}  // namespace
}  // namespace belay::io
