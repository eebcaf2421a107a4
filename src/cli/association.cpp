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

// What create and update have alike.
Status add_settings(const Arguments& arguments, json::Object& request) {
  BELAY_TRY_ASSIGN(auto parameters, parameters_of(arguments.all("parameter")));
  if (!parameters.empty()) request["Parameters"] = std::move(parameters);
  for (const auto& [option, member] : {std::pair{"schedule", "ScheduleExpression"},
                                       {"max-concurrency", "MaxConcurrency"},
                                       {"max-errors", "MaxErrors"},
                                       {"severity", "ComplianceSeverity"},
                                       {"document-version", "DocumentVersion"}})
    if (arguments.has(option)) request[member] = arguments.one(option);
  if (arguments.has("only-at-schedule")) request["ApplyOnlyAtCronInterval"] = true;
  if (arguments.has("calendar")) request["CalendarNames"] = json::encode(arguments.all("calendar"));
  if (arguments.has("hours")) {
    BELAY_TRY_ASSIGN(const auto hours, number_of(arguments, "hours"));
    request["Duration"] = hours;
  }
  return {};
}

Result<int> create(Context& context, const Arguments& arguments) {
  json::Object request{{"AssociationName", arguments.one("NAME")},
                       {"Name", arguments.one("document")},
                       {"Targets", plain_targets(arguments.all("TARGET"))}};
  BELAY_TRY(add_settings(arguments, request));
  BELAY_TRY_ASSIGN(const auto made, call(context, "CreateAssociation", request));
  const std::string id = json::text_or_empty(made.at("AssociationDescription"), "AssociationId");
  print(context, {{"ASSOCIATION"}, {{id}}}, made, std::cout);
  return kExitOk;
}

// SSM takes away what an update does not name: so what stands is sent along, at the version it was read as.
Result<int> update(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto found, call(context, "DescribeAssociation", by_id(arguments)));
  const auto& before = found.at("AssociationDescription");
  auto request = by_id(arguments);
  for (const char* member :
       {"AssociationVersion", "AssociationName", "Name", "DocumentVersion", "Parameters", "Targets",
        "ScheduleExpression", "ScheduleOffset", "ApplyOnlyAtCronInterval", "MaxConcurrency", "MaxErrors",
        "ComplianceSeverity", "SyncCompliance", "CalendarNames", "Duration"})
    if (const auto* value = json::find(before, member)) request[member] = *value;
  const auto as_it_was = request;
  if (arguments.has("name")) request["AssociationName"] = arguments.one("name");
  if (arguments.has("target")) request["Targets"] = plain_targets(arguments.all("target"));
  BELAY_TRY(add_settings(arguments, request));
  if (arguments.has("at-once-too")) request["ApplyOnlyAtCronInterval"] = false;
  for (const auto& [option, member] :
       {std::pair{"no-schedule", "ScheduleExpression"}, {"no-calendars", "CalendarNames"}})
    if (arguments.has(option)) request.erase(member);
  if (request == as_it_was)
    return Error(Code::invalid_argument, "nothing to change is named; see belay association update --help");
  BELAY_TRY_ASSIGN(const auto changed, call(context, "UpdateAssociation", request));
  const std::string version = json::text_or_empty(changed.at("AssociationDescription"), "AssociationVersion");
  say(context, "changed " + arguments.one("ASSOCIATION") + ": it is version " + version + " now",
      {{"AssociationId", arguments.one("ASSOCIATION")}, {"AssociationVersion", version}}, std::cout);
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
          "associations (State Manager): list, show, create, update, window, delete, run, history",
          {},
          {},
          {},
          {{"list", "every association and how it stands", {}, {}, list, {}},
           {"show", "an association as it is, and what it waits for", {id}, {}, show, {}},
           {"create",
            "keep nodes as a document says: it runs at once, on new nodes, and by its schedule",
            {{"NAME", "what it is called"}, {"TARGET", "nodes, tag:Key=Value, or all", Takes::values}},
            {{"--document", "the Command document that it runs", Takes::one_value, true},
             {"--document-version", "a number, $LATEST or $DEFAULT (the default)"},
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
           {"update",
            "change what is named, and nothing else; it runs again at once, unless only by its schedule",
            {id},
            {{"--name", "what it is called"},
             {"--target", "in place of its targets: nodes, tag:Key=Value, or all; may be repeated", Takes::values},
             {"--document-version", "a number, $LATEST or $DEFAULT"},
             {"--parameter", "in place of its parameters: NAME=VALUE; may be repeated", Takes::values},
             {"--schedule", "cron(…), rate(…) or at(…), in UTC"},
             {"--no-schedule", "it has none any more", Takes::nothing},
             {"--only-at-schedule", "not at once, and not on new nodes", Takes::nothing},
             {"--at-once-too", "at once and on new nodes, too", Takes::nothing},
             {"--severity", "CRITICAL, HIGH, MEDIUM, LOW or UNSPECIFIED"},
             {"--hours", "stop it after so many hours, 1 to 24"},
             {"--max-concurrency", "nodes at a time"},
             {"--max-errors", "stop after more failures than this"},
             {"--calendar", "in place of its calendars; may be repeated", Takes::values},
             {"--no-calendars", "no calendar holds it back any more", Takes::nothing}},
            update,
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
