#pragma once
// The agent's one connection to its server: a WebSocket over mutual TLS, or a long poll where none gets through. It
// connects, greets, and reconnects with a jittered, growing pause. Between the server's pings nothing of it wakes up.
// Lives on the loop; no member may be called from elsewhere.
#include <boost/describe.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/runner/backoff.hpp"
#include "agent/runner/identity.hpp"
#include "io/event_loop.hpp"
#include "io/http.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

enum class LinkState {
  stopped,
  waiting,  // for the next attempt
  connecting,
  greeting,  // hello is sent, welcome awaited
  linked,    // over the WebSocket
  polling,   // over POST /agent/v1/exchange; the WebSocket is tried again now and then
};
BOOST_DESCRIBE_ENUM(LinkState, stopped, waiting, connecting, greeting, linked, polling)

struct LinkSettings {
  BackoffSettings backoff;
  Duration greeting_timeout{30'000};
  Duration poll_timeout{70'000};            // the server answers within 50 s
  Duration poll_pause{500};                 // after an answer that held nothing
  Duration websocket_again_after{600'000};  // while polling
  std::uint32_t failures_before_polling = 2;
};

struct LinkEvents {
  std::function<wire::Hello()> hello;
  std::function<void(const wire::Welcome&)> welcomed;   // each time a connection is good
  std::function<void(const wire::Envelope&)> received;  // everything but welcome
  std::function<void(std::string_view why)> lost;
};

class Link {
 public:
  Link(io::EventLoop& loop, io::WorkerPool& workers, LinkSettings settings, Identity identity, LinkEvents events);
  Link(const Link&) = delete;

  void start();
  void stop();  // no event comes after it
  // Queued in order. False where there is no connection or its queue is full.
  [[nodiscard]] bool send(const wire::Envelope& message);
  // From the next connection on.
  void use(Identity identity) { identity_ = std::move(identity); }
  LinkState state() const { return state_; }
  // The server does not know this node: said once in the log, and asked again only now and then.
  bool is_refused() const { return refusals_ > 0; }

 private:
  void wait(Duration delay);
  void connect();
  void opened(std::uint64_t attempt, Result<std::shared_ptr<io::WebSocket>> socket);
  void greet();
  void failed(const Error& why);
  void refused(const Error& why);
  void wait_longer();
  void lost(std::string_view why);
  void take(std::string_view text);
  void take(const wire::Envelope& message);
  void welcome(const wire::Welcome& welcome);
  void start_polling();
  void poll();
  void polled(std::uint64_t attempt, Result<wire::Exchange> answer);
  io::HttpClientOptions options() const;
  void stop_timer();
  void drop_connection(std::string_view why);

  io::EventLoop& loop_;
  io::WorkerPool& workers_;
  LinkSettings settings_;
  Identity identity_;
  LinkEvents events_;
  LinkState state_ = LinkState::stopped;
  std::uint64_t attempt_ = 0;  // tells late answers of an earlier connection
  std::uint32_t failures_ = 0;
  std::uint32_t refusals_ = 0;  // of our identity, since the last welcome
  std::uint64_t timer_ = 0;
  bool timer_set_ = false;
  std::shared_ptr<io::WebSocket> socket_;
  std::shared_ptr<io::HttpClient> poller_;  // shared with the worker that blocks in it
  bool poll_greeted_ = false;
  Duration polled_for_{};
  std::vector<wire::Envelope> to_poll_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false once this is gone or stopped
};

}  // namespace belay::agent
