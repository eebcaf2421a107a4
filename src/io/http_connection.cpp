#include "io/http_connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "io/http_text.hpp"
#include "io/system_clock.hpp"
#include "io/websocket_connection.hpp"

namespace belay::io {
namespace {

constexpr std::size_t kOneWriteBytes = 16 << 10;  // head and body together up to here: one packet, one TLS record
constexpr Duration kLingerTimeout{3'000};
constexpr std::size_t kSlowestBytesPerMs = 16;  // a client that reads slower than 16 KB/s is cut

HttpResponse plain_response(int status, std::string_view words) {
  HttpResponse response;
  response.status = status;
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  response.body = std::string(words) + "\n";
  return response;
}

std::pair<int, std::string_view> refusal(ParseFailure failure) {
  switch (failure) {
    case ParseFailure::header_too_large: return {431, "the request's head is too large"};
    case ParseFailure::body_too_large: return {413, "the request's body is too large"};
    case ParseFailure::unsupported: return {501, "this transfer encoding is not supported"};
    case ParseFailure::overloaded: return {503, "the server holds too many requests; try again"};
    case ParseFailure::none:
    case ParseFailure::malformed: break;
  }
  return {400, "the request is malformed"};
}

const std::string& date_now() {
  thread_local std::chrono::seconds last{-1};
  thread_local std::string text;
  const auto now = system_clock().now();
  const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  if (second != last) {
    last = second;
    text = http_date(now);
  }
  return text;
}

}  // namespace

Membership::Membership(std::shared_ptr<ServerCore> core, Peer* peer) : core_(std::move(core)), peer_(peer) {
  core_->peers.insert(peer_);
  ++core_->connections;
}

Membership::~Membership() {
  core_->peers.erase(peer_);
  if (--core_->connections > 0 || !core_->draining || !core_->drained) return;
  const auto drained = std::exchange(core_->drained, nullptr);
  drained();
}

void Membership::hand_over(Peer* peer) {
  core_->peers.erase(peer_);
  peer_ = peer;
  core_->peers.insert(peer_);
}

// What a request takes of its senders' budget, until it is answered.
class HttpConnection::BodyShare {
 public:
  BodyShare(ServerCore& core, ServerCore::Standing standing) : core_(core), standing_(standing) {}
  ~BodyShare() { core_.body_bytes[standing_] -= bytes_; }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  void move_to(ServerCore::Standing standing) {
    core_.body_bytes[standing_] -= bytes_;
    standing_ = standing;
    core_.body_bytes[standing_] += bytes_;
  }
  bool grow_to(std::size_t bytes) {
    core_.body_bytes[standing_] += bytes - bytes_;
    bytes_ = bytes;
    return core_.body_bytes[standing_] <= limits().bytes_total_max;
  }
  BodyLimits limits() const {
    const auto& limits = core_.options.limits;
    const BodyLimits general{limits.body_bytes_max, limits.body_bytes_total_max, limits.body_timeout};
    if (standing_ == ServerCore::claimed) return limits.claimed.value_or(general);
    return standing_ == ServerCore::nameless ? limits.nameless.value_or(general) : general;
  }

 private:
  ServerCore& core_;
  ServerCore::Standing standing_;
  std::size_t bytes_ = 0;
};

// Shared by the connection that waits and the responder that may answer from any thread.
struct HttpConnection::Exchange {
  std::optional<HttpResponse> response;
  boost::asio::steady_timer* waiting = nullptr;

  void set(HttpResponse answer) {
    response = std::move(answer);
    if (waiting) waiting->cancel();
  }
};

class HttpConnection::Answer final : public Responder {
 public:
  Answer(std::shared_ptr<LoopPort> port, std::shared_ptr<Exchange> exchange)
      : port_(std::move(port)), exchange_(std::move(exchange)) {}
  ~Answer() override {
    if (exchange_) respond(plain_response(500, "the request was not answered"));
  }

  void respond(HttpResponse response) override {
    BELAY_ASSERT(exchange_);  // exactly once
    auto exchange = std::move(exchange_);
    exchange_ = nullptr;
    if (port_->is_loop_thread()) return exchange->set(std::move(response));
    static_cast<void>(port_->post([exchange = std::move(exchange), response = std::move(response)]() mutable {
      exchange->set(std::move(response));
    }));
  }

