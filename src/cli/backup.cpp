#include <unistd.h>

#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/backup_jobs.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "io/files.hpp"

namespace belay::cli {
namespace {

Status add_nodes(Context& context, const Arguments& arguments, json::Object& request) {
  if (!arguments.has("node")) return {};
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, arguments.all("node")));
  request["InstanceIds"] = json::encode(ids);
  return {};
}

Result<int> run(Context& context, const Arguments& arguments) {
  json::Object request{{"Plan", arguments.one("PLAN")}};
  if (arguments.has("type")) request["Type"] = arguments.one("type");
  BELAY_TRY(add_nodes(context, arguments, request));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "StartBackupRun", request));
  return begun(context, job_ids(answer), "backups begin", arguments.has("wait"));
}

Result<int> prove(Context& context, const Arguments& arguments) {
  const std::string what = arguments.one("WHAT");
  json::Object request;
  if (what.starts_with("rp-")) {
    BELAY_TRY_ASSIGN(request["PointId"], checked_id(IdKind::point, what));
  } else {
    request["Plan"] = what;
  }
  if (arguments.has("level")) request["Level"] = arguments.one("level");
  BELAY_TRY(add_time(arguments, "time", "TargetTime", request));
  if (arguments.has("offsite")) request["Offsite"] = true;
  if (arguments.has("escrow")) {
    BELAY_TRY_ASSIGN(request["Escrow"], io::real_files().read(arguments.one("escrow"), 64u << 10));
  }
  BELAY_TRY(add_nodes(context, arguments, request));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "StartRestoreTest", request));
  return begun(context, job_ids(answer), "restore tests begin", arguments.has("wait"));
}

Result<int> points(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("plan")) request["Plan"] = arguments.one("plan");
  if (arguments.has("vault")) request["Vault"] = arguments.one("vault");
  if (arguments.has("state")) request["State"] = json::encode(arguments.all("state"));
  if (arguments.has("node")) {
    BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("node")));
  }
  return list_points(context, request);
}

Result<int> proofs(Context& context, const Arguments& arguments) {
  if (arguments.has("PROOF")) {
    BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::proof, arguments.one("PROOF")));
    BELAY_TRY_ASSIGN(const auto answer, call(context, "GetProof", {{"ProofId", id}}));
    print_record(context, answer.at("Proof"), std::cout);
    return kExitOk;
  }
  json::Object request;
  if (arguments.has("plan")) request["Plan"] = arguments.one("plan");
  if (arguments.has("point")) {
    BELAY_TRY_ASSIGN(request["PointId"], checked_id(IdKind::point, arguments.one("point")));
  }
  if (arguments.has("node")) {
    BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("node")));
  }
  BELAY_TRY_ASSIGN(const auto found, call_all(context, "ListProofs", request, "Proofs"));
  Table table{{"PROOF", "POINT", "NODE", "AT (UTC)", "LEVEL", "WANTED", "PASSED", "RESTORE (s)", "WHY"}, {}};
  for (const auto& p : found) {
    const auto* offsite = json::find(p, "Offsite");
    const std::string x = offsite && offsite->is_bool() && offsite->get_bool() ? "x" : "";
    table.rows.push_back({cell(p, "ProofId"), cell(p, "PointId"), cell(p, "InstanceId"), time_cell(json::find(p, "At")),
                          cell(p, "Level") + x, cell(p, "Wanted"), cell(p, "Passed"), cell(p, "TimeToRestoreSeconds"),
                          cell(p, "Why")});
  }
  print(context, table, json::Object{{"Proofs", found}}, std::cout);
  return kExitOk;
}

Result<int> posture(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("plan")) request["Plan"] = arguments.one("plan");
  BELAY_TRY(add_nodes(context, arguments, request));
  BELAY_TRY_ASSIGN(const auto rows, call_all(context, "GetBackupPosture", request, "Postures"));
  Table table{{"NODE", "PLAN", "VERDICT", "IT CAN BE BROUGHT BACK", "WHY NOT COMPLIANT"}, {}};
  bool compliant = true;
  for (const auto& p : rows) {
    const std::string name = cell(p, "Name");
    compliant = compliant && cell(p, "Verdict") == "COMPLIANT";
    table.rows.push_back({name == "-" ? cell(p, "InstanceId") : name, cell(p, "PlanName"), cell(p, "Verdict"),
                          cell(p, "Sentence"), cell(p, "Reasons")});
  }
  print(context, table, json::Object{{"Postures", rows}}, std::cout);
  return compliant ? kExitOk : kExitNonCompliant;
}

