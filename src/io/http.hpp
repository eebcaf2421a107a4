#pragma once
// HTTP/1.1 as values, a server, a client, and WebSockets on both ends. Asio, Beast and OpenSSL stay inside io.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/url.hpp"
#include "io/event_loop.hpp"

namespace belay::io {

struct HttpHeaders {
  std::vector<std::pair<std::string, std::string>> fields;  // as sent, in order
  std::string_view get(std::string_view name) const;        // case-blind; "" where absent; the first of several
  void set(std::string name, std::string value);
};

struct HttpRequest {
  std::string method;
  std::string target;  // path and query as sent
  HttpHeaders headers;
  std::string body;
  // Of the connection:
  std::string peer_address;
  std::string peer_common_name;  // of the verified client certificate; "" without one
  std::string peer_serial_hex;   // likewise
  bool encrypted = false;
  std::string_view path() const;  // the target up to '?'
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
};

// Answers one request, exactly once, from any thread. Dropping it unanswered sends 500.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void respond(HttpResponse response) = 0;
};

// A WebSocket, either end. Text messages only. Everything may be called from any thread.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // Queued in order. False where the queue is full (bytes_queued_max) or the connection is gone.
  [[nodiscard]] virtual bool send(std::string message) = 0;
  virtual void close(std::string_view reason) = 0;
  // Set once, before or in on_open; called on the loop. on_close is called exactly once, last.
  std::function<void(std::string message)> on_message;
  std::function<void(std::string_view reason)> on_close;
  HttpRequest handshake;  // server side: the request that opened it; its headers only until `opened` returns
};

struct TlsServerSettings {
  std::string certificate_chain_pem;
  std::string key_pem;
  std::string client_ca_pem;  // client certificates are asked for and, where given, verified against it; none is fine
};

// Of the bodies of one kind of client.
struct BodyLimits {
  std::size_t bytes_max = 0;
  std::size_t bytes_total_max = 0;  // of all of them being read or handled; beyond it 503
  Duration timeout{};
};

struct ServerLimits {
  std::size_t header_bytes_max = 16 << 10;
  std::size_t body_bytes_max = 4 << 20;
  std::size_t body_bytes_total_max = 512 << 20;  // of all requests being read or handled; beyond it 503
  std::size_t connections_max = 60'000;
  Duration header_timeout{10'000};  // also of the TLS handshake: a slow client is cut
  Duration body_timeout{60'000};
  Duration idle_timeout{75'000};
  // Where given, for clients that showed no certificate, instead of the three above. Whether a signature or a token is
  // good is known only when the request is whole: so little is held for those who say they have one (an Authorization
  // header), and next to nothing for the rest, heads included. Neither takes the room of the others.
  std::optional<BodyLimits> claimed, nameless;
  std::size_t message_bytes_max = 16 << 20;  // WebSocket
  std::size_t bytes_queued_max = 4 << 20;    // per WebSocket
  Duration websocket_ping_every{55'000};     // a peer that misses two is closed
};

class HttpServer {
 public:
  using Handler = std::function<void(HttpRequest, std::unique_ptr<Responder>)>;  // on the loop; do not block
  // Whether to accept the upgrade; a response refuses it.
  using Upgrade = std::function<std::optional<HttpResponse>(const HttpRequest&)>;
  using Opened = std::function<void(std::shared_ptr<WebSocket>)>;  // on the loop

  virtual ~HttpServer() = default;  // closes everything at once; must go before its loop
  virtual std::uint16_t port() const = 0;
  // Stops listening; lets running requests end until the deadline, closes WebSockets with "server stops".
  virtual void drain(Duration deadline, std::function<void()> done) = 0;
  virtual std::size_t connections() const = 0;
  // New settings for the next handshakes (a renewed certificate).
  virtual Status reload(const TlsServerSettings& tls) = 0;
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;                // 0: any free one
  std::optional<TlsServerSettings> tls;  // none: plain HTTP
  ServerLimits limits;
  HttpServer::Handler handler;
  // What a request is told that no handler gets to see (too large, malformed, …); empty: the words as plain text.
  std::function<HttpResponse(int status, std::string_view words)> refusal;
  HttpServer::Upgrade upgrade;  // empty: every upgrade is refused
  HttpServer::Opened opened;
};
Result<std::unique_ptr<HttpServer>> start_http_server(EventLoop& loop, HttpServerOptions options);

struct TlsClientSettings {
  std::string ca_pem;           // the only authority that counts
  std::string ca_sha256_hex;    // instead of ca_pem: the fingerprint of the authority (or leaf) to accept on first use
  bool system_ca = false;       // instead: the host's own bundle
  std::string certificate_pem;  // of the client, "" for none
  std::string key_pem;
  bool verify_host_name = true;
};

using belay::parse_url;
using belay::Url;

struct HttpClientOptions {
  TlsClientSettings tls;
  Duration timeout{30'000};  // of the whole exchange
  std::size_t body_bytes_max = 64 << 20;
  bool public_only = false;  // private, loopback, link-local and like addresses are refused (HttpClient only)
};

// Blocking; keeps the connection to one origin alive. One thread at a time. Not retried: the caller knows what may be.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
  // After the first exchange over TLS: the PEM of the authority the server presented (for --ca-sha256).
  virtual std::string server_ca_pem() const = 0;
};
Result<std::unique_ptr<HttpClient>> make_http_client(std::string_view url, HttpClientOptions options);

struct FetchLimits {
  Duration timeout{60'000};  // of each exchange
  std::size_t bytes_max = 64 << 20;
  int redirects_max = 5;    // followed to https only
  bool plain_http = false;  // whether the address itself may be http://: only where a checksum tells what came
  // For one who fetches what others name: a name is resolved once, each address is checked, and just that one is used;
  // so is each redirect. permission_denied "address-private", but for the hosts named here, in lower case.
  bool public_only = false;
  std::vector<std::string> private_hosts{};
};
// The body of a GET, from a server that the host's own authorities vouch for. Anything but 200 is an error that names
// address and status. May be repeated.
Result<std::string> fetch(const std::string& url, const FetchLimits& limits = {});

// Connects, shakes hands, then calls `opened` on the loop with the socket or the error; exactly once.
void open_websocket(EventLoop& loop, std::string_view url, const HttpHeaders& headers, const HttpClientOptions& options,
                    const ServerLimits& limits, std::function<void(Result<std::shared_ptr<WebSocket>>)> opened);

}  // namespace belay::io
