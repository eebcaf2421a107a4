#include "server/engine/automations.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/automation/signals.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/automation_kind.hpp"
#include "server/engine/documents.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace automations = store::automations;

constexpr std::string_view kParameterValues = "ParameterValues";

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }
template <typename E>
std::string word(E value) {
  return boost::describe::enum_to_string(value, "");
}

Error refuse(std::string what, const char* reason = "InvalidAutomationExecutionParametersException") {
  return Error(Code::invalid_argument, std::move(what), reason);
}

document::Format format_of(std::string_view text) {
  return text == "JSON" ? document::Format::JSON : document::Format::YAML;
}

// A document's runbook, and who it is.
struct Found {
  std::string document, version;
  automations::Runbook kept;
  automation::Runbook runbook;
};

Result<Found> find_runbook(Sql& sql, const StartAutomationRequest& request) {
  auto document = find_document(sql, request.document, request.document_version);
  if (!document.ok() && document.error().reason() == "InvalidDocumentVersion")
    return refuse(document.error().message(), "AutomationDefinitionVersionNotFoundException");
  if (!document.ok() && document.error().code() == Code::not_found)
    return refuse(document.error().message(), "AutomationDefinitionNotFoundException");
  if (!document.ok()) return document.error();
  if (document->document_type != "Automation")
    return refuse("document " + document->name + " is of the type " + document->document_type +
                      "; only Automation documents are run as automations",
                  "AutomationDefinitionNotFoundException");
  Found found;
  BELAY_TRY_ASSIGN(found.runbook,
                   automation::parse_runbook(document->content, document->format).within("document " + document->name));
  found.document = document->name;
  found.version = document->version;
  found.kept = {io::sha256_hex(document->content), document->format == document::Format::JSON ? "JSON" : "YAML",
                std::move(document->content)};
  return found;
}

Result<std::vector<std::string>> target_values(Sql& sql, const StartAutomationRequest& request) {
  if (request.target_values) return *request.target_values;
  std::vector<std::string> values;
  for (const auto& target : request.targets) {
    if (target.key == "ResourceGroup" || target.key.starts_with("resource-groups:"))
      return refuse("Targets: " + target.key + " is of AWS; there are ParameterValues, InstanceIds, tags and names",
                    "InvalidTarget");
    if (target.key == kParameterValues) values.insert(values.end(), target.values.begin(), target.values.end());
    if (target.key == kParameterValues && request.targets.size() > 1)
      return refuse("Targets: ParameterValues stands alone", "InvalidTarget");
  }
  if (values.empty()) {
    auto nodes = resolve_targets(sql, {}, request.targets, kAutomationTargetsMax);
    if (!nodes.ok() && is_refusal(nodes.error().code()))
      return refuse("Targets: " + nodes.error().message(), "InvalidTarget");
    return nodes;
  }
  if (values.size() <= kAutomationTargetsMax) return values;
  return refuse("Targets: there are more than " + std::to_string(kAutomationTargetsMax), "InvalidTarget");
}

Status check_room(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto running, automations::count_running(sql));
  if (running < kAutomationsMax) return {};
  return Error(Code::resource_exhausted,
               std::to_string(kAutomationsMax) + " automations run already: stop some, or wait until some have ended",
               "AutomationExecutionLimitExceededException");
}

