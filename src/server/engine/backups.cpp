// Vaults and plans.
#include "server/engine/backups.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/rollout/spec.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/vault_keys.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace backups = store::backups;
using Access = std::map<std::string, std::string>;

constexpr std::size_t kSecretBytesMax = 16 << 10;

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what), "ValidationException"); }
Error wrong_state(std::string what) { return Error(Code::conflict, std::move(what), "InvalidStateException"); }

Status check_secrets(const backup::VaultSpec& vault, const Access& secrets) {
  const auto names = backup::secrets_of(vault.kind);
  for (const auto& [name, value] : secrets) {
    if (std::ranges::find(names.known, name) == names.known.end())
      return refuse("a vault of this kind takes no secret '" + sanitize(name, 64) + "'; it takes " +
                    (names.known.empty()
                         ? "none"
                         : join(std::vector<std::string>(names.known.begin(), names.known.end()), ", ")));
    if (value.empty() || value.size() > kSecretBytesMax)
      return refuse("the secret '" + name + "' is empty or too long");
  }
  for (const auto& name : names.needed)
    if (!secrets.contains(std::string(name)))
      return refuse(
          "a vault of this kind needs the secret '" + std::string(name) +
          "'; hand it in with `belay vault create … --secrets FILE` (lines NAME=VALUE), never in the file itself");
  return {};
}

// What says where the repositories are: changed, they would not be found any more.
std::string place_of(const backup::VaultSpec& spec) {
  backup::VaultSpec place;
  place.kind = spec.kind;
  place.path = spec.path;
  place.tape = spec.tape;
  if (spec.sftp) place.sftp.emplace(), place.sftp->host = spec.sftp->host, place.sftp->path = spec.sftp->path;
  if (spec.s3) {
    auto& s3 = place.s3.emplace();
    s3.endpoint = spec.s3->endpoint, s3.bucket = spec.s3->bucket, s3.prefix = spec.s3->prefix;
  }
  if (spec.rest) place.rest.emplace().url = spec.rest->url;
  if (spec.removable) place.removable.emplace().path = spec.removable->path;
  return json::encode_text(place);
}

Result<std::vector<backup::VaultSpec>> vaults_of(Sql& sql, const backup::PlanSpec& spec) {
  std::vector<std::string> names{spec.vault};
  for (const auto& copy : spec.copies) names.push_back(copy.vault);
  std::vector<backup::VaultSpec> vaults;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto vault = backups::get_vault(sql, names[i]);
    const auto field = i == 0 ? std::string("vault") : "copies[" + std::to_string(i - 1) + "].vault";
    if (!vault.ok() && vault.error().code() == Code::not_found)
      return refuse(field + ": there is no vault '" + sanitize(names[i], 64) + "'; see `belay vault list`");
    if (!vault.ok()) return vault.error();
    vaults.push_back(vault->spec);
  }
  return vaults;
}

Result<std::vector<std::string>> covered(Sql& sql, const backup::PlanSpec& spec) {
  std::vector<Target> targets;
  for (std::size_t i = 0; i < spec.targets.size(); ++i) {
    const auto target = rollout::parse_target(spec.targets[i]);
    if (!target.ok()) return refuse("targets[" + std::to_string(i) + "]: " + target.error().message());
    targets.push_back({target->key, target->values});
  }
  return resolve_targets(sql, {}, targets);
}

// Every plan that names the vault, retired ones too.
Result<std::vector<std::string>> plans_with(Sql& sql, std::string_view vault) {
  std::vector<std::string> names;
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto some, backups::list_plans(sql, false, page));
    for (const auto& plan : some.items) {
      const bool copies = std::ranges::any_of(plan.spec.copies, [&](const auto& copy) { return copy.vault == vault; });
      if (plan.spec.vault == vault || copies) names.push_back(plan.name);
    }
    page.after = some.next;
  } while (!page.after.empty());
  return names;
}

Status begin_execution(Sql& sql, const backups::Plan& plan) {
  store::executions::Execution execution;
  execution.execution_id = plan.plan_id;
  execution.kind = kBackupKind;
  execution.wake_at = execution.created_at = execution.updated_at = plan.created_at;
  return store::executions::create(sql, execution);
}

}  // namespace

Result<backups::Vault> Backups::create_vault(const PutVaultRequest& request) {
  const Instant now = clock_.now();
  backups::Vault vault;
  BELAY_TRY_ASSIGN(vault.spec, backup::read_vault(request.content));
  BELAY_TRY(check_secrets(vault.spec, request.secrets));
  vault.name = vault.spec.name;
  vault.content = request.content;
  vault.created_by = request.requested_by;
  vault.created_at = vault.updated_at = now;
  if (!request.secrets.empty()) vault.spec.secrets_at = now;
  const backups::VaultSecrets secrets{new_vault_key(), request.secrets};
  vault.key_fingerprint = vault_key_fingerprint(secrets.key);
  return store_.write([&](Sql& sql) -> Result<backups::Vault> {
    BELAY_TRY(backups::create_vault(sql, vault, secrets));
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:CreateVault", vault.name,
                            {{"fingerprint", vault.key_fingerprint}}));
    return vault;
  });
}

