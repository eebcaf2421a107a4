#pragma once
// What nodes report of themselves by SSM's PutInventory: one item for each node and type, kept by its content hash.
// Only what is reported lies here. What the server knows already (packages of the newest scan, facts, tags, verdicts)
// is derived from there whenever it is asked for (server/engine/inventory_view.hpp), never kept a second time.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::inventory {

struct Item {
  std::string node_id{}, type_name{}, schema_version{};
  Instant captured_at{};  // the caller never lets it lie after received_at
  Instant received_at{};
  std::string content_hash{};  // as the reporter named it, else `sha256`
  std::string sha256{};        // of `entries`; set by put()
  std::uint32_t entry_count = 0;
  std::string entries = "[]";  // JSON text: a list of objects, attribute to text
};

// Replaces what this node had of the type. not_found "node-unknown" where there is no such node.
Status put(Sql& sql, const Item& item);
// What is there has this hash: only its times move on (never back). false where it is not so, and nothing is changed.
Result<bool> confirm(Sql& sql, std::string_view node_id, std::string_view type_name, std::string_view content_hash,
                     Instant captured_at, Instant received_at);
Result<std::optional<Item>> find(Sql& sql, std::string_view node_id, std::string_view type_name);
// One answer for each node, in order.
Result<std::vector<std::optional<Item>>> find_many(Sql& sql, std::span<const std::string> node_ids,
                                                   std::string_view type_name);
// Sorted.
Result<std::vector<std::string>> types_of(Sql& sql, std::string_view node_id);

// ---- custom types: what was learned of their attributes
struct Type {
  std::string type_name{}, schema_version{};
  std::vector<std::string> attributes{};  // sorted
  std::string disabled_through{};         // items of this schema version and earlier are not taken; "" where all are
};
Result<std::optional<Type>> find_type(Sql& sql, std::string_view type_name);
Status put_type(Sql& sql, const Type& type, Instant at);
// Passed over where there is none.
Status remove_type(Sql& sql, std::string_view type_name);
Result<Listed<Type>> list_types(Sql& sql, const Page& page);
Result<std::int64_t> count_types(Sql& sql);

// ---- deletions of custom types, carried out piece by piece
struct Deletion {
  std::string deletion_id{}, type_name{}, option{};
  Instant started_at{}, updated_at{};
  std::string status = "InProgress";  // or "Complete"
  std::string message{};
  std::int64_t total_count = 0, remaining_count = 0;
  std::map<std::string, std::int64_t> versions{};  // schema version to items there were
  std::string requested_by{};
};
// Items there are, by schema version.
Result<std::map<std::string, std::int64_t>> count_items(Sql& sql, std::string_view type_name);
// Deletes at most `limit` of the type that were received at or before `until`; how many.
Result<std::int64_t> remove_items(Sql& sql, std::string_view type_name, Instant until, std::uint32_t limit);
Status add_deletion(Sql& sql, const Deletion& deletion);
// Status, message, counts and time.
Status update_deletion(Sql& sql, const Deletion& deletion);
Result<Deletion> get_deletion(Sql& sql, std::string_view deletion_id);
// Newest first.
Result<Listed<Deletion>> list_deletions(Sql& sql, const Page& page);

}  // namespace belay::store::inventory
