#pragma once
// The handlers, by the file they live in; operations.cpp puts them into the table.
#include "server/api/operation.hpp"

namespace belay::server {

// Why nothing of S3 or CloudWatch is needed for output; said wherever they are refused.
inline constexpr const char* kOutputIsKept =
    "the server keeps up to 2 MiB of what a step says on each stream itself (GetCommandOutput)";

#define BELAY_HANDLER(name) Result<json::Object> name(const Call& call)
// patch_baselines.cpp
BELAY_HANDLER(create_patch_baseline);
BELAY_HANDLER(get_patch_baseline);
BELAY_HANDLER(update_patch_baseline);
BELAY_HANDLER(delete_patch_baseline);
BELAY_HANDLER(describe_patch_baselines);
BELAY_HANDLER(register_default_patch_baseline);
BELAY_HANDLER(get_default_patch_baseline);
BELAY_HANDLER(register_patch_baseline_for_patch_group);
BELAY_HANDLER(deregister_patch_baseline_for_patch_group);
BELAY_HANDLER(get_patch_baseline_for_patch_group);
BELAY_HANDLER(describe_patch_groups);
// patches.cpp
BELAY_HANDLER(describe_available_patches);
BELAY_HANDLER(describe_effective_patches_for_patch_baseline);
BELAY_HANDLER(describe_patch_properties);
BELAY_HANDLER(get_deployable_patch_snapshot_for_instance);
// patch_states.cpp
BELAY_HANDLER(describe_instance_patch_states);
BELAY_HANDLER(describe_instance_patch_states_for_patch_group);
BELAY_HANDLER(describe_instance_patches);
BELAY_HANDLER(describe_patch_group_state);
// nodes.cpp
BELAY_HANDLER(create_activation);
BELAY_HANDLER(describe_activations);
BELAY_HANDLER(delete_activation);
BELAY_HANDLER(describe_instance_information);
BELAY_HANDLER(deregister_managed_instance);
BELAY_HANDLER(update_managed_instance_role);
BELAY_HANDLER(get_node_uses);
BELAY_HANDLER(describe_cloned_nodes);
BELAY_HANDLER(settle_cloned_node);
// tags.cpp
BELAY_HANDLER(add_tags_to_resource);
BELAY_HANDLER(remove_tags_from_resource);
BELAY_HANDLER(list_tags_for_resource);
// commands.cpp
BELAY_HANDLER(send_command);
BELAY_HANDLER(cancel_command);
BELAY_HANDLER(list_commands);
BELAY_HANDLER(list_command_invocations);
BELAY_HANDLER(get_command_invocation);
BELAY_HANDLER(get_command_output);
// compliance.cpp
BELAY_HANDLER(get_node);
BELAY_HANDLER(describe_node_compliance);
BELAY_HANDLER(get_fleet_report);
// evidence.cpp
BELAY_HANDLER(get_node_evidence);
// change_sets.cpp
BELAY_HANDLER(create_change_set);
BELAY_HANDLER(get_change_set);
BELAY_HANDLER(describe_pool);
BELAY_HANDLER(describe_change_sets);
// change_set_compare.cpp
BELAY_HANDLER(approve_change_set);
BELAY_HANDLER(compare_change_sets);
// rollouts.cpp
BELAY_HANDLER(create_rollout);
BELAY_HANDLER(start_rollout);
BELAY_HANDLER(approve_ring);
BELAY_HANDLER(pause_rollout);
BELAY_HANDLER(resume_rollout);
BELAY_HANDLER(abort_rollout);
BELAY_HANDLER(get_rollout);
BELAY_HANDLER(list_rollouts);
BELAY_HANDLER(list_rollout_nodes);
BELAY_HANDLER(get_rollout_report);
BELAY_HANDLER(settle_rollout_node);
// rollbacks.cpp
BELAY_HANDLER(rollback_nodes);
BELAY_HANDLER(where_package);
BELAY_HANDLER(get_reversibility);
BELAY_HANDLER(list_quarantine);
BELAY_HANDLER(put_quarantine);
BELAY_HANDLER(delete_quarantine);
// exceptions.cpp
BELAY_HANDLER(put_exception);
BELAY_HANDLER(list_exceptions);
BELAY_HANDLER(delete_exception);
// package_states.cpp
BELAY_HANDLER(save_package_state);
BELAY_HANDLER(get_package_state);
BELAY_HANDLER(list_package_states);
BELAY_HANDLER(compare_package_state);
BELAY_HANDLER(delete_package_state);
// vaults.cpp
BELAY_HANDLER(create_vault);
BELAY_HANDLER(update_vault);
BELAY_HANDLER(delete_vault);
BELAY_HANDLER(describe_vaults);
BELAY_HANDLER(check_vault);
BELAY_HANDLER(escrow_vault);
BELAY_HANDLER(check_escrow);
// backup_plans.cpp
BELAY_HANDLER(create_backup_plan);
BELAY_HANDLER(update_backup_plan);
BELAY_HANDLER(delete_backup_plan);
BELAY_HANDLER(pause_backup_plan);
BELAY_HANDLER(resume_backup_plan);
BELAY_HANDLER(get_backup_plan);
BELAY_HANDLER(list_backup_plans);
BELAY_HANDLER(start_backup_run);
BELAY_HANDLER(start_restore_test);
BELAY_HANDLER(start_restore);
BELAY_HANDLER(stop_backup_job);
BELAY_HANDLER(get_backup_job);
BELAY_HANDLER(list_backup_jobs);
BELAY_HANDLER(get_backup_plan_report);
BELAY_HANDLER(get_backup_posture);
// recovery_points.cpp
BELAY_HANDLER(list_recovery_points);
BELAY_HANDLER(get_recovery_point);
BELAY_HANDLER(put_legal_hold);
BELAY_HANDLER(delete_legal_hold);
BELAY_HANDLER(accept_recovery_point);
BELAY_HANDLER(delete_recovery_point);
BELAY_HANDLER(preview_retention);
BELAY_HANDLER(get_proof);
BELAY_HANDLER(list_proofs);
// users.cpp
BELAY_HANDLER(create_user);
BELAY_HANDLER(list_users);
BELAY_HANDLER(update_user);
BELAY_HANDLER(delete_user);
BELAY_HANDLER(create_user_token);
BELAY_HANDLER(delete_user_token);
// audit.cpp
BELAY_HANDLER(list_audit);
BELAY_HANDLER(verify_audit);
// inventory.cpp, inventory_put.cpp, inventory_query.cpp, inventory_deletion.cpp
BELAY_HANDLER(put_inventory);
BELAY_HANDLER(get_inventory);
BELAY_HANDLER(get_inventory_schema);
BELAY_HANDLER(list_inventory_entries);
BELAY_HANDLER(delete_inventory);
BELAY_HANDLER(describe_inventory_deletions);
// compliance_items.cpp, compliance_summaries.cpp
BELAY_HANDLER(put_compliance_items);
BELAY_HANDLER(list_compliance_items);
BELAY_HANDLER(list_compliance_summaries);
BELAY_HANDLER(list_resource_compliance_summaries);
// windows.cpp
BELAY_HANDLER(create_maintenance_window);
BELAY_HANDLER(get_maintenance_window);
BELAY_HANDLER(update_maintenance_window);
BELAY_HANDLER(delete_maintenance_window);
BELAY_HANDLER(describe_maintenance_windows);
// window_targets.cpp
BELAY_HANDLER(register_target_with_maintenance_window);
BELAY_HANDLER(update_maintenance_window_target);
BELAY_HANDLER(deregister_target_from_maintenance_window);
BELAY_HANDLER(describe_maintenance_window_targets);
// window_tasks.cpp
BELAY_HANDLER(register_task_with_maintenance_window);
BELAY_HANDLER(get_maintenance_window_task);
BELAY_HANDLER(update_maintenance_window_task);
BELAY_HANDLER(deregister_task_from_maintenance_window);
BELAY_HANDLER(describe_maintenance_window_tasks);
// window_executions.cpp
BELAY_HANDLER(describe_maintenance_window_executions);
BELAY_HANDLER(get_maintenance_window_execution);
BELAY_HANDLER(describe_maintenance_window_execution_tasks);
BELAY_HANDLER(get_maintenance_window_execution_task);
BELAY_HANDLER(describe_maintenance_window_execution_task_invocations);
BELAY_HANDLER(get_maintenance_window_execution_task_invocation);
BELAY_HANDLER(cancel_maintenance_window_execution);
BELAY_HANDLER(describe_missed_nodes);
// window_plans.cpp
BELAY_HANDLER(describe_maintenance_window_schedule);
BELAY_HANDLER(describe_maintenance_windows_for_target);
BELAY_HANDLER(preview_maintenance_window);
BELAY_HANDLER(put_maintenance_window_calendars);
// remedies.cpp
BELAY_HANDLER(put_remedy_policy);
BELAY_HANDLER(delete_remedy_policy);
BELAY_HANDLER(list_remedy_policies);
BELAY_HANDLER(list_remedies);
// documents.cpp
BELAY_HANDLER(create_document);
BELAY_HANDLER(update_document);
BELAY_HANDLER(get_document);
BELAY_HANDLER(describe_document);
BELAY_HANDLER(delete_document);
BELAY_HANDLER(list_documents);
BELAY_HANDLER(update_document_default_version);
BELAY_HANDLER(list_document_versions);
BELAY_HANDLER(describe_document_permission);
BELAY_HANDLER(modify_document_permission);
// document_reviews.cpp
BELAY_HANDLER(update_document_metadata);
BELAY_HANDLER(list_document_metadata_history);
// calendars.cpp
BELAY_HANDLER(get_calendar_state);
// node_lists.cpp
BELAY_HANDLER(list_nodes);
BELAY_HANDLER(list_nodes_summary);
BELAY_HANDLER(describe_instance_properties);
BELAY_HANDLER(get_connection_status);
// service_settings.cpp
BELAY_HANDLER(get_service_setting);
BELAY_HANDLER(update_service_setting);
BELAY_HANDLER(reset_service_setting);
// associations.cpp, association_lists.cpp
BELAY_HANDLER(create_association);
BELAY_HANDLER(create_association_batch);
BELAY_HANDLER(describe_association);
BELAY_HANDLER(update_association);
BELAY_HANDLER(update_association_status);
BELAY_HANDLER(delete_association);
BELAY_HANDLER(start_associations_once);
BELAY_HANDLER(set_association_window);
BELAY_HANDLER(get_association_plan);
BELAY_HANDLER(list_associations);
BELAY_HANDLER(list_association_versions);
BELAY_HANDLER(describe_association_executions);
BELAY_HANDLER(describe_association_execution_targets);
BELAY_HANDLER(describe_effective_instance_associations);
BELAY_HANDLER(describe_instance_associations_status);
// automations.cpp, automation_lists.cpp
BELAY_HANDLER(start_automation_execution);
BELAY_HANDLER(stop_automation_execution);
BELAY_HANDLER(send_automation_signal);
BELAY_HANDLER(get_automation_execution);
BELAY_HANDLER(describe_automation_executions);
BELAY_HANDLER(describe_automation_step_executions);
#undef BELAY_HANDLER

}  // namespace belay::server
