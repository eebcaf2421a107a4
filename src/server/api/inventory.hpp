#pragma once
// What the inventory's operations share.
#include <string>
#include <string_view>
#include <vector>

#include "core/inventory/query.hpp"
#include "server/api/operation.hpp"
#include "server/engine/inventory_view.hpp"

namespace belay::server {

struct WireInventoryFilter {
  std::string Key;
  std::vector<std::string> Values;
  std::string Type = "Equal";
};
BOOST_DESCRIBE_STRUCT(WireInventoryFilter, (), (Key, Values, Type))

// InvalidTypeNameException where neither SSM's types nor the custom ones have it.
Status check_inventory_type(store::Sql& sql, std::string_view type);
// The attribute belongs to the type (custom types: to what was ever reported of it); else the exception given.
Status check_inventory_path(store::Sql& sql, const inventory::Path& path, std::string_view exception);
// InvalidFilter; Exists is taken only where `exists_allowed`.
Result<std::vector<inventory::Filter>> inventory_filters(store::Sql& sql,
                                                         const std::vector<WireInventoryFilter>& filters,
                                                         bool exists_allowed);
json::Array entries_reply(const inventory::Entries& entries);
// The pattern of InventoryItemCaptureTime knows no fractions.
std::string capture_time(Instant at);
InventoryView inventory_view(store::Sql& sql, const Call& call);

}  // namespace belay::server
