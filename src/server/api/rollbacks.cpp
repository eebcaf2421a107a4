// Belay's own: the way back. Rollbacks by hand, who has a package, what a node could be brought back from, and what
// goes nowhere any more since it was rolled back somewhere.
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/rollout_wire.hpp"

namespace belay::server {
namespace {

json::Object quarantine_reply(const store::rollouts::Quarantine& entry) {
  json::Object out{{"QuarantineId", entry.quarantine_id},
                   {"Reason", entry.reason},
                   {"AddedBy", entry.added_by},
                   {"AddedDate", epoch(entry.added_at)}};
  put(out, "ChangeSetId", json::Value(entry.change_set_id));
  put(out, "Package", json::Value(entry.name));
  put(out, "Architecture", json::Value(entry.arch));
  put(out, "Version", json::Value(entry.version));
  put(out, "OperatingSystem", json::Value(entry.operating_system));
  put(out, "Role", json::Value(entry.role));
  put(out, "RolloutId", json::Value(entry.rollout_id));
  put(out, "InstanceId", json::Value(entry.node_id));
  put(out, "LiftedBy", json::Value(entry.lifted_by));
  put(out, "LiftReason", json::Value(entry.lift_reason));
  put(out, "LiftedDate", epoch(entry.lifted_at));
  return out;
}

}  // namespace

Result<json::Object> rollback_nodes(const Call& call) {
  RollbackRequest request;
  request.instance_ids = texts_of(call, "InstanceIds");
  request.rollout_id = call.text("RolloutId");
  request.ring = call.text("RingName");
  request.run_id = call.text("RunId");
  request.package = call.text("Package");
  request.reason = call.text("Reason");
  request.requested_by = call.principal;
  if (call.request.as_object().contains("Quarantine")) request.quarantine = flag_of(call, "Quarantine");
  if (!request.ring.empty() && request.rollout_id.empty())
    return failure("ValidationException", "RingName goes with RolloutId: which rollout's ring is meant?");
  BELAY_TRY_ASSIGN(const auto rollout_id, call.services.rollouts.roll_back(request));
  return json::Object{{"RolloutId", rollout_id}};
}

Result<json::Object> where_package(const Call& call) {
  BELAY_TRY_ASSIGN(const auto found, call.services.rollouts.where(call.text("Package"), call.text("Version")));
  json::Array rows;
  for (const auto& row : found) {
    json::Object out{{"InstanceId", row.node_id}, {"Name", row.node_name},  {"OperatingSystem", row.operating_system},
                     {"Architecture", row.arch},  {"Version", row.version}, {"Quarantined", row.quarantined}};
    put(out, "CameByRunId", json::Value(row.came_by_run));
    put(out, "FromVersion", json::Value(row.from_version));
    rows.push_back(std::move(out));
  }
  return json::Object{{"Nodes", std::move(rows)}};
}

Result<json::Object> get_reversibility(const Call& call) {
  BELAY_TRY_ASSIGN(const auto found,
                   call.services.rollouts.reversibility(call.text("InstanceId"), call.text("ChangeSetId")));
  json::Object reply{
      {"InstanceId", found.node_id}, {"ChangeSetId", found.change_set_id}, {"Class", json::encode(found.reached)}};
  put(reply, "WhyNotMore", texts_reply(found.why_not_more));
  put(reply, "Evidence", texts_reply(found.evidence));
  if (!found.proven) return reply;
  json::Object proven{{"Class", json::encode(found.proven->reached)}};
  put(proven, "HeldPackages", texts_reply(found.proven->held));
  put(proven, "Snapshots", texts_reply(found.proven->snapshots));
  put(proven, "WhyNotMore", texts_reply(found.proven->why_not_more));
  reply["Proven"] = std::move(proven);
  return reply;
}

Result<json::Object> list_quarantine(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  const bool lifted_too = flag_of(call, "IncludeLifted");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, store::rollouts::list_quarantine(sql, lifted_too, page));
    json::Array rows;
    for (const auto& entry : found.items) rows.push_back(quarantine_reply(entry));
    json::Object reply{{"Quarantine", std::move(rows)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> put_quarantine(const Call& call) {
  store::rollouts::Quarantine entry;
  entry.change_set_id = call.text("ChangeSetId");
  entry.name = call.text("Package");
  entry.arch = call.text("Architecture");
  entry.version = call.text("Version");
  entry.operating_system = call.text("OperatingSystem");
  entry.role = call.text("Role");
  entry.reason = call.text("Reason");
  entry.added_by = call.principal;
  if (entry.name.empty() && !(entry.version.empty() && entry.arch.empty()))
    return failure("ValidationException", "Version and Architecture go with Package");
  if (!entry.change_set_id.empty() && !(entry.operating_system.empty() && entry.role.empty()))
    return failure("ValidationException",
                   "OperatingSystem and Role go with Package: a change set is quarantined whole");
  BELAY_TRY_ASSIGN(const auto quarantine_id, call.services.rollouts.put_quarantine(std::move(entry)));
  json::Object reply{{"QuarantineId", quarantine_id}};
  if (call.text("Package").empty()) return reply;
  BELAY_TRY_ASSIGN(const auto nodes, call.services.rollouts.nodes_in_reach(quarantine_id));
  reply["NodeCount"] = nodes;
  return reply;
}

Result<json::Object> delete_quarantine(const Call& call) {
  BELAY_TRY(call.services.rollouts.lift_quarantine(call.text("QuarantineId"), call.text("Reason"), call.principal));
  return json::Object();
}

}  // namespace belay::server
