// Belay's own: backup plans, their jobs, and how they stand.
#include "base/ids.hpp"
#include "base/text.hpp"
#include "server/api/backup_wire.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/shapes/validate.hpp"
#include "server/engine/commands.hpp"

namespace belay::server {
namespace {
namespace backups = store::backups;

constexpr Duration kReportPeriod{30LL * 24 * 3600 * 1000};

std::string_view word(auto value) { return boost::describe::enum_to_string(value, ""); }

Result<json::Object> put_plan(const Call& call, PutPlan how) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  PutPlanRequest request{how, call.text("Content"), call.principal, call.text("Confirm"), {}};
  request.may = [&](store::Sql& sql, std::string_view action, std::string_view what) {
    return require_also(sql, call, action, what);
  };
  BELAY_TRY_ASSIGN(const auto view, service->put_plan(request));
  return json::Object{{"Plan", backup_plan_reply(view)}, {"Warnings", texts_reply(view.warnings)}};
}

Result<json::Object> set_state(const Call& call, std::string_view state) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY(service->set_plan_state(call.text("Plan"), state, call.text("Reason"), call.principal));
  return json::Object();
}

Result<json::Object> job_reply(const Call& call, const std::string& job_id) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto job, backups::get_job(sql, job_id));
    return json::Object{{"Job", backup_job_reply(job)}};
  });
}

std::optional<Instant> time_in(const Call& call, std::string_view member) {
  const auto* given = json::find(call.request, member);
  return given ? shapes::time_of(*given) : std::nullopt;
}

json::Object posture_reply(const PostureRow& row) {
  const auto& posture = row.posture;
  json::Object reply{{"InstanceId", posture.node_id},   {"Verdict", word(posture.verdict)},
                     {"Sentence", posture.sentence},    {"PointCount", posture.points},
                     {"SuspectCount", posture.suspect}, {"CopiesRuleHolds", posture.copies.holds}};
  put(reply, "Name", json::Value(row.node_name));
  put(reply, "PlanId", json::Value(posture.plan_id));
  put(reply, "PlanName", json::Value(posture.plan_name));
  put(reply, "Reasons", texts_reply(posture.reasons));
  put(reply, "CopiesRule", json::Value(posture.copies.why));
  put(reply, "ProofId", json::Value(posture.proof_id));
  put(reply, "RecoverableToDate", epoch(posture.recoverable_to));
  put(reply, "ProvenDate", epoch(posture.proven_at));
  if (posture.rpo) reply["RpoSeconds"] = seconds_of(*posture.rpo);
  if (posture.rto) reply["RestoreSeconds"] = seconds_of(*posture.rto);
  if (posture.proven) reply["Proven"] = word(*posture.proven), reply["ProvenOffsite"] = posture.proven_offsite;
  if (posture.forecast.time_to_restore) {
    reply["ForecastRestoreSeconds"] = seconds_of(*posture.forecast.time_to_restore);
    reply["ForecastBasis"] = posture.forecast.basis;
  }
  return reply;
}

}  // namespace

Result<Backups*> backups_of(const Call& call) {
  if (call.services.backups) return call.services.backups;
  return failure("UnsupportedOperationException", "this server makes no backups");
}

Result<std::string> node_of(const Call& call) {
  const auto text = call.text("InstanceId");
  if (text.empty()) return std::string();
  return call.read([&](store::Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(const auto ids, resolve_targets(sql, {text}, {}));
    return ids.front();
  });
}

Result<std::string> listed_node_of(const Call& call) {
  const auto text = call.text("InstanceId");
  auto node = node_of(call);
  if (!node.ok() && node.error().code() == Code::not_found && (is_id("mi", text) || is_id("i", text))) return text;
  return node;
}

Result<std::string> plan_id_of(const Call& call, store::Sql& sql) {
  const auto text = call.text("Plan");
  if (text.empty()) return std::string();
  BELAY_TRY_ASSIGN(const auto plan, backups::plan_named(sql, text));
  return plan.plan_id;
}

json::Object backup_plan_reply(const PlanView& view) {
  const auto& plan = view.plan;
  json::Object reply{{"PlanId", plan.plan_id},
                     {"Name", plan.name},
                     {"State", plan.state},
                     {"Version", plan.version},
                     {"Engine", backup::text_of(plan.spec.source.engine)},
                     {"Vault", plan.spec.vault},
                     {"Targets", texts_reply(plan.spec.targets)},
                     {"CreatedBy", plan.created_by},
                     {"CreatedDate", epoch(plan.created_at)},
                     {"UpdatedDate", epoch(plan.updated_at)}};
  put(reply, "InstanceIds", texts_reply(view.node_ids));
  put(reply, "Content", json::Value(plan.content));
  return reply;
}

json::Object backup_job_reply(const backups::Job& job) {
  json::Object reply{{"JobId", job.job.job_id},
                     {"PlanId", job.job.plan_id},
                     {"InstanceId", job.job.node_id},
                     {"Task", word(job.job.task)},
                     {"State", job.state},
                     {"RequestedBy", job.requested_by},
                     {"Reason", job.reason},
                     {"CreatedDate", epoch(job.created_at)}};
  put(reply, "PlanName", json::Value(job.job.plan_name));
  if (job.job.task == backup::Task::backup && !job.job.plan_name.empty()) reply["Type"] = word(job.job.type);
  put(reply, "Why", json::Value(job.why));
  put(reply, "Progress", json::Value(job.progress));
  put(reply, "BegunDate", epoch(job.begun_at));
  put(reply, "FinishedDate", epoch(job.finished_at));
  if (job.report) reply["Report"] = backup_report_reply(*job.report);
  return reply;
}

