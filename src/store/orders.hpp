#pragma once
// The outbox to the nodes: signed orders, in the order of their counters, until each node has said what became of them.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::orders {

// queued → delivered (written to a connection) → acknowledged (the node has it) → finished;
// cancelled and expired end what was not finished. A result that comes after them is still kept.
enum class State { queued, delivered, acknowledged, finished, cancelled, expired };
BOOST_DESCRIBE_ENUM(State, queued, delivered, acknowledged, finished, cancelled, expired)

struct Order {
  std::string order_id{};  // UUID
  std::string node_id{};
  std::uint64_t counter = 0;           // from next_counter()
  std::string kind{};                  // wire's OrderKind
  std::string payload{}, signature{};  // as they are sent
  State state = State::queued;
  std::string execution_kind{}, execution_id{};  // who waits for it; "" nobody
  Instant issued_at{}, expires_at{};
  std::optional<Instant> delivered_at{}, acknowledged_at{}, finished_at{};
  std::uint64_t update_sequence = 0;  // of the newest update taken in
  std::string update{};               // JSON text of wire's OrderUpdate, "" before the first
  std::string result{};               // JSON text of wire's OrderResult, "" before it, "-" once it was forgotten
  bool cancel_requested = false;
};

inline constexpr std::string_view kForgottenResult = "-";
inline constexpr std::size_t kPendingMax = 1'000;  // for one node; more is resource_exhausted "too-many-orders"

// The next counter of the node; never given twice, gaps are harmless. not_found; permission_denied "node-deregistered".
Result<std::uint64_t> next_counter(Sql& sql, std::string_view node_id);
// Puts it in the outbox. already_exists where the id or the (node, counter) is taken.
Status queue(Sql& sql, const Order& order);
Result<Order> get(Sql& sql, std::string_view order_id);
// All that has not ended, by counter.
Result<std::vector<Order>> open(Sql& sql, std::string_view node_id);
// What the node should be sent: queued and delivered ones that have not expired, by counter.
Result<std::vector<Order>> pending(Sql& sql, std::string_view node_id, Instant now, std::uint32_t limit = 50);
// How many wait to be sent, and how many were sent and not yet acknowledged.
struct Waiting {
  std::int64_t queued = 0, delivered = 0;
};
Result<Waiting> waiting(Sql& sql);
// Nodes that have something queued, or hold an order that is to be stopped, by id: what a server compares with the
// nodes it holds.
Result<Listed<std::string>> nodes_to_reach(Sql& sql, Instant now, const Page& page);
// Orders of the node that the operator wants stopped and that have not ended.
Result<std::vector<Order>> cancel_requests(Sql& sql, std::string_view node_id);
Result<Listed<Order>> history(Sql& sql, std::string_view node_id, const Page& page);  // newest counter first

// The following may be repeated. not_found where the order is not this node's.
Status delivered(Sql& sql, std::span<const std::string> order_ids, Instant at);
Status acknowledged(Sql& sql, std::string_view node_id, std::string_view order_id, Instant at);
// true where it is newer than the last taken in; false: dropped. Also acknowledges.
Result<bool> update(Sql& sql, std::string_view node_id, std::string_view order_id, std::uint64_t sequence,
                    std::string_view update_json, Instant at);
// true the first time; false, and the first result stands, afterwards.
Result<bool> finish(Sql& sql, std::string_view node_id, std::string_view order_id, std::string_view result_json,
                    Instant at);
// Queued ones are cancelled at once; of the others the wish is kept (cancel_requests). Returns the order as it is then.
Result<Order> cancel(Sql& sql, std::string_view order_id, Instant at);
// Ends those that were not acknowledged in time, at most `limit`, and returns them.
Result<std::vector<Order>> expire(Sql& sql, Instant now, std::uint32_t limit);
// Drops the results of orders that ended before `before` and that no execution waits for any more: who waited has made
// its own of them (runs, invocations, outputs). The orders themselves stay. At most `limit`; returns how many.
Result<std::int64_t> forget_results(Sql& sql, Instant before, std::uint32_t limit);

}  // namespace belay::store::orders
