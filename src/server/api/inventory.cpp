// Inventory: what is there of a node and of a type, and how the types are made.
#include "server/api/inventory.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "core/inventory/types.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "store/compliance_items.hpp"

namespace belay::server {
namespace {

struct EntriesRequest {
  std::string InstanceId, TypeName;
  std::vector<WireInventoryFilter> Filters;
};
BOOST_DESCRIBE_STRUCT(EntriesRequest, (), (InstanceId, TypeName, Filters))
struct SchemaRequest {
  std::string TypeName;
  bool Aggregator = false, SubType = false;
};
BOOST_DESCRIBE_STRUCT(SchemaRequest, (), (TypeName, Aggregator, SubType))

// Filters of ListInventoryEntries name attributes alone, too.
std::vector<WireInventoryFilter> with_type(std::vector<WireInventoryFilter> filters, const std::string& type) {
  for (auto& filter : filters)
    if (!filter.Key.starts_with("AWS:") && !filter.Key.starts_with("Custom:")) filter.Key = type + "." + filter.Key;
  return filters;
}

// "offset.hash": good as long as the entries are the same.
Result<std::size_t> offset_of(const std::string& after, const std::string& hash) {
  if (after.empty()) return std::size_t{0};
  const auto dot = after.find('.');
  std::size_t offset = 0;
  const auto [end, error] = std::from_chars(after.data(), after.data() + std::min(dot, after.size()), offset);
  if (dot == std::string::npos || error != std::errc() || end != after.data() + dot || after.substr(dot + 1) != hash)
    return failure("InvalidNextToken", "the inventory changed since the first page: ask for that one again");
  return offset;
}

json::Object schema_reply(std::string_view name, std::string_view version, json::Array attributes) {
  return {{"TypeName", name}, {"Version", version}, {"Attributes", std::move(attributes)}};
}

json::Object schema_reply(std::string_view name, const inventory::TypeSchema& type) {
  json::Array attributes;
  for (const auto& attribute : type.attributes)
    attributes.push_back(json::Object{{"Name", attribute.name}, {"DataType", attribute.number ? "number" : "string"}});
  return schema_reply(name, type.version, std::move(attributes));
}

// Every schema there is, SSM's first; custom ones with what was learned of them.
Result<json::Array> schemas(store::Sql& sql) {
  json::Array all;
  for (const auto& type : inventory::known_types()) all.push_back(schema_reply(type.name, type));
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto custom, store::inventory::list_types(sql, page));
    for (const auto& type : custom.items) {
      json::Array attributes;
      for (const auto& name : type.attributes)
        attributes.push_back(json::Object{{"Name", name}, {"DataType", "string"}});
      if (!attributes.empty()) all.push_back(schema_reply(type.type_name, type.schema_version, std::move(attributes)));
    }
    page.after = custom.next;
  } while (!page.after.empty());
  return all;
}

// Of AWS:ComplianceItem: one for each type of compliance.
Result<json::Array> sub_schemas(store::Sql& sql) {
  json::Array all;
  const auto& type = *inventory::find_type(inventory::kComplianceItem);
  const auto add = [&](std::string_view name) {
    all.push_back(schema_reply(std::string(inventory::kComplianceSubType) + std::string(name), type));
  };
  add(store::compliance_items::kPatch);
  BELAY_TRY_ASSIGN(const auto types, store::compliance_items::types(sql));
  for (const auto& name : types) add(name);
  return all;
}

}  // namespace

Status check_inventory_type(store::Sql& sql, std::string_view type) {
  if (inventory::find_type(type)) return {};
  if (inventory::is_custom(type)) {
    BELAY_TRY_ASSIGN(const auto custom, store::inventory::find_type(sql, type));
    if (custom) return {};
  }
  return failure("InvalidTypeNameException",
                 "there is no inventory type '" + sanitize(type, 100) + "': GetInventorySchema lists those there are");
}

Status check_inventory_path(store::Sql& sql, const inventory::Path& path, std::string_view exception) {
  BELAY_TRY(check_inventory_type(sql, path.type));
  bool has = false;
  if (const auto* type = inventory::find_type(path.type)) {
    // What was reported may say more in its details than the schema of the type tells.
    has = inventory::has_attribute(*type, path.attribute) || type->name == inventory::kComplianceItem;
  } else {
    BELAY_TRY_ASSIGN(const auto custom, store::inventory::find_type(sql, path.type));
    has = custom && std::ranges::find(custom->attributes, path.attribute) != custom->attributes.end();
  }
  if (has) return {};
  return failure(exception, "the inventory type " + path.type + " has no attribute '" + sanitize(path.attribute, 100) +
                                "': GetInventorySchema lists those it has");
}

