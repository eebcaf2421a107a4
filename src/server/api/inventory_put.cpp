// PutInventory: what a node reports of itself, or somebody of a node.
#include <set>

#include "base/text.hpp"
#include "core/inventory/report.hpp"
#include "server/api/handlers.hpp"
#include "server/api/inventory.hpp"
#include "server/api/reply_parts.hpp"
#include "server/engine/inventory_intake.hpp"

namespace belay::server {
namespace {

using inventory::Entries;

struct WireItem {
  std::string TypeName, SchemaVersion, CaptureTime, ContentHash;
  std::optional<Entries> Content;
  std::map<std::string, std::string> Context;
};
BOOST_DESCRIBE_STRUCT(WireItem, (), (TypeName, SchemaVersion, CaptureTime, ContentHash, Content, Context))
struct PutRequest {
  std::string InstanceId;
  std::vector<WireItem> Items;
};
BOOST_DESCRIBE_STRUCT(PutRequest, (), (InstanceId, Items))

Result<ReportedInventory> reported(const WireItem& item) {
  if (!item.Context.empty())
    return failure("UnsupportedInventoryItemContextException",
                   "the Context is for compliance items alone, not for " + sanitize(item.TypeName, 100));
  ReportedInventory report{item.TypeName, item.SchemaVersion, item.ContentHash, {}, item.Content};
  BELAY_TRY(check_inventory(report));
  BELAY_TRY_ASSIGN(report.captured_at, parse_iso8601(item.CaptureTime).within("CaptureTime"));
  return report;
}

Result<std::vector<ReportedInventory>> reports_of(const std::vector<WireItem>& items) {
  std::vector<ReportedInventory> reports;
  std::set<std::string> types;
  std::size_t bytes = 0;
  for (const auto& item : items) {
    BELAY_TRY_ASSIGN(auto report, reported(item));
    if (!types.insert(item.TypeName).second)
      return failure("InvalidItemContentException", item.TypeName + " is there twice in one request");
    if (item.Content) bytes += json::to_canonical_text(json::encode(*item.Content)).size();
    reports.push_back(std::move(report));
  }
  if (bytes > inventory::kReportBytesMax)
    return failure("TotalSizeLimitExceededException", "the items have " + std::to_string(bytes) +
                                                          " bytes together; a request has at most " +
                                                          std::to_string(inventory::kReportBytesMax));
  return reports;
}

}  // namespace

Result<json::Object> put_inventory(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<PutRequest>());
  BELAY_TRY_ASSIGN(const auto reports, reports_of(request.Items));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, request.InstanceId));
    json::Array changed;
    for (const auto& report : reports) {
      BELAY_TRY_ASSIGN(const bool is_new, take_inventory(sql, node.node_id, report, call.now));
      if (is_new) changed.push_back(json::Value(report.type_name));
    }
    const std::string message =
        std::to_string(reports.size()) + " items taken, " + std::to_string(changed.size()) + " with new content";
    if (!changed.empty()) BELAY_TRY(audit_change(sql, call, node.node_id, {{"Types", std::move(changed)}}));
    return json::Object{{"Message", message}};
  });
}

}  // namespace belay::server
