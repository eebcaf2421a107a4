#include "cli/window_change.hpp"

#include <charconv>
#include <iostream>

#include "base/error_table.hpp"
#include "base/ids.hpp"
#include "base/text.hpp"
#include "cli/ids.hpp"
#include "cli/output.hpp"

namespace belay::cli {
namespace {

Status add_number(const Arguments& arguments, std::string_view option, std::string_view member, json::Object& request) {
  if (!arguments.has(option)) return {};
  const std::string text = arguments.one(option);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return Error(Code::invalid_argument, "--" + std::string(option) + " is '" + text + "': expected a whole number");
  request[member] = number;
  return {};
}

// Only what is named changes.
Result<int> update(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::window, arguments.one("WINDOW")));
  json::Object request{{"WindowId", id}};
  for (const auto& [option, member] : {std::pair{"name", "Name"},
                                       {"description", "Description"},
                                       {"schedule", "Schedule"},
                                       {"zone", "ScheduleTimezone"},
                                       {"start-date", "StartDate"},
                                       {"end-date", "EndDate"}})
    if (arguments.has(option)) request[member] = arguments.one(option);
  for (const auto& [option, member] :
       {std::pair{"hours", "Duration"}, {"cutoff", "Cutoff"}, {"offset-days", "ScheduleOffset"}})
    BELAY_TRY(add_number(arguments, option, member, request));
  const bool calendars = arguments.has("calendar") || arguments.has("no-calendars");
  if (arguments.has("calendar") && arguments.has("no-calendars"))
    return Error(Code::invalid_argument, "--calendar and --no-calendars contradict each other");
  if (request.size() == 1 && !calendars)
    return Error(Code::invalid_argument, "nothing to change is named; see belay window update --help");
  if (request.size() > 1) BELAY_TRY(call(context, "UpdateMaintenanceWindow", request));
  if (calendars)
    BELAY_TRY(call(context, "PutMaintenanceWindowCalendars",
                   {{"WindowId", id}, {"CalendarNames", json::encode(arguments.all("calendar"))}}));
  BELAY_TRY_ASSIGN(const auto window, call(context, "GetMaintenanceWindow", {{"WindowId", id}}));
  const std::string next = json::text_or_empty(window, "NextExecutionTime");
  say(context, "changed " + id + (next.empty() ? "; it does not open again" : "; it opens next at " + next),
      {{"WindowId", id}, {"NextExecutionTime", next}}, std::cout);
  return kExitOk;
}

Result<int> enable(Context& context, const Arguments& arguments, bool enabled) {
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::window, arguments.one("WINDOW")));
  BELAY_TRY(call(context, "UpdateMaintenanceWindow", {{"WindowId", id}, {"Enabled", enabled}}));
  say(context, id + (enabled ? " is enabled" : " is disabled: it does not open; what runs goes on to its end"),
      {{"WindowId", id}, {"Enabled", enabled ? "true" : "false"}}, std::cout);
  return kExitOk;
}

// The executions that a word means: itself, or those of a window that are not over.
Result<std::vector<std::string>> running(Context& context, const std::string& word) {
  if (is_uuid(word)) return std::vector<std::string>{word};
  BELAY_TRY_ASSIGN(const auto id, checked_id(IdKind::window, word));
  BELAY_TRY(
      call(context, "GetMaintenanceWindow", {{"WindowId", id}}));  // one that is not there has no executions either
  BELAY_TRY_ASSIGN(const auto executions,
                   call_all(context, "DescribeMaintenanceWindowExecutions", {{"WindowId", id}}, "WindowExecutions"));
  std::vector<std::string> ids;
  for (const auto& e : executions)
    if (const auto status = json::text_or_empty(e, "Status"); status == "PENDING" || status == "IN_PROGRESS")
      ids.push_back(json::text_or_empty(e, "WindowExecutionId"));
  if (ids.empty())
    return Error(Code::not_found, "the window " + id + " runs nothing now; see belay window history " + id);
  return ids;
}

Result<int> cancel(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto ids, running(context, arguments.one("EXECUTION")));
  for (const auto& id : ids) {
    BELAY_TRY(call(context, "CancelMaintenanceWindowExecution", {{"WindowExecutionId", id}}));
    say(context, "cancelling " + id + ": what has not begun is dropped, what runs ends safely",
        {{"WindowExecutionId", id}}, std::cout);
  }
  return kExitOk;
}

}  // namespace

std::vector<CommandSpec> window_changes() {
  const PositionalSpec id{"WINDOW", "its id (mw-…)"};
  return {{"update",
           "change what is named, and nothing else",
           {id},
           {{"--name", "what it is called"},
            {"--description", "a note for people"},
            {"--schedule", "cron(…), rate(…) or at(…)"},
            {"--hours", "how long it stays open"},
            {"--cutoff", "hours before its end from which nothing begins"},
            {"--zone", "IANA time zone of the schedule"},
            {"--offset-days", "days after the day that the schedule names, 1 to 6"},
            {"--start-date", "it does not open before"},
            {"--end-date", "it does not open after"},
            {"--calendar", "in place of its calendars: one that holds it back; may be repeated", Takes::values},
            {"--no-calendars", "no calendar holds it back any more", Takes::nothing}},
           update,
           {}},
          {"enable",
           "let it open again",
           {id},
           {},
           [](Context& context, const Arguments& arguments) { return enable(context, arguments, true); },
           {}},
          {"disable",
           "it does not open until it is enabled",
           {id},
           {},
           [](Context& context, const Arguments& arguments) { return enable(context, arguments, false); },
           {}},
          {"cancel",
           "stop what a window does now",
           {{"EXECUTION", "an execution's id, or the window's (mw-…)"}},
           {},
           cancel,
           {}}};
}

}  // namespace belay::cli
