#include "store/association_sets.hpp"

#include "base/text.hpp"
#include "store/detail.hpp"

namespace belay::store::association_sets {
namespace {

constexpr std::string_view kSelect =
    "SELECT node_id, hash, associations, order_id, valid_until, due_at FROM association_sets";

Result<Set> read(const Row& row) {
  Set set;
  set.node_id = row.text(0);
  set.hash = row.text(1);
  for (const auto id : split(row.text(2), ' '))
    if (!id.empty()) set.associations.emplace_back(id);
  set.order_id = row.text(3);
  set.valid_until = row.optional_instant(4);
  set.due_at = row.optional_instant(5);
  return set;
}

}  // namespace

Result<std::optional<Set>> find(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE node_id = $1", {node_id}));
  if (!row) return std::optional<Set>();
  BELAY_TRY_ASSIGN(auto set, read(*row));
  return std::optional(std::move(set));
}

Status put(Sql& sql, const Set& set) {
  BELAY_TRY(
      sql.exec("INSERT INTO association_sets (node_id, hash, associations, order_id, valid_until, due_at) VALUES ($1, "
               "$2, $3, $4, $5, $6) ON CONFLICT (node_id) DO UPDATE SET hash = excluded.hash, associations = "
               "excluded.associations, order_id = excluded.order_id, valid_until = excluded.valid_until, due_at = "
               "excluded.due_at",
               {set.node_id, set.hash, join(set.associations, " "), set.order_id, set.valid_until, set.due_at}));
  return {};
}

Status remove(Sql& sql, std::string_view node_id) {
  BELAY_TRY(sql.exec("DELETE FROM association_sets WHERE node_id = $1", {node_id}));
  return {};
}

Result<std::vector<Set>> due(Sql& sql, Instant now, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) +
                                                  " WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, node_id "
                                                  "LIMIT $2",
                                              {now, limit}));
  return detail::read_all<Set>(rows, read);
}

Result<std::optional<Instant>> next_due(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT MIN(due_at) FROM association_sets WHERE due_at IS NOT NULL"));
  return row ? row->optional_instant(0) : std::nullopt;
}

Status mark(Sql& sql, std::span<const std::string> node_ids, Instant now) {
  std::vector<Params> rows;
  for (const auto& id : node_ids) rows.push_back({id, now});
  BELAY_TRY(
      sql.exec_many("INSERT INTO association_sets (node_id, hash, associations, order_id, valid_until, due_at) VALUES "
                    "($1, '', '', '', NULL, $2) ON CONFLICT (node_id) DO UPDATE SET due_at = excluded.due_at",
                    rows));
  return {};
}

Status mark_holders(Sql& sql, std::string_view association_id, Instant now) {
  BELAY_TRY(sql.exec("UPDATE association_sets SET due_at = $2 WHERE associations LIKE '%' || $1 || '%'",
                     {association_id, now}));
  return {};
}

Status mark_all(Sql& sql, Instant now) {
  BELAY_TRY(sql.exec("UPDATE association_sets SET due_at = $1", {now}));
  return {};
}

}  // namespace belay::store::association_sets
