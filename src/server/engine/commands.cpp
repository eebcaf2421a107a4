#include "server/engine/commands.hpp"

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/command/rate.hpp"
#include "io/crypto.hpp"
#include "server/engine/agent_program.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/command_options.hpp"
#include "server/engine/node_event.hpp"
#include "store/change_sets.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr std::uint32_t kDeliverySecondsMin = 30, kDeliverySecondsMax = 2'592'000;

json::Array targets_json(const std::vector<Target>& targets) {
  json::Array array;
  for (const auto& target : targets)
    array.push_back(json::Object{{"Key", target.key}, {"Values", json::encode(target.values)}});
  return array;
}

Result<CommandState> state_for(const SendCommandRequest& request, const CommandOptions& options,
                               std::uint32_t targets) {
  CommandState state;
  state.settings.first = segment_for(options.steps, options.run);
  BELAY_TRY_ASSIGN(state.settings.concurrency_max, command::max_concurrency(request.max_concurrency, targets));
  BELAY_TRY_ASSIGN(state.settings.errors_max, command::max_errors(request.max_errors, targets));
  if (request.timeout_seconds < kDeliverySecondsMin || request.timeout_seconds > kDeliverySecondsMax)
    return Error(Code::invalid_argument, "TimeoutSeconds must be 30 to 2592000");
  state.settings.timeouts.delivery = Duration(std::int64_t{request.timeout_seconds} * 1000);
  return state;
}

// Of one patch step, and of one step that the node does by itself.
Duration longest_time(const command::Settings& settings, const document::Step& step) {
  const auto& times = settings.timeouts;
  const auto* patch = std::get_if<document::Patch>(&step.work);
  if (!patch) {
    document::Run alone = document::new_run(std::span(&step, 1));
    alone.steps[0].status = document::StepStatus::InProgress;
    return times.delivery + segment_for(std::span(&step, 1), alone).time;
  }
  const Duration scan = times.delivery + times.scan;
  return patch->operation == "Install" ? 2 * scan + 2 * times.delivery + times.plan + times.patch : scan;
}

// The latest end there can be: every slot in turn, each to its last deadline. Rate control never shortens a node's own
// delivery time, which counts from its turn.
Instant latest_end(Instant now, const command::Settings& settings, const CommandOptions& options,
                   std::uint32_t targets) {
  Duration one{};
  for (const auto& step : options.steps)
    if (step.skip.empty()) one += longest_time(settings, step);
  const std::int64_t turns = targets == 0 ? 1 : (targets + settings.concurrency_max - 1) / settings.concurrency_max;
  return now + one * turns;
}

std::vector<store::commands::Invocation> invocations_for(const std::vector<store::nodes::Node>& nodes,
                                                         const std::string& command_id, const std::string& plugin,
                                                         Instant now) {
  std::vector<store::commands::Invocation> invocations;
  invocations.reserve(nodes.size());
  for (const auto& node : nodes) {
    auto& invocation = invocations.emplace_back();
    invocation.command_id = command_id;
    invocation.node_id = node.node_id;
    invocation.node_name = node.name;
    invocation.requested_at = now;
    invocation.plugin_name = plugin;
  }
  return invocations;
}

Result<std::vector<store::nodes::Node>> nodes_of(Sql& sql, const std::vector<std::string>& ids) {
  std::vector<store::nodes::Node> nodes;
  for (std::size_t from = 0; from < ids.size(); from += store::kPageLimitMax) {
    const std::size_t count = std::min<std::size_t>(store::kPageLimitMax, ids.size() - from);
    BELAY_TRY_ASSIGN(auto some, store::nodes::get_many(sql, std::span(ids).subspan(from, count)));
    std::move(some.begin(), some.end(), std::back_inserter(nodes));
  }
  return nodes;
}

struct Draft {
  CommandOptions options;
  std::string command_id, plugin;
};
Result<Draft> draft_of(Sql& sql, const SendCommandRequest& request, const Fetching& fetching, Instant now) {
  BELAY_TRY_ASSIGN(const auto found, find_document(sql, request.document_name, request.document_version));
  Draft draft;
  BELAY_TRY_ASSIGN(draft.options, command_options(found, request.parameters, document_resolver(sql), fetching, now));
  BELAY_TRY(require_agent_program(sql, draft.options.steps).within("document " + found.name));
  BELAY_TRY(send_documents_along(sql, draft.options.steps));
  draft.plugin = plugin_name_of(draft.options, found.built_in);
  draft.command_id = make_uuid(io::random_bytes(kIdRandomBytes));
  return draft;
}