std::string settings_of_step(const automation::RunbookStep& step) {
  const auto on_failure = step.on_failure == automation::OnFailure::jump      ? "step:" + step.failure_step
                          : step.on_failure == automation::OnFailure::proceed ? std::string("Continue")
                                                                              : std::string("Abort");
  json::Object shown{{"MaxAttempts", step.attempts_max},
                     {"TimeoutSeconds", step.timeout.count() / 1'000},
                     {"OnFailure", on_failure},
                     {"IsEnd", step.is_end},
                     {"IsCritical", step.is_critical}};
  if (!step.next_step.empty()) shown["NextStep"] = step.next_step;
  return json::to_text(shown);
}

std::vector<automations::Step> steps_for(const automation::Runbook& runbook, const std::string& execution_id) {
  std::vector<automations::Step> steps;
  for (const auto& step : runbook.steps) {
    auto& row = steps.emplace_back();
    row.execution_id = execution_id;
    row.position = static_cast<std::uint32_t>(steps.size() - 1);
    row.step_id = new_id();
    row.name = step.name;
    row.action = step.action;
    row.settings = settings_of_step(step);
  }
  return steps;
}

Status queue(Sql& sql, const automations::Execution& row, std::span<const automations::Step> steps, std::string state) {
  BELAY_TRY(automations::create(sql, row, steps));
  store::executions::Execution execution;
  execution.kind = row.kind;
  execution.execution_id = row.execution_id;
  execution.state = std::move(state);
  execution.wake_at = execution.created_at = execution.updated_at = row.started_at;
  return store::executions::create(sql, execution);
}

bool is_over_targets(const StartAutomationRequest& request) {
  return !request.target_parameter.empty() || !request.target_maps.empty();
}

automations::Execution row_for(const StartAutomationRequest& request, const Found& found, Instant now) {
  automations::Execution row;
  row.execution_id = new_id();
  row.kind = is_over_targets(request) ? kAutomationFanOutKind : kAutomationKind;
  row.document = found.document;
  row.document_version = found.version;
  row.runbook = found.kept.sha256;
  row.parent_id = request.parent_id;
  row.executed_by = request.requested_by;
  row.started_at = now;
  return row;
}

AutomationSettings settings_for(const StartAutomationRequest& request) {
  AutomationSettings settings;
  settings.mode = request.mode;
  settings.parameters = request.parameters;
  settings.target_parameter = request.target_parameter;
  settings.targets = request.targets;
  settings.target_maps = request.target_maps;
  settings.max_concurrency = request.max_concurrency;
  settings.max_errors = request.max_errors;
  settings.acts_for = request.acts_for;
  settings.depth = request.depth;
  return settings;
}

Status check_request(const StartAutomationRequest& request) {
  const bool by_parameter = !request.targets.empty() || request.target_values;
  if (by_parameter == request.target_parameter.empty()) return refuse("Targets and TargetParameterName go together");
  if (by_parameter && !request.target_maps.empty()) return refuse("give either Targets or TargetMaps, not both");
  const bool over_targets = is_over_targets(request);
  if (!over_targets && (!request.max_concurrency.empty() || !request.max_errors.empty()))
    return refuse("MaxConcurrency and MaxErrors go with Targets or TargetMaps");
  if (over_targets && request.mode == automation::Mode::Interactive)
    return refuse("Mode Interactive does not go with Targets: nobody could say which one's step is to begin");
  return {};
}

Result<automation::FanOut> fan_out_of(Sql& sql, const StartAutomationRequest& request,
                                      const automation::Runbook& runbook) {
  if (!request.target_maps.empty())
    return automation::new_fan_out_of_maps(runbook, request.parameters, request.target_maps, request.max_concurrency,
                                           request.max_errors);
  BELAY_TRY_ASSIGN(const auto values, target_values(sql, request));
  return automation::new_fan_out(runbook, request.parameters, request.target_parameter, values, request.max_concurrency,
                                 request.max_errors);
}

Result<std::string> state_for(Sql& sql, const StartAutomationRequest& request, const Found& found,
                              automations::Execution& row, AutomationSettings& settings) {
  if (!is_over_targets(request)) {
    AutomationState state;
    BELAY_TRY_ASSIGN(state.machine,
                     automation::new_execution(found.runbook, row.execution_id, request.parameters, request.mode));
    state.machine.depth = request.depth;
    state.machine.region = "local";  // one installation is one region
    state.parent = request.parent;
    return json::encode_text(state);
  }
  AutomationFanOutState state;
  const auto fan_out = fan_out_of(sql, request, found.runbook);
  if (!fan_out.ok() && fan_out.error().reason().empty()) return refuse(fan_out.error().chain());
  if (!fan_out.ok()) return fan_out.error();
  state.machine = *fan_out;
  state.parent = request.parent;
  settings.target_count = static_cast<std::uint32_t>(state.machine.children.size());
  return json::encode_text(state);
}

}  // namespace

Result<automations::Execution> start_automation(Sql& sql, const StartAutomationRequest& request, Instant now) {
  BELAY_TRY(check_request(request));
  BELAY_TRY_ASSIGN(const auto found, find_runbook(sql, request));
  auto row = row_for(request, found, now);
  auto settings = settings_for(request);
  BELAY_TRY_ASSIGN(auto state, state_for(sql, request, found, row, settings));
  BELAY_TRY(check_room(sql));
  row.settings = json::encode_text(settings);
  BELAY_TRY(automations::put_runbook(sql, found.kept));
  const bool alone = row.kind == kAutomationKind;
  BELAY_TRY(queue(sql, row, alone ? steps_for(found.runbook, row.execution_id) : std::vector<automations::Step>(),
                  std::move(state)));
  BELAY_TRY(note_in_audit(sql, now, request.requested_by, "ssm:StartAutomationExecution", row.execution_id,
                          {{"document", row.document},
                           {"version", row.document_version},
                           {"acts_for", request.acts_for},
                           {"targets", settings.target_count}}));
  return row;
}

