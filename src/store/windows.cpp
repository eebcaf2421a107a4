#include "store/windows.hpp"

#include "store/detail.hpp"

namespace belay::store::windows {
namespace {

constexpr std::string_view kSelect =
    "SELECT window_id, name, description, schedule, timezone, schedule_offset, start_date, end_date, duration_hours, "
    "cutoff_hours, allow_unassociated, enabled, version, created_at, modified_at, scheduled_at, created_by, calendars, "
    "next_at FROM windows";
constexpr std::string_view kSelectTarget =
    "SELECT window_target_id, window_id, name, description, owner_information, targets, created_at FROM window_targets";
constexpr std::string_view kSelectTask =
    "SELECT window_task_id, window_id, type, task_arn, priority, content, created_at FROM window_tasks";
constexpr std::string_view kSelectMissed =
    "SELECT window_id, window_task_id, node_id, execution_id, reason, first_at, missed_at, times FROM window_missed";
constexpr std::int64_t kMissedMax = 100'000;

Result<Window> read(const Row& row) {
  Window window;
  window.window_id = row.text(0);
  window.name = row.text(1);
  window.description = row.text(2);
  window.schedule = row.text(3);
  window.timezone = row.text(4);
  if (!row.is_null(5)) window.schedule_offset = static_cast<std::uint32_t>(row.integer(5));
  window.start_date = row.text(6);
  window.end_date = row.text(7);
  window.duration_hours = static_cast<std::uint32_t>(row.integer(8));
  window.cutoff_hours = static_cast<std::uint32_t>(row.integer(9));
  window.allow_unassociated = row.boolean(10);
  window.enabled = row.boolean(11);
  window.version = row.integer(12);
  window.created_at = row.instant(13);
  window.modified_at = row.instant(14);
  window.scheduled_at = row.instant(15);
  window.created_by = row.text(16);
  BELAY_TRY_ASSIGN(window.calendars,
                   detail::decode_stored<std::vector<std::string>>(row.text(17), "calendars of a window"));
  window.next_at = row.optional_instant(18);
  return window;
}

Result<Target> read_target(const Row& row) {
  return Target{row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5), row.instant(6)};
}

Result<Task> read_task(const Row& row) {
  return Task{row.text(0), row.text(1),   row.text(2), row.text(3), static_cast<std::uint32_t>(row.integer(4)),
              row.text(5), row.instant(6)};
}

Result<Missed> read_missed(const Row& row) {
  BELAY_TRY_ASSIGN(const auto reason, row.enumerator<MissedReason>(4));
  return Missed{row.text(0), row.text(1),    row.text(2),    row.text(3),
                reason,      row.instant(5), row.instant(6), static_cast<std::uint32_t>(row.integer(7))};
}

Result<bool> is_there(Sql& sql, std::string_view window_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT 1 FROM windows WHERE window_id = $1", {window_id}));
  return row.has_value();
}

}  // namespace

Status create(Sql& sql, const Window& window) {
  BELAY_TRY_ASSIGN(const bool there, is_there(sql, window.window_id));
  if (there) return detail::taken("maintenance window", window.window_id);
  BELAY_TRY(sql.exec(
      "INSERT INTO windows (window_id, name, description, schedule, timezone, schedule_offset, start_date, "
      "end_date, duration_hours, cutoff_hours, allow_unassociated, enabled, version, created_at, modified_at, "
      "scheduled_at, created_by, calendars, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
      "$13, $14, $15, $16, $17, $18, $19)",
      {window.window_id, window.name, window.description, window.schedule, window.timezone, window.schedule_offset,
       window.start_date, window.end_date, window.duration_hours, window.cutoff_hours, window.allow_unassociated,
       window.enabled, window.version, window.created_at, window.modified_at, window.scheduled_at, window.created_by,
       json::encode_text(window.calendars), window.next_at}));
  return {};
}

Result<Window> get(Sql& sql, std::string_view window_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE window_id = $1", {window_id}));
  if (!row) return detail::missing("maintenance window", window_id);
  return read(*row);
}

Status update(Sql& sql, const Window& window) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE windows SET name = $2, description = $3, schedule = $4, timezone = $5, schedule_offset = $6, "
               "start_date = $7, end_date = $8, duration_hours = $9, cutoff_hours = $10, allow_unassociated = $11, "
               "enabled = $12, version = $13, modified_at = $14, scheduled_at = $15, calendars = $16 "
               "WHERE window_id = $1",
               {window.window_id, window.name, window.description, window.schedule, window.timezone,
                window.schedule_offset, window.start_date, window.end_date, window.duration_hours, window.cutoff_hours,
                window.allow_unassociated, window.enabled, window.version, window.modified_at, window.scheduled_at,
                json::encode_text(window.calendars)}));
  if (touched == 0) return detail::missing("maintenance window", window.window_id);
  return {};
}