Result<std::vector<inventory::Filter>> inventory_filters(store::Sql& sql,
                                                         const std::vector<WireInventoryFilter>& filters,
                                                         bool exists_allowed) {
  std::vector<inventory::Filter> all;
  for (const auto& wire : filters) {
    BELAY_TRY_ASSIGN(const auto op, json::decode<inventory::Operator>(json::Value(wire.Type)));
    if (op == inventory::Operator::Exists && !exists_allowed)
      return failure("InvalidFilter", "the filter type Exists is taken with Aggregators alone");
    auto filter = inventory::make_filter(wire.Key, op, wire.Values);
    if (!filter.ok()) return failure("InvalidFilter", filter.error().message());
    if (filter->attribute.empty()) BELAY_TRY(check_inventory_type(sql, filter->type));
    else BELAY_TRY(check_inventory_path(sql, {filter->type, filter->attribute}, "InvalidFilter"));
    all.push_back(std::move(*filter));
  }
  return all;
}

json::Array entries_reply(const inventory::Entries& entries) {
  json::Array out;
  out.reserve(entries.size());
  for (const auto& entry : entries) out.push_back(json::encode(entry));
  return out;
}

std::string capture_time(Instant at) { return to_iso8601(std::chrono::floor<std::chrono::seconds>(at)); }

InventoryView inventory_view(store::Sql& sql, const Call& call) {
  return {sql, call.services.judge, call.services.online_within, call.now};
}

Result<json::Object> list_inventory_entries(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<EntriesRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, request.InstanceId));
    BELAY_TRY(check_inventory_type(sql, request.TypeName));
    BELAY_TRY_ASSIGN(const auto filters, inventory_filters(sql, with_type(request.Filters, request.TypeName), false));
    for (const auto& filter : filters)
      if (filter.type != request.TypeName)
        return failure("InvalidFilter", "filters here are of " + request.TypeName + ", not of " + filter.type);
    json::Object reply{{"TypeName", request.TypeName}, {"InstanceId", request.InstanceId}, {"Entries", json::Array()}};
    BELAY_TRY_ASSIGN(const auto item, inventory_view(sql, call).item(node, request.TypeName));
    if (!item) return reply;
    reply["SchemaVersion"] = item->schema_version;
    reply["CaptureTime"] = capture_time(item->captured_at);
    BELAY_TRY_ASSIGN(std::size_t at, offset_of(page.after, item->content_hash));
    inventory::Entries shown;
    for (; at < item->entries->size() && shown.size() < page.limit; ++at) {
      const inventory::Entries one{(*item->entries)[at]};
      if (inventory::passes(filters, one)) shown.push_back(one.front());
    }
    reply["Entries"] = entries_reply(shown);
    if (at < item->entries->size()) put_next(reply, call, std::to_string(at) + "." + item->content_hash);
    return reply;
  });
}

Result<json::Object> get_inventory_schema(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<SchemaRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 200));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    if (!request.TypeName.empty()) BELAY_TRY(check_inventory_type(sql, request.TypeName));
    if (request.SubType && !request.TypeName.empty() && request.TypeName != inventory::kComplianceItem)
      return json::Object{{"Schemas", json::Array()}};  // the only one that has sub-types
    BELAY_TRY_ASSIGN(auto all, request.SubType ? sub_schemas(sql) : schemas(sql));
    json::Object reply;
    json::Array shown;
    for (auto& schema : all) {
      const std::string name = json::text_or_empty(schema, "TypeName");
      if (!request.TypeName.empty() && !request.SubType && name != request.TypeName) continue;
      if (!page.after.empty() && name <= page.after) continue;
      if (shown.size() == page.limit) {
        put_next(reply, call, json::text_or_empty(shown.back(), "TypeName"));
        break;
      }
      shown.push_back(std::move(schema));
    }
    reply["Schemas"] = std::move(shown);
    return reply;
  });
}

}  // namespace belay::server
