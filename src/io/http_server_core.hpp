#pragma once
// What a server's connections share. Loop thread only, but for the counters. Only for io's own sources.
#include <array>
#include <atomic>
#include <unordered_set>

#include "io/event_loop_impl.hpp"
#include "io/http.hpp"
#include "io/tls.hpp"

namespace belay::io {

// A connection, as its server sees it.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void drain() = 0;  // end when what runs is done
  virtual void cut() = 0;    // end now
};

struct ServerCore {
  ServerCore(EventLoop& event_loop, HttpServerOptions server_options)
      : loop(event_loop.impl()), port(loop.port), options(std::move(server_options)) {}

  EventLoop::Impl& loop;
  std::shared_ptr<LoopPort> port;
  HttpServerOptions options;
  TlsContext tls;
  std::unordered_set<Peer*> peers;
  std::atomic<std::size_t> connections{0};
  // Of all requests being read or handled, by who sent them.
  enum Standing { certified, claimed, nameless, kStandings };
  std::array<std::size_t, kStandings> body_bytes{};
  bool draining = false;
  std::function<void()> drained;
};

// The place of a connection among its server's; a WebSocket takes over that of the connection it grew from.
class Membership {
 public:
  Membership(std::shared_ptr<ServerCore> core, Peer* peer);
  ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;
  void hand_over(Peer* peer);

 private:
  std::shared_ptr<ServerCore> core_;
  Peer* peer_;
};

}  // namespace belay::io
