#include "store/associations.hpp"

#include "store/detail.hpp"

namespace belay::store::associations {
namespace {

constexpr std::string_view kSelect =
    "SELECT association_id, name, document, version, content, created_at, updated_at, created_by, status, counts, "
    "last_run_at, last_success_at, next_at, held FROM associations";
constexpr std::string_view kSelectNode =
    "SELECT association_id, node_id, version, status, details, summary, execution_id, executed_at, missed FROM "
    "association_nodes";
constexpr std::string_view kSelectVersion =
    "SELECT version, content, created_at, created_by FROM association_versions WHERE association_id = $1";

Result<Association> read(const Row& row) {
  Association found;
  found.association_id = row.text(0);
  found.name = row.text(1);
  found.document = row.text(2);
  found.version = row.integer(3);
  found.content = row.text(4);
  found.created_at = row.instant(5);
  found.updated_at = row.instant(6);
  found.created_by = row.text(7);
  found.status = row.text(8);
  BELAY_TRY_ASSIGN(found.counts, detail::decode_stored<Counts>(row.text(9), "the counts of an association"));
  found.last_run_at = row.optional_instant(10);
  found.last_success_at = row.optional_instant(11);
  found.next_at = row.optional_instant(12);
  found.held = row.text(13);
  return found;
}

Result<Node> read_node(const Row& row) {
  return Node{row.text(0), row.text(1), row.integer(2),          row.text(3),   row.text(4),
              row.text(5), row.text(6), row.optional_instant(7), row.boolean(8)};
}

Result<Version> read_version(const Row& row) {
  return Version{row.integer(0), row.text(1), row.instant(2), row.text(3)};
}

Status insert_version(Sql& sql, const Association& association, Instant at, std::string_view by) {
  BELAY_TRY(sql.exec(
      "INSERT INTO association_versions (association_id, version, content, created_at, created_by) VALUES ($1, $2, $3, "
      "$4, $5)",
      {association.association_id, association.version, association.content, at, by}));
  return {};
}

}  // namespace

Status create(Sql& sql, const Association& association) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM associations WHERE association_id = $1", {association.association_id}));
  if (there) return detail::taken("association", association.association_id);
  BELAY_TRY(
      sql.exec("INSERT INTO associations (association_id, name, document, version, content, created_at, updated_at, "
               "created_by, status, counts, last_run_at, last_success_at, next_at, held) VALUES ($1, $2, $3, $4, $5, "
               "$6, $7, $8, $9, $10, $11, $12, $13, $14)",
               {association.association_id, association.name, association.document, association.version,
                association.content, association.created_at, association.updated_at, association.created_by,
                association.status, json::encode_text(association.counts), association.last_run_at,
                association.last_success_at, association.next_at, association.held}));
  return insert_version(sql, association, association.created_at, association.created_by);
}

Result<Association> get(Sql& sql, std::string_view association_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelect) + " WHERE association_id = $1", {association_id}));
  if (!row) return detail::missing("association", association_id);
  return read(*row);
}

Status add_version(Sql& sql, const Association& association, std::string_view by) {
  BELAY_TRY_ASSIGN(const auto before, get(sql, association.association_id));
  if (association.version != before.version + 1)
    return Error(Code::conflict, "association " + association.association_id +
                                     " was changed meanwhile: its version is " + std::to_string(before.version));
  if (association.version > kVersionsMax)
    return Error(Code::resource_exhausted, "association " + association.association_id + " has " +
                                               std::to_string(kVersionsMax) + " versions; make a new one");
  BELAY_TRY(
      sql.exec("UPDATE associations SET name = $2, document = $3, version = $4, content = $5, updated_at = $6 WHERE "
               "association_id = $1",
               {association.association_id, association.name, association.document, association.version,
                association.content, association.updated_at}));
  return insert_version(sql, association, association.updated_at, by);
}

Status set_standing(Sql& sql, const Association& association) {
  BELAY_TRY(sql.exec(
      "UPDATE associations SET status = $2, counts = $3, last_run_at = $4, last_success_at = $5, next_at = $6, held = "
      "$7 WHERE association_id = $1",
      {association.association_id, association.status, json::encode_text(association.counts), association.last_run_at,
       association.last_success_at, association.next_at, association.held}));
  return {};
}

Status remove(Sql& sql, std::string_view association_id) {
  for (const char* table : {"association_nodes", "association_versions", "associations"})
    BELAY_TRY(sql.exec("DELETE FROM " + std::string(table) + " WHERE association_id = $1", {association_id}));
  return {};
}

Result<Listed<Association>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.association_ids, filter.names, filter.documents, filter.statuses));
  detail::Where where;
  where.any_of("association_id", filter.association_ids);
  where.any_of("name", filter.names);
  where.any_of("document", filter.documents);
  where.any_of("status", filter.statuses);
  if (!filter.node_id.empty())
    where.add("association_id IN (SELECT association_id FROM association_nodes WHERE node_id = ?)", {filter.node_id});
  if (filter.run_before) where.add("last_run_at < ?", {*filter.run_before});
  if (filter.run_after) where.add("last_run_at > ?", {*filter.run_after});
  if (!page.after.empty()) where.add("association_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kSelect) + where.text() + " ORDER BY association_id LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Association>(rows, read));
  return detail::paged(std::move(found), page, [](const Association& item) { return item.association_id; });
}

