// The tasks of maintenance windows.
#include <set>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/api/aws_members.hpp"
#include "server/api/filters.hpp"
#include "server/api/window_wire.hpp"
#include "server/engine/automation_kind.hpp"

namespace belay::server {
namespace {

namespace windows = store::windows;
using Parameters = std::map<std::string, std::vector<std::string>>;

struct TaskRequest {
  std::optional<std::string> TaskArn, Name, Description, ServiceRoleArn, MaxConcurrency, MaxErrors;
  std::optional<std::uint32_t> Priority;
  std::optional<window::CutoffBehavior> CutoffBehavior;
};
BOOST_DESCRIBE_STRUCT(TaskRequest, (),
                      (TaskArn, Name, Description, ServiceRoleArn, MaxConcurrency, MaxErrors, Priority, CutoffBehavior))
struct InvocationParameters {  // of RUN_COMMAND and of AUTOMATION
  std::string Comment, DocumentVersion;
  std::uint32_t TimeoutSeconds = 0;
  Parameters Parameters;
};
BOOST_DESCRIBE_STRUCT(InvocationParameters, (), (Comment, DocumentVersion, TimeoutSeconds, Parameters))
struct Expression {
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(Expression, (), (Values))

Error invalid(std::string what) { return failure("ValidationException", std::move(what)); }

// What SSM hands to other services of AWS; saying yes and doing nothing would be a lie.
Status refuse_what_is_not_there(const Call& call, const std::string& type) {
  if (type == "LAMBDA" || type == "STEP_FUNCTIONS")
    return failure("FeatureNotAvailableException",
                   "TaskType " + type + " runs inside AWS: use RUN_COMMAND or AUTOMATION here");
  // A ServiceRoleArn of the task itself is kept and does nothing: AWS's tools send one always.
  for (const auto& [member, why] :
       {std::pair{"LoggingInfo", kOutputIsKept}, {"AlarmConfiguration", "Belay reads no CloudWatch alarms"}})
    if (json::find(call.request, member))
      return invalid(std::string(member) + " is not supported: leave it out; " + why);
  const auto* given = json::find(call.request, "TaskInvocationParameters");
  if (!given) return {};
  for (const auto& member : given->get_object())
    if (member.key() != (type == "RUN_COMMAND" ? "RunCommand" : "Automation"))
      return invalid("TaskInvocationParameters." + std::string(member.key()) + " does not go with TaskType " + type);
  const auto* run = json::find(*given, "RunCommand");
  if (!run) return {};
  const std::string path = "TaskInvocationParameters.RunCommand.";
  if (json::find(*run, "DocumentHash"))
    return invalid(path +
                   "DocumentHash is not supported: leave it out, and name a DocumentVersion, whose text never "
                   "changes");
  return refuse_aws_members(*run, path);
}

Status take_parameters(const Call& call, bool replaces, WindowTask& task) {
  const auto* given = json::find(call.request, "TaskInvocationParameters");
  const auto* legacy = json::find(call.request, "TaskParameters");
  if (!given && !legacy && !replaces) return {};
  InvocationParameters parameters;
  if (given && !given->get_object().empty()) {
    BELAY_TRY_ASSIGN(parameters, json::decode<InvocationParameters>(given->get_object().begin()->value()));
  }
  task.legacy_parameters = legacy && parameters.Parameters.empty();
  if (task.legacy_parameters) {
    BELAY_TRY_ASSIGN(const auto named, (json::decode<std::map<std::string, Expression>>(*legacy)));
    for (const auto& [name, expression] : named) parameters.Parameters[name] = expression.Values;
  }
  task.comment = parameters.Comment;
  task.document_version = parameters.DocumentVersion;
  task.timeout_seconds = parameters.TimeoutSeconds;
  task.parameters = std::move(parameters.Parameters);
  return {};
}

void lay_over(windows::Task& row, WindowTask& task, const TaskRequest& request, bool replaces) {
  const auto take = [&](auto& member, const auto& given, auto otherwise) {
    if (given) member = *given;
    else if (replaces) member = otherwise;
  };
  if (request.TaskArn) row.task_arn = *request.TaskArn;
  take(row.priority, request.Priority, 0U);
  take(task.name, request.Name, "");
  take(task.description, request.Description, "");
  take(task.service_role_arn, request.ServiceRoleArn, "");
  take(task.max_concurrency, request.MaxConcurrency, "");
  take(task.max_errors, request.MaxErrors, "");
  take(task.cutoff_behavior, request.CutoffBehavior, std::nullopt);
}

// Nodes that a task names itself are there and, unless the window allows others, in one of its targets.
Status check_named_nodes(store::Sql& sql, const windows::Window& window, const Target& target) {
  const auto nodes = resolve_targets(sql, target.values, {});
  if (!nodes.ok() && (nodes.error().code() == Code::not_found || nodes.error().code() == Code::invalid_argument))
    return invalid("Targets: InstanceIds: " + nodes.error().message());
  if (!nodes.ok()) return nodes.error();
  if (window.allow_unassociated) return {};
  std::set<std::string> associated;
  BELAY_TRY_ASSIGN(const auto targets, windows::targets_of(sql, window.window_id));
  for (const auto& each : targets) {
    BELAY_TRY_ASSIGN(const auto ids, nodes_of_target(sql, each));
    associated.insert(ids.begin(), ids.end());
  }
  for (const auto& id : *nodes)
    if (!associated.contains(id))
      return invalid("Targets: the node " + id +
                     " is in no target of the window, and AllowUnassociatedTargets is false: register it first");
  return {};
}

Status check_targets(store::Sql& sql, const windows::Window& window, const WindowTask& task) {
  std::set<std::string> keys;
  for (const auto& target : task.targets) {
    if (target.key != "WindowTargetIds" && target.key != "InstanceIds")
      return invalid("Targets: a task names WindowTargetIds or InstanceIds, not " + sanitize(target.key, 60) +
                     "; register a target for nodes by tag");
    if (!keys.insert(target.key).second) return invalid("Targets: the key " + target.key + " is there twice");
    if (target.values.empty()) return invalid("Targets: " + target.key + " has no values");
    if (target.key == "InstanceIds") {
      BELAY_TRY(check_named_nodes(sql, window, target));
      continue;
    }
    for (const auto& id : target.values) {
      const auto known = windows::get_target(sql, window.window_id, id);
      if (!known.ok()) return missing_or(known.error(), "Targets: the window target", sanitize(id, 64));
    }
  }
  return {};
}

Status check(store::Sql& sql, const Call& call, const windows::Window& window, const windows::Task& row,
             const WindowTask& task) {
  const bool has_targets = !task.targets.empty();
  if (row.type == "RUN_COMMAND" && !has_targets) return invalid("Targets: a RUN_COMMAND task needs them");
  if (has_targets && (task.max_concurrency.empty() || task.max_errors.empty()))
    return invalid("MaxConcurrency and MaxErrors are required for a task with targets");
  if (!has_targets && (!task.max_concurrency.empty() || !task.max_errors.empty()))
    return invalid("MaxConcurrency and MaxErrors must be left out for a task without targets");
  BELAY_TRY(check_targets(sql, window, task));
  // A window does nothing that whoever wrote it may not do by hand.
  const std::string does = row.type == "RUN_COMMAND" ? "ssm:SendCommand" : "ssm:StartAutomationExecution";
  BELAY_TRY(require_also(sql, call, does, "a task of the type " + row.type));
  if (row.type == "RUN_COMMAND") return check_command_task(sql, row.task_arn, task, call.now);
  return check_automation_task(sql, row.task_arn, task);
}

json::Object parameters_reply(const windows::Task& row, const WindowTask& task) {
  json::Object inner;
  put(inner, "Comment", json::Value(task.comment));
  put(inner, "DocumentVersion", json::Value(task.document_version));
  if (task.timeout_seconds) inner["TimeoutSeconds"] = task.timeout_seconds;
  if (!task.legacy_parameters && !task.parameters.empty()) inner["Parameters"] = json::encode(task.parameters);
  if (inner.empty()) return {};  // nobody said anything
  return {{row.type == "RUN_COMMAND" ? "RunCommand" : "Automation", std::move(inner)}};
}

json::Object legacy_reply(const WindowTask& task) {
  json::Object out;
  if (!task.legacy_parameters) return out;
  for (const auto& [name, values] : task.parameters) out[name] = json::Object{{"Values", json::encode(values)}};
  return out;
}

// What every reply about a task has; the type's member is called differently in lists.
json::Object task_reply(const windows::Task& row, const WindowTask& task, std::string_view type_member) {
  json::Object out{{"WindowId", row.window_id},
                   {"WindowTaskId", row.window_task_id},
                   {"TaskArn", row.task_arn},
                   {"Targets", targets_reply(task.targets)},
                   {"Priority", row.priority},
                   {"TaskParameters", legacy_reply(task)},
                   {"MaxConcurrency", task.max_concurrency.empty() ? "1" : task.max_concurrency},
                   {"MaxErrors", task.max_errors.empty() ? "1" : task.max_errors}};
  if (!type_member.empty()) out[type_member] = row.type;
  put(out, "CutoffBehavior", json::encode(task.cutoff_behavior));
  put(out, "Name", json::Value(task.name));
  put(out, "Description", json::Value(task.description));
  put(out, "ServiceRoleArn", json::Value(task.service_role_arn));
  return out;
}

Result<windows::Task> task_of(store::Sql& sql, const Call& call) {
  const std::string id = call.text("WindowTaskId");
  auto task = windows::get_task(sql, call.text("WindowId"), id);
  if (!task.ok()) return missing_or(task.error(), "the window task", id);
  return task;
}

}  // namespace

Result<json::Object> register_task_with_maintenance_window(const Call& call) {
  windows::Task row;
  row.window_task_id = make_uuid(io::random_bytes(kIdRandomBytes));
  row.window_id = call.text("WindowId");
  row.type = call.text("TaskType");
  row.created_at = call.now;
  BELAY_TRY(refuse_what_is_not_there(call, row.type));
  BELAY_TRY_ASSIGN(const auto request, call.as<TaskRequest>());
  WindowTask task;
  lay_over(row, task, request, true);
  BELAY_TRY_ASSIGN(task.targets, wire_targets_of(call.request));
  BELAY_TRY(take_parameters(call, true, task));
  task.written_by = call.principal;
  row.content = json::encode_text(task);
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    return once(call, sql, call.text("ClientToken"), [&]() -> Result<json::Object> {
      BELAY_TRY_ASSIGN(const auto window, window_of(sql, call));
      BELAY_TRY(check(sql, call, window, row, task));
      BELAY_TRY_ASSIGN(const auto there, windows::tasks_of(sql, window.window_id));
      if (there.size() >= kTasksMax)
        return failure("ResourceLimitExceededException",
                       "the window has " + std::to_string(there.size()) + " tasks, the most there may be");
      BELAY_TRY(windows::add_task(sql, row));
      BELAY_TRY(audit_change(sql, call, window.window_id, window_audit(call)));
      return json::Object{{"WindowTaskId", row.window_task_id}};
    });
  });
}

