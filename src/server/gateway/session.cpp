#include "server/gateway/session.hpp"

#include "wire/codec.hpp"

namespace belay::server {
namespace {
constexpr std::size_t kOrdersRemembered = 2'000;
}

bool Session::send(const wire::Envelope& message) {
  if (closed) return false;
  if (socket) return socket->send(wire::to_text(message));
  const std::scoped_lock lock(mutex_);
  replies_.push_back(message);
  return true;
}

void Session::close(std::string_view reason) {
  if (closed.exchange(true)) return;
  if (socket) socket->close(reason);
}

std::vector<wire::Envelope> Session::take_replies() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(replies_, {});
}

bool Session::may_send_order(const std::string& order_id, Duration now, Duration resend_after) {
  const std::scoped_lock lock(mutex_);
  if (sent_orders_.size() > kOrdersRemembered) sent_orders_.clear();
  const auto [at, first] = sent_orders_.try_emplace(order_id, now);
  if (first) return true;
  if (now - at->second < resend_after) return false;
  at->second = now;
  return true;
}

bool Session::has_sent_orders() {
  const std::scoped_lock lock(mutex_);
  return !sent_orders_.empty();
}

void Session::forget_sent_orders() {
  const std::scoped_lock lock(mutex_);
  sent_orders_.clear();
}

}  // namespace belay::server
