#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto commands, call_all(context, "ListCommands", {}, "Commands"));
  Table table{{"COMMAND", "DOCUMENT", "REQUESTED (UTC)", "STATUS", "NODES", "DONE", "ERRORS"}, {}};
  for (const auto& c : commands)
    table.rows.push_back({cell(c, "CommandId"), cell(c, "DocumentName"), time_cell(json::find(c, "RequestedDateTime")),
                          cell(c, "StatusDetails"), cell(c, "TargetCount"), cell(c, "CompletedCount"),
                          cell(c, "ErrorCount")});
  print(context, table, json::Object{{"Commands", commands}}, std::cout);
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::command, arguments.one("COMMAND")));
  if (arguments.has("wait")) return follow_command(context, id);
  BELAY_TRY_ASSIGN(const auto invocations, call_all(context, "ListCommandInvocations",
                                                    {{"CommandId", id}, {"Details", true}}, "CommandInvocations"));
  Table table{{"NODE", "NAME", "STATUS", "DETAILS"}, {}};
  for (const auto& i : invocations)
    table.rows.push_back({cell(i, "InstanceId"), cell(i, "InstanceName"), cell(i, "Status"), cell(i, "StatusDetails")});
  print(context, table, json::Object{{"CommandInvocations", invocations}}, std::cout);
  return kExitOk;
}

// All of it, a page at a time.
Status print_stream(Context& context, const std::string& id, const std::string& node, const char* stream,
                    std::ostream& out) {
  for (std::int64_t offset = 0;;) {
    BELAY_TRY_ASSIGN(const auto page,
                     call(context, "GetCommandOutput",
                          {{"CommandId", id}, {"InstanceId", node}, {"Stream", stream}, {"Offset", offset}}));
    out << sanitize(json::text_or_empty(page, "Text"), std::size_t{8} << 20);
    const auto* next = json::find(page, "NextOffset");
    if (!next) return {};
    BELAY_TRY_ASSIGN(offset, json::decode<std::int64_t>(*next, "NextOffset"));
  }
}

Result<int> output(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::command, arguments.one("COMMAND")));
  BELAY_TRY_ASSIGN(const auto node, resolve_node(context, arguments.one("NODE")));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "GetCommandInvocation", {{"CommandId", id}, {"InstanceId", node}}));
  if (context.format == Format::json) {
    std::cout << json::to_pretty_text(answer) << "\n";
    return kExitOk;
  }
  BELAY_TRY(print_stream(context, id, node, "StandardOutput", std::cout));
  BELAY_TRY(print_stream(context, id, node, "StandardError", std::cerr));
  return json::text_or_empty(answer, "Status") == "Success" ? kExitOk : kExitNonCompliant;
}

Result<int> cancel(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::command, arguments.one("COMMAND")));
  BELAY_TRY_ASSIGN(const auto commands, call_all(context, "ListCommands", {{"CommandId", id}}, "Commands"));
  if (commands.empty())
    return Error(Code::not_found, "there is no command " + id + "; `belay command list` lists them");
  const std::string status = json::text_or_empty(commands.front(), "Status");
  const bool ended = is_final_status(status);
  if (!ended) BELAY_TRY(call(context, "CancelCommand", {{"CommandId", id}}));
  say(context,
      ended ? id + " has ended already: " + status + "; nothing is left to cancel"
            : "cancelling " + id + ": what has not begun is dropped, what runs ends safely",
      {{"CommandId", id}, {"Status", ended ? status : "Cancelling"}}, std::cout);
  return kExitOk;
}

// What is run: shell lines, or a document with its parameters.
Result<json::Object> work_of(const Arguments& arguments) {
  const bool document = arguments.has("document");
  if (document == arguments.has("line"))
    return Error(Code::invalid_argument, "say what to run: either --line SHELL or --document NAME");
  if (!document) {
    for (const char* option : {"parameter", "document-version"})
      if (arguments.has(option))
        return Error(Code::invalid_argument, "--" + std::string(option) + " belongs to --document, not to --line");
    return json::Object{{"DocumentName", "AWS-RunShellScript"},
                        {"Parameters", json::Object{{"commands", json::encode(arguments.all("line"))}}}};
  }
  json::Object request{{"DocumentName", arguments.one("document")}};
  if (arguments.has("document-version")) request["DocumentVersion"] = arguments.one("document-version");
  BELAY_TRY_ASSIGN(auto parameters, parameters_of(arguments.all("parameter")));
  if (!parameters.empty()) request["Parameters"] = std::move(parameters);
  return request;
}

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(auto request, work_of(arguments));
  request["MaxConcurrency"] = arguments.one("max-concurrency");
  request["MaxErrors"] = arguments.one("max-errors");
  if (arguments.has("comment")) request["Comment"] = arguments.one("comment");
  if (arguments.has("timeout")) {
    BELAY_TRY_ASSIGN(const auto timeout, parse_duration(arguments.one("timeout")).within("--timeout"));
    request["TimeoutSeconds"] = timeout.count() / 1000;
  }
  BELAY_TRY_ASSIGN(const auto targets, resolve_targets(context, arguments.all("TARGET")));
  targets.add_to(request);
  return send_command(context, request, arguments.has("wait"));
}

}  // namespace

CommandSpec command_command() {
  const PositionalSpec id{"COMMAND", "its id"};
  return {"command",
          "what was sent to nodes: run, list, show, output, cancel",
          {},
          {},
          {},
          {{"run",
            "run shell lines or a document on nodes",
            {{"TARGET", "nodes, tag:Key=Value, or all", Takes::values}},
            {{"-c,--line", "a line of the script; may be repeated", Takes::values},
             {"-d,--document", "a Command document in place of lines (belay document list)"},
             {"--document-version", "a number, $LATEST or $DEFAULT (the default)"},
             {"-p,--parameter", "of the document: NAME=VALUE; may be repeated", Takes::values},
             {"--timeout", "how long it may wait for a node to take it, such as 10m"},
             {"--comment", "a note for people"},
             {"--max-concurrency", "nodes at a time", Takes::one_value, false, "50"},
             {"--max-errors", "stop after more failures than this", Takes::one_value, false, "0"},
             {"--wait", "follow it to its end", Takes::nothing}},
            run,
            {}},
           {"list", "the newest commands", {}, {}, list, {}},
           {"show", "a command, node by node", {id}, {{"--wait", "follow it to its end", Takes::nothing}}, show, {}},
           {"output", "what it printed on a node", {id, {"NODE", "id or name"}}, {}, output, {}},
           {"cancel", "stop a command", {id}, {}, cancel, {}}}};
}

}  // namespace belay::cli
