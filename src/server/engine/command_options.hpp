#pragma once
// What a command was sent with, checked and resolved: kept with it, so that nothing outside can change it later.
#include <boost/describe.hpp>
#include <map>
#include <string>
#include <vector>

#include "core/baseline/baseline.hpp"
#include "core/baseline/override_list.hpp"
#include "core/command/machine.hpp"
#include "core/patchrun/order.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/parent.hpp"

namespace belay::server {

struct CommandOptions {
  std::string document;   // its name
  std::string operation;  // "Scan", "Install", "" for a script
  patchrun::Reboot reboot = patchrun::Reboot::if_needed;
  std::string snapshot_id;
  bool has_override_list = false;
  std::vector<baseline::OverridePatch> override_list;  // InstallOverrideList
  std::vector<baseline::PatchBaseline> baseline_override;
  std::string change_set_id;
  std::vector<std::string> shell_commands;
  std::string working_directory;
  Duration shell_timeout{3'600'000};
};
BOOST_DESCRIBE_STRUCT(CommandOptions, (),
                      (document, operation, reboot, snapshot_id, has_override_list, override_list, baseline_override,
                       change_set_id, shell_commands, working_directory, shell_timeout))

// invalid_argument "InvalidParameters" that names the parameter.
Result<CommandOptions> read_options(const Document& document,
                                    const std::map<std::string, std::vector<std::string>>& parameters);
command::Shape shape_of(const CommandOptions& options);

// The state of the execution; the invocations' own states are kept in their rows.
struct CommandState {
  command::Settings settings;
  bool stopped = false;
  bool cancel_wanted = false;
  std::optional<Parent> parent;  // told of the end
};
BOOST_DESCRIBE_STRUCT(CommandState, (), (settings, stopped, cancel_wanted, parent))

inline constexpr std::string_view kCommandKind = "command";

}  // namespace belay::server
