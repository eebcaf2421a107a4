// DeleteInventory and DescribeInventoryDeletions: custom types, by an execution of their own.
#include "server/engine/inventory_deletion.hpp"

#include "base/ids.hpp"
#include "base/text.hpp"
#include "core/inventory/types.hpp"
#include "io/crypto.hpp"
#include "server/api/handlers.hpp"
#include "server/api/inventory.hpp"

namespace belay::server {
namespace {

struct DeleteRequest {
  std::string TypeName, SchemaDeleteOption, ClientToken;
  bool DryRun = false;
};
BOOST_DESCRIBE_STRUCT(DeleteRequest, (), (TypeName, SchemaDeleteOption, ClientToken, DryRun))

json::Object summary_reply(const store::inventory::Deletion& deletion) {
  json::Array items;
  for (const auto& [version, count] : deletion.versions)
    items.push_back(json::Object{
        {"Version", version}, {"Count", count}, {"RemainingCount", deletion.status == "Complete" ? 0 : count}});
  return {{"TotalCount", deletion.total_count},
          {"RemainingCount", deletion.remaining_count},
          {"SummaryItems", std::move(items)}};
}

json::Object deletion_reply(const store::inventory::Deletion& deletion) {
  return {{"DeletionId", deletion.deletion_id},
          {"TypeName", deletion.type_name},
          {"DeletionStartTime", epoch(deletion.started_at)},
          {"LastStatus", deletion.status},
          {"LastStatusMessage", deletion.message},
          {"DeletionSummary", summary_reply(deletion)},
          {"LastStatusUpdateTime", epoch(deletion.updated_at)}};
}

Status change_schema(store::Sql& sql, const Call& call, const DeleteRequest& request) {
  if (request.SchemaDeleteOption == "DeleteSchema") return store::inventory::remove_type(sql, request.TypeName);
  if (request.SchemaDeleteOption.empty()) return {};  // the data alone
  BELAY_TRY_ASSIGN(auto type, store::inventory::find_type(sql, request.TypeName));
  type->disabled_through = type->schema_version;
  return store::inventory::put_type(sql, *type, call.now);
}

Result<json::Object> delete_type(store::Sql& sql, const Call& call, const DeleteRequest& request) {
  BELAY_TRY(check_inventory_type(sql, request.TypeName));
  store::inventory::Deletion deletion;
  deletion.type_name = request.TypeName;
  deletion.option = request.SchemaDeleteOption;
  deletion.started_at = deletion.updated_at = call.now;
  deletion.requested_by = call.principal;
  deletion.message = "items are being deleted";
  BELAY_TRY_ASSIGN(deletion.versions, store::inventory::count_items(sql, request.TypeName));
  for (const auto& [version, count] : deletion.versions) deletion.total_count += count;
  deletion.remaining_count = deletion.total_count;
  json::Object reply{{"TypeName", request.TypeName}, {"DeletionSummary", summary_reply(deletion)}};
  if (request.DryRun) return reply;
  deletion.deletion_id = make_uuid(io::random_bytes(kIdRandomBytes));
  BELAY_TRY(change_schema(sql, call, request));
  BELAY_TRY(start_inventory_deletion(sql, deletion));
  BELAY_TRY(audit_change(sql, call, request.TypeName,
                         {{"DeletionId", deletion.deletion_id},
                          {"SchemaDeleteOption", request.SchemaDeleteOption},
                          {"TotalCount", deletion.total_count}}));
  reply["DeletionId"] = deletion.deletion_id;
  return reply;
}

}  // namespace

Result<json::Object> delete_inventory(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<DeleteRequest>());
  if (!inventory::is_custom(request.TypeName))
    return failure("InvalidTypeNameException",
                   sanitize(request.TypeName, 100) + " cannot be deleted: that is for types that begin with Custom:");
  if (request.DryRun) return call.read([&](store::Sql& sql) { return delete_type(sql, call, request); });
  return call.write([&](store::Sql& sql) {
    return once(call, sql, request.ClientToken, [&] { return delete_type(sql, call, request); });
  });
}

Result<json::Object> describe_inventory_deletions(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  const std::string id = call.text("DeletionId");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    if (id.empty()) {
      BELAY_TRY_ASSIGN(const auto found, store::inventory::list_deletions(sql, page));
      json::Array rows;
      for (const auto& deletion : found.items) rows.push_back(deletion_reply(deletion));
      json::Object reply{{"InventoryDeletions", std::move(rows)}};
      put_next(reply, call, found.next);
      return reply;
    }
    const auto deletion = store::inventory::get_deletion(sql, id);
    if (!deletion.ok() && deletion.error().code() == Code::not_found)
      return failure("InvalidDeletionIdException", "there is no inventory deletion " + id);
    if (!deletion.ok()) return deletion.error();
    return json::Object{{"InventoryDeletions", json::Array{deletion_reply(*deletion)}}};
  });
}

}  // namespace belay::server
