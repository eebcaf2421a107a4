#include <charconv>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "cli/window_change.hpp"

namespace belay::cli {
namespace {

std::string seconds_cell(const json::Value& object, std::string_view member) {
  const auto* value = json::find(object, member);
  return value && value->is_int64() ? humanize(Duration(value->get_int64() * 1000)) : "unknown";
}

Result<std::int64_t> number_of(const Arguments& arguments, std::string_view name) {
  const std::string text = arguments.one(name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return Error(Code::invalid_argument, "--" + std::string(name) + " is '" + text + "': expected a whole number");
  return number;
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto windows, call_all(context, "DescribeMaintenanceWindows", {}, "WindowIdentities"));
  Table table{{"WINDOW", "NAME", "ENABLED", "SCHEDULE", "ZONE", "HOURS", "CUTOFF", "NEXT (UTC)"}, {}};
  for (const auto& w : windows)
    table.rows.push_back({cell(w, "WindowId"), cell(w, "Name"), cell(w, "Enabled"), cell(w, "Schedule"),
                          cell(w, "ScheduleTimezone"), cell(w, "Duration"), cell(w, "Cutoff"),
                          time_cell(json::find(w, "NextExecutionTime"))});
  print(context, table, json::Object{{"WindowIdentities", windows}}, std::cout);
  return kExitOk;
}

// What a preview comes to, and whether all of it can be expected to run.
struct Verdict {
  bool runs = true;
  std::string words;
};

// What stops the window itself comes before whether its work would fit.
Verdict verdict_of(const json::Value& preview) {
  if (const auto* enabled = json::find(preview, "Enabled"); enabled && enabled->is_bool() && !enabled->get_bool())
    return {false, "nothing runs: the window is disabled"};
  const auto& openings = preview.at("Openings").get_array();
  if (openings.empty()) return {false, "nothing runs: the window does not open any more"};
  if (const auto why = json::text_or_empty(openings.front(), "HeldBack"); !why.empty())
    return {false, "nothing runs at the next opening, which is held back: " + why};
  const std::string fit = json::text_or_empty(preview, "Fit");
  if (fit == "NOTHING" && preview.at("Tasks").get_array().empty())
    return {false, "nothing runs: the window has no tasks"};
  if (fit == "NOTHING") return {false, "nothing runs: no node matches the targets of any task"};
  if (fit == "WILL_FAIL") return {false, "some of it will FAIL: see the remarks"};
  if (fit == "TOO_LONG") return {false, "it does NOT fit before the cut-off"};
  if (fit == "FITS") return {true, "it fits before the cut-off, even at its worst"};
  if (fit == "USUALLY") return {true, "it fits by the usual times, not at its worst"};
  return {true, "unknown: some of it was never run on its nodes before"};
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::window, arguments.one("WINDOW")));
  const json::Object by_id{{"WindowId", id}};
  BELAY_TRY_ASSIGN(const auto window, call(context, "GetMaintenanceWindow", by_id));
  BELAY_TRY_ASSIGN(const auto targets, call_all(context, "DescribeMaintenanceWindowTargets", by_id, "Targets"));
  BELAY_TRY_ASSIGN(const auto tasks, call_all(context, "DescribeMaintenanceWindowTasks", by_id, "Tasks"));
  BELAY_TRY_ASSIGN(const auto missed, call_all(context, "DescribeMissedNodes", by_id, "MissedNodes"));
  BELAY_TRY_ASSIGN(const auto preview, call(context, "PreviewMaintenanceWindow", {{"WindowId", id}, {"Openings", 1}}));
  print_record(context,
               json::Object{{"Window", window},
                            {"Targets", targets},
                            {"Tasks", tasks},
                            {"MissedNodes", missed},
                            {"Verdict", verdict_of(preview).words}},
               std::cout);
  return kExitOk;
}

// What the window runs: --patch Scan or Install, or shell lines.
Result<json::Object> task_of(const Arguments& arguments) {
  if (arguments.has("patch") == arguments.has("line"))
    return Error(Code::invalid_argument, "say what the window runs: either --patch Scan|Install or --line SHELL");
  const bool patches = arguments.has("patch");
  json::Object parameters;
  if (patches)
    parameters = {{"Operation", json::Array{arguments.one("patch")}},
                  {"SnapshotId", json::Array{"{{WINDOW_EXECUTION_ID}}"}}};
  else parameters = {{"commands", json::encode(arguments.all("line"))}};
  return json::Object{
      {"TaskArn", patches ? "AWS-RunPatchBaseline" : "AWS-RunShellScript"},
      {"TaskType", "RUN_COMMAND"},
      {"Priority", 1},
      {"MaxConcurrency", arguments.one("max-concurrency")},
      {"MaxErrors", arguments.one("max-errors")},
      {"CutoffBehavior", arguments.has("cancel-at-cutoff") ? "CANCEL_TASK" : "CONTINUE_TASK"},
      {"TaskInvocationParameters", json::Object{{"RunCommand", json::Object{{"Parameters", std::move(parameters)}}}}}};
}

