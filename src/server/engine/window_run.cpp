#include "server/engine/window_run.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/window/pseudo.hpp"
#include "store/commands.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace history = store::window_history;

constexpr std::uint32_t kDeliverySecondsDefault = 3'600, kDeliverySecondsMin = 30;
constexpr std::size_t kNodesNamed = 10;
constexpr json::Limits kStateLimits{.bytes_max = 16u << 20, .depth_max = 16};

std::string name_of(window::Status status) { return boost::describe::enum_to_string(status, "?"); }

window::Status status_of(const ChildEnded& child) {
  if (child.status == "Success") return window::Status::SUCCESS;
  if (child.status == "TimedOut") return window::Status::TIMED_OUT;
  if (child.status == "Cancelled") return window::Status::CANCELLED;
  return window::Status::FAILED;
}

std::string shown_parameters(const std::string& document, const std::map<std::string, std::vector<std::string>>& sent,
                             const std::vector<std::string>& nodes) {
  json::Array ids;
  for (const auto& id : nodes)
    if (ids.size() < 50) ids.push_back(json::Value(id));
  return json::to_text(
      json::Object{{"documentName", document}, {"instanceIds", std::move(ids)}, {"parameters", json::encode(sent)}});
}

}  // namespace

history::Task* WindowRun::task_of(const std::string& task_execution_id) {
  const auto at = std::ranges::find(tasks_, task_execution_id, &history::Task::task_execution_id);
  return at == tasks_.end() ? nullptr : &*at;
}

history::Invocation* WindowRun::invocation_of(const std::string& invocation_id) {
  const auto at = std::ranges::find(invocations_, invocation_id, &history::Invocation::invocation_id);
  return at == invocations_.end() ? nullptr : &*at;
}

Status WindowRun::load(const store::executions::Execution& execution) {
  BELAY_TRY_ASSIGN(machine_, json::decode_text<window::Execution>(execution.state, kStateLimits));
  BELAY_TRY_ASSIGN(row_, history::get(sql_, execution.execution_id));
  BELAY_TRY_ASSIGN(tasks_, history::tasks_of(sql_, execution.execution_id));
  BELAY_TRY_ASSIGN(invocations_, history::invocations_of(sql_, execution.execution_id));
  return {};
}

Result<ExecutionKind::Advance> WindowRun::advance(const store::executions::Execution& execution,
                                                  const std::vector<store::executions::Event>& posted) {
  BELAY_TRY(load(execution));
  const bool first_turn = execution.generation == 1;
  const auto before = first_turn ? window::Execution{} : machine_;
  std::vector<window::Event> events;
  for (const auto& event : posted) {
    BELAY_TRY_ASSIGN(auto translated, translate(event));
    if (translated) events.push_back(std::move(*translated));
  }
  window::Step step;
  do {
    step = window::step(machine_, events, now_);
    events.clear();
    for (const auto& action : step.actions) {
      BELAY_TRY_ASSIGN(auto answer, act(action));
      if (answer) events.push_back(std::move(*answer));
    }
  } while (!events.empty());
  BELAY_TRY(note_cut_off(before));
  BELAY_TRY(save(before));
  return ExecutionKind::Advance{json::encode_text(machine_), step.wake_at, step.finished};
}

// ---- what happened

WindowRun::Answer WindowRun::translate(const store::executions::Event& event) {
  if (event.key == kCancelKey) return std::optional(window::Event{window::EventKind::cancel, "", "", {}, 0, ""});
  BELAY_TRY_ASSIGN(const auto child, child_ended(event));
  if (!child) return std::optional<window::Event>();
  BELAY_TRY_ASSIGN(auto told, ended(*child));
  return std::optional(std::move(told));
}

Result<window::Event> WindowRun::ended(const ChildEnded& child) {
  window::Event event;
  event.kind = window::EventKind::ended;
  event.invocation_id = child.key;
  event.child_id = child.child_id;
  event.result = status_of(child);
  event.errors = child.errors;
  if (event.result == window::Status::FAILED && event.errors == 0 && child.child_kind != "command") event.errors = 1;
  if (event.result != window::Status::SUCCESS)
    event.why = child.child_kind + " " + child.child_id + " ended " + child.status_details;
  const auto* invocation = invocation_of(child.key);
  if (!invocation) return event;
  bool cut_off = false;
  for (const auto& task : machine_.tasks)
    for (const auto& each : task.invocations) cut_off |= each.invocation_id == child.key && each.cut_off;
  BELAY_TRY(note_reached(*invocation, child, cut_off));
  return event;
}

// ---- what to do

