#include "server/engine/command_options.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "core/document/built_in.hpp"

namespace belay::server {
namespace {

constexpr Duration kOtherStepTime{1'800'000};  // of a step that says no time: a download, an inventory
constexpr Duration kRebootTime{900'000};
constexpr Duration kMargin{120'000};  // what the node's own clock ends comes to be known before ours does
constexpr std::size_t kScriptBytesMax = 1u << 20;

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what), "InvalidParameters"); }

Status freeze(std::string& text, std::string_view name, const Fetching& fetching) {
  if (!fetching.allowed && text.starts_with("https://"))
    return refuse(std::string(name) + " is an address: where nobody waits for it, give the text itself");
  BELAY_TRY_ASSIGN(text, fetch_override(text, fetching));
  return {};
}

Status check_script(const document::RunShellScript& script) {
  std::size_t bytes = 0;
  for (const auto& line : script.commands) bytes += line.size() + 1;
  if (script.commands.empty() || bytes > kScriptBytesMax)
    return refuse("the script must hold 1 byte to 1 MiB, parameters included");
  return {};
}

Duration time_of(const document::Step& step) {
  if (const auto* script = std::get_if<document::RunShellScript>(&step.work)) return script->timeout;
  if (std::holds_alternative<document::Reboot>(step.work)) return kRebootTime;
  return kOtherStepTime;
}

bool is_patch(const document::Step& step) { return std::holds_alternative<document::Patch>(step.work); }

}  // namespace

Result<PatchOptions> patch_options(const document::Patch& step) {
  PatchOptions options;
  options.operation = step.operation;
  options.reboot = step.reboot_option == "NoReboot" ? patchrun::Reboot::never : patchrun::Reboot::if_needed;
  options.snapshot_id = step.snapshot_id;
  options.change_set_id = step.change_set_id;
  options.leave_if_nothing_missing = step.leave_if_nothing_missing;
  if (!options.snapshot_id.empty() && !is_uuid(options.snapshot_id)) return refuse("parameter SnapshotId is no GUID");
  if (!options.change_set_id.empty() && !is_id("cs", options.change_set_id))
    return refuse("parameter ChangeSetId is no change set's id (cs-…)");
  const bool list = !step.install_override_list.empty();
  if (list && options.operation != "Install") return refuse("InstallOverrideList goes with Operation=Install only");
  if (list && !step.baseline_override.empty())
    return refuse("InstallOverrideList and BaselineOverride exclude each other");
  if (list) {
    BELAY_TRY_ASSIGN(options.override_list, parse_override_list(step.install_override_list));
    options.has_override_list = true;
  }
  if (!step.baseline_override.empty()) {
    BELAY_TRY_ASSIGN(options.baseline_override, parse_baseline_override(step.baseline_override));
  }
  return options;
}

Status settle_step(document::Step& step, const Fetching& fetching) {
  if (!step.skip.empty()) return {};
  if (const auto* script = std::get_if<document::RunShellScript>(&step.work)) return check_script(*script);
  auto* patch = std::get_if<document::Patch>(&step.work);
  if (!patch) return {};
  BELAY_TRY(freeze(patch->install_override_list, "InstallOverrideList", fetching));
  BELAY_TRY(freeze(patch->baseline_override, "BaselineOverride", fetching));
  const auto options = patch_options(*patch);
  return options.ok() ? Status() : Status(options.error());
}

Result<CommandOptions> command_options(const FoundDocument& found, const ParameterValues& parameters,
                                       const document::Resolver& resolver, const Fetching& fetching, Instant now) {
  if (found.document_type != "Command")
    return Error(
        Code::invalid_argument,
        "document " + found.name + " is of the type " + found.document_type + "; only Command documents are sent",
        "InvalidDocument");
  BELAY_TRY_ASSIGN(const auto document,
                   document::parse_command_document(found.content, found.format).within("document " + found.name));
  CommandOptions options;
  options.document = found.name;
  options.document_version = found.version;
  BELAY_TRY_ASSIGN(options.steps, document::expand(document, parameters, {}, resolver));
  for (auto& step : options.steps) BELAY_TRY(settle_step(step, fetching).within("step " + step.name));
  options.run = document::new_run(options.steps);
  document::step(options.steps, options.run, {}, now);
  return options;
}

std::optional<std::size_t> step_at_work(std::span<const document::Step> steps, const document::Run& run) {
  for (std::size_t i = 0; i < steps.size() && i < run.steps.size(); ++i)
    if (run.steps[i].status == document::StepStatus::InProgress && document::inner_steps_of(steps[i]) == 0) return i;
  return std::nullopt;
}

command::Segment segment_for(std::span<const document::Step> steps, const document::Run& run) {
  const auto at = step_at_work(steps, run);
  if (at && is_patch(steps[*at])) {
    const bool install = std::get<document::Patch>(steps[*at].work).operation == "Install";
    return {install ? command::Shape::install : command::Shape::scan, {}};
  }
  command::Segment segment{command::Shape::steps, kMargin};
  for (auto i = at.value_or(steps.size()); i < steps.size() && !is_patch(steps[i]); ++i)
    segment.time += time_of(steps[i]);
  return segment;
}

std::string plugin_name_of(const CommandOptions& options, bool built_in) {
  if (options.steps.empty()) return options.document;
  const auto& only = options.steps.front();
  return built_in && options.steps.size() == 1 ? only.action : only.name;
}

}  // namespace belay::server