Result<int> with_reason(Context& context, const Arguments& arguments, std::string_view operation,
                        std::string_view done) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::point, arguments.one("POINT")));
  BELAY_TRY(call(context, operation, {{"PointId", id}, {"Reason", arguments.one("reason")}}));
  say(context, id + " " + std::string(done), {{"PointId", id}}, std::cout);
  return kExitOk;
}

// Asked twice: what is deleted is gone for good.
Status confirm_removal(const std::string& point, bool yes) {
  if (yes) return {};
  if (!::isatty(STDIN_FILENO))
    return Error(Code::invalid_argument, "this deletes " + point + " for good; say --yes where nobody can be asked");
  std::string answer;
  std::cerr << "This deletes " << point << " for good. Go on? [y/N] ";
  std::getline(std::cin, answer);
  if (trim(answer) != "y" && trim(answer) != "yes") return Error(Code::cancelled, "nothing was done");
  std::cerr << "Type the recovery point's id to be sure: ";
  std::getline(std::cin, answer);
  if (trim(answer) != point) return Error(Code::cancelled, "that is not " + point + "; nothing was done");
  return {};
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::point, arguments.one("POINT")));
  BELAY_TRY(confirm_removal(id, arguments.has("yes")));
  json::Object request{{"PointId", id}, {"Reason", arguments.one("reason")}, {"Confirm", id}};
  if (arguments.has("last-proven")) request["LastProven"] = true;
  BELAY_TRY_ASSIGN(const auto answer, call(context, "DeleteRecoveryPoint", request));
  const auto jobs = job_ids(answer);
  if (!jobs.empty()) return begun(context, jobs, "it is being deleted", arguments.has("wait"));
  say(context, id + " was not in its vault any more, and is forgotten now", {{"PointId", id}}, std::cout);
  return kExitOk;
}

CommandSpec on_point(std::string name, std::string help, const char* operation, const char* done) {
  return {std::move(name),
          std::move(help),
          {{"POINT", "its id (rp-…)"}},
          {{"--reason", "why; it stands in the audit log", Takes::one_value, true}},
          [operation, done](Context& context, const Arguments& arguments) {
            return with_reason(context, arguments, operation, done);
          },
          {}};
}

}  // namespace

CommandSpec backup_command() {
  const OptionSpec nodes{"--node", "only on these nodes (ids, names, tag:Key=Value)", Takes::values};
  const OptionSpec one_node{"--node", "only on this node"}, plan{"--plan", "only of this plan"};
  const OptionSpec wait{"--wait", "follow it to its end", Takes::nothing};
  return {"backup",
          "backups and their proofs: plan, run, points, prove, proofs, posture, report, jobs, …",
          {},
          {},
          {},
          {backup_plan_command(),
           {"run",
            "make a recovery point now, on every node of the plan",
            {{"PLAN", "its name or id"}},
            {{"--type", "full, differential or incremental; else the lightest that can be made"}, nodes, wait},
            run,
            {}},
           {"points",
            "recovery points, the newest first, with their proof",
            {},
            {plan,
             one_node,
             {"--vault", "only in this one"},
             {"--state", "available, suspect, quarantined, damaged, expiring, gone", Takes::values}},
            points,
            {}},
           {"prove",
            "really restore: the newest point of a plan, or one point",
            {{"WHAT", "a plan, or a recovery point (rp-…)"}},
            {{"--level", "P0 to P5; else the plan's"},
             {"--offsite", "from the offsite copy, with nothing that the node remembers", Takes::nothing},
             {"--escrow", "escrow file that the key is checked with"},
             {"--time", "recover a database to this moment (ISO 8601); else to the point's own"},
             nodes,
             wait},
            prove,
            {}},
           {"proofs",
            "signed results of restore tests, the newest first; or one of them",
            {{"PROOF", "its id (pr-…)", Takes::one_value, false}},
            {plan, one_node, {"--point", "only of this recovery point (rp-…)"}},
            proofs,
            {}},
           {"posture",
            "how each node could be brought back; status 9 where one does not comply",
            {},
            {plan, nodes},
            posture,
            {}},
           backup_report_command(),
           backup_jobs_command(),
           backup_job_command(),
           backup_stop_command(),
           on_point("hold", "a legal hold: the point stays until it is released", "PutLegalHold", "is on hold"),
           on_point("release", "end a legal hold", "DeleteLegalHold", "is released"),
           on_point("accept", "a suspect, quarantined or damaged point is good: somebody looked", "AcceptRecoveryPoint",
                    "counts again"),
           {"delete",
            "delete one point for good; asks twice",
            {{"POINT", "its id (rp-…)"}},
            {{"--reason", "why; it stands in the audit log", Takes::one_value, true},
             {"--last-proven", "though no other one is proven", Takes::nothing},
             {"--yes", "delete without asking", Takes::nothing},
             wait},
            remove,
            {}}}};
}

}  // namespace belay::cli
