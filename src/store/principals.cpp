#include "store/principals.hpp"

#include "store/detail.hpp"

namespace belay::store::principals {
namespace {

Result<Principal> read(const Row& row, std::size_t first = 0) {
  Principal principal;
  principal.name = row.text(first);
  BELAY_TRY_ASSIGN(principal.permissions,
                   detail::decode_stored<std::vector<std::string>>(row.text(first + 1), "permissions of a principal"));
  principal.enabled = row.boolean(first + 2);
  principal.created_at = row.instant(first + 3);
  return principal;
}

std::string hash_of(Sql& sql, BearerKind kind, std::string_view secret) {
  return sql.seams().sha256_hex("belay " + std::string(boost::describe::enum_to_string(kind, "")) + "\n" +
                                std::string(secret));
}

Error unknown(std::string_view what, std::string reason) {
  return Error(Code::unauthenticated, "the " + std::string(what) + " is not known, or not enabled", std::move(reason));
}

}  // namespace

Status create(Sql& sql, const Principal& principal) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM principals WHERE name = $1", {principal.name}));
  if (there) return detail::taken("principal", principal.name);
  BELAY_TRY(
      sql.exec("INSERT INTO principals (name, permissions, enabled, created_at) VALUES ($1, $2, $3, $4)",
               {principal.name, json::encode_text(principal.permissions), principal.enabled, principal.created_at}));
  return {};
}

Result<Principal> get(Sql& sql, std::string_view name) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT name, permissions, enabled, created_at FROM principals WHERE name = $1", {name}));
  if (!row) return detail::missing("principal", name);
  return read(*row);
}

Result<Listed<Principal>> list(Sql& sql, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT name, permissions, enabled, created_at FROM principals WHERE name > $1 "
                             "ORDER BY name LIMIT $2",
                             {page.after, detail::limit_of(page) + 1}));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Principal>(rows, [](const Row& row) { return read(row); }));
  return detail::paged(std::move(found), page, [](const Principal& item) { return item.name; });
}

Status update(Sql& sql, const Principal& principal) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE principals SET permissions = $2, enabled = $3 WHERE name = $1",
                            {principal.name, json::encode_text(principal.permissions), principal.enabled}));
  if (touched == 0) return detail::missing("principal", principal.name);
  return {};
}

Status remove(Sql& sql, std::string_view name) {
  BELAY_TRY(sql.exec("DELETE FROM access_keys WHERE principal = $1", {name}));
  BELAY_TRY(sql.exec("DELETE FROM bearers WHERE principal = $1", {name}));
  BELAY_TRY(sql.exec("DELETE FROM principals WHERE name = $1", {name}));
  return {};
}

Status add_access_key(Sql& sql, const AccessKey& key) {
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM access_keys WHERE access_key_id = $1", {key.access_key_id}));
  if (there) return detail::taken("access key", key.access_key_id);
  BELAY_TRY(
      sql.exec("INSERT INTO access_keys (access_key_id, principal, enabled, created_at, sealed_secret) "
               "VALUES ($1, $2, $3, $4, $5)",
               {key.access_key_id, key.principal, key.enabled, key.created_at, Blob{sql.seams().seal(key.secret)}}));
  return {};
}

Result<Caller> by_access_key(Sql& sql, std::string_view access_key_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT p.name, p.permissions, p.enabled, p.created_at, k.sealed_secret "
                                 "FROM access_keys k JOIN principals p ON p.name = k.principal "
                                 "WHERE k.access_key_id = $1 AND k.enabled = 1 AND p.enabled = 1",
                                 {access_key_id}));
  if (!row) return unknown("access key", "access-key-unknown");
  BELAY_TRY_ASSIGN(auto principal, read(*row));
  BELAY_TRY_ASSIGN(auto secret,
                   sql.seams().unseal(row->blob(4)).within("the secret of access key " + std::string(access_key_id)));
  return Caller{std::move(principal), std::move(secret), std::string(access_key_id)};
}

Result<std::vector<AccessKey>> access_keys(Sql& sql, std::string_view principal) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT access_key_id, principal, enabled, created_at FROM access_keys "
                                              "WHERE principal = $1 ORDER BY access_key_id",
                                              {principal}));
  std::vector<AccessKey> found;
  for (const auto& row : rows) found.push_back({row.text(0), row.text(1), row.boolean(2), row.instant(3), {}});
  return found;
}

Status remove_access_key(Sql& sql, std::string_view access_key_id) {
  BELAY_TRY(sql.exec("DELETE FROM access_keys WHERE access_key_id = $1", {access_key_id}));
  return {};
}

Status add_bearer(Sql& sql, const Bearer& bearer, std::string_view secret) {
  if (secret.size() < 16) return Error(Code::invalid_argument, "a bearer's secret has at least 16 bytes");
  const std::string hash = hash_of(sql, bearer.kind, secret);
  BELAY_TRY_ASSIGN(
      const auto there,
      sql.query_one("SELECT 1 FROM bearers WHERE secret_hash = $1 OR (principal = $2 AND kind = $3 AND name = $4 "
                    "AND name <> '')",
                    {hash, bearer.principal, bearer.kind, bearer.name}));
  if (there) return detail::taken("token", bearer.name);
  BELAY_TRY(
      sql.exec("INSERT INTO bearers (secret_hash, kind, principal, name, created_at, expires_at) VALUES ($1, $2, $3, "
               "$4, $5, $6)",
               {hash, bearer.kind, bearer.principal, bearer.name, bearer.created_at, bearer.expires_at}));
  return {};
}

Result<Caller> by_bearer(Sql& sql, BearerKind kind, std::string_view secret, Instant now) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT p.name, p.permissions, p.enabled, p.created_at, b.name, b.expires_at "
                                 "FROM bearers b JOIN principals p ON p.name = b.principal "
                                 "WHERE b.secret_hash = $1 AND b.kind = $2 AND p.enabled = 1",
                                 {hash_of(sql, kind, secret), kind}));
  if (!row) return unknown("token", "token-unknown");
  if (const auto expires = row->optional_instant(5); expires && *expires <= now)
    return Error(Code::unauthenticated, "the token expired at " + to_iso8601(*expires), "token-expired");
  BELAY_TRY_ASSIGN(auto principal, read(*row));
  return Caller{std::move(principal), {}, kind == BearerKind::session ? "session" : row->text(4)};
}

Result<std::vector<Bearer>> bearers(Sql& sql, std::string_view principal) {
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT kind, principal, name, created_at, expires_at FROM bearers "
                                              "WHERE principal = $1 ORDER BY created_at, name",
                                              {principal}));
  return detail::read_all<Bearer>(rows, [](const Row& row) -> Result<Bearer> {
    BELAY_TRY_ASSIGN(const auto kind, row.enumerator<BearerKind>(0));
    return Bearer{kind, row.text(1), row.text(2), row.instant(3), row.optional_instant(4)};
  });
}

Status remove_bearer(Sql& sql, BearerKind kind, std::string_view secret) {
  BELAY_TRY(sql.exec("DELETE FROM bearers WHERE secret_hash = $1", {hash_of(sql, kind, secret)}));
  return {};
}

Status remove_bearer_named(Sql& sql, std::string_view principal, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("DELETE FROM bearers WHERE principal = $1 AND kind = 'token' AND name = $2 AND name <> ''",
                            {principal, name}));
  if (touched == 0) return detail::missing("token", name);
  return {};
}

Result<std::int64_t> forget_expired(Sql& sql, Instant now) {
  return sql.exec("DELETE FROM bearers WHERE expires_at <= $1", {now});
}

}  // namespace belay::store::principals
