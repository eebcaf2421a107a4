#pragma once
// Vaults, backup plans and what people ask of them. The executions are driven by backup_kind.hpp. Every change writes
// its own audit entry in its transaction, never with a secret.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/backup/posture.hpp"
#include "core/backup/retention.hpp"
#include "server/engine/backup_report.hpp"
#include "server/engine/node_registry.hpp"
#include "server/engine/zones.hpp"
#include "store/backups.hpp"
#include "wire/messages.hpp"

namespace belay::server {

inline constexpr std::string_view kBackupKind = "backup-plan";            // executions, one for each plan
inline constexpr std::string_view kCoverageKind = "backup-coverage";      // one: databases that no plan covers
inline constexpr Duration kEscrowCheckedWithin{90LL * 24 * 3600 * 1000};  // for an x: the escrow was found good lately

struct PutVaultRequest {
  std::string content;
  std::map<std::string, std::string> secrets;
  bool has_secrets = false;  // of a change: in place of those that are kept
  std::string requested_by;
};
enum class PutPlan { create, update };
struct PutPlanRequest {
  PutPlan how = PutPlan::create;
  std::string content;
  std::string requested_by;
  std::string confirm{};  // the plan's name, where the change lets go of points that were kept
  // Whether who asks may do, by this plan, what `what` says: asked in its transaction. Nothing: whoever asks may.
  std::function<Status(store::Sql&, std::string_view action, std::string_view what)> may{};
};
struct PlanView {
  store::backups::Plan plan;
  std::vector<std::string> node_ids;  // that it covers now
  std::vector<std::string> warnings;
};
struct RunRequest {
  std::string plan;                        // name or id
  std::vector<std::string> node_ids;       // empty: all that it covers
  std::optional<backup::BackupType> type;  // absent: full where there is none, else the lightest that the engine makes
  std::string requested_by, reason = "by hand";
};
struct ProveRequest {
  std::string plan, point_id;  // one of them
  std::vector<std::string> node_ids;
  std::optional<backup::ProofLevel> level;  // absent: the plan's
  std::optional<Instant> target;
  bool offsite = false;
  std::string escrow;  // the text of an escrow file: checked, never kept
  std::string requested_by, reason = "by hand";
};
struct RestoreRequest {
  std::string point_id;
  std::string node_id;  // "" where it came from
  backup::RestoreTo to;
  std::string confirm;     // the point's id again, where something is replaced
  bool untrusted = false;  // by a suspect, quarantined or damaged point all the same
  std::string requested_by;
};
inline constexpr std::string_view kDeletedBy = "deleted by ";  // begins a reason of a point that a person deletes
struct RemovePointRequest {
  std::string point_id;
  std::string confirm;       // the point's id again
  bool last_proven = false;  // told apart: nothing proven is left then
  std::string reason, requested_by;
};
struct RetentionPreview {
  std::string node_id, vault;
  std::vector<backup::RecoveryPoint> points;
  std::vector<backup::Kept> kept;  // one for each
};
struct PostureRow {
  std::string node_name;
  backup::Posture posture;  // plan_id "": a node with a database or an array that no plan covers
};

// Errors: invalid_argument "ValidationException" (files: all that is wrong, with lines), not_found
// "DoesNotExistException", conflict "InvalidStateException", already_exists "AlreadyExistsException".
class Backups {
 public:
  Backups(store::Store& store, const Clock& clock, Zones& zones) : store_(store), clock_(clock), zones_(zones) {}

  // ---- vaults
  Result<store::backups::Vault> create_vault(const PutVaultRequest& request);
  // What changes where its repositories are (kind, path, bucket, …) is refused while points lie in it.
  Result<store::backups::Vault> update_vault(const PutVaultRequest& request);
  Status remove_vault(std::string_view name, std::string_view by);  // conflict while a plan or a point needs it
  // The escrow file, once: later only with a reason, which stands in the audit log.
  Result<std::string> escrow(std::string_view name, std::string_view reason, std::string_view by);
  // ok where the file opens this vault; noted. invalid_argument with what is wrong about it.
  Result<store::backups::Vault> check_escrow(std::string_view name, std::string_view text, std::string_view by);
  // On one node of each plan that uses the vault (or on `node_id`): a check, can it be opened and written; a list.
  Result<std::vector<std::string>> check_vault(std::string_view name, std::string_view node_id, std::string_view by);

