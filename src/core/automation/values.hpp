#pragma once
// What {{ names }} stand for while an automation runs, and what becomes of a step's outputs. Of use inside this room.
#include "core/automation/machine.hpp"

namespace belay::automation {

// A parameter, a step's output, or one of automation:EXECUTION_ID, global:DATE, global:DATE_TIME, global:REGION; a path
// may follow. invalid_argument where there is no value, saying why. Refers to what it is given.
document::ValueOf values_of(const Runbook& runbook, const Execution& execution, Instant now);

// A step's inputs with every reference replaced. What goes on to another document (Parameters of aws:runCommand,
// RuntimeParameters of aws:executeAutomation) may become a script there, and a value must not bring commands of its
// own: a parameter of the runbook that is handed on whole goes as it is, since the document guards what it is given;
// every other value, a step's output above all, must be harmless (document::is_harmless), or stand in the runbook
// itself as the default or one of allowedValues. invalid_argument names the reference.
Result<json::Object> fill_inputs(const RunbookStep& step, const Runbook& runbook, const Execution& execution,
                                 Instant now);

// The outputs an action gave, with those that the step's own rules pick out of them. invalid_argument names the output.
Result<json::Object> pick_outputs(const RunbookStep& step, const json::Object& given);

// The runbook's own outputs; those of steps that did not give them are left out.
std::map<std::string, Texts> final_outputs(const Runbook& runbook, const Execution& execution, Instant now);

}  // namespace belay::automation
