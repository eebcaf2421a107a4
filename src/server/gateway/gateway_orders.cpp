#include "base/log.hpp"
#include "server/gateway/gateway_impl.hpp"
#include "server/gateway/order_delivery.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr std::size_t kSessionsAtOnce = 100;  // of one delivery
constexpr std::size_t kTouchesAtOnce = 5'000;
constexpr Duration kAgain{250};               // where the workers are busy
constexpr Duration kRevokedOverlap{120'000};  // clocks of several servers differ
}  // namespace

// ---- orders

void Gateway::Impl::deliver(std::vector<std::shared_ptr<Session>> sessions) {
  std::erase_if(sessions, [](const auto& session) { return session->awaits_delivery.exchange(true); });
  for (std::size_t from = 0; from < sessions.size(); from += kSessionsAtOnce) {
    const auto to = std::min(sessions.size(), from + kSessionsAtOnce);
    std::vector<std::shared_ptr<Session>> some(sessions.begin() + static_cast<std::ptrdiff_t>(from),
                                               sessions.begin() + static_cast<std::ptrdiff_t>(to));
    const bool taken = work([self = shared_from_this(), some] {
      const auto counts =
          deliver_orders(self->parts.services.store, self->parts.services.clock, some, self->settings.resend_after);
      if (!counts.ok()) return log::warning("orders-not-delivered", {{"error", counts.error()}});
      self->counters.orders_sent += counts->orders;
      self->counters.cancels_sent += counts->cancels;
      self->counters.held_back += counts->held_back;
      self->post([self, some] {
        for (const auto& session : some) {
          if (session->socket) continue;
          const auto at = self->polls.find(session->node_id);
          if (at == self->polls.end() || at->second.session != session) continue;
          auto waiting = session->take_replies();
          if (waiting.empty() && !session->closed) continue;
          for (const auto& message : waiting) static_cast<void>(session->closed ? false : session->send(message));
          self->finish_poll(session->node_id);
        }
      });
    });
    if (!taken)
      parts.loop.run_after(kAgain, [self = shared_from_this(), some] {
        for (const auto& session : some) session->awaits_delivery = false;
        if (!self->stopped) self->deliver(some);
      });
  }
}

void Gateway::Impl::deliver_to(const std::vector<std::string>& node_ids) {
  std::vector<std::shared_ptr<Session>> here;
  for (const auto& id : node_ids) {
    if (const auto at = links.find(id); at != links.end()) here.push_back(at->second);
    if (const auto at = polls.find(id); at != polls.end() && at->second.session->greeted)
      here.push_back(at->second.session);
  }
  deliver(std::move(here));
}

void Gateway::Impl::look() {
  if (looking) {
    look_again = true;
    return;
  }
  looking = work([self = shared_from_this()] {
    self->look_in_worker();
    self->post([self] {
      self->looking = false;
      if (std::exchange(self->look_again, false)) self->look();
    });
  });
}

void Gateway::Impl::look_in_worker() {
  auto& services = parts.services;
  const Instant now = services.clock.now();
  const auto looked = services.store.read([&](Sql& sql) -> Status {
    store::Page page{store::kPageLimitMax, ""};
    do {
      BELAY_TRY_ASSIGN(auto listed, store::orders::nodes_to_reach(sql, now, page));
      page.after = listed.next;
      post([this, ids = std::move(listed.items)] { deliver_to(ids); });
    } while (!page.after.empty());
    page.after.clear();
    do {
      BELAY_TRY_ASSIGN(const auto listed,
                       store::nodes::revoked_since(sql, revoked_known_until - kRevokedOverlap, page));
      page.after = listed.next;
      std::vector<std::string> serials;
      for (const auto& certificate : listed.items) serials.push_back(certificate.serial_hex);
      if (!serials.empty()) post([this, serials = std::move(serials)] { close_serials(serials); });
    } while (!page.after.empty());
    return {};
  });
  if (looked.ok()) revoked_known_until = now;
  trouble.note(looked, services.clock.monotonic());
}

void Gateway::Impl::resend() {
  std::vector<std::shared_ptr<Session>> waiting;
  for (const auto& [id, session] : links)
    if (!session->orders.empty()) waiting.push_back(session);
  deliver(std::move(waiting));
}

void Gateway::Impl::touch() {
  std::vector<store::nodes::Touch> touches;
  const Instant now = parts.services.clock.now();
  touches.reserve(links.size() + polled.size());
  for (const auto& [id, session] : links) touches.push_back({id, now});
  for (const auto& id : std::exchange(polled, {})) touches.push_back({id, now});
  if (touches.empty()) return;
  const bool taken = work([self = shared_from_this(), touches = std::move(touches)] {
    for (std::size_t from = 0; from < touches.size(); from += kTouchesAtOnce) {
      const auto some = std::span(touches).subspan(from, std::min(kTouchesAtOnce, touches.size() - from));
      const Status touched =
          self->parts.services.store.write([&](Sql& sql) { return store::nodes::touch_many(sql, some); });
      if (!touched.ok()) log::warning("last-seen-not-written", {{"error", touched.error()}});
    }
  });
  if (!taken) log::warning("last-seen-not-written", {{"error", "the workers are busy"}});
}

void Gateway::Impl::close_node(const std::string& node_id, std::string_view reason) {
  if (const auto at = links.find(node_id); at != links.end()) at->second->close(reason);
  for (const auto& session : ungreeted)
    if (session->node_id == node_id) session->close(reason);
  if (const auto at = polls.find(node_id); at != polls.end()) {
    at->second.session->closed = true;
    finish_poll(node_id);
  }
}

void Gateway::Impl::close_serials(const std::vector<std::string>& serials) {
  const std::unordered_set<std::string> revoked(serials.begin(), serials.end());
  std::vector<std::string> nodes;
  for (const auto& [id, session] : links)
    if (revoked.contains(session->serial_hex)) session->close("the certificate was revoked");
  for (const auto& [id, parked] : polls)
    if (revoked.contains(parked.session->serial_hex)) nodes.push_back(id);
  for (const auto& id : nodes) close_node(id, "the certificate was revoked");
}

}  // namespace belay::server
