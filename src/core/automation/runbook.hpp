#pragma once
// An Automation document (a runbook): SSM's schema 0.3, in JSON or YAML.
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/automation/condition.hpp"
#include "core/automation/json_path.hpp"
#include "core/document/parameters.hpp"

namespace belay::automation {

inline constexpr std::size_t kRunbookStepsMax = 100;
inline constexpr std::uint32_t kAttemptsMax = 10;

struct OutputRule {
  std::string name;
  JsonPath selector;
  document::ParameterType type = document::ParameterType::String;
};

enum class OnFailure { abort, proceed, jump };
BOOST_DESCRIBE_ENUM(OnFailure, abort, proceed, jump)

struct RunbookStep {
  std::string name, action, description;
  json::Object inputs;  // checked against the action; references not replaced
  OnFailure on_failure = OnFailure::abort;
  std::string failure_step;  // with jump
  std::string cancel_step;   // onCancel: step:NAME; "" aborts
  std::string next_step;     // "" is the one after it
  bool is_end = false;
  bool is_critical = true;  // whether its failure makes the whole fail where it goes on
  std::uint32_t attempts_max = 1;
  Duration timeout{3'600'000};
  bool timeout_given = false;  // by the document
  std::vector<OutputRule> outputs;
  std::vector<Choice> choices;  // of aws:branch
  std::string default_step;
};

struct Runbook {
  std::string description, assume_role;
  std::vector<document::Parameter> parameters;
  std::vector<std::string> outputs;  // "step.Output"
  std::vector<RunbookStep> steps;
};

// Errors as parse_command_document's: every problem with field and line. Refused besides: actions that are not there
// yet, by name; jumps to steps that do not exist or stand before (so every execution ends); references to steps that
// do not stand before, and to outputs they do not have.
Result<Runbook> parse_runbook(std::string_view content, document::Format format);

inline constexpr std::size_t kInnerRunbooksMax = 200;

// Refuses a runbook that runs itself, by whatever way round: invalid_argument that names the way. Runbooks named with
// references, and such as the resolver does not find, are not followed. resource_exhausted beyond kInnerRunbooksMax.
using RunbookResolver = std::function<Result<Runbook>(const std::string& name, const std::string& version)>;
Status check_inner_runbooks(const std::string& name, const Runbook& runbook, const RunbookResolver& resolver);
// The documents and runbooks that its steps run and that are named outright.
std::vector<std::string> documents_named(const Runbook& runbook);

// The names of outputs an action has by itself.
std::vector<std::string_view> outputs_of_action(std::string_view action);

}  // namespace belay::automation
