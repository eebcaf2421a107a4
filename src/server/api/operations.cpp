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
    {"CancelMaintenanceWindowExecution", cancel_maintenance_window_execution, sets},
    {"CreateActivation", create_activation, makes},
    {"CreateChangeSet", create_change_set, makes},
    {"CreateDocument", create_document, makes},
    {"CreateMaintenanceWindow", create_maintenance_window, makes},
    {"CreatePatchBaseline", create_patch_baseline, makes},
    {"DeleteActivation", delete_activation, sets},
    {"DeleteDocument", delete_document, sets},
    {"DeleteInventory", delete_inventory, makes},
    {"DeleteMaintenanceWindow", delete_maintenance_window, sets},
    {"DeletePatchBaseline", delete_patch_baseline, sets},
    {"DeleteRemedyPolicy", delete_remedy_policy, sets},
    {"DeregisterManagedInstance", deregister_managed_instance, sets},
    {"DeregisterPatchBaselineForPatchGroup", deregister_patch_baseline_for_patch_group, sets},
    {"DeregisterTargetFromMaintenanceWindow", deregister_target_from_maintenance_window, sets},
    {"DeregisterTaskFromMaintenanceWindow", deregister_task_from_maintenance_window, sets},
    {"DescribeActivations", describe_activations},
    {"DescribeAvailablePatches", describe_available_patches},
    {"DescribeChangeSets", describe_change_sets},
    {"DescribeClonedNodes", describe_cloned_nodes},
    {"DescribeDocument", describe_document},
    {"DescribeDocumentPermission", describe_document_permission},
    {"DescribeEffectivePatchesForPatchBaseline", describe_effective_patches_for_patch_baseline},
    {"DescribeInstanceInformation", describe_instance_information},
    {"DescribeInstancePatchStates", describe_instance_patch_states},
    {"DescribeInstancePatchStatesForPatchGroup", describe_instance_patch_states_for_patch_group},
    {"DescribeInstancePatches", describe_instance_patches},
    {"DescribeInstanceProperties", describe_instance_properties},
    {"DescribeInventoryDeletions", describe_inventory_deletions},
    {"DescribeMaintenanceWindowExecutionTaskInvocations", describe_maintenance_window_execution_task_invocations},
    {"DescribeMaintenanceWindowExecutionTasks", describe_maintenance_window_execution_tasks},
    {"DescribeMaintenanceWindowExecutions", describe_maintenance_window_executions},
    {"DescribeMaintenanceWindowSchedule", describe_maintenance_window_schedule},
    {"DescribeMaintenanceWindowTargets", describe_maintenance_window_targets},
    {"DescribeMaintenanceWindowTasks", describe_maintenance_window_tasks},
    {"DescribeMaintenanceWindows", describe_maintenance_windows},
    {"DescribeMaintenanceWindowsForTarget", describe_maintenance_windows_for_target},
    {"DescribeMissedNodes", describe_missed_nodes},
    {"DescribeNodeCompliance", describe_node_compliance},
    {"DescribePatchBaselines", describe_patch_baselines},
    {"DescribePatchGroupState", describe_patch_group_state},
    {"DescribePatchGroups", describe_patch_groups},
    {"DescribePatchProperties", describe_patch_properties},
    {"GetChangeSet", get_change_set},
    {"GetCommandInvocation", get_command_invocation},
    {"GetCommandOutput", get_command_output},
    {"GetConnectionStatus", get_connection_status},
    {"GetDefaultPatchBaseline", get_default_patch_baseline},
    {"GetDeployablePatchSnapshotForInstance", get_deployable_patch_snapshot_for_instance},
    {"GetDocument", get_document},
    {"GetFleetReport", get_fleet_report},
    {"GetInventory", get_inventory},
    {"GetInventorySchema", get_inventory_schema},
    {"GetMaintenanceWindow", get_maintenance_window},
    {"GetMaintenanceWindowExecution", get_maintenance_window_execution},
    {"GetMaintenanceWindowExecutionTask", get_maintenance_window_execution_task},
    {"GetMaintenanceWindowExecutionTaskInvocation", get_maintenance_window_execution_task_invocation},
    {"GetMaintenanceWindowTask", get_maintenance_window_task},
    {"GetNode", get_node},
    {"GetNodeEvidence", get_node_evidence},
    {"GetPatchBaseline", get_patch_baseline},
    {"GetPatchBaselineForPatchGroup", get_patch_baseline_for_patch_group},
    {"GetServiceSetting", get_service_setting},
    {"ListAudit", list_audit},
    {"ListCommandInvocations", list_command_invocations},
    {"ListCommands", list_commands},
    {"ListComplianceItems", list_compliance_items},
    {"ListComplianceSummaries", list_compliance_summaries},
    {"ListDocumentVersions", list_document_versions},
    {"ListDocuments", list_documents},
    {"ListInventoryEntries", list_inventory_entries},
    {"ListNodes", list_nodes},
    {"ListNodesSummary", list_nodes_summary},
    {"ListRemedies", list_remedies},
    {"ListRemedyPolicies", list_remedy_policies},
    {"ListResourceComplianceSummaries", list_resource_compliance_summaries},
    {"ListTagsForResource", list_tags_for_resource},
    {"ModifyDocumentPermission", modify_document_permission, sets},
    {"PreviewMaintenanceWindow", preview_maintenance_window},
    {"PutComplianceItems", put_compliance_items, sets},
    {"PutInventory", put_inventory, sets},
    {"PutMaintenanceWindowCalendars", put_maintenance_window_calendars, sets},
    {"PutRemedyPolicy", put_remedy_policy, sets},
    {"RegisterDefaultPatchBaseline", register_default_patch_baseline, sets},
    {"RegisterPatchBaselineForPatchGroup", register_patch_baseline_for_patch_group, sets},
    {"RegisterTargetWithMaintenanceWindow", register_target_with_maintenance_window, makes},
    {"RegisterTaskWithMaintenanceWindow", register_task_with_maintenance_window, makes},
    {"RemoveTagsFromResource", remove_tags_from_resource, sets},
    {"ResetServiceSetting", reset_service_setting, sets},
    {"SendCommand", send_command, makes},
    {"SettleClonedNode", settle_cloned_node, sets},
    {"UpdateDocument", update_document, makes},
    {"UpdateDocumentDefaultVersion", update_document_default_version, sets},
    {"UpdateMaintenanceWindow", update_maintenance_window, sets},
    {"UpdateMaintenanceWindowTarget", update_maintenance_window_target, sets},
    {"UpdateMaintenanceWindowTask", update_maintenance_window_task, sets},
    {"UpdateManagedInstanceRole", update_managed_instance_role, sets},
    {"UpdatePatchBaseline", update_patch_baseline, sets},
    {"UpdateServiceSetting", update_service_setting, sets},
    {"VerifyAudit", verify_audit},
};

}  // namespace

std::span<const OperationRow> operation_rows() { return kRows; }

const OperationRow* find_operation(std::string_view name) {
  const auto* row = std::ranges::find(kRows, name, &OperationRow::name);
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace belay::server
