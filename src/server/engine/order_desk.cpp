#include "server/engine/order_desk.hpp"

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "store/executions.hpp"
#include "store/rollouts.hpp"

namespace belay::server {
namespace {
constexpr json::Limits kOrderLimits{.bytes_max = wire::kMessageBytesMax, .depth_max = 32};
}

std::string order_id_for(std::string_view execution_kind, std::string_view execution_id, std::string_view node_id,
                         std::string_view step) {
  std::string name = "belay order";
  for (const auto part : {execution_kind, execution_id, node_id, step}) name.append("\n").append(part);
  return make_uuid(io::sha256(name).substr(0, kIdRandomBytes));
}

Status queue_order(store::Sql& sql, const Authority& authority, wire::Order draft, const OrderFor& whom) {
  const auto there = store::orders::get(sql, draft.order_id);
  if (there.ok()) return {};
  if (there.error().code() != Code::not_found) return there.error();
  BELAY_TRY_ASSIGN(draft.counter, store::orders::next_counter(sql, draft.node_id));
  store::orders::Order order;
  order.order_id = draft.order_id;
  order.node_id = draft.node_id;
  order.counter = draft.counter;
  order.kind = json::encode(draft.kind).as_string().c_str();
  order.payload = json::to_canonical_text(json::encode(draft));
  order.signature = to_base64(io::ed25519_sign(authority.order_private_key, order.payload));
  order.execution_kind = whom.execution_kind;
  order.execution_id = whom.execution_id;
  order.issued_at = draft.issued_at;
  order.expires_at = draft.expires_at;
  return store::orders::queue(sql, order);
}

Result<bool> tell_execution(store::Sql& sql, const store::orders::Order& order, NodeEventKind kind, Instant now) {
  if (order.execution_kind.empty()) return false;
  store::executions::Event event;
  event.key = std::string(boost::describe::enum_to_string(kind, "?")) + " " + order.order_id;
  event.body = json::encode_text(NodeEvent{kind, order.node_id, order.order_id});
  event.at = now;
  const Status posted = store::executions::post(sql, order.execution_kind, order.execution_id, event);
  if (!posted.ok() && posted.error().code() != Code::not_found) return posted.error();
  return true;
}

Status end_orders_of_removed(store::Sql& sql, std::string_view node_id, Instant now) {
  BELAY_TRY_ASSIGN(const auto open, store::orders::open(sql, node_id));
  for (const auto& order : open) {
    wire::OrderResult result;
    result.order_id = order.order_id;
    result.outcome = wire::OrderOutcome::refused;
    result.started_at = order.acknowledged_at.value_or(now);
    result.finished_at = now;
    result.problems.push_back({fleet::Reason::other, "", "the node was removed from the fleet before it had answered",
                               order.acknowledged_at ? "what it had begun is not known here; look on the machine itself"
                                                     : "enrol it again and repeat the command",
                               false});
    BELAY_TRY(store::orders::finish(sql, node_id, order.order_id, json::encode_text(result), now));
    BELAY_TRY(tell_execution(sql, order, NodeEventKind::node_removed, now));
  }
  const auto settled = store::rollouts::take_unsettled(sql, node_id);
  return settled.ok() ? Status() : Status(settled.error());
}

Result<std::optional<wire::OrderResult>> result_of(store::Sql& sql, std::string_view order_id) {
  BELAY_TRY_ASSIGN(const auto order, store::orders::get(sql, order_id));
  if (order.result.empty() || order.result == store::orders::kForgottenResult)
    return std::optional<wire::OrderResult>();
  BELAY_TRY_ASSIGN(auto result, json::decode_text<wire::OrderResult>(order.result, kOrderLimits));
  return std::optional<wire::OrderResult>(std::move(result));
}

Result<wire::Order> content_of(store::Sql& sql, std::string_view order_id) {
  BELAY_TRY_ASSIGN(const auto order, store::orders::get(sql, order_id));
  return json::decode_text<wire::Order>(order.payload, kOrderLimits);
}

}  // namespace belay::server
