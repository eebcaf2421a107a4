// Start, signal, stop and show automations.
#include "store/automations.hpp"

#include "base/text.hpp"
#include "core/automation/signals.hpp"
#include "server/api/automation_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/window_wire.hpp"

namespace belay::server {
namespace {

namespace automations = store::automations;
using Values = std::map<std::string, std::vector<std::string>>;

constexpr std::size_t kTargetsShown = 50;
constexpr std::size_t kStepsShown = 100;  // a runbook has no more

struct StartRequest {
  std::string DocumentName, DocumentVersion, TargetParameterName, MaxConcurrency, MaxErrors;
  Values Parameters;
  automation::Mode Mode = automation::Mode::Auto;
};
BOOST_DESCRIBE_STRUCT(StartRequest, (),
                      (DocumentName, DocumentVersion, TargetParameterName, MaxConcurrency, MaxErrors, Parameters, Mode))
struct SignalRequest {
  std::string SignalType;
  Values Payload;
};
BOOST_DESCRIBE_STRUCT(SignalRequest, (), (SignalType, Payload))

struct MissingRow {
  const char *member, *instead;
};
// Saying yes and doing nothing would be a lie.
constexpr MissingRow kMissing[] = {
    {"TargetLocations", "Belay has no accounts and regions"},
    {"TargetLocationsURL", "Belay has no accounts and regions"},
    {"AlarmConfiguration", "Belay reads no CloudWatch alarms"},
};

json::Object counters(const std::map<std::string, std::int64_t>& by_status, std::int64_t total, bool over) {
  const auto of = [&](std::initializer_list<const char*> statuses) {
    std::int64_t sum = 0;
    for (const auto* status : statuses)
      if (const auto at = by_status.find(status); at != by_status.end()) sum += at->second;
    return sum;
  };
  const auto success = of({"Success", "CompletedWithSuccess"}), failed = of({"Failed", "CompletedWithFailure"}),
             timed_out = of({"TimedOut"});
  // Those whose turn never came were not started, so they are in no row.
  const auto cancelled = over ? total - success - failed - timed_out : of({"Cancelled"});
  return {{"TotalSteps", total},
          {"SuccessSteps", success},
          {"FailedSteps", failed},
          {"TimedOutSteps", timed_out},
          {"CancelledSteps", cancelled}};
}

Result<json::Object> progress_of_targets(store::Sql& sql, const automations::Execution& row, std::int64_t total) {
  std::map<std::string, std::int64_t> by_status;
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto listed, automations::list(sql, {.parent_ids = {row.execution_id}}, page));
    for (const auto& child : listed.items) ++by_status[child.status];
    page.after = listed.next;
  } while (!page.after.empty());
  return counters(by_status, total, row.finished_at.has_value());
}

json::Object progress_of_steps(const std::vector<automations::Step>& steps) {
  std::map<std::string, std::int64_t> by_status;
  for (const auto& step : steps) ++by_status[step.status];
  return counters(by_status, static_cast<std::int64_t>(steps.size()), false);
}

json::Object outputs_reply(const Values& outputs) {
  json::Object out;
  for (const auto& [name, texts] : outputs) out[name] = texts_reply(texts);
  return out;
}

// A step's outputs as lists of texts, whatever they are.
json::Object step_outputs_reply(const json::Object& outputs) {
  json::Object out;
  for (const auto& member : outputs) {
    json::Array texts;
    const auto add = [&](const json::Value& value) {
      texts.push_back(json::Value(sanitize(document::text_of(value), automation::kOutputTextMax)));
    };
    if (const auto* list = member.value().if_array())
      for (const auto& item : *list) add(item);
    else add(member.value());
    out[member.key()] = std::move(texts);
  }
  return out;
}

}  // namespace

Result<automations::Execution> automation_of(store::Sql& sql, const Call& call) {
  return find_automation(sql, call.text("AutomationExecutionId"));
}

Result<json::Object> automation_reply(const automations::Execution& row, const AutomationSettings& settings) {
  json::Object out{{"AutomationExecutionId", row.execution_id},   {"DocumentName", row.document},
                   {"DocumentVersion", row.document_version},     {"AutomationExecutionStatus", row.status},
                   {"ExecutionStartTime", epoch(row.started_at)}, {"ExecutedBy", row.executed_by},
                   {"Mode", json::encode(settings.mode)}};
  put(out, "ExecutionEndTime", epoch(row.finished_at));
  put(out, "ParentAutomationExecutionId", json::Value(row.parent_id));
  put(out, "CurrentStepName", json::Value(row.current_step));
  put(out, "CurrentAction", json::Value(row.current_action));
  put(out, "FailureMessage", json::Value(row.failure));
  put(out, "Target", json::Value(row.target));
  put(out, "TargetParameterName", json::Value(settings.target_parameter));
  put(out, "Targets", targets_reply(settings.targets));
  put(out, "TargetMaps", json::encode(settings.target_maps));
  put(out, "MaxConcurrency", json::Value(settings.max_concurrency));
  put(out, "MaxErrors", json::Value(settings.max_errors));
  BELAY_TRY_ASSIGN(const auto outputs, json::decode_text<Values>(row.outputs, {.bytes_max = store::kTextBytesMax}));
  if (!outputs.empty()) out["Outputs"] = outputs_reply(outputs);
  return out;
}

