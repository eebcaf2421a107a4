#include "main/admin_env.hpp"

#include <algorithm>
#include <map>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/credentials.hpp"
#include "store/principals.hpp"

namespace belay {
namespace {

using server::kAdministrator;
constexpr std::size_t kFileBytesMax = 64u << 10;

std::map<std::string, std::string> read_assignments(std::string_view text) {
  std::map<std::string, std::string> found;
  for (const auto line : split(text, '\n')) {
    const auto equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    std::string_view value = line.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '\'' && value.back() == '\'') value = value.substr(1, value.size() - 2);
    found.emplace(line.substr(0, equals), value);
  }
  return found;
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

struct Secrets {
  std::string token, access_key_id, secret_access_key;
};

// Whether the store still lets these in. Another database, or a new one, knows nothing of them.
Result<bool> are_known(store::Sql& sql, const Secrets& secrets, Instant now) {
  const auto token = store::principals::by_bearer(sql, store::principals::BearerKind::token, secrets.token, now);
  if (!token.ok() && token.error().code() != Code::unauthenticated) return token.error();
  const auto key = store::principals::by_access_key(sql, secrets.access_key_id);
  if (!key.ok() && key.error().code() != Code::unauthenticated) return key.error();
  return token.ok() && key.ok() && key->secret == secrets.secret_access_key;
}

// Whoever asks for new ones by deleting the file wants the old ones, which somebody may have copied, to be good for
// nothing.
Status revoke_all(store::Sql& sql, Instant now) {
  BELAY_TRY_ASSIGN(const auto tokens, store::principals::bearers(sql, kAdministrator));
  BELAY_TRY_ASSIGN(const auto keys, store::principals::access_keys(sql, kAdministrator));
  for (const auto& token : tokens) {
    if (token.kind != store::principals::BearerKind::token || token.name.empty()) continue;
    BELAY_TRY(store::principals::remove_bearer_named(sql, kAdministrator, token.name));
    BELAY_TRY(server::note_in_audit(sql, now, "belayd", "belay:RevokeAdministrator", kAdministrator,
                                    {{"token", token.name}}));
  }
  for (const auto& key : keys) {
    BELAY_TRY(store::principals::remove_access_key(sql, key.access_key_id));
    BELAY_TRY(server::note_in_audit(sql, now, "belayd", "belay:RevokeAdministrator", kAdministrator,
                                    {{"access_key", key.access_key_id}}));
  }
  return {};
}

Status keep_secrets(store::Store& store, const Secrets& secrets, bool minted, Instant now) {
  return store.write([&](store::Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const bool known, are_known(sql, secrets, now));
    if (known) return {};
    auto there = store::principals::get(sql, kAdministrator);
    if (!there.ok() && there.error().code() != Code::not_found) return there.error();
    if (!there.ok()) BELAY_TRY(store::principals::create(sql, {std::string(kAdministrator), {"*"}, true, now}));
    if (minted) BELAY_TRY(revoke_all(sql, now));
    // What is half there is made anew: the file is what its reader will send.
    BELAY_TRY(store::principals::remove_bearer(sql, store::principals::BearerKind::token, secrets.token));
    BELAY_TRY(store::principals::remove_access_key(sql, secrets.access_key_id));
    store::principals::Bearer bearer;
    bearer.principal = kAdministrator;
    bearer.name = "admin.env " + to_hex(io::sha256(secrets.token).substr(0, 4));
    bearer.created_at = now;
    BELAY_TRY(store::principals::add_bearer(sql, bearer, secrets.token));
    BELAY_TRY(store::principals::add_access_key(
        sql, {secrets.access_key_id, std::string(kAdministrator), true, now, secrets.secret_access_key}));
    return server::note_in_audit(sql, now, "belayd", "belay:CreateAdministrator", kAdministrator,
                                 {{"access_key", secrets.access_key_id}, {"from_file", !minted}});
  });
}

}  // namespace

Status write_admin_environment(io::Files& files, store::Store& store, const AdminEnvironment& wanted, Instant now) {
  const auto there = files.read(wanted.path, kFileBytesMax);
  if (!there.ok() && there.error().code() != Code::not_found) return there.error();
  auto known = there.ok() ? read_assignments(*there) : std::map<std::string, std::string>();
  Secrets secrets{known["BELAY_TOKEN"], known["AWS_ACCESS_KEY_ID"], known["AWS_SECRET_ACCESS_KEY"]};
  const bool minted = secrets.token.empty() || secrets.access_key_id.empty() || secrets.secret_access_key.empty();
  if (minted) secrets = {server::new_bearer_token(), server::new_access_key_id(), server::new_secret_access_key()};
  BELAY_TRY(keep_secrets(store, secrets, minted, now));
  std::string text = "# Written by belayd. Use: set -a; . " + wanted.path + "; set +a\n";
  const auto assign = [&](std::string_view name, std::string_view value) {
    text.append(name).append("=").append(quoted(value)).append("\n");
  };
  assign("BELAY_URL", wanted.url);
  assign("BELAY_CA", wanted.ca_path);
  assign("BELAY_TOKEN", secrets.token);
  assign("AWS_ACCESS_KEY_ID", secrets.access_key_id);
  assign("AWS_SECRET_ACCESS_KEY", secrets.secret_access_key);
  assign("AWS_DEFAULT_REGION", "us-east-1");
  assign("AWS_CA_BUNDLE", wanted.ca_path);
  assign("AWS_ENDPOINT_URL_SSM", wanted.url);
  if (there.ok() && *there == text) return {};
  return files.write_durable(wanted.path, text, 0600);
}

}  // namespace belay
