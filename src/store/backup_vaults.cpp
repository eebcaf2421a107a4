// Vaults and plans.
#include "base/json.hpp"
#include "base/text.hpp"
#include "store/backups.hpp"
#include "store/detail.hpp"

namespace belay::store::backups {
namespace {

using Access = std::map<std::string, std::string>;

constexpr std::string_view kVaultColumns =
    "SELECT name, content, spec, key_fingerprint, created_by, created_at, updated_at, escrowed_at, escrow_checked_at "
    "FROM vaults";

Result<Vault> read_vault(const Row& row) {
  Vault found;
  found.name = row.text(0);
  const std::string what = "vault " + found.name;
  BELAY_TRY_ASSIGN(found.content, detail::decompress(row.blob(1)).within(what));
  BELAY_TRY_ASSIGN(found.spec, detail::decode_stored<backup::VaultSpec>(row.text(2), what));
  found.key_fingerprint = row.text(3);
  found.created_by = row.text(4);
  found.created_at = row.instant(5);
  found.updated_at = row.instant(6);
  found.escrowed_at = row.optional_instant(7);
  found.escrow_checked_at = row.optional_instant(8);
  return found;
}

Blob seal(Sql& sql, const Access& access) {
  json::Object members;
  for (const auto& [name, value] : access) members[name] = value;
  return Blob{sql.seams().seal(json::to_text(members))};
}

Result<Access> unseal(Sql& sql, const std::string& sealed) {
  BELAY_TRY_ASSIGN(const auto text, sql.seams().unseal(sealed));
  BELAY_TRY_ASSIGN(const auto value, json::parse(text));
  Access access;
  if (const auto* members = value.if_object())
    for (const auto& member : *members) access[member.key()] = json::text_or_empty(value, member.key());
  return access;
}

constexpr std::string_view kPlanColumns =
    "SELECT plan_id, name, state, version, content, spec, created_by, created_at, updated_at FROM backup_plans";

Result<Plan> read_plan(const Row& row) {
  Plan found;
  found.plan_id = row.text(0);
  const std::string what = "backup plan " + found.plan_id;
  found.name = row.text(1);
  found.state = row.text(2);
  found.version = row.integer(3);
  BELAY_TRY_ASSIGN(found.content, detail::decompress(row.blob(4)).within(what));
  BELAY_TRY_ASSIGN(const auto spec, detail::decompress(row.blob(5)).within(what));
  BELAY_TRY_ASSIGN(found.spec, detail::decode_stored<backup::PlanSpec>(spec, what));
  found.created_by = row.text(6);
  found.created_at = row.instant(7);
  found.updated_at = row.instant(8);
  return found;
}

Status check_name_is_free(Sql& sql, const Plan& plan) {
  BELAY_TRY_ASSIGN(
      const auto there,
      sql.query_one("SELECT plan_id FROM backup_plans WHERE name = $1 AND state <> 'Retired' AND plan_id <> $2",
                    {plan.name, plan.plan_id}));
  if (there) return detail::taken("backup plan", plan.name);
  return {};
}

}  // namespace

Status create_vault(Sql& sql, const Vault& vault, const VaultSecrets& secrets) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM vaults WHERE name = $1", {vault.name}));
  if (there) return detail::taken("vault", vault.name);
  BELAY_TRY(sql.exec(
      "INSERT INTO vaults (name, content, spec, sealed_key, sealed_secrets, key_fingerprint, created_by, created_at, "
      "updated_at, escrowed_at, escrow_checked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      {vault.name, detail::compress(vault.content), json::encode_text(vault.spec), Blob{sql.seams().seal(secrets.key)},
       seal(sql, secrets.access), vault.key_fingerprint, vault.created_by, vault.created_at, vault.updated_at,
       vault.escrowed_at, vault.escrow_checked_at}));
  return {};
}

Result<Vault> get_vault(Sql& sql, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kVaultColumns) + " WHERE name = $1", {name}));
  if (!row) return detail::missing("vault", name);
  return read_vault(*row);
}

