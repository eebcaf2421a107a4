#include "server/gateway/order_delivery.hpp"

#include "base/ids.hpp"
#include "io/crypto.hpp"
#include "store/nodes.hpp"
#include "store/orders.hpp"
#include "wire/codec.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr std::uint32_t kOrdersAtOnce = 50;  // of one node

struct Waiting {
  std::shared_ptr<Session> session;
  std::vector<store::orders::Order> orders, cancels;
  bool in_doubt = false;
};

Result<std::vector<Waiting>> find_waiting(Sql& sql, Instant now, std::span<const std::shared_ptr<Session>> sessions) {
  std::vector<Waiting> all;
  for (const auto& session : sessions) {
    if (session->closed) continue;
    Waiting waiting{session, {}, {}, false};
    BELAY_TRY_ASSIGN(waiting.orders, store::orders::pending(sql, session->node_id, now, kOrdersAtOnce));
    BELAY_TRY_ASSIGN(waiting.cancels, store::orders::cancel_requests(sql, session->node_id));
    if (waiting.orders.empty()) session->orders.forget();
    if (waiting.cancels.empty() && session->socket) session->cancels->forget();
    if (waiting.orders.empty() && waiting.cancels.empty()) continue;
    BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, session->node_id));
    waiting.in_doubt = node.clone_seen_at.has_value();
    all.push_back(std::move(waiting));
  }
  return all;
}

}  // namespace

Result<DeliveryCounts> deliver_orders(store::Store& store, const Clock& clock,
                                      std::span<const std::shared_ptr<Session>> sessions, Duration resend_after) {
  const Instant now = clock.now();
  const Duration passed = clock.monotonic();
  for (const auto& session : sessions)
    session->awaits_delivery = false;  // what is queued from now on needs another look
  BELAY_TRY_ASSIGN(const auto all, store.read([&](Sql& sql) { return find_waiting(sql, now, sessions); }));
  DeliveryCounts counts;
  std::vector<std::string> delivered;
  for (const auto& waiting : all) {
    auto& session = *waiting.session;
    for (const auto& order : waiting.cancels) {
      if (!session.cancels->may_send(order.order_id, passed, resend_after)) continue;
      if (!session.send(wire::pack(make_uuid(io::random_bytes(kIdRandomBytes)), wire::CancelOrder{order.order_id}))) {
        session.cancels->not_sent(order.order_id);
        break;
      }
      ++counts.cancels;
    }
    if (waiting.in_doubt) {
      counts.held_back += waiting.orders.size();
      continue;
    }
    for (const auto& order : waiting.orders) {
      if (!session.orders.may_send(order.order_id, passed, resend_after)) continue;
      // The order's id is the message's too: acknowledging the one is taking the other.
      if (!session.send(wire::pack(order.order_id, wire::SignedOrder{order.payload, order.signature}))) break;
      delivered.push_back(order.order_id);
      ++counts.orders;
    }
  }
  if (!delivered.empty())
    BELAY_TRY(store.write([&](Sql& sql) { return store::orders::delivered(sql, delivered, now); }));
  return counts;
}

}  // namespace belay::server
