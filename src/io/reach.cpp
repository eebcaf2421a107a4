#include "io/reach.hpp"

#include "io/client_connection.hpp"

namespace belay::io {
namespace {

Url url_of(const Endpoint& endpoint) { return {"", endpoint.host, "/", endpoint.port}; }

class RealReach final : public Reach {
 public:
  Status connect(const Endpoint& to, Duration timeout) override {
    const auto connection = ClientConnection::open(url_of(to), nullptr, {}, Patience(timeout));
    return connection.ok() ? Status() : Status(connection.error());
  }

  Result<HttpResponse> get(const std::string& url, const HttpClientOptions& options) override {
    BELAY_TRY_ASSIGN(const auto parts, parse_url(url));
    BELAY_TRY_ASSIGN(const auto client, make_http_client(url, options));
    HttpRequest request;
    request.method = "GET";
    request.target = parts.target;
    request.headers.set("User-Agent", "belay-agent");
    request.headers.set("Accept", "*/*");
    return client->send(request);
  }

  Result<std::string> certificate_sha256_hex(const Endpoint& server, Duration timeout) override {
    const auto context = make_context(TLS_client_method());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    TlsClientSettings settings;
    settings.verify_host_name = false;
    BELAY_TRY_ASSIGN(const auto connection,
                     ClientConnection::open(url_of(server), context, settings, Patience(timeout)));
    const X509* certificate = SSL_get0_peer_certificate(connection->tls());
    if (!certificate) return Error(Code::unavailable, server.host + " shows no certificate", "tls-failed");
    return io::certificate_sha256_hex(certificate);
  }
};

}  // namespace

Reach& real_reach() {
  static RealReach reach;
  return reach;
}

}  // namespace belay::io
