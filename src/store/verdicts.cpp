#include "store/verdicts.hpp"

#include "store/detail.hpp"

namespace belay::store::verdicts {
namespace {

constexpr std::string_view kSelect =
    "SELECT v.sequence, v.node_id, v.scan_id, v.observed_at, v.judged_at, v.baseline_id, v.baseline_generation, "
    "v.rule_version, v.patch_group, v.operation, v.operation_started_at, v.operation_ended_at, v.snapshot_id, "
    "v.command_id, "
    "v.run_id, v.ad_hoc, v.compliance, v.severity, v.counters, v.reasons, v.evidence_hash FROM ";

// What is said of a node now; $1 and $2 are the times from which a scan and a sign of life count.
constexpr std::string_view kStanding =
    "CASE WHEN h.observed_at >= $1 AND COALESCE(p.last_seen_at, n.registered_at) >= $2 THEN h.compliance "
    "ELSE 'unknown' END AS standing FROM nodes n JOIN node_presence p ON p.node_id = n.node_id "
    "LEFT JOIN verdict_heads h ON h.node_id = n.node_id WHERE n.state = 'active'";

std::string select(std::string_view rest) { return std::string(kSelect) + std::string(rest); }

Result<Verdict> read(const Row& row) {
  Verdict verdict;
  verdict.sequence = row.integer(0);
  verdict.node_id = row.text(1);
  verdict.scan_id = row.text(2);
  verdict.observed_at = row.instant(3);
  verdict.judged_at = row.instant(4);
  verdict.baseline_id = row.text(5);
  verdict.baseline_generation = static_cast<std::uint32_t>(row.integer(6));
  verdict.rule_version = static_cast<std::uint32_t>(row.integer(7));
  verdict.patch_group = row.text(8);
  verdict.operation = row.text(9);
  verdict.operation_started_at = row.instant(10);
  verdict.operation_ended_at = row.instant(11);
  verdict.snapshot_id = row.text(12);
  verdict.command_id = row.text(13);
  verdict.run_id = row.text(14);
  verdict.ad_hoc = row.boolean(15);
  BELAY_TRY_ASSIGN(verdict.compliance, row.enumerator<Compliance>(16));
  verdict.severity = row.text(17);
  verdict.counters = row.text(18);
  verdict.reasons = row.text(19);
  verdict.evidence_hash = row.text(20);
  return verdict;
}

Params params_of(const Verdict& v) {
  return {v.node_id,
          v.scan_id,
          v.observed_at,
          v.judged_at,
          v.baseline_id,
          v.baseline_generation,
          v.rule_version,
          v.patch_group,
          v.operation,
          v.operation_started_at,
          v.operation_ended_at,
          v.snapshot_id,
          v.command_id,
          v.run_id,
          v.ad_hoc,
          v.compliance,
          v.severity,
          v.counters,
          v.reasons,
          v.evidence_hash};
}

Result<std::optional<Verdict>> newest_where(Sql& sql, detail::Where where) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one(select("verdicts v") + where.text() + " ORDER BY v.sequence DESC LIMIT 1", where.params()));
  if (!row) return std::optional<Verdict>();
  BELAY_TRY_ASSIGN(auto verdict, read(*row));
  return std::optional<Verdict>(std::move(verdict));
}

detail::Where of_node(std::string_view node_id, std::string_view baseline_id) {
  detail::Where where;
  where.add("v.node_id = ?", {node_id});
  where.add("v.ad_hoc = 0");
  if (!baseline_id.empty()) where.add("v.baseline_id = ?", {baseline_id});
  return where;
}

}  // namespace

Result<std::int64_t> add(Sql& sql, const Verdict& verdict) {
  BELAY_TRY_ASSIGN(const auto sequences, add_many(sql, std::span(&verdict, 1)));
  return sequences.front();
}

Result<std::vector<std::int64_t>> add_many(Sql& sql, std::span<const Verdict> verdicts) {
  std::vector<Params> rows;
  rows.reserve(verdicts.size());
  for (const auto& verdict : verdicts) rows.push_back(params_of(verdict));
  BELAY_TRY_ASSIGN(
      const auto answers,
      sql.query_many(
          "INSERT INTO verdicts (node_id, scan_id, observed_at, judged_at, baseline_id, baseline_generation, "
          "rule_version, patch_group, operation, operation_started_at, operation_ended_at, snapshot_id, command_id, "
          "run_id, ad_hoc, compliance, severity, counters, reasons, evidence_hash) VALUES ($1, $2, $3, $4, $5, $6, "
          "$7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) RETURNING sequence",
          rows));
  std::vector<std::int64_t> sequences;
  std::vector<Params> heads;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    sequences.push_back(answers[i].front().integer(0));
    if (!verdicts[i].ad_hoc)
      heads.push_back({verdicts[i].node_id, sequences.back(), verdicts[i].compliance, verdicts[i].observed_at});
  }
  BELAY_TRY(
      sql.exec_many("INSERT INTO verdict_heads (node_id, sequence, compliance, observed_at) VALUES ($1, $2, $3, $4) "
                    "ON CONFLICT (node_id) DO UPDATE SET sequence = excluded.sequence, "
                    "compliance = excluded.compliance, observed_at = excluded.observed_at "
                    "WHERE excluded.sequence > verdict_heads.sequence",
                    heads));
  return sequences;
}

