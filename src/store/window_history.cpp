#include "store/window_history.hpp"

#include "base/text.hpp"
#include "store/detail.hpp"

namespace belay::store::window_history {
namespace {

constexpr std::string_view kSelect =
    "SELECT execution_id, window_id, status, status_details, started_at, cutoff_at, ends_at, finished_at "
    "FROM window_executions";
constexpr std::string_view kSelectTask =
    "SELECT task_execution_id, execution_id, window_task_id, type, task_arn, priority, content, status, "
    "status_details, started_at, finished_at, position FROM window_execution_tasks";
constexpr std::string_view kSelectInvocation =
    "SELECT invocation_id, task_execution_id, execution_id, window_target_id, owner_information, catch_up, node_count, "
    "child_id, parameters, status, status_details, started_at, finished_at, position FROM window_invocations";
constexpr std::size_t kDetailsBytesMax = 1'000;

std::string short_details(std::string_view details) { return sanitize(details, kDetailsBytesMax); }

Result<Execution> read(const Row& row) {
  return Execution{row.text(0),    row.text(1),    row.text(2),    row.text(3),
                   row.instant(4), row.instant(5), row.instant(6), row.optional_instant(7)};
}

Result<Task> read_task(const Row& row) {
  Task task;
  task.task_execution_id = row.text(0);
  task.execution_id = row.text(1);
  task.window_task_id = row.text(2);
  task.type = row.text(3);
  task.task_arn = row.text(4);
  task.priority = static_cast<std::uint32_t>(row.integer(5));
  task.content = row.text(6);
  task.status = row.text(7);
  task.status_details = row.text(8);
  task.started_at = row.optional_instant(9);
  task.finished_at = row.optional_instant(10);
  return task;
}

Result<Invocation> read_invocation(const Row& row) {
  Invocation invocation;
  invocation.invocation_id = row.text(0);
  invocation.task_execution_id = row.text(1);
  invocation.execution_id = row.text(2);
  invocation.window_target_id = row.text(3);
  invocation.owner_information = row.text(4);
  invocation.catch_up = row.boolean(5);
  invocation.node_count = static_cast<std::uint32_t>(row.integer(6));
  invocation.child_id = row.text(7);
  invocation.parameters = row.text(8);
  invocation.status = row.text(9);
  invocation.status_details = row.text(10);
  invocation.started_at = row.optional_instant(11);
  invocation.finished_at = row.optional_instant(12);
  return invocation;
}

// Pages by position: the cursor is the position of the last one shown.
template <typename T, typename Read>
Result<Listed<T>> list_parts(Sql& sql, std::string_view select, std::string_view column, std::string_view id,
                             std::size_t position_column, const std::vector<std::string>& statuses, const Page& page,
                             const Read& read_part) {
  BELAY_TRY(detail::check_lists(statuses));
  detail::Where where;
  where.add(std::string(column) + " = ?", {id});
  where.any_of("status", statuses);
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("position > ?", {after.number});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(select) + where.text() + " ORDER BY position LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<T>(rows, read_part));
  auto listed = detail::paged(std::move(found), page, [](const T&) { return std::string("more"); });
  if (!listed.next.empty()) listed.next = detail::cursor(rows[listed.items.size() - 1].integer(position_column));
  return listed;
}

}  // namespace

Status create(Sql& sql, const Execution& execution, std::span<const Task> tasks,
              std::span<const Invocation> invocations) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM window_executions WHERE execution_id = $1", {execution.execution_id}));
  if (there) return detail::taken("window execution", execution.execution_id);
  BELAY_TRY(
      sql.exec("INSERT INTO window_executions (execution_id, window_id, status, status_details, started_at, "
               "cutoff_at, ends_at, finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
               {execution.execution_id, execution.window_id, execution.status, short_details(execution.status_details),
                execution.started_at, execution.cutoff_at, execution.ends_at, execution.finished_at}));
  std::vector<Params> rows;
  for (const auto& task : tasks)
    rows.push_back({task.task_execution_id, execution.execution_id, task.window_task_id, rows.size(), task.type,
                    task.task_arn, task.priority, task.content, task.status, short_details(task.status_details)});
  BELAY_TRY(
      sql.exec_many("INSERT INTO window_execution_tasks (task_execution_id, execution_id, window_task_id, position, "
                    "type, task_arn, priority, content, status, status_details) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    rows));
  rows.clear();
  for (const auto& item : invocations)
    rows.push_back({item.invocation_id, item.task_execution_id, execution.execution_id, rows.size(),
                    item.window_target_id, item.owner_information, item.catch_up, item.nodes.size(),
                    detail::compress(json::encode_text(item.nodes)), item.child_id, item.parameters, item.status,
                    short_details(item.status_details)});
  BELAY_TRY(
      sql.exec_many("INSERT INTO window_invocations (invocation_id, task_execution_id, execution_id, position, "
                    "window_target_id, owner_information, catch_up, node_count, nodes, child_id, parameters, status, "
                    "status_details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                    rows));
  return {};
}

Result<Execution> get(Sql& sql, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE execution_id = $1", {execution_id}));
  if (!row) return detail::missing("window execution", execution_id);
  return read(*row);
}

Status update(Sql& sql, const Execution& execution) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE window_executions SET status = $2, status_details = $3, finished_at = $4 "
                            "WHERE execution_id = $1",
                            {execution.execution_id, execution.status, short_details(execution.status_details),
                             execution.finished_at}));
  if (touched == 0) return detail::missing("window execution", execution.execution_id);
  return {};
}

Result<Task> get_task(Sql& sql, std::string_view execution_id, std::string_view task_execution_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelectTask) + " WHERE task_execution_id = $1 AND execution_id = $2",
                                 {task_execution_id, execution_id}));
  if (!row) return detail::missing("task of a window execution", task_execution_id);
  return read_task(*row);
}

