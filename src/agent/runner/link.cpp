#include "agent/runner/link.hpp"

#include <bit>
#include <cstring>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "io/system_clock.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kPollQueueMax = 64;
constexpr std::size_t kWordsShown = 300;
constexpr std::string_view kNotKnown = "node-not-known";
constexpr Duration kPingEvery{150'000};  // ours only finds a dead server; the server's keeps the way open

std::uint64_t random_number() {
  std::uint64_t number = 0;
  const auto bytes = io::random_bytes(sizeof number);
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

Error not_known(std::string_view words) {
  return Error(Code::unauthenticated, "the server does not know this node: " + sanitize(words, kWordsShown),
               std::string(kNotKnown));
}

// What the gateway says of a refusal.
std::string refusal_words(const std::string& body) {
  const auto parsed = json::parse(body);
  return parsed.ok() ? json::text_or_empty(*parsed, "message") : std::string();
}

Result<wire::Exchange> exchange(io::HttpClient& client, const wire::Exchange& sent) {
  io::HttpRequest request;
  request.method = "POST";
  request.target = "/agent/v1/exchange";
  request.headers.set("Content-Type", "application/json");
  request.body = json::encode_text(sent);
  BELAY_TRY_ASSIGN(const auto response, client.send(request));
  if (response.status == 401) return not_known(refusal_words(response.body));
  if (response.status != 200)
    return Error(Code::unavailable, "the server answered HTTP " + std::to_string(response.status));
  return json::decode_text<wire::Exchange>(response.body, {.bytes_max = wire::kMessageBytesMax, .depth_max = 20});
}

}  // namespace

Link::Link(io::EventLoop& loop, io::WorkerPool& workers, LinkSettings settings, Identity identity, LinkEvents events)
    : loop_(loop), workers_(workers), settings_(settings), identity_(std::move(identity)), events_(std::move(events)) {}

void Link::start() { wait(first_wait(settings_.backoff, random_number())); }

void Link::stop() {
  *alive_ = false;
  alive_ = std::make_shared<bool>(true);
  drop_connection("agent stops");
  state_ = LinkState::stopped;
}

void Link::drop_connection(std::string_view why) {
  stop_timer();
  attempt_ += 1;
  poller_.reset();
  to_poll_.clear();
  if (const auto socket = std::move(socket_)) socket->close(why);
}

void Link::stop_timer() {
  if (timer_set_) loop_.cancel(timer_);
  timer_set_ = false;
}

void Link::wait(Duration delay) {
  state_ = LinkState::waiting;
  stop_timer();
  timer_ = loop_.run_after(delay, [this, alive = alive_] {
    if (!*alive) return;
    timer_set_ = false;
    connect();
  });
  timer_set_ = true;
}

io::HttpClientOptions Link::options() const {
  io::HttpClientOptions options;
  options.tls = tls_of(identity_);
  options.timeout = settings_.greeting_timeout;
  options.body_bytes_max = wire::kMessageBytesMax;
  return options;
}

void Link::connect() {
  state_ = LinkState::connecting;
  const auto attempt = ++attempt_;
  io::ServerLimits limits;
  limits.message_bytes_max = wire::kMessageBytesMax;
  limits.bytes_queued_max = 2 * wire::kMessageBytesMax;
  limits.websocket_ping_every = kPingEvery;
  io::open_websocket(loop_, identity_.server + "/agent/v1/link", {}, options(), limits,
                     [this, attempt, alive = alive_](Result<std::shared_ptr<io::WebSocket>> socket) {
                       if (*alive && attempt == attempt_) opened(attempt, std::move(socket));
                       else if (socket.ok()) (*socket)->close("no longer wanted");
                     });
}

void Link::opened(std::uint64_t attempt, Result<std::shared_ptr<io::WebSocket>> socket) {
  if (!socket.ok()) return failed(socket.error());
  socket_ = *socket;
  socket_->on_message = [this, attempt, alive = alive_](const std::string& text) {
    if (*alive && attempt == attempt_) take(text);
  };
  socket_->on_close = [this, attempt, alive = alive_](std::string_view why) {
    if (*alive && attempt == attempt_) lost(why);
  };
  greet();
}

void Link::greet() {
  state_ = LinkState::greeting;
  stop_timer();
  timer_ = loop_.run_after(settings_.greeting_timeout, [this, alive = alive_] {
    if (!*alive) return;
    timer_set_ = false;
    drop_connection("no welcome");
    failed(Error(Code::timed_out, "the server did not answer the greeting"));
  });
  timer_set_ = true;
  if (!socket_->send(wire::to_text(wire::pack(new_id(), events_.hello())))) {
    drop_connection("cannot send");
    failed(Error(Code::unavailable, "the connection broke at once"));
  }
}

// Growing pauses after failures; far longer ones where the server does not know us.
void Link::wait_longer() {
  wait(is_refused() ? wait_after_refusal(settings_.backoff, refusals_, random_number())
                    : wait_after_failure(settings_.backoff, failures_, random_number()));
}

// Nothing that this process does mends it; but a server that was restored, or a clock set right, may know us again.
void Link::refused(const Error& why) {
  refusals_ += 1;
  if (refusals_ == 1)
    log::error(
        "identity_refused",
        {{"why", why},
         {"server", identity_.server},
         {"node", identity_.node_id},
         {"what_to_do",
          "the server does not know this node (any longer). To make this machine a node again: `belay activation "
          "create` there, `belay-agent enroll --force` here, then restart the agent. What it still has to report "
          "is kept; until then it asks again now and then."}});
  wait_longer();
}

void Link::failed(const Error& why) {
  // Other errors of this code are about the server: one that is not the pinned authority's says nothing of us.
  if (why.code() == Code::unauthenticated && why.reason() == "upgrade-refused") return refused(why);
  failures_ += 1;
  log::warning("link_failed", {{"why", why}, {"failures", failures_}});
  // Every other failure tries the long poll: a proxy on the way may let only plain requests through.
  if (failures_ >= settings_.failures_before_polling && failures_ % 2 == 0) return start_polling();
  wait_longer();
}

void Link::lost(std::string_view why) {
  const bool was_good = state_ == LinkState::linked || state_ == LinkState::polling;
  socket_.reset();
  drop_connection(why);
  if (!was_good) return failed(Error(Code::unavailable, "the connection was closed: " + std::string(why)));
  log::info("link_lost", {{"why", why}});
  events_.lost(why);
  wait(wait_after_loss(settings_.backoff, random_number()));
}

void Link::take(std::string_view text) {
  const auto message = wire::parse_envelope(text);
  if (!message.ok()) {
    log::warning("message_refused", {{"why", message.error()}});
    if (message.error().code() == Code::unsupported)
      static_cast<void>(send(
          wire::pack(new_id(), wire::Refused{"", std::string(name(Code::unsupported)), message.error().message()})));
    return;
  }
  take(*message);
}

void Link::take(const wire::Envelope& message) {
  if (message.type == wire::type_name<wire::Welcome>()) {
    const auto words = wire::unpack<wire::Welcome>(message);
    if (words.ok()) return welcome(*words);
    log::warning("message_refused", {{"why", words.error()}});
    return;
  }
  if (state_ == LinkState::greeting && message.type == wire::type_name<wire::Refused>()) {
    const auto words = wire::unpack<wire::Refused>(message);
    if (words.ok() && words->code == name(Code::unauthenticated)) {
      drop_connection("not known");
      return refused(not_known(words->message));
    }
  }
  events_.received(message);
}

void Link::welcome(const wire::Welcome& words) {
  if (state_ != LinkState::polling) {
    stop_timer();
    state_ = LinkState::linked;
  }
  failures_ = refusals_ = 0;
  poll_greeted_ = true;
  log::info("linked", {{"server", identity_.server}, {"by", state_ == LinkState::polling ? "long poll" : "websocket"}});
  events_.welcomed(words);
}

bool Link::send(const wire::Envelope& message) {
  if (state_ == LinkState::linked && socket_) return socket_->send(wire::to_text(message));
  if (state_ != LinkState::polling || to_poll_.size() >= kPollQueueMax) return false;
  to_poll_.push_back(message);
  return true;
}

void Link::start_polling() {
  auto poll_options = options();
  poll_options.timeout = settings_.poll_timeout;
  auto client = io::make_http_client(identity_.server, poll_options);
  if (!client.ok()) return wait_longer();
  attempt_ += 1;
  poller_ = std::move(*client);
  poll_greeted_ = false;
  polled_for_ = io::system_clock().monotonic();
  state_ = LinkState::polling;
  to_poll_ = {wire::pack(new_id(), events_.hello())};
  poll();
}

void Link::poll() {
  const auto sent = std::make_shared<wire::Exchange>(wire::Exchange{std::move(to_poll_)});
  to_poll_.clear();
  const bool taken = workers_.submit([this, sent, attempt = attempt_, alive = alive_, client = poller_, &loop = loop_] {
    auto answer = std::make_shared<Result<wire::Exchange>>(exchange(*client, *sent));
    loop.post([this, attempt, alive, answer] {
      if (*alive && attempt == attempt_) polled(attempt, std::move(*answer));
    });
  });
  if (!taken) {
    drop_connection("busy");
    wait_longer();
  }
}

void Link::polled(std::uint64_t attempt, Result<wire::Exchange> answer) {
  if (!answer.ok()) {
    const bool was_good = poll_greeted_;
    drop_connection("poll failed");
    if (was_good) events_.lost("poll failed");
    if (answer.error().reason() == kNotKnown) return refused(answer.error());
    failures_ += 1;
    log::warning("poll_failed", {{"why", answer.error()}});
    return wait_longer();
  }
  for (const auto& message : answer->messages) {
    take(message);
    if (attempt != attempt_) return;  // stopped in between
  }
  if (io::system_clock().monotonic() - polled_for_ < settings_.websocket_again_after) {
    // A server that does not hold the request must not be asked in a hot circle.
    if (!answer->messages.empty() || !to_poll_.empty()) return poll();
    stop_timer();
    timer_ = loop_.run_after(settings_.poll_pause, [this, attempt, alive = alive_] {
      if (!*alive || attempt != attempt_) return;
      timer_set_ = false;
      poll();
    });
    timer_set_ = true;
    return;
  }
  drop_connection("websocket again");
  events_.lost("websocket again");
  wait(Duration::zero());
}

}  // namespace belay::agent
