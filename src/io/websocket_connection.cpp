#include "io/websocket_connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstring>

#include "base/log.hpp"
#include "io/crypto.hpp"

namespace belay::io {
namespace {

constexpr Duration kCloseTimeout{5'000};
constexpr std::size_t kFrameOverhead = 14;
constexpr std::size_t kBatchBytes = 16 << 10;  // one TLS record
constexpr int kSilentRoundsMax = 2;
constexpr std::uint16_t kNormal = 1000, kGoingAway = 1001, kInternalError = 1011;

std::uint32_t random_mask() {
  std::uint32_t mask = 0;
  const std::string bytes = random_bytes(sizeof mask);
  std::memcpy(&mask, bytes.data(), sizeof mask);
  return mask;
}

}  // namespace

WebSocketConnection::WebSocketConnection(EventLoop::Impl& loop, End end, std::unique_ptr<Stream> stream,
                                         const ServerLimits& limits)
    : DeadlineWheel::Entry(loop.wheel),
      loop_(loop),
      port_(loop.port),
      end_(end),
      stream_(std::move(stream)),
      decoder_(end == End::server, limits.message_bytes_max),
      bytes_queued_max_(limits.bytes_queued_max),
      ping_every_(limits.websocket_ping_every) {
  loop_.at_end.emplace(this, [this] { abandon(); });
}

WebSocketConnection::~WebSocketConnection() {
  if (stream_) release();
}

// Owners may keep a socket for longer than its loop lives, and let it go on any thread: so what belongs to the loop
// goes as soon as the socket is finished and no coroutine uses the stream any more.
void WebSocketConnection::release() {
  stream_.reset();
  loop_.at_end.erase(this);
}

// The loop ends first. Coroutines that wait are destroyed with it, right after this.
void WebSocketConnection::abandon() {
  finish("the program stops");
  if (stream_) release();
}

WebSocketConnection::Running::Running(WebSocketConnection& connection) : connection_(connection) {
  ++connection_.running_;
}

WebSocketConnection::Running::~Running() {
  if (--connection_.running_ == 0 && connection_.finished_ && connection_.stream_) connection_.release();
}

void WebSocketConnection::join(std::unique_ptr<Membership> membership) {
  membership_ = std::move(membership);
  membership_->hand_over(this);
}

void WebSocketConnection::start(std::string received) {
  if (finished_) return;
  set_deadline(close_sent_ ? kCloseTimeout : ping_every_);
  boost::asio::co_spawn(loop_.context, read_frames(shared_from_this(), std::move(received)), boost::asio::detached);
}

void WebSocketConnection::run_on_loop(std::function<void()> task) {
  if (port_->is_loop_thread()) task();
  else static_cast<void>(port_->post(std::move(task)));  // without a loop there is nothing left to do
}

bool WebSocketConnection::send(std::string message) {
  if (closed_) return false;
  const std::size_t counted = message.size() + kFrameOverhead;
  if (bytes_queued_.fetch_add(counted) + counted > bytes_queued_max_) {
    bytes_queued_ -= counted;
    return false;
  }
  if (port_->is_loop_thread()) return enqueue_counted(Opcode::text, message, counted), true;
  return port_->post([self = shared_from_this(), message = std::move(message), counted] {
    self->enqueue_counted(Opcode::text, message, counted);
  });
}

void WebSocketConnection::close(std::string_view reason) {
  run_on_loop([self = shared_from_this(), words = std::string(reason)] { self->begin_close(kNormal, words); });
}

void WebSocketConnection::drain() { begin_close(kGoingAway, "server stops"); }

void WebSocketConnection::cut() { finish("server stops"); }

void WebSocketConnection::enqueue(Opcode opcode, std::string_view payload) {
  const std::size_t counted = payload.size() + kFrameOverhead;
  bytes_queued_ += counted;
  enqueue_counted(opcode, payload, counted);
}

void WebSocketConnection::enqueue_counted(Opcode opcode, std::string_view payload, std::size_t counted) {
  if (finished_ || close_sent_) return;
  queue_.push_back(
      {encode_frame(opcode, payload, end_ == End::client ? std::optional(random_mask()) : std::nullopt), counted});
  if (opcode == Opcode::close) close_sent_ = true;
  if (writing_) return;
  writing_ = true;
  boost::asio::co_spawn(loop_.context, write_queue(shared_from_this()), boost::asio::detached);
}

WebSocketConnection::Queued WebSocketConnection::next_batch() {
  Queued batch = std::move(queue_.front());
  queue_.pop_front();
  while (!queue_.empty() && batch.frame.size() + queue_.front().frame.size() <= kBatchBytes) {
    batch.frame += queue_.front().frame;
    batch.counted += queue_.front().counted;
    queue_.pop_front();
  }
  return batch;
}

Task<void> WebSocketConnection::write_queue(std::shared_ptr<WebSocketConnection> self) {
  const Running running(*self);
  while (!self->finished_ && !self->queue_.empty()) {
    const Queued batch = self->next_batch();
    const bool written = co_await self->stream_->write_all(batch.frame);
    self->bytes_queued_ -= batch.counted;
    if (!written) {
      self->finish("the connection broke: " + self->stream_->detail());
      co_return;
    }
  }
  self->writing_ = false;
  // Both sides have said good-bye: the server is the one to hang up (RFC 6455 §7.1.1).
  if (self->close_sent_ && self->peer_closed_) self->finish(self->reason_);
}

// Reads into the scratch buffer, and is done with it before it waits.
Task<void> WebSocketConnection::read_frames(std::shared_ptr<WebSocketConnection> self, std::string received) {
  const Running running(*self);
  bool open = self->take(received);
  received = {};
  while (open && !self->finished_) {
    const Step step = self->stream_->try_read(scratch_buffer());
    if (step.blocked()) {
      open = co_await self->stream_->wait_for(step);
      continue;
    }
    if (step.kind != Step::Kind::done) break;
    open = self->take({scratch_buffer().data(), step.bytes});
  }
  if (self->finished_ || self->peer_closed_) co_return;  // the writer finishes, or the deadline does
  if (self->close_sent_) co_await discard_rest(self);
  self->finish(self->reason_.empty() ? "the connection broke" : self->reason_);
}

// After a violation: the peer shall find our close frame and not a reset, so what it still sends is read away.
Task<void> WebSocketConnection::discard_rest(std::shared_ptr<WebSocketConnection> self) {
  for (bool open = true; open && !self->finished_;) {
    const Step step = self->stream_->try_discard(scratch_buffer());
    if (step.blocked()) open = co_await self->stream_->wait_for(step);
    else open = step.kind == Step::Kind::done;
  }
}

bool WebSocketConnection::take(std::string_view bytes) {
  silent_rounds_ = 0;
  std::vector<FrameDecoder::Event> events;
  const auto violation = decoder_.feed(bytes, events);
  for (auto& event : events) {
    if (finished_ || peer_closed_) return false;
    handle(std::move(event));
  }
  if (violation && !finished_) begin_close(violation->close_code, violation->words);
  return !violation && !finished_ && !peer_closed_;
}

void WebSocketConnection::handle(FrameDecoder::Event event) {
  using Kind = FrameDecoder::Event::Kind;
  switch (event.kind) {
    case Kind::message: deliver(std::move(event.payload)); return;
    case Kind::ping:
      if (bytes_queued_ > bytes_queued_max_) return finish("the peer sends, but does not read");
      return enqueue(Opcode::pong, event.payload);
    case Kind::pong: return;
    case Kind::close:
      peer_closed_ = true;
      if (reason_.empty()) reason_ = event.payload.empty() ? "closed by the peer" : event.payload;
      begin_close(kNormal, "");
      if (!writing_) finish(reason_);
      return;
  }
}

// The one fence around what a message sets off.
void WebSocketConnection::deliver(std::string message) {
  if (!on_message || close_sent_) return;
  delivering_ = true;
  try {
    on_message(std::move(message));
  } catch (const std::exception& failure) {
    log::error("websocket-handler-failed", {{"error", failure.what()}, {"peer", handshake.peer_address}});
    begin_close(kInternalError, "internal error");
  }
  delivering_ = false;
  if (finished_) on_message = nullptr;
}

void WebSocketConnection::begin_close(std::uint16_t code, std::string_view reason) {
  if (finished_ || close_sent_) return;
  closed_ = true;
  if (reason_.empty()) reason_ = reason.empty() ? "closed" : std::string(reason);
  set_deadline(kCloseTimeout);
  enqueue(Opcode::close, encode_close(code, reason));
}

void WebSocketConnection::on_deadline() {
  if (close_sent_) return finish(reason_);
  if (silent_rounds_++ >= kSilentRoundsMax) return finish("the peer is silent");
  set_deadline(ping_every_);
  enqueue(Opcode::ping, "");
}

void WebSocketConnection::finish(std::string_view reason) {
  if (finished_) return;
  const auto keep = shared_from_this();
  finished_ = true;
  closed_ = true;
  clear_deadline();
  stream_->end_writing();
  stream_->cut();
  queue_.clear();
  if (!delivering_) on_message = nullptr;
  const auto last_words = std::move(on_close);
  on_close = nullptr;
  if (last_words) last_words(std::string(reason));
  membership_.reset();
  if (running_ == 0 && stream_) release();
}

}  // namespace belay::io
