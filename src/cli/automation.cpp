#include <iostream>
#include <map>
#include <thread>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/tags.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

Result<json::Object> by_id(const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::automation, arguments.one("AUTOMATION")));
  return json::Object{{"AutomationExecutionId", id}};
}

std::string status_of(const json::Value& execution) {
  return json::text_or_empty(execution, "AutomationExecutionStatus");
}
bool is_final(const std::string& status) {
  return status == "CompletedWithSuccess" || status == "CompletedWithFailure" || status == "Success" ||
         status == "Failed" || status == "TimedOut" || status == "Cancelled";
}

Result<json::Value> fetch(Context& context, const json::Object& request) {
  BELAY_TRY_ASSIGN(auto answer, call(context, "GetAutomationExecution", request));
  return answer.at("AutomationExecution");
}

Result<json::Array> children_of(Context& context, const std::string& id) {
  return call_all(
      context, "DescribeAutomationExecutions",
      {{"Filters", json::Array{json::Object{{"Key", "ParentExecutionId"}, {"Values", json::Array{json::Value(id)}}}}}},
      "AutomationExecutionMetadataList");
}

// Its steps; where it is over targets, the execution of each.
Result<int> show_execution(Context& context, const json::Value& execution) {
  Table table;
  json::Object whole{{"AutomationExecution", execution}};
  if (json::find(execution, "TargetParameterName")) {
    BELAY_TRY_ASSIGN(const auto children,
                     children_of(context, json::text_or_empty(execution, "AutomationExecutionId")));
    table.columns = {"AUTOMATION", "TARGET", "STATUS", "STEP", "WHY"};
    for (const auto& child : children)
      table.rows.push_back({cell(child, "AutomationExecutionId"), cell(child, "Target"),
                            cell(child, "AutomationExecutionStatus"), cell(child, "CurrentStepName"),
                            cell(child, "FailureMessage")});
    whole["AutomationExecutionMetadataList"] = children;
  } else {
    table.columns = {"STEP", "ACTION", "STATUS", "BEGAN (UTC)", "ENDED (UTC)", "WHY"};
    for (const auto& step : execution.at("StepExecutions").as_array())
      table.rows.push_back({cell(step, "StepName"), cell(step, "Action"), cell(step, "StepStatus"),
                            time_cell(json::find(step, "ExecutionStartTime")),
                            time_cell(json::find(step, "ExecutionEndTime")), cell(step, "FailureMessage")});
  }
  print(context, table, whole, std::cout);
  const auto status = status_of(execution);
  if (context.format == Format::table) {
    std::cerr << json::text_or_empty(execution, "AutomationExecutionId") << ": " << status;
    if (const auto why = json::text_or_empty(execution, "FailureMessage"); !why.empty())
      std::cerr << ": " << sanitize(why, 2'000);
    std::cerr << "\n";
  }
  return kExitOk;
}

// To its end, or to where it waits for a person; each step's change is said once.
Result<int> follow(Context& context, const json::Object& request) {
  std::map<std::string, std::string> seen;
  bool told_waiting = false;
  for (;;) {
    BELAY_TRY_ASSIGN(const auto execution, fetch(context, request));
    for (const auto& step : execution.at("StepExecutions").as_array()) {
      const auto status = json::text_or_empty(step, "StepStatus");
      auto& before = seen[json::text_or_empty(step, "StepName")];
      if (before != status && status != "Pending")
        std::cerr << "  " << sanitize(json::text_or_empty(step, "StepName"), 128) << ": " << status << "\n";
      before = status;
    }
    const auto status = status_of(execution);
    if (is_final(status)) {
      BELAY_TRY(show_execution(context, execution));
      return status == "Success" || status == "CompletedWithSuccess" ? kExitOk : kExitNonCompliant;
    }
    if (status == "Waiting" && !told_waiting)
      std::cerr << "  it waits for a person: see `belay automation approve`, `reject` and `signal`\n";
    told_waiting = status == "Waiting";
    std::this_thread::sleep_for(kPollEvery);
  }
}

Result<int> start(Context& context, const Arguments& arguments) {
  json::Object request{{"DocumentName", arguments.one("DOCUMENT")}};
  BELAY_TRY_ASSIGN(auto parameters, parameters_of(arguments.all("parameter")));
  if (!parameters.empty()) request["Parameters"] = std::move(parameters);
  if (arguments.has("document-version")) request["DocumentVersion"] = arguments.one("document-version");
  if (arguments.has("interactive")) request["Mode"] = "Interactive";
  if (arguments.has("target-parameter")) request["TargetParameterName"] = arguments.one("target-parameter");
  if (arguments.has("target")) request["Targets"] = plain_targets(arguments.all("target"));
  if (arguments.has("max-concurrency")) request["MaxConcurrency"] = arguments.one("max-concurrency");
  if (arguments.has("max-errors")) request["MaxErrors"] = arguments.one("max-errors");
  if (arguments.has("tag")) {
    BELAY_TRY_ASSIGN(request["Tags"], parse_tags(arguments.all("tag")));
  }
  BELAY_TRY_ASSIGN(const auto made, call(context, "StartAutomationExecution", request));
  const auto id = json::text_or_empty(made, "AutomationExecutionId");
  if (arguments.has("wait")) return follow(context, {{"AutomationExecutionId", id}});
  print(context, {{"AUTOMATION"}, {{id}}}, made, std::cout);
  if (context.format == Format::table) std::cerr << "follow it with: belay automation show " << id << " --wait\n";
  return kExitOk;
}

Result<int> list(Context& context, const Arguments& arguments) {
  json::Object request;
  if (arguments.has("status"))
    request["Filters"] =
        json::Array{json::Object{{"Key", "ExecutionStatus"}, {"Values", json::encode(arguments.all("status"))}}};
  BELAY_TRY_ASSIGN(const auto executions,
                   call_all(context, "DescribeAutomationExecutions", request, "AutomationExecutionMetadataList"));
  Table table{{"AUTOMATION", "DOCUMENT", "BEGAN (UTC)", "STATUS", "STEP", "BY", "TARGET"}, {}};
  for (const auto& e : executions)
    table.rows.push_back({cell(e, "AutomationExecutionId"), cell(e, "DocumentName"),
                          time_cell(json::find(e, "ExecutionStartTime")), cell(e, "AutomationExecutionStatus"),
                          cell(e, "CurrentStepName"), cell(e, "ExecutedBy"), cell(e, "Target")});
  print(context, table, json::Object{{"AutomationExecutionMetadataList", executions}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto request, by_id(arguments));
  if (arguments.has("wait")) return follow(context, request);
  BELAY_TRY_ASSIGN(const auto execution, fetch(context, request));
  return show_execution(context, execution);
}

Result<int> stop(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(auto request, by_id(arguments));
  const auto id = arguments.one("AUTOMATION");
  const bool complete = arguments.has("complete");
  request["Type"] = complete ? "Complete" : "Cancel";
  BELAY_TRY(call(context, "StopAutomationExecution", request));
  say(context,
      complete ? id + ": the step that runs ends, no further one begins"
               : "cancelling " + id + ": what it started is stopped, onCancel's steps run",
      {{"AutomationExecutionId", id}, {"Type", complete ? "Complete" : "Cancel"}}, std::cout);
  return kExitOk;
}

Result<int> send(Context& context, const Arguments& arguments, const std::string& type) {
  BELAY_TRY_ASSIGN(auto request, by_id(arguments));
  request["SignalType"] = type;
  json::Object payload;
  if (arguments.has("comment")) payload["Comment"] = json::Array{json::Value(arguments.one("comment"))};
  if (arguments.has("step")) {
    const char* member = type == "StopStep" ? "StepExecutionId" : "StepName";
    payload[member] = json::Array{json::Value(arguments.one("step"))};
  }
  if (!payload.empty()) request["Payload"] = std::move(payload);
  BELAY_TRY(call(context, "SendAutomationSignal", request));
  const auto id = arguments.one("AUTOMATION");
  say(context, type + " was sent to " + id, {{"AutomationExecutionId", id}, {"SignalType", type}}, std::cout);
  return kExitOk;
}

Result<int> signal(Context& context, const Arguments& arguments) {
  return send(context, arguments, arguments.one("SIGNAL"));
}
Result<int> approve(Context& context, const Arguments& arguments) { return send(context, arguments, "Approve"); }
Result<int> reject(Context& context, const Arguments& arguments) { return send(context, arguments, "Reject"); }

}  // namespace

CommandSpec automation_command() {
  const PositionalSpec id{"AUTOMATION", "its id"};
  const OptionSpec wait{"--wait", "follow it to its end", Takes::nothing};
  const OptionSpec comment{"--comment", "what is kept beside the decision"};
  return {"automation",
          "runbooks that are run: start, list, show, stop, approve, reject, signal",
          {},
          {},
          {},
          {{"start",
            "run an Automation document",
            {{"DOCUMENT", "its name"}},
            {{"--parameter", "NAME=VALUE; may be repeated", Takes::values},
             {"--document-version", "a number, $DEFAULT or $LATEST"},
             {"--interactive", "each step waits for the signal StartStep", Takes::nothing},
             {"--target-parameter", "the parameter that takes a target: one execution for each"},
             {"--target", "ParameterValues=A,B, tag:Key=Value, nodes, or all; may be repeated", Takes::values},
             {"--max-concurrency", "executions at a time (default: 1)"},
             {"--max-errors", "stop after more failures than this (default: 0)"},
             {"--tag", "Key=Value; may be repeated", Takes::values},
             wait},
            start,
            {}},
           {"list",
            "the newest executions",
            {},
            {{"--status", "only these: Waiting, InProgress, …; may be repeated", Takes::values}},
            list,
            {}},
           {"show", "an execution, step by step or target by target", {id}, {wait}, show, {}},
           {"stop",
            "cancel an execution",
            {id},
            {{"--complete", "let the step that runs end first, and count what ran", Takes::nothing}},
            stop,
            {}},
           {"approve", "say yes where it asks (aws:approve)", {id}, {comment}, approve, {}},
           {"reject", "say no where it asks: the step fails", {id}, {comment}, reject, {}},
           {"signal",
            "Resume a pause, StartStep (interactive), StopStep",
            {id, {"SIGNAL", "Resume, StartStep, StopStep, Approve or Reject"}},
            {{"--step", "the step's name, or its id"}, comment},
            signal,
            {}}}};
}

}  // namespace belay::cli
