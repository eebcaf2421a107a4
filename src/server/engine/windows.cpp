#include "server/engine/windows.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/window/pseudo.hpp"
#include "server/engine/agent_program.hpp"
#include "server/engine/change_calendars.hpp"
#include "server/engine/command_options.hpp"
#include "server/engine/window_kind.hpp"
#include "store/executions.hpp"
#include "store/tags.hpp"
#include "store/window_history.hpp"

namespace belay::server {
namespace {
using store::Sql;

Result<schedule::Window> schedule_of(const store::windows::Window& window) {
  schedule::ScheduleText text;
  text.expression = window.schedule;
  text.timezone = window.timezone;
  if (window.schedule_offset) text.offset_days = static_cast<int>(*window.schedule_offset);
  text.start_date = window.start_date;
  text.end_date = window.end_date;
  BELAY_TRY(schedule::parse_expression(window.schedule).within("Schedule"));
  schedule::Window made;
  BELAY_TRY_ASSIGN(made.schedule, schedule::parse_schedule(text, window.scheduled_at));
  made.duration_h = window.duration_hours;
  made.cutoff_h = window.cutoff_hours;
  return made;
}

Status wake_row(Sql& sql, std::string_view window_id, Instant now) {
  store::executions::Event event;
  event.at = now;
  return store::executions::post(sql, kWindowKind, window_id, event);
}

}  // namespace

Status Windows::check(const store::windows::Window& window) const {
  BELAY_TRY_ASSIGN(const auto made, schedule_of(window));
  const auto rules = zones_.of(window.timezone);
  if (!rules.ok())
    return Error(Code::invalid_argument, rules.error().message(), "ValidationException").within("ScheduleTimezone");
  return schedule::validate(made, **rules, window.scheduled_at);
}

Result<std::vector<schedule::Opening>> Windows::openings(const store::windows::Window& window, Instant after,
                                                         std::size_t count) const {
  BELAY_TRY_ASSIGN(const auto made, schedule_of(window));
  BELAY_TRY_ASSIGN(const auto rules, zones_.of(window.timezone));
  std::vector<schedule::Opening> found;
  for (const Instant opens : schedule::occurrences(made.schedule, *rules, after, count))
    found.push_back(schedule::opening_at(made, *rules, opens));
  return found;
}

Result<std::optional<schedule::Opening>> Windows::opening_before(const store::windows::Window& window,
                                                                 Instant at) const {
  BELAY_TRY_ASSIGN(const auto made, schedule_of(window));
  BELAY_TRY_ASSIGN(const auto rules, zones_.of(window.timezone));
  const auto opens = schedule::previous(made.schedule, *rules, at);
  if (!opens) return std::optional<schedule::Opening>();
  return std::optional(schedule::opening_at(made, *rules, *opens));
}

Result<std::string> Windows::held(Sql& sql, const store::windows::Window& window, Instant at) const {
  BELAY_TRY_ASSIGN(const auto holds, held_by_calendars(sql, read_zone(), window.calendars, at));
  return holds.empty() ? std::string() : holds.front().why;
}

Status Windows::create(Sql& sql, store::windows::Window window) const {
  BELAY_TRY(store::windows::create(sql, window));
  store::executions::Execution row;
  row.kind = kWindowKind;
  row.execution_id = window.window_id;
  row.wake_at = row.created_at = row.updated_at = window.created_at;
  row.state = json::encode_text(WindowState{});
  return store::executions::create(sql, row);
}

Status Windows::update(Sql& sql, store::windows::Window window) const {
  BELAY_TRY_ASSIGN(const auto before, store::windows::get(sql, window.window_id));
  const auto when = [](const store::windows::Window& w) {
    return std::tie(w.schedule, w.timezone, w.schedule_offset, w.start_date, w.end_date, w.duration_hours,
                    w.cutoff_hours, w.enabled);
  };
  window.version = before.version;
  window.scheduled_at = before.scheduled_at;
  if (when(window) != when(before)) ++window.version, window.scheduled_at = window.modified_at;
  BELAY_TRY(store::windows::update(sql, window));
  return wake_row(sql, window.window_id, window.modified_at);
}

Status Windows::remove(Sql& sql, std::string_view window_id) const {
  const auto there = store::windows::get(sql, window_id);
  if (!there.ok()) return there.error().code() == Code::not_found ? Status() : Status(there.error());
  BELAY_TRY(store::windows::remove(sql, window_id));
  BELAY_TRY(store::tags::remove_all(sql, store::tags::kMaintenanceWindow, window_id));
  return wake_row(sql, window_id, clock_.now());
}

Status Windows::cancel_execution(Sql& sql, std::string_view execution_id, Instant now) {
  BELAY_TRY_ASSIGN(const auto execution, store::window_history::get(sql, execution_id));
  if (execution.finished_at) return {};
  store::executions::Event event;
  event.key = kCancelKey;
  event.at = now;
  return store::executions::post(sql, kWindowExecutionKind, execution_id, event);
}

Status check_pseudo_parameters(const WindowTask& task) {
  for (const auto& [name, texts] : task.parameters)
    for (const auto& text : texts)
      if (const auto wrong = window::mistyped(text))
        return Error(Code::invalid_argument, "Parameters." + sanitize(name, 60) + ": {{" + sanitize(wrong->name, 60) +
                                                 "}} is no pseudo parameter; did you mean {{" +
                                                 std::string(wrong->meant) + "}}?");
  return {};
}

Status check_command_task(Sql& sql, std::string_view document_name, const WindowTask& task, Instant now) {
  const auto refuse = [](std::string what) { return Error(Code::invalid_argument, std::move(what)); };
  const auto document = find_document(sql, document_name, task.document_version);
  if (!document.ok() && document.error().reason() == "InvalidDocumentVersion")
    return refuse("DocumentVersion: " + document.error().chain());
  if (!document.ok()) return refuse("TaskArn: " + document.error().chain());
  BELAY_TRY(check_pseudo_parameters(task));
  // A value of the right form for each pseudo parameter: what is checked is all the rest.
  std::map<std::string, std::string, std::less<>> values;
  for (const auto name : window::kPseudoParameters) values[std::string(name)] = "01234567-89ab-4def-8123-456789abcdef";
  auto parameters = task.parameters;
  for (auto& [name, texts] : parameters)
    for (auto& text : texts) {
      if (const auto wrong = window::not_in_run_command(text); !wrong.empty())
        return refuse("Parameters: {{" + std::string(wrong) + "}} means nothing in a RUN_COMMAND task");
      text = window::substitute(text, values);
    }
  const auto options = command_options(*document, parameters, document_resolver(sql), Fetching::refused, now);
  if (!options.ok()) return refuse("Parameters: " + options.error().chain());
  const Status given = require_agent_program(sql, options->steps);
  if (sql.failure()) return *sql.failure();
  return given.ok() ? given : refuse("TaskArn: " + given.error().chain());
}

Result<std::vector<Target>> targets_of_text(std::string_view text) {
  auto targets = json::decode_text<std::vector<Target>>(text);
  if (targets.ok()) return targets;
  return Error(Code::corrupt, "the targets of a window in the store cannot be read: " + targets.error().chain());
}

Result<std::vector<std::string>> nodes_of_target(Sql& sql, const store::windows::Target& target) {
  BELAY_TRY_ASSIGN(const auto targets, targets_of_text(target.targets));
  return resolve_targets(sql, {}, targets);
}

}  // namespace belay::server
