#pragma once
// What the gateway holds; its functions stand in gateway.cpp (enrolment, polls, links), gateway_orders.cpp (delivery,
// last-seen times, revocation) and gateway_pool.cpp (package files).
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "server/engine/trouble.hpp"
#include "server/gateway/gateway.hpp"
#include "server/gateway/intake_thread.hpp"
#include "server/gateway/token_bucket.hpp"

namespace belay::server {

inline constexpr std::string_view kPoolPath = "/agent/v1/pool";

struct PoolRequest {
  io::HttpRequest request;
  std::shared_ptr<io::Responder> responder;
};

struct FailuresFrom {
  Duration since{};
  std::uint32_t count = 0;
};

struct ParkedPoll {
  std::shared_ptr<Session> session;
  std::unique_ptr<io::Responder> responder;
  io::EventLoop::TimerId timer = 0;
};

struct GatewayCounters {
  std::atomic<std::uint64_t> links{0}, ungreeted{0}, polls{0}, links_refused{0}, enrolled{0}, enrolments_failed{0},
      orders_sent{0}, cancels_sent{0}, held_back{0}, takeovers{0}, pool_put_off{0};
};

// Everything here runs on the loop, but where a name says otherwise.
struct Gateway::Impl : std::enable_shared_from_this<Gateway::Impl> {
  Impl(GatewayParts the_parts, GatewaySettings the_settings)
      : parts(std::move(the_parts)),
        settings(the_settings),
        new_links(settings.links_a_second, Duration(1'000)),
        enrolments(settings.enrolments_a_second, Duration(1'000)),
        pool_requests(settings.pool_requests_a_second, Duration(1'000)) {}

  void begin();
  Duration passed() const { return parts.services.clock.monotonic(); }
  bool work(std::function<void()> task) { return parts.workers.submit(std::move(task)); }
  void post(std::function<void()> task) {
    parts.loop.post([self = shared_from_this(), task = std::move(task)] {
      if (!self->stopped) task();
    });
  }
  void every(Duration interval, void (Impl::*task)());

  void enroll(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  void renew(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  Result<std::string> certified(const io::HttpRequest& request);  // blocking
  void give_secrets(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  void give_program(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  void pool(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  void begin_pool_requests();
  void exchange(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  void exchange_in_worker(const io::HttpRequest& request, const std::shared_ptr<io::Responder>& responder);
  void poll_settled(std::shared_ptr<Session> session);
  void finish_poll(const std::string& node_id);
  bool too_many_failures(const std::string& address);
  void failed_enrolment(const std::string& address);

  void opened(std::shared_ptr<io::WebSocket> socket);
  void received(const std::shared_ptr<Session>& session, std::string text);
  void greeted(const std::shared_ptr<Session>& session);
  void close_silent();
  void gone(const std::shared_ptr<Session>& session);
  wire::Welcome welcome(const Session& session) const;  // any thread

  void deliver(std::vector<std::shared_ptr<Session>> sessions);
  void look();
  void look_in_worker();
  void deliver_to(const std::vector<std::string>& node_ids);
  void resend();
  void touch();
  void close_node(const std::string& node_id, std::string_view reason);
  void close_serials(const std::vector<std::string>& serials);

  GatewayParts parts;
  const GatewaySettings settings;
  GatewayCounters counters;
  bool stopped = false;
  std::uint64_t next_number = 0;
  std::unordered_map<std::string, std::shared_ptr<Session>> links;  // greeted ones, by node
  std::unordered_set<std::shared_ptr<Session>> ungreeted;
  std::unordered_map<std::string, ParkedPoll> polls;
  const std::shared_ptr<SentLog> polled_cancels = std::make_shared<SentLog>();  // of all polls
  std::unordered_set<std::string> polled;  // nodes heard of by a poll since the last touch
  TokenBucket new_links, enrolments, pool_requests;
  std::deque<PoolRequest> pool_waiting;
  std::uint32_t pool_requests_begun = 0;
  std::unordered_map<std::string, FailuresFrom> failures;
  bool looking = false, look_again = false;
  Trouble trouble{"gateway-cannot-look", "gateway-looks-again"};  // of the one look at a time
  Instant revoked_known_until{};
  std::unique_ptr<IntakeThread> intake;
};

}  // namespace belay::server