Status update_tasks(Sql& sql, std::span<const Task> tasks) {
  std::vector<Params> rows;
  for (const auto& task : tasks)
    rows.push_back(
        {task.task_execution_id, task.status, short_details(task.status_details), task.started_at, task.finished_at});
  BELAY_TRY(
      sql.exec_many("UPDATE window_execution_tasks SET status = $2, status_details = $3, started_at = $4, "
                    "finished_at = $5 WHERE task_execution_id = $1",
                    rows));
  return {};
}

Result<Invocation> get_invocation(Sql& sql, std::string_view task_execution_id, std::string_view invocation_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelectInvocation) +
                                                     " WHERE invocation_id = $1 AND task_execution_id = $2",
                                                 {invocation_id, task_execution_id}));
  if (!row) return detail::missing("invocation of a window's task", invocation_id);
  return read_invocation(*row);
}

Status update_invocations(Sql& sql, std::span<const Invocation> invocations) {
  std::vector<Params> rows;
  for (const auto& item : invocations)
    rows.push_back({item.invocation_id, item.status, short_details(item.status_details), item.started_at,
                    item.finished_at, item.child_id, item.parameters});
  BELAY_TRY(
      sql.exec_many("UPDATE window_invocations SET status = $2, status_details = $3, started_at = $4, "
                    "finished_at = $5, child_id = $6, parameters = $7 WHERE invocation_id = $1",
                    rows));
  return {};
}

Result<std::vector<std::string>> nodes_of(Sql& sql, std::string_view invocation_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT nodes FROM window_invocations WHERE invocation_id = $1", {invocation_id}));
  if (!row) return detail::missing("invocation of a window's task", invocation_id);
  BELAY_TRY_ASSIGN(const auto text, detail::decompress(row->blob(0)).within("nodes of an invocation"));
  return detail::decode_stored<std::vector<std::string>>(text, "nodes of an invocation");
}

Result<Listed<Execution>> list(Sql& sql, const Filter& filter, const Page& page) {
  detail::Where where;
  if (!filter.window_id.empty()) where.add("window_id = ?", {filter.window_id});
  if (filter.started_after) where.add("started_at > ?", {*filter.started_after});
  if (filter.started_before) where.add("started_at < ?", {*filter.started_before});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(started_at, execution_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() +
                                                  " ORDER BY started_at DESC, execution_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Execution>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Execution& item) { return detail::cursor(item.started_at, item.execution_id); });
}

Result<Listed<Task>> list_tasks(Sql& sql, std::string_view execution_id, const std::vector<std::string>& statuses,
                                const Page& page) {
  return list_parts<Task>(sql, kSelectTask, "execution_id", execution_id, 11, statuses, page, read_task);
}

Result<Listed<Invocation>> list_invocations(Sql& sql, std::string_view task_execution_id,
                                            const std::vector<std::string>& statuses, const Page& page) {
  return list_parts<Invocation>(sql, kSelectInvocation, "task_execution_id", task_execution_id, 13, statuses, page,
                                read_invocation);
}

Result<std::vector<Task>> tasks_of(Sql& sql, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelectTask) + " WHERE execution_id = $1 ORDER BY position", {execution_id}));
  return detail::read_all<Task>(rows, read_task);
}

Result<std::vector<Invocation>> invocations_of(Sql& sql, std::string_view execution_id) {
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kSelectInvocation) + " WHERE execution_id = $1 ORDER BY position", {execution_id}));
  return detail::read_all<Invocation>(rows, read_invocation);
}

Result<std::optional<Execution>> running(Sql& sql, std::string_view window_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelect) +
                                     " WHERE window_id = $1 AND finished_at IS NULL ORDER BY started_at DESC LIMIT 1",
                                 {window_id}));
  if (!row) return std::optional<Execution>();
  BELAY_TRY_ASSIGN(auto found, read(*row));
  return std::optional(std::move(found));
}

Result<std::int64_t> forget(Sql& sql, Instant before, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT execution_id FROM window_executions WHERE finished_at < $1 "
                                              "ORDER BY finished_at LIMIT $2",
                                              {before, limit}));
  std::vector<Params> keys;
  for (const auto& row : rows) keys.push_back({row.text(0)});
  BELAY_TRY(sql.exec_many("DELETE FROM window_invocations WHERE execution_id = $1", keys));
  BELAY_TRY(sql.exec_many("DELETE FROM window_execution_tasks WHERE execution_id = $1", keys));
  return sql.exec_many("DELETE FROM window_executions WHERE execution_id = $1", keys);
}

}  // namespace belay::store::window_history
