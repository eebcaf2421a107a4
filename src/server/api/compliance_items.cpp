// SSM's compliance items: what is put from outside, and all there are of a node, Patch included.
#include "store/compliance_items.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/shapes/validate.hpp"
#include "server/api/string_filters.hpp"
#include "server/engine/compliance_view.hpp"
#include "server/engine/remedy_kind.hpp"
#include "store/tags.hpp"

namespace belay::server {
namespace {

namespace ci = store::compliance_items;

constexpr std::size_t kItemsBytesMax = 800u << 10;  // SSM's bound of one call
constexpr std::size_t kTypesMax = 200;              // of Custom:… in the installation
constexpr std::size_t kItemIdChars = 1024;
constexpr std::size_t kNodesScannedMax = 2'000;  // for one page

struct WireSummary {
  json::Value ExecutionTime;
  std::string ExecutionId, ExecutionType;
};
BOOST_DESCRIBE_STRUCT(WireSummary, (), (ExecutionTime, ExecutionId, ExecutionType))
struct WireEntry {
  std::string Id, Title, Severity, Status;
  std::map<std::string, std::string> Details;
};
BOOST_DESCRIBE_STRUCT(WireEntry, (), (Id, Title, Severity, Status, Details))
struct PutRequest {
  std::string ResourceId, ResourceType, ComplianceType, ItemContentHash;
  std::string UploadType = "COMPLETE";
  WireSummary ExecutionSummary;
  std::vector<WireEntry> Items;
};
BOOST_DESCRIBE_STRUCT(PutRequest, (),
                      (ResourceId, ResourceType, ComplianceType, ItemContentHash, UploadType, ExecutionSummary, Items))
struct ListRequest {
  std::vector<std::string> ResourceIds, ResourceTypes;
};
BOOST_DESCRIBE_STRUCT(ListRequest, (), (ResourceIds, ResourceTypes))

Status check_resource_type(const std::string& type) {
  if (type == store::tags::kManagedInstance) return {};
  return failure("InvalidResourceType",
                 "compliance is of resources of the type ManagedInstance, not of '" + sanitize(type, 50) + "'");
}

Result<store::nodes::Node> resource(store::Sql& sql, const std::string& id) {
  auto node = active_node(sql, id);
  if (node.ok() || node.error().reason() != "InvalidInstanceId") return node;
  return failure("InvalidResourceId", node.error().message());
}

Result<std::vector<ci::Item>> items_of(const PutRequest& request) {
  std::vector<ci::Item> items;
  std::set<std::string> ids;
  for (const auto& entry : request.Items) {
    ci::Item item;
    item.item_id = entry.Id.empty() ? entry.Title : entry.Id;
    if (item.item_id.empty() || item.item_id.size() > kItemIdChars)
      return failure("InvalidItemContentException", "every item has an Id (or a Title) of 1 to 1024 characters");
    if (!ids.insert(item.item_id).second)
      return failure("InvalidItemContentException",
                     "the item '" + sanitize(item.item_id, 100) + "' is there twice in one request");
    item.title = entry.Title;
    item.severity = entry.Severity;
    item.status = entry.Status;
    item.details = entry.Details;
    items.push_back(std::move(item));
  }
  return items;
}

Status check_type(store::Sql& sql, const std::string& type) {
  BELAY_TRY_ASSIGN(const auto types, ci::types(sql));
  if (types.size() < kTypesMax || std::ranges::find(types, type) != types.end()) return {};
  return failure("ComplianceTypeCountLimitExceededException",
                 "there are " + std::to_string(types.size()) + " custom compliance types, as many as may be");
}

json::Object item_reply(const std::string& node_id, const std::string& type, const ci::Item& item) {
  json::Object summary{{"ExecutionTime", epoch(item.execution.executed_at)}};
  put(summary, "ExecutionId", json::Value(item.execution.execution_id));
  put(summary, "ExecutionType", json::Value(item.execution.execution_type));
  json::Object row{{"ComplianceType", type},    {"ResourceType", store::tags::kManagedInstance},
                   {"ResourceId", node_id},     {"Id", item.item_id},
                   {"Title", item.title},       {"Status", item.status},
                   {"Severity", item.severity}, {"ExecutionSummary", std::move(summary)}};
  if (!item.details.empty()) row["Details"] = json::encode(item.details);
  return row;
}

bool item_passes(const std::vector<StringFilter>& filters, const json::Object& row) {
  return std::ranges::all_of(filters, [&](const StringFilter& filter) {
    for (const char* part : {"", "ExecutionSummary", "Details"}) {
      const auto* holder = *part == '\0' ? nullptr : row.if_contains(part);
      if (*part != '\0' && !holder) continue;
      const auto* value = holder ? holder->get_object().if_contains(filter.Key) : row.if_contains(filter.Key);
      if (value && value->is_string()) return passes(filter, std::string_view(value->get_string()));
    }
    return passes(filter, "");
  });
}

// The rows of one node that pass, from `offset` on; `next` is where the page after goes on, absent where it is done.
struct Piece {
  json::Array rows;
  std::optional<std::size_t> next;
};
Result<Piece> piece_of(store::Sql& sql, const Call& call, const std::string& node_id,
                       const std::vector<StringFilter>& filters, std::size_t offset, std::size_t limit) {
  ComplianceView view(sql, call.services.judge, call.now);
  BELAY_TRY_ASSIGN(const auto standings, view.standings(node_id));
  Piece piece;
  std::size_t at = 0;
  for (const auto& standing : standings) {
    const auto of_type = std::ranges::find(filters, "ComplianceType", &StringFilter::Key);
    if (of_type != filters.end() && !passes(*of_type, standing.type)) continue;
    BELAY_TRY_ASSIGN(const auto items, view.items(node_id, standing.type));
    for (const auto& item : items) {
      if (at++ < offset) continue;
      auto row = item_reply(node_id, standing.type, item);
      if (!item_passes(filters, row)) continue;
      if (piece.rows.size() == limit) {
        piece.next = at - 1;
        return piece;
      }
      piece.rows.push_back(std::move(row));
    }
  }
  return piece;
}

// Which nodes, after the one the page before ended with.
Result<std::vector<std::string>> nodes_after(store::Sql& sql, const std::vector<std::string>& asked,
                                             const std::string& after) {
  std::vector<std::string> ids;
  if (asked.empty()) {
    BELAY_TRY_ASSIGN(auto listed, store::nodes::list_ids(sql, {}, {200, after}));
    return std::move(listed.items);
  }
  std::ranges::copy_if(asked, std::back_inserter(ids), [&](const std::string& id) { return id > after; });
  return ids;
}

// Where a page goes on: after a node, or inside it ("node:offset").
struct Place {
  std::string node;
  std::optional<std::size_t> offset;
  std::string text() const { return node + (offset ? ":" + std::to_string(*offset) : ""); }
};
Place place_of(const std::string& text) {
  const auto colon = text.find(':');
  Place place{text.substr(0, colon), {}};
  if (colon != std::string::npos)
    place.offset = static_cast<std::size_t>(std::strtoull(text.c_str() + colon + 1, nullptr, 10));
  return place;
}

// One page of rows over nodes; what follows is in `place`, whose node is "" where nothing does.
Result<json::Array> rows_over_nodes(store::Sql& sql, const Call& call, const std::vector<std::string>& asked,
                                    const std::vector<StringFilter>& filters, std::size_t limit, Place& place) {
  json::Array rows;
  std::size_t scanned = 0;
  std::vector<std::string> ids;
  if (place.offset) ids = {place.node};
  std::size_t offset = place.offset.value_or(0);
  for (;;) {
    for (const auto& id : ids) {
      BELAY_TRY_ASSIGN(auto piece, piece_of(sql, call, id, filters, std::exchange(offset, 0), limit - rows.size()));
      for (auto& row : piece.rows) rows.push_back(std::move(row));
      place = {id, piece.next};
      if (piece.next || ++scanned >= kNodesScannedMax) return rows;
    }
    BELAY_TRY_ASSIGN(ids, nodes_after(sql, asked, place.node));
    if (ids.empty()) break;
  }
  place = {};
  return rows;
}

}  // namespace

Result<json::Object> put_compliance_items(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<PutRequest>());
  BELAY_TRY(check_resource_type(request.ResourceType));
  if (!request.ComplianceType.starts_with(ci::kCustomPrefix))
    return failure("InvalidItemContentException",
                   "items of the type '" + sanitize(request.ComplianceType, 100) +
                       "' are not put: Patch is judged from scans, Association written by associations; use Custom:…");
  BELAY_TRY_ASSIGN(const auto items, items_of(request));
  const std::size_t bytes = json::to_text(*json::find(call.request, "Items")).size();
  if (bytes > kItemsBytesMax)
    return failure("ItemSizeLimitExceededException", "the items have " + std::to_string(bytes) +
                                                         " bytes; one call brings at most " +
                                                         std::to_string(kItemsBytesMax) + ": use UploadType PARTIAL");
  const auto executed = shapes::time_of(request.ExecutionSummary.ExecutionTime);
  if (!executed) return failure("ValidationException", "ExecutionSummary.ExecutionTime is no time");
  ci::Report report;
  report.node_id = request.ResourceId;
  report.compliance_type = request.ComplianceType;
  report.execution = {request.ExecutionSummary.ExecutionId, request.ExecutionSummary.ExecutionType,
                      std::min(*executed, call.now)};  // a clock that runs ahead makes nothing fresher
  report.received_at = call.now;
  report.content_hash = request.ItemContentHash;
  report.reported_by = call.principal;
  const bool partial = request.UploadType == "PARTIAL";
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, resource(sql, request.ResourceId));
    BELAY_TRY(check_type(sql, request.ComplianceType));
    if (!partial) {
      BELAY_TRY_ASSIGN(const bool same, ci::confirm(sql, report));
      if (same) return json::Object();
    }
    BELAY_TRY_ASSIGN(const auto stands, ci::put(sql, report, items, partial));
    BELAY_TRY(audit_change(sql, call, node.node_id,
                           {{"ComplianceType", report.compliance_type},
                            {"Items", items.size()},
                            {"Sha256", stands.sha256},
                            {"NonCompliant", stands.non_compliant_count}}));
    BELAY_TRY(tell_remedies(sql, node.node_id, call.now));
    return json::Object();
  });
}

Result<json::Object> list_compliance_items(const Call& call) {
  BELAY_TRY_ASSIGN(auto request, call.as<ListRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto filters,
                   string_filters(call.request, {"ComplianceType", "Status", "Severity", "Id", "Title", "ExecutionId",
                                                 "ExecutionType", "PatchState", "Classification", "PatchSeverity",
                                                 "PatchBaselineId", "PatchGroup", "DocumentName", "DocumentVersion"}));
  for (const auto& type : request.ResourceTypes) BELAY_TRY(check_resource_type(type));
  std::ranges::sort(request.ResourceIds);
  const auto [first, last] = std::ranges::unique(request.ResourceIds);
  request.ResourceIds.erase(first, last);
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    for (const auto& id : request.ResourceIds) BELAY_TRY(resource(sql, id));
    Place place = place_of(page.after);
    BELAY_TRY_ASSIGN(auto rows, rows_over_nodes(sql, call, request.ResourceIds, filters, page.limit, place));
    json::Object reply{{"ComplianceItems", std::move(rows)}};
    put_next(reply, call, place.text());
    return reply;
  });
}

}  // namespace belay::server
