#include <algorithm>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

Result<std::string> action_of(const std::string& word) {
  for (const auto& [typed, sent] :
       {std::pair{"notice", "Notice"}, {"command", "Command"}, {"next-window", "NextWindow"}})
    if (word == typed) return std::string(sent);
  return Error(Code::invalid_argument, "--action is notice, command or next-window, not '" + word + "'");
}

// "Key=Value" words; the same key again adds a value.
Result<json::Object> parameters_of(const std::vector<std::string>& words) {
  json::Object parameters;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(Code::invalid_argument, "'" + word + "' is no parameter; write Name=Value");
    auto& values = parameters[word.substr(0, equals)];
    if (!values.is_array()) values = json::Array();
    values.get_array().push_back(json::Value(word.substr(equals + 1)));
  }
  return parameters;
}

Result<json::Array> targets_of(Context& context, const std::vector<std::string>& words) {
  BELAY_TRY_ASSIGN(const auto targets, resolve_targets(context, words));
  if (targets.node_ids.empty()) return targets.targets;
  return json::Array{json::Object{{"Key", "InstanceIds"}, {"Values", json::encode(targets.node_ids)}}};
}

Result<int> put(Context& context, const Arguments& arguments) {
  json::Object request{{"Name", arguments.one("NAME")},
                       {"Enabled", !arguments.has("disabled")},
                       {"IncludeUnknown", !arguments.has("ignore-unknown")},
                       {"SeverityAtLeast", arguments.one("severity")}};
  BELAY_TRY_ASSIGN(request["Action"], action_of(arguments.one("action")));
  BELAY_TRY_ASSIGN(const auto after, parse_duration(arguments.one("after")).within("--after"));
  request["AfterSeconds"] = after.count() / 1000;
  for (const auto& [option, member] : {std::pair{"document", "DocumentName"},
                                       {"window", "WindowId"},
                                       {"description", "Description"},
                                       {"max-concurrency", "MaxConcurrency"},
                                       {"max-errors", "MaxErrors"}})
    if (arguments.has(option)) request[member] = arguments.one(option);
  if (arguments.has("type")) request["ComplianceTypes"] = json::encode(arguments.all("type"));
  if (arguments.has("notify")) request["Notify"] = json::encode(arguments.all("notify"));
  if (arguments.has("target")) {
    BELAY_TRY_ASSIGN(request["Targets"], targets_of(context, arguments.all("target")));
  }
  BELAY_TRY_ASSIGN(auto parameters, parameters_of(arguments.all("parameter")));
  if (!parameters.empty()) request["Parameters"] = std::move(parameters);
  BELAY_TRY(call(context, "PutRemedyPolicy", request));
  const bool enabled = !arguments.has("disabled");
  say(context, "the policy " + arguments.one("NAME") + (enabled ? " is in force" : " is kept, and does nothing"),
      {{"Policy", arguments.one("NAME")}, {"Enabled", enabled ? "true" : "false"}}, std::cout);
  return kExitOk;
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto policies, call_all(context, "ListRemedyPolicies", {}, "Policies"));
  Table table{{"POLICY", "IN FORCE", "AFTER", "SEVERITY", "TYPES", "ACTION", "DOES"}, {}};
  for (const auto& policy : policies) {
    const auto* after = json::find(policy, "AfterSeconds");
    const std::int64_t seconds = after && after->is_int64() ? after->get_int64() : 0;
    std::string types;
    if (const auto* named = json::find(policy, "ComplianceTypes"))
      for (const auto& type : named->get_array()) types += (types.empty() ? "" : ",") + std::string(type.as_string());
    std::string does = json::text_or_empty(policy, "DocumentName") + json::text_or_empty(policy, "WindowId");
    table.rows.push_back({cell(policy, "Name"), cell(policy, "Enabled"), humanize(Duration(seconds * 1000)),
                          cell(policy, "SeverityAtLeast"), types, cell(policy, "Action"), does.empty() ? "-" : does});
  }
  print(context, table, json::Object{{"Policies", policies}}, std::cout);
  return kExitOk;
}

Result<int> log(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("policy")) request["PolicyName"] = arguments.one("policy");
  if (arguments.has("open")) request["Open"] = true;
  if (arguments.has("node")) {
    BELAY_TRY_ASSIGN(request["InstanceId"], resolve_node(context, arguments.one("node")));
  }
  BELAY_TRY_ASSIGN(const auto remedies, call_all(context, "ListRemedies", request, "Remedies"));
  Table table{
      {"NODE", "POLICY", "SINCE (UTC)", "STATUS", "SEVERITY", "OUTCOME", "AT (UTC)", "COMMAND", "CLOSED (UTC)", "WHY"},
      {}};
  for (const auto& remedy : remedies) {
    const auto* reasons = json::find(remedy, "Reasons");
    std::string why = json::text_or_empty(remedy, "Error");
    if (why.empty() && reasons && !reasons->get_array().empty()) why = reasons->get_array().front().as_string();
    const auto* acted = json::find(remedy, "ActedDate");
    table.rows.push_back({cell(remedy, "InstanceId"), cell(remedy, "PolicyName"),
                          time_cell(json::find(remedy, "SinceDate")), cell(remedy, "Status"), cell(remedy, "Severity"),
                          cell(remedy, "Outcome"),
                          acted ? time_cell(acted) : "due " + time_cell(json::find(remedy, "DueDate")),
                          cell(remedy, "CommandId"), time_cell(json::find(remedy, "ClosedDate")), why});
  }
  print(context, table, json::Object{{"Remedies", remedies}}, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY(call(context, "DeleteRemedyPolicy", {{"Name", arguments.one("NAME")}}));
  say(context, "deleted " + arguments.one("NAME") + "; what it did stays in belay remedy log",
      {{"Deleted", arguments.one("NAME")}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec remedy_command() {
  const PositionalSpec name{"NAME", "the policy's name"};
  return {"remedy",
          "what is done about nodes that do not comply: put, list, log, delete",
          {},
          {},
          {},
          {{"put",
            "a policy: not compliant for longer than --after, at least --severity",
            {name},
            {{"--action", "notice, command or next-window", Takes::one_value, true},
             {"--after", "for how long, such as 3d", Takes::one_value, true},
             {"--severity", "CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL or UNSPECIFIED (any)", Takes::one_value, false,
              "UNSPECIFIED"},
             {"--type", "Patch, Association or Custom:…; may be repeated", Takes::values},
             {"--target", "nodes, tag:Key=Value or all; may be repeated", Takes::values},
             {"--document", "of a command: AWS-RunPatchBaseline, …"},
             {"--parameter", "of its document: Name=Value; may be repeated", Takes::values},
             {"--max-concurrency", "of its command"},
             {"--max-errors", "of its command"},
             {"--window", "of next-window: the maintenance window's id"},
             {"--notify", "who is told when it acts: an https:// or a mail address; may be repeated", Takes::values},
             {"--description", "a note for people"},
             {"--ignore-unknown", "leave nodes alone of which nothing is known", Takes::nothing},
             {"--disabled", "keep it, and do nothing", Takes::nothing}},
            put,
            {}},
           {"list", "the policies there are", {}, {}, list, {}},
           {"log",
            "what they did, and whom they wait for; the newest first",
            {},
            {{"--policy", "only this policy"},
             {"--node", "only this node"},
             {"--open", "only what is not over", Takes::nothing}},
            log,
            {}},
           {"delete", "end a policy; what it did stays", {name}, {}, remove, {}}}};
}

}  // namespace belay::cli
