#pragma once
// Backups as replies have them.
#include <string>

#include "server/api/operation.hpp"
#include "server/api/rollout_wire.hpp"
#include "server/engine/backups.hpp"

namespace belay::server {

json::Object vault_reply(const store::backups::Vault& vault);
json::Object backup_plan_reply(const PlanView& view);
json::Object backup_job_reply(const store::backups::Job& job);
json::Object point_reply(const backup::RecoveryPoint& point);
json::Object proof_reply(const store::backups::SignedProof& proof);

// What a job said became of it. Fingerprints (thousands of lines) are left out; a point's own reply counts them.
json::Object backup_report_reply(const backup::JobReport& report);

// UnsupportedOperationException where this server makes none.
Result<Backups*> backups_of(const Call& call);
// InstanceId of the request, an id or a unique name of an active node, as an id; "" where there is none.
// InvalidInstanceId.
Result<std::string> node_of(const Call& call);
// The same for lists: also the id of a node that has left, whose points may be all that is left of it.
Result<std::string> listed_node_of(const Call& call);
// Plan of the request as its id; "" where there is none. DoesNotExistException.
Result<std::string> plan_id_of(const Call& call, store::Sql& sql);

}  // namespace belay::server
