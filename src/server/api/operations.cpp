// The operation table. The permission of a row is "ssm:Name" (ours: "belay:Name"); request and reply are described
// under its name in shapes/.
#include <algorithm>

#include "server/api/handlers.hpp"

namespace belay::server {
namespace {

using enum Effect;

constexpr OperationRow kRows[] = {
    // name                                      handler                                       effect
    {"AddTagsToResource", add_tags_to_resource, sets},
    {"CancelCommand", cancel_command, sets},
    {"CreateActivation", create_activation, makes},
    {"CreateChangeSet", create_change_set, makes},
    {"CreatePatchBaseline", create_patch_baseline, makes},
    {"DeleteActivation", delete_activation, sets},
    {"DeleteInventory", delete_inventory, makes},
    {"DeletePatchBaseline", delete_patch_baseline, sets},
    {"DeregisterManagedInstance", deregister_managed_instance, sets},
    {"DeregisterPatchBaselineForPatchGroup", deregister_patch_baseline_for_patch_group, sets},
    {"DescribeActivations", describe_activations},
    {"DescribeAvailablePatches", describe_available_patches},
    {"DescribeChangeSets", describe_change_sets},
    {"DescribeClonedNodes", describe_cloned_nodes},
    {"DescribeEffectivePatchesForPatchBaseline", describe_effective_patches_for_patch_baseline},
    {"DescribeInstanceInformation", describe_instance_information},
    {"DescribeInstancePatchStates", describe_instance_patch_states},
    {"DescribeInstancePatchStatesForPatchGroup", describe_instance_patch_states_for_patch_group},
    {"DescribeInstancePatches", describe_instance_patches},
    {"DescribeInventoryDeletions", describe_inventory_deletions},
    {"DescribeNodeCompliance", describe_node_compliance},
    {"DescribePatchBaselines", describe_patch_baselines},
    {"DescribePatchGroupState", describe_patch_group_state},
    {"DescribePatchGroups", describe_patch_groups},
    {"DescribePatchProperties", describe_patch_properties},
    {"GetChangeSet", get_change_set},
    {"GetCommandInvocation", get_command_invocation},
    {"GetDefaultPatchBaseline", get_default_patch_baseline},
    {"GetDeployablePatchSnapshotForInstance", get_deployable_patch_snapshot_for_instance},
    {"GetFleetReport", get_fleet_report},
    {"GetInventory", get_inventory},
    {"GetInventorySchema", get_inventory_schema},
    {"GetNode", get_node},
    {"GetNodeEvidence", get_node_evidence},
    {"GetPatchBaseline", get_patch_baseline},
    {"GetPatchBaselineForPatchGroup", get_patch_baseline_for_patch_group},
    {"ListAudit", list_audit},
    {"ListCommandInvocations", list_command_invocations},
    {"ListCommands", list_commands},
    {"ListComplianceItems", list_compliance_items},
    {"ListComplianceSummaries", list_compliance_summaries},
    {"ListInventoryEntries", list_inventory_entries},
    {"ListResourceComplianceSummaries", list_resource_compliance_summaries},
    {"ListTagsForResource", list_tags_for_resource},
    {"PutComplianceItems", put_compliance_items, sets},
    {"PutInventory", put_inventory, sets},
    {"RegisterDefaultPatchBaseline", register_default_patch_baseline, sets},
    {"RegisterPatchBaselineForPatchGroup", register_patch_baseline_for_patch_group, sets},
    {"RemoveTagsFromResource", remove_tags_from_resource, sets},
    {"SendCommand", send_command, makes},
    {"SettleClonedNode", settle_cloned_node, sets},
    {"UpdateManagedInstanceRole", update_managed_instance_role, sets},
    {"UpdatePatchBaseline", update_patch_baseline, sets},
    {"VerifyAudit", verify_audit},
};

}  // namespace

std::span<const OperationRow> operation_rows() { return kRows; }

const OperationRow* find_operation(std::string_view name) {
  const auto* row = std::ranges::find(kRows, name, &OperationRow::name);
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace belay::server