Result<backups::Vault> Backups::update_vault(const PutVaultRequest& request) {
  const Instant now = clock_.now();
  BELAY_TRY_ASSIGN(const auto spec, backup::read_vault(request.content));
  return store_.write([&](Sql& sql) -> Result<backups::Vault> {
    BELAY_TRY_ASSIGN(auto vault, backups::get_vault(sql, spec.name));
    std::optional<Access> access;
    if (request.has_secrets) {
      BELAY_TRY(check_secrets(spec, request.secrets));
      access = request.secrets;
    } else {
      BELAY_TRY_ASSIGN(const auto kept, backups::vault_secrets(sql, spec.name));
      BELAY_TRY(check_secrets(spec, kept.access));
    }
    BELAY_TRY_ASSIGN(const auto points, backups::count_points(sql, spec.name));
    if (points > 0 && place_of(spec) != place_of(vault.spec))
      return wrong_state(
          "the vault " + spec.name + " holds " + std::to_string(points) +
          " recovery points where it is now; make another vault, and copy or wait until they have expired");
    const auto before = vault.spec.lock ? vault.spec.lock->days_min : 0;
    const bool locked = vault.spec.lock && vault.spec.lock->mode == backup::LockMode::compliance;
    if (locked && points > 0 &&
        (!spec.lock || spec.lock->days_min < before || spec.lock->mode != vault.spec.lock->mode))
      return wrong_state("the vault " + spec.name +
                         " is locked in compliance mode: nobody shortens it while points are in it");
    const auto secrets_at = access ? (access->empty() ? std::nullopt : std::optional(now)) : vault.spec.secrets_at;
    vault.spec = spec;
    vault.spec.secrets_at = secrets_at;
    vault.content = request.content;
    vault.updated_at = now;
    BELAY_TRY(backups::update_vault(sql, vault, access));
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:UpdateVault", vault.name,
                            {{"secrets", access.has_value()}}));
    return vault;
  });
}

Status Backups::remove_vault(std::string_view name, std::string_view by) {
  const Instant now = clock_.now();
  return store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const auto plans, plans_with(sql, name));
    if (!plans.empty())
      return wrong_state("the vault " + std::string(name) + " is used by the plans " + join(plans, ", "));
    BELAY_TRY_ASSIGN(const auto points, backups::count_points(sql, name));
    if (points > 0)
      return wrong_state("the vault " + std::string(name) + " holds " + std::to_string(points) +
                         " recovery points, and without its key nobody could read them any more");
    BELAY_TRY(backups::remove_vault(sql, name));
    return note_in_audit(sql, now, by, "belay:DeleteVault", name);
  });
}

Result<std::string> Backups::escrow(std::string_view name, std::string_view reason, std::string_view by) {
  const Instant now = clock_.now();
  return store_.write([&](Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(auto vault, backups::get_vault(sql, name));
    if (vault.escrowed_at && reason.empty())
      return wrong_state("the escrow file of " + vault.name + " was printed on " + to_iso8601(*vault.escrowed_at) +
                         "; printing it again needs a reason (--reason), which stands in the audit log");
    BELAY_TRY_ASSIGN(const auto secrets, backups::vault_secrets(sql, name));
    vault.escrowed_at = now;
    BELAY_TRY(backups::update_vault(sql, vault, std::nullopt));
    BELAY_TRY(note_in_audit(sql, now, by, "belay:EscrowVault", name, {{"reason", reason}}));
    return escrow_text(name, secrets.key);
  });
}

Result<backups::Vault> note_escrow(Sql& sql, std::string_view name, std::string_view text, std::string_view by,
                                   Instant now) {
  BELAY_TRY_ASSIGN(auto vault, backups::get_vault(sql, name));
  const auto kept = read_escrow(text);
  if (!kept.ok()) return refuse(kept.error().message());
  if (vault_key_fingerprint(kept->key) != vault.key_fingerprint)
    return refuse("this escrow file is of the vault '" + sanitize(kept->vault_name, 64) +
                  "' with another key: it does not open " + vault.name);
  vault.escrow_checked_at = now;
  BELAY_TRY(backups::update_vault(sql, vault, std::nullopt));
  BELAY_TRY(note_in_audit(sql, now, by, "belay:CheckEscrow", name));
  return vault;
}

Result<backups::Vault> Backups::check_escrow(std::string_view name, std::string_view text, std::string_view by) {
  return store_.write([&](Sql& sql) { return note_escrow(sql, name, text, by, clock_.now()); });
}

// ---- plans

