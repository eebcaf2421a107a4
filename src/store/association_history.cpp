// What associations ran.
#include "store/associations.hpp"
#include "store/detail.hpp"

namespace belay::store::associations {
namespace {

constexpr std::string_view kSelect =
    "SELECT execution_id, association_id, version, cause, status, details, command_id, due_at, created_at, "
    "finished_at, "
    "counts FROM association_executions";

Result<Execution> read(const Row& row) {
  Execution found;
  found.execution_id = row.text(0);
  found.association_id = row.text(1);
  found.version = row.integer(2);
  found.cause = row.text(3);
  found.status = row.text(4);
  found.details = row.text(5);
  found.command_id = row.text(6);
  found.due_at = row.instant(7);
  found.created_at = row.instant(8);
  found.finished_at = row.optional_instant(9);
  BELAY_TRY_ASSIGN(found.counts,
                   detail::decode_stored<Counts>(row.text(10), "the counts of an association's execution"));
  return found;
}

Result<Target> read_target(const Row& row) {
  return Target{row.text(0), row.text(1), row.text(2), row.text(3), row.optional_instant(4)};
}

}  // namespace

Status add_execution(Sql& sql, const Execution& execution, std::span<const std::string> node_ids) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM association_executions WHERE execution_id = $1",
                                                   {execution.execution_id}));
  if (there) return detail::taken("execution", execution.execution_id);
  BELAY_TRY(
      sql.exec("INSERT INTO association_executions (execution_id, association_id, version, cause, status, details, "
               "command_id, due_at, created_at, finished_at, counts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
               "$10, $11)",
               {execution.execution_id, execution.association_id, execution.version, execution.cause, execution.status,
                execution.details, execution.command_id, execution.due_at, execution.created_at, execution.finished_at,
                json::encode_text(execution.counts)}));
  std::vector<Params> rows;
  for (const auto& node_id : node_ids) rows.push_back({execution.execution_id, node_id, "Pending", "Pending"});
  BELAY_TRY(sql.exec_many(
      "INSERT INTO association_execution_targets (execution_id, node_id, status, details) VALUES ($1, $2, $3, $4)",
      rows));
  return {};
}

Result<Execution> get_execution(Sql& sql, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE execution_id = $1", {execution_id}));
  if (!row) return detail::missing("association execution", execution_id);
  return read(*row);
}

Result<std::optional<Execution>> find_run(Sql& sql, std::string_view association_id, std::int64_t version,
                                          Instant due_at, std::string_view node_id) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one(std::string(kSelect) +
                        " WHERE association_id = $1 AND due_at = $2 AND version = $3 AND EXISTS (SELECT 1 FROM "
                        "association_execution_targets t WHERE t.execution_id = association_executions.execution_id "
                        "AND t.node_id = $4) ORDER BY created_at DESC, execution_id DESC LIMIT 1",
                    {association_id, due_at, version, node_id}));
  if (!row) return std::optional<Execution>();
  BELAY_TRY_ASSIGN(auto found, read(*row));
  return std::optional(std::move(found));
}

Status add_target(Sql& sql, std::string_view execution_id, std::string_view node_id) {
  BELAY_TRY(
      sql.exec("INSERT INTO association_execution_targets (execution_id, node_id, status, details) VALUES ($1, $2, "
               "'Pending', 'Pending') ON CONFLICT (execution_id, node_id) DO NOTHING",
               {execution_id, node_id}));
  return {};
}

Result<bool> has_run_on(Sql& sql, std::string_view association_id, std::string_view node_id) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT 1 FROM association_executions e JOIN association_execution_targets t ON "
                    "t.execution_id = e.execution_id WHERE e.association_id = $1 AND t.node_id = $2 LIMIT 1",
                    {association_id, node_id}));
  return row.has_value();
}

Status update_execution(Sql& sql, const Execution& execution) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE association_executions SET status = $2, details = $3, command_id = $4, finished_at = $5, counts "
               "= $6 WHERE execution_id = $1",
               {execution.execution_id, execution.status, execution.details, execution.command_id,
                execution.finished_at, json::encode_text(execution.counts)}));
  if (touched == 0) return detail::missing("association execution", execution.execution_id);
  return {};
}

Status update_targets(Sql& sql, std::span<const Target> targets) {
  std::vector<Params> rows;
  for (const auto& target : targets)
    rows.push_back({target.execution_id, target.node_id, target.status, target.details, target.executed_at});
  BELAY_TRY(
      sql.exec_many("UPDATE association_execution_targets SET status = $3, details = $4, executed_at = CAST($5 AS "
                    "BIGINT) WHERE execution_id = $1 AND node_id = $2",
                    rows));
  return {};
}

Result<Listed<Execution>> list_executions(Sql& sql, std::string_view association_id, const ExecutionFilter& filter,
                                          const Page& page) {
  BELAY_TRY(detail::check_lists(filter.execution_ids, filter.statuses));
  detail::Where where;
  where.add("association_id = ?", {association_id});
  where.any_of("execution_id", filter.execution_ids);
  where.any_of("status", filter.statuses);
  if (filter.created_after) where.add("created_at > ?", {*filter.created_after});
  if (filter.created_before) where.add("created_at < ?", {*filter.created_before});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto cursor, detail::parse_cursor(page.after));
    where.add("(created_at, execution_id) < (?, ?)", {cursor.number, cursor.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() +
                                                  " ORDER BY created_at DESC, execution_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Execution>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Execution& item) { return detail::cursor(item.created_at, item.execution_id); });
}

Result<Listed<Target>> list_targets(Sql& sql, std::string_view execution_id, const std::vector<std::string>& statuses,
                                    const std::vector<std::string>& node_ids, const Page& page) {
  BELAY_TRY(detail::check_lists(statuses, node_ids));
  detail::Where where;
  where.add("execution_id = ?", {execution_id});
  where.any_of("status", statuses);
  where.any_of("node_id", node_ids);
  if (!page.after.empty()) where.add("node_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT execution_id, node_id, status, details, executed_at FROM "
                                              "association_execution_targets" +
                                                  where.text() + " ORDER BY node_id LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Target>(rows, read_target));
  return detail::paged(std::move(found), page, [](const Target& item) { return item.node_id; });
}

Result<Counts> count_targets(Sql& sql, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("SELECT status, COUNT(*) FROM association_execution_targets WHERE execution_id = $1 GROUP BY status",
                {execution_id}));
  Counts counts;
  for (const auto& row : rows) counts[row.text(0)] = row.integer(1);
  return counts;
}

Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT execution_id FROM association_executions WHERE finished_at < $1 "
                                              "ORDER BY finished_at LIMIT $2",
                                              {before, limit}));
  std::vector<Params> keys;
  for (const auto& row : rows) keys.push_back({row.text(0)});
  BELAY_TRY(sql.exec_many("DELETE FROM association_execution_targets WHERE execution_id = $1", keys));
  BELAY_TRY(sql.exec_many("DELETE FROM association_executions WHERE execution_id = $1", keys));
  return static_cast<std::int64_t>(rows.size());
}

}  // namespace belay::store::associations
