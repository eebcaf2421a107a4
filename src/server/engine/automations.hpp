#pragma once
// Automations: runbooks that are run, each a durable execution; over targets, one that starts an execution for each.
// automation_kind.hpp drives them (docs/machines/automation.md). All in the caller's transaction.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/automation/fan_out.hpp"
#include "server/engine/commands.hpp"
#include "store/automations.hpp"

namespace belay::server {

inline constexpr std::string_view kAutomationKind = "automation";  // one run of a runbook
inline constexpr std::string_view kAutomationFanOutKind = "automation_fan_out";
inline constexpr std::string_view kAutomationTagged = "Automation";  // SSM's word for what the tags are on
inline constexpr std::int64_t kAutomationsMax = 5'000;               // that run at once, inner ones too
inline constexpr std::size_t kAutomationTargetsMax = 2'000;          // of one

// As an execution was started: kept with it, and never changed.
struct AutomationSettings {
  automation::Mode mode = automation::Mode::Auto;
  std::map<std::string, std::vector<std::string>> parameters;
  std::string target_parameter;  // "" where it is not over targets
  std::vector<Target> targets;   // as asked
  std::uint32_t target_count = 0;
  std::string max_concurrency, max_errors;
  std::string acts_for;     // the user: it may do what they may do
  std::uint32_t depth = 0;  // of automations around it
  std::vector<std::map<std::string, std::vector<std::string>>> target_maps{};
};
BOOST_DESCRIBE_STRUCT(AutomationSettings, (),
                      (mode, parameters, target_parameter, targets, target_count, max_concurrency, max_errors, acts_for,
                       depth, target_maps))

struct StartAutomationRequest {
  std::string document, document_version;
  std::map<std::string, std::vector<std::string>> parameters;
  automation::Mode mode = automation::Mode::Auto;
  std::string target_parameter;                                                // with targets: one execution for each
  std::vector<Target> targets;                                                 // ParameterValues, or what names nodes
  std::vector<std::map<std::string, std::vector<std::string>>> target_maps{};  // or these: one execution for each
  std::optional<std::vector<std::string>> target_values{};  // resolved already: `targets` is only shown
  std::string max_concurrency, max_errors;
  std::string requested_by;  // shown
  std::string acts_for;      // the user whose permissions it has
  std::uint32_t depth = 0;
  std::string parent_id{};         // the automation around it
  std::optional<Parent> parent{};  // told when it has ended
};
// With its audit entry. Nothing is written where it is refused: "AutomationDefinitionNotFoundException",
// "AutomationDefinitionVersionNotFoundException", "InvalidAutomationExecutionParametersException", "InvalidTarget",
// "AutomationExecutionLimitExceededException".
Result<store::automations::Execution> start_automation(store::Sql& sql, const StartAutomationRequest& request,
                                                       Instant now);
// The execution of one target of `around`, which is over targets.
Result<store::automations::Execution> start_automation_of_target(store::Sql& sql,
                                                                 const store::automations::Execution& around,
                                                                 const automation::Child& child, std::string key,
                                                                 Instant now);

// not_found "AutomationExecutionNotFoundException".
Result<store::automations::Execution> find_automation(store::Sql& sql, std::string_view execution_id);
// A signal, or a stop (cancel, complete), checked against where the execution is: errors of automation::check_signal.
// A step may be named by its id.
Status signal_automation(store::Sql& sql, std::string_view execution_id, automation::Event event, Instant now);
// Asks it to stop; ok where it has ended or is forgotten.
Status cancel_automation(store::Sql& sql, std::string_view execution_id, Instant now);

Result<AutomationSettings> settings_of(const store::automations::Execution& execution);
// The runbook that the execution began with.
Result<automation::Runbook> runbook_of(store::Sql& sql, const store::automations::Execution& execution);

}  // namespace belay::server
