#pragma once
// A Command document: SSM's schema 1.2 (runtimeConfig), 2.0 and 2.2 (mainSteps), in JSON or YAML.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/document/parameters.hpp"
#include "core/document/script.hpp"
#include "core/document/steps.hpp"

namespace belay::document {

struct Precondition {
  std::string left, right;  // of StringEquals: "platformType", a word, or "{{ parameter }}"
};

struct StepTemplate {
  std::string name, action, path;
  std::optional<Precondition> precondition;
  OnFailure on_failure = OnFailure::proceed;
  bool exit_on_success = false;
  bool finally = false;
  bool foreign = false;                  // a plugin of another platform, behind a precondition that says so
  json::Object inputs;                   // checked against the plugin; not substituted
  std::shared_ptr<const Script> script;  // of aws:runShellScript
};

struct CommandDocument {
  std::string schema_version, description;
  std::vector<Parameter> parameters;
  std::vector<StepTemplate> steps;
};

// invalid_argument "InvalidDocumentSchemaVersion", "InvalidDocumentContent" with every problem, its field and line:
// unknown fields and plugins, inputs of the wrong shape, {{ names }} that are not declared, parameters nobody uses,
// steps of one name; "MaxDocumentSizeExceeded".
Result<CommandDocument> parse_command_document(std::string_view content, Format format);

// PlatformTypes as the API shows them: those that some step is for. A step without a precondition is for Linux.
std::vector<std::string> platform_types(const CommandDocument& document);

// What is not there yet, in words, of AWS's plugins that this version does not run; "" for an unknown name.
std::string_view plugin_not_there_yet(std::string_view action);

}  // namespace belay::document
