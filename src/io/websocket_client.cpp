#include <thread>

#include "base/bytes.hpp"
#include "base/error_table.hpp"
#include "base/text.hpp"
#include "io/client_connection.hpp"
#include "io/crypto.hpp"
#include "io/http_text.hpp"
#include "io/websocket_connection.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kRefusalBytesMax = 64 << 10;
constexpr std::size_t kRefusalShown = 300;

using Opened = std::function<void(Result<std::shared_ptr<WebSocket>>)>;

// One attempt. Reaching the server blocks (names, TLS), so it has a thread of its own until the socket goes over to the
// loop; the loop joins it, or cancels it when it is destroyed.
struct Attempt {
  Url url;
  HttpHeaders headers;
  HttpClientOptions options;
  ServerLimits limits;
  Opened opened;
  EventLoop::Impl* loop = nullptr;
  std::shared_ptr<LoopPort> port;
  std::atomic<bool> cancelled{false};
  std::thread thread;
  Result<std::unique_ptr<ClientConnection>> connection = Error(Code::internal, "not tried");
};

Code code_of(int http_status) {
  for (const auto& row : kErrorTable)
    if (row.http_status == http_status) return row.code;
  return http_status >= 500 ? Code::unavailable : Code::invalid_argument;
}

HttpRequest upgrade_request(const Attempt& attempt, const std::string& key) {
  HttpRequest request;
  request.method = "GET";
  request.target = attempt.url.target;
  request.headers = attempt.headers;
  request.headers.set("Upgrade", "websocket");
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Sec-WebSocket-Version", "13");
  request.headers.set("Sec-WebSocket-Key", key);
  return request;
}

Status check_answer(const HttpResponse& response, const std::string& key, const Url& url) {
  if (response.status != 101)
    return Error(code_of(response.status),
                 url.host + " refused the connection (" + std::to_string(response.status) +
                     "): " + std::string(trim(sanitize(response.body, kRefusalShown))),
                 "upgrade-refused");
  if (!has_token(response.headers.get("Upgrade"), "websocket") ||
      response.headers.get("Sec-WebSocket-Accept") != websocket_accept(key))
    return Error(Code::corrupt, url.host + " did not answer as a WebSocket server", "response-malformed");
  return {};
}

Result<std::unique_ptr<ClientConnection>> reach(Attempt& attempt) {
  const Patience patience(attempt.options.timeout, &attempt.cancelled);
  TlsContext context;
  if (attempt.url.scheme == "wss" || attempt.url.scheme == "https") {
    BELAY_TRY_ASSIGN(context, make_client_context(attempt.options.tls));
  }
  BELAY_TRY_ASSIGN(auto connection, ClientConnection::open(attempt.url, context, attempt.options.tls, patience));
  const std::string key = to_base64(random_bytes(16));
  BELAY_TRY(connection->write(request_head(upgrade_request(attempt, key), attempt.url), patience));
  BELAY_TRY_ASSIGN(const auto response, connection->read_response(kRefusalBytesMax, false, patience));
  BELAY_TRY(check_answer(response, key, attempt.url));
  return connection;
}

// On the loop.
void hand_over(const std::shared_ptr<Attempt>& attempt) {
  attempt->thread.join();
  attempt->loop->at_end.erase(attempt.get());
  if (!attempt->connection.ok()) return attempt->opened(attempt->connection.error());
  auto& connection = **attempt->connection;
  auto stream = std::make_unique<Stream>(attempt->loop->context, connection.release_socket(), connection.release_tls());
  const auto socket = std::make_shared<WebSocketConnection>(*attempt->loop, WebSocketConnection::End::client,
                                                            std::move(stream), attempt->limits);
  attempt->opened(std::shared_ptr<WebSocket>(socket));
  socket->start(connection.take_rest());
}

void begin(const std::shared_ptr<Attempt>& attempt) {
  attempt->loop->at_end.emplace(attempt.get(), [attempt] {
    attempt->cancelled = true;
    attempt->thread.join();
    attempt->loop->at_end.erase(attempt.get());
    attempt->opened(Error(Code::cancelled, "the program stops"));
  });
  attempt->thread = std::thread([attempt] {
    attempt->connection = reach(*attempt);
    static_cast<void>(attempt->port->post([attempt] {
      if (attempt->thread.joinable()) hand_over(attempt);
    }));
  });
}

}  // namespace

void open_websocket(EventLoop& loop, std::string_view url, const HttpHeaders& headers, const HttpClientOptions& options,
                    const ServerLimits& limits, std::function<void(Result<std::shared_ptr<WebSocket>>)> opened) {
  auto parsed = parse_url(url);
  if (!parsed.ok()) {
    loop.post([opened = std::move(opened), error = parsed.error()] { opened(error); });
    return;
  }
  const auto attempt = std::make_shared<Attempt>();
  attempt->url = std::move(*parsed);
  attempt->headers = headers;
  attempt->options = options;
  attempt->limits = limits;
  attempt->opened = std::move(opened);
  attempt->loop = &loop.impl();
  attempt->port = loop.impl().port;
  loop.post([attempt] { begin(attempt); });
}

}  // namespace belay::io
