// What the steps of an automation do to the world, by action. Commands and inner automations are rows of the same
// transaction; what leaves this server (a webhook) goes into the outbox of effects.
#include "base/log.hpp"
#include "base/text.hpp"
#include "server/engine/associations.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/automation_run.hpp"
#include "server/engine/notices.hpp"
#include "server/engine/permissions.hpp"
#include "server/engine/rejudge.hpp"
#include "server/engine/webhooks.hpp"
#include "store/principals.hpp"
#include "store/tags.hpp"

namespace belay::server {
namespace {
using automation::Action, automation::Event, automation::EventKind;
namespace principals = store::principals;

std::string key_of(const Action& action) { return action.step + " " + std::to_string(action.attempt); }

Event answer_to(const Action& action, EventKind kind, std::string why = {}) {
  Event event;
  event.kind = kind;
  event.step = action.step;
  event.attempt = action.attempt;
  event.why = std::move(why);
  return event;
}

std::vector<Target> targets_of(const std::vector<automation::Target>& wanted) {
  std::vector<Target> targets;
  for (const auto& target : wanted) targets.push_back({target.key, target.values});
  return targets;
}

}  // namespace

AutomationRun::Answer AutomationRun::act(const Action& action) {
  return action.kind == automation::ActionKind::send ? send(action) : withdraw(action);
}

AutomationRun::Answer AutomationRun::send(const Action& action) {
  return std::visit([&](const auto& wanted) { return begin(action, wanted); }, action.request);
}

AutomationRun::Answer AutomationRun::withdraw(const Action& action) {
  const auto begun = state_.begun.find(key_of(action));
  if (std::holds_alternative<automation::InvokeWebhook>(action.request))
    return std::optional<Event>();  // it says soon how it ended
  if (begun == state_.begun.end()) return std::optional(answer_to(action, EventKind::cancelled));
  if (std::holds_alternative<automation::ExecuteAutomation>(action.request)) {
    BELAY_TRY(cancel_automation(sql_, begun->second, now_));
    return std::optional<Event>();
  }
  const Status cancelled = Commands::cancel(sql_, begun->second, {}, "automation " + row_.execution_id, now_);
  if (!cancelled.ok() && cancelled.error().code() != Code::not_found) return cancelled.error();
  return std::optional<Event>();
}

Status AutomationRun::allowed(std::string_view permission) {
  const auto& user = settings_.acts_for;
  const auto found = principals::get(sql_, user);
  if (!found.ok() && found.error().code() != Code::not_found) return found.error();
  if (!found.ok() || !found->enabled)
    return Error(Code::permission_denied,
                 "User: " + sanitize(user, 64) + ", for whom this runs, is not there any more");
  if (is_allowed(found->permissions, permission)) return {};
  return Error(Code::permission_denied, "User: " + sanitize(user, 64) + ", for whom this runs, is not authorized to " +
                                            "perform: " + std::string(permission));
}

AutomationRun::Answer AutomationRun::refused(const Action& action, const Error& error) {
  if (!is_refusal(error.code()) || sql_.failure()) return error;
  return std::optional(answer_to(action, EventKind::failed, error.chain()));
}

AutomationRun::Answer AutomationRun::began(const Action& action, const Result<std::string>& child_id) {
  if (!child_id.ok()) return refused(action, child_id.error());
  state_.begun[key_of(action)] = *child_id;
  return std::optional<Event>();
}

AutomationRun::Answer AutomationRun::begin(const Action& action, const automation::RunCommand& wanted) {
  if (const auto may = allowed("ssm:SendCommand"); !may.ok()) return refused(action, may.error());
  SendCommandRequest request;
  request.document_name = wanted.document;
  request.document_version = wanted.document_version;
  request.parameters = wanted.parameters;
  request.instance_ids = wanted.instance_ids;
  request.targets = targets_of(wanted.targets);
  request.comment = wanted.comment.empty() ? sanitize("automation step " + action.step, 100) : wanted.comment;
  if (!wanted.max_concurrency.empty()) request.max_concurrency = wanted.max_concurrency;
  if (!wanted.max_errors.empty()) request.max_errors = wanted.max_errors;
  if (wanted.timeout_s) request.timeout_seconds = static_cast<std::uint32_t>(*wanted.timeout_s);
  request.requested_by = "automation " + row_.execution_id;
  request.parent = Parent{std::string(kAutomationKind), row_.execution_id, key_of(action)};
  const auto sent = Commands::send(sql_, request, now_);
  return began(action, sent.ok() ? Result<std::string>(sent->command_id) : Result<std::string>(sent.error()));
}

AutomationRun::Answer AutomationRun::begin(const Action& action, const automation::ExecuteAutomation& wanted) {
  if (const auto may = allowed("ssm:StartAutomationExecution"); !may.ok()) return refused(action, may.error());
  StartAutomationRequest request;
  request.document = wanted.document;
  request.document_version = wanted.document_version;
  request.parameters = wanted.parameters;
  request.target_parameter = wanted.target_parameter;
  request.targets = targets_of(wanted.targets);
  request.max_concurrency = wanted.max_concurrency;
  request.max_errors = wanted.max_errors;
  request.requested_by = row_.executed_by;
  request.acts_for = settings_.acts_for;
  request.depth = state_.machine.depth + 1;
  request.parent_id = row_.execution_id;
  request.parent = Parent{std::string(kAutomationKind), row_.execution_id, key_of(action)};
  const auto started = start_automation(sql_, request, now_);
  return began(action,
               started.ok() ? Result<std::string>(started->execution_id) : Result<std::string>(started.error()));
}

AutomationRun::Answer AutomationRun::begin(const Action& action, const automation::InvokeWebhook& wanted) {
  if (const auto may = allowed(kWebhookPermission); !may.ok()) return refused(action, may.error());
  BELAY_TRY(queue_webhook(sql_, kAutomationKind, row_.execution_id,
                          {action.step, action.attempt, wanted.url, wanted.body}, now_));
  BELAY_TRY(note_in_audit(sql_, now_, "automation " + row_.execution_id, kWebhookPermission, row_.execution_id,
                          {{"step", action.step}}));
  return std::optional<Event>();
}

AutomationRun::Answer AutomationRun::begin(const Action& action, const automation::CreateTags& wanted) {
  if (const auto may = allowed("ssm:AddTagsToResource"); !may.ok()) return refused(action, may.error());
  const auto nodes = resolve_targets(sql_, wanted.resource_ids, {});
  if (!nodes.ok()) return refused(action, nodes.error());
  std::vector<store::tags::Tag> tags;
  for (const auto& [key, value] : wanted.tags) tags.push_back({key, value});
  for (const auto& node_id : *nodes) {
    const Status set = store::tags::set(sql_, store::tags::kManagedInstance, node_id, tags);
    if (!set.ok()) return refused(action, set.error().within("node " + node_id));
    BELAY_TRY(node_changed(sql_, node_id, now_));
    BELAY_TRY(note_in_audit(sql_, now_, "automation " + row_.execution_id, "ssm:AddTagsToResource", node_id,
                            {{"ResourceType", store::tags::kManagedInstance}, {"Tags", json::encode(wanted.tags)}}));
  }
  BELAY_TRY(tell_rejudge(sql_, now_));
  return std::optional(answer_to(action, EventKind::succeeded));
}

// Over NotificationArn; a webhook, as everywhere, only where who started it may have this server call one.
Status AutomationRun::tell_approvers(const Action& action, const automation::Approve& wanted) {
  if (wanted.notify.empty()) return {};
  BELAY_TRY_ASSIGN(const auto recipients, recipients_of(sql_, {wanted.notify}, "NotificationArn"));
  if (!recipients.webhooks.empty()) BELAY_TRY(allowed(kWebhookPermission));
  Notice notice;
  notice.key = key_of(action);
  notice.document = {{"automation", row_.execution_id},
                     {"document", row_.document},
                     {"step", action.step},
                     {"state", "Waiting"},
                     {"approvers", json::encode(wanted.approvers)},
                     {"needed", wanted.approvals_needed},
                     {"message", wanted.message},
                     {"at", to_iso8601(now_)}};
  notice.subject = "Belay: " + row_.document + " waits for approval";
  notice.text = "The automation " + row_.document + " (" + row_.execution_id + ") waits at its step " + action.step +
                " for " + std::to_string(wanted.approvals_needed) + " of " + join(wanted.approvers, ", ") +
                (wanted.message.empty() ? "" : ":\n" + wanted.message) + "\n\nbelay automation approve " +
                row_.execution_id + "\n";
  return queue_notice(sql_, kAutomationKind, row_.execution_id, recipients, notice, now_);
}

// Who is asked stands in the audit log, too, and on DescribeAutomationExecutions (Waiting).
AutomationRun::Answer AutomationRun::begin(const Action& action, const automation::Approve& wanted) {
  if (const Status told = tell_approvers(action, wanted); !told.ok()) return refused(action, told.error());
  BELAY_TRY(note_in_audit(sql_, now_, "automation " + row_.execution_id, "automation:ask", row_.execution_id,
                          {{"step", action.step},
                           {"approvers", json::encode(wanted.approvers)},
                           {"needed", wanted.approvals_needed},
                           {"message", sanitize(wanted.message, 1'000)}}));
  log::info("approval-wanted", {{"automation", row_.execution_id},
                                {"step", action.step},
                                {"approvers", sanitize(join(wanted.approvers, ", "), 1'000)}});
  return std::optional<Event>();
}

}  // namespace belay::server
