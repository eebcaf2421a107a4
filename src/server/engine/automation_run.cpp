#include "server/engine/automation_run.hpp"

#include <algorithm>
#include <charconv>

#include "base/json.hpp"
#include "base/text.hpp"
#include "server/engine/command_options.hpp"
#include "server/engine/notices.hpp"
#include "store/commands.hpp"

namespace belay::server {
namespace {
using automation::Event, automation::EventKind;
using store::Sql;
namespace automations = store::automations;

constexpr std::size_t kPayloadOutputMax = 8'000;  // of OutputPayload: so that it stays JSON when texts are cut

template <typename E>
std::string word(E value) {
  return boost::describe::enum_to_string(value, "?");
}

EventKind kind_of(const ChildEnded& child) {
  if (child.status == "Success") return EventKind::succeeded;
  if (child.status == "TimedOut") return EventKind::timed_out;
  if (child.status == "Cancelled") return EventKind::cancelled;
  return EventKind::failed;
}

class AutomationKind : public ExecutionKind {
 public:
  std::string_view name() const override { return kAutomationKind; }
  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return AutomationRun(sql, now).advance(execution, events);
  }
};

}  // namespace

std::unique_ptr<ExecutionKind> make_automation_kind() { return std::make_unique<AutomationKind>(); }

// A window or a step asks whether it went well; that somebody stopped it is in the details.
ChildEnded ended_of(const automations::Execution& execution, std::uint32_t errors) {
  const auto status = execution.status == "CompletedWithSuccess"   ? std::string("Success")
                      : execution.status == "CompletedWithFailure" ? std::string("Failed")
                                                                   : execution.status;
  return {"", std::string(execution.kind), execution.execution_id, status, execution.status, errors};
}

Status AutomationRun::load(const store::executions::Execution& execution) {
  BELAY_TRY_ASSIGN(state_, json::decode_text<AutomationState>(execution.state, kAutomationStateLimits));
  BELAY_TRY_ASSIGN(row_, automations::get(sql_, execution.execution_id));
  BELAY_TRY_ASSIGN(settings_, settings_of(row_));
  BELAY_TRY_ASSIGN(runbook_, runbook_of(sql_, row_));
  return {};
}

Result<ExecutionKind::Advance> AutomationRun::advance(const store::executions::Execution& execution,
                                                      const std::vector<store::executions::Event>& posted) {
  BELAY_TRY(load(execution));
  std::vector<Event> events;
  for (const auto& event : posted) {
    BELAY_TRY_ASSIGN(auto translated, translate(event));
    if (translated) events.push_back(std::move(*translated));
  }
  events.push_back({});  // begin: last, so that one stopped before its first turn does nothing; passed over later
  std::set<std::size_t> changed;
  automation::Step step;
  do {
    step = automation::step(runbook_, state_.machine, events, now_);
    changed.insert(step.changed.begin(), step.changed.end());
    events.clear();
    for (const auto& action : step.actions) {
      BELAY_TRY_ASSIGN(auto answer, act(action));
      if (answer) events.push_back(std::move(*answer));
    }
  } while (!events.empty());
  BELAY_TRY(save(changed));
  if (step.finished && state_.parent) {
    const bool failed = row_.status != "Success" && row_.status != "CompletedWithSuccess" && row_.status != "Cancelled";
    BELAY_TRY(tell_parent(sql_, *state_.parent, ended_of(row_, failed ? 1 : 0), now_));
  }
  return ExecutionKind::Advance{json::encode_text(state_), step.wake_at, step.finished};
}

// ---- what happened

AutomationRun::Answer AutomationRun::translate(const store::executions::Event& posted) {
  if (take_notice_answer(posted)) return std::optional<Event>();
  BELAY_TRY_ASSIGN(const auto child, child_ended(posted));
  if (child) {
    BELAY_TRY_ASSIGN(auto told, ended(*child));
    return std::optional(std::move(told));
  }
  BELAY_TRY_ASSIGN(auto event, json::decode_text<Event>(posted.body, kAutomationStateLimits));
  return std::optional(std::move(event));
}

