#include "store/inventory.hpp"

#include "store/detail.hpp"

namespace belay::store::inventory {
namespace {

constexpr std::string_view kItemColumns =
    "node_id, type_name, schema_version, captured_at, received_at, content_hash, sha256, entry_count, entries";

Result<Item> read_item(const Row& row) {
  Item item;
  item.node_id = row.text(0);
  item.type_name = row.text(1);
  item.schema_version = row.text(2);
  item.captured_at = row.instant(3);
  item.received_at = row.instant(4);
  item.content_hash = row.text(5);
  item.sha256 = row.text(6);
  item.entry_count = static_cast<std::uint32_t>(row.integer(7));
  BELAY_TRY_ASSIGN(item.entries, detail::decompress(row.blob(8)));
  return item;
}

Result<Type> read_type(const Row& row) {
  Type type;
  type.type_name = row.text(0);
  type.schema_version = row.text(1);
  BELAY_TRY_ASSIGN(type.attributes,
                   detail::decode_stored<std::vector<std::string>>(row.text(2), "an inventory type's attributes"));
  type.disabled_through = row.text(3);
  return type;
}

constexpr std::string_view kDeletionColumns =
    "deletion_id, type_name, option, started_at, updated_at, status, message, total_count, remaining_count, versions, "
    "requested_by";

Result<Deletion> read_deletion(const Row& row) {
  Deletion deletion;
  deletion.deletion_id = row.text(0);
  deletion.type_name = row.text(1);
  deletion.option = row.text(2);
  deletion.started_at = row.instant(3);
  deletion.updated_at = row.instant(4);
  deletion.status = row.text(5);
  deletion.message = row.text(6);
  deletion.total_count = row.integer(7);
  deletion.remaining_count = row.integer(8);
  using Versions = std::map<std::string, std::int64_t>;
  BELAY_TRY_ASSIGN(deletion.versions, detail::decode_stored<Versions>(row.text(9), "an inventory deletion"));
  deletion.requested_by = row.text(10);
  return deletion;
}

std::string select(std::string_view columns, std::string_view rest) {
  return "SELECT " + std::string(columns) + " FROM " + std::string(rest);
}

}  // namespace

Status put(Sql& sql, const Item& item) {
  BELAY_TRY_ASSIGN(const auto node, sql.query_one("SELECT 1 FROM nodes WHERE node_id = $1", {item.node_id}));
  if (!node) return Error(Code::not_found, "there is no node " + item.node_id, "node-unknown");
  const std::string sha256 = sql.seams().sha256_hex(item.entries);
  BELAY_TRY(
      sql.exec("INSERT INTO inventory_items (node_id, type_name, schema_version, captured_at, received_at, "
               "content_hash, sha256, entry_count, entries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
               "ON CONFLICT (node_id, type_name) DO UPDATE SET schema_version = excluded.schema_version, "
               "captured_at = excluded.captured_at, received_at = excluded.received_at, "
               "content_hash = excluded.content_hash, sha256 = excluded.sha256, entry_count = excluded.entry_count, "
               "entries = excluded.entries",
               {item.node_id, item.type_name, item.schema_version, item.captured_at, item.received_at,
                item.content_hash.empty() ? sha256 : item.content_hash, sha256, item.entry_count,
                detail::compress(item.entries)}));
  return {};
}

Result<bool> confirm(Sql& sql, std::string_view node_id, std::string_view type_name, std::string_view content_hash,
                     Instant captured_at, Instant received_at) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE inventory_items SET captured_at = CASE WHEN captured_at > $4 THEN captured_at ELSE $4 END, "
               "received_at = CASE WHEN received_at > $5 THEN received_at ELSE $5 END "
               "WHERE node_id = $1 AND type_name = $2 AND content_hash = $3",
               {node_id, type_name, content_hash, captured_at, received_at}));
  return touched > 0;
}

Result<std::optional<Item>> find(Sql& sql, std::string_view node_id, std::string_view type_name) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(select(kItemColumns, "inventory_items WHERE node_id = $1 AND type_name = $2"),
                                 {node_id, type_name}));
  if (!row) return std::optional<Item>();
  BELAY_TRY_ASSIGN(auto item, read_item(*row));
  return std::optional<Item>(std::move(item));
}

Result<std::vector<std::optional<Item>>> find_many(Sql& sql, std::span<const std::string> node_ids,
                                                   std::string_view type_name) {
  std::vector<Params> asked;
  for (const auto& id : node_ids) asked.push_back({id, type_name});
  BELAY_TRY_ASSIGN(
      const auto answers,
      sql.query_many(select(kItemColumns, "inventory_items WHERE node_id = $1 AND type_name = $2"), asked));
  std::vector<std::optional<Item>> items;
  for (const auto& rows : answers) {
    auto& item = items.emplace_back();
    if (rows.empty()) continue;
    BELAY_TRY_ASSIGN(item, read_item(rows.front()));
  }
  return items;
}

