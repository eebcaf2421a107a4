#pragma once
// The nodes' door: enrolment and renewal over HTTPS, then one link a node over mutual TLS.
//
//   POST /agent/v1/enroll    no certificate; an activation's id and code
//   POST /agent/v1/renew     with the node's certificate
//   GET  /agent/v1/program/SHA256  likewise: the agent that this server gives out, an update's
//   POST /agent/v1/secrets   likewise: what an open backup order of the node needs, and nothing else
//   POST /agent/v1/pool      likewise: which package files the pool has, and which it would take
//   PUT, GET /agent/v1/pool/SHA256/CHUNK  likewise: a chunk of one, for who may send or fetch it
//   GET  /agent/v1/link      WebSocket, with the node's certificate; the first message is hello
//   POST /agent/v1/exchange  the long poll where no WebSocket gets through; likewise
//
// A message is acknowledged only after it is durable; what comes again is acknowledged and has no effect. Orders go out
// in the order of their counters and again on every new connection until the node has taken them. Who the node is, its
// certificate says, and nothing else: revoking it closes the link at once. Where two machines use one identity the
// newest connection stands, the node is marked (clone_seen_at, audit), and gets no orders until an operator has settled
// it (SettleClonedNode).
#include <memory>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "io/event_loop.hpp"
#include "io/http.hpp"
#include "server/engine/agent_program.hpp"
#include "server/engine/intake.hpp"
#include "server/engine/services.hpp"

namespace belay::server {

struct GatewaySettings {
  Duration scan_every{24LL * 3600 * 1000};  // what welcome asks of agents; each gets up to a tenth more, so they spread
  Duration heartbeat_every{300'000};
  Duration touch_every{30'000};        // last-seen times are written in batches
  Duration look_every{1'000};          // for orders that another server queued, and revoked certificates
  Duration poll_for{50'000};           // how long an exchange is held
  Duration resend_after{60'000};       // an order that was not taken
  std::uint32_t links_a_second = 300;  // new ones; the rest is told to come back (503, Retry-After)
  std::uint32_t enrolments_a_second = 50;
  std::uint32_t failed_enrolments_a_minute = 10;  // from one address
  std::uint32_t pool_requests_a_second = 200;     // a chunk each; the rest is told to come back
  std::uint32_t pool_requests_at_once = 1;  // workers that they may keep busy: the others are for the nodes' links
  std::size_t pool_requests_waiting_max = 200;
  std::size_t queue_bytes_max = 256u << 20;  // messages waiting to be taken in, of all nodes
  std::size_t session_messages_max = 512;    // of one node
};

struct GatewayParts {
  io::EventLoop& loop;
  io::WorkerPool& workers;
  Services& services;
  const Authority& authority;
  std::function<void()> poke_engine;      // an execution has something to do
  const AgentProgram* program = nullptr;  // the agent that nodes are given
};

class Gateway {
 public:
  Gateway(GatewayParts parts, GatewaySettings settings);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  static bool wants(const io::HttpRequest& request);  // /agent/v1/…
  // The server's callbacks, on the loop.
  void handle(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  std::optional<io::HttpResponse> upgrade(const io::HttpRequest& request);
  void opened(std::shared_ptr<io::WebSocket> socket);

  void start();                            // timers; on the loop
  void stop();                             // ends what is held, waits for what was begun. On the loop's thread
  void orders_queued();                    // look now; from any thread
  void revoked(std::string_view node_id);  // close its link now; from any thread
  std::string metrics() const;             // Prometheus text; from any thread

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace belay::server
