// Backup jobs: runs, copies, restores, restore tests, deletions.
#include "base/json.hpp"
#include "base/text.hpp"
#include "store/backups.hpp"
#include "store/detail.hpp"

namespace belay::store::backups {
namespace {

constexpr std::size_t kWhyBytesMax = 4'000;
constexpr std::string_view kColumns =
    "SELECT job_id, plan_id, node_id, task, state, why, order_id, requested_by, reason, created_at, begun_at, "
    "finished_at, progress";

Result<Job> read_brief(const Row& row) {
  Job found;
  found.job.job_id = row.text(0);
  found.job.plan_id = row.text(1);
  found.job.node_id = row.text(2);
  BELAY_TRY_ASSIGN(found.job.task, row.enumerator<backup::Task>(3));
  found.state = row.text(4);
  found.why = row.text(5);
  found.order_id = row.text(6);
  found.requested_by = row.text(7);
  found.reason = row.text(8);
  found.created_at = row.instant(9);
  found.begun_at = row.optional_instant(10);
  found.finished_at = row.optional_instant(11);
  found.progress = row.text(12);
  return found;
}

Result<Job> read_whole(const Row& row) {
  BELAY_TRY_ASSIGN(auto found, read_brief(row));
  const std::string what = "backup job " + found.job.job_id;
  BELAY_TRY_ASSIGN(const auto text, detail::decompress(row.blob(13)).within(what));
  BELAY_TRY_ASSIGN(found.job, detail::decode_stored<backup::Job>(text, what));
  if (row.is_null(14)) return found;
  BELAY_TRY_ASSIGN(const auto report, detail::decompress(row.blob(14)).within(what));
  BELAY_TRY_ASSIGN(found.report, detail::decode_stored<backup::JobReport>(report, what));
  return found;
}

std::string whole(std::string_view rest) {
  return std::string(kColumns) + ", job, report FROM backup_jobs " + std::string(rest);
}

SqlValue report_value(const Job& job) {
  return job.report ? SqlValue(detail::compress(json::encode_text(*job.report))) : SqlValue(std::nullopt);
}

}  // namespace

Status create_job(Sql& sql, const Job& job) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM backup_jobs WHERE job_id = $1", {job.job.job_id}));
  if (there) return detail::taken("backup job", job.job.job_id);
  BELAY_TRY(sql.exec(
      "INSERT INTO backup_jobs (job_id, plan_id, node_id, task, state, why, order_id, requested_by, reason, "
      "created_at, "
      "begun_at, finished_at, progress, job, report) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
      "$14, $15)",
      {job.job.job_id, job.job.plan_id, job.job.node_id, job.job.task, job.state, sanitize(job.why, kWhyBytesMax),
       job.order_id, job.requested_by, sanitize(job.reason, 256), job.created_at, job.begun_at, job.finished_at,
       sanitize(job.progress, kWhyBytesMax), detail::compress(json::encode_text(job.job)), report_value(job)}));
  return {};
}

Result<Job> get_job(Sql& sql, std::string_view job_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(whole("WHERE job_id = $1"), {job_id}));
  if (!row) return detail::missing("backup job", job_id);
  return read_whole(*row);
}

Status update_job(Sql& sql, const Job& job) {
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec(
          "UPDATE backup_jobs SET state = $2, why = $3, order_id = $4, begun_at = $5, finished_at = $6, "
          "progress = $7, job = $8, report = $9 WHERE job_id = $1",
          {job.job.job_id, job.state, sanitize(job.why, kWhyBytesMax), job.order_id, job.begun_at, job.finished_at,
           sanitize(job.progress, kWhyBytesMax), detail::compress(json::encode_text(job.job)), report_value(job)}));
  if (touched == 0) return detail::missing("backup job", job.job.job_id);
  return {};
}

Status note_progress(Sql& sql, std::string_view order_id, std::string_view progress) {
  BELAY_TRY(sql.exec("UPDATE backup_jobs SET progress = $2 WHERE order_id = $1 AND finished_at IS NULL",
                     {order_id, sanitize(progress, kWhyBytesMax)}));
  return {};
}

Result<std::vector<Job>> open_jobs(Sql& sql, std::string_view plan_id, std::string_view node_id) {
  Params which{plan_id};
  if (!node_id.empty()) which.push_back(node_id);
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(whole("WHERE plan_id = $1 " + std::string(node_id.empty() ? "" : "AND node_id = $2 ") +
                                   "AND finished_at IS NULL ORDER BY created_at, job_id"),
                             which));
  return detail::read_all<Job>(rows, read_whole);
}

Result<std::optional<Job>> job_of_order(Sql& sql, std::string_view order_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(whole("WHERE order_id = $1"), {order_id}));
  if (!row || order_id.empty()) return std::optional<Job>();
  BELAY_TRY_ASSIGN(auto found, read_whole(*row));
  return std::optional(std::move(found));
}

Result<Listed<Job>> list_jobs(Sql& sql, const JobFilter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.tasks, filter.states));
  detail::Where where;
  if (!filter.plan_id.empty()) where.add("plan_id = ?", {filter.plan_id});
  if (!filter.node_id.empty()) where.add("node_id = ?", {filter.node_id});
  where.any_of("task", filter.tasks);
  where.any_of("state", filter.states);
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(created_at, job_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kColumns) + " FROM backup_jobs" + where.text() +
                                                  " ORDER BY created_at DESC, job_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Job>(rows, read_brief));
  return detail::paged(std::move(found), page,
                       [](const Job& job) { return detail::cursor(job.created_at, job.job.job_id); });
}

Result<std::int64_t> forget_jobs(Sql& sql, Instant before, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT job_id FROM backup_jobs WHERE finished_at < $1 ORDER BY finished_at LIMIT $2",
                             {before, limit}));
  std::vector<Params> keys;
  for (const auto& row : rows) keys.push_back({row.text(0)});
  BELAY_TRY(sql.exec_many("DELETE FROM backup_jobs WHERE job_id = $1", keys));
  return static_cast<std::int64_t>(rows.size());
}

}  // namespace belay::store::backups
