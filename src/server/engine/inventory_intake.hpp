#pragma once
// What somebody reports of a node: by PutInventory, or the node itself after aws:softwareInventory. One set of rules.
#include <optional>
#include <string>

#include "base/time.hpp"
#include "core/inventory/query.hpp"
#include "store/store.hpp"

namespace belay::server {

struct ReportedInventory {
  std::string type_name, schema_version, content_hash;
  Instant captured_at{};
  std::optional<inventory::Entries> content;  // absent: what lies there has this content_hash
};

// The errors are SSM's: InvalidTypeNameException, UnsupportedInventorySchemaVersionException,
// InvalidItemContentException, ItemSizeLimitExceededException. Pure.
Status check_inventory(const ReportedInventory& item);
// The item as it is, or its hash alone; what is there already only gets a new time. Whether the content changed.
// Besides: CustomSchemaCountLimitExceededException, ItemContentMismatchException.
Result<bool> take_inventory(store::Sql& sql, const std::string& node_id, const ReportedInventory& item, Instant now);

}  // namespace belay::server