Result<int> create(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(auto task, task_of(arguments));
  BELAY_TRY_ASSIGN(const auto hours, number_of(arguments, "hours"));
  BELAY_TRY_ASSIGN(const auto cutoff, number_of(arguments, "cutoff"));
  json::Object request{{"Name", arguments.one("NAME")},
                       {"Schedule", arguments.one("schedule")},
                       {"Duration", hours},
                       {"Cutoff", cutoff},
                       {"AllowUnassociatedTargets", false}};
  if (arguments.has("zone")) request["ScheduleTimezone"] = arguments.one("zone");
  if (arguments.has("offset-days")) {
    BELAY_TRY_ASSIGN(const auto days, number_of(arguments, "offset-days"));
    request["ScheduleOffset"] = days;
  }
  BELAY_TRY_ASSIGN(const auto made, call(context, "CreateMaintenanceWindow", request));
  const std::string id = json::text_or_empty(made, "WindowId");
  const auto finish = [&]() -> Status {
    BELAY_TRY_ASSIGN(
        const auto target,
        call(context, "RegisterTargetWithMaintenanceWindow",
             {{"WindowId", id}, {"ResourceType", "INSTANCE"}, {"Targets", plain_targets(arguments.all("TARGET"))}}));
    task["WindowId"] = id;
    task["Targets"] = json::Array{json::Object{{"Key", "WindowTargetIds"},
                                               {"Values", json::Array{json::text_or_empty(target, "WindowTargetId")}}}};
    BELAY_TRY(call(context, "RegisterTaskWithMaintenanceWindow", task));
    if (arguments.has("calendar"))
      BELAY_TRY(call(context, "PutMaintenanceWindowCalendars",
                     {{"WindowId", id}, {"CalendarNames", json::encode(arguments.all("calendar"))}}));
    return {};
  };
  const Status finished = finish();
  if (!finished.ok()) {  // whole or not at all
    const auto removed = call(context, "DeleteMaintenanceWindow", {{"WindowId", id}});
    return removed.ok() ? finished.error()
                        : finished.error().within("the window " + id + " was made without its task, and stays");
  }
  print(context, {{"WINDOW"}, {{id}}}, made, std::cout);
  // A tag may match nobody yet, and may be a slip of the pen.
  const auto preview = call(context, "PreviewMaintenanceWindow", {{"WindowId", id}, {"Openings", 1}});
  if (preview.ok() && json::text_or_empty(*preview, "Fit") == "NOTHING")
    std::cerr << "note: no node matches " << join(arguments.all("TARGET"), " ")
              << " now; the window runs on nobody until one does\n";
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::window, arguments.one("WINDOW")));
  BELAY_TRY(call(context, "DeleteMaintenanceWindow", {{"WindowId", id}}));
  say(context, "deleted " + id + "; what runs ends, its history stays for 30 days", {{"WindowId", id}}, std::cout);
  return kExitOk;
}

