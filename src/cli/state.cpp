#include <iostream>

#include "base/error_table.hpp"
#include "cli/change_set.hpp"
#include "cli/commands.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

json::Object by_name(const Arguments& arguments) { return {{"Name", arguments.one("NAME")}}; }

Result<int> save(Context& context, const Arguments& arguments) {
  auto request = by_name(arguments);
  BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("NODE")));
  if (arguments.has("description")) request["Description"] = arguments.one("description");
  BELAY_TRY_ASSIGN(const auto answer, call(context, "SavePackageState", request));
  const auto* state = json::find(answer, "PackageState");
  say(context,
      "saved the state " + arguments.one("NAME") + (state ? ": " + cell(*state, "PackageCount") + " packages" : ""),
      {{"Name", arguments.one("NAME")}}, std::cout);
  return kExitOk;
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto states, call_all(context, "ListPackageStates", {}, "PackageStates"));
  Table table{{"NAME", "NODE", "SYSTEM", "SAVED (UTC)", "BY", "DESCRIPTION"}, {}};
  for (const auto& s : states)
    table.rows.push_back({cell(s, "Name"), cell(s, "InstanceId"), cell(s, "OperatingSystem"),
                          time_cell(json::find(s, "SavedDate")), cell(s, "SavedBy"), cell(s, "Description")});
  print(context, table, json::Object{{"PackageStates", states}}, std::cout);
  return kExitOk;
}

Result<int> diff(Context& context, const Arguments& arguments) {
  auto request = by_name(arguments);
  BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("NODE")));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "ComparePackageState", request));
  Table table{{"PACKAGE", "ARCH", "CHANGE", "SAVED", "ON THE NODE"}, {}};
  if (const auto* rows = json::find(answer, "Differences"); rows && rows->is_array())
    for (const auto& row : rows->get_array())
      table.rows.push_back({cell(row, "Name"), cell(row, "Architecture"), cell(row, "Change"),
                            cell(row, "SavedVersion"), cell(row, "NodeVersion")});
  print(context, table, answer, std::cout);
  if (context.format == Format::table)
    std::cerr << counted(std::to_string(table.rows.size()), "package") << " differ, " << cell(answer, "UnchangedCount")
              << " are as saved; observed " << time_cell(json::find(answer, "ObservedDate")) << " UTC\n";
  return kExitOk;
}

Result<int> show_document(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetPackageState", by_name(arguments)));
  if (context.format == Format::table) std::cout << json::text_or_empty(answer, "Document");
  else print_record(context, answer, std::cout);
  return kExitOk;
}

// The document of a state never changes: one that is there under its name is the same.
Result<std::string> keep_document(Context& context, const json::Value& answer) {
  const auto* state = json::find(answer, "PackageState");
  if (!state) return Error(Code::internal, "GetPackageState: the server's answer has no state");
  const std::string name = "restore-" + json::text_or_empty(*state, "Name") + "-" +
                           json::text_or_empty(*state, "PackageSetHash").substr(0, 8);
  const auto made = call(context, "CreateDocument",
                         {{"Name", name},
                          {"Content", json::text_or_empty(answer, "Document")},
                          {"DocumentFormat", "YAML"},
                          {"DocumentType", "Command"}});
  if (!made.ok() && made.error().code() != Code::already_exists) return made.error();
  return name;
}

Result<int> restore(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetPackageState", by_name(arguments)));
  BELAY_TRY_ASSIGN(const auto document, keep_document(context, answer));
  json::Object request{{"AssociationName", document},
                       {"Name", document},
                       {"Targets", plain_targets(arguments.all("TARGET"))},
                       {"MaxConcurrency", arguments.one("max-concurrency")},
                       {"MaxErrors", arguments.one("max-errors")}};
  if (arguments.has("schedule")) request["ScheduleExpression"] = arguments.one("schedule");
  BELAY_TRY_ASSIGN(const auto made, call(context, "CreateAssociation", request));
  const std::string id = json::text_or_empty(made.at("AssociationDescription"), "AssociationId");
  say(context, "the association " + id + " puts it back, at once; follow it with: belay association history " + id,
      {{"AssociationId", id}, {"DocumentName", document}}, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY(call(context, "DeletePackageState", by_name(arguments)));
  say(context, "deleted the state " + arguments.one("NAME"), by_name(arguments), std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec state_command() {
  const PositionalSpec name{"NAME", "the state's name"}, node{"NODE", "id or name"};
  return {"state",
          "known good package states: save, list, diff, document, restore, delete",
          {},
          {},
          {},
          {{"save",
            "keep what a node has now, as its newest scan says, under a name",
            {node, name},
            {{"--description", "a note for people"}},
            save,
            {}},
           {"list", "the states there are", {}, {}, list, {}},
           {"diff", "a state compared with a node", {name, node}, {}, diff, {}},
           {"document",
            "the Command document that puts it back, to read or to run by other means",
            {name},
            {},
            show_document,
            {}},
           {"restore",
            "put it back on nodes: an association with that document, which runs at once",
            {name, {"TARGET", "nodes, tag:Key=Value, or all", Takes::values}},
            {{"--schedule", "and again by this schedule: cron(…) or rate(…)"},
             {"--max-concurrency", "nodes at a time", Takes::one_value, false, "1"},
             {"--max-errors", "stop after more failures than this", Takes::one_value, false, "0"}},
            restore,
            {}},
           {"delete", "forget a state", {name}, {}, remove, {}}}};
}

}  // namespace belay::cli