Result<json::Object> get_maintenance_window_task(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, task_of(sql, call));
    BELAY_TRY_ASSIGN(const auto task, json::decode_text<WindowTask>(row.content));
    auto reply = task_reply(row, task, "TaskType");
    if (auto given = parameters_reply(row, task); !given.empty()) reply["TaskInvocationParameters"] = std::move(given);
    return reply;
  });
}

Result<json::Object> update_maintenance_window_task(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<TaskRequest>());
  if (is_replacing(call) && !request.TaskArn)
    return invalid("with Replace every field that is left out is emptied, so TaskArn is required");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto window, window_of(sql, call));
    BELAY_TRY_ASSIGN(auto row, task_of(sql, call));
    BELAY_TRY(refuse_what_is_not_there(call, row.type));
    BELAY_TRY_ASSIGN(auto task, json::decode_text<WindowTask>(row.content));
    lay_over(row, task, request, is_replacing(call));
    if (json::find(call.request, "Targets") || is_replacing(call)) {
      BELAY_TRY_ASSIGN(task.targets, wire_targets_of(call.request));
    }
    BELAY_TRY(take_parameters(call, is_replacing(call), task));
    task.written_by = call.principal;
    BELAY_TRY(check(sql, call, window, row, task));
    row.content = json::encode_text(task);
    BELAY_TRY(windows::update_task(sql, row));
    BELAY_TRY(audit_change(sql, call, window.window_id, window_audit(call)));
    auto reply = task_reply(row, task, "");
    if (auto given = parameters_reply(row, task); !given.empty()) reply["TaskInvocationParameters"] = std::move(given);
    return reply;
  });
}

