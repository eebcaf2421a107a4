// What an auditor is shown of a plan: how each node stands, what was proven when, what failed.
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/backup_jobs.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

struct Part {
  std::string title;
  Table table;
};

std::vector<Part> parts_of(const json::Value& posture, const json::Array& proofs, const json::Array& failed) {
  Part nodes{
      "Nodes",
      {{"NODE", "VERDICT", "IT CAN BE BROUGHT BACK", "RPO (s)", "RESTORE (s)", "FORECAST (s)", "3-2-1", "WHY"}, {}}};
  if (const auto* rows = json::find(posture, "Postures"); rows && rows->is_array())
    for (const auto& p : rows->get_array())
      nodes.table.rows.push_back({cell(p, "Name") == "-" ? cell(p, "InstanceId") : cell(p, "Name"), cell(p, "Verdict"),
                                  cell(p, "Sentence"), cell(p, "RpoSeconds"), cell(p, "RestoreSeconds"),
                                  cell(p, "ForecastRestoreSeconds"), cell(p, "CopiesRule"), cell(p, "Reasons")});
  Part tests{"Restore tests",
             {{"AT (UTC)", "PROOF", "POINT", "NODE", "VAULT", "LEVEL", "PASSED", "RESTORE (s)", "WHY"}, {}}};
  for (const auto& p : proofs)
    tests.table.rows.push_back({time_cell(json::find(p, "At")), cell(p, "ProofId"), cell(p, "PointId"),
                                cell(p, "InstanceId"), cell(p, "Vault"), cell(p, "Level"), cell(p, "Passed"),
                                cell(p, "TimeToRestoreSeconds"), cell(p, "Why")});
  Part failures{"Jobs that failed", {{"ENDED (UTC)", "JOB", "TASK", "NODE", "STATE", "WHY"}, {}}};
  for (const auto& j : failed)
    failures.table.rows.push_back({time_cell(json::find(j, "FinishedDate")), cell(j, "JobId"), cell(j, "Task"),
                                   cell(j, "InstanceId"), cell(j, "State"), cell(j, "Why")});
  return {std::move(nodes), std::move(tests), std::move(failures)};
}

Result<int> report(Context& context, const Arguments& arguments) {
  const std::string plan = arguments.one("PLAN");
  BELAY_TRY_ASSIGN(const auto posture, call(context, "GetBackupPosture", {{"Plan", plan}}));
  BELAY_TRY_ASSIGN(const auto proofs, call_all(context, "ListProofs", {{"Plan", plan}}, "Proofs"));
  const json::Array bad{"Failed", "Partial", "Expired"};
  BELAY_TRY_ASSIGN(const auto failed, call_all(context, "ListBackupJobs", {{"Plan", plan}, {"State", bad}}, "Jobs"));
  if (context.format == Format::json) {
    auto whole = posture.get_object();
    whole["Plan"] = plan;
    whole["Proofs"] = proofs;
    whole["FailedJobs"] = failed;
    print(context, {}, whole, std::cout);
    return kExitOk;
  }
  const auto parts = parts_of(posture, proofs, failed);
  for (const auto& part : parts) {
    if (context.format == Format::table) std::cout << part.title << "\n";
    std::cout << (context.format == Format::csv ? to_csv(part.table) : to_text_table(part.table)) << "\n";
  }
  return kExitOk;
}

}  // namespace

CommandSpec backup_report_command() {
  return {"report", "a plan for an auditor: nodes, restore tests, failures", {{"PLAN", "its name or id"}}, {}, report,
          {}};
}

}  // namespace belay::cli
