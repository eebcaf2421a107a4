#include "store/compliance_items.hpp"

#include <array>

#include "store/detail.hpp"

namespace belay::store::compliance_items {
namespace {

constexpr std::string_view kReportColumns =
    "node_id, compliance_type, execution_id, execution_type, executed_at, received_at, content_hash, sha256, "
    "compliant_count, non_compliant_count, severity, non_compliant_since, reported_by";

Result<Report> read_report(const Row& row) {
  Report report;
  report.node_id = row.text(0);
  report.compliance_type = row.text(1);
  report.execution = {row.text(2), row.text(3), row.instant(4)};
  report.received_at = row.instant(5);
  report.content_hash = row.text(6);
  report.sha256 = row.text(7);
  report.compliant_count = row.integer(8);
  report.non_compliant_count = row.integer(9);
  report.severity = row.text(10);
  report.non_compliant_since = row.optional_instant(11);
  report.reported_by = row.text(12);
  return report;
}

Result<Item> read_item(const Row& row) {
  Item item;
  item.item_id = row.text(0);
  item.title = row.text(1);
  item.severity = row.text(2);
  item.status = row.text(3);
  using Details = std::map<std::string, std::string>;
  BELAY_TRY_ASSIGN(item.details, detail::decode_stored<Details>(row.text(4), "a compliance item"));
  item.execution = {row.text(5), row.text(6), row.instant(7)};
  return item;
}

constexpr std::array<std::string_view, 6> kSeverities = {"CRITICAL", "HIGH",          "MEDIUM",
                                                         "LOW",      "INFORMATIONAL", "UNSPECIFIED"};

Status insert(Sql& sql, const Report& report, std::span<const Item> items) {
  std::vector<Params> rows;
  for (const auto& item : items)
    rows.push_back({report.node_id, report.compliance_type, item.item_id, item.title, item.severity, item.status,
                    json::encode_text(item.details), report.execution.execution_id, report.execution.execution_type,
                    report.execution.executed_at});
  BELAY_TRY(
      sql.exec_many("INSERT INTO compliance_items (node_id, compliance_type, item_id, title, severity, status, "
                    "details, execution_id, "
                    "execution_type, executed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
                    "ON CONFLICT (node_id, compliance_type, item_id) DO UPDATE SET title = excluded.title, "
                    "severity = excluded.severity, status = excluded.status, details = excluded.details, "
                    "execution_id = excluded.execution_id, execution_type = excluded.execution_type, "
                    "executed_at = excluded.executed_at",
                    rows));
  return {};
}

// Counts, the highest severity and the hash of what then stands.
void sum_up(Sql& sql, Report& report, const std::vector<Item>& all) {
  std::size_t highest = kSeverities.size();
  std::string text;
  for (const auto& item : all) {
    text += json::to_canonical_text(json::Array{json::Value(item.item_id), json::Value(item.title),
                                                json::Value(item.severity), json::Value(item.status),
                                                json::encode(item.details)});
    if (item.status == "COMPLIANT") {
      ++report.compliant_count;
      continue;
    }
    ++report.non_compliant_count;
    const auto at = static_cast<std::size_t>(std::ranges::find(kSeverities, item.severity) - kSeverities.begin());
    highest = std::min({highest, at, kSeverities.size() - 1});
  }
  if (highest < kSeverities.size()) report.severity = kSeverities[highest];
  report.sha256 = sql.seams().sha256_hex(text);
}

}  // namespace

Result<Report> put(Sql& sql, const Report& wanted, std::span<const Item> items, bool partial) {
  BELAY_TRY_ASSIGN(const auto node, sql.query_one("SELECT 1 FROM nodes WHERE node_id = $1", {wanted.node_id}));
  if (!node) return Error(Code::not_found, "there is no node " + wanted.node_id, "node-unknown");
  BELAY_TRY_ASSIGN(const auto before, find(sql, wanted.node_id, wanted.compliance_type));
  Report report = wanted;
  report.compliant_count = report.non_compliant_count = 0;
  report.severity.clear();
  report.sha256 = std::string(64, '0');
  BELAY_TRY(sql.exec(
      "INSERT INTO compliance_reports (node_id, compliance_type, execution_id, execution_type, executed_at, "
      "received_at, content_hash, sha256, compliant_count, non_compliant_count, severity, reported_by) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, '', $9) ON CONFLICT (node_id, compliance_type) DO UPDATE SET "
      "execution_id = excluded.execution_id, execution_type = excluded.execution_type, "
      "executed_at = excluded.executed_at, received_at = excluded.received_at, content_hash = excluded.content_hash, "
      "reported_by = excluded.reported_by",
      {report.node_id, report.compliance_type, report.execution.execution_id, report.execution.execution_type,
       report.execution.executed_at, report.received_at, report.content_hash, report.sha256, report.reported_by}));
  if (!partial)
    BELAY_TRY(sql.exec("DELETE FROM compliance_items WHERE node_id = $1 AND compliance_type = $2",
                       {report.node_id, report.compliance_type}));
  BELAY_TRY(insert(sql, report, items));
  BELAY_TRY_ASSIGN(const auto all, compliance_items::items(sql, report.node_id, report.compliance_type));
  sum_up(sql, report, all);
  report.non_compliant_since.reset();
  if (report.non_compliant_count > 0) {
    report.non_compliant_since = report.execution.executed_at;
    if (before && before->non_compliant_since) report.non_compliant_since = before->non_compliant_since;
  }
  BELAY_TRY(
      sql.exec("UPDATE compliance_reports SET sha256 = $3, compliant_count = $4, non_compliant_count = $5, "
               "severity = $6, non_compliant_since = $7 WHERE node_id = $1 AND compliance_type = $2",
               {report.node_id, report.compliance_type, report.sha256, report.compliant_count,
                report.non_compliant_count, report.severity, report.non_compliant_since}));
  return report;
}

Result<bool> confirm(Sql& sql, const Report& report) {
  const auto& [execution_id, execution_type, executed_at] = report.execution;
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE compliance_reports SET execution_id = $4, execution_type = $5, executed_at = $6, "
                            "received_at = $7 WHERE node_id = $1 AND compliance_type = $2 AND content_hash = $3 "
                            "AND content_hash <> '' AND executed_at <= $6",
                            {report.node_id, report.compliance_type, report.content_hash, execution_id, execution_type,
                             executed_at, report.received_at}));
  if (touched == 0) return false;
  BELAY_TRY(
      sql.exec("UPDATE compliance_items SET execution_id = $3, execution_type = $4, executed_at = $5 "
               "WHERE node_id = $1 AND compliance_type = $2",
               {report.node_id, report.compliance_type, execution_id, execution_type, executed_at}));
  return true;
}

