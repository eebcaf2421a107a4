#include "core/automation/signals.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::automation {
namespace {

using enum Status;

Error no_signal(std::string what) {
  return Error(Code::invalid_argument, std::move(what), "InvalidAutomationSignalException");
}

struct SignalRow {
  std::string_view type;
  EventKind event;
  std::string_view step_field;  // of the payload, that names the step
};
constexpr SignalRow kSignals[] = {
    {"Approve", EventKind::approve, ""},
    {"Reject", EventKind::reject, ""},
    {"Resume", EventKind::resume, "StepName"},
    {"StartStep", EventKind::start_step, "StepName"},
    {"StopStep", EventKind::stop_step, "StepExecutionId"},
};

std::string first(const std::map<std::string, Texts>& payload, const std::string& name) {
  const auto at = payload.find(name);
  return at == payload.end() || at->second.empty() ? "" : at->second.front();
}

}  // namespace

Result<Event> event_of_signal(std::string_view type, const std::map<std::string, Texts>& payload, std::string who) {
  const auto* row = std::ranges::find(kSignals, type, &SignalRow::type);
  if (row == std::end(kSignals))
    return no_signal("SignalType '" + sanitize(type, 40) + "' " +
                     (type == "Revoke" ? "takes back access that was requested, which is not offered here; "
                                         "StopAutomationExecution ends the execution"
                                       : "is none of Approve, Reject, Resume, StartStep, StopStep"));
  Event event;
  event.kind = row->event;
  event.who = std::move(who);
  event.comment = first(payload, "Comment");
  event.step = first(payload, "StepName");
  if (event.step.empty()) event.step = first(payload, "StepExecutionId");
  if (!row->step_field.empty() && event.step.empty())
    return no_signal(std::string(type) + " needs " + std::string(row->step_field) + " in its Payload");
  return event;
}

std::string plain_user(std::string_view who) {
  const auto slash = who.rfind('/');
  return std::string(who.starts_with("arn:") && slash != std::string_view::npos ? who.substr(slash + 1) : who);
}

Approve approval_of(const RunbookStep& step, const StepRun& run) {
  const auto request = build_request(step.action, run.inputs);
  return request.ok() && std::holds_alternative<Approve>(*request) ? std::get<Approve>(*request) : Approve{};
}
bool may_decide(const Approve& approval, const std::string& who) {
  return std::ranges::any_of(approval.approvers,
                             [&](const std::string& one) { return plain_user(one) == plain_user(who); });
}

Result<void> check_signal(const Runbook& runbook, const Execution& execution, const Event& event) {
  const bool is_stop = event.kind == EventKind::cancel || event.kind == EventKind::complete;
  if (is_over(execution.status)) {
    const auto what =
        std::string("the execution has ended with ") + boost::describe::enum_to_string(execution.status, "?");
    if (!is_stop) return no_signal(what);
    return Error(Code::conflict, what, "InvalidAutomationStatusUpdateException");
  }
  if (is_stop) return {};
  if (!event.step.empty() && std::ranges::find(runbook.steps, event.step, &RunbookStep::name) == runbook.steps.end())
    return Error(Code::not_found, "there is no step '" + sanitize(event.step, 60) + "'",
                 "AutomationStepNotFoundException");
  if (!execution.current) return no_signal("the execution has not begun");
  const auto& step = runbook.steps[*execution.current];
  const auto& run = execution.steps[*execution.current];
  const auto here = "the execution is at step " + step.name + " (" + step.action + ", " +
                    boost::describe::enum_to_string(run.status, "?") + ")";
  if (!event.step.empty() && event.step != step.name) return no_signal(here + ", not at " + event.step);
  const bool waits = run.status == Waiting;
  switch (event.kind) {
    case EventKind::approve:
    case EventKind::reject:
      if (!waits || step.action != Approve::kKind) return no_signal(here + ", which waits for no approval");
      if (!may_decide(approval_of(step, run), event.who))
        return no_signal(sanitize(event.who, 60) + " is not among the approvers of step " + step.name);
      return {};
    case EventKind::resume:
      if (!waits || step.action != Pause::kKind) return no_signal(here + ", which is no pause");
      return {};
    case EventKind::start_step:
      if (execution.mode != Mode::Interactive || run.status != Pending || run.attempt > 0)
        return no_signal(here + ", which does not wait to be started");
      return {};
    case EventKind::stop_step:
      if (!waits && run.status != InProgress) return no_signal(here + ", which does not run");
      return {};
    default: return no_signal("no signal");
  }
}

}  // namespace belay::automation