WindowRun::Answer WindowRun::act(const window::Action& action) {
  if (action.kind == window::ActionKind::cancel_child) {
    const auto* task = task_of(action.task_execution_id);
    if (task && task->type == "RUN_COMMAND")
      BELAY_TRY(Commands::cancel(sql_, action.child_id, {}, "maintenance window " + row_.window_id, now_));
    else if (parts_.automation) BELAY_TRY(parts_.automation->cancel(sql_, action.child_id, now_));
    return std::optional<window::Event>();
  }
  const auto child_id = start(action);
  if (!child_id.ok() && (!is_refusal(child_id.error().code()) || sql_.failure())) return child_id.error();
  window::Event answer;
  answer.invocation_id = action.invocation_id;
  answer.kind = child_id.ok() ? window::EventKind::started : window::EventKind::refused;
  if (child_id.ok()) answer.child_id = *child_id;
  else answer.why = child_id.error().chain();
  return std::optional(std::move(answer));
}

std::map<std::string, std::vector<std::string>> WindowRun::filled(const WindowTask& content,
                                                                  const window::Action& action) const {
  std::map<std::string, std::string, std::less<>> values{{"WINDOW_ID", row_.window_id},
                                                         {"WINDOW_EXECUTION_ID", row_.execution_id},
                                                         {"TASK_EXECUTION_ID", action.task_execution_id},
                                                         {"INVOCATION_ID", action.invocation_id},
                                                         {"TARGET_TYPE", "INSTANCE"}};
  for (const auto& task : tasks_)
    if (task.task_execution_id == action.task_execution_id) values["WINDOW_TASK_ID"] = task.window_task_id;
  for (const auto& invocation : invocations_)
    if (invocation.invocation_id == action.invocation_id) values["WINDOW_TARGET_ID"] = invocation.window_target_id;
  auto parameters = content.parameters;
  for (auto& [name, texts] : parameters)
    for (auto& text : texts) text = window::substitute(text, values);
  return parameters;
}

Result<std::string> WindowRun::start(const window::Action& action) {
  auto* task = task_of(action.task_execution_id);
  auto* invocation = invocation_of(action.invocation_id);
  BELAY_ASSERT(task && invocation);
  BELAY_TRY_ASSIGN(const auto content, json::decode_text<WindowTask>(task->content));
  BELAY_TRY_ASSIGN(auto nodes, history::nodes_of(sql_, action.invocation_id));
  const auto parameters = filled(content, action);
  invocation->parameters = shown_parameters(task->task_arn, parameters, nodes);
  if (task->type == "RUN_COMMAND") return start_command(action, content, std::move(nodes));
  if (!parts_.automation)
    return Error(Code::unsupported, "this version of Belay does not run " + task->type + " tasks", "FeatureMissing");
  TaskStarter::Request request;
  request.document = task->task_arn;
  request.document_version = content.document_version;
  request.parameters = parameters;
  request.node_ids = std::move(nodes);
  request.max_concurrency = content.max_concurrency;
  request.max_errors = content.targets.empty() ? "" : std::to_string(action.errors_left);
  request.parent = {std::string(kWindowExecutionKind), row_.execution_id, action.invocation_id};
  request.requested_by = "maintenance window " + row_.window_id;
  request.acts_for = content.written_by;
  return parts_.automation->start(sql_, request, now_);
}

Result<std::string> WindowRun::start_command(const window::Action& action, const WindowTask& content,
                                             std::vector<std::string> nodes) {
  const auto* task = task_of(action.task_execution_id);
  const auto* invocation = invocation_of(action.invocation_id);
  SendCommandRequest request;
  request.document_name = task->task_arn;
  request.document_version = content.document_version;
  request.parameters = filled(content, action);
  request.node_ids = std::move(nodes);
  if (!invocation->window_target_id.empty()) request.targets = {{"WindowTargetIds", {invocation->window_target_id}}};
  request.comment = content.comment.empty() ? "maintenance window " + row_.window_id : content.comment;
  request.max_concurrency = content.max_concurrency;
  request.max_errors = std::to_string(action.errors_left);
  // An order that was not taken by the cut-off is not taken at all.
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(row_.cutoff_at - now_).count();
  const std::uint32_t wanted = content.timeout_seconds ? content.timeout_seconds : kDeliverySecondsDefault;
  request.timeout_seconds = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(std::min<std::int64_t>(wanted, left), kDeliverySecondsMin, wanted));
  request.requested_by = "maintenance window " + row_.window_id;
  request.parent = Parent{std::string(kWindowExecutionKind), row_.execution_id, action.invocation_id};
  BELAY_TRY_ASSIGN(const auto command, Commands::send(sql_, request, now_));
  return command.command_id;
}

// ---- who was missed

