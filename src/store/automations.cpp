#include "store/automations.hpp"

#include "base/text.hpp"
#include "store/detail.hpp"

namespace belay::store::automations {
namespace {

constexpr std::string_view kSelect =
    "SELECT execution_id, kind, document, document_version, runbook, status, parent_id, executed_by, target, settings, "
    "outputs, current_step, current_action, failure, started_at, finished_at FROM automation_executions";

Result<Execution> read(const Row& row) {
  Execution found;
  found.execution_id = row.text(0);
  found.kind = row.text(1);
  found.document = row.text(2);
  found.document_version = row.text(3);
  found.runbook = row.text(4);
  found.status = row.text(5);
  found.parent_id = row.text(6);
  found.executed_by = row.text(7);
  found.target = row.text(8);
  found.settings = row.text(9);
  found.outputs = row.text(10);
  found.current_step = row.text(11);
  found.current_action = row.text(12);
  found.failure = row.text(13);
  found.started_at = row.instant(14);
  found.finished_at = row.optional_instant(15);
  return found;
}

Result<Step> read_step(const Row& row) {
  Step found;
  found.execution_id = row.text(0);
  found.position = static_cast<std::uint32_t>(row.integer(1));
  found.step_id = row.text(2);
  found.name = row.text(3);
  found.action = row.text(4);
  found.settings = row.text(5);
  found.status = row.text(6);
  found.inputs = row.text(7);
  found.outputs = row.text(8);
  found.failure = row.text(9);
  found.started_at = row.optional_instant(10);
  found.finished_at = row.optional_instant(11);
  return found;
}

// Any of the prefixes, as ranges of the name: no pattern that a name could be mistaken for.
void add_prefixes(detail::Where& where, const std::vector<std::string>& prefixes) {
  if (prefixes.empty()) return;
  std::string condition;
  Params values;
  for (const auto& prefix : prefixes) {
    condition += std::string(condition.empty() ? "" : " OR ") + "substr(document, 1, ?) = ?";
    values.push_back(static_cast<std::int64_t>(prefix.size()));
    values.push_back(prefix);
  }
  where.add(condition, std::move(values));
}

void add_tag_keys(detail::Where& where, const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  std::string marks;
  Params values;
  for (const auto& key : keys) {
    marks += marks.empty() ? "?" : ",?";
    values.push_back(key);
  }
  where.add(
      "execution_id IN (SELECT resource_id FROM tags WHERE resource_type = 'Automation' AND key IN (" + marks + "))",
      std::move(values));
}

}  // namespace

Status put_runbook(Sql& sql, const Runbook& runbook) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM automation_runbooks WHERE sha256 = $1", {runbook.sha256}));
  if (there) return {};
  BELAY_TRY(sql.exec("INSERT INTO automation_runbooks (sha256, format, content) VALUES ($1, $2, $3)",
                     {runbook.sha256, runbook.format, runbook.content}));
  return {};
}

Result<Runbook> get_runbook(Sql& sql, std::string_view sha256) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT sha256, format, content FROM automation_runbooks WHERE sha256 = $1", {sha256}));
  if (!row) return detail::missing("runbook", sha256);
  return Runbook{row->text(0), row->text(1), row->text(2)};
}

Status create(Sql& sql, const Execution& execution, std::span<const Step> steps) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM automation_executions WHERE execution_id = $1",
                                                   {execution.execution_id}));
  if (there) return detail::taken("automation execution", execution.execution_id);
  BELAY_TRY(
      sql.exec("INSERT INTO automation_executions (execution_id, kind, document, document_version, runbook, status, "
               "parent_id, executed_by, target, settings, outputs, current_step, current_action, failure, started_at, "
               "finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
               {execution.execution_id, execution.kind, execution.document, execution.document_version,
                execution.runbook, execution.status, execution.parent_id, execution.executed_by, execution.target,
                execution.settings, execution.outputs, execution.current_step, execution.current_action,
                sanitize(execution.failure, kFailureBytesMax), execution.started_at, execution.finished_at}));
  std::vector<Params> rows;
  for (const auto& step : steps)
    rows.push_back({step.execution_id, step.position, step.step_id, step.name, step.action, step.settings, step.status,
                    step.inputs, step.outputs, sanitize(step.failure, kFailureBytesMax), step.started_at,
                    step.finished_at});
  BELAY_TRY(
      sql.exec_many("INSERT INTO automation_steps (execution_id, position, step_id, name, action, settings, status, "
                    "inputs, outputs, failure, started_at, finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
                    "$10, $11, $12)",
                    rows));
  return {};
}

