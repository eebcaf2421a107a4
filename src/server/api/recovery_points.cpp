// Belay's own: recovery points, what is kept of them, and their proofs.
#include "base/text.hpp"
#include "server/api/backup_wire.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"

namespace belay::server {
namespace {
namespace backups = store::backups;

std::string_view word(auto value) { return boost::describe::enum_to_string(value, ""); }

json::Array evidence_reply(const std::vector<backup::Evidence>& evidence) {
  json::Array out;
  for (const auto& item : evidence)
    out.push_back(json::Object{{"Level", word(item.level)},
                               {"What", item.what},
                               {"Passed", item.passed},
                               {"LookedAt", item.looked_at},
                               {"Seen", item.seen}});
  return out;
}

json::Array phases_reply(const std::vector<backup::Phase>& phases) {
  json::Array out;
  for (const auto& phase : phases)
    out.push_back(json::Object{{"Name", phase.name}, {"Seconds", seconds_of(phase.took)}});
  return out;
}

json::Object made_reply(const backup::MadePoint& made) {
  json::Object reply{{"Reference", made.reference},
                     {"Type", word(made.type)},
                     {"TakenDate", epoch(made.taken_at)},
                     {"BytesSource", made.bytes_source},
                     {"BytesAdded", made.bytes_added},
                     {"Files", made.files},
                     {"Rows", made.rows}};
  put(reply, "Needs", texts_reply(made.needs));
  put(reply, "Position", json::Value(made.position));
  put(reply, "Remarks", texts_reply(made.remarks));
  return reply;
}

}  // namespace

json::Object backup_report_reply(const backup::JobReport& report) {
  json::Object reply{{"Outcome", word(report.outcome)}, {"Bytes", report.bytes}, {"Files", report.files}};
  put(reply, "Why", json::Value(report.why));
  json::Array points;
  for (const auto& made : report.points) points.push_back(made_reply(made));
  put(reply, "Points", std::move(points));
  put(reply, "Forgotten", texts_reply(report.forgotten));
  put(reply, "Evidence", evidence_reply(report.evidence));
  put(reply, "Phases", phases_reply(report.phases));
  if (report.time_to_restore) reply["TimeToRestoreSeconds"] = seconds_of(*report.time_to_restore);
  put(reply, "RestoredToDate", epoch(report.restored_to));
  if (report.repository_bytes > 0) reply["RepositoryBytes"] = report.repository_bytes;
  if (report.repository_bytes_free > 0) reply["RepositoryFreeBytes"] = report.repository_bytes_free;
  put(reply, "Problems", problems_reply(report.problems));
  put(reply, "Output", json::Value(report.output));
  return reply;
}

json::Object point_reply(const backup::RecoveryPoint& point) {
  const auto& made = point.made;
  json::Object reply{{"PointId", point.point_id},
                     {"PlanId", point.plan_id},
                     {"InstanceId", point.node_id},
                     {"Vault", point.vault},
                     {"Engine", backup::text_of(point.engine)},
                     {"Reference", made.reference},
                     {"Type", word(made.type)},
                     {"State", word(point.state)},
                     {"TakenDate", epoch(made.taken_at)},
                     {"RecordedDate", epoch(point.recorded_at)},
                     {"BytesSource", made.bytes_source},
                     {"BytesAdded", made.bytes_added},
                     {"Files", made.files},
                     {"Rows", made.rows},
                     {"LegalHold", point.legal_hold}};
  put(reply, "CopyOf", json::Value(point.copy_of));
  put(reply, "Drive", json::Value(made.drive));
  if (point.missing_from) reply["Missing"] = true;
  put(reply, "Needs", texts_reply(made.needs));
  put(reply, "Why", texts_reply(point.why));
  put(reply, "Remarks", texts_reply(made.remarks));
  put(reply, "Position", json::Value(made.position));
  put(reply, "EngineVersion", json::Value(made.engine_version));
  put(reply, "ServerVersion", json::Value(made.server_version));
  put(reply, "LockedUntilDate", epoch(point.locked_until));
  put(reply, "ProofId", json::Value(point.proof_id));
  put(reply, "ProvenDate", epoch(point.proven_at));
  if (point.proven) reply["Proven"] = std::string(word(*point.proven)) + (point.proven_offsite ? "x" : "");
  return reply;
}

json::Object proof_reply(const backups::SignedProof& kept) {
  const auto& proof = kept.proof;
  json::Object reply{{"ProofId", proof.proof_id},    {"PointId", proof.point_id}, {"PlanId", proof.plan_id},
                     {"InstanceId", proof.node_id},  {"Vault", proof.vault},      {"JobId", proof.job_id},
                     {"Wanted", word(proof.wanted)}, {"Offsite", proof.offsite},  {"Passed", proof.passed},
                     {"At", epoch(proof.at)},        {"SignedText", kept.text},   {"Signature", kept.signature}};
  if (proof.level) reply["Level"] = word(*proof.level);
  put(reply, "Why", json::Value(proof.why));
  put(reply, "RestoredToDate", epoch(proof.restored_to));
  if (proof.time_to_restore) reply["TimeToRestoreSeconds"] = seconds_of(*proof.time_to_restore);
  put(reply, "Evidence", evidence_reply(proof.evidence));
  put(reply, "Phases", phases_reply(proof.phases));
  return reply;
}

Result<json::Object> list_recovery_points(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 1'000));
  backups::PointFilter filter;
  BELAY_TRY_ASSIGN(filter.node_id, listed_node_of(call));
  filter.vault = call.text("Vault");
  filter.states = texts_of(call, "State");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(filter.plan_id, plan_id_of(call, sql));
    BELAY_TRY_ASSIGN(const auto found, backups::list_points(sql, filter, page));
    json::Array points;
    for (const auto& point : found.items) points.push_back(point_reply(point));
    json::Object reply{{"RecoveryPoints", std::move(points)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> get_recovery_point(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto point, backups::get_point(sql, call.text("PointId")));
    return json::Object{{"RecoveryPoint", point_reply(point)}};
  });
}

Result<json::Object> put_legal_hold(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY(service->hold(call.text("PointId"), true, call.text("Reason"), call.principal));
  return json::Object();
}

Result<json::Object> delete_legal_hold(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY(service->hold(call.text("PointId"), false, call.text("Reason"), call.principal));
  return json::Object();
}

Result<json::Object> accept_recovery_point(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY(service->accept(call.text("PointId"), call.text("Reason"), call.principal));
  return json::Object();
}

Result<json::Object> delete_recovery_point(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY_ASSIGN(const auto job, service->remove_point({.point_id = call.text("PointId"),
                                                          .confirm = call.text("Confirm"),
                                                          .last_proven = flag_of(call, "LastProven"),
                                                          .reason = call.text("Reason"),
                                                          .requested_by = call.principal}));
  json::Array jobs;
  if (!job.empty()) jobs.emplace_back(job);
  return json::Object{{"JobIds", std::move(jobs)}};
}

Result<json::Object> preview_retention(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY_ASSIGN(const auto node, listed_node_of(call));
  BELAY_TRY_ASSIGN(const auto previews, service->preview_retention(call.text("Plan"), node));
  json::Array points;
  for (const auto& preview : previews)
    for (std::size_t i = 0; i < preview.points.size(); ++i) {
      const auto& point = preview.points[i];
      points.push_back(json::Object{{"PointId", point.point_id},
                                    {"InstanceId", preview.node_id},
                                    {"Vault", preview.vault},
                                    {"Type", word(point.made.type)},
                                    {"TakenDate", epoch(point.made.taken_at)},
                                    {"Keep", preview.kept[i].keep},
                                    {"Because", texts_reply(preview.kept[i].because)}});
    }
  return json::Object{{"Points", std::move(points)}};
}

Result<json::Object> get_proof(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto proof, backups::get_proof(sql, call.text("ProofId")));
    return json::Object{{"Proof", proof_reply(proof)}};
  });
}

Result<json::Object> list_proofs(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 20, 100));
  backups::ProofFilter filter;
  BELAY_TRY_ASSIGN(filter.node_id, listed_node_of(call));
  filter.point_id = call.text("PointId");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(filter.plan_id, plan_id_of(call, sql));
    BELAY_TRY_ASSIGN(const auto found, backups::list_proofs(sql, filter, page));
    json::Array proofs;
    for (const auto& proof : found.items) proofs.push_back(proof_reply(proof));
    json::Object reply{{"Proofs", std::move(proofs)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

}  // namespace belay::server
