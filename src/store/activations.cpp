#include "store/activations.hpp"

#include "base/bytes.hpp"
#include "store/detail.hpp"

namespace belay::store::activations {
namespace {

constexpr std::string_view kSelect =
    "SELECT activation_id, description, default_instance_name, iam_role, registration_limit, registrations_count, "
    "created_at, expires_at, created_by, tags FROM activations";

Result<Activation> read(const Row& row) {
  Activation activation;
  activation.activation_id = row.text(0);
  activation.description = row.text(1);
  activation.default_instance_name = row.text(2);
  activation.iam_role = row.text(3);
  activation.registration_limit = static_cast<std::uint32_t>(row.integer(4));
  activation.registrations_count = static_cast<std::uint32_t>(row.integer(5));
  activation.created_at = row.instant(6);
  activation.expires_at = row.instant(7);
  activation.created_by = row.text(8);
  BELAY_TRY_ASSIGN(activation.tags,
                   detail::decode_stored<std::vector<tags::Tag>>(row.text(9), "tags of an activation"));
  return activation;
}

std::string hash_of(Sql& sql, std::string_view code, std::string_view salt_hex) {
  return sql.seams().sha256_hex("belay activation\n" + std::string(salt_hex) + "\n" + std::string(code));
}

Error refused(std::string_view why, std::string reason) {
  return Error(Code::unauthenticated, "the activation " + std::string(why), std::move(reason));
}

}  // namespace

Status create(Sql& sql, const Activation& activation, std::string_view code, std::string_view salt) {
  if (code.size() < 20 || salt.size() < 16)
    return Error(Code::invalid_argument, "an activation needs a code of 20 characters and a salt of 16 bytes or more");
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM activations WHERE activation_id = $1", {activation.activation_id}));
  if (there) return detail::taken("activation", activation.activation_id);
  const std::string salt_hex = to_hex(salt);
  BELAY_TRY(sql.exec(
      "INSERT INTO activations (activation_id, description, default_instance_name, iam_role, "
      "registration_limit, registrations_count, created_at, expires_at, created_by, tags, code_salt, code_hash) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
      {activation.activation_id, activation.description, activation.default_instance_name, activation.iam_role,
       activation.registration_limit, activation.registrations_count, activation.created_at, activation.expires_at,
       activation.created_by, json::encode_text(activation.tags), salt_hex, hash_of(sql, code, salt_hex)}));
  return {};
}

Result<Activation> get(Sql& sql, std::string_view activation_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + " WHERE activation_id = $1", {activation_id}));
  if (!row) return detail::missing("activation", activation_id);
  return read(*row);
}

Result<Listed<Activation>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.activation_ids, filter.default_instance_names, filter.iam_roles));
  detail::Where where;
  where.any_of("activation_id", filter.activation_ids);
  where.any_of("default_instance_name", filter.default_instance_names);
  where.any_of("iam_role", filter.iam_roles);
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("(created_at, activation_id) < (?, ?)", {after.number, after.text});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows, sql.query(std::string(kSelect) + where.text() +
                                                  " ORDER BY created_at DESC, activation_id DESC LIMIT " + limit,
                                              where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Activation>(rows, read));
  return detail::paged(std::move(found), page,
                       [](const Activation& item) { return detail::cursor(item.created_at, item.activation_id); });
}

Status remove(Sql& sql, std::string_view activation_id) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("DELETE FROM activations WHERE activation_id = $1", {activation_id}));
  if (touched == 0) return detail::missing("activation", activation_id);
  return {};
}

Result<Activation> consume(Sql& sql, std::string_view activation_id, std::string_view code, Instant now) {
  BELAY_TRY_ASSIGN(
      const auto secret,
      sql.query_one("SELECT code_salt, code_hash FROM activations WHERE activation_id = $1", {activation_id}));
  if (!secret || !equal_constant_time(hash_of(sql, code, secret->text(0)), secret->text(1)))
    return refused("is unknown, or the code is not its code", "activation-invalid");
  BELAY_TRY_ASSIGN(auto activation, get(sql, activation_id));
  if (activation.expires_at <= now)
    return refused("expired at " + to_iso8601(activation.expires_at), "activation-expired");
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("UPDATE activations SET registrations_count = registrations_count + 1 "
                                                "WHERE activation_id = $1 AND registrations_count < registration_limit",
                                                {activation_id}));
  if (touched == 0)
    return refused("was used up by " + std::to_string(activation.registration_limit) + " nodes", "activation-used-up");
  ++activation.registrations_count;
  return activation;
}

}  // namespace belay::store::activations
