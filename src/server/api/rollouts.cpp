// Belay's own: one change set through rings. What a rollout is: core/rollout/machine.hpp.
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/rollout_wire.hpp"

namespace belay::server {
namespace {

std::string id_of(const Call& call) { return call.text("RolloutId"); }

// How it stands after the request was taken. The machine may come to act on it a moment later.
Result<json::Object> as_it_stands(const Call& call) {
  BELAY_TRY_ASSIGN(const auto view, call.services.rollouts.get(id_of(call)));
  return json::Object{{"Rollout", rollout_reply(view)}};
}

// A ring is told by its name; where it lies in the rollout's order, the store knows by number.
Result<std::uint32_t> ring_number(const Call& call, const std::string& ring) {
  BELAY_TRY_ASSIGN(const auto view, call.services.rollouts.get(id_of(call)));
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < view.rings.size(); ++i) {
    if (view.rings[i].name == ring) return i;
    names.push_back(view.rings[i].name);
  }
  return failure("ValidationException", "RingName: " + id_of(call) + " has no ring '" + sanitize(ring, 128) +
                                            "'; there are " + sanitize(join(names, ", "), 1'000));
}

// The field of the file's first command that nodes run as root; "" where there is none.
std::string field_of_command(const rollout::Spec& spec) {
  for (std::size_t i = 0; i < spec.probes.size(); ++i)
    if (spec.probes[i].command) return "probes[" + std::to_string(i) + "].command";
  for (std::size_t i = 0; i < spec.rings.size(); ++i)
    if (spec.rings[i].order) return "rings[" + std::to_string(i) + "].order.command";
  return {};
}

// A probe's command and that which tells a role run as root on nodes that the file's author chose, as a command does.
Status require_sending(store::Sql& sql, const Call& call, const rollout::Spec& spec) {
  const auto field = field_of_command(spec);
  return field.empty() ? Status() : require_also(sql, call, "ssm:SendCommand", "a rollout with " + field);
}

}  // namespace

Result<json::Object> create_rollout(const Call& call) {
  CreateRolloutRequest create;
  create.content = call.text("Content");
  if (const auto spec = rollout::read_spec(create.content); spec.ok())  // else create() says what is wrong with it
    BELAY_TRY(call.read([&](store::Sql& sql) { return require_sending(sql, call, *spec); }));
  create.start = flag_of(call, "Start");
  create.requested_by = call.principal;
  if (const auto token = call.text("ClientToken"); !token.empty())
    create.client_token = ClientToken{{call.principal, std::string(call.operation), token},
                                      io::sha256_hex(json::to_canonical_text(call.request))};
  BELAY_TRY_ASSIGN(const auto view, call.services.rollouts.create(create));
  return json::Object{{"Rollout", rollout_reply(view)}, {"Warnings", texts_reply(view.warnings)}};
}

Result<json::Object> start_rollout(const Call& call) {
  BELAY_TRY_ASSIGN(const auto view, call.services.rollouts.get(id_of(call)));
  BELAY_TRY_ASSIGN(const auto spec, json::decode_text<rollout::Spec>(view.row.spec, {.bytes_max = 8u << 20}));
  BELAY_TRY(call.read([&](store::Sql& sql) { return require_sending(sql, call, spec); }));
  BELAY_TRY(call.services.rollouts.start(id_of(call), call.principal));
  return as_it_stands(call);
}

Result<json::Object> approve_ring(const Call& call) {
  BELAY_TRY(call.services.rollouts.approve_ring(id_of(call), call.text("RingName"), call.principal));
  return as_it_stands(call);
}

Result<json::Object> pause_rollout(const Call& call) {
  BELAY_TRY(call.services.rollouts.pause(id_of(call), call.text("Reason"), call.principal));
  return as_it_stands(call);
}

Result<json::Object> resume_rollout(const Call& call) {
  BELAY_TRY(
      call.services.rollouts.resume(id_of(call), flag_of(call, "RetryHeld"), call.principal, call.text("Reason")));
  return as_it_stands(call);
}

Result<json::Object> abort_rollout(const Call& call) {
  BELAY_TRY(call.services.rollouts.abort(id_of(call), call.text("Reason"), call.principal));
  return as_it_stands(call);
}

Result<json::Object> get_rollout(const Call& call) {
  BELAY_TRY_ASSIGN(const auto view, call.services.rollouts.get(id_of(call)));
  json::Object reply{{"Rollout", rollout_reply(view)}};
  put(reply, "Content", json::Value(view.row.content));
  BELAY_TRY_ASSIGN(const auto restored, call.services.rollouts.restored(id_of(call)));
  json::Array nodes;
  for (const auto& node : restored) nodes.push_back(rollout_node_reply(node));
  if (!nodes.empty()) reply["DataRestored"] = std::move(nodes);
  return reply;
}

Result<json::Object> list_rollouts(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 20, 100));
  store::rollouts::Filter filter;
  filter.states = texts_of(call, "State");
  filter.name = call.text("Name");
  filter.node_id = call.text("InstanceId");
  filter.change_set_id = call.text("ChangeSetId");
  BELAY_TRY_ASSIGN(const auto found, call.services.rollouts.list(filter, page));
  json::Array rows;
  for (const auto& view : found.items) rows.push_back(rollout_reply(view));
  json::Object reply{{"Rollouts", std::move(rows)}};
  put_next(reply, call, found.next);
  return reply;
}

Result<json::Object> list_rollout_nodes(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 100, 1'000));
  store::rollouts::NodeFilter filter;
  filter.states = texts_of(call, "State");
  if (const auto ring = call.text("RingName"); !ring.empty()) {
    BELAY_TRY_ASSIGN(filter.ring, ring_number(call, ring));
  }
  BELAY_TRY_ASSIGN(const auto found, call.services.rollouts.nodes(id_of(call), filter, page));
  json::Array rows;
  for (const auto& view : found.items) rows.push_back(rollout_node_reply(view));
  json::Object reply{{"Nodes", std::move(rows)}};
  put_next(reply, call, found.next);
  return reply;
}

Result<json::Object> get_rollout_report(const Call& call) {
  BELAY_TRY_ASSIGN(auto report, call.services.rollouts.report(id_of(call)));
  return json::Object{{"RolloutId", id_of(call)}, {"Report", std::move(report)}};
}

Result<json::Object> settle_rollout_node(const Call& call) {
  BELAY_TRY_ASSIGN(const auto node_id,
                   call.services.rollouts.settle(call.text("InstanceId"), call.text("Reason"), call.principal));
  return json::Object{{"InstanceId", node_id}};
}

}  // namespace belay::server
