#pragma once
// What people say to a running automation: SendAutomationSignal and StopAutomationExecution.
#include "core/automation/machine.hpp"

namespace belay::automation {

// From SSM's SignalType and Payload: Comment of Approve and Reject, StepName of StartStep and Resume, StepExecutionId
// (or StepName) of StopStep; `step` of the event is the name or id that was given. "InvalidAutomationSignalException":
// no such type, one that means nothing here (Revoke), or the payload lacks what it needs.
Result<Event> event_of_signal(std::string_view type, const std::map<std::string, Texts>& payload, std::string who);

// Whether a signal or a stop fits where the execution is, for the API to answer with before it is sent on:
// "InvalidAutomationSignalException", "AutomationStepNotFoundException", "InvalidAutomationStatusUpdateException", each
// saying what it waits for.
Result<void> check_signal(const Runbook& runbook, const Execution& execution, const Event& event);

// "alice" of "arn:aws:iam::1:user/alice".
std::string plain_user(std::string_view who);
// What a step that asks for approvals asks; empty where it does not.
Approve approval_of(const RunbookStep& step, const StepRun& run);
bool may_decide(const Approve& approval, const std::string& who);

}  // namespace belay::automation
