#include "store/detail.hpp"
#include "store/nodes.hpp"

namespace belay::store::nodes {
namespace {

constexpr std::string_view kSelect =
    "SELECT serial_hex, node_id, issued_at, expires_at, revoked_at FROM node_certificates";

Result<Certificate> read(const Row& row) {
  return Certificate{row.text(0), row.text(1), row.instant(2), row.instant(3), row.optional_instant(4)};
}

Error refused(std::string_view serial_hex, std::string_view why, std::string reason) {
  return Error(Code::unauthenticated, "certificate " + std::string(serial_hex) + " " + std::string(why),
               std::move(reason));
}

}  // namespace

Status add_certificate(Sql& sql, const Certificate& certificate) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM node_certificates WHERE serial_hex = $1", {certificate.serial_hex}));
  if (there) return detail::taken("certificate", certificate.serial_hex);
  BELAY_TRY(
      sql.exec("INSERT INTO node_certificates (serial_hex, node_id, issued_at, expires_at, revoked_at) "
               "VALUES ($1, $2, $3, $4, $5)",
               {certificate.serial_hex, certificate.node_id, certificate.issued_at, certificate.expires_at,
                certificate.revoked_at}));
  return {};
}

Result<std::string> authenticate(Sql& sql, std::string_view serial_hex, Instant now) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT c.node_id, c.expires_at, c.revoked_at, n.state "
                                                 "FROM node_certificates c JOIN nodes n ON n.node_id = c.node_id "
                                                 "WHERE c.serial_hex = $1",
                                                 {serial_hex}));
  if (!row) return refused(serial_hex, "was not made here", "certificate-unknown");
  if (row->text(3) != "active") return refused(serial_hex, "is of a deregistered node", "node-deregistered");
  if (!row->is_null(2)) return refused(serial_hex, "was revoked", "certificate-revoked");
  if (row->instant(1) <= now) return refused(serial_hex, "has expired", "certificate-expired");
  return row->text(0);
}

Result<std::vector<Certificate>> certificates(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelect) + " WHERE node_id = $1 ORDER BY issued_at, serial_hex", {node_id}));
  return detail::read_all<Certificate>(rows, read);
}

Status revoke_certificate(Sql& sql, std::string_view serial_hex, Instant at) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE node_certificates SET revoked_at = COALESCE(revoked_at, $2) WHERE serial_hex = $1",
                            {serial_hex, at}));
  if (touched == 0) return detail::missing("certificate", serial_hex);
  return {};
}

Status revoke_certificates(Sql& sql, std::string_view node_id, Instant at, std::string_view keep_serial_hex) {
  BELAY_TRY(
      sql.exec("UPDATE node_certificates SET revoked_at = $2 WHERE node_id = $1 AND revoked_at IS NULL "
               "AND serial_hex <> $3",
               {node_id, at, keep_serial_hex}));
  return {};
}

Result<Listed<Certificate>> revoked_since(Sql& sql, Instant since, const Page& page) {
  detail::Where where;
  where.add("revoked_at >= ?", {since});
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(revoked_at, serial_hex) > (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelect) + where.text() + " ORDER BY revoked_at, serial_hex LIMIT " + limit,
                             where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Certificate>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Certificate& item) { return detail::cursor(*item.revoked_at, item.serial_hex); });
}

}  // namespace belay::store::nodes
