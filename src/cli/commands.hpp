#pragma once
// One file a command; each makes its row of the command line.
#include "cli/command_line.hpp"

namespace belay::cli {

CommandSpec nodes_command();
CommandSpec activation_command();
CommandSpec scan_command();
CommandSpec plan_command();
CommandSpec pool_command();
CommandSpec patch_command();
CommandSpec baseline_command();
CommandSpec compliance_command();
CommandSpec command_command();
CommandSpec document_command();
CommandSpec tag_command();
CommandSpec audit_command();
CommandSpec inventory_command();
CommandSpec remedy_command();
CommandSpec schedule_command();
CommandSpec window_command();
CommandSpec association_command();
CommandSpec automation_command();
CommandSpec rollout_command();
CommandSpec rollback_command();
CommandSpec where_command();
CommandSpec quarantine_command();
CommandSpec diff_command();
CommandSpec exception_command();
CommandSpec state_command();
CommandSpec vault_command();
CommandSpec backup_command();
CommandSpec restore_command();
CommandSpec user_command();
CommandSpec version_compare_command();

}  // namespace belay::cli
