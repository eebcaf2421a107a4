// Belay's own: what is done about nodes that do not comply.
#include "store/remedies.hpp"

#include "base/text.hpp"
#include "server/api/handlers.hpp"
#include "server/engine/remedy_kind.hpp"
#include "store/commands.hpp"

namespace belay::server {
namespace {

struct WireTarget {
  std::string Key;
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(WireTarget, (), (Key, Values))
struct PutRequest {
  std::string Name, Description, Action, DocumentName, WindowId;
  std::string SeverityAtLeast = "UNSPECIFIED", MaxConcurrency = "10%", MaxErrors = "10%";
  std::int64_t AfterSeconds = 0;
  bool Enabled = true, IncludeUnknown = true;
  std::vector<std::string> ComplianceTypes{"Patch"};
  std::vector<WireTarget> Targets;
  std::vector<std::string> Notify;
  std::map<std::string, std::vector<std::string>> Parameters;
};
BOOST_DESCRIBE_STRUCT(PutRequest, (),
                      (Name, Description, Action, DocumentName, WindowId, SeverityAtLeast, MaxConcurrency, MaxErrors,
                       AfterSeconds, Enabled, IncludeUnknown, ComplianceTypes, Targets, Notify, Parameters))

constexpr std::pair<remedy::Action, std::string_view> kActions[] = {{remedy::Action::notice, "Notice"},
                                                                    {remedy::Action::command, "Command"},
                                                                    {remedy::Action::next_window, "NextWindow"}};

std::string_view action_text(remedy::Action action) {
  for (const auto& [known, text] : kActions)
    if (known == action) return text;
  return "";
}

Result<remedy::Policy> policy_of(const PutRequest& request) {
  remedy::Policy policy;
  for (const auto& [action, text] : kActions)
    if (text == request.Action) policy.action = action;
  BELAY_TRY_ASSIGN(policy.severity_at_least, json::decode<remedy::Severity>(json::Value(request.SeverityAtLeast)));
  policy.name = request.Name;
  policy.description = request.Description;
  policy.enabled = request.Enabled;
  policy.after = Duration(request.AfterSeconds * 1000);
  policy.include_unknown = request.IncludeUnknown;
  policy.compliance_types = request.ComplianceTypes;
  for (const auto& target : request.Targets) policy.targets.push_back({target.Key, target.Values});
  policy.document_name = request.DocumentName;
  policy.parameters = request.Parameters;
  policy.window_id = request.WindowId;
  policy.max_concurrency = request.MaxConcurrency;
  policy.max_errors = request.MaxErrors;
  policy.notify = request.Notify;
  return policy;
}

Result<json::Object> policy_reply(const store::remedies::Policy& kept) {
  BELAY_TRY_ASSIGN(const auto policy, json::decode_text<remedy::Policy>(kept.content));
  json::Array targets;
  for (const auto& target : policy.targets)
    targets.push_back(json::Object{{"Key", target.key}, {"Values", json::encode(target.values)}});
  json::Object row{{"Name", policy.name},
                   {"PolicyId", kept.policy_id},
                   {"Generation", kept.generation},
                   {"Enabled", policy.enabled},
                   {"Action", action_text(policy.action)},
                   {"AfterSeconds", policy.after.count() / 1000},
                   {"SeverityAtLeast", json::encode(policy.severity_at_least)},
                   {"IncludeUnknown", policy.include_unknown},
                   {"ComplianceTypes", json::encode(policy.compliance_types)},
                   {"CreatedDate", epoch(kept.created_at)},
                   {"ModifiedDate", epoch(kept.updated_at)},
                   {"ModifiedBy", kept.updated_by}};
  put(row, "Description", json::Value(policy.description));
  put(row, "Targets", std::move(targets));
  put(row, "WindowId", json::Value(policy.window_id));
  if (!policy.notify.empty()) row["Notify"] = json::encode(policy.notify);
  if (policy.action != remedy::Action::command) return row;
  row["DocumentName"] = policy.document_name;
  row["Parameters"] = json::encode(policy.parameters);
  row["MaxConcurrency"] = policy.max_concurrency;
  row["MaxErrors"] = policy.max_errors;
  return row;
}

// "Waiting" until it acts; then what it did, and what became of it.
Result<json::Object> remedy_reply(store::Sql& sql, const store::remedies::Episode& episode) {
  json::Object row{{"EpisodeId", episode.episode_id},
                   {"PolicyName", episode.policy_name},
                   {"InstanceId", episode.node_id},
                   {"SinceDate", epoch(episode.opened_at)},
                   {"DueDate", epoch(episode.due_at)},
                   {"Open", !episode.closed_at},
                   {"Status", episode.compliance == "non_compliant" ? "NON_COMPLIANT"
                              : episode.compliance == "unknown"     ? "UNKNOWN"
                                                                    : "COMPLIANT"},
                   {"Severity", episode.severity},
                   {"Outcome", "Waiting"}};
  put(row, "ClosedDate", epoch(episode.closed_at));
  if (episode.closed_at && !episode.acted_at) row["Outcome"] = "Mended";  // before its time came
  if (episode.acted_at) {
    row["ActedDate"] = epoch(*episode.acted_at);
    row["Outcome"] = episode.outcome == "noticed"  ? "Noticed"
                     : episode.outcome == "sent"   ? "CommandSent"
                     : episode.outcome == "placed" ? "PlacedInWindow"
                                                   : "Failed";
  }
  BELAY_TRY_ASSIGN(const auto detail, json::parse(episode.detail));
  if (const auto* reasons = json::find(detail, "reasons")) put(row, "Reasons", *reasons);
  put(row, "Error", json::Value(json::text_or_empty(detail, "error")));
  put(row, "WindowId", json::Value(json::text_or_empty(detail, "window")));
  if (episode.command_id.empty()) return row;
  row["CommandId"] = episode.command_id;
  const auto invocation = store::commands::get_invocation(sql, episode.command_id, episode.node_id);
  if (invocation.ok()) row["CommandStatus"] = invocation->status;
  return row;
}

Error no_policy(const std::string& name) {
  return failure("DoesNotExistException", "there is no remedy policy '" + sanitize(name, 128) + "'");
}

}  // namespace

Result<json::Object> put_remedy_policy(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<PutRequest>());
  BELAY_TRY_ASSIGN(const auto policy, policy_of(request));
  // Rehearsed in a transaction that is undone by its own error.
  const Status rehearsed = call.write([&](store::Sql& sql) -> Status {
    // It sends its command, or has a window send its own, to nodes that its author chose.
    if (policy.action != remedy::Action::notice)
      BELAY_TRY(require_also(sql, call, "ssm:SendCommand", "a remedy policy with the action " + request.Action));
    BELAY_TRY(rehearse_remedy(sql, policy, call.now));
    return Error(Code::cancelled, "the rehearsal went well", "rehearsed");
  });
  if (rehearsed.error().reason() != "rehearsed") return rehearsed.error();
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto kept, put_remedy(sql, policy, call.principal, call.now));
    BELAY_TRY_ASSIGN(auto reply, policy_reply(kept));
    return json::Object{{"Policy", std::move(reply)}};
  });
}

