#include "store/orders.hpp"

#include "store/detail.hpp"

namespace belay::store::orders {
namespace {

constexpr std::string_view kColumns =
    "order_id, node_id, counter, kind, payload, signature, state, execution_kind, execution_id, issued_at, expires_at, "
    "delivered_at, acknowledged_at, finished_at, update_sequence, update_text, result, cancel_requested";

Result<Order> read(const Row& row) {
  Order order;
  order.order_id = row.text(0);
  order.node_id = row.text(1);
  order.counter = static_cast<std::uint64_t>(row.integer(2));
  order.kind = row.text(3);
  order.payload = row.text(4);
  order.signature = row.text(5);
  BELAY_TRY_ASSIGN(order.state, row.enumerator<State>(6));
  order.execution_kind = row.text(7);
  order.execution_id = row.text(8);
  order.issued_at = row.instant(9);
  order.expires_at = row.instant(10);
  order.delivered_at = row.optional_instant(11);
  order.acknowledged_at = row.optional_instant(12);
  order.finished_at = row.optional_instant(13);
  order.update_sequence = static_cast<std::uint64_t>(row.integer(14));
  order.update = row.text(15);
  order.result = row.text(16);
  order.cancel_requested = row.boolean(17);
  return order;
}

Result<std::vector<Order>> select(Sql& sql, std::string_view rest, const Params& params) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT " + std::string(kColumns) + " FROM orders" + std::string(rest), params));
  return detail::read_all<Order>(rows, read);
}

Error not_of_node(std::string_view node_id, std::string_view order_id) {
  return Error(Code::not_found, "node " + std::string(node_id) + " has no order " + std::string(order_id));
}

Status check_owner(Sql& sql, std::string_view node_id, std::string_view order_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT 1 FROM orders WHERE order_id = $1 AND node_id = $2", {order_id, node_id}));
  if (!row) return not_of_node(node_id, order_id);
  return {};
}

}  // namespace

Result<std::uint64_t> next_counter(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("UPDATE nodes SET order_counter = order_counter + 1 WHERE node_id = $1 "
                                 "RETURNING order_counter, state",
                                 {node_id}));
  if (!row) return detail::missing("node", node_id);
  if (row->text(1) != "active")
    return Error(Code::permission_denied, "node " + std::string(node_id) + " was deregistered", "node-deregistered");
  return static_cast<std::uint64_t>(row->integer(0));
}

Status queue(Sql& sql, const Order& order) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM orders WHERE order_id = $1 OR (node_id = $2 AND counter = $3)",
                                 {order.order_id, order.node_id, order.counter}));
  if (there) return detail::taken("order", order.order_id + " (or its counter)");
  BELAY_TRY_ASSIGN(const auto pending, sql.query_one("SELECT COUNT(*) FROM orders WHERE node_id = $1 "
                                                     "AND state IN ('queued', 'delivered')",
                                                     {order.node_id}));
  if (pending->integer(0) >= static_cast<std::int64_t>(kPendingMax))
    return Error(Code::resource_exhausted, "node " + order.node_id + " has too many orders waiting for it",
                 "too-many-orders");
  BELAY_TRY(
      sql.exec("INSERT INTO orders (order_id, node_id, counter, kind, payload, signature, state, execution_kind, "
               "execution_id, issued_at, expires_at, update_sequence, update_text, result, cancel_requested) "
               "VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $8, $9, $10, 0, '', '', 0)",
               {order.order_id, order.node_id, order.counter, order.kind, order.payload, order.signature,
                order.execution_kind, order.execution_id, order.issued_at, order.expires_at}));
  return {};
}

Result<Order> get(Sql& sql, std::string_view order_id) {
  BELAY_TRY_ASSIGN(auto found, select(sql, " WHERE order_id = $1", {order_id}));
  if (found.empty()) return detail::missing("order", order_id);
  return std::move(found.front());
}

Result<std::vector<Order>> open(Sql& sql, std::string_view node_id) {
  return select(sql, " WHERE node_id = $1 AND state IN ('queued', 'delivered', 'acknowledged') ORDER BY counter",
                {node_id});
}

Result<std::vector<Order>> pending(Sql& sql, std::string_view node_id, Instant now, std::uint32_t limit) {
  return select(
      sql, " WHERE node_id = $1 AND state IN ('queued', 'delivered') AND expires_at > $2 ORDER BY counter LIMIT $3",
      {node_id, now, limit});
}

Result<Waiting> waiting(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT state, COUNT(*) FROM orders WHERE state IN ('queued', 'delivered') "
                             "GROUP BY state",
                             {}));
  Waiting counts;
  for (const auto& row : rows) (row.text(0) == "queued" ? counts.queued : counts.delivered) = row.integer(1);
  return counts;
}