Result<json::Object> create_backup_plan(const Call& call) { return put_plan(call, PutPlan::create); }
Result<json::Object> update_backup_plan(const Call& call) { return put_plan(call, PutPlan::update); }
Result<json::Object> pause_backup_plan(const Call& call) { return set_state(call, "Paused"); }
Result<json::Object> resume_backup_plan(const Call& call) { return set_state(call, "Active"); }
Result<json::Object> delete_backup_plan(const Call& call) { return set_state(call, "Retired"); }

Result<json::Object> get_backup_plan(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY_ASSIGN(const auto view, service->get_plan(call.text("Plan")));
  return json::Object{{"Plan", backup_plan_reply(view)}};
}

Result<json::Object> list_backup_plans(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, backups::list_plans(sql, flag_of(call, "IncludeRetired"), page));
    json::Array plans;
    for (const auto& plan : found.items) {
      PlanView view{plan, {}, {}};
      BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, plan.plan_id));
      for (const auto& member : members)
        if (!member.left_at) view.node_ids.push_back(member.node_id);
      auto reply = backup_plan_reply(view);
      reply.erase("Content");
      plans.push_back(std::move(reply));
    }
    json::Object reply{{"Plans", std::move(plans)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

// ---- jobs

Result<json::Object> start_backup_run(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  RunRequest request;
  request.plan = call.text("Plan");
  request.node_ids = texts_of(call, "InstanceIds");
  request.requested_by = call.principal;
  backup::BackupType type{};
  if (boost::describe::enum_from_string(call.text("Type").c_str(), type)) request.type = type;
  BELAY_TRY_ASSIGN(const auto jobs, service->start_runs(request));
  return json::Object{{"JobIds", texts_reply(jobs)}};
}

Result<json::Object> start_restore_test(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  ProveRequest request;
  request.plan = call.text("Plan");
  request.point_id = call.text("PointId");
  if (request.plan.empty() == request.point_id.empty())
    return failure("ValidationException", "name a Plan or a PointId, and not both");
  request.node_ids = texts_of(call, "InstanceIds");
  backup::ProofLevel level{};
  if (boost::describe::enum_from_string(call.text("Level").c_str(), level)) request.level = level;
  request.target = time_in(call, "TargetTime");
  request.offsite = flag_of(call, "Offsite");
  request.escrow = call.text("Escrow");
  if (!request.escrow.empty())
    BELAY_TRY(call.read(
        [&](store::Sql& sql) { return require_also(sql, call, "belay:CheckEscrow", "a restore test with Escrow"); }));
  request.requested_by = call.principal;
  BELAY_TRY_ASSIGN(const auto jobs, service->start_proofs(request));
  return json::Object{{"JobIds", texts_reply(jobs)}};
}

Result<json::Object> start_restore(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  RestoreRequest request;
  request.point_id = call.text("PointId");
  BELAY_TRY_ASSIGN(request.node_id, node_of(call));
  request.to.path = call.text("Path");
  request.to.paths = texts_of(call, "Paths");
  request.to.time = time_in(call, "Time");
  request.to.over = flag_of(call, "Over");
  request.to.in_place = flag_of(call, "InPlace");
  request.to.preview = flag_of(call, "Preview");
  request.confirm = call.text("Confirm");
  request.untrusted = flag_of(call, "Untrusted");
  request.requested_by = call.principal;
  BELAY_TRY_ASSIGN(const auto job, service->start_restore(request));
  return job_reply(call, job);
}

Result<json::Object> stop_backup_job(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY(service->stop_job(call.text("JobId"), call.principal));
  return job_reply(call, call.text("JobId"));
}

Result<json::Object> get_backup_job(const Call& call) { return job_reply(call, call.text("JobId")); }

Result<json::Object> list_backup_jobs(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 1'000));
  backups::JobFilter filter;
  BELAY_TRY_ASSIGN(filter.node_id, listed_node_of(call));
  filter.tasks = texts_of(call, "Task");
  filter.states = texts_of(call, "State");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(filter.plan_id, plan_id_of(call, sql));
    BELAY_TRY_ASSIGN(const auto found, backups::list_jobs(sql, filter, page));
    json::Array jobs;
    for (const auto& job : found.items) jobs.push_back(backup_job_reply(job));
    json::Object reply{{"Jobs", std::move(jobs)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> get_backup_posture(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 1'000));
  BELAY_TRY_ASSIGN(const auto rows, service->posture(call.text("Plan"), texts_of(call, "InstanceIds"), page));
  json::Array postures;
  for (const auto& row : rows.items) postures.push_back(posture_reply(row));
  json::Object reply{{"Postures", std::move(postures)}};
  put_next(reply, call, rows.next);
  return reply;
}

Result<json::Object> get_backup_plan_report(const Call& call) {
  BELAY_TRY_ASSIGN(auto* const service, backups_of(call));
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 20, 100));
  PlanReportRequest request;
  request.plan = call.text("Plan");
  request.node_ids = texts_of(call, "InstanceIds");
  request.to = time_in(call, "To").value_or(call.now);
  request.from = time_in(call, "From").value_or(request.to - kReportPeriod);
  if (request.from > request.to)
    return failure("ValidationException",
                   "From is " + to_iso8601(request.from) + " and lies behind To, " + to_iso8601(request.to));
  BELAY_TRY_ASSIGN(auto report, service->report(request, page));
  json::Object reply{{"Report", std::move(report.head)}, {"Nodes", std::move(report.nodes)}};
  put_next(reply, call, report.next);
  return reply;
}

}  // namespace belay::server
