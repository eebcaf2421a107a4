#pragma once
// Orders for nodes: numbered, signed, put into the outbox. Everything in the caller's transaction; harmless twice.
#include <string>
#include <string_view>

#include "server/engine/node_event.hpp"
#include "server/engine/node_registry.hpp"
#include "store/orders.hpp"
#include "store/store.hpp"
#include "wire/messages.hpp"

namespace belay::server {

// The same id for the same purpose, so that an order made twice is one order.
std::string order_id_for(std::string_view execution_kind, std::string_view execution_id, std::string_view node_id,
                         std::string_view step);

struct OrderFor {
  std::string execution_kind, execution_id;
};
// Fills in counter and signature. ok where the order is there already. not_found or permission_denied
// "node-deregistered" where the node is no node (any more); resource_exhausted where its outbox is full.
Status queue_order(store::Sql& sql, const Authority& authority, wire::Order draft, const OrderFor& whom);

// Tells the execution that waits for the order, if any; false where nobody waits.
Result<bool> tell_execution(store::Sql& sql, const store::orders::Order& order, NodeEventKind kind, Instant now);
// Ends every open order of a node that has left the fleet, and tells whoever waits for it.
Status end_orders_of_removed(store::Sql& sql, std::string_view node_id, Instant now);

// What a finished order said; nullopt before.
Result<std::optional<wire::OrderResult>> result_of(store::Sql& sql, std::string_view order_id);
Result<wire::Order> content_of(store::Sql& sql, std::string_view order_id);

}  // namespace belay::server
