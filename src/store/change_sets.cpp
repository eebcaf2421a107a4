#include "store/change_sets.hpp"

#include "store/detail.hpp"

namespace belay::store::change_sets {
namespace {

constexpr std::string_view kSelect =
    "SELECT change_set_id, name, description, content, sha256, baseline_id, baseline_generation, created_at, "
    "created_by "
    "FROM change_sets";

Result<ChangeSet> read(const Row& row) {
  ChangeSet found;
  found.change_set_id = row.text(0);
  found.name = row.text(1);
  found.description = row.text(2);
  BELAY_TRY_ASSIGN(found.content, detail::decompress(row.blob(3)).within("change set " + found.change_set_id));
  found.sha256 = row.text(4);
  found.baseline_id = row.text(5);
  found.baseline_generation = static_cast<std::uint32_t>(row.integer(6));
  found.created_at = row.instant(7);
  found.created_by = row.text(8);
  return found;
}

std::optional<std::int64_t> count_in(const Row& row, std::size_t column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

Summary read_summary(const Row& row) {
  return {row.text(0),      row.text(1),       row.text(2),
          row.text(3),      row.text(4),       row.text(5),
          row.instant(6),   row.text(7),       row.optional_instant(8),
          row.text(9),      count_in(row, 10), count_in(row, 11),
          count_in(row, 12)};
}

Result<Part> read_part(const Row& row) {
  BELAY_TRY_ASSIGN(auto changes, detail::decompress(row.blob(2)).within("a change set's part"));
  return Part{row.text(0), row.text(1), std::move(changes)};
}

}  // namespace

Status create(Sql& sql, const ChangeSet& change_set) {
  if (sql.seams().sha256_hex(change_set.content) != change_set.sha256)
    return Error(Code::invalid_argument, "change set " + change_set.change_set_id + " is not what its hash says",
                 "hash-mismatch");
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM change_sets WHERE change_set_id = $1", {change_set.change_set_id}));
  if (there) return detail::taken("change set", change_set.change_set_id);
  BELAY_TRY(
      sql.exec("INSERT INTO change_sets (change_set_id, name, description, content, sha256, baseline_id, "
               "baseline_generation, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
               {change_set.change_set_id, change_set.name, change_set.description, detail::compress(change_set.content),
                change_set.sha256, change_set.baseline_id, change_set.baseline_generation, change_set.created_at,
                change_set.created_by}));
  std::vector<Params> rows;
  for (const auto& item : change_set.parts)
    rows.push_back(
        {change_set.change_set_id, item.package_set_hash, item.offer_set_hash, detail::compress(item.changes)});
  BELAY_TRY(
      sql.exec_many("INSERT INTO change_set_parts (change_set_id, package_set_hash, offer_set_hash, changes) "
                    "VALUES ($1, $2, $3, $4)",
                    rows));
  return {};
}

Result<ChangeSet> get(Sql& sql, std::string_view change_set_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE change_set_id = $1", {change_set_id}));
  if (!row) return detail::missing("change set", change_set_id);
  BELAY_TRY_ASSIGN(auto found, read(*row));
  if (sql.seams().sha256_hex(found.content) != found.sha256)
    return Error(Code::corrupt, "change set " + found.change_set_id + " was changed in the store: its hash is another");
  BELAY_TRY_ASSIGN(const auto parts, sql.query("SELECT package_set_hash, offer_set_hash, changes FROM change_set_parts "
                                               "WHERE change_set_id = $1 ORDER BY package_set_hash, offer_set_hash",
                                               {change_set_id}));
  BELAY_TRY_ASSIGN(found.parts, detail::read_all<Part>(parts, read_part));
  return found;
}

Result<Part> part(Sql& sql, std::string_view change_set_id, std::string_view package_set_hash,
                  std::string_view offer_set_hash) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT package_set_hash, offer_set_hash, changes FROM change_set_parts "
                                 "WHERE change_set_id = $1 AND package_set_hash = $2 AND offer_set_hash = $3",
                                 {change_set_id, package_set_hash, offer_set_hash}));
  if (!row) return detail::missing("part for these packages in change set", change_set_id);
  return read_part(*row);
}

Status summarize(Sql& sql, const Summary& summary) {
  BELAY_TRY(
      sql.exec("INSERT INTO change_set_summaries (change_set_id, name, description, status, status_details, "
               "baseline_id, created_at, created_by, frozen_at, sha256, node_count, package_count, download_bytes) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (change_set_id) "
               "DO UPDATE SET status = excluded.status, status_details = excluded.status_details, "
               "frozen_at = excluded.frozen_at, sha256 = excluded.sha256, node_count = excluded.node_count, "
               "package_count = excluded.package_count, download_bytes = excluded.download_bytes",
               {summary.change_set_id, summary.name, summary.description, summary.status, summary.status_details,
                summary.baseline_id, summary.created_at, summary.created_by, summary.frozen_at, summary.sha256,
                summary.nodes, summary.packages, summary.download_bytes}));
  return {};
}

Result<Listed<Summary>> list(Sql& sql, const Page& page) {
  detail::Where where;
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(created_at, change_set_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT change_set_id, name, description, status, status_details, baseline_id, "
                             "created_at, created_by, frozen_at, sha256, node_count, package_count, download_bytes "
                             "FROM change_set_summaries" +
                                 where.text() + " ORDER BY created_at DESC, change_set_id DESC LIMIT " + limit,
                             where.params()));
  std::vector<Summary> found;
  for (const auto& row : rows) found.push_back(read_summary(row));
  return detail::paged(std::move(found), page,
                       [](const Summary& item) { return detail::cursor(item.created_at, item.change_set_id); });
}

Status approve(Sql& sql, std::string_view change_set_id, const Approval& approval) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM change_sets WHERE change_set_id = $1", {change_set_id}));
  if (!there) return detail::missing("change set", change_set_id);
  BELAY_TRY(
      sql.exec("INSERT INTO change_set_approvals (change_set_id, approver, key_id, signature, approved_at) "
               "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (change_set_id, approver) DO NOTHING",
               {change_set_id, approval.approver, approval.key_id, approval.signature, approval.approved_at}));
  return {};
}

Result<std::vector<Approval>> approvals(Sql& sql, std::string_view change_set_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT approver, key_id, signature, approved_at FROM change_set_approvals "
                             "WHERE change_set_id = $1 ORDER BY approved_at, approver",
                             {change_set_id}));
  std::vector<Approval> found;
  for (const auto& row : rows) found.push_back({row.text(0), row.text(1), row.text(2), row.instant(3)});
  return found;
}

}  // namespace belay::store::change_sets
