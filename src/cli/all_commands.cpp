#include "cli/commands.hpp"

namespace belay::cli {

std::vector<CommandSpec> all_commands() {
  return {
      nodes_command(),   activation_command(),  scan_command(),       plan_command(),      pool_command(),
      patch_command(),   baseline_command(),    compliance_command(), inventory_command(), remedy_command(),
      command_command(), document_command(),    tag_command(),        audit_command(),     schedule_command(),
      window_command(),  association_command(), automation_command(), rollout_command(),   rollback_command(),
      where_command(),   quarantine_command(),  diff_command(),       exception_command(), state_command(),
      vault_command(),   backup_command(),      restore_command(),    user_command(),      version_compare_command()};
}

}  // namespace belay::cli
