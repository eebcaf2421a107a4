// What maintenance windows did, and whom they missed.
#include "base/text.hpp"
#include "server/api/filters.hpp"
#include "server/api/window_wire.hpp"
#include "store/window_history.hpp"

namespace belay::server {
namespace {

namespace history = store::window_history;

constexpr std::size_t kDetailsChars = 250;  // of StatusDetails, as SSM has it

json::Value details_of(const std::string& details) { return json::Value(sanitize(details, kDetailsChars - 3)); }

json::Object execution_reply(const history::Execution& execution) {
  json::Object out{{"WindowId", execution.window_id},
                   {"WindowExecutionId", execution.execution_id},
                   {"Status", execution.status},
                   {"StartTime", epoch(execution.started_at)}};
  put(out, "StatusDetails", details_of(execution.status_details));
  put(out, "EndTime", epoch(execution.finished_at));
  return out;
}

json::Object task_reply(const history::Task& task, std::string_view type_member) {
  json::Object out{{"WindowExecutionId", task.execution_id},
                   {"TaskExecutionId", task.task_execution_id},
                   {"Status", task.status},
                   {"TaskArn", task.task_arn},
                   {type_member, task.type}};
  put(out, "StatusDetails", details_of(task.status_details));
  put(out, "StartTime", epoch(task.started_at));
  put(out, "EndTime", epoch(task.finished_at));
  return out;
}

json::Object invocation_reply(const history::Invocation& invocation, const history::Task& task) {
  json::Object out{{"WindowExecutionId", invocation.execution_id},
                   {"TaskExecutionId", invocation.task_execution_id},
                   {"InvocationId", invocation.invocation_id},
                   {"TaskType", task.type},
                   {"Status", invocation.status}};
  std::string details = invocation.status_details;
  if (invocation.catch_up)
    details = "nodes that were missed before, first" + (details.empty() ? std::string() : ": " + details);
  put(out, "StatusDetails", details_of(details));
  put(out, "ExecutionId", json::Value(invocation.child_id));
  put(out, "Parameters", json::Value(invocation.parameters));
  put(out, "OwnerInformation", json::Value(invocation.owner_information));
  put(out, "WindowTargetId", json::Value(invocation.window_target_id));
  put(out, "StartTime", epoch(invocation.started_at));
  put(out, "EndTime", epoch(invocation.finished_at));
  return out;
}

std::string_view reason_text(store::windows::MissedReason reason) {
  switch (reason) {
    case store::windows::MissedReason::offline: return "OFFLINE";
    case store::windows::MissedReason::cut_off: return "CUT_OFF";
    case store::windows::MissedReason::remedy: return "REMEDY";
  }
  return "OFFLINE";
}

Result<history::Execution> execution_of(store::Sql& sql, const Call& call) {
  const std::string id = call.text("WindowExecutionId");
  auto execution = history::get(sql, id);
  if (!execution.ok()) return missing_or(execution.error(), "the window execution", id);
  return execution;
}

Result<history::Task> task_of(store::Sql& sql, const Call& call) {
  BELAY_TRY_ASSIGN(const auto execution, execution_of(sql, call));
  const std::string id = call.text("TaskId");
  auto task = history::get_task(sql, execution.execution_id, id);
  if (!task.ok()) return missing_or(task.error(), "the task execution", id);
  return task;
}

Result<std::vector<std::string>> statuses_of(const Call& call) {
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"STATUS"}));
  std::vector<std::string> statuses;
  static constexpr std::string_view kStatuses[] = {"PENDING",   "IN_PROGRESS", "SUCCESS",   "FAILED",
                                                   "TIMED_OUT", "CANCELLING",  "CANCELLED", "SKIPPED_OVERLAPPING"};
  for (const auto& filter : asked)
    for (const auto& value : filter.values) BELAY_TRY(check_word(filter.key, value, kStatuses));
  for (const auto& filter : asked) statuses.insert(statuses.end(), filter.values.begin(), filter.values.end());
  return statuses;
}

}  // namespace

