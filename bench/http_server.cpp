// The server that bench/http_cost.py measures: a small JSON request is parsed, and its answer written, over io's own
// server.
//   bench_http_server FOLDER
// writes ca.pem, server.pem and client.pem there, prints "PLAIN_PORT TLS_PORT", and serves until SIGTERM.
#include <cstdio>

#include "base/json.hpp"
#include "io/files.hpp"
#include "io/http.hpp"
#include "io/pki.hpp"
#include "io/process_start.hpp"
#include "io/system_clock.hpp"

namespace {

using namespace belay;

void answer(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  io::HttpResponse response;
  response.headers.set("Content-Type", "application/json");
  const auto body = json::parse(request.body);
  if (!body.ok()) {
    response.status = 400;
  } else {
    response.body = json::to_text(*body);
  }
  responder->respond(std::move(response));
}

Result<io::TlsServerSettings> make_certificates(const std::string& folder) {
  const Instant since = io::system_clock().now() - std::chrono::hours(1);
  const Duration lifetime = std::chrono::hours(48);
  BELAY_TRY_ASSIGN(const auto ca, io::make_ca("Belay benchmark", since, lifetime));
  io::LeafSpec server;
  server.common_name = "localhost";
  server.dns_names = {"localhost"};
  server.for_server = true;
  server.not_before = since;
  server.lifetime = lifetime;
  const std::string server_key = io::make_key_pem(), client_key = io::make_key_pem();
  BELAY_TRY_ASSIGN(const auto server_csr, io::make_csr(server_key, "localhost"));
  BELAY_TRY_ASSIGN(const auto server_certificate, io::sign_csr(ca, server_csr, server));
  io::LeafSpec client = server;
  client.common_name = "mi-0123456789abcdef0";
  client.dns_names = {};
  client.for_server = false;
  BELAY_TRY_ASSIGN(const auto client_csr, io::make_csr(client_key, "client"));
  BELAY_TRY_ASSIGN(const auto client_certificate, io::sign_csr(ca, client_csr, client));
  auto& files = io::real_files();
  BELAY_TRY(files.write_durable(folder + "/ca.pem", ca.certificate_pem, 0600));
  BELAY_TRY(files.write_durable(folder + "/server.pem", server_certificate + server_key, 0600));
  BELAY_TRY(files.write_durable(folder + "/client.pem", client_certificate + client_key, 0600));
  return io::TlsServerSettings{server_certificate, server_key, ca.certificate_pem};
}

Status serve(const std::string& folder) {
  BELAY_TRY_ASSIGN(const auto tls, make_certificates(folder));
  io::EventLoop loop;
  io::HttpServerOptions options;
  options.handler = answer;
  options.limits.idle_timeout = std::chrono::minutes(10);
  BELAY_TRY_ASSIGN(const auto plain, io::start_http_server(loop, options));
  options.tls = tls;
  BELAY_TRY_ASSIGN(const auto encrypted, io::start_http_server(loop, options));
  std::printf("%u %u\n", unsigned{plain->port()}, unsigned{encrypted->port()});
  std::fflush(stdout);
  loop.on_termination([&loop] { loop.stop(); });
  loop.run();
  return {};
}

}  // namespace

int main(int count, char** arguments) {
  io::prepare_static_process();
  if (count != 2) return std::fprintf(stderr, "usage: bench_http_server FOLDER\n"), 2;
  const auto served = serve(arguments[1]);
  if (served.ok()) return 0;
  std::fprintf(stderr, "%s\n", served.error().chain().c_str());
  return 1;
}
