// Belay's own: people, what they may do, and what they sign in with. A secret goes out once, where it is made; nobody
// gives what he lacks, and whoever has more than the caller is not the caller's to change.
#include <algorithm>

#include "base/text.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/rollout_wire.hpp"
#include "server/engine/credentials.hpp"
#include "server/engine/permissions.hpp"
#include "store/principals.hpp"

namespace belay::server {
namespace {

namespace principals = store::principals;
using principals::Principal;
using store::Sql;

constexpr std::size_t kTokensMax = 20;  // of one person
constexpr std::string_view kFirstToken = "first";
constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

std::string user_of(const Call& call) { return call.text("UserName"); }

// As it is in this transaction: the caller may have lost something since the request was signed in.
Status require_covered(Sql& sql, const Call& call, const std::vector<std::string>& permissions, std::string_view what) {
  const auto caller = principals::get(sql, call.principal);
  if (!caller.ok() && caller.error().code() != Code::not_found) return caller.error();
  for (const auto& permission : permissions)
    if (!caller.ok() || !covers(caller->permissions, permission))
      return failure("AccessDeniedException", std::string(what) + ": '" + sanitize(permission, 128) +
                                                  "' is more than User: " + call.principal +
                                                  " has; nobody gives or changes what he lacks");
  return {};
}

Result<Principal> user_to_change(Sql& sql, const Call& call) {
  auto user = principals::get(sql, user_of(call));
  if (!user.ok() && user.error().code() == Code::not_found)
    return failure("DoesNotExistException", "there is no user " + user_of(call));
  if (!user.ok()) return user.error();
  BELAY_TRY(require_covered(sql, call, user->permissions, "UserName: " + user->name + " has a permission too many"));
  return user;
}

Error of_the_administrator(std::string_view what) {
  return failure("InvalidStateException",
                 std::string(kAdministrator) + " cannot " + std::string(what) + ": nobody could mend that");
}

Result<json::Object> user_reply(Sql& sql, const Principal& user) {
  BELAY_TRY_ASSIGN(const auto bearers, principals::bearers(sql, user.name));
  BELAY_TRY_ASSIGN(const auto keys, principals::access_keys(sql, user.name));
  json::Object out{{"UserName", user.name},
                   {"Permissions", texts_reply(user.permissions)},
                   {"Enabled", user.enabled},
                   {"CreatedDate", epoch(user.created_at)}};
  json::Array tokens, access_keys;
  for (const auto& bearer : bearers) {
    if (bearer.kind != principals::BearerKind::token) continue;
    json::Object token{{"TokenName", bearer.name}, {"CreatedDate", epoch(bearer.created_at)}};
    put(token, "ExpiresDate", epoch(bearer.expires_at));
    tokens.push_back(std::move(token));
  }
  for (const auto& key : keys)
    access_keys.push_back(json::Object{
        {"AccessKeyId", key.access_key_id}, {"Enabled", key.enabled}, {"CreatedDate", epoch(key.created_at)}});
  put(out, "Tokens", std::move(tokens));
  put(out, "AccessKeys", std::move(access_keys));
  return out;
}

// The secret of a new token. AlreadyExistsException.
Result<std::string> add_token(Sql& sql, const principals::Bearer& bearer) {
  const std::string secret = new_bearer_token();
  BELAY_TRY(principals::add_bearer(sql, bearer, secret));
  return secret;
}

Status check_name(const std::string& name) {
  // The audit log's reader would take one for the other.
  if (name != kAdministrator && (equal_ignoring_case(name, kAdministrator) || equal_ignoring_case(name, "belayd")))
    return failure("ValidationException",
                   "UserName: '" + name + "' is too much like a name that the server has itself");
  return {};
}

}  // namespace

Result<json::Object> create_user(const Call& call) {
  const Principal user{user_of(call), texts_of(call, "Permissions"), true, call.now};
  BELAY_TRY(check_name(user.name));
  return call.write([&](Sql& sql) -> Result<json::Object> {
    BELAY_TRY(require_covered(sql, call, user.permissions, "Permissions"));
    BELAY_TRY(principals::create(sql, user));
    json::Object reply{{"TokenName", kFirstToken}};
    BELAY_TRY_ASSIGN(reply["Token"], add_token(sql, {principals::BearerKind::token, user.name, std::string(kFirstToken),
                                                     call.now, std::nullopt}));
    json::Object detail{{"permissions", texts_reply(user.permissions)}, {"token", kFirstToken}};
    if (flag_of(call, "WithAccessKey")) {
      const principals::AccessKey key{new_access_key_id(), user.name, true, call.now, new_secret_access_key()};
      BELAY_TRY(principals::add_access_key(sql, key));
      reply["AccessKeyId"] = key.access_key_id;
      reply["SecretAccessKey"] = key.secret;
      detail["access_key"] = key.access_key_id;
    }
    put(detail, "description", json::Value(call.text("Description")));
    BELAY_TRY(audit_change(sql, call, user.name, std::move(detail)));
    BELAY_TRY_ASSIGN(reply["User"], user_reply(sql, user));
    return reply;
  });
}

Result<json::Object> list_users(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  return call.read([&](Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, principals::list(sql, page));
    json::Array rows;
    for (const auto& user : found.items) {
      BELAY_TRY_ASSIGN(auto row, user_reply(sql, user));
      rows.push_back(std::move(row));
    }
    json::Object reply{{"Users", std::move(rows)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> update_user(const Call& call) {
  const auto permissions = texts_of(call, "Permissions");
  const auto* enabled = json::find(call.request, "Enabled");
  if (permissions.empty() && !enabled)
    return failure("ValidationException", "name what changes: Permissions, Enabled, or both");
  return call.write([&](Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(auto user, user_to_change(sql, call));
    if (!permissions.empty()) user.permissions = permissions;
    if (enabled) user.enabled = enabled->get_bool();
    if (user.name == kAdministrator && !user.enabled) return of_the_administrator("be disabled");
    if (user.name == kAdministrator && !covers(user.permissions, "*")) return of_the_administrator("lose \"*\"");
    BELAY_TRY(require_covered(sql, call, user.permissions, "Permissions"));
    BELAY_TRY(principals::update(sql, user));
    BELAY_TRY(audit_change(sql, call, user.name,
                           {{"permissions", texts_reply(user.permissions)}, {"enabled", user.enabled}}));
    BELAY_TRY_ASSIGN(auto reply, user_reply(sql, user));
    return json::Object{{"User", std::move(reply)}};
  });
}

Result<json::Object> delete_user(const Call& call) {
  return call.write([&](Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto user, user_to_change(sql, call));
    if (user.name == kAdministrator) return of_the_administrator("be deleted");
    BELAY_TRY(principals::remove(sql, user.name));
    BELAY_TRY(audit_change(sql, call, user.name));
    return json::Object();
  });
}

Result<json::Object> create_user_token(const Call& call) {
  principals::Bearer bearer{principals::BearerKind::token, user_of(call), call.text("TokenName"), call.now, {}};
  if (const auto* days = json::find(call.request, "ExpiresInDays"))
    bearer.expires_at = call.now + Duration(days->get_int64() * kDayMs);
  return call.write([&](Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto user, user_to_change(sql, call));
    BELAY_TRY_ASSIGN(const auto there, principals::bearers(sql, user.name));
    if (std::ranges::count(there, principals::BearerKind::token, &principals::Bearer::kind) >=
        static_cast<std::ptrdiff_t>(kTokensMax))
      return failure("ResourceLimitExceededException", user.name + " has " + std::to_string(kTokensMax) +
                                                           " tokens: delete one that is not needed any more");
    json::Object reply{{"UserName", user.name}, {"TokenName", bearer.name}};
    BELAY_TRY_ASSIGN(reply["Token"], add_token(sql, bearer));
    put(reply, "ExpiresDate", epoch(bearer.expires_at));
    json::Object detail{{"token", bearer.name}};
    if (bearer.expires_at) detail["expires"] = to_iso8601(*bearer.expires_at);
    BELAY_TRY(audit_change(sql, call, user.name, std::move(detail)));
    return reply;
  });
}

Result<json::Object> delete_user_token(const Call& call) {
  const std::string name = call.text("TokenName");
  return call.write([&](Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto user, user_to_change(sql, call));
    const Status removed = principals::remove_bearer_named(sql, user.name, name);
    if (!removed.ok() && removed.error().code() == Code::not_found)
      return failure("DoesNotExistException", user.name + " has no token '" + name + "'");
    BELAY_TRY(removed);
    BELAY_TRY(audit_change(sql, call, user.name, {{"token", name}}));
    return json::Object();
  });
}

}  // namespace belay::server