Result<Verdict> get(Sql& sql, std::int64_t sequence) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(select("verdicts v WHERE v.sequence = $1"), {sequence}));
  if (!row) return detail::missing("verdict", std::to_string(sequence));
  return read(*row);
}

Result<std::optional<Verdict>> newest(Sql& sql, std::string_view node_id, std::string_view baseline_id) {
  return newest_where(sql, of_node(node_id, baseline_id));
}

Result<std::vector<Verdict>> newest_of(Sql& sql, std::span<const std::string> node_ids) {
  std::vector<Params> asked;
  for (const auto& id : node_ids) asked.push_back({id});
  BELAY_TRY_ASSIGN(
      const auto answers,
      sql.query_many(select("verdict_heads h JOIN verdicts v ON v.sequence = h.sequence WHERE h.node_id = $1"), asked));
  std::vector<Verdict> found;
  for (const auto& rows : answers) {
    if (rows.empty()) continue;
    BELAY_TRY_ASSIGN(auto verdict, read(rows.front()));
    found.push_back(std::move(verdict));
  }
  return found;
}

Result<std::optional<Verdict>> as_of(Sql& sql, std::string_view node_id, Instant at, std::string_view baseline_id) {
  auto where = of_node(node_id, baseline_id);
  where.add("v.judged_at <= ?", {at});
  return newest_where(sql, std::move(where));
}

Result<Listed<Verdict>> history(Sql& sql, std::string_view node_id, const Page& page) {
  detail::Where where;
  where.add("v.node_id = ?", {node_id});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("v.sequence < ?", {after.number});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(select("verdicts v") + where.text() + " ORDER BY v.sequence DESC LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Verdict>(rows, read));
  return detail::paged(std::move(found), page, [](const Verdict& item) { return detail::cursor(item.sequence); });
}

Result<Listed<Verdict>> list_newest(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.patch_groups, filter.baseline_ids, filter.compliance));
  detail::Where where;
  where.add("n.state = 'active'");
  where.any_of("v.patch_group", filter.patch_groups);
  where.any_of("v.baseline_id", filter.baseline_ids);
  where.any_of("v.compliance", filter.compliance);
  if (!page.after.empty()) where.add("h.node_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(select("verdict_heads h JOIN verdicts v ON v.sequence = h.sequence "
                                                     "JOIN nodes n ON n.node_id = h.node_id") +
                                                  where.text() + " ORDER BY h.node_id LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Verdict>(rows, read));
  return detail::paged(std::move(found), page, [](const Verdict& item) { return item.node_id; });
}

Result<Totals> totals(Sql& sql, Instant observed_from, Instant seen_from) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT standing, COUNT(*) FROM (SELECT " + std::string(kStanding) +
                                                  ") standings GROUP BY standing",
                                              {observed_from, seen_from}));
  Totals totals;
  for (const auto& row : rows) {
    BELAY_TRY_ASSIGN(const auto compliance, row.enumerator<Compliance>(0));
    (compliance == Compliance::compliant       ? totals.compliant
     : compliance == Compliance::non_compliant ? totals.non_compliant
                                               : totals.unknown) = row.integer(1);
  }
  return totals;
}

Result<std::vector<std::string>> by_need(Sql& sql, Instant observed_from, Instant seen_from, std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT node_id FROM (SELECT n.node_id, n.name, " + std::string(kStanding) +
                                 ") standings ORDER BY CASE standing WHEN 'non_compliant' THEN 0 WHEN 'unknown' THEN 1 "
                                 "ELSE 2 END, name, node_id LIMIT $3",
                             {observed_from, seen_from, limit}));
  std::vector<std::string> ids;
  for (const auto& row : rows) ids.push_back(row.text(0));
  return ids;
}

Result<std::optional<Instant>> not_compliant_since(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT MIN(judged_at) FROM verdicts WHERE node_id = $1 AND ad_hoc = 0 AND "
                    "compliance <> 'compliant' AND sequence > COALESCE((SELECT MAX(sequence) FROM verdicts "
                    "WHERE node_id = $1 AND ad_hoc = 0 AND compliance = 'compliant'), 0)",
                    {node_id}));
  return row ? row->optional_instant(0) : std::nullopt;
}

}  // namespace belay::store::verdicts