namespace {

// The field of the plan's first hook: those run as root on the nodes that the plan's author chose. "" without any.
std::string_view field_of_hook(const backup::SourceSpec& source) {
  if (source.before) return "source.before";
  if (source.after) return "source.after";
  if (source.freeze) return "source.freeze";
  return source.thaw ? "source.thaw" : "";
}

}  // namespace

Result<PlanView> Backups::put_plan(const PutPlanRequest& request) {
  const Instant now = clock_.now();
  BELAY_TRY_ASSIGN(const auto spec, backup::read_plan(request.content));
  const auto zone = zones_.of(spec.schedule.timezone);
  if (!zone.ok()) return refuse("schedule.timezone: " + zone.error().message());
  if (!spec.mails.empty() && !sends_mail_)
    return refuse("notify: mail is wanted, and this server sends none; name its program (belayd --sendmail)");
  return store_.write([&](Sql& sql) -> Result<PlanView> {
    if (const auto field = field_of_hook(spec.source); request.may && !field.empty())
      BELAY_TRY(request.may(sql, "ssm:SendCommand", "a backup plan with " + std::string(field)));
    BELAY_TRY_ASSIGN(const auto vaults, vaults_of(sql, spec));
    BELAY_TRY(backup::check_plan_with_vaults(spec, vaults.front(), {vaults.begin() + 1, vaults.end()}));
    PlanView view;
    BELAY_TRY_ASSIGN(view.node_ids, covered(sql, spec));
    if (view.node_ids.empty())
      view.warnings.push_back("no node matches its targets now; nodes that come later are covered by themselves");
    const auto before = backups::plan_named(sql, spec.name);
    if (!before.ok() && before.error().code() != Code::not_found) return before.error();
    const bool there = before.ok() && before->name == spec.name && before->state != "Retired";
    if (there && request.how == PutPlan::create)
      return Error(Code::already_exists,
                   "there is a backup plan " + spec.name + " already; change it with UpdateBackupPlan",
                   "AlreadyExistsException");
    if (!there && request.how == PutPlan::update)
      return Error(Code::not_found,
                   "there is no backup plan " + spec.name + " to change; see `belay backup plan list`");
    auto& plan = view.plan;
    if (there) {
      plan = *before;
      if (plan.spec.source.engine != spec.source.engine)
        return refuse("source.engine: the plan " + spec.name + " uses " +
                      std::string(backup::text_of(plan.spec.source.engine)) +
                      ", and its points can be restored by that alone; give the new one another name");
      BELAY_TRY(check_let_go(sql, zones_, *before, spec, request, now));
      ++plan.version;
    } else {
      plan.plan_id = make_id("bp", io::random_bytes(kIdRandomBytes));
      plan.name = spec.name;
      plan.created_by = request.requested_by;
      plan.created_at = now;
    }
    plan.content = request.content;
    plan.spec = spec;
    plan.updated_at = now;
    const bool fresh = plan.version == 1;
    BELAY_TRY(fresh ? backups::create_plan(sql, plan) : backups::update_plan(sql, plan));
    BELAY_TRY(refresh_members(sql, plan, true, now));
    BELAY_TRY(fresh ? begin_execution(sql, plan) : wake_backup_plan(sql, plan.plan_id, "", now));
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, fresh ? "belay:CreateBackupPlan" : "belay:UpdateBackupPlan",
                            plan.plan_id,
                            {{"name", plan.name}, {"version", plan.version}, {"content", request.content}}));
    return view;
  });
}

Result<PlanView> Backups::get_plan(std::string_view plan) {
  return store_.read([&](Sql& sql) -> Result<PlanView> {
    PlanView view;
    BELAY_TRY_ASSIGN(view.plan, backups::plan_named(sql, plan));
    BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, view.plan.plan_id));
    for (const auto& member : members)
      if (!member.left_at) view.node_ids.push_back(member.node_id);
    return view;
  });
}

Status Backups::set_plan_state(std::string_view name, std::string_view state, std::string_view reason,
                               std::string_view by) {
  const Instant now = clock_.now();
  return store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(auto plan, backups::plan_named(sql, name));
    if (plan.state == "Retired")
      return wrong_state("the plan " + plan.name +
                         " is retired; its points can be restored, and a plan of the same name made anew");
    plan.state = state;
    ++plan.version;
    plan.updated_at = now;
    BELAY_TRY(backups::update_plan(sql, plan));
    if (state != "Active") BELAY_TRY(call_back_deletions(sql, plan, now));
    BELAY_TRY(wake_backup_plan(sql, plan.plan_id, "", now));
    const std::string_view operation = state == "Paused"   ? "belay:PauseBackupPlan"
                                       : state == "Active" ? "belay:ResumeBackupPlan"
                                                           : "belay:DeleteBackupPlan";
    return note_in_audit(sql, now, by, operation, plan.plan_id,
                         {{"name", plan.name}, {"state", plan.state}, {"reason", reason}});
  });
}

}  // namespace belay::server
