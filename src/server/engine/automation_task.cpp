// AUTOMATION tasks of maintenance windows.
#include "base/text.hpp"
#include "core/window/pseudo.hpp"
#include "server/engine/automation_kind.hpp"
#include "server/engine/documents.hpp"

namespace belay::server {
namespace {
using store::Sql;
using Parameters = std::map<std::string, std::vector<std::string>>;

// The parameter that is {{RESOURCE_ID}} (or {{TARGET_ID}}) and nothing else: it takes the node. Its value is taken out.
Result<std::string> take_target_parameter(Parameters& parameters) {
  std::string found;
  const auto refuse = [](const std::string& what) {
    return Error(Code::invalid_argument, what, "InvalidAutomationExecutionParametersException");
  };
  for (const auto& [name, texts] : parameters)
    for (const auto& text : texts) {
      const auto used = window::not_in_run_command(text);
      if (used.empty()) continue;
      const bool whole = texts.size() == 1 && document::whole_reference(text) == used;
      if (!whole || !found.empty())
        return refuse("Parameters." + name + ": {{" + std::string(used) +
                      "}} stands alone, as the value of one parameter");
      found = name;
    }
  if (!found.empty()) parameters.erase(found);
  return found;
}

class AutomationStarter : public TaskStarter {
 public:
  Result<std::string> start(Sql& sql, const Request& task, Instant now) override {
    StartAutomationRequest request;
    request.document = task.document;
    request.document_version = task.document_version;
    request.parameters = task.parameters;
    request.requested_by = task.requested_by;
    request.acts_for = task.acts_for;
    request.parent = task.parent;
    BELAY_TRY_ASSIGN(request.target_parameter, take_target_parameter(request.parameters));
    if (task.node_ids.empty() != request.target_parameter.empty())
      return Error(Code::invalid_argument,
                   task.node_ids.empty() ? "the task has no targets, so {{RESOURCE_ID}} means nothing"
                                         : "no parameter of the task is {{RESOURCE_ID}}, which takes its targets");
    if (!task.node_ids.empty()) {
      request.targets = {{"InstanceIds", task.node_ids}};
      request.target_values = task.node_ids;
      request.max_concurrency = task.max_concurrency;
      request.max_errors = task.max_errors;
      if (task.node_ids.size() > kAutomationTargetsMax)
        return Error(Code::resource_exhausted, "the task has " + std::to_string(task.node_ids.size()) +
                                                   " targets; an automation takes at most " +
                                                   std::to_string(kAutomationTargetsMax));
    }
    BELAY_TRY_ASSIGN(const auto started, start_automation(sql, request, now));
    return started.execution_id;
  }
  Status cancel(Sql& sql, std::string_view child_id, Instant now) override {
    return cancel_automation(sql, child_id, now);
  }
};

}  // namespace

std::unique_ptr<TaskStarter> make_automation_starter() { return std::make_unique<AutomationStarter>(); }

Status check_automation_task(Sql& sql, std::string_view document_name, const WindowTask& task) {
  const auto refuse = [](std::string what) { return Error(Code::invalid_argument, std::move(what)); };
  const auto document = find_document(sql, document_name, task.document_version);
  if (!document.ok()) return refuse("TaskArn: " + document.error().chain());
  if (document->document_type != "Automation")
    return refuse("TaskArn: document " + document->name + " is of the type " + document->document_type +
                  "; an AUTOMATION task runs an Automation document");
  BELAY_TRY_ASSIGN(const auto runbook,
                   automation::parse_runbook(document->content, document->format).within("TaskArn"));
  BELAY_TRY(check_pseudo_parameters(task));
  auto parameters = task.parameters;
  const auto target = take_target_parameter(parameters);
  if (!target.ok()) return refuse(target.error().message());
  if (task.targets.empty() && !target->empty())
    return refuse("Parameters." + *target + ": the task has no targets, so {{RESOURCE_ID}} means nothing");
  if (!task.targets.empty() && target->empty())
    return refuse(
        "Parameters: the task has targets: one parameter is to be {{RESOURCE_ID}}, which takes the node's id");
  std::map<std::string, std::string, std::less<>> values;
  for (const auto name : window::kPseudoParameters) values[std::string(name)] = "01234567-89ab-4def-8123-456789abcdef";
  for (auto& [name, texts] : parameters)
    for (auto& text : texts) text = window::substitute(text, values);
  if (!target->empty()) parameters[*target] = {"mi-0123456789abcdef0"};
  const auto resolved = document::resolve_values(runbook.parameters, parameters);
  return resolved.ok() ? Status() : refuse("Parameters: " + resolved.error().chain());
}

}  // namespace belay::server