 private:
  std::shared_ptr<LoopPort> port_;
  std::shared_ptr<Exchange> exchange_;
};

HttpConnection::HttpConnection(std::shared_ptr<ServerCore> core, Descriptor fd)
    : DeadlineWheel::Entry(core->loop.wheel), core_(std::move(core)), peer_address_(io::peer_address(fd.get())) {
  TlsPtr tls = core_->tls ? accept_tls(core_->tls, fd.get()) : TlsPtr();
  stream_ = std::make_unique<Stream>(core_->loop.context, std::move(fd), std::move(tls));
  membership_ = std::make_unique<Membership>(core_, this);
}

Task<void> HttpConnection::serve(std::shared_ptr<HttpConnection> self) {
  self->set_deadline(self->core_->options.limits.header_timeout);
  bool open = co_await self->shake_hands();
  while (open && self->may_go_on()) {
    self->is_idle_ = self->pending_.empty();
    if (self->is_idle_ && !self->stream_->has_buffered()) open = co_await self->stream_->wait_readable();
    self->is_idle_ = false;
    if (!open || self->is_cut_) break;
    self->set_deadline(self->core_->options.limits.header_timeout);
    open = co_await self->serve_one();
    if (self->pending_.empty()) std::string().swap(self->pending_);  // an idle connection holds no buffer
    if (open) self->set_deadline(self->core_->options.limits.idle_timeout);
  }
  self->clear_deadline();
  if (self->stream_) self->stream_->cut();
  self->membership_.reset();
}

void HttpConnection::drain() {
  if (is_idle_) cut();
}

void HttpConnection::cut() {
  is_cut_ = true;
  if (stream_) stream_->cut();
  if (exchange_ && exchange_->waiting) exchange_->waiting->cancel();
}

Task<bool> HttpConnection::shake_hands() {
  const bool shaken = co_await stream_->handshake();
  if (!shaken && !is_cut_) co_await linger();  // so that the client reads the alert that says why
  co_return shaken&& note_peer();
}

bool HttpConnection::note_peer() {
  if (!stream_->encrypted()) return true;
  peer_ = peer_identity(stream_->tls());
  return !peer_.expired;
}

// False where the connection ends.
Task<bool> HttpConnection::serve_one() {
  RequestParser parser(core_->options.limits.header_bytes_max, core_->options.limits.body_bytes_max);
  BodyShare share(*core_, peer_.common_name.empty() ? ServerCore::nameless : ServerCore::certified);
  const ParseFailure failure = co_await read_request(parser, share);
  if (!parser.done() && failure == ParseFailure::none) co_return false;  // the client went away, or was cut
  if (failure != ParseFailure::none) {
    static_cast<void>(RequestParser(std::move(parser)));  // its bytes go before the client has read why
    share.grow_to(0);
    co_await refuse(failure);
    co_return false;
  }
  const bool without_body = parser.is_head_request();
  const bool wants_more = parser.keep_alive();
  HttpRequest request = parser.take();
  request.peer_address = peer_address_;
  request.peer_common_name = peer_.common_name;
  request.peer_serial_hex = peer_.serial_hex;
  request.encrypted = stream_->encrypted();
  if (is_websocket_upgrade(request)) {
    co_await upgrade(std::move(request));
    co_return false;
  }
  HttpResponse response = co_await answer(std::move(request));
  if (is_cut_) co_return false;
  const bool keep = wants_more && may_go_on() && !has_token(response.headers.get("Connection"), "close");
  const bool written = co_await write_response(std::move(response), keep, without_body);
  if (written && !keep) co_await linger();
  co_return written&& keep;
}

std::size_t HttpConnection::feed(RequestParser& parser, std::string_view bytes) {
  if (pending_.empty()) {
    const std::size_t taken = parser.feed(bytes);
    pending_.assign(bytes.substr(taken));
    return taken;
  }
  pending_ += bytes;
  const std::size_t taken = parser.feed(pending_);
  pending_.erase(0, taken);
  return taken;
}

// Until the parser is done or refuses; the scratch buffer is emptied before each wait.
Task<ParseFailure> HttpConnection::read_request(RequestParser& parser, BodyShare& share) {
  bool body_begun = false;
  if (!pending_.empty()) feed(parser, {});
  while (parser.failure() == ParseFailure::none && !parser.done() && !is_cut_) {
    if (const auto too_much = weigh(parser, share); too_much != ParseFailure::none) co_return too_much;
    if (parser.head_done() && !body_begun) {
      body_begun = co_await begin_body(parser, share);
      if (!body_begun) co_return ParseFailure::none;
    }
    const Step step = stream_->try_read(scratch_buffer());
    if (step.kind == Step::Kind::done) {
      feed(parser, {scratch_buffer().data(), step.bytes});
      continue;
    }
    if (!step.blocked()) co_return ParseFailure::none;
    const bool ready = co_await stream_->wait_for(step);
    if (!ready) co_return ParseFailure::none;
  }
  co_return parser.failure() == ParseFailure::none&& parser.done() ? weigh(parser, share) : parser.failure();
}

// Whether this request, and with it all those of its kind, is still within bounds.
ParseFailure HttpConnection::weigh(const RequestParser& parser, BodyShare& share) const {
  if (parser.head_done() && peer_.common_name.empty())
    share.move_to(parser.has_authorization() ? ServerCore::claimed : ServerCore::nameless);
  const auto bytes_max = share.limits().bytes_max;
  if (parser.head_done() && (parser.body_bytes_announced() > bytes_max || parser.body_bytes() > bytes_max))
    return ParseFailure::body_too_large;
  return share.grow_to(parser.body_bytes() + pending_.size()) ? ParseFailure::none : ParseFailure::overloaded;
}

Task<bool> HttpConnection::begin_body(const RequestParser& parser, const BodyShare& share) {
  set_deadline(share.limits().timeout);
  if (!parser.expects_continue() || parser.body_bytes() > 0) co_return true;
  const bool written = co_await stream_->write_all("HTTP/1.1 100 Continue\r\n\r\n");
  co_return written;
}

// Hands the request out and waits for its answer; the time that takes is the handler's to bound.
Task<HttpResponse> HttpConnection::answer(HttpRequest request) {
  clear_deadline();
  exchange_ = std::make_shared<Exchange>();
  const auto exchange = exchange_;
  try {
    core_->options.handler(std::move(request), std::make_unique<Answer>(core_->port, exchange));
  } catch (const std::exception& failure) {  // the fence: its responder, dropped on the way, has answered 500
    log::error("request-handler-failed", {{"error", failure.what()}, {"peer", peer_address_}});
  }
  if (!exchange->response) {
    boost::asio::steady_timer timer(core_->loop.context, boost::asio::steady_timer::time_point::max());
    exchange->waiting = &timer;
    while (!exchange->response && !is_cut_)
      co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    exchange->waiting = nullptr;
  }
  exchange_ = nullptr;
  co_return exchange->response ? std::move(*exchange->response) : HttpResponse();
}

Task<bool> HttpConnection::write_response(HttpResponse response, bool keep_alive, bool without_body) {
  const bool never_has_body = response.status < 200 || response.status == 204 || response.status == 304;
  std::string text = response_head(response, keep_alive, date_now());
  if (without_body || never_has_body) response.body.clear();
  const auto size = response.body.size();
  set_deadline(core_->options.limits.body_timeout + Duration(static_cast<std::int64_t>(size / kSlowestBytesPerMs)));
  const bool together = text.size() + size <= kOneWriteBytes;
  if (together) text += response.body;
  bool written = co_await stream_->write_all(text);
  if (written && !together) written = co_await stream_->write_all(response.body);
  co_return written;
}

Task<void> HttpConnection::refuse(ParseFailure failure) {
  const auto [status, words] = refusal(failure);
  const auto& refused = core_->options.refusal;
  HttpResponse response = refused ? refused(status, words) : plain_response(status, words);
  const bool written = co_await write_response(std::move(response), false, false);
  if (written) co_await linger();
}

// A close with unread input makes the kernel send a reset, and the client would lose the answer it has not read yet.
Task<void> HttpConnection::linger() {
  set_deadline(kLingerTimeout);
  stream_->end_writing();
  for (bool open = true; open && !is_cut_;) {
    const Step step = stream_->try_discard(scratch_buffer());
    if (step.blocked()) open = co_await stream_->wait_for(step);
    else open = step.kind == Step::Kind::done;
  }
}

Task<void> HttpConnection::upgrade(HttpRequest request) {
  const auto& options = core_->options;
  auto refused = options.upgrade && options.opened ? options.upgrade(request)
                                                   : std::optional(plain_response(404, "no WebSocket is offered here"));
  if (refused) {
    const bool written = co_await write_response(std::move(*refused), false, false);
    if (written) co_await linger();
    co_return;
  }
  const std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
      websocket_accept(request.headers.get("Sec-WebSocket-Key")) + "\r\n\r\n";
  const bool written = co_await stream_->write_all(head);
  if (!written || is_cut_) co_return;
  clear_deadline();
  const auto socket = std::make_shared<WebSocketConnection>(core_->loop, WebSocketConnection::End::server,
                                                            std::move(stream_), options.limits);
  socket->join(std::move(membership_));
  socket->handshake = std::move(request);
  options.opened(socket);
  socket->handshake.headers = {};  // thousands of these are idle for months
  socket->start(std::move(pending_));
  if (core_->draining) socket->drain();
}

}  // namespace belay::io