Result<Listed<std::string>> nodes_to_reach(Sql& sql, Instant now, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT node_id FROM orders WHERE state = 'queued' AND expires_at > $1 AND node_id > $2 "
                             "UNION SELECT node_id FROM orders WHERE cancel_requested = 1 "
                             "AND state IN ('delivered', 'acknowledged') AND node_id > $2 ORDER BY node_id LIMIT $3",
                             {now, page.after, detail::limit_of(page) + 1}));
  std::vector<std::string> ids;
  for (const auto& row : rows) ids.push_back(row.text(0));
  return detail::paged(std::move(ids), page, [](const std::string& id) { return id; });
}

Result<std::vector<Order>> cancel_requests(Sql& sql, std::string_view node_id) {
  return select(
      sql, " WHERE node_id = $1 AND cancel_requested = 1 AND state IN ('delivered', 'acknowledged') ORDER BY counter",
      {node_id});
}

Result<Listed<Order>> history(Sql& sql, std::string_view node_id, const Page& page) {
  detail::Where where;
  where.add("node_id = ?", {node_id});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("counter < ?", {after.number});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(auto found, select(sql, where.text() + " ORDER BY counter DESC LIMIT " + limit, where.params()));
  return detail::paged(std::move(found), page,
                       [](const Order& order) { return detail::cursor(static_cast<std::int64_t>(order.counter)); });
}

Status delivered(Sql& sql, std::span<const std::string> order_ids, Instant at) {
  std::vector<Params> rows;
  for (const auto& id : order_ids) rows.push_back({id, at});
  BELAY_TRY(sql.exec_many(
      "UPDATE orders SET state = 'delivered', delivered_at = $2 WHERE order_id = $1 AND state = 'queued'", rows));
  return {};
}

Status acknowledged(Sql& sql, std::string_view node_id, std::string_view order_id, Instant at) {
  BELAY_TRY(check_owner(sql, node_id, order_id));
  BELAY_TRY(sql.exec(
      "UPDATE orders SET state = 'acknowledged', acknowledged_at = $2, delivered_at = COALESCE(delivered_at, $2) "
      "WHERE order_id = $1 AND state IN ('queued', 'delivered')",
      {order_id, at}));
  return {};
}

Result<bool> update(Sql& sql, std::string_view node_id, std::string_view order_id, std::uint64_t sequence,
                    std::string_view update_json, Instant at) {
  BELAY_TRY(acknowledged(sql, node_id, order_id, at));
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE orders SET update_sequence = $2, update_text = $3 WHERE order_id = $1 AND update_sequence < $2",
               {order_id, sequence, update_json}));
  return touched > 0;
}

Result<bool> finish(Sql& sql, std::string_view node_id, std::string_view order_id, std::string_view result_json,
                    Instant at) {
  if (result_json.empty()) return Error(Code::invalid_argument, "the result of an order is never empty");
  BELAY_TRY(check_owner(sql, node_id, order_id));
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE orders SET state = 'finished', result = $2, finished_at = $3, "
               "acknowledged_at = COALESCE(acknowledged_at, $3), delivered_at = COALESCE(delivered_at, $3) "
               "WHERE order_id = $1 AND result = ''",
               {order_id, result_json, at}));
  return touched > 0;
}

Result<Order> cancel(Sql& sql, std::string_view order_id, Instant at) {
  BELAY_TRY(
      sql.exec("UPDATE orders SET state = 'cancelled', finished_at = $2, cancel_requested = 1 "
               "WHERE order_id = $1 AND state = 'queued'",
               {order_id, at}));
  BELAY_TRY(
      sql.exec("UPDATE orders SET cancel_requested = 1 WHERE order_id = $1 AND state IN ('delivered', 'acknowledged')",
               {order_id}));
  return get(sql, order_id);
}

Result<std::vector<Order>> expire(Sql& sql, Instant now, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("UPDATE orders SET state = 'expired', finished_at = $1 WHERE state IN ('queued', 'delivered') "
                "AND order_id IN (SELECT order_id FROM orders WHERE state IN ('queued', 'delivered') "
                "AND expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING " +
                    std::string(kColumns),
                {now, limit}));
  return detail::read_all<Order>(rows, read);
}

Result<std::int64_t> forget_results(Sql& sql, Instant before, std::uint32_t limit) {
  return sql.exec(
      "UPDATE orders SET result = '-', update_text = '' WHERE order_id IN (SELECT o.order_id FROM orders o "
      "WHERE o.result NOT IN ('', '-') AND o.finished_at < $1 AND NOT EXISTS (SELECT 1 FROM executions e "
      "WHERE e.kind = o.execution_kind AND e.execution_id = o.execution_id AND e.finished = 0) "
      "ORDER BY o.finished_at LIMIT $2)",
      {before, limit});
}

}  // namespace belay::store::orders