Result<json::Object> deregister_task_from_maintenance_window(const Call& call) {
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, task_of(sql, call));
    BELAY_TRY(windows::remove_task(sql, row.window_id, row.window_task_id));
    BELAY_TRY(audit_change(sql, call, row.window_id, window_audit(call)));
    return json::Object{{"WindowId", row.window_id}, {"WindowTaskId", row.window_task_id}};
  });
}

Result<json::Object> describe_maintenance_window_tasks(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"WindowTaskId", "TaskArn", "Priority", "TaskType"}));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto window, window_of(sql, call));
    BELAY_TRY_ASSIGN(auto all, windows::tasks_of(sql, window.window_id));
    for (const auto& filter : asked)
      std::erase_if(all, [&](const auto& row) {
        const std::string value = filter.key == "WindowTaskId" ? row.window_task_id
                                  : filter.key == "TaskArn"    ? row.task_arn
                                  : filter.key == "TaskType"   ? row.type
                                                               : std::to_string(row.priority);
        return std::ranges::find(filter.values, value) == filter.values.end();
      });
    const auto found = page_of_all(all, page);
    json::Array list;
    for (const auto& row : found.items) {
      BELAY_TRY_ASSIGN(const auto task, json::decode_text<WindowTask>(row.content));
      list.push_back(task_reply(row, task, "Type"));
    }
    json::Object reply{{"Tasks", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

}  // namespace belay::server
