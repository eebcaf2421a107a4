#include "store/idempotency.hpp"

namespace belay::store::idempotency {

Result<std::optional<std::string>> recall(Sql& sql, const Key& key, std::string_view request_hash, Instant now) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT request_hash, response FROM idempotency WHERE principal = $1 "
                                                 "AND operation = $2 AND token = $3 AND expires_at > $4",
                                                 {key.principal, key.operation, key.token, now}));
  if (!row) return std::optional<std::string>();
  if (row->text(0) != request_hash)
    return Error(Code::conflict, "the client token was used for another request; use a new one",
                 "idempotent-parameter-mismatch");
  return row->optional_text(1);
}

Status remember(Sql& sql, const Key& key, std::string_view request_hash, std::string_view response, Instant now,
                Duration keep) {
  BELAY_TRY(
      sql.exec("INSERT INTO idempotency (principal, operation, token, request_hash, response, expires_at) "
               "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (principal, operation, token) DO UPDATE SET "
               "request_hash = excluded.request_hash, response = excluded.response, expires_at = excluded.expires_at",
               {key.principal, key.operation, key.token, request_hash, response, now + keep}));
  return {};
}

Result<std::int64_t> forget_expired(Sql& sql, Instant now, std::uint32_t limit) {
  return sql.exec(
      "DELETE FROM idempotency WHERE (principal, operation, token) IN (SELECT principal, operation, token "
      "FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
      {now, limit});
}

}  // namespace belay::store::idempotency
