#include "store/runs.hpp"

#include "store/detail.hpp"

namespace belay::store::runs {
namespace {

constexpr std::string_view kSelect =
    "SELECT run_id, node_id, command_id, change_set_id, started_at, finished_at, received_at, reboot, report FROM runs";

Result<Run> read(const Row& row) {
  Run run;
  run.run_id = row.text(0);
  run.node_id = row.text(1);
  run.command_id = row.text(2);
  run.change_set_id = row.text(3);
  run.started_at = row.instant(4);
  run.finished_at = row.instant(5);
  run.received_at = row.instant(6);
  BELAY_TRY_ASSIGN(run.reboot, row.enumerator<patchrun::Reboot>(7));
  BELAY_TRY_ASSIGN(const auto report, detail::decompress(row.blob(8)).within("report of run " + run.run_id));
  BELAY_TRY_ASSIGN(run.report, detail::decode_stored<patchrun::PatchRunReport>(report, "report of run " + run.run_id));
  return run;
}

}  // namespace

Result<bool> add(Sql& sql, const Run& run) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT node_id FROM runs WHERE run_id = $1", {run.run_id}));
  if (there && there->text(0) != run.node_id)
    return Error(Code::invalid_argument, "run " + run.run_id + " is another node's");
  if (there) return false;
  BELAY_TRY(sql.exec(
      "INSERT INTO runs (run_id, node_id, command_id, change_set_id, started_at, finished_at, received_at, "
      "reboot, outcome, changed, report) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      {run.run_id, run.node_id, run.command_id, run.change_set_id, run.started_at, run.finished_at, run.received_at,
       run.reboot, run.report.outcome, run.report.changed.size(), detail::compress(json::encode_text(run.report))}));
  return true;
}

Result<Run> get(Sql& sql, std::string_view run_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE run_id = $1", {run_id}));
  if (!row) return detail::missing("patch run", run_id);
  return read(*row);
}

Result<std::optional<Run>> newest(Sql& sql, std::string_view node_id, std::optional<Instant> at_or_before) {
  detail::Where where;
  where.add("node_id = ?", {node_id});
  if (at_or_before) where.add("finished_at <= ?", {*at_or_before});
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + where.text() +
                                                     " ORDER BY finished_at DESC, run_id DESC LIMIT 1",
                                                 where.params()));
  if (!row) return std::optional<Run>();
  BELAY_TRY_ASSIGN(auto run, read(*row));
  return std::optional<Run>(std::move(run));
}

Result<std::optional<Instant>> last_no_reboot_install_at(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT finished_at FROM runs WHERE node_id = $1 AND reboot = 'never' "
                                                 "AND changed > 0 ORDER BY finished_at DESC, run_id DESC LIMIT 1",
                                                 {node_id}));
  return row ? row->optional_instant(0) : std::nullopt;
}

Result<Listed<Run>> history(Sql& sql, std::string_view node_id, const Page& page) {
  detail::Where where;
  where.add("node_id = ?", {node_id});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(finished_at, run_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() +
                                                  " ORDER BY finished_at DESC, run_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Run>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Run& run) { return detail::cursor(run.finished_at, run.run_id); });
}

Status add_pending_reboot(Sql& sql, std::string_view node_id, std::span<const PendingReboot> packages) {
  std::vector<Params> rows;
  for (const auto& item : packages)
    rows.push_back({node_id, item.name, item.arch, item.version, item.run_id, item.boot_id, item.changed_at});
  BELAY_TRY(
      sql.exec_many("INSERT INTO pending_reboots (node_id, name, arch, version, run_id, boot_id, changed_at) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (node_id, name, arch) DO UPDATE SET "
                    "version = excluded.version, run_id = excluded.run_id, boot_id = excluded.boot_id, "
                    "changed_at = excluded.changed_at",
                    rows));
  return {};
}

Result<std::vector<PendingReboot>> pending_reboot(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT name, arch, version, run_id, boot_id, changed_at FROM pending_reboots "
                             "WHERE node_id = $1 ORDER BY name, arch",
                             {node_id}));
  std::vector<PendingReboot> found;
  for (const auto& row : rows)
    found.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.instant(5)});
  return found;
}

Status booted(Sql& sql, std::string_view node_id, std::string_view boot_id) {
  BELAY_TRY(sql.exec("DELETE FROM pending_reboots WHERE node_id = $1 AND boot_id <> $2", {node_id, boot_id}));
  return {};
}

}  // namespace belay::store::runs