Status set_next(Sql& sql, std::string_view window_id, std::optional<Instant> next_at) {
  BELAY_TRY(sql.exec("UPDATE windows SET next_at = $2 WHERE window_id = $1", {window_id, next_at}));
  return {};
}

Status remove(Sql& sql, std::string_view window_id) {
  for (const char* table : {"window_missed", "window_tasks", "window_targets", "windows"})
    BELAY_TRY(sql.exec("DELETE FROM " + std::string(table) + " WHERE window_id = $1", {window_id}));
  return {};
}

Result<Listed<Window>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.names));
  detail::Where where;
  where.any_of("name", filter.names);
  if (filter.enabled) where.add("enabled = ?", {*filter.enabled});
  if (filter.with_calendars) where.add("calendars <> ?", {"[]"});
  if (!page.after.empty()) where.add("window_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kSelect) + where.text() + " ORDER BY window_id LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Window>(rows, read));
  return detail::paged(std::move(found), page, [](const Window& item) { return item.window_id; });
}

Result<std::int64_t> count(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT COUNT(*) FROM windows"));
  return row->integer(0);
}

// ---- targets

Status add_target(Sql& sql, const Target& target) {
  BELAY_TRY_ASSIGN(const bool there, is_there(sql, target.window_id));
  if (!there) return detail::missing("maintenance window", target.window_id);
  BELAY_TRY_ASSIGN(const auto taken, sql.query_one("SELECT 1 FROM window_targets WHERE window_target_id = $1",
                                                   {target.window_target_id}));
  if (taken) return detail::taken("window target", target.window_target_id);
  BELAY_TRY(
      sql.exec("INSERT INTO window_targets (window_target_id, window_id, name, description, owner_information, "
               "targets, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
               {target.window_target_id, target.window_id, target.name, target.description, target.owner_information,
                target.targets, target.created_at}));
  return {};
}

Result<Target> get_target(Sql& sql, std::string_view window_id, std::string_view window_target_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelectTarget) + " WHERE window_target_id = $1 AND window_id = $2",
                                 {window_target_id, window_id}));
  if (!row) return detail::missing("window target", window_target_id);
  return read_target(*row);
}

Status update_target(Sql& sql, const Target& target) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE window_targets SET name = $3, description = $4, owner_information = $5, "
                            "targets = $6 WHERE window_target_id = $1 AND window_id = $2",
                            {target.window_target_id, target.window_id, target.name, target.description,
                             target.owner_information, target.targets}));
  if (touched == 0) return detail::missing("window target", target.window_target_id);
  return {};
}

Status remove_target(Sql& sql, std::string_view window_id, std::string_view window_target_id) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("DELETE FROM window_targets WHERE window_target_id = $1 AND window_id = $2",
                            {window_target_id, window_id}));
  if (touched == 0) return detail::missing("window target", window_target_id);
  return {};
}

Result<std::vector<Target>> targets_of(Sql& sql, std::string_view window_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelectTarget) + " WHERE window_id = $1 ORDER BY created_at, window_target_id",
                             {window_id}));
  return detail::read_all<Target>(rows, read_target);
}

// ---- tasks

Status add_task(Sql& sql, const Task& task) {
  BELAY_TRY_ASSIGN(const bool there, is_there(sql, task.window_id));
  if (!there) return detail::missing("maintenance window", task.window_id);
  BELAY_TRY_ASSIGN(const auto taken,
                   sql.query_one("SELECT 1 FROM window_tasks WHERE window_task_id = $1", {task.window_task_id}));
  if (taken) return detail::taken("window task", task.window_task_id);
  BELAY_TRY(sql.exec(
      "INSERT INTO window_tasks (window_task_id, window_id, type, task_arn, priority, content, created_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {task.window_task_id, task.window_id, task.type, task.task_arn, task.priority, task.content, task.created_at}));
  return {};
}

Result<Task> get_task(Sql& sql, std::string_view window_id, std::string_view window_task_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kSelectTask) + " WHERE window_task_id = $1 AND window_id = $2",
                                 {window_task_id, window_id}));
  if (!row) return detail::missing("window task", window_task_id);
  return read_task(*row);
}