Result<Execution> get(Sql& sql, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE execution_id = $1", {execution_id}));
  if (!row) return detail::missing("automation execution", execution_id);
  return read(*row);
}

Status update(Sql& sql, const Execution& execution) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE automation_executions SET status = $2, outputs = $3, current_step = $4, current_action = $5, "
               "failure = $6, finished_at = $7 WHERE execution_id = $1",
               {execution.execution_id, execution.status, execution.outputs, execution.current_step,
                execution.current_action, sanitize(execution.failure, kFailureBytesMax), execution.finished_at}));
  if (touched == 0) return detail::missing("automation execution", execution.execution_id);
  return {};
}

Status update_steps(Sql& sql, std::span<const Step> steps) {
  std::vector<Params> rows;
  for (const auto& step : steps)
    rows.push_back({step.execution_id, step.position, step.status, step.inputs, step.outputs,
                    sanitize(step.failure, kFailureBytesMax), step.started_at, step.finished_at});
  BELAY_TRY(
      sql.exec_many("UPDATE automation_steps SET status = $3, inputs = $4, outputs = $5, failure = $6, started_at = "
                    "CAST($7 AS BIGINT), finished_at = CAST($8 AS BIGINT) WHERE execution_id = $1 AND position = $2",
                    rows));
  return {};
}

Result<std::vector<Step>> steps_of(Sql& sql, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT execution_id, position, step_id, name, action, settings, status, inputs, outputs, "
                             "failure, started_at, finished_at FROM automation_steps WHERE execution_id = $1 "
                             "ORDER BY position",
                             {execution_id}));
  return detail::read_all<Step>(rows, read_step);
}

Result<std::int64_t> count_running(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT COUNT(*) FROM automation_executions WHERE finished_at IS NULL", {}));
  return row ? row->integer(0) : 0;
}

Result<Listed<Execution>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.execution_ids, filter.parent_ids, filter.statuses, filter.current_actions,
                                filter.document_prefixes, filter.tag_keys));
  detail::Where where;
  where.any_of("execution_id", filter.execution_ids);
  where.any_of("parent_id", filter.parent_ids);
  where.any_of("status", filter.statuses);
  where.any_of("current_action", filter.current_actions);
  add_prefixes(where, filter.document_prefixes);
  add_tag_keys(where, filter.tag_keys);
  if (filter.started_before) where.add("started_at < ?", {*filter.started_before});
  if (filter.started_after) where.add("started_at > ?", {*filter.started_after});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto cursor, detail::parse_cursor(page.after));
    where.add("(started_at, execution_id) < (?, ?)", {cursor.number, cursor.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() +
                                                  " ORDER BY started_at DESC, execution_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Execution>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Execution& item) { return detail::cursor(item.started_at, item.execution_id); });
}

Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT execution_id, runbook FROM automation_executions WHERE "
                                              "finished_at < $1 ORDER BY finished_at LIMIT $2",
                                              {before, limit}));
  std::vector<Params> keys, runbooks;
  for (const auto& row : rows) {
    keys.push_back({row.text(0)});
    runbooks.push_back({row.text(1)});
  }
  BELAY_TRY(sql.exec_many("DELETE FROM tags WHERE resource_type = 'Automation' AND resource_id = $1", keys));
  BELAY_TRY(sql.exec_many("DELETE FROM automation_steps WHERE execution_id = $1", keys));
  BELAY_TRY(sql.exec_many("DELETE FROM automation_executions WHERE execution_id = $1", keys));
  BELAY_TRY(
      sql.exec_many("DELETE FROM automation_runbooks WHERE sha256 = $1 AND NOT EXISTS "
                    "(SELECT 1 FROM automation_executions WHERE runbook = $1)",
                    runbooks));
  return static_cast<std::int64_t>(rows.size());
}

}  // namespace belay::store::automations
