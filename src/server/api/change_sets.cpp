// Belay's own: freeze exactly what a patch would install, and read it again.
#include "store/change_sets.hpp"

#include "io/crypto.hpp"
#include "server/api/baseline_wire.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"

namespace belay::server {
namespace {

struct WireTarget {
  std::string Key;
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(WireTarget, (), (Key, Values))
struct CreateRequest {
  std::string Name, Description, BaselineId, ClientToken;
  std::vector<std::string> InstanceIds;
  std::vector<WireTarget> Targets;
};
BOOST_DESCRIBE_STRUCT(CreateRequest, (), (Name, Description, BaselineId, ClientToken, InstanceIds, Targets))

json::Object summary_reply(const store::change_sets::Summary& line) {
  json::Object out{{"ChangeSetId", line.change_set_id},
                   {"Name", line.name},
                   {"Status", line.status},
                   {"CreatedBy", line.created_by},
                   {"CreatedDate", epoch(line.created_at)}};
  if (line.nodes) out["NodeCount"] = *line.nodes;
  if (line.packages) out["PackageCount"] = *line.packages;
  if (line.download_bytes) out["DownloadBytes"] = *line.download_bytes;
  put(out, "Description", json::Value(line.description));
  put(out, "StatusDetails", json::Value(line.status_details));
  put(out, "BaselineId", json::Value(line.baseline_id));
  put(out, "FrozenDate", epoch(line.frozen_at));
  put(out, "Sha256", json::Value(line.sha256));
  return out;
}

json::Array parts_reply(const ChangeSetView& view) {
  json::Array out;
  for (const auto& part : view.parts) {
    json::Array changes;
    for (const auto& c : part.changes)
      changes.push_back(json::Object{{"Name", c.name},
                                     {"Architecture", c.arch},
                                     {"FromVersion", c.from_version},
                                     {"ToVersion", c.to_version},
                                     {"Sha256", c.sha256},
                                     {"SizeBytes", c.size_bytes}});
    out.push_back(json::Object{{"OperatingSystem", part.operating_system},
                               {"PackageSetHash", part.package_set_hash},
                               {"OfferSetHash", part.offer_set_hash},
                               {"NodeIds", texts_reply(part.node_ids)},
                               {"PlannedBy", part.planned_by},
                               {"DownloadBytes", part.download_bytes},
                               {"Changes", std::move(changes)}});
  }
  return out;
}

}  // namespace

Result<json::Object> create_change_set(const Call& call) {
  BELAY_TRY_ASSIGN(auto request, call.as<CreateRequest>());
  if (request.InstanceIds.empty() == request.Targets.empty())
    return failure("ValidationException", "name the nodes by InstanceIds or by Targets, not both and not neither");
  CreateChangeSetRequest create;
  create.name = request.Name;
  create.description = request.Description;
  create.instance_ids = std::move(request.InstanceIds);
  for (auto& target : request.Targets) create.targets.push_back({std::move(target.Key), std::move(target.Values)});
  create.baseline_id = baseline_id_of(request.BaselineId);
  create.requested_by = call.principal;
  if (!request.ClientToken.empty())
    create.client_token = ClientToken{{call.principal, std::string(call.operation), request.ClientToken},
                                      io::sha256_hex(json::to_canonical_text(call.request))};
  BELAY_TRY_ASSIGN(const auto view, call.services.change_sets.create(create));
  return json::Object{{"ChangeSet", summary_reply(summary_of(view))}};
}

Result<json::Object> get_change_set(const Call& call) {
  const std::string id = call.text("ChangeSetId");
  const auto view = call.services.change_sets.get(id);
  if (!view.ok() && view.error().code() == Code::not_found)
    return failure("DoesNotExistException", "there is no change set " + id);
  if (!view.ok()) return view.error();
  json::Object reply{{"ChangeSet", summary_reply(summary_of(*view))}, {"Parts", parts_reply(*view)}};
  put(reply, "LeftOut", texts_reply(view->left_out));
  if (view->status != ChangeSetStatus::Ready) return reply;
  BELAY_TRY_ASSIGN(const auto pool, call.read([&](store::Sql& sql) { return pool_coverage(sql, *view); }));
  reply["Pool"] = json::Object{{"Status", json::encode(pool.status)},
                               {"PackageCount", pool.packages},
                               {"InPoolCount", pool.in_pool},
                               {"SizeBytes", pool.bytes}};
  BELAY_TRY_ASSIGN(const auto approvals,
                   call.read([&](store::Sql& sql) { return store::change_sets::approvals(sql, id); }));
  json::Array rows;
  for (const auto& approval : approvals)
    rows.push_back(json::Object{
        {"Approver", approval.approver}, {"KeyId", approval.key_id}, {"ApprovedDate", epoch(approval.approved_at)}});
  reply["Approvals"] = std::move(rows);
  return reply;
}

Result<json::Object> describe_pool(const Call& call) {
  BELAY_TRY_ASSIGN(const auto usage, call.read([](store::Sql& sql) { return store::pool::usage(sql); }));
  return json::Object{{"LimitBytes", call.services.pool ? call.services.pool->bytes_max() : 0},
                      {"StoredBytes", usage.bytes},
                      {"WantedBytes", usage.bytes_wanted},
                      {"PackageCount", usage.packages},
                      {"CompleteCount", usage.complete},
                      {"IncompleteCount", usage.incomplete}};
}

Result<json::Object> describe_change_sets(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 20, 100));
  BELAY_TRY_ASSIGN(const auto found, call.services.change_sets.list(page));
  json::Array rows;
  for (const auto& line : found.items) rows.push_back(summary_reply(line));
  json::Object reply{{"ChangeSets", std::move(rows)}};
  put_next(reply, call, found.next);
  return reply;
}

}  // namespace belay::server