Result<json::Object> step_reply(const automations::Step& step) {
  json::Object out{
      {"StepName", step.name}, {"StepExecutionId", step.step_id}, {"Action", step.action}, {"StepStatus", step.status}};
  BELAY_TRY_ASSIGN(const auto settings, json::decode_text<json::Object>(step.settings));
  for (const auto& member : settings) out[member.key()] = member.value();
  const json::Limits limits{.bytes_max = store::kTextBytesMax, .depth_max = 64};
  BELAY_TRY_ASSIGN(const auto inputs, json::decode_text<json::Object>(step.inputs, limits));
  BELAY_TRY_ASSIGN(const auto outputs, json::decode_text<json::Object>(step.outputs, limits));
  json::Object shown;
  for (const auto& member : inputs) shown[member.key()] = json::to_text(member.value());
  if (!shown.empty()) out["Inputs"] = std::move(shown);
  if (!outputs.empty()) out["Outputs"] = step_outputs_reply(outputs);
  if (const auto* code = outputs.if_contains("ResponseCode")) out["ResponseCode"] = document::text_of(*code);
  put(out, "ExecutionStartTime", epoch(step.started_at));
  put(out, "ExecutionEndTime", epoch(step.finished_at));
  put(out, "FailureMessage", json::Value(step.failure));
  return out;
}

Result<json::Object> start_automation_execution(const Call& call) {
  for (const auto& row : kMissing)
    if (json::find(call.request, row.member))
      return failure("ValidationException",
                     std::string(row.member) + " is not supported: leave it out; " + row.instead);
  BELAY_TRY_ASSIGN(auto request, call.as<StartRequest>());
  BELAY_TRY_ASSIGN(const auto tags, tags_of(call.request));
  StartAutomationRequest wanted;
  BELAY_TRY_ASSIGN(wanted.targets, wire_targets_of(call.request));
  if (const auto* maps = json::find(call.request, "TargetMaps")) {
    BELAY_TRY_ASSIGN(wanted.target_maps, json::decode<std::vector<Values>>(*maps, "TargetMaps"));
  }
  wanted.document = std::move(request.DocumentName);
  wanted.document_version = std::move(request.DocumentVersion);
  wanted.parameters = std::move(request.Parameters);
  wanted.mode = request.Mode;
  wanted.target_parameter = std::move(request.TargetParameterName);
  wanted.max_concurrency = std::move(request.MaxConcurrency);
  wanted.max_errors = std::move(request.MaxErrors);
  wanted.requested_by = wanted.acts_for = call.principal;
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    return once(call, sql, call.text("ClientToken"), [&]() -> Result<json::Object> {
      BELAY_TRY_ASSIGN(const auto started, start_automation(sql, wanted, call.now));
      if (!tags.empty()) BELAY_TRY(store::tags::set(sql, kAutomationTagged, started.execution_id, tags));
      return json::Object{{"AutomationExecutionId", started.execution_id}};
    });
  });
}

Result<json::Object> stop_automation_execution(const Call& call) {
  automation::Event event;
  event.kind = call.text("Type") == "Complete" ? automation::EventKind::complete : automation::EventKind::cancel;
  event.who = call.principal;
  BELAY_TRY(call.write(
      [&](store::Sql& sql) { return signal_automation(sql, call.text("AutomationExecutionId"), event, call.now); }));
  return json::Object();
}

Result<json::Object> send_automation_signal(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<SignalRequest>());
  BELAY_TRY_ASSIGN(const auto event, automation::event_of_signal(request.SignalType, request.Payload, call.principal));
  BELAY_TRY(call.write(
      [&](store::Sql& sql) { return signal_automation(sql, call.text("AutomationExecutionId"), event, call.now); }));
  return json::Object();
}

Result<json::Object> get_automation_execution(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, automation_of(sql, call));
    BELAY_TRY_ASSIGN(const auto settings, settings_of(row));
    BELAY_TRY_ASSIGN(auto out, automation_reply(row, settings));
    out["Parameters"] = outputs_reply(settings.parameters);
    BELAY_TRY_ASSIGN(const auto steps, automations::steps_of(sql, row.execution_id));
    json::Array shown;
    for (const auto& step : steps) {
      if (shown.size() == kStepsShown) break;
      BELAY_TRY_ASSIGN(auto reply, step_reply(step));
      shown.push_back(std::move(reply));
    }
    out["StepExecutions"] = std::move(shown);
    out["StepExecutionsTruncated"] = steps.size() > kStepsShown;
    if (row.kind == kAutomationKind) {
      out["ProgressCounters"] = progress_of_steps(steps);
      return json::Object{{"AutomationExecution", std::move(out)}};
    }
    BELAY_TRY_ASSIGN(out["ProgressCounters"], progress_of_targets(sql, row, settings.target_count));
    BELAY_TRY_ASSIGN(const auto children, automations::list(sql, {.parent_ids = {row.execution_id}},
                                                            {static_cast<std::uint32_t>(kTargetsShown), ""}));
    json::Array values;
    for (const auto& child : children.items) values.push_back(json::Value(child.target));
    out["ResolvedTargets"] =
        json::Object{{"Truncated", values.size() < settings.target_count}, {"ParameterValues", std::move(values)}};
    return json::Object{{"AutomationExecution", std::move(out)}};
  });
}

}  // namespace belay::server