Result<std::int64_t> count(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT COUNT(*) FROM associations"));
  return row->integer(0);
}

Result<Version> get_version(Sql& sql, std::string_view association_id, std::int64_t version) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelectVersion) + " AND version = $2", {association_id, version}));
  if (!row) return detail::missing("version " + std::to_string(version) + " of association", association_id);
  return read_version(*row);
}

Result<Listed<Version>> list_versions(Sql& sql, std::string_view association_id, const Page& page) {
  std::int64_t before = kVersionsMax + 1;
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto cursor, detail::parse_cursor(page.after));
    before = cursor.number;
  }
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelectVersion) + " AND version < $2 ORDER BY version DESC LIMIT $3",
                             {association_id, before, detail::limit_of(page) + 1}));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Version>(rows, read_version));
  return detail::paged(std::move(found), page, [](const Version& item) { return detail::cursor(item.version); });
}

// ---- how nodes stand

Status put_nodes(Sql& sql, std::span<const Node> nodes) {
  std::vector<Params> rows;
  for (const auto& node : nodes)
    rows.push_back({node.association_id, node.node_id, node.version, node.status, node.details, node.summary,
                    node.execution_id, node.executed_at, node.missed});
  BELAY_TRY(sql.exec_many(
      "INSERT INTO association_nodes (association_id, node_id, version, status, details, summary, execution_id, "
      "executed_at, missed) SELECT association_id, $2, CAST($3 AS BIGINT), $4, $5, $6, $7, CAST($8 AS BIGINT), CAST($9 "
      "AS BIGINT) FROM associations WHERE association_id = $1 ON CONFLICT (association_id, node_id) DO UPDATE SET "
      "version = excluded.version, status = excluded.status, details = excluded.details, summary = excluded.summary, "
      "execution_id = excluded.execution_id, executed_at = excluded.executed_at, missed = excluded.missed",
      rows));
  return {};
}

Result<std::optional<Node>> find_node(Sql& sql, std::string_view association_id, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelectNode) + " WHERE association_id = $1 AND node_id = $2",
                                 {association_id, node_id}));
  if (!row) return std::optional<Node>();
  BELAY_TRY_ASSIGN(auto node, read_node(*row));
  return std::optional(std::move(node));
}

Status remove_node(Sql& sql, std::string_view association_id, std::string_view node_id) {
  BELAY_TRY(
      sql.exec("DELETE FROM association_nodes WHERE association_id = $1 AND node_id = $2", {association_id, node_id}));
  return {};
}

Result<Listed<Node>> nodes_of(Sql& sql, std::string_view association_id, const Page& page) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kSelectNode) + " WHERE association_id = $1 AND node_id > $2 ORDER BY node_id LIMIT $3",
                {association_id, page.after, detail::limit_of(page) + 1}));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Node>(rows, read_node));
  return detail::paged(std::move(found), page, [](const Node& item) { return item.node_id; });
}

Result<Listed<Node>> associations_of(Sql& sql, std::string_view node_id, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelectNode) +
                                 " WHERE node_id = $1 AND association_id > $2 ORDER BY association_id LIMIT $3",
                             {node_id, page.after, detail::limit_of(page) + 1}));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Node>(rows, read_node));
  return detail::paged(std::move(found), page, [](const Node& item) { return item.association_id; });
}

Result<Counts> count_nodes(Sql& sql, std::string_view association_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT status, COUNT(*) FROM association_nodes WHERE association_id = $1 GROUP BY status",
                             {association_id}));
  Counts counts;
  for (const auto& row : rows) counts[row.text(0)] = row.integer(1);
  return counts;
}

Result<bool> has_missed(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT 1 FROM association_nodes WHERE node_id = $1 AND missed = 1 LIMIT 1", {node_id}));
  return row.has_value();
}

// ---- nodes to look at

Status mark_changed(Sql& sql, std::string_view node_id, Instant at) {
  BELAY_TRY(
      sql.exec("INSERT INTO association_changed_nodes (node_id, changed_at) VALUES ($1, $2) ON CONFLICT (node_id) "
               "DO NOTHING",
               {node_id, at}));
  return {};
}

Result<std::vector<std::string>> take_changed(Sql& sql, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("SELECT node_id FROM association_changed_nodes ORDER BY changed_at, node_id LIMIT $1", {limit}));
  std::vector<std::string> nodes;
  std::vector<Params> keys;
  for (const auto& row : rows) {
    nodes.push_back(row.text(0));
    keys.push_back({row.text(0)});
  }
  BELAY_TRY(sql.exec_many("DELETE FROM association_changed_nodes WHERE node_id = $1", keys));
  return nodes;
}

}  // namespace belay::store::associations
