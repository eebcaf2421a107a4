#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("lifted")) request["IncludeLifted"] = true;
  BELAY_TRY_ASSIGN(const auto entries, call_all(context, "ListQuarantine", request, "Quarantine"));
  Table table{{"QUARANTINE", "WHAT", "VERSION", "ARCH", "SYSTEM", "ROLE", "SINCE (UTC)", "BY", "SEEN IN", "REASON",
               "LIFTED (UTC)"},
              {}};
  for (const auto& e : entries) {
    const std::string set = json::text_or_empty(e, "ChangeSetId");
    table.rows.push_back({cell(e, "QuarantineId"), set.empty() ? cell(e, "Package") : set, cell(e, "Version"),
                          cell(e, "Architecture"), cell(e, "OperatingSystem"), cell(e, "Role"),
                          time_cell(json::find(e, "AddedDate")), cell(e, "AddedBy"), cell(e, "RolloutId"),
                          cell(e, "Reason"), time_cell(json::find(e, "LiftedDate"))});
  }
  print(context, table, json::Object{{"Quarantine", entries}}, std::cout);
  return kExitOk;
}

Result<int> add(Context& context, const Arguments& arguments) {
  json::Object request{{"Reason", arguments.one("reason")}};
  const bool by_set = arguments.has("change-set");
  if (by_set == arguments.has("PACKAGE"))
    return Error(Code::invalid_argument, "name either PACKAGE and VERSION, or --change-set");
  if (!by_set && !arguments.has("VERSION"))
    return Error(Code::invalid_argument, "one version is quarantined, not a package: name the VERSION, too");
  if (by_set) {
    BELAY_TRY_ASSIGN(request["ChangeSetId"], checked_id(IdKind::change_set, arguments.one("change-set")));
  }
  for (const auto& [option, member] : {std::pair{"PACKAGE", "Package"},
                                       {"VERSION", "Version"},
                                       {"arch", "Architecture"},
                                       {"os", "OperatingSystem"},
                                       {"role", "Role"}})
    if (arguments.has(option)) request[member] = arguments.one(option);
  BELAY_TRY_ASSIGN(const auto answer, call(context, "PutQuarantine", request));
  const std::string id = json::text_or_empty(answer, "QuarantineId");
  std::string text = id + ": it goes nowhere until that is lifted; open rollouts of it stop";
  json::Object shown{{"QuarantineId", id}};
  if (const auto* nodes = json::find(answer, "NodeCount")) {
    shown["NodeCount"] = *nodes;
    const auto count = cell(answer, "NodeCount");
    text += count == "0" ? "; no node has that version or is offered it now: is it written right?"
                         : "; " + count + " nodes have it or are offered it";
  }
  say(context, text, shown, std::cout);
  return kExitOk;
}

Result<int> lift(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::quarantine, arguments.one("QUARANTINE")));
  BELAY_TRY(call(context, "DeleteQuarantine", {{"QuarantineId", id}, {"Reason", arguments.one("reason")}}));
  say(context, "lifted " + id + "; the entry stays, with the reason", {{"QuarantineId", id}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec quarantine_command() {
  const OptionSpec reason{"--reason", "why; it stays with the entry", Takes::one_value, true};
  return {"quarantine",
          "what goes nowhere any more: list, add, lift",
          {},
          {},
          {},
          {{"list",
            "what is quarantined, the newest first",
            {},
            {{"--lifted", "also what was lifted", Takes::nothing}},
            list,
            {}},
           {"add",
            "quarantine a version of a package, or a change set",
            {{"PACKAGE", "its name", Takes::one_value, false}, {"VERSION", "the version", Takes::one_value, false}},
            {{"--change-set", "cs-…: the whole change set"},
             {"--arch", "only of this architecture"},
             {"--os", "only on this operating system (DEBIAN, UBUNTU, …)"},
             {"--role", "only on nodes with this value of the tag Role"},
             reason},
            add,
            {}},
           {"lift", "let it go out again", {{"QUARANTINE", "its id (qu-…)"}}, {reason}, lift, {}}}};
}

}  // namespace belay::cli
