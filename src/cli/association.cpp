#include <charconv>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

json::Object by_id(const Arguments& arguments) { return {{"AssociationId", arguments.one("ASSOCIATION")}}; }

Result<std::int64_t> number_of(const Arguments& arguments, std::string_view name) {
  const std::string text = arguments.one(name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return Error(Code::invalid_argument, "--" + std::string(name) + " is '" + text + "': expected a whole number");
  return number;
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto associations, call_all(context, "ListAssociations", {}, "Associations"));
  Table table{{"ASSOCIATION", "NAME", "DOCUMENT", "SCHEDULE", "STATUS", "DETAILS", "LAST RUN (UTC)"}, {}};
  for (const auto& a : associations) {
    const auto& overview = a.at("Overview");
    table.rows.push_back({cell(a, "AssociationId"), cell(a, "AssociationName"), cell(a, "Name"),
                          cell(a, "ScheduleExpression"), cell(overview, "Status"), cell(overview, "DetailedStatus"),
                          time_cell(json::find(a, "LastExecutionDate"))});
  }
  print(context, table, json::Object{{"Associations", associations}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto found, call(context, "DescribeAssociation", by_id(arguments)));
  BELAY_TRY_ASSIGN(const auto plan, call(context, "GetAssociationPlan", by_id(arguments)));
  std::cout << json::to_pretty_text(json::Object{{"Association", found.at("AssociationDescription")}, {"Plan", plan}})
            << "\n";
  return kExitOk;
}

Result<int> create(Context& context, const Arguments& arguments) {
  json::Object request{{"AssociationName", arguments.one("NAME")},
                       {"Name", arguments.one("document")},
                       {"Targets", plain_targets(arguments.all("TARGET"))},
                       {"ComplianceSeverity", arguments.one("severity")}};
  BELAY_TRY_ASSIGN(auto parameters, parameters_of(arguments.all("parameter")));
  if (!parameters.empty()) request["Parameters"] = std::move(parameters);
  if (arguments.has("schedule")) request["ScheduleExpression"] = arguments.one("schedule");
  if (arguments.has("only-at-schedule")) request["ApplyOnlyAtCronInterval"] = true;
  if (arguments.has("max-concurrency")) request["MaxConcurrency"] = arguments.one("max-concurrency");
  if (arguments.has("max-errors")) request["MaxErrors"] = arguments.one("max-errors");
  if (arguments.has("calendar")) request["CalendarNames"] = json::encode(arguments.all("calendar"));
  if (arguments.has("hours")) {
    BELAY_TRY_ASSIGN(const auto hours, number_of(arguments, "hours"));
    request["Duration"] = hours;
  }
  BELAY_TRY_ASSIGN(const auto made, call(context, "CreateAssociation", request));
  const std::string id = json::text_or_empty(made.at("AssociationDescription"), "AssociationId");
  print(context, {{"ASSOCIATION"}, {{id}}}, made, std::cout);
  return kExitOk;
}

Result<int> window(Context& context, const Arguments& arguments) {
  auto request = by_id(arguments);
  if (arguments.has("window")) request["WindowId"] = arguments.one("window");
  if (arguments.has("cutoff")) {
    BELAY_TRY_ASSIGN(const auto hours, number_of(arguments, "cutoff"));
    request["CutoffHours"] = hours;
  }
  BELAY_TRY(call(context, "SetAssociationWindow", request));
  std::cout << (arguments.has("window") ? "it runs only in " + arguments.one("window")
                                        : std::string("it has no window"))
            << "\n";
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY(call(context, "DeleteAssociation", by_id(arguments)));
  std::cout << "deleted " << arguments.one("ASSOCIATION") << "; what runs ends, its history stays for 30 days\n";
  return kExitOk;
}

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY(call(context, "StartAssociationsOnce",
                 {{"AssociationIds", json::Array{json::Value(arguments.one("ASSOCIATION"))}}}));
  std::cout << "asked for; `belay association history " << arguments.one("ASSOCIATION")
            << "` tells what becomes of it\n";
  return kExitOk;
}

Result<int> history(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto executions,
                   call_all(context, "DescribeAssociationExecutions", by_id(arguments), "AssociationExecutions"));
  Table table{{"EXECUTION", "VERSION", "BEGAN (UTC)", "STATUS", "NODES", "DETAILS"}, {}};
  for (const auto& e : executions)
    table.rows.push_back({cell(e, "ExecutionId"), cell(e, "AssociationVersion"),
                          time_cell(json::find(e, "CreatedTime")), cell(e, "Status"), cell(e, "ResourceCountByStatus"),
                          cell(e, "DetailedStatus")});
  print(context, table, json::Object{{"AssociationExecutions", executions}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec association_command() {
  const PositionalSpec id{"ASSOCIATION", "its id"};
  return {"association",
          "associations (State Manager): list, show, create, window, delete, run, history",
          {},
          {},
          {},
          {{"list", "every association and how it stands", {}, {}, list, {}},
           {"show", "an association as it is, and what it waits for", {id}, {}, show, {}},
           {"create",
            "keep nodes as a document says: it runs at once, on new nodes, and by its schedule",
            {{"NAME", "what it is called"}, {"TARGET", "nodes, tag:Key=Value, or all", Takes::values}},
            {{"--document", "the Command document that it runs", Takes::one_value, true},
             {"--parameter", "NAME=VALUE; may be repeated", Takes::values},
             {"--schedule", "cron(…), rate(…) or at(…), in UTC"},
             {"--only-at-schedule", "not at once, and not on new nodes", Takes::nothing},
             {"--severity", "CRITICAL, HIGH, MEDIUM, LOW or UNSPECIFIED", Takes::one_value, false, "UNSPECIFIED"},
             {"--hours", "stop it after so many hours, 1 to 24"},
             {"--max-concurrency", "nodes at a time (default: all)"},
             {"--max-errors", "stop after more failures than this (default: never)"},
             {"--calendar", "a change calendar that holds it back while closed; may be repeated", Takes::values}},
            create,
            {}},
           {"window",
            "let it run only in a maintenance window, or set its cut-off; without options both are taken away",
            {id},
            {{"--window", "the window's id (mw-…)"}, {"--cutoff", "hours before the end from which nothing begins"}},
            window,
            {}},
           {"delete", "remove an association", {id}, {}, remove, {}},
           {"run", "run it once now", {id}, {}, run, {}},
           {"history", "what it did", {id}, {}, history, {}}}};
}

}  // namespace belay::cli
