#pragma once
// Hands what the outbox holds for some nodes to their connections. Blocking.
#include <memory>
#include <span>

#include "base/time.hpp"
#include "server/gateway/session.hpp"
#include "store/store.hpp"

namespace belay::server {

struct DeliveryCounts {
  std::size_t orders = 0, cancels = 0, held_back = 0;  // held back: the node's identity is in doubt
};
Result<DeliveryCounts> deliver_orders(store::Store& store, const Clock& clock,
                                      std::span<const std::shared_ptr<Session>> sessions, Duration resend_after);

}  // namespace belay::server
