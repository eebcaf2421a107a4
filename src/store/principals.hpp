#pragma once
// Who may call: principals with permissions; their access keys (SigV4 needs the secret itself, so it is sealed),
// bearer tokens and console sessions (kept as hashes only).
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::principals {

struct Principal {
  std::string name{};                      // unique, 1 … 64 bytes
  std::vector<std::string> permissions{};  // like IAM actions: "ssm:Describe*", "*"
  bool enabled = true;
  Instant created_at{};
};
Status create(Sql& sql, const Principal& principal);         // already_exists
Result<Principal> get(Sql& sql, std::string_view name);      // not_found
Result<Listed<Principal>> list(Sql& sql, const Page& page);  // by name
// Permissions and enabled. not_found.
Status update(Sql& sql, const Principal& principal);
// With its keys, tokens and sessions. ok where there is none.
Status remove(Sql& sql, std::string_view name);

struct AccessKey {
  std::string access_key_id{};
  std::string principal{};
  bool enabled = true;
  Instant created_at{};
  std::string secret{};  // in clear in memory; sealed at rest
};
Status add_access_key(Sql& sql, const AccessKey& key);
// With the secret. unauthenticated "access-key-unknown" where it, or its principal, is not there or not enabled.
struct Caller {
  Principal principal{};
  std::string secret{};      // of an access key; "" for a token or session
  std::string credential{};  // access key id, token name, or "session"
};
Result<Caller> by_access_key(Sql& sql, std::string_view access_key_id);
Result<std::vector<AccessKey>> access_keys(Sql& sql, std::string_view principal);  // without secrets
Status remove_access_key(Sql& sql, std::string_view access_key_id);

enum class BearerKind { token, session };
BOOST_DESCRIBE_ENUM(BearerKind, token, session)
struct Bearer {
  BearerKind kind = BearerKind::token;
  std::string principal{};
  std::string name{};  // a token's, for people; unique for its principal and kind where not ""
  Instant created_at{};
  std::optional<Instant> expires_at{};
};
// `secret` at least 16 bytes, random; only its hash is kept. already_exists.
Status add_bearer(Sql& sql, const Bearer& bearer, std::string_view secret);
// unauthenticated "token-unknown" / "token-expired".
Result<Caller> by_bearer(Sql& sql, BearerKind kind, std::string_view secret, Instant now);
Result<std::vector<Bearer>> bearers(Sql& sql, std::string_view principal);
Status remove_bearer(Sql& sql, BearerKind kind, std::string_view secret);                 // sign out; ok where unknown
Status remove_bearer_named(Sql& sql, std::string_view principal, std::string_view name);  // a token; not_found
Result<std::int64_t> forget_expired(Sql& sql, Instant now);

}  // namespace belay::store::principals