Result<std::vector<std::string>> types_of(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT type_name FROM inventory_items WHERE node_id = $1 ORDER BY type_name", {node_id}));
  std::vector<std::string> types;
  for (const auto& row : rows) types.push_back(row.text(0));
  return types;
}

// ---- custom types

Result<std::optional<Type>> find_type(Sql& sql, std::string_view type_name) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT type_name, schema_version, attributes, disabled_through "
                                                 "FROM inventory_types WHERE type_name = $1",
                                                 {type_name}));
  if (!row) return std::optional<Type>();
  BELAY_TRY_ASSIGN(auto type, read_type(*row));
  return std::optional<Type>(std::move(type));
}

Status put_type(Sql& sql, const Type& type, Instant at) {
  BELAY_TRY(
      sql.exec("INSERT INTO inventory_types (type_name, schema_version, attributes, disabled_through, updated_at) "
               "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (type_name) DO UPDATE SET "
               "schema_version = excluded.schema_version, attributes = excluded.attributes, "
               "disabled_through = excluded.disabled_through, updated_at = excluded.updated_at",
               {type.type_name, type.schema_version, json::encode_text(type.attributes), type.disabled_through, at}));
  return {};
}

Status remove_type(Sql& sql, std::string_view type_name) {
  BELAY_TRY(sql.exec("DELETE FROM inventory_types WHERE type_name = $1", {type_name}));
  return {};
}

Result<Listed<Type>> list_types(Sql& sql, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT type_name, schema_version, attributes, disabled_through FROM inventory_types "
                             "WHERE type_name > $1 ORDER BY type_name LIMIT $2",
                             {page.after, detail::limit_of(page) + 1}));
  BELAY_TRY_ASSIGN(auto types, detail::read_all<Type>(rows, read_type));
  return detail::paged(std::move(types), page, [](const Type& type) { return type.type_name; });
}

Result<std::int64_t> count_types(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT COUNT(*) FROM inventory_types"));
  return row->integer(0);
}

// ---- deletions

Result<std::map<std::string, std::int64_t>> count_items(Sql& sql, std::string_view type_name) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT schema_version, COUNT(*) FROM inventory_items "
                                              "WHERE type_name = $1 GROUP BY schema_version",
                                              {type_name}));
  std::map<std::string, std::int64_t> counts;
  for (const auto& row : rows) counts.emplace(row.text(0), row.integer(1));
  return counts;
}

Result<std::int64_t> remove_items(Sql& sql, std::string_view type_name, Instant until, std::uint32_t limit) {
  return sql.exec(
      "DELETE FROM inventory_items WHERE type_name = $1 AND received_at <= $2 AND node_id IN "
      "(SELECT node_id FROM inventory_items WHERE type_name = $1 AND received_at <= $2 ORDER BY node_id LIMIT $3)",
      {type_name, until, limit});
}

Status add_deletion(Sql& sql, const Deletion& d) {
  BELAY_TRY(
      sql.exec("INSERT INTO inventory_deletions (deletion_id, type_name, option, started_at, updated_at, status, "
               "message, total_count, remaining_count, versions, requested_by) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
               {d.deletion_id, d.type_name, d.option, d.started_at, d.updated_at, d.status, d.message, d.total_count,
                d.remaining_count, json::encode_text(d.versions), d.requested_by}));
  return {};
}

Status update_deletion(Sql& sql, const Deletion& d) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE inventory_deletions SET status = $2, message = $3, remaining_count = $4, "
                            "updated_at = $5 WHERE deletion_id = $1",
                            {d.deletion_id, d.status, d.message, d.remaining_count, d.updated_at}));
  return touched > 0 ? Status() : Status(detail::missing("inventory deletion", d.deletion_id));
}

Result<Deletion> get_deletion(Sql& sql, std::string_view deletion_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(select(kDeletionColumns, "inventory_deletions WHERE deletion_id = $1"),
                                                 {deletion_id}));
  if (!row) return detail::missing("inventory deletion", deletion_id);
  return read_deletion(*row);
}

Result<Listed<Deletion>> list_deletions(Sql& sql, const Page& page) {
  detail::Where where;
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto cursor, detail::parse_cursor(page.after));
    where.add("started_at < ? OR (started_at = ? AND deletion_id < ?)", {cursor.number, cursor.number, cursor.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(select(kDeletionColumns, "inventory_deletions") + where.text() +
                                                  " ORDER BY started_at DESC, deletion_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Deletion>(rows, read_deletion));
  return detail::paged(std::move(found), page,
                       [](const Deletion& d) { return detail::cursor(d.started_at, d.deletion_id); });
}

}  // namespace belay::store::inventory