Result<automations::Execution> start_automation_of_target(Sql& sql, const automations::Execution& around,
                                                          const automation::Child& child, std::string key,
                                                          Instant now) {
  BELAY_TRY_ASSIGN(auto settings, settings_of(around));
  BELAY_TRY_ASSIGN(const auto runbook, runbook_of(sql, around));
  auto row = around;
  row.execution_id = new_id();
  row.kind = kAutomationKind;
  row.status = "Pending";
  row.parent_id = around.execution_id;
  row.target = sanitize(child.target, 1'000);
  row.started_at = now;
  if (child.values.empty()) settings.parameters[settings.target_parameter] = {child.target};
  else settings.parameters.insert(child.values.begin(), child.values.end());
  settings.target_parameter.clear();
  settings.targets.clear();
  settings.target_maps.clear();
  settings.max_concurrency.clear();
  settings.max_errors.clear();
  settings.target_count = 0;
  row.settings = json::encode_text(settings);
  AutomationState state;
  BELAY_TRY_ASSIGN(state.machine, automation::new_execution(runbook, row.execution_id, settings.parameters));
  state.machine.depth = settings.depth;
  state.machine.region = "local";
  state.parent = Parent{std::string(kAutomationFanOutKind), around.execution_id, std::move(key)};
  BELAY_TRY(check_room(sql));
  BELAY_TRY(queue(sql, row, steps_for(runbook, row.execution_id), json::encode_text(state)));
  return row;
}

Result<automations::Execution> find_automation(Sql& sql, std::string_view execution_id) {
  auto found = automations::get(sql, execution_id);
  if (found.ok() || found.error().code() != Code::not_found) return found;
  return Error(Code::not_found, "there is no automation execution '" + sanitize(execution_id, 64) + "'",
               "AutomationExecutionNotFoundException");
}

namespace {

// The name of the step that `event` names by its id.
Status name_step(Sql& sql, std::string_view execution_id, automation::Event& event) {
  if (event.step.empty()) return {};
  BELAY_TRY_ASSIGN(const auto steps, automations::steps_of(sql, execution_id));
  const auto at = std::ranges::find(steps, event.step, &automations::Step::step_id);
  if (at != steps.end()) event.step = at->name;
  return {};
}

Status check_fan_out(const automations::Execution& row, const automation::Event& event) {
  if (event.kind != automation::EventKind::cancel && event.kind != automation::EventKind::complete)
    return refuse("this execution is over targets; signals go to the executions of its targets",
                  "InvalidAutomationSignalException");
  if (!row.finished_at) return {};
  return Error(Code::conflict, "the execution has ended with " + row.status, "InvalidAutomationStatusUpdateException");
}

Status check_where_it_is(Sql& sql, const automations::Execution& row, automation::Event& event) {
  BELAY_TRY(name_step(sql, row.execution_id, event));
  const auto execution = store::executions::get(sql, row.kind, row.execution_id);
  if (!execution.ok()) return execution.error();
  BELAY_TRY_ASSIGN(const auto state, json::decode_text<AutomationState>(execution->state, kAutomationStateLimits));
  BELAY_TRY_ASSIGN(const auto runbook, runbook_of(sql, row));
  return automation::check_signal(runbook, state.machine, event);
}

Status post(Sql& sql, const automations::Execution& row, const automation::Event& event, Instant now) {
  store::executions::Event posted;
  posted.body = json::encode_text(event);
  posted.at = now;
  return store::executions::post(sql, row.kind, row.execution_id, posted);
}

}  // namespace

Status signal_automation(Sql& sql, std::string_view execution_id, automation::Event event, Instant now) {
  BELAY_TRY_ASSIGN(const auto row, find_automation(sql, execution_id));
  if (row.kind == kAutomationFanOutKind) BELAY_TRY(check_fan_out(row, event));
  else BELAY_TRY(check_where_it_is(sql, row, event));
  BELAY_TRY(post(sql, row, event, now));
  const bool stop = event.kind == automation::EventKind::cancel || event.kind == automation::EventKind::complete;
  return note_in_audit(sql, now, event.who, stop ? "ssm:StopAutomationExecution" : "ssm:SendAutomationSignal",
                       row.execution_id,
                       {{"signal", word(event.kind)}, {"step", event.step}, {"comment", sanitize(event.comment, 200)}});
}

Status cancel_automation(Sql& sql, std::string_view execution_id, Instant now) {
  const auto row = automations::get(sql, execution_id);
  if (!row.ok()) return row.error().code() == Code::not_found ? Status() : Status(row.error());
  if (row->finished_at) return {};
  automation::Event event;
  event.kind = automation::EventKind::cancel;
  return post(sql, *row, event, now);
}

Result<AutomationSettings> settings_of(const automations::Execution& execution) {
  auto settings = json::decode_text<AutomationSettings>(execution.settings, kAutomationStateLimits);
  if (settings.ok()) return settings;
  return Error(Code::corrupt, "the settings of automation " + execution.execution_id +
                                  " in the store cannot be read: " + settings.error().chain());
}

Result<automation::Runbook> runbook_of(Sql& sql, const automations::Execution& execution) {
  BELAY_TRY_ASSIGN(const auto kept, automations::get_runbook(sql, execution.runbook));
  return automation::parse_runbook(kept.content, format_of(kept.format)).within("document " + execution.document);
}

}  // namespace belay::server
