#pragma once
// What a command was sent with, checked and resolved: kept with it, so that nothing outside can change it later.
#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/baseline/baseline.hpp"
#include "core/baseline/override_list.hpp"
#include "core/command/machine.hpp"
#include "core/document/run.hpp"
#include "core/patchrun/order.hpp"
#include "server/engine/documents.hpp"
#include "server/engine/override_documents.hpp"
#include "server/engine/parent.hpp"

namespace belay::server {

// Of one belay:patch step.
struct PatchOptions {
  std::string operation;  // "Scan", "Install"
  patchrun::Reboot reboot = patchrun::Reboot::if_needed;
  std::string snapshot_id;
  bool has_override_list = false;
  std::vector<baseline::OverridePatch> override_list;  // InstallOverrideList
  std::vector<baseline::PatchBaseline> baseline_override;
  std::string change_set_id;
  bool leave_if_nothing_missing = false;
};
// invalid_argument "InvalidParameters" that names the parameter. What it names by address must be here as text.
Result<PatchOptions> patch_options(const document::Patch& step);

struct CommandOptions {
  std::string document, document_version;
  std::vector<document::Step> steps;
  document::Run run;  // begun: the first step to do is in progress
};
BOOST_DESCRIBE_STRUCT(CommandOptions, (), (document, document_version, steps, run))

using ParameterValues = std::map<std::string, std::vector<std::string>>;
// Expands the document for Linux nodes, checks every patch step and freezes what it names by address.
Result<CommandOptions> command_options(const FoundDocument& document, const ParameterValues& parameters,
                                       const document::Resolver& resolver, const Fetching& fetching, Instant now);

// Checks one expanded step, and freezes what it names by address.
Status settle_step(document::Step& step, const Fetching& fetching);

// The step in progress that is no document of documents; nullopt where the run is over.
std::optional<std::size_t> step_at_work(std::span<const document::Step> steps, const document::Run& run);
// What core/command does for the step at work, and those after it that the node does in one go.
command::Segment segment_for(std::span<const document::Step> steps, const document::Run& run);
// The name that an invocation shows for a document of one step; the action of built-in ones, as AWS has it.
std::string plugin_name_of(const CommandOptions& options, bool built_in);

// The state of the execution; the invocations' own states are kept in their rows.
struct CommandState {
  command::Settings settings;
  bool stopped = false;
  bool cancel_wanted = false;
  std::optional<Parent> parent;  // told of the end
  std::string turn;              // names the turn that saved this; see command_cache.hpp
};
BOOST_DESCRIBE_STRUCT(CommandState, (), (settings, stopped, cancel_wanted, parent, turn))

// How far a document of several segments came on one node; kept in its invocation.
struct DocumentProgress {
  std::vector<document::Step> steps;  // empty: the command's own
  document::Run run;
};
BOOST_DESCRIBE_STRUCT(DocumentProgress, (), (steps, run))

inline constexpr std::string_view kCommandKind = "command";

}  // namespace belay::server
