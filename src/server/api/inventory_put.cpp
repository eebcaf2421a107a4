// PutInventory: what a node reports of itself, or somebody of a node.
#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/inventory/types.hpp"
#include "io/crypto.hpp"
#include "server/api/handlers.hpp"
#include "server/api/inventory.hpp"
#include "server/api/reply_parts.hpp"

namespace belay::server {
namespace {

using inventory::Entries;

// SSM's bounds; of custom types SSM has 20.
constexpr std::size_t kItemBytesMax = 1'024u << 10, kCustomBytesMax = 200u << 10, kCallBytesMax = 1u << 20;
constexpr std::int64_t kCustomTypesMax = 200;
constexpr std::size_t kAttributesMax = 50;

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

std::string text_of(const Entries& entries) { return json::to_canonical_text(json::encode(entries)); }

Status check_known_type(const WireItem& item) {
  const auto* type = inventory::find_type(item.TypeName);
  if (!type)
    return failure("InvalidTypeNameException", "there is no inventory type '" + sanitize(item.TypeName, 100) +
                                                   "': AWS:File is taken, and any that begins with Custom:");
  if (type->source == inventory::Source::derived)
    return failure("InvalidTypeNameException",
                   item.TypeName + " is not put: the server derives it from the node's scans, facts and tags");
  if (item.SchemaVersion != type->version)
    return failure(
        "UnsupportedInventorySchemaVersionException",
        item.TypeName + " has the schema version " + std::string(type->version) + ", not " + item.SchemaVersion);
  for (const auto& entry : item.Content.value_or(Entries()))
    for (const auto& [attribute, value] : entry)
      if (!inventory::has_attribute(*type, attribute))
        return failure("InvalidItemContentException",
                       item.TypeName + " has no attribute '" + sanitize(attribute, 64) + "'");
  return {};
}

Status check_item(const WireItem& item) {
  if (!item.Context.empty())
    return failure("UnsupportedInventoryItemContextException",
                   "the Context is for compliance items alone, not for " + sanitize(item.TypeName, 100));
  if (inventory::is_custom(item.TypeName)) {
    const std::string name = item.TypeName.substr(7);
    if (trim(name).empty() || trim(name) != name || sanitize(name, 200) != name || name.find('\n') != std::string::npos)
      return failure("InvalidTypeNameException", "after Custom: a name is wanted, without white space around it");
  } else {
    BELAY_TRY(check_known_type(item));
  }
  if (!item.Content && item.ContentHash.empty())
    return failure("InvalidItemContentException", item.TypeName + " comes with neither Content nor ContentHash");
  const std::size_t bytes = item.Content ? text_of(*item.Content).size() : 0;
  const std::size_t most = inventory::is_custom(item.TypeName) ? kCustomBytesMax : kItemBytesMax;
  if (bytes > most)
    return failure("ItemSizeLimitExceededException", item.TypeName + " has " + std::to_string(bytes) +
                                                         " bytes; an item of that type has at most " +
                                                         std::to_string(most));
  return {};
}

Status check_items(const std::vector<WireItem>& items) {
  std::set<std::string> types;
  std::size_t bytes = 0;
  for (const auto& item : items) {
    BELAY_TRY(check_item(item));
    if (!types.insert(item.TypeName).second)
      return failure("InvalidItemContentException", item.TypeName + " is there twice in one request");
    if (item.Content) bytes += text_of(*item.Content).size();
  }
  if (bytes > kCallBytesMax)
    return failure("TotalSizeLimitExceededException", "the items have " + std::to_string(bytes) +
                                                          " bytes together; a request has at most " +
                                                          std::to_string(kCallBytesMax));
  return {};
}

// What the item tells of its custom type is kept, so that schemas, filters and counts know it.
Status learn_type(store::Sql& sql, const WireItem& item, Instant now) {
  BELAY_TRY_ASSIGN(const auto known, store::inventory::find_type(sql, item.TypeName));
  if (!known) {
    BELAY_TRY_ASSIGN(const auto count, store::inventory::count_types(sql));
    if (count >= kCustomTypesMax)
      return failure("CustomSchemaCountLimitExceededException",
                     "there are " + std::to_string(count) +
                         " custom inventory types, as many as may be; delete one "
                         "with DeleteInventory first");
  }
  if (known && !known->disabled_through.empty() &&
      !inventory::is_later_version(item.SchemaVersion, known->disabled_through))
    return failure(
        "UnsupportedInventorySchemaVersionException",
        item.TypeName + " was disabled up to schema version " + known->disabled_through + ": report a later version");
  auto type = known.value_or(store::inventory::Type{item.TypeName, item.SchemaVersion, {}, {}});
  std::set<std::string> attributes(type.attributes.begin(), type.attributes.end());
  for (const auto& entry : item.Content.value_or(Entries()))
    for (const auto& [attribute, value] : entry) attributes.insert(attribute);
  if (attributes.size() > kAttributesMax)
    return failure("InvalidItemContentException", item.TypeName + " would have " + std::to_string(attributes.size()) +
                                                      " attributes; a type has at most 50");
  if (inventory::is_later_version(item.SchemaVersion, type.schema_version)) type.schema_version = item.SchemaVersion;
  const bool same =
      known && known->schema_version == type.schema_version && attributes.size() == type.attributes.size();
  if (same) return {};
  type.attributes.assign(attributes.begin(), attributes.end());
  return store::inventory::put_type(sql, type, now);
}

// The item as it is, or its hash alone; what is there already only gets a new time. Whether the content changed.
Result<bool> take_item(store::Sql& sql, const Call& call, const std::string& node_id, const WireItem& item) {
  BELAY_TRY_ASSIGN(const auto said, parse_iso8601(item.CaptureTime).within("CaptureTime"));
  const Instant captured = std::min(said, call.now);  // a clock that runs ahead makes nothing fresher
  if (!item.Content) {
    BELAY_TRY_ASSIGN(const bool there,
                     store::inventory::confirm(sql, node_id, item.TypeName, item.ContentHash, captured, call.now));
    if (there) return false;
    return failure("ItemContentMismatchException",
                   "nothing of " + item.TypeName + " with that ContentHash is kept for the node: send the Content");
  }
  if (inventory::is_custom(item.TypeName)) BELAY_TRY(learn_type(sql, item, call.now));
  store::inventory::Item wanted{node_id,
                                item.TypeName,
                                item.SchemaVersion,
                                captured,
                                call.now,
                                item.ContentHash,
                                {},
                                static_cast<std::uint32_t>(item.Content->size()),
                                text_of(*item.Content)};
  const std::string sha256 = sql.seams().sha256_hex(wanted.entries);
  BELAY_TRY_ASSIGN(const auto before, store::inventory::find(sql, node_id, item.TypeName));
  if (before && before->sha256 != sha256 && !item.ContentHash.empty() && before->content_hash == item.ContentHash)
    return failure("ItemContentMismatchException",
                   "the ContentHash of " + item.TypeName + " is that of other content: hash the content that is sent");
  BELAY_TRY(store::inventory::put(sql, wanted));
  return !before || before->sha256 != sha256;
}

}  // namespace

Result<json::Object> put_inventory(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<PutRequest>());
  BELAY_TRY(check_items(request.Items));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, request.InstanceId));
    json::Array changed;
    for (const auto& item : request.Items) {
      BELAY_TRY_ASSIGN(const bool is_new, take_item(sql, call, node.node_id, item));
      if (is_new) changed.push_back(json::Value(item.TypeName));
    }
    const std::string message =
        std::to_string(request.Items.size()) + " items taken, " + std::to_string(changed.size()) + " with new content";
    if (!changed.empty()) BELAY_TRY(audit_change(sql, call, node.node_id, {{"Types", std::move(changed)}}));
    return json::Object{{"Message", message}};
  });
}

}  // namespace belay::server
