// Belay's own: freeze exactly what a patch would install, and read it again.
#include "store/change_sets.hpp"

#include <set>

#include "io/crypto.hpp"
#include "server/api/baseline_wire.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "store/idempotency.hpp"

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

json::Object summary_reply(const ChangeSetView& view) {
  std::set<std::pair<std::string, std::string>> packages;
  std::size_t nodes = 0;
  std::uint64_t bytes = 0;
  for (const auto& part : view.parts) {
    nodes += part.node_ids.size();
    bytes += part.download_bytes;
    for (const auto& change : part.changes) packages.emplace(change.name, change.arch);
  }
  json::Object out{{"ChangeSetId", view.change_set_id},     {"Name", view.name},
                   {"Status", json::encode(view.status)},   {"CreatedBy", view.created_by},
                   {"CreatedDate", epoch(view.created_at)}, {"NodeCount", nodes},
                   {"PackageCount", packages.size()},       {"DownloadBytes", bytes}};
  put(out, "Description", json::Value(view.description));
  put(out, "StatusDetails", json::Value(view.status_details));
  put(out, "BaselineId", json::Value(view.baseline_id));
  put(out, "FrozenDate", epoch(view.frozen_at));
  put(out, "Sha256", json::Value(view.sha256));
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

// The engine opens transactions of its own, so the token is looked up before and kept after it.
Result<std::optional<json::Object>> answer_before(const Call& call, const store::idempotency::Key& key,
                                                  const std::string& hash) {
  if (key.token.empty()) return std::optional<json::Object>();
  BELAY_TRY_ASSIGN(const auto text,
                   call.read([&](store::Sql& sql) { return store::idempotency::recall(sql, key, hash, call.now); }));
  if (!text) return std::optional<json::Object>();
  BELAY_TRY_ASSIGN(auto reply, json::parse(*text));
  return std::optional(std::move(reply.as_object()));
}

}  // namespace

Result<json::Object> create_change_set(const Call& call) {
  BELAY_TRY_ASSIGN(auto request, call.as<CreateRequest>());
  if (request.InstanceIds.empty() == request.Targets.empty())
    return failure("ValidationException", "name the nodes by InstanceIds or by Targets, not both and not neither");
  const store::idempotency::Key key{call.principal, std::string(call.operation), request.ClientToken};
  const std::string hash = io::sha256_hex(json::to_canonical_text(call.request));
  BELAY_TRY_ASSIGN(auto before, answer_before(call, key, hash));
  if (before) return std::move(*before);
  CreateChangeSetRequest create;
  create.name = request.Name;
  create.description = request.Description;
  create.instance_ids = std::move(request.InstanceIds);
  for (auto& target : request.Targets) create.targets.push_back({std::move(target.Key), std::move(target.Values)});
  create.baseline_id = baseline_id_of(request.BaselineId);
  create.requested_by = call.principal;
  BELAY_TRY_ASSIGN(const auto view, call.services.change_sets.create(create));
  json::Object reply{{"ChangeSet", summary_reply(view)}};
  if (!key.token.empty())
    BELAY_TRY(call.write(
        [&](store::Sql& sql) { return store::idempotency::remember(sql, key, hash, json::to_text(reply), call.now); }));
  return reply;
}

Result<json::Object> get_change_set(const Call& call) {
  const std::string id = call.text("ChangeSetId");
  const auto view = call.services.change_sets.get(id);
  if (!view.ok() && view.error().code() == Code::not_found)
    return failure("DoesNotExistException", "there is no change set " + id);
  if (!view.ok()) return view.error();
  json::Object reply{{"ChangeSet", summary_reply(*view)}, {"Parts", parts_reply(*view)}};
  if (view->status != ChangeSetStatus::Ready) return reply;
  BELAY_TRY_ASSIGN(const auto approvals,
                   call.read([&](store::Sql& sql) { return store::change_sets::approvals(sql, id); }));
  json::Array rows;
  for (const auto& approval : approvals)
    rows.push_back(json::Object{
        {"Approver", approval.approver}, {"KeyId", approval.key_id}, {"ApprovedDate", epoch(approval.approved_at)}});
  reply["Approvals"] = std::move(rows);
  return reply;
}

Result<json::Object> describe_change_sets(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 20, 100));
  BELAY_TRY_ASSIGN(const auto views, call.services.change_sets.list(page));
  json::Array rows;
  for (const auto& view : views.items) {
    BELAY_TRY_ASSIGN(const auto whole,
                     call.services.change_sets.get(view.change_set_id));  // the list has no parts to count
    rows.push_back(summary_reply(whole));
  }
  json::Object reply{{"ChangeSets", std::move(rows)}};
  put_next(reply, call, views.next);
  return reply;
}

}  // namespace belay::server
