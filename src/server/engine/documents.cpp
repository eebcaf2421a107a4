#include <algorithm>
#include <charconv>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "server/engine/command_options.hpp"
#include "server/engine/override_documents.hpp"

namespace belay::server {
namespace {
using Parameters = std::map<std::string, std::vector<std::string>>;

constexpr std::int64_t kShellSecondsMax = 172'800;
constexpr std::size_t kShellBytesMax = 1u << 20;

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what), "InvalidParameters"); }

std::string one(const Parameters& parameters, const Document& document, const std::string& name) {
  const auto at = parameters.find(name);
  if (at != parameters.end() && !at->second.empty()) return at->second.front();
  const auto described = std::ranges::find(document.parameters, name, &DocumentParameter::name);
  return described == document.parameters.end() ? "" : std::string(described->default_value);
}

Status check_parameter(const DocumentParameter& described, const std::vector<std::string>& values) {
  const std::string name(described.name);
  if (described.type == "String" && values.size() != 1) return refuse("parameter " + name + " takes one value");
  if (described.allowed.empty()) return {};
  const auto allowed = split(described.allowed, ',');
  for (const auto& value : values)
    if (std::ranges::find(allowed, value) == allowed.end())
      return refuse("parameter " + name + " is '" + sanitize(value, 60) + "': expected one of " +
                    std::string(described.allowed));
  return {};
}

Status check_parameters(const Document& document, const Parameters& parameters) {
  for (const auto& [name, values] : parameters) {
    const auto described = std::ranges::find(document.parameters, name, &DocumentParameter::name);
    if (described == document.parameters.end())
      return refuse("the document " + std::string(document.name) + " has no parameter '" + sanitize(name, 60) + "'");
    BELAY_TRY(check_parameter(*described, values));
  }
  for (const auto& described : document.parameters)
    if (described.required && !parameters.contains(std::string(described.name)))
      return refuse("the document " + std::string(document.name) + " needs the parameter " +
                    std::string(described.name));
  return {};
}

patchrun::Reboot reboot_of(const std::string& option) {
  return option == "NoReboot" ? patchrun::Reboot::never : patchrun::Reboot::if_needed;
}

Status read_patch_options(const Document& document, const Parameters& parameters, CommandOptions& options) {
  options.operation = one(parameters, document, "Operation");
  options.reboot = reboot_of(one(parameters, document, "RebootOption"));
  options.snapshot_id = one(parameters, document, "SnapshotId");
  if (!options.snapshot_id.empty() && !is_uuid(options.snapshot_id)) return refuse("parameter SnapshotId is no GUID");
  const auto list = one(parameters, document, "InstallOverrideList");
  const auto override_text = one(parameters, document, "BaselineOverride");
  if (!list.empty() && options.operation != "Install")
    return refuse("InstallOverrideList goes with Operation=Install only");
  if (!list.empty() && !override_text.empty())
    return refuse("InstallOverrideList and BaselineOverride exclude each other");
  if (!list.empty()) {
    BELAY_TRY_ASSIGN(const auto text, fetch_override(list));
    BELAY_TRY_ASSIGN(options.override_list, parse_override_list(text));
    options.has_override_list = true;
  }
  if (!override_text.empty()) {
    BELAY_TRY_ASSIGN(const auto text, fetch_override(override_text));
    BELAY_TRY_ASSIGN(options.baseline_override, parse_baseline_override(text));
  }
  return {};
}

Status read_shell_options(const Document& document, const Parameters& parameters, CommandOptions& options) {
  options.shell_commands = parameters.at("commands");
  options.working_directory = one(parameters, document, "workingDirectory");
  const auto text = one(parameters, document, "executionTimeout");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 1 || seconds > kShellSecondsMax)
    return refuse("parameter executionTimeout is '" + sanitize(text, 40) + "': expected 1 to 172800 seconds");
  options.shell_timeout = Duration(seconds * 1000);
  std::size_t bytes = 0;
  for (const auto& line : options.shell_commands) bytes += line.size() + 1;
  if (options.shell_commands.empty() || bytes > kShellBytesMax)
    return refuse("parameter commands must hold 1 byte to 1 MiB of script");
  if (options.working_directory.size() > 4096) return refuse("parameter workingDirectory is too long");
  return {};
}

}  // namespace

const std::vector<Document>& built_in_documents() {
  static const std::vector<Document> documents = {
      {DocumentKind::run_patch_baseline,
       "AWS-RunPatchBaseline",
       "aws:runPatchBaseline",
       "Scans nodes against their patch baseline, or installs what it approves.",
       {{"Operation", "String", "", true, "Scan,Install", "what to do"},
        {"SnapshotId", "String", "", false, "",
         "a GUID: every node with it is judged under the same frozen baseline, for 3 days"},
        {"InstallOverrideList", "String", "", false, "",
         "patches to install instead of what the baseline approves: YAML or JSON, or its https address"},
        {"BaselineOverride", "String", "", false, "",
         "baselines to use instead, as JSON or its https address; nothing is kept as compliance"},
        {"RebootOption", "String", "RebootIfNeeded", false, "RebootIfNeeded,NoReboot", "whether nodes may reboot"},
        {"AssociationId", "String", "", false, "", "taken and not used"}}},
      {DocumentKind::run_shell_script,
       "AWS-RunShellScript",
       "aws:runShellScript",
       "Runs a shell script on Linux nodes.",
       {{"commands", "StringList", "", true, "", "the lines of the script"},
        {"workingDirectory", "String", "", false, "", "where it runs"},
        {"executionTimeout", "String", "3600", false, "", "seconds, at most 172800"}}},
      {DocumentKind::apply_change_set,
       "Belay-ApplyChangeSet",
       "belay:applyChangeSet",
       "Installs exactly the versions of a frozen change set.",
       {{"ChangeSetId", "String", "", true, "", "the change set, status Ready"},
        {"RebootOption", "String", "RebootIfNeeded", false, "RebootIfNeeded,NoReboot", "whether nodes may reboot"}}},
  };
  return documents;
}

const Document* find_document(std::string_view name) {
  if (const auto slash = name.rfind('/'); name.starts_with("arn:") && slash != std::string_view::npos)
    name.remove_prefix(slash + 1);
  for (const auto& document : built_in_documents())
    if (document.name == name) return &document;
  return nullptr;
}

Result<CommandOptions> read_options(const Document& document, const Parameters& parameters) {
  BELAY_TRY(check_parameters(document, parameters));
  CommandOptions options;
  options.document = document.name;
  switch (document.kind) {
    case DocumentKind::run_patch_baseline: BELAY_TRY(read_patch_options(document, parameters, options)); break;
    case DocumentKind::run_shell_script: BELAY_TRY(read_shell_options(document, parameters, options)); break;
    case DocumentKind::apply_change_set:
      options.operation = "Install";
      options.change_set_id = one(parameters, document, "ChangeSetId");
      options.reboot = reboot_of(one(parameters, document, "RebootOption"));
      if (!is_id("cs", options.change_set_id)) return refuse("parameter ChangeSetId is no change set's id (cs-…)");
      break;
  }
  return options;
}

command::Shape shape_of(const CommandOptions& options) {
  if (options.operation == "Install") return command::Shape::install;
  if (options.operation == "Scan") return command::Shape::scan;
  return command::Shape::shell;
}

}  // namespace belay::server
