// Recovery points and their proofs.
#include "base/json.hpp"
#include "store/backups.hpp"
#include "store/detail.hpp"

namespace belay::store::backups {
namespace {

using backup::RecoveryPoint;

constexpr std::string_view kBrief =
    "SELECT brief, state, legal_hold, locked_until, proof_id, proven, proven_offsite, proven_at";

// What is rewritten stands in columns, the rest in the text.
Result<RecoveryPoint> with_columns(RecoveryPoint point, const Row& row) {
  BELAY_TRY_ASSIGN(point.state, row.enumerator<backup::PointState>(1));
  point.legal_hold = row.boolean(2);
  point.locked_until = row.optional_instant(3);
  point.proof_id = row.text(4);
  if (!row.is_null(5)) {
    BELAY_TRY_ASSIGN(point.proven, row.enumerator<backup::ProofLevel>(5));
  }
  point.proven_offsite = row.boolean(6);
  point.proven_at = row.optional_instant(7);
  return point;
}

Result<RecoveryPoint> read_brief(const Row& row) {
  BELAY_TRY_ASSIGN(auto point, detail::decode_stored<RecoveryPoint>(row.text(0), "a recovery point"));
  return with_columns(std::move(point), row);
}

std::string brief_of(RecoveryPoint point) {
  point.made.fingerprints.clear();
  return json::encode_text(point);
}

std::string proven_text(const RecoveryPoint& point) {
  return point.proven ? boost::describe::enum_to_string(*point.proven, "") : "";
}

SqlValue proven_value(const RecoveryPoint& point) {
  return point.proven ? SqlValue(proven_text(point)) : SqlValue(std::nullopt);
}

Result<SignedProof> read_proof(const Row& row) {
  SignedProof found;
  BELAY_TRY_ASSIGN(found.text, detail::decompress(row.blob(0)).within("a proof"));
  BELAY_TRY_ASSIGN(found.proof, detail::decode_stored<backup::Proof>(found.text, "a proof"));
  found.signature = row.text(1);
  return found;
}

}  // namespace

Status add_points(Sql& sql, std::span<const RecoveryPoint> points) {
  std::vector<Params> rows;
  rows.reserve(points.size());
  for (const auto& point : points)
    rows.push_back({point.point_id, point.plan_id, point.node_id, point.vault, point.copy_of, point.made.reference,
                    point.state, point.made.taken_at, point.recorded_at, point.legal_hold, point.locked_until,
                    point.proof_id, proven_value(point), point.proven_offsite, point.proven_at, brief_of(point),
                    detail::compress(json::encode_text(point))});
  BELAY_TRY(sql.exec_many(
      "INSERT INTO recovery_points (point_id, plan_id, node_id, vault, copy_of, reference, state, taken_at, "
      "recorded_at, legal_hold, locked_until, proof_id, proven, proven_offsite, proven_at, brief, content) VALUES "
      "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) "
      "ON CONFLICT (plan_id, node_id, vault, reference) DO NOTHING",
      rows));
  return {};
}

Result<bool> has_reference(Sql& sql, std::string_view plan_id, std::string_view node_id, std::string_view vault,
                           std::string_view reference) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT 1 FROM recovery_points WHERE plan_id = $1 AND node_id = $2 "
                                                 "AND vault = $3 AND reference = $4",
                                                 {plan_id, node_id, vault, reference}));
  return row.has_value();
}

Result<RecoveryPoint> get_point(Sql& sql, std::string_view point_id) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one(std::string(kBrief) + ", content FROM recovery_points WHERE point_id = $1", {point_id}));
  if (!row) return detail::missing("recovery point", point_id);
  BELAY_TRY_ASSIGN(auto brief, detail::decode_stored<RecoveryPoint>(row->text(0), "a recovery point"));
  BELAY_TRY_ASSIGN(const auto text, detail::decompress(row->blob(8)).within("recovery point " + std::string(point_id)));
  BELAY_TRY_ASSIGN(auto whole, detail::decode_stored<RecoveryPoint>(text, "a recovery point"));
  brief.made.fingerprints = std::move(whole.made.fingerprints);
  return with_columns(std::move(brief), *row);
}