Status check_change_sets(Sql& sql, const CommandOptions& options) {
  for (const auto& step : options.steps) {
    const auto* patch = std::get_if<document::Patch>(&step.work);
    if (!patch || patch->change_set_id.empty()) continue;
    const auto change_set = store::change_sets::get(sql, patch->change_set_id);
    if (!change_set.ok()) return change_set.error().within("change set " + patch->change_set_id + " is not ready");
  }
  return {};
}

// For the audit log: what the document does to packages.
std::string operation_of(const CommandOptions& options) {
  for (const auto& step : options.steps)
    if (const auto* patch = std::get_if<document::Patch>(&step.work)) return patch->operation;
  return "";
}

Result<store::commands::Command> queue(Sql& sql, const SendCommandRequest& request, const Draft& draft, Instant now) {
  const auto& [options, command_id, plugin] = draft;
  BELAY_TRY(check_change_sets(sql, options));
  std::vector<std::string> ids;
  if (request.node_ids) {
    ids = *request.node_ids;
  } else {
    BELAY_TRY_ASSIGN(ids, resolve_targets(sql, request.instance_ids, request.targets));
  }
  BELAY_TRY_ASSIGN(const auto nodes, nodes_of(sql, ids));
  const auto targets = static_cast<std::uint32_t>(nodes.size());
  BELAY_TRY_ASSIGN(auto state, state_for(request, options, targets));
  state.parent = request.parent;
  store::commands::Command command;
  command.command_id = command_id;
  command.document_name = options.document;
  command.document_version = options.document_version;
  command.comment = request.comment;
  command.parameters = json::encode_text(request.parameters);
  command.targets = json::to_text(targets_json(request.targets));
  command.instance_ids = request.instance_ids;
  command.max_concurrency = request.max_concurrency;
  command.max_errors = request.max_errors;
  command.timeout_seconds = request.timeout_seconds;
  command.requested_at = now;
  command.expires_at = latest_end(now, state.settings, options, targets);
  command.requested_by = request.requested_by;
  command.target_count = targets;
  command.detail = json::encode_text(options);
  if (targets == 0) command.status = "Success", command.status_details = "NoInstancesInTag";
  BELAY_TRY(store::commands::create(sql, command, invocations_for(nodes, command_id, plugin, now)));
  store::executions::Execution execution;
  execution.execution_id = command_id;
  execution.kind = kCommandKind;
  execution.state = json::encode_text(state);
  execution.wake_at = now;
  execution.created_at = execution.updated_at = now;
  BELAY_TRY(store::executions::create(sql, execution));
  BELAY_TRY(
      note_in_audit(sql, now, request.requested_by, "ssm:SendCommand", command_id,
                    {{"document", command.document_name}, {"targets", targets}, {"operation", operation_of(options)}}));
  return command;
}

}  // namespace

Result<store::commands::Command> Commands::send(const SendCommandRequest& request) {
  // Before the transaction that writes: reading the options may fetch what they name.
  BELAY_TRY_ASSIGN(const auto draft,
                   store_.read([&](Sql& sql) { return draft_of(sql, request, fetching_, clock_.now()); }));
  return store_.write([&](Sql& sql) { return queue(sql, request, draft, clock_.now()); });
}

Result<store::commands::Command> Commands::send(Sql& sql, const SendCommandRequest& request, Instant now) {
  BELAY_TRY_ASSIGN(const auto draft, draft_of(sql, request, Fetching::refused, now));
  return queue(sql, request, draft, now);
}

Status Commands::cancel(std::string_view command_id, const std::vector<std::string>& instance_ids,
                        std::string_view requested_by) {
  return store_.write([&](Sql& sql) { return cancel(sql, command_id, instance_ids, requested_by, clock_.now()); });
}

Status Commands::cancel(Sql& sql, std::string_view command_id, const std::vector<std::string>& instance_ids,
                        std::string_view requested_by, Instant now) {
  const auto command = store::commands::get(sql, command_id);
  if (!command.ok())
    return Error(command.error().code(), "there is no command '" + sanitize(command_id, 64) + "'", "InvalidCommandId");
  std::vector<std::string> whom = instance_ids;
  if (whom.empty()) whom.emplace_back();
  for (const auto& node_id : whom) {
    store::executions::Event event;
    event.key = "cancel " + node_id;
    event.body = json::encode_text(NodeEvent{NodeEventKind::cancel, node_id, ""});
    event.at = now;
    BELAY_TRY(store::executions::post(sql, kCommandKind, command_id, event));
  }
  return note_in_audit(sql, now, requested_by, "ssm:CancelCommand", command_id,
                       {{"nodes", json::encode(instance_ids)}});
}

}  // namespace belay::server
