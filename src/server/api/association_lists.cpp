// Lists of associations, their versions, what they ran, and how a node stands in them.
#include <algorithm>

#include "base/text.hpp"
#include "core/document/built_in.hpp"
#include "server/api/association_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/window_wire.hpp"
#include "store/commands.hpp"
#include "store/documents.hpp"

namespace belay::server {
namespace {

namespace associations = store::associations;

struct WireFilter {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(WireFilter, (), (key, value))
struct ListRequest {
  std::vector<WireFilter> AssociationFilterList;
};
BOOST_DESCRIBE_STRUCT(ListRequest, (), (AssociationFilterList))
struct ExecutionFilter {
  std::string Key, Value, Type = "EQUAL";
};
BOOST_DESCRIBE_STRUCT(ExecutionFilter, (), (Key, Value, Type))
struct ExecutionsRequest {
  std::string AssociationId, ExecutionId;
  std::vector<ExecutionFilter> Filters;
};
BOOST_DESCRIBE_STRUCT(ExecutionsRequest, (), (AssociationId, ExecutionId, Filters))

Error refuse(std::string what) { return failure("ValidationException", std::move(what)); }

Result<Instant> time_of(const std::string& key, const std::string& text) {
  const auto at = parse_iso8601(text);
  if (at.ok()) return at;
  return refuse(key + ": '" + sanitize(text, 40) + "' is no time; write 2026-12-08T02:00:00Z");
}

Status add_filter(const WireFilter& wire, associations::Filter& filter) {
  if (wire.key == "InstanceId") {
    filter.node_id = wire.value;
    return {};
  }
  if (wire.key == "LastExecutedBefore" || wire.key == "LastExecutedAfter") {
    BELAY_TRY_ASSIGN(const Instant at, time_of(wire.key, wire.value));
    (wire.key == "LastExecutedBefore" ? filter.run_before : filter.run_after) = at;
    return {};
  }
  if (wire.key == "Name") filter.documents.push_back(wire.value);
  else if (wire.key == "AssociationId") filter.association_ids.push_back(wire.value);
  else if (wire.key == "AssociationName") filter.names.push_back(wire.value);
  else if (wire.key == "AssociationStatusName") {
    BELAY_TRY(check_enum<association::Status>(wire.key, wire.value));
    filter.statuses.push_back(wire.value);
  } else return refuse("AssociationFilterList: " + wire.key + " is not supported: Belay has no resource groups");
  return {};
}

Result<associations::ExecutionFilter> execution_filter(const std::vector<ExecutionFilter>& wire) {
  associations::ExecutionFilter filter;
  for (const auto& each : wire) {
    if (each.Key == "CreatedTime") {
      if (each.Type == "EQUAL") return refuse("Filters: CreatedTime takes LESS_THAN or GREATER_THAN");
      BELAY_TRY_ASSIGN(const Instant at, time_of(each.Key, each.Value));
      (each.Type == "LESS_THAN" ? filter.created_before : filter.created_after) = at;
      continue;
    }
    if (each.Type != "EQUAL") return refuse("Filters: " + each.Key + " takes EQUAL only");
    if (each.Key == "Status") BELAY_TRY(check_enum<association::Status>(each.Key, each.Value));
    (each.Key == "Status" ? filter.statuses : filter.execution_ids).push_back(each.Value);
  }
  return filter;
}

Result<associations::Execution> execution_of(store::Sql& sql, const ExecutionsRequest& request) {
  auto found = associations::get_execution(sql, request.ExecutionId);
  if (!found.ok() && found.error().code() != Code::not_found) return found;
  if (found.ok() && found->association_id == request.AssociationId) return found;
  return failure("AssociationExecutionDoesNotExist",
                 "association " + request.AssociationId + " has no execution " + request.ExecutionId);
}

// While the command runs the truth is with its invocation.
Status look_at_invocation(store::Sql& sql, const std::string& command_id, associations::Target& target) {
  if (target.status != "Pending" || command_id.empty()) return {};
  const auto invocation = store::commands::get_invocation(sql, command_id, target.node_id);
  if (!invocation.ok()) return invocation.error().code() == Code::not_found ? Status() : Status(invocation.error());
  target.status = invocation->status;
  target.details = invocation->status_details;
  target.executed_at = invocation->finished_at ? invocation->finished_at : invocation->started_at;
  return {};
}

// Of what the association runs there; "" where the document is gone.
Result<std::string> content_of(store::Sql& sql, const std::string& name) {
  if (const auto* built_in = document::find_built_in(name)) return std::string(built_in->content);
  const auto document = store::documents::get(sql, name);
  if (!document.ok()) return document.error().code() == Code::not_found ? Result<std::string>("") : document.error();
  BELAY_TRY_ASSIGN(const auto version, store::documents::get_version(sql, name, document->default_version));
  return version.content;
}

}  // namespace

Result<json::Object> list_associations(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<ListRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  associations::Filter filter;
  for (const auto& each : request.AssociationFilterList) BELAY_TRY(add_filter(each, filter));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto listed, associations::list(sql, filter, page));
    json::Array items;
    for (const auto& row : listed.items) {
      BELAY_TRY_ASSIGN(const auto settings, settings_of(row.content));
      json::Object out = settings_reply(settings);
      for (const char* member : {"Parameters", "ApplyOnlyAtCronInterval", "ComplianceSeverity", "SyncCompliance",
                                 "MaxConcurrency", "MaxErrors", "CalendarNames"})
        out.erase(member);
      out["AssociationId"] = row.association_id;
      out["AssociationVersion"] = std::to_string(row.version);
      put(out, "LastExecutionDate", epoch(row.last_run_at));
      out["Overview"] = json::Object{{"Status", row.status},
                                     {"DetailedStatus", row.held.empty() ? row.status : "held: " + row.held},
                                     {"AssociationStatusAggregatedCount", counts_reply(row.counts)}};
      items.push_back(std::move(out));
    }
    json::Object reply{{"Associations", std::move(items)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

Result<json::Object> list_association_versions(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto row, association_of(sql, call));
    BELAY_TRY_ASSIGN(const auto listed, associations::list_versions(sql, row.association_id, page));
    json::Array items;
    for (const auto& version : listed.items) {
      BELAY_TRY_ASSIGN(const auto settings, settings_of(version.content));
      json::Object out = settings_reply(settings);
      out.erase("InstanceId");
      out["AssociationId"] = row.association_id;
      out["AssociationVersion"] = std::to_string(version.version);
      out["CreatedDate"] = epoch(version.created_at);
      items.push_back(std::move(out));
    }
    json::Object reply{{"AssociationVersions", std::move(items)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

Result<json::Object> describe_association_executions(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<ExecutionsRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto filter, execution_filter(request.Filters));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(association_of(sql, call));
    BELAY_TRY_ASSIGN(const auto listed, associations::list_executions(sql, request.AssociationId, filter, page));
    json::Array items;
    for (const auto& row : listed.items) {
      auto counts = row.counts;
      if (!row.finished_at) {
        BELAY_TRY_ASSIGN(counts, associations::count_targets(sql, row.execution_id));
      }
      items.push_back(json::Object{{"AssociationId", row.association_id},
                                   {"AssociationVersion", std::to_string(row.version)},
                                   {"ExecutionId", row.execution_id},
                                   {"Status", row.status},
                                   {"DetailedStatus", row.details.empty() ? row.status : row.details},
                                   {"CreatedTime", epoch(row.created_at)},
                                   {"LastExecutionDate", epoch(row.finished_at.value_or(row.created_at))},
                                   {"ResourceCountByStatus", counts_text(counts)}});
    }
    json::Object reply{{"AssociationExecutions", std::move(items)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

Result<json::Object> describe_association_execution_targets(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<ExecutionsRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  std::vector<std::string> statuses, nodes;
  for (const auto& each : request.Filters) {
    if (each.Key == "Status") {
      BELAY_TRY(check_enum<association::Status>(each.Key, each.Value));
      statuses.push_back(each.Value);
    } else if (each.Key == "ResourceId") nodes.push_back(each.Value);
    else if (each.Value != "ManagedInstance") return refuse("Filters: ResourceType is always ManagedInstance here");
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY(association_of(sql, call));
    BELAY_TRY_ASSIGN(const auto execution, execution_of(sql, request));
    BELAY_TRY_ASSIGN(auto listed, associations::list_targets(sql, request.ExecutionId, statuses, nodes, page));
    json::Array items;
    for (auto& target : listed.items) {
      BELAY_TRY(look_at_invocation(sql, execution.command_id, target));
      json::Object out{
          {"AssociationId", execution.association_id}, {"AssociationVersion", std::to_string(execution.version)},
          {"ExecutionId", execution.execution_id},     {"ResourceId", target.node_id},
          {"ResourceType", "ManagedInstance"},         {"Status", target.status},
          {"DetailedStatus", target.details}};
      put(out, "LastExecutionDate", epoch(target.executed_at));
      if (!execution.command_id.empty())
        out["OutputSource"] =
            json::Object{{"OutputSourceId", execution.command_id}, {"OutputSourceType", "RunCommand"}};
      items.push_back(std::move(out));
    }
    json::Object reply{{"AssociationExecutionTargets", std::move(items)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

Result<json::Object> describe_effective_instance_associations(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 5, 5));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, call.text("InstanceId")));
    BELAY_TRY_ASSIGN(const auto listed, associations::associations_of(sql, node.node_id, page));
    json::Array items;
    for (const auto& standing : listed.items) {
      BELAY_TRY_ASSIGN(const auto row, associations::get(sql, standing.association_id));
      json::Object out{{"AssociationId", row.association_id},
                       {"AssociationVersion", std::to_string(row.version)},
                       {"InstanceId", node.node_id}};
      BELAY_TRY_ASSIGN(auto content, content_of(sql, row.document));
      put(out, "Content", json::Value(std::move(content)));
      items.push_back(std::move(out));
    }
    json::Object reply{{"Associations", std::move(items)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

Result<json::Object> describe_instance_associations_status(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, call.text("InstanceId")));
    BELAY_TRY_ASSIGN(const auto listed, associations::associations_of(sql, node.node_id, page));
    json::Array items;
    for (const auto& standing : listed.items) {
      BELAY_TRY_ASSIGN(const auto row, associations::get(sql, standing.association_id));
      BELAY_TRY_ASSIGN(const auto settings, settings_of(row.content));
      json::Object out{{"AssociationId", row.association_id},
                       {"AssociationVersion", std::to_string(standing.version)},
                       {"Name", row.document},
                       {"DocumentVersion", settings.document_version.empty() ? "$DEFAULT" : settings.document_version},
                       {"InstanceId", node.node_id},
                       {"Status", standing.status},
                       {"DetailedStatus", standing.details}};
      put(out, "AssociationName", json::Value(row.name));
      put(out, "ExecutionDate", epoch(standing.executed_at));
      put(out, "ExecutionSummary", json::Value(standing.summary));
      items.push_back(std::move(out));
    }
    json::Object reply{{"InstanceAssociationStatusInfos", std::move(items)}};
    put_next(reply, call, listed.next);
    return reply;
  });
}

}  // namespace belay::server