Status remove_item(Sql& sql, std::string_view node_id, std::string_view compliance_type, std::string_view item_id) {
  BELAY_TRY_ASSIGN(auto report, find(sql, node_id, compliance_type));
  if (!report) return {};
  BELAY_TRY(sql.exec("DELETE FROM compliance_items WHERE node_id = $1 AND compliance_type = $2 AND item_id = $3",
                     {node_id, compliance_type, item_id}));
  BELAY_TRY_ASSIGN(const auto left, items(sql, node_id, compliance_type));
  if (left.empty()) {
    BELAY_TRY(sql.exec("DELETE FROM compliance_reports WHERE node_id = $1 AND compliance_type = $2",
                       {node_id, compliance_type}));
    return {};
  }
  report->compliant_count = report->non_compliant_count = 0;
  report->severity.clear();
  sum_up(sql, *report, left);
  if (report->non_compliant_count == 0) report->non_compliant_since.reset();
  BELAY_TRY(
      sql.exec("UPDATE compliance_reports SET sha256 = $3, compliant_count = $4, non_compliant_count = $5, "
               "severity = $6, non_compliant_since = $7 WHERE node_id = $1 AND compliance_type = $2",
               {node_id, compliance_type, report->sha256, report->compliant_count, report->non_compliant_count,
                report->severity, report->non_compliant_since}));
  return {};
}

Result<std::optional<Report>> find(Sql& sql, std::string_view node_id, std::string_view compliance_type) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT " + std::string(kReportColumns) +
                                                     " FROM compliance_reports WHERE node_id = $1 "
                                                     "AND compliance_type = $2",
                                                 {node_id, compliance_type}));
  if (!row) return std::optional<Report>();
  BELAY_TRY_ASSIGN(auto report, read_report(*row));
  return std::optional<Report>(std::move(report));
}

Result<std::map<std::string, std::vector<Report>>> reports_of(Sql& sql, std::span<const std::string> node_ids) {
  std::vector<Params> asked;
  for (const auto& id : node_ids) asked.push_back({id});
  BELAY_TRY_ASSIGN(const auto answers,
                   sql.query_many("SELECT " + std::string(kReportColumns) +
                                      " FROM compliance_reports WHERE node_id = $1 ORDER BY compliance_type",
                                  asked));
  std::map<std::string, std::vector<Report>> found;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].empty()) continue;
    BELAY_TRY_ASSIGN(found[node_ids[i]], detail::read_all<Report>(answers[i], read_report));
  }
  return found;
}

Result<std::vector<Item>> items(Sql& sql, std::string_view node_id, std::string_view compliance_type) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT item_id, title, severity, status, details, execution_id, execution_type, "
                             "executed_at FROM compliance_items WHERE node_id = $1 AND compliance_type = $2 "
                             "ORDER BY item_id",
                             {node_id, compliance_type}));
  return detail::read_all<Item>(rows, read_item);
}

Result<std::int64_t> count_non_compliant(Sql& sql, std::string_view compliance_type, std::string_view item_id) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT COUNT(*) FROM compliance_items WHERE compliance_type = $1 AND item_id = $2 AND "
                    "status = 'NON_COMPLIANT'",
                    {compliance_type, item_id}));
  return row ? row->integer(0) : 0;
}

Result<std::vector<std::string>> types(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT DISTINCT compliance_type FROM compliance_reports ORDER BY compliance_type"));
  std::vector<std::string> found;
  for (const auto& row : rows) found.push_back(row.text(0));
  return found;
}

}  // namespace belay::store::compliance_items