// A node that took its order was reached, whatever came of it.
Status WindowRun::note_reached(const history::Invocation& invocation, const ChildEnded& child, bool cut_off) {
  if (child.child_kind != "command") return {};
  BELAY_TRY_ASSIGN(const auto on_nodes, store::commands::invocations_of(sql_, child.child_id));
  std::vector<std::string> reached, offline, too_late;
  for (const auto& each : on_nodes) {
    if (each.status_details == "DeliveryTimedOut") offline.push_back(each.node_id);
    else if (cut_off && each.status_details == "Canceled") too_late.push_back(each.node_id);
    else if (each.status_details != "Canceled" && each.status_details != "Terminated") reached.push_back(each.node_id);
  }
  const auto* task = task_of(invocation.task_execution_id);
  BELAY_ASSERT(task);
  BELAY_TRY(store::windows::clear_missed(sql_, row_.window_id, task->window_task_id, reached));
  BELAY_TRY(note_missed(invocation.task_execution_id, offline, store::windows::MissedReason::offline));
  return note_missed(invocation.task_execution_id, too_late, store::windows::MissedReason::cut_off);
}

// Whose invocation the cut-off dropped in this turn.
Status WindowRun::note_cut_off(const window::Execution& before) {
  if (!machine_.cut_off || before.cut_off) return {};
  for (const auto& task : machine_.tasks)
    for (const auto& invocation : task.invocations) {
      if (invocation.status != window::Status::TIMED_OUT || !invocation.child_id.empty()) continue;
      BELAY_TRY_ASSIGN(const auto nodes, history::nodes_of(sql_, invocation.invocation_id));
      BELAY_TRY(note_missed(task.task_execution_id, nodes, store::windows::MissedReason::cut_off));
    }
  return {};
}

Status WindowRun::note_missed(const std::string& task_execution_id, const std::vector<std::string>& nodes,
                              store::windows::MissedReason reason) {
  const auto* task = task_of(task_execution_id);
  if (nodes.empty() || !task) return {};
  // A task or window that was removed meanwhile has no next time.
  const auto there = store::windows::get_task(sql_, row_.window_id, task->window_task_id);
  if (!there.ok()) return there.error().code() == Code::not_found ? Status() : Status(there.error());
  std::vector<store::windows::Missed> missed;
  for (const auto& node_id : nodes)
    missed.push_back({row_.window_id, task->window_task_id, node_id, row_.execution_id, reason, now_, now_, 1});
  BELAY_TRY(store::windows::add_missed(sql_, missed));
  std::vector<std::string> named(nodes.begin(),
                                 nodes.begin() + static_cast<std::ptrdiff_t>(std::min(nodes.size(), kNodesNamed)));
  machine_.details += (machine_.details.empty() ? "" : "; ") + std::to_string(nodes.size()) +
                      (reason == store::windows::MissedReason::offline ? " missed, offline: " : " missed, cut off: ") +
                      join(named, ", ") + (named.size() < nodes.size() ? ", …" : "");
  machine_.details = sanitize(machine_.details, 900);
  return {};
}

// ---- saving what is not as it was

Status WindowRun::save(const window::Execution& before) {
  std::vector<history::Task> tasks;
  std::vector<history::Invocation> invocations;
  for (std::size_t t = 0; t < machine_.tasks.size(); ++t) {
    const auto& task = machine_.tasks[t];
    const auto* old = t < before.tasks.size() ? &before.tasks[t] : nullptr;
    if (old && *old == task) continue;
    auto* row = task_of(task.task_execution_id);
    BELAY_ASSERT(row);
    row->status = name_of(task.status);
    row->status_details = task.details;
    row->started_at = task.started_at;
    row->finished_at = task.finished_at;
    tasks.push_back(*row);
    for (std::size_t i = 0; i < task.invocations.size(); ++i) {
      const auto& invocation = task.invocations[i];
      if (old && old->invocations[i] == invocation) continue;
      auto* part = invocation_of(invocation.invocation_id);
      BELAY_ASSERT(part);
      part->status = name_of(invocation.status);
      part->status_details = invocation.details;
      part->started_at = invocation.started_at;
      part->finished_at = invocation.finished_at;
      part->child_id = invocation.child_id;
      invocations.push_back(*part);
    }
  }
  BELAY_TRY(history::update_tasks(sql_, tasks));
  BELAY_TRY(history::update_invocations(sql_, invocations));
  row_.status = name_of(machine_.status);
  row_.status_details = machine_.details;
  row_.finished_at = machine_.finished_at;
  return history::update(sql_, row_);
}

namespace {

class WindowExecutionKind : public ExecutionKind {
 public:
  explicit WindowExecutionKind(WindowParts parts) : parts_(std::move(parts)) {}
  std::string_view name() const override { return kWindowExecutionKind; }
  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return WindowRun(sql, parts_, now).advance(execution, events);
  }

 private:
  const WindowParts parts_;
};

}  // namespace

std::unique_ptr<ExecutionKind> make_window_execution_kind(WindowParts parts) {
  return std::make_unique<WindowExecutionKind>(std::move(parts));
}

}  // namespace belay::server
