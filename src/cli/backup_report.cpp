// What an auditor is shown of a plan: how each node stands, what there is to go back by, what was proven, what failed.
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/backup_jobs.hpp"
#include "cli/output.hpp"
#include "cli/report_html.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

struct Column {
  const char* title;
  const char* member;
};
struct Part {
  const char* title;
  const char* member;  // the list of a node's report that it shows; "" the node itself
  std::vector<Column> columns;
};

const std::vector<Part>& parts() {
  static const std::vector<Part> all{
      {"Nodes",
       "",
       {{"VERDICT", "Verdict"},
        {"IT CAN BE BROUGHT BACK", "Sentence"},
        {"POINTS", "PointsKept"},
        {"MADE", "PointsMade"},
        {"NEWEST (UTC)", "NewestPoint"},
        {"TESTS PASSED", "ProofsPassed"},
        {"FAILED", "ProofsFailed"},
        {"WHY NOT COMPLIANT", "Reasons"}}},
      {"Objectives",
       "Objectives",
       {{"RPO (s)", "RpoSeconds"},
        {"OBJECTIVE (s)", "RpoObjectiveSeconds"},
        {"MET", "RpoMet"},
        {"RESTORE (s)", "RestoreSeconds"},
        {"FORECAST (s)", "ForecastRestoreSeconds"},
        {"OBJECTIVE (s)", "RtoObjectiveSeconds"},
        {"MET", "RtoMet"}}},
      {"3-2-1",
       "Copies",
       {{"COPIES", "Copies"},
        {"SITES", "Sites"},
        {"OFFSITE", "Offsite"},
        {"HOLDS", "ThreeTwoOne"},
        {"WHICH", "Which"}}},
      {"Recovery points",
       "Points",
       {{"POINT", "PointId"},
        {"TAKEN (UTC)", "Taken"},
        {"TYPE", "Type"},
        {"VAULT", "Vault"},
        {"STATE", "State"},
        {"CHAIN", "Chain"},
        {"PROVEN", "Proven"},
        {"KEPT BECAUSE", "KeptBecause"},
        {"LOCKED UNTIL (UTC)", "LockedUntil"}}},
      {"Restore tests",
       "Proofs",
       {{"AT (UTC)", "At"},
        {"PROOF", "ProofId"},
        {"POINT", "PointId"},
        {"VAULT", "Vault"},
        {"LEVEL", "Level"},
        {"PASSED", "Passed"},
        {"RESTORE (s)", "RestoreSeconds"},
        {"WHY", "Why"}}},
      {"Jobs", "Jobs", {{"TASK", "Task"}, {"RUNS", "Runs"}, {"FAILED", "Failed"}}},
      {"Jobs that failed",
       "Failures",
       {{"AT (UTC)", "At"},
        {"JOB", "JobId"},
        {"TASK", "Task"},
        {"STATE", "State"},
        {"WHY", "Why"},
        {"MENDED BY", "MendedBy"}}},
      {"Suspicious points",
       "SuspiciousPoints",
       {{"POINT", "PointId"}, {"TAKEN (UTC)", "Taken"}, {"STATE", "State"}, {"WHY", "Why"}}},
      {"Gaps in the logs", "LogGaps", {{"FROM (UTC)", "From"}, {"UNTIL (UTC)", "Until"}}},
      {"Out of order now", "Findings", {{"FINDING", "Finding"}, {"DETAIL", "Detail"}}},
      {"Alarms now", "Alarms", {{"ALARM", "Alarm"}, {"SINCE (UTC)", "Since"}, {"WHY", "Why"}}},
  };
  return all;
}

std::string shown(const json::Value& row, const Column& column) {
  const std::string_view title = column.title;
  return title.ends_with("(UTC)") ? time_cell(json::find(row, column.member)) : cell(row, column.member);
}

Table table_of(const Part& part, const json::Array& nodes) {
  Table table{{"NODE"}, {}};
  for (const auto& column : part.columns) table.columns.emplace_back(column.title);
  const auto add = [&](const json::Value& node, const json::Value& row) {
    auto& cells = table.rows.emplace_back(1, cell(node, "Name"));
    for (const auto& column : part.columns) cells.push_back(shown(row, column));
  };
  for (const auto& node : nodes) {
    if (std::string_view(part.member).empty()) {
      add(node, node);
      continue;
    }
    const auto* value = json::find(node, part.member);
    if (!value) continue;
    if (value->is_array())
      for (const auto& row : value->get_array()) add(node, row);
    else add(node, *value);
  }
  return table;
}

// The plan once, and all pages of its nodes.
Result<json::Object> whole_report(Context& context, const Arguments& arguments) {
  json::Object request{{"Plan", arguments.one("PLAN")}};
  if (arguments.has("from")) request["From"] = arguments.one("from");
  if (arguments.has("to")) request["To"] = arguments.one("to");
  if (arguments.has("node")) {
    BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, arguments.all("node")));
    request["InstanceIds"] = json::encode(ids);
  }
  BELAY_TRY_ASSIGN(const auto first, call(context, "GetBackupPlanReport", request));
  const auto* head = json::find(first, "Report");
  if (!head || !head->is_object())
    return Error(Code::internal, "GetBackupPlanReport: the server's answer has no report");
  auto report = head->get_object();
  // The period of the first page for all of them.
  request["From"] = json::text_or_empty(report, "From");
  request["To"] = json::text_or_empty(report, "To");
  BELAY_TRY_ASSIGN(auto nodes, call_all(context, "GetBackupPlanReport", request, "Nodes"));
  std::int64_t compliant = 0;
  for (const auto& node : nodes) compliant += json::text_or_empty(node, "Verdict") == "COMPLIANT" ? 1 : 0;
  report["NodeCount"] = nodes.size();
  report["CompliantCount"] = compliant;
  report["Nodes"] = std::move(nodes);
  return report;
}

Result<int> report(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto whole, whole_report(context, arguments));
  if (arguments.has("html")) {
    std::cout << report_page("Backup plan " + json::text_or_empty(whole, "Plan"), whole, {"Nodes"});
    return kExitOk;
  }
  if (context.format == Format::json) {
    print(context, {}, whole, std::cout);
    return kExitOk;
  }
  const auto& nodes = whole.at("Nodes").as_array();
  if (context.format == Format::table)
    std::cout << "Backup plan " << cell(whole, "Plan") << " (" << cell(whole, "PlanId") << "), "
              << time_cell(json::find(whole, "From")) << " to " << time_cell(json::find(whole, "To"))
              << " (UTC): " << cell(whole, "CompliantCount") << " of " << nodes.size() << " nodes comply\n\n";
  for (const auto& part : parts()) {
    const auto table = table_of(part, nodes);
    if (context.format == Format::table) std::cout << part.title << "\n";
    std::cout << (context.format == Format::csv ? to_csv(table) : to_text_table(table)) << "\n";
  }
  return kExitOk;
}

}  // namespace

CommandSpec backup_report_command() {
  return {"report",
          "a plan for an auditor: nodes, points, restore tests, failures and how they were mended",
          {{"PLAN", "its name or id"}},
          {{"--from", "the period's begin (ISO 8601); else 30 days before its end"},
           {"--to", "its end; else now"},
           {"--node", "only these nodes (ids, names, tag:Key=Value)", Takes::values},
           {"--html", "as a page that needs nothing beside itself, to print or to send", Takes::nothing}},
          report,
          {}};
}

}  // namespace belay::cli
