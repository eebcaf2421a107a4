#include "store/scans.hpp"

#include "store/detail.hpp"

namespace belay::store::scans {
namespace {

constexpr std::string_view kSelect =
    "SELECT scan_id, node_id, order_id, observed_at, received_at, package_set_hash, offer_set_hash, facts_hash, "
    "packages, "
    "offers, held, repositories, problems FROM scans";
constexpr std::string_view kSelectHeads =
    "SELECT node_id, scan_id, observed_at, received_at, package_set_hash, offer_set_hash FROM scan_heads";

Result<Scan> read(const Row& row) {
  Scan scan;
  scan.scan_id = row.text(0);
  scan.node_id = row.text(1);
  scan.order_id = row.text(2);
  scan.observed_at = row.instant(3);
  scan.received_at = row.instant(4);
  scan.package_set_hash = row.text(5);
  scan.offer_set_hash = row.text(6);
  scan.facts_hash = row.text(7);
  scan.packages = static_cast<std::uint32_t>(row.integer(8));
  scan.offers = static_cast<std::uint32_t>(row.integer(9));
  BELAY_TRY_ASSIGN(scan.held, detail::decode_stored<std::vector<std::string>>(row.text(10), "held packages of a scan"));
  scan.repositories = row.text(11);
  BELAY_TRY_ASSIGN(scan.problems,
                   detail::decode_stored<std::vector<fleet::Problem>>(row.text(12), "problems of a scan"));
  return scan;
}

Head read_head(const Row& row) {
  return {row.text(0), row.text(1), row.instant(2), row.instant(3), row.text(4), row.text(5)};
}

Result<std::optional<Scan>> first(Sql& sql, std::string_view conditions, const Params& params) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + std::string(conditions), params));
  if (!row) return std::optional<Scan>();
  BELAY_TRY_ASSIGN(auto scan, read(*row));
  return std::optional<Scan>(std::move(scan));
}

Status insert(Sql& sql, const Scan& scan) {
  BELAY_TRY(
      sql.exec("INSERT INTO scans (scan_id, node_id, order_id, observed_at, received_at, package_set_hash, "
               "offer_set_hash, facts_hash, packages, offers, held, repositories, problems) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
               {scan.scan_id, scan.node_id, scan.order_id, scan.observed_at, scan.received_at, scan.package_set_hash,
                scan.offer_set_hash, scan.facts_hash, scan.packages, scan.offers, json::encode_text(scan.held),
                scan.repositories, json::encode_text(scan.problems)}));
  std::vector<Params> uses;
  if (!scan.package_set_hash.empty()) uses.push_back({"package_set", scan.package_set_hash});
  if (!scan.offer_set_hash.empty()) uses.push_back({"offer_set", scan.offer_set_hash});
  BELAY_TRY(
      sql.exec_many("INSERT INTO set_uses (kind, hash) VALUES ($1, $2) ON CONFLICT (kind, hash) DO NOTHING", uses));
  // The newest by observation stays: a scan that was delivered late never hides a newer one.
  BELAY_TRY(sql.exec(
      "INSERT INTO scan_heads (node_id, scan_id, observed_at, received_at, package_set_hash, offer_set_hash) "
      "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (node_id) DO UPDATE SET scan_id = excluded.scan_id, "
      "observed_at = excluded.observed_at, received_at = excluded.received_at, "
      "package_set_hash = excluded.package_set_hash, offer_set_hash = excluded.offer_set_hash "
      "WHERE (excluded.observed_at, excluded.received_at, excluded.scan_id) > "
      "(scan_heads.observed_at, scan_heads.received_at, scan_heads.scan_id)",
      {scan.node_id, scan.scan_id, scan.observed_at, scan.received_at, scan.package_set_hash, scan.offer_set_hash}));
  return {};
}

Result<Listed<Head>> page_of_heads(Sql& sql, detail::Where where, const Page& page) {
  if (!page.after.empty()) where.add("node_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kSelectHeads) + where.text() + " ORDER BY node_id LIMIT " + limit, where.params()));
  std::vector<Head> heads;
  for (const auto& row : rows) heads.push_back(read_head(row));
  return detail::paged(std::move(heads), page, [](const Head& head) { return head.node_id; });
}

}  // namespace

Result<bool> add(Sql& sql, const Scan& scan) {
  if (scan.observed_at > scan.received_at)
    return Error(Code::invalid_argument, "scan " + scan.scan_id + " was observed after it was received");
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT node_id FROM scans WHERE scan_id = $1", {scan.scan_id}));
  if (there && there->text(0) != scan.node_id)
    return Error(Code::invalid_argument, "scan " + scan.scan_id + " is another node's");
  if (there) return false;
  BELAY_TRY(insert(sql, scan));
  return true;
}

Result<Scan> get(Sql& sql, std::string_view scan_id) {
  BELAY_TRY_ASSIGN(auto scan, first(sql, " WHERE scan_id = $1", {scan_id}));
  if (!scan) return detail::missing("scan", scan_id);
  return std::move(*scan);
}

Result<std::optional<Scan>> newest(Sql& sql, std::string_view node_id) {
  return first(sql, " WHERE node_id = $1 ORDER BY observed_at DESC, received_at DESC, scan_id DESC LIMIT 1", {node_id});
}

Result<std::optional<Scan>> as_of(Sql& sql, std::string_view node_id, Instant at) {
  return first(
      sql,
      " WHERE node_id = $1 AND observed_at <= $2 ORDER BY observed_at DESC, received_at DESC, scan_id DESC LIMIT 1",
      {node_id, at});
}

Result<Listed<Scan>> history(Sql& sql, std::string_view node_id, const Page& page) {
  detail::Where where;
  where.add("node_id = ?", {node_id});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(observed_at, scan_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() +
                                                  " ORDER BY observed_at DESC, scan_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto scans, detail::read_all<Scan>(rows, read));
  return detail::paged(std::move(scans), page,
                       [](const Scan& scan) { return detail::cursor(scan.observed_at, scan.scan_id); });
}

Result<Listed<Head>> heads(Sql& sql, std::optional<Instant> received_since, const Page& page) {
  detail::Where where;
  if (received_since) where.add("received_at >= ?", {*received_since});
  return page_of_heads(sql, std::move(where), page);
}

Result<std::vector<Head>> heads_of(Sql& sql, std::span<const std::string> node_ids) {
  std::vector<Params> asked;
  for (const auto& id : node_ids) asked.push_back({id});
  BELAY_TRY_ASSIGN(const auto answers, sql.query_many(std::string(kSelectHeads) + " WHERE node_id = $1", asked));
  std::vector<Head> heads;
  for (const auto& rows : answers)
    for (const auto& row : rows) heads.push_back(read_head(row));
  return heads;
}

Result<Listed<Head>> heads_with_set(Sql& sql, std::string_view set_hash, const Page& page) {
  detail::Where where;
  where.add("package_set_hash = ? OR offer_set_hash = ?", {set_hash, set_hash});
  return page_of_heads(sql, std::move(where), page);
}

}  // namespace belay::store::scans