Status update_point(Sql& sql, const RecoveryPoint& point) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE recovery_points SET state = $2, legal_hold = $3, locked_until = $4, proof_id = $5, "
                            "proven = $6, proven_offsite = $7, proven_at = $8, brief = $9 WHERE point_id = $1",
                            {point.point_id, point.state, point.legal_hold, point.locked_until, point.proof_id,
                             proven_value(point), point.proven_offsite, point.proven_at, brief_of(point)}));
  if (touched == 0) return detail::missing("recovery point", point.point_id);
  return {};
}

Result<std::vector<RecoveryPoint>> points_of(Sql& sql, std::string_view plan_id, std::string_view node_id,
                                             std::string_view vault) {
  detail::Where where;
  where.add("plan_id = ?", {plan_id});
  where.add("node_id = ?", {node_id});
  where.add("state <> 'gone'");
  if (!vault.empty()) where.add("vault = ?", {vault});
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kBrief) + " FROM recovery_points" + where.text() +
                                                  " ORDER BY taken_at DESC, point_id DESC",
                                              where.params()));
  return detail::read_all<RecoveryPoint>(rows, read_brief);
}

Result<Listed<RecoveryPoint>> list_points(Sql& sql, const PointFilter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.states));
  detail::Where where;
  if (!filter.plan_id.empty()) where.add("plan_id = ?", {filter.plan_id});
  if (!filter.node_id.empty()) where.add("node_id = ?", {filter.node_id});
  if (!filter.vault.empty()) where.add("vault = ?", {filter.vault});
  if (filter.states.empty()) where.add("state <> 'gone'");
  where.any_of("state", filter.states);
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(taken_at, point_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kBrief) + " FROM recovery_points" + where.text() +
                                                  " ORDER BY taken_at DESC, point_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<RecoveryPoint>(rows, read_brief));
  return detail::paged(std::move(found), page,
                       [](const RecoveryPoint& point) { return detail::cursor(point.made.taken_at, point.point_id); });
}

Result<std::int64_t> count_points(Sql& sql, std::string_view vault) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT COUNT(*) FROM recovery_points WHERE vault = $1 AND state <> 'gone'", {vault}));
  return row ? row->integer(0) : 0;
}

// ---- proofs

Status add_proof(Sql& sql, const SignedProof& kept) {
  const auto& proof = kept.proof;
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM proofs WHERE proof_id = $1", {proof.proof_id}));
  if (there) return detail::taken("proof", proof.proof_id);
  BELAY_TRY(
      sql.exec("INSERT INTO proofs (proof_id, point_id, plan_id, node_id, passed, at, content, signature) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
               {proof.proof_id, proof.point_id, proof.plan_id, proof.node_id, proof.passed, proof.at,
                detail::compress(kept.text), kept.signature}));
  return {};
}

Result<SignedProof> get_proof(Sql& sql, std::string_view proof_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT content, signature FROM proofs WHERE proof_id = $1", {proof_id}));
  if (!row) return detail::missing("proof", proof_id);
  return read_proof(*row);
}

Result<std::vector<backup::Proof>> proofs_of(Sql& sql, std::string_view plan_id, std::string_view node_id,
                                             std::uint32_t limit) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT content, signature FROM proofs WHERE plan_id = $1 AND node_id = $2 "
                             "ORDER BY at DESC, proof_id DESC LIMIT $3",
                             {plan_id, node_id, limit}));
  BELAY_TRY_ASSIGN(auto all, detail::read_all<SignedProof>(rows, read_proof));
  std::vector<backup::Proof> proofs;
  proofs.reserve(all.size());
  for (auto& one : all) proofs.push_back(std::move(one.proof));
  return proofs;
}

Result<Listed<SignedProof>> list_proofs(Sql& sql, const ProofFilter& filter, const Page& page) {
  detail::Where where;
  if (!filter.plan_id.empty()) where.add("plan_id = ?", {filter.plan_id});
  if (!filter.node_id.empty()) where.add("node_id = ?", {filter.node_id});
  if (!filter.point_id.empty()) where.add("point_id = ?", {filter.point_id});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(at, proof_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT content, signature FROM proofs" + where.text() +
                                                  " ORDER BY at DESC, proof_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<SignedProof>(rows, read_proof));
  return detail::paged(std::move(found), page,
                       [](const SignedProof& one) { return detail::cursor(one.proof.at, one.proof.proof_id); });
}

}  // namespace belay::store::backups