Status update_task(Sql& sql, const Task& task) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE window_tasks SET type = $3, task_arn = $4, priority = $5, content = $6 "
               "WHERE window_task_id = $1 AND window_id = $2",
               {task.window_task_id, task.window_id, task.type, task.task_arn, task.priority, task.content}));
  if (touched == 0) return detail::missing("window task", task.window_task_id);
  return {};
}

Status remove_task(Sql& sql, std::string_view window_id, std::string_view window_task_id) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("DELETE FROM window_tasks WHERE window_task_id = $1 AND window_id = $2",
                                                {window_task_id, window_id}));
  if (touched == 0) return detail::missing("window task", window_task_id);
  BELAY_TRY(
      sql.exec("DELETE FROM window_missed WHERE window_id = $1 AND window_task_id = $2", {window_id, window_task_id}));
  return {};
}

Result<std::vector<Task>> tasks_of(Sql& sql, std::string_view window_id) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelectTask) +
                                                  " WHERE window_id = $1 ORDER BY priority, created_at, window_task_id",
                                              {window_id}));
  return detail::read_all<Task>(rows, read_task);
}

Result<Listed<Task>> tasks_that_mention(Sql& sql, std::string_view text, const Page& page) {
  detail::Where where;
  where.add("(replace(task_arn, ?, '') <> task_arn OR replace(content, ?, '') <> content)", {text, text});
  if (!page.after.empty()) where.add("window_task_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kSelectTask) + where.text() + " ORDER BY window_task_id LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Task>(rows, read_task));
  return detail::paged(std::move(found), page, [](const Task& item) { return item.window_task_id; });
}

// ---- missed nodes

Status add_missed(Sql& sql, std::span<const Missed> missed) {
  std::vector<Params> rows;
  for (const auto& item : missed)
    rows.push_back({item.window_id, item.window_task_id, item.node_id, item.execution_id, item.reason, item.missed_at});
  BELAY_TRY(
      sql.exec_many("INSERT INTO window_missed (window_id, window_task_id, node_id, execution_id, reason, first_at, "
                    "missed_at, times) SELECT window_id, $2, $3, $4, $5, CAST($6 AS BIGINT), CAST($6 AS BIGINT), 1 "
                    "FROM windows WHERE window_id = $1 "
                    "ON CONFLICT (window_id, window_task_id, node_id) DO UPDATE SET reason = excluded.reason, "
                    "times = window_missed.times + CASE WHEN window_missed.execution_id = excluded.execution_id "
                    "THEN 0 ELSE 1 END, execution_id = excluded.execution_id, missed_at = excluded.missed_at",
                    rows));
  return {};
}

Status clear_missed(Sql& sql, std::string_view window_id, std::string_view window_task_id,
                    std::span<const std::string> node_ids) {
  std::vector<Params> rows;
  for (const auto& node_id : node_ids) rows.push_back({window_id, window_task_id, node_id});
  BELAY_TRY(
      sql.exec_many("DELETE FROM window_missed WHERE window_id = $1 AND window_task_id = $2 AND node_id = $3", rows));
  return {};
}

Result<std::vector<Missed>> missed_of(Sql& sql, std::string_view window_id) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelectMissed) +
                                                  " WHERE window_id = $1 ORDER BY node_id, window_task_id LIMIT $2",
                                              {window_id, kMissedMax}));
  return detail::read_all<Missed>(rows, read_missed);
}

Result<Listed<Missed>> list_missed(Sql& sql, const MissedFilter& filter, const Page& page) {
  detail::Where where;
  if (!filter.window_id.empty()) where.add("window_id = ?", {filter.window_id});
  if (!filter.node_id.empty()) where.add("node_id = ?", {filter.node_id});
  if (!page.after.empty()) {
    const auto first = page.after.find('/'), last = page.after.rfind('/');
    if (first == std::string::npos || first == last)
      return Error(Code::invalid_argument, "the page token is not one that was given", "page-token-invalid");
    where.add(
        "(window_id, node_id, window_task_id) > (?, ?, ?)",
        {page.after.substr(0, first), page.after.substr(first + 1, last - first - 1), page.after.substr(last + 1)});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelectMissed) + where.text() +
                                                  " ORDER BY window_id, node_id, window_task_id LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Missed>(rows, read_missed));
  return detail::paged(std::move(found), page, [](const Missed& item) {
    return item.window_id + "/" + item.node_id + "/" + item.window_task_id;
  });
}

}  // namespace belay::store::windows