Result<int> preview(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto openings, number_of(arguments, "openings"));
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::window, arguments.one("WINDOW")));
  BELAY_TRY_ASSIGN(const auto preview,
                   call(context, "PreviewMaintenanceWindow", {{"WindowId", id}, {"Openings", openings}}));
  Table runs{{"PRIORITY", "TASK", "TARGET", "NODES", "AT A TIME", "USUAL", "WORST", "REMARK"}, {}};
  for (const auto& task : preview.at("Tasks").get_array()) {
    const auto& estimate = task.at("Estimate");
    for (const auto& i : task.at("Invocations").get_array()) {
      std::vector<std::string> remarks;
      if (cell(i, "CatchUp") == "true" || cell(i, "CatchUp") == "yes") remarks.push_back("missed before, first");
      for (const char* member : {"Problem", "Remark"})
        if (auto said = json::text_or_empty(i, member); !said.empty()) remarks.push_back(std::move(said));
      runs.rows.push_back({cell(task, "Priority"), cell(task, "TaskArn"), cell(i, "WindowTargetId"),
                           cell(i, "NodeCount"), cell(i, "ConcurrencyMax"), seconds_cell(estimate, "MedianSeconds"),
                           seconds_cell(estimate, "WorstSeconds"), join(remarks, "; ")});
    }
  }
  const auto verdict = verdict_of(preview);
  const int status = verdict.runs ? kExitOk : kExitNonCompliant;
  if (context.format != Format::table) {
    print(context, runs, preview, std::cout);
    return status;
  }
  Table next{{"OPENS (UTC)", "CUT-OFF", "CLOSES", "HELD BACK"}, {}};
  for (const auto& o : preview.at("Openings").get_array())
    next.rows.push_back({time_cell(json::find(o, "OpensDate")), time_cell(json::find(o, "CutoffDate")),
                         time_cell(json::find(o, "ClosesDate")), json::text_or_empty(o, "HeldBack")});
  std::cout << to_text_table(next) << "\n" << to_text_table(runs) << "\n";
  const auto& whole = preview.at("Estimate");
  std::cout << "time to the cut-off " << seconds_cell(preview, "SecondsToCutoff") << ", usual "
            << seconds_cell(whole, "MedianSeconds") << ", worst " << seconds_cell(whole, "WorstSeconds") << ", "
            << cell(whole, "UnmeasuredRuns") << " of " << cell(whole, "Runs")
            << " runs never measured: " << verdict.words << "\n";
  return status;
}

// Also of a window that was deleted: its history stays for a while.
Result<int> history(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::window, arguments.one("WINDOW")));
  BELAY_TRY_ASSIGN(const auto executions,
                   call_all(context, "DescribeMaintenanceWindowExecutions", {{"WindowId", id}}, "WindowExecutions"));
  if (executions.empty()) BELAY_TRY(call(context, "GetMaintenanceWindow", {{"WindowId", id}}));
  Table table{{"EXECUTION", "STARTED (UTC)", "ENDED (UTC)", "STATUS", "DETAILS"}, {}};
  for (const auto& e : executions)
    table.rows.push_back({cell(e, "WindowExecutionId"), time_cell(json::find(e, "StartTime")),
                          time_cell(json::find(e, "EndTime")), cell(e, "Status"), cell(e, "StatusDetails")});
  print(context, table, json::Object{{"WindowExecutions", executions}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec window_command() {
  const PositionalSpec id{"WINDOW", "its id (mw-…)"};
  CommandSpec spec{
      "window",
      "maintenance windows: list, show, create, update, enable, disable, cancel, delete, preview, history",
      {},
      {},
      {},
      {{"list", "every window and when it opens next", {}, {}, list, {}},
       {"show", "a window with its targets, its tasks and whom it missed", {id}, {}, show, {}},
       {"create",
        "a window with one target and one task",
        {{"NAME", "what it is called"}, {"TARGET", "nodes, tag:Key=Value, PatchGroup=Value, or all", Takes::values}},
        {{"--schedule", "cron(…), rate(…) or at(…)", Takes::one_value, true},
         {"--hours", "how long it stays open", Takes::one_value, true},
         {"--cutoff", "hours before its end from which nothing begins", Takes::one_value, false, "0"},
         {"--zone", "IANA time zone of the schedule (default UTC)"},
         {"--offset-days", "days after the day that the schedule names, 1 to 6"},
         {"--patch", "Scan or Install"},
         {"--line", "a shell line to run; may be repeated", Takes::values},
         {"--calendar", "a change calendar that holds it back while it is closed; may be repeated", Takes::values},
         {"--max-concurrency", "nodes at a time", Takes::one_value, false, "10%"},
         {"--max-errors", "stop after more failures than this", Takes::one_value, false, "0"},
         {"--cancel-at-cutoff", "stop what runs at the cut-off", Takes::nothing}},
        create,
        {}},
       {"delete", "remove a window", {id}, {}, remove, {}},
       {"preview",
        "when it opens next, what would run where, and whether it fits before the cut-off; the exit status is not 0 "
        "where some of it will not run",
        {id},
        {{"--openings", "how many openings to list", Takes::one_value, false, "5"}},
        preview,
        {}},
       {"history", "what it did", {id}, {}, history, {}}}};
  for (auto& change : window_changes()) spec.subcommands.push_back(std::move(change));
  return spec;
}

}  // namespace belay::cli