Result<VaultSecrets> vault_secrets(Sql& sql, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT sealed_key, sealed_secrets FROM vaults WHERE name = $1", {name}));
  if (!row) return detail::missing("vault", name);
  const std::string what = "the secrets of vault " + std::string(name);
  VaultSecrets secrets;
  BELAY_TRY_ASSIGN(secrets.key, sql.seams().unseal(row->blob(0)).within(what));
  BELAY_TRY_ASSIGN(secrets.access, unseal(sql, row->blob(1)).within(what));
  return secrets;
}

Status update_vault(Sql& sql, const Vault& vault, const std::optional<Access>& access) {
  std::string text =
      "UPDATE vaults SET content = $2, spec = $3, updated_at = $4, escrowed_at = $5, escrow_checked_at = $6";
  Params params{vault.name,        detail::compress(vault.content), json::encode_text(vault.spec), vault.updated_at,
                vault.escrowed_at, vault.escrow_checked_at};
  if (access) {
    text += ", sealed_secrets = $7";
    params.push_back(seal(sql, *access));
  }
  BELAY_TRY_ASSIGN(const auto touched, sql.exec(text + " WHERE name = $1", params));
  if (touched == 0) return detail::missing("vault", vault.name);
  return {};
}

Status remove_vault(Sql& sql, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto touched, sql.exec("DELETE FROM vaults WHERE name = $1", {name}));
  if (touched == 0) return detail::missing("vault", name);
  return {};
}

Result<Listed<Vault>> list_vaults(Sql& sql, const Page& page) {
  detail::Where where;
  if (!page.after.empty()) where.add("name > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kVaultColumns) + where.text() + " ORDER BY name LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Vault>(rows, read_vault));
  return detail::paged(std::move(found), page, [](const Vault& vault) { return vault.name; });
}

// ---- plans

Status create_plan(Sql& sql, const Plan& plan) {
  BELAY_TRY(check_name_is_free(sql, plan));
  BELAY_TRY(
      sql.exec("INSERT INTO backup_plans (plan_id, name, state, version, content, spec, created_by, created_at, "
               "updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
               {plan.plan_id, plan.name, plan.state, plan.version, detail::compress(plan.content),
                detail::compress(json::encode_text(plan.spec)), plan.created_by, plan.created_at, plan.updated_at}));
  return {};
}

Result<Plan> get_plan(Sql& sql, std::string_view plan_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kPlanColumns) + " WHERE plan_id = $1", {plan_id}));
  if (!row) return detail::missing("backup plan", plan_id);
  return read_plan(*row);
}

Result<Plan> plan_named(Sql& sql, std::string_view name_or_id) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one(std::string(kPlanColumns) +
                                     " WHERE plan_id = $1 OR (name = $1 AND state <> 'Retired') ORDER BY state LIMIT 1",
                                 {name_or_id}));
  if (!row) return detail::missing("backup plan", name_or_id);
  return read_plan(*row);
}

Status update_plan(Sql& sql, const Plan& plan) {
  BELAY_TRY(check_name_is_free(sql, plan));
  BELAY_TRY_ASSIGN(
      const auto touched,
      sql.exec("UPDATE backup_plans SET state = $2, version = $3, content = $4, spec = $5, updated_at = $6 "
               "WHERE plan_id = $1",
               {plan.plan_id, plan.state, plan.version, detail::compress(plan.content),
                detail::compress(json::encode_text(plan.spec)), plan.updated_at}));
  if (touched == 0) return detail::missing("backup plan", plan.plan_id);
  return {};
}

Result<Listed<Plan>> list_plans(Sql& sql, bool retired_too, const Page& page) {
  detail::Where where;
  if (!retired_too) where.add("state <> 'Retired'");
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    const auto bar = after.text.find('|');
    where.add("(name, plan_id) > (?, ?)",
              {after.text.substr(bar == std::string::npos ? after.text.size() : bar + 1), after.text.substr(0, bar)});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kPlanColumns) + where.text() + " ORDER BY name, plan_id LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Plan>(rows, read_plan));
  return detail::paged(std::move(found), page,
                       [](const Plan& plan) { return detail::cursor(0, plan.plan_id + "|" + plan.name); });
}

}  // namespace belay::store::backups
