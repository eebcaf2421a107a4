// Belay's own: where recovery points live. Replies never hold a secret but EscrowVault's, whose purpose it is.
#include "base/text.hpp"
#include "server/api/backup_wire.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"

namespace belay::server {
namespace {
namespace backups = store::backups;

PutVaultRequest put_request(const Call& call) {
  PutVaultRequest request;
  request.content = call.text("Content");
  request.requested_by = call.principal;
  const auto* secrets = json::find(call.request, "Secrets");
  request.has_secrets = secrets && secrets->is_object();
  if (request.has_secrets)
    for (const auto& member : secrets->get_object())
      request.secrets[member.key()] = json::text_or_empty(*secrets, member.key());
  return request;
}

Result<json::Object> reply_of(const Result<backups::Vault>& vault) {
  if (!vault.ok()) return vault.error();
  return json::Object{{"Vault", vault_reply(*vault)}};
}

}  // namespace

json::Object vault_reply(const backups::Vault& vault) {
  json::Object reply{{"Name", vault.name},
                     {"Kind", boost::describe::enum_to_string(vault.spec.kind, "")},
                     {"Offsite", vault.spec.offsite},
                     {"KeyFingerprint", vault.key_fingerprint},
                     {"CreatedBy", vault.created_by},
                     {"CreatedDate", epoch(vault.created_at)},
                     {"UpdatedDate", epoch(vault.updated_at)}};
  put(reply, "Site", json::Value(vault.spec.site));
  put(reply, "Content", json::Value(vault.content));
  put(reply, "SecretsDate", epoch(vault.spec.secrets_at));
  put(reply, "EscrowedDate", epoch(vault.escrowed_at));
  put(reply, "EscrowCheckedDate", epoch(vault.escrow_checked_at));
  if (vault.spec.lock) {
    reply["LockDays"] = vault.spec.lock->days_min;
    reply["LockMode"] = boost::describe::enum_to_string(vault.spec.lock->mode, "");
  }
  return reply;
}

Result<json::Object> create_vault(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  return reply_of(service->create_vault(put_request(call)));
}

Result<json::Object> update_vault(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  return reply_of(service->update_vault(put_request(call)));
}

Result<json::Object> delete_vault(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY(service->remove_vault(call.text("Name"), call.principal));
  return json::Object();
}

Result<json::Object> describe_vaults(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  const auto name = call.text("Name");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    store::Listed<backups::Vault> found;
    if (name.empty()) {
      BELAY_TRY_ASSIGN(found, backups::list_vaults(sql, page));
    } else {
      BELAY_TRY_ASSIGN(auto one, backups::get_vault(sql, name));
      found.items.push_back(std::move(one));
    }
    json::Array vaults;
    for (const auto& vault : found.items) {
      auto reply = vault_reply(vault);
      BELAY_TRY_ASSIGN(const auto points, backups::count_points(sql, vault.name));
      reply["PointCount"] = points;
      vaults.push_back(std::move(reply));
    }
    json::Object reply{{"Vaults", std::move(vaults)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> check_vault(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY_ASSIGN(const auto node, node_of(call));
  BELAY_TRY_ASSIGN(const auto jobs, service->check_vault(call.text("Name"), node, call.principal));
  return json::Object{{"JobIds", texts_reply(jobs)}};
}

Result<json::Object> escrow_vault(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY_ASSIGN(auto text, service->escrow(call.text("Name"), call.text("Reason"), call.principal));
  return json::Object{{"Escrow", std::move(text)}};
}

Result<json::Object> check_escrow(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  return reply_of(service->check_escrow(call.text("Name"), call.text("Escrow"), call.principal));
}

}  // namespace belay::server
