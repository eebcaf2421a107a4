// SendCommand, CancelCommand, and what became of commands.
#include "store/commands.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/document/versions.hpp"
#include "io/crypto.hpp"
#include "server/api/aws_members.hpp"
#include "server/api/document_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/engine/documents.hpp"

namespace belay::server {
namespace {

namespace commands = store::commands;

constexpr std::size_t kPluginOutputChars = 2'500;
constexpr std::size_t kOutputPageBytes = 1u << 20;

struct WireTarget {
  std::string Key;
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(WireTarget, (), (Key, Values))
struct SendRequest {
  std::string DocumentName, DocumentVersion, Comment;
  std::map<std::string, std::vector<std::string>> Parameters;
  std::vector<std::string> InstanceIds;
  std::vector<WireTarget> Targets;
  std::string MaxConcurrency = "50", MaxErrors = "0";
  std::uint32_t TimeoutSeconds = 3600;
};
BOOST_DESCRIBE_STRUCT(SendRequest, (),
                      (DocumentName, DocumentVersion, Comment, Parameters, InstanceIds, Targets, MaxConcurrency,
                       MaxErrors, TimeoutSeconds))
struct WireCommandFilter {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(WireCommandFilter, (), (key, value))
struct ListRequest {
  std::string CommandId, InstanceId;
  std::vector<WireCommandFilter> Filters;
  bool Details = false;
};
BOOST_DESCRIBE_STRUCT(ListRequest, (), (CommandId, InstanceId, Filters, Details))
struct CancelRequest {
  std::string CommandId;
  std::vector<std::string> InstanceIds;
};
BOOST_DESCRIBE_STRUCT(CancelRequest, (), (CommandId, InstanceIds))

// The sender's hash of the text that it means, by SSM's rule: another text is not sent.
Status check_document_hash(store::Sql& sql, const Call& call) {
  const std::string hash = call.text("DocumentHash"), type = call.text("DocumentHashType");
  if (hash.empty()) return {};
  if (!type.empty() && type != "Sha256")
    return failure("ValidationException",
                   "DocumentHashType is " + sanitize(type, 20) + ": only Sha256 is checked here");
  const auto name = document_name_of(call.text("DocumentName"));
  const auto found = find_document(sql, name, call.text("DocumentVersion"));
  if (!found.ok()) return document_failure(found.error());
  const auto known =
      found->built_in ? io::sha256_hex(found->content) : io::sha256_hex(document::content_to_hash(found->content));
  if (to_lower(hash) == known) return {};
  return failure("InvalidDocument", "DocumentHash is not that of version " + found->version + " of document " +
                                        found->name + ", whose Sha256 is " + known);
}

Status check_words(const WireCommandFilter& filter) {
  static constexpr std::string_view kStages[] = {"Executing", "Complete"};
  static constexpr std::string_view kStatuses[] = {
      "Pending",         "InProgress",       "Delayed",           "Success",          "Cancelled",
      "Cancelling",      "Failed",           "TimedOut",          "AccessDenied",     "Incomplete",
      "LimitExceeded",   "DeliveryTimedOut", "ExecutionTimedOut", "NoInstancesInTag", "Undeliverable",
      "InvalidPlatform", "Terminated"};
  if (filter.key == "ExecutionStage") return check_word("ExecutionStage", filter.value, kStages);
  if (filter.key == "Status") return check_word("Status", filter.value, kStatuses);
  return {};
}

Status refuse_repeats(const std::vector<std::string>& ids) {
  const std::set<std::string> distinct(ids.begin(), ids.end());
  if (distinct.size() == ids.size()) return {};
  return failure("DuplicateInstanceId", "InstanceIds names a node more than once");
}

json::Value parsed_or(const std::string& text, json::Value otherwise) {
  auto value = json::parse(text);
  return value.ok() ? std::move(*value) : std::move(otherwise);
}

json::Object command_reply(const commands::Command& c) {
  json::Object out{{"CommandId", c.command_id},
                   {"DocumentName", c.document_name},
                   {"DocumentVersion", c.document_version.empty() ? "$DEFAULT" : c.document_version},
                   {"Comment", c.comment},
                   {"ExpiresAfter", epoch(c.expires_at)},
                   {"Parameters", parsed_or(c.parameters, json::Object())},
                   {"InstanceIds", texts_reply(c.instance_ids)},
                   {"Targets", parsed_or(c.targets, json::Array())},
                   {"RequestedDateTime", epoch(c.requested_at)},
                   {"Status", c.status},
                   {"StatusDetails", c.status_details},
                   {"MaxConcurrency", c.max_concurrency},
                   {"MaxErrors", c.max_errors},
                   {"TargetCount", c.target_count},
                   {"CompletedCount", c.completed_count},
                   {"ErrorCount", c.error_count},
                   {"DeliveryTimedOutCount", c.delivery_timed_out_count},
                   {"TimeoutSeconds", c.timeout_seconds}};
  return out;
}

// The first `characters_max` characters: SSM counts characters, and nothing is cut inside one.
std::string first_characters(std::string_view text, std::size_t characters_max) {
  std::size_t at = 0, characters = 0;
  while (at < text.size()) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && ++characters > characters_max) break;
    ++at;
  }
  return std::string(text.substr(0, at));
}

std::string plugin_output(const commands::Invocation& i) {
  std::string out = i.standard_output;
  if (!i.standard_error.empty()) out += "\n----------ERROR-------\n" + i.standard_error;
  return first_characters(out, kPluginOutputChars);
}

// A step that was passed over is a Success that says so, as at SSM.
std::string plugin_status(const std::string& status) {
  if (status == "Skipped") return "Success";
  return status == "Rebooting" ? "InProgress" : status;
}

// One for each step of a document that has several; the invocation itself where there is but one.
Result<std::vector<commands::Invocation>> plugins_of(store::Sql& sql, const commands::Invocation& invocation) {
  BELAY_TRY_ASSIGN(const auto steps, commands::steps_of(sql, invocation.command_id, invocation.node_id));
  std::vector<commands::Invocation> plugins;
  for (const auto& step : steps) {
    auto& plugin = plugins.emplace_back(invocation);
    plugin.plugin_name = step.name;
    plugin.status = plugin.status_details = plugin_status(step.status);
    plugin.response_code = step.response_code;
    plugin.started_at = step.started_at;
    plugin.finished_at = step.finished_at;
    plugin.standard_output = step.standard_output;
    plugin.standard_error = step.standard_error;
  }
  if (plugins.empty()) plugins.push_back(invocation);
  return plugins;
}

json::Object plugin_reply(const commands::Invocation& i) {
  json::Object out{{"Name", i.plugin_name},
                   {"Status", i.status},
                   {"StatusDetails", i.status_details},
                   {"ResponseCode", i.response_code},
                   {"Output", plugin_output(i)}};
  put(out, "ResponseStartDateTime", epoch(i.started_at));
  put(out, "ResponseFinishDateTime", epoch(i.finished_at));
  return out;
}

json::Object invocation_reply(const commands::Command& c, const commands::Invocation& i,
                              const std::vector<commands::Invocation>& plugins) {
  json::Object out{{"CommandId", i.command_id},
                   {"InstanceId", i.node_id},
                   {"InstanceName", i.node_name},
                   {"Comment", c.comment},
                   {"DocumentName", c.document_name},
                   {"DocumentVersion", c.document_version.empty() ? "$DEFAULT" : c.document_version},
                   {"RequestedDateTime", epoch(i.requested_at)},
                   {"Status", i.status},
                   {"StatusDetails", i.status_details}};
  json::Array rows;
  for (const auto& plugin : plugins) rows.push_back(plugin_reply(plugin));
  out["CommandPlugins"] = std::move(rows);
  return out;
}

// The whole where no step is asked for.
Result<commands::Invocation> plugin_named(store::Sql& sql, const commands::Command& command,
                                          const commands::Invocation& invocation, const std::string& name) {
  if (name.empty()) return invocation;
  BELAY_TRY_ASSIGN(auto plugins, plugins_of(sql, invocation));
  std::string there;
  for (auto& plugin : plugins) {
    if (plugin.plugin_name == name) return std::move(plugin);
    there += (there.empty() ? "" : ", ") + plugin.plugin_name;
  }
  return failure("InvalidPluginName", "the document " + command.document_name + " has no plugin '" +
                                          sanitize(name, 100) + "', only " + there);
}

Result<Instant> filter_time(const WireCommandFilter& filter) {
  const auto at = parse_iso8601(filter.value);
  if (!at.ok()) return failure("ValidationException", filter.key + " must be a time like 2026-01-31T12:00:00Z");
  return *at;
}

Result<commands::Filter> store_filter(const ListRequest& request) {
  commands::Filter out;
  out.command_id = request.CommandId;
  out.node_id = request.InstanceId;
  for (const auto& filter : request.Filters) {
    BELAY_TRY(check_words(filter));
    if (filter.key == "DocumentName") out.document_name = filter.value;
    if (filter.key == "Status") out.statuses = {filter.value};
    if (filter.key == "ExecutionStage" && filter.value == "Executing")
      out.statuses = {"Pending", "InProgress", "Delayed", "Cancelling"};
    if (filter.key == "ExecutionStage" && filter.value == "Complete")
      out.statuses = {"Success", "Failed", "TimedOut", "Cancelled"};
    if (filter.key == "InvokedAfter") {
      BELAY_TRY_ASSIGN(out.requested_after, filter_time(filter));
    }
    if (filter.key == "InvokedBefore") {
      BELAY_TRY_ASSIGN(out.requested_before, filter_time(filter));
    }
  }
  return out;
}

Status known_command(store::Sql& sql, const std::string& command_id) {
  if (command_id.empty()) return {};
  const auto command = commands::get(sql, command_id);
  if (command.ok()) return {};
  return command.error().code() == Code::not_found ? failure("InvalidCommandId", "there is no command " + command_id)
                                                   : command.error();
}

// "PT1.234S", as SSM writes the time an invocation took.
std::string elapsed(const commands::Invocation& i) {
  if (!i.started_at || !i.finished_at) return {};
  const auto ms = std::max<std::int64_t>(0, (*i.finished_at - *i.started_at).count());
  std::string fraction = std::to_string(ms % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return "PT" + std::to_string(ms / 1000) + "." + fraction + "S";
}

std::string iso_or_empty(const std::optional<Instant>& at) { return at ? to_iso8601(*at) : std::string(); }

}  // namespace

Result<json::Object> send_command(const Call& call) {
  BELAY_TRY(refuse_aws_members(call.request, ""));
  BELAY_TRY_ASSIGN(auto request, call.as<SendRequest>());
  BELAY_TRY(refuse_repeats(request.InstanceIds));
  if (request.InstanceIds.empty() == request.Targets.empty())
    return failure("InvalidParameters", "name the nodes by InstanceIds or by Targets, not both and not neither");
  SendCommandRequest send;
  send.document_name = request.DocumentName;
  send.document_version = request.DocumentVersion;
  send.parameters = std::move(request.Parameters);
  send.instance_ids = std::move(request.InstanceIds);
  for (auto& target : request.Targets) send.targets.push_back({std::move(target.Key), std::move(target.Values)});
  send.comment = request.Comment;
  send.max_concurrency = request.MaxConcurrency;
  send.max_errors = request.MaxErrors;
  send.timeout_seconds = request.TimeoutSeconds;
  send.requested_by = call.principal;
  BELAY_TRY(call.read([&](store::Sql& sql) -> Status {
    BELAY_TRY(check_document_hash(sql, call));
    return require_named_nodes(sql, send.targets);
  }));
  BELAY_TRY_ASSIGN(const auto command, call.services.commands.send(send));
  return json::Object{{"Command", command_reply(command)}};
}

Result<json::Object> cancel_command(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<CancelRequest>());
  BELAY_TRY(refuse_repeats(request.InstanceIds));
  BELAY_TRY(call.read([&](store::Sql& sql) -> Status {
    BELAY_TRY(known_command(sql, request.CommandId));
    for (const auto& id : request.InstanceIds) {
      const auto invocation = commands::get_invocation(sql, request.CommandId, id);
      if (invocation.ok()) continue;
      if (invocation.error().code() != Code::not_found) return invocation.error();
      return failure("InvalidInstanceId", "the command " + request.CommandId + " was not sent to the node " + id);
    }
    return {};
  }));
  BELAY_TRY(call.services.commands.cancel(request.CommandId, request.InstanceIds, call.principal));
  return json::Object();
}

Result<json::Object> list_commands(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto request, call.as<ListRequest>());
  BELAY_TRY_ASSIGN(const auto filter, store_filter(request));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(known_command(sql, request.CommandId));
    BELAY_TRY_ASSIGN(const auto found, commands::list(sql, filter, page));
    json::Array list;
    for (const auto& command : found.items) list.push_back(command_reply(command));
    json::Object reply{{"Commands", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> list_command_invocations(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto request, call.as<ListRequest>());
  BELAY_TRY_ASSIGN(const auto filter, store_filter(request));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(known_command(sql, request.CommandId));
    BELAY_TRY_ASSIGN(const auto found, commands::list_invocations(sql, filter, page, request.Details));
    std::map<std::string, commands::Command> known;  // of one page; the document and comment are the command's
    json::Array list;
    for (const auto& invocation : found.items) {
      auto command = known.find(invocation.command_id);
      if (command == known.end()) {
        BELAY_TRY_ASSIGN(auto fetched, commands::get(sql, invocation.command_id));
        command = known.emplace(invocation.command_id, std::move(fetched)).first;
      }
      std::vector<commands::Invocation> plugins;
      if (request.Details) {
        BELAY_TRY_ASSIGN(plugins, plugins_of(sql, invocation));
      }
      list.push_back(invocation_reply(command->second, invocation, plugins));
    }
    json::Object reply{{"CommandInvocations", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> get_command_invocation(const Call& call) {
  const std::string command_id = call.text("CommandId"), node_id = call.text("InstanceId"),
                    plugin = call.text("PluginName");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(known_command(sql, command_id));
    BELAY_TRY_ASSIGN(const auto command, commands::get(sql, command_id));
    const auto invocation = commands::get_invocation(sql, command_id, node_id);
    if (!invocation.ok() && invocation.error().code() == Code::not_found)
      return failure("InvocationDoesNotExist", "command " + command_id + " has no invocation on " + node_id);
    if (!invocation.ok()) return invocation.error();
    BELAY_TRY_ASSIGN(const auto i, plugin_named(sql, command, *invocation, plugin));
    return json::Object{{"CommandId", i.command_id},
                        {"InstanceId", i.node_id},
                        {"Comment", command.comment},
                        {"DocumentName", command.document_name},
                        {"DocumentVersion", command.document_version.empty() ? "$DEFAULT" : command.document_version},
                        {"PluginName", i.plugin_name},
                        {"ResponseCode", i.response_code},
                        {"ExecutionStartDateTime", iso_or_empty(i.started_at)},
                        {"ExecutionElapsedTime", elapsed(i)},
                        {"ExecutionEndDateTime", iso_or_empty(i.finished_at)},
                        {"Status", i.status},
                        {"StatusDetails", i.status_details},
                        {"StandardOutputContent", first_characters(i.standard_output, commands::kStandardOutputChars)},
                        {"StandardOutputUrl", ""},
                        {"StandardErrorContent", first_characters(i.standard_error, commands::kStandardErrorChars)},
                        {"StandardErrorUrl", ""}};
  });
}

// Belay's own: SSM cuts what it shows, and has the rest in S3 only.
Result<json::Object> get_command_output(const Call& call) {
  const std::string command_id = call.text("CommandId"), node_id = call.text("InstanceId");
  const auto stream =
      call.text("Stream") == "StandardError" ? commands::Stream::standard_error : commands::Stream::standard_output;
  std::size_t offset = 0;
  if (const auto* given = json::find(call.request, "Offset")) offset = static_cast<std::size_t>(given->as_int64());
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(known_command(sql, command_id));
    const auto invocation = commands::get_invocation(sql, command_id, node_id);
    if (!invocation.ok() && invocation.error().code() == Code::not_found)
      return failure("InvocationDoesNotExist", "command " + command_id + " has no invocation on " + node_id);
    if (!invocation.ok()) return invocation.error();
    auto kept = commands::get_output(sql, command_id, node_id, stream);
    if (!kept.ok() && kept.error().code() != Code::not_found) return kept.error();
    const std::string text = kept.ok() ? std::move(*kept) : std::string();
    auto end = std::min(text.size(), std::min(offset, text.size()) + kOutputPageBytes);
    while (end < text.size() && end > offset && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    json::Object out{{"Text", offset < text.size() ? text.substr(offset, end - offset) : std::string()},
                     {"TotalBytes", text.size()}};
    if (end < text.size()) out["NextOffset"] = end;
    return out;
  });
}

}  // namespace belay::server