Result<Event> AutomationRun::ended(const ChildEnded& child) {
  Event event;
  event.kind = kind_of(child);
  const auto blank = child.key.find(' ');
  event.step = child.key.substr(0, blank);
  if (blank != std::string::npos)
    std::from_chars(child.key.data() + blank + 1, child.key.data() + child.key.size(), event.attempt);
  const bool command = child.child_kind == kCommandKind;
  if (event.kind != EventKind::succeeded)
    event.why = (command ? "command " : "automation ") + child.child_id + " ended " + child.status_details;
  if (command) BELAY_TRY(read_command(child.child_id, event));
  else BELAY_TRY(read_automation(child.child_id, event));
  return event;
}

// As SSM has it: what was printed and the exit status only where one node was asked.
Status AutomationRun::read_command(const std::string& command_id, Event& event) {
  BELAY_TRY_ASSIGN(const auto command, store::commands::get(sql_, command_id));
  BELAY_TRY_ASSIGN(const auto invocations, store::commands::invocations_of(sql_, command_id));
  json::Object payload{{"CommandId", command_id}, {"Status", command.status}};
  event.outputs["CommandId"] = command_id;
  event.outputs["Status"] = command.status;
  if (invocations.empty()) {
    event.kind = EventKind::failed;  // nothing was done
    event.why = "command " + command_id + " found no node with its targets";
  }
  if (invocations.size() == 1) {
    BELAY_TRY_ASSIGN(const auto only, store::commands::get_invocation(sql_, command_id, invocations.front().node_id));
    std::string output = only.standard_output;
    if (!only.standard_error.empty()) output += "\n----------ERROR-------\n" + only.standard_error;
    event.outputs["ResponseCode"] = only.response_code;
    event.outputs["Output"] = output;
    payload["ResponseCode"] = only.response_code;
    payload["Output"] = sanitize(output, kPayloadOutputMax);
    if (event.kind != EventKind::succeeded && !only.standard_error.empty())
      event.why += ": " + sanitize(only.standard_error, 500);
  }
  event.outputs["OutputPayload"] = json::to_text(payload);
  return {};
}

Status AutomationRun::read_automation(const std::string& execution_id, Event& event) {
  BELAY_TRY_ASSIGN(const auto inner, automations::get(sql_, execution_id));
  using Outputs = std::map<std::string, std::vector<std::string>>;
  BELAY_TRY_ASSIGN(const auto outputs, json::decode_text<Outputs>(inner.outputs, kAutomationStateLimits));
  json::Array all;
  for (const auto& [name, texts] : outputs)
    for (const auto& text : texts) all.push_back(json::Value(text));
  event.outputs["ExecutionId"] = execution_id;
  event.outputs["Status"] = inner.status;
  event.outputs["Output"] = std::move(all);
  if (event.kind != EventKind::succeeded && !inner.failure.empty()) event.why += ": " + inner.failure;
  return {};
}

// ---- what became of it

Status AutomationRun::save(const std::set<std::size_t>& changed) {
  const auto& machine = state_.machine;
  std::vector<automations::Step> steps;
  for (const auto index : changed) {
    const auto& run = machine.steps[index];
    auto& step = steps.emplace_back();
    step.execution_id = row_.execution_id;
    step.position = static_cast<std::uint32_t>(index);
    step.status = word(run.status);
    step.inputs = json::to_text(run.inputs);
    step.outputs = json::to_text(run.outputs);
    step.failure = run.why;
    step.started_at = run.started_at;
    step.finished_at = run.finished_at;
  }
  BELAY_TRY(automations::update_steps(sql_, steps));
  const bool over = automation::is_over(machine.status);
  row_.status = word(machine.status);
  row_.current_step = row_.current_action = "";
  if (machine.current && !over) {
    row_.current_step = runbook_.steps[*machine.current].name;
    row_.current_action = runbook_.steps[*machine.current].action;
  }
  row_.outputs = json::encode_text(machine.outputs);
  row_.failure = sanitize(machine.why, automations::kFailureBytesMax);
  row_.finished_at = machine.finished_at;
  return automations::update(sql_, row_);
}

}  // namespace belay::server