  // ---- plans
  // A new one (already_exists where one has the name), or the next version of the one of this name (not_found). A
  // change that lets go of points which were kept names them, and is refused until it is confirmed and allowed.
  Result<PlanView> put_plan(const PutPlanRequest& request);
  Result<PlanView> get_plan(std::string_view plan);
  // "Active", "Paused" or "Retired"; a retired plan stays retired.
  Status set_plan_state(std::string_view plan, std::string_view state, std::string_view reason, std::string_view by);

  // ---- jobs; their ids
  Result<std::vector<std::string>> start_runs(const RunRequest& request);
  Result<std::vector<std::string>> start_proofs(const ProveRequest& request);
  Result<std::string> start_restore(const RestoreRequest& request);
  Status stop_job(std::string_view job_id, std::string_view by);

  // ---- points
  Status hold(std::string_view point_id, bool held, std::string_view reason, std::string_view by);
  // A suspect, quarantined or damaged point is good all the same: somebody looked. Not one that is missing. A test that
  // failed stands, and its proofs count again once another one passed.
  Status accept(std::string_view point_id, std::string_view reason, std::string_view by);
  // Deletes one by a person's will; the job that does it, "" where it was missing. Refused: on hold, locked, needed by
  // others, not confirmed, and the last restored or the last proven one of its plan and node unless `last_proven`.
  Result<std::string> remove_point(const RemovePointRequest& request);
  Result<std::vector<RetentionPreview>> preview_retention(std::string_view plan, std::string_view node_id);

  // ---- how it stands
  // Each (plan, node) by the plan's name and the node's id; then, where no plan is named, nodes that lack one. A page
  // may have fewer rows than its limit and go on all the same.
  Result<store::Listed<PostureRow>> posture(std::string_view plan, const std::vector<std::string>& node_ids,
                                            const store::Page& page);
  // For an auditor; a page of nodes.
  Result<PlanReport> report(const PlanReportRequest& request, const store::Page& page);

  // Of a backup order of this node that is not over, made at the moment; permission_denied of any other.
  Result<wire::SecretsReply> secrets_for(std::string_view node_id, std::string_view order_id);

  std::function<void()> poke;  // set by main: an execution has something to do
  // Whether this server has a program that sends mail; without one a plan that wants mail is refused.
  void set_sends_mail(bool sends) { sends_mail_ = sends; }

 private:
  bool sends_mail_ = false;
  store::Store& store_;
  const Clock& clock_;
  Zones& zones_;
};

// ---- in the caller's transaction
Result<backup::Known> known_of(store::Sql& sql, const store::backups::Plan& plan, std::string_view node_id);
// What a ring demands of a node: of every plan that backs up a database there; of a database that only plans of another
// kind cover (a volume, a program), of one of those; where no database runs and no plan is a database's, of any plan. A
// database that no plan covers is no proof, whatever else is proven.
struct NodeProvable {
  backup::Provable provable;
  std::string plan_id;  // that it rests on, or that lacks something
};
Result<NodeProvable> provable_of(store::Sql& sql, std::string_view node_id, const backup::Demand& demand, Instant now);
// Starts what would mend it, unless it is under way. True where something is under way now.
Result<bool> mend_proof(store::Sql& sql, std::string_view node_id, const NodeProvable& lacks,
                        const backup::Demand& demand, std::string_view reason, Instant now);
// A database whose server runs there and that no plan covers: "postgresql", "mariadb", "mysql".
Result<std::vector<std::string>> uncovered_databases(store::Sql& sql, std::string_view node_id);

}  // namespace belay::server