Result<json::Object> describe_maintenance_window_executions(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"ExecutedBefore", "ExecutedAfter"}));
  history::Filter filter;
  filter.window_id = call.text("WindowId");
  for (const auto& [key, values] : asked) {
    if (values.empty()) continue;
    const auto at = parse_iso8601(values.front());
    if (!at.ok())
      return failure("ValidationException", "the filter " + key + " takes a time like 2026-01-31T12:00:00Z");
    (key == "ExecutedBefore" ? filter.started_before : filter.started_after) = *at;
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, history::list(sql, filter, page));
    json::Array list;
    for (const auto& execution : found.items) list.push_back(execution_reply(execution));
    json::Object reply{{"WindowExecutions", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> get_maintenance_window_execution(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto execution, execution_of(sql, call));
    BELAY_TRY_ASSIGN(const auto tasks, history::tasks_of(sql, execution.execution_id));
    json::Array ids;
    for (const auto& task : tasks) ids.push_back(json::Value(task.task_execution_id));
    auto reply = execution_reply(execution);
    reply.erase("WindowId");
    reply["TaskIds"] = std::move(ids);
    return reply;
  });
}

Result<json::Object> describe_maintenance_window_execution_tasks(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto statuses, statuses_of(call));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto execution, execution_of(sql, call));
    BELAY_TRY_ASSIGN(const auto found, history::list_tasks(sql, execution.execution_id, statuses, page));
    json::Array list;
    for (const auto& task : found.items) list.push_back(task_reply(task, "TaskType"));
    json::Object reply{{"WindowExecutionTaskIdentities", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> get_maintenance_window_execution_task(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto task, task_of(sql, call));
    BELAY_TRY_ASSIGN(const auto content, json::decode_text<WindowTask>(task.content));
    auto reply = task_reply(task, "Type");
    reply["Priority"] = task.priority;
    reply["MaxConcurrency"] = content.max_concurrency.empty() ? "1" : content.max_concurrency;
    reply["MaxErrors"] = content.max_errors.empty() ? "1" : content.max_errors;
    put(reply, "ServiceRole", json::Value(content.service_role_arn));
    json::Object parameters;
    for (const auto& [name, values] : content.parameters)
      parameters[name] = json::Object{{"Values", json::encode(values)}};
    reply["TaskParameters"] = json::Array{std::move(parameters)};
    return reply;
  });
}

Result<json::Object> describe_maintenance_window_execution_task_invocations(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto statuses, statuses_of(call));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto task, task_of(sql, call));
    BELAY_TRY_ASSIGN(const auto found, history::list_invocations(sql, task.task_execution_id, statuses, page));
    json::Array list;
    for (const auto& invocation : found.items) list.push_back(invocation_reply(invocation, task));
    json::Object reply{{"WindowExecutionTaskInvocationIdentities", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> get_maintenance_window_execution_task_invocation(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto task, task_of(sql, call));
    const std::string id = call.text("InvocationId");
    const auto invocation = history::get_invocation(sql, task.task_execution_id, id);
    if (!invocation.ok()) return missing_or(invocation.error(), "the invocation", id);
    return invocation_reply(*invocation, task);
  });
}

Result<json::Object> cancel_maintenance_window_execution(const Call& call) {
  const std::string id = call.text("WindowExecutionId");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    const Status cancelled = Windows::cancel_execution(sql, id, call.now);
    if (!cancelled.ok()) return missing_or(cancelled.error(), "the window execution", id);
    BELAY_TRY(audit_change(sql, call, id));
    return json::Object{{"WindowExecutionId", id}};
  });
}

// ---- ours

Result<json::Object> describe_missed_nodes(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 1'000));
  const store::windows::MissedFilter filter{call.text("WindowId"), call.text("InstanceId")};
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, store::windows::list_missed(sql, filter, page));
    json::Array list;
    for (const auto& missed : found.items)
      list.push_back(json::Object{{"WindowId", missed.window_id},
                                  {"WindowTaskId", missed.window_task_id},
                                  {"InstanceId", missed.node_id},
                                  {"WindowExecutionId", missed.execution_id},
                                  {"Reason", reason_text(missed.reason)},
                                  {"FirstMissedDate", epoch(missed.first_at)},
                                  {"LastMissedDate", epoch(missed.missed_at)},
                                  {"Times", missed.times}});
    json::Object reply{{"MissedNodes", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

}  // namespace belay::server