Result<json::Object> delete_remedy_policy(const Call& call) {
  const std::string name = call.text("Name");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    const Status removed = remove_remedy(sql, name, call.principal, call.now);
    if (!removed.ok() && removed.error().code() == Code::not_found) return no_policy(name);
    BELAY_TRY(removed);
    return json::Object();
  });
}

Result<json::Object> list_remedy_policies(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, store::remedies::list_policies(sql, page));
    json::Array rows;
    for (const auto& kept : found.items) {
      BELAY_TRY_ASSIGN(auto row, policy_reply(kept));
      rows.push_back(std::move(row));
    }
    json::Object reply{{"Policies", std::move(rows)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> list_remedies(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  store::remedies::Filter filter;
  filter.policy_name = call.text("PolicyName");
  filter.node_id = call.text("InstanceId");
  if (const auto* open = json::find(call.request, "Open")) filter.open = open->get_bool();
  if (const auto* acted = json::find(call.request, "Acted")) filter.acted = acted->get_bool();
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, store::remedies::list(sql, filter, page));
    json::Array rows;
    for (const auto& episode : found.items) {
      BELAY_TRY_ASSIGN(auto row, remedy_reply(sql, episode));
      rows.push_back(std::move(row));
    }
    json::Object reply{{"Remedies", std::move(rows)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

}  // namespace belay::server
