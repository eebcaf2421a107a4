#include "server/engine/inventory_intake.hpp"

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/inventory/report.hpp"
#include "core/inventory/types.hpp"
#include "store/inventory.hpp"

namespace belay::server {
namespace {

using inventory::Entries;

constexpr std::int64_t kCustomTypesMax = 200;  // SSM has 20
constexpr std::size_t kAttributesMax = 50;

Error failure(std::string_view type, std::string message) {
  return Error(Code::invalid_argument, std::move(message), std::string(type));
}

std::string text_of(const Entries& entries) { return json::to_canonical_text(json::encode(entries)); }

Status check_known_type(const ReportedInventory& item) {
  const auto* type = inventory::find_type(item.type_name);
  if (!type)
    return failure("InvalidTypeNameException", "there is no inventory type '" + sanitize(item.type_name, 100) +
                                                   "': AWS:File is taken, and any that begins with Custom:");
  if (type->source == inventory::Source::derived)
    return failure("InvalidTypeNameException",
                   item.type_name + " is not put: the server derives it from the node's scans, facts and tags");
  if (item.schema_version != type->version)
    return failure(
        "UnsupportedInventorySchemaVersionException",
        item.type_name + " has the schema version " + std::string(type->version) + ", not " + item.schema_version);
  for (const auto& entry : item.content.value_or(Entries()))
    for (const auto& [attribute, value] : entry)
      if (!inventory::has_attribute(*type, attribute))
        return failure("InvalidItemContentException",
                       item.type_name + " has no attribute '" + sanitize(attribute, 64) + "'");
  return {};
}

// What the item tells of its custom type is kept, so that schemas, filters and counts know it.
Status learn_type(store::Sql& sql, const ReportedInventory& item, Instant now) {
  BELAY_TRY_ASSIGN(const auto known, store::inventory::find_type(sql, item.type_name));
  if (!known) {
    BELAY_TRY_ASSIGN(const auto count, store::inventory::count_types(sql));
    if (count >= kCustomTypesMax)
      return failure("CustomSchemaCountLimitExceededException",
                     "there are " + std::to_string(count) +
                         " custom inventory types, as many as may be; delete one "
                         "with DeleteInventory first");
  }
  if (known && !known->disabled_through.empty() &&
      !inventory::is_later_version(item.schema_version, known->disabled_through))
    return failure(
        "UnsupportedInventorySchemaVersionException",
        item.type_name + " was disabled up to schema version " + known->disabled_through + ": report a later version");
  auto type = known.value_or(store::inventory::Type{item.type_name, item.schema_version, {}, {}});
  std::set<std::string> attributes(type.attributes.begin(), type.attributes.end());
  for (const auto& entry : item.content.value_or(Entries()))
    for (const auto& [attribute, value] : entry) attributes.insert(attribute);
  if (attributes.size() > kAttributesMax)
    return failure("InvalidItemContentException", item.type_name + " would have " + std::to_string(attributes.size()) +
                                                      " attributes; a type has at most 50");
  if (inventory::is_later_version(item.schema_version, type.schema_version)) type.schema_version = item.schema_version;
  const bool same =
      known && known->schema_version == type.schema_version && attributes.size() == type.attributes.size();
  if (same) return {};
  type.attributes.assign(attributes.begin(), attributes.end());
  return store::inventory::put_type(sql, type, now);
}

}  // namespace

Status check_inventory(const ReportedInventory& item) {
  if (inventory::is_custom(item.type_name)) {
    const std::string name = item.type_name.substr(7);
    if (trim(name).empty() || trim(name) != name || sanitize(name, 200) != name || name.find('\n') != std::string::npos)
      return failure("InvalidTypeNameException", "after Custom: a name is wanted, without white space around it");
  } else {
    BELAY_TRY(check_known_type(item));
  }
  if (!item.content && item.content_hash.empty())
    return failure("InvalidItemContentException", item.type_name + " comes with neither Content nor ContentHash");
  const std::size_t bytes = item.content ? text_of(*item.content).size() : 0;
  const std::size_t most = inventory::is_custom(item.type_name) ? inventory::kCustomBytesMax : inventory::kItemBytesMax;
  if (bytes > most)
    return failure("ItemSizeLimitExceededException", item.type_name + " has " + std::to_string(bytes) +
                                                         " bytes; an item of that type has at most " +
                                                         std::to_string(most));
  return {};
}

Result<bool> take_inventory(store::Sql& sql, const std::string& node_id, const ReportedInventory& item, Instant now) {
  const Instant captured = std::min(item.captured_at, now);  // a clock that runs ahead makes nothing fresher
  if (!item.content) {
    BELAY_TRY_ASSIGN(const bool there,
                     store::inventory::confirm(sql, node_id, item.type_name, item.content_hash, captured, now));
    if (there) return false;
    return failure("ItemContentMismatchException",
                   "nothing of " + item.type_name + " with that ContentHash is kept for the node: send the Content");
  }
  if (inventory::is_custom(item.type_name)) BELAY_TRY(learn_type(sql, item, now));
  store::inventory::Item wanted{node_id,
                                item.type_name,
                                item.schema_version,
                                captured,
                                now,
                                item.content_hash,
                                {},
                                static_cast<std::uint32_t>(item.content->size()),
                                text_of(*item.content)};
  const std::string sha256 = sql.seams().sha256_hex(wanted.entries);
  BELAY_TRY_ASSIGN(const auto before, store::inventory::find(sql, node_id, item.type_name));
  if (before && before->sha256 != sha256 && !item.content_hash.empty() && before->content_hash == item.content_hash)
    return failure("ItemContentMismatchException",
                   "the ContentHash of " + item.type_name + " is that of other content: hash the content that is sent");
  BELAY_TRY(store::inventory::put(sql, wanted));
  return !before || before->sha256 != sha256;
}

}  // namespace belay::server
