#pragma once
// Executions of the kinds "automation" (core/automation's machine over one runbook) and "automation_fan_out" (one
// runbook over targets), and the door for others that start automations.
#include <boost/describe.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "server/engine/automations.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/window_kind.hpp"

namespace belay::server {

struct AutomationState {
  automation::Execution machine;
  std::optional<Parent> parent;
  std::map<std::string, std::string> begun;  // "step attempt": the command or automation that it started
};
BOOST_DESCRIBE_STRUCT(AutomationState, (), (machine, parent, begun))

struct AutomationFanOutState {
  automation::FanOut machine;
  std::optional<Parent> parent;
};
BOOST_DESCRIBE_STRUCT(AutomationFanOutState, (), (machine, parent))

inline constexpr json::Limits kAutomationStateLimits{.bytes_max = store::kTextBytesMax, .depth_max = 64};

std::unique_ptr<ExecutionKind> make_automation_kind();
std::unique_ptr<ExecutionKind> make_automation_fan_out_kind();
// For AUTOMATION tasks of maintenance windows.
std::unique_ptr<TaskStarter> make_automation_starter();

// Whether an AUTOMATION task's document is there and takes its parameters: invalid_argument that names the field.
Status check_automation_task(store::Sql& sql, std::string_view document, const WindowTask& task);

// What a parent is told of the end.
ChildEnded ended_of(const store::automations::Execution& execution, std::uint32_t errors);

}  // namespace belay::server
