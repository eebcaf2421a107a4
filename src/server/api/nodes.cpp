// Activations, and the nodes they brought: SSM's six; and what to do where two machines use one identity.
#include "store/nodes.hpp"

#include <algorithm>

#include "core/association/machine.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/shapes/validate.hpp"
#include "server/engine/inventory_view.hpp"
#include "server/engine/uses.hpp"
#include "store/activations.hpp"
#include "store/associations.hpp"

namespace belay::server {
namespace {

namespace activations = store::activations;
namespace nodes = store::nodes;

constexpr Duration kActivationLives{24LL * 3600 * 1000};  // where the request says nothing

struct CreateActivationRequest {
  std::string Description, DefaultInstanceName, IamRole;
  std::uint32_t RegistrationLimit = 1;
  json::Value ExpirationDate;
};
BOOST_DESCRIBE_STRUCT(CreateActivationRequest, (),
                      (Description, DefaultInstanceName, IamRole, RegistrationLimit, ExpirationDate))

struct ActivationFilter {
  std::string FilterKey;
  std::vector<std::string> FilterValues;
};
BOOST_DESCRIBE_STRUCT(ActivationFilter, (), (FilterKey, FilterValues))
struct DescribeActivationsRequest {
  std::vector<ActivationFilter> Filters;
};
BOOST_DESCRIBE_STRUCT(DescribeActivationsRequest, (), (Filters))

struct OldFilter {
  std::string key;
  std::vector<std::string> valueSet;
};
BOOST_DESCRIBE_STRUCT(OldFilter, (), (key, valueSet))
struct OldFiltersRequest {
  std::vector<OldFilter> InstanceInformationFilterList;
};
BOOST_DESCRIBE_STRUCT(OldFiltersRequest, (), (InstanceInformationFilterList))

json::Object activation_reply(const activations::Activation& a, Instant now) {
  json::Object out{{"ActivationId", a.activation_id},           {"IamRole", a.iam_role},
                   {"RegistrationLimit", a.registration_limit}, {"RegistrationsCount", a.registrations_count},
                   {"ExpirationDate", epoch(a.expires_at)},     {"Expired", a.expires_at <= now},
                   {"CreatedDate", epoch(a.created_at)}};
  put(out, "Description", json::Value(a.description));
  put(out, "DefaultInstanceName", json::Value(a.default_instance_name));
  put(out, "Tags", tags_reply(a.tags));
  return out;
}

json::Object information_reply(const Call& call, const nodes::Node& node) {
  json::Object out{{"InstanceId", node.node_id},
                   {"PingStatus", ping_status(call.services, nodes::brief_of(node), call.now)},
                   {"AgentVersion", node.agent_version},
                   {"IsLatestVersion", node.agent_version == BELAY_VERSION},
                   {"PlatformType", "Linux"},
                   {"PlatformName", platform_name(node.facts)},
                   {"PlatformVersion", node.facts.os_version},
                   {"ResourceType", node.node_id.starts_with("mi-") ? "ManagedInstance" : "EC2Instance"},
                   {"RegistrationDate", epoch(node.registered_at)},
                   {"ComputerName", node.facts.computer_name}};
  put(out, "LastPingDateTime", epoch(node.last_seen_at));
  put(out, "ActivationId", json::Value(node.activation_id));
  put(out, "IamRole", json::Value(node.iam_role));
  put(out, "Name", json::Value(node.name));
  put(out, "IPAddress", json::Value(node.facts.addresses.empty() ? node.address : node.facts.addresses.front()));
  return out;
}

// How the node stands in its associations together; nothing where it has none.
Status put_associations(store::Sql& sql, const std::string& node_id, json::Object& out) {
  std::vector<association::Status> statuses;
  store::associations::Counts counts;
  std::optional<Instant> last, last_success;
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto listed, store::associations::associations_of(sql, node_id, page));
    for (const auto& standing : listed.items) {
      auto status = association::Status::Pending;
      boost::describe::enum_from_string(standing.status.c_str(), status);
      statuses.push_back(status);
      ++counts[standing.status];
      if (!association::has_ended(status) || !standing.executed_at) continue;
      last = std::max(last.value_or(*standing.executed_at), *standing.executed_at);
      if (status != association::Status::Success) continue;
      last_success = std::max(last_success.value_or(*standing.executed_at), *standing.executed_at);
    }
    page.after = listed.next;
  } while (!page.after.empty());
  if (statuses.empty()) return {};
  const std::string overall =
      boost::describe::enum_to_string(association::overall(statuses, association::Status::Pending), "");
  out["AssociationStatus"] = overall;
  out["AssociationOverview"] =
      json::Object{{"DetailedStatus", overall}, {"InstanceAssociationStatusAggregatedCount", json::encode(counts)}};
  put(out, "LastAssociationExecutionDate", epoch(last));
  put(out, "LastSuccessfulAssociationExecutionDate", epoch(last_success));
  return {};
}

json::Object clone_reply(const nodes::Node& node) {
  json::Object out{
      {"InstanceId", node.node_id}, {"Name", node.name}, {"CloneSuspectedDate", epoch(node.clone_seen_at)}};
  put(out, "IPAddress", json::Value(node.address));
  put(out, "OtherIPAddress", json::Value(node.clone_address));
  return out;
}

bool holds(const std::vector<std::string>& values, std::string_view value) {
  return std::ranges::find(values, value) != values.end();
}

// Whether any node can pass at all.
Result<bool> add_filter(const Call& call, const Filter& asked, nodes::NodeFilter& into) {
  const auto& [key, values] = asked;
  if (key.starts_with("tag:")) into.tags.push_back({key.substr(4), values});
  else if (key == "tag-key")
    for (const auto& value : values) into.tags.push_back({value, {}});
  else if (key == "InstanceIds") into.node_ids = values;
  else if (key == "AgentVersion") into.agent_versions = values;
  else if (key == "ActivationIds") into.activation_ids = values;
  else if (key == "IamRole") into.iam_roles = values;
  else if (key == "PlatformTypes") return holds(values, "Linux");
  else if (key == "ResourceType") return holds(values, "ManagedInstance");
  else if (key == "AssociationStatus") into.association_statuses = values;
  else if (key == "AssociationDetailedStatus") into.association_details = values;
  else if (key == "PingStatus") {
    const Instant online = call.now - call.services.online_within, lost = call.now - kInactiveAfter;
    if (holds(values, "Online")) into.seen.push_back({online, {}});
    if (holds(values, "ConnectionLost")) into.seen.push_back({lost, online});
    if (holds(values, "Inactive")) into.seen.push_back({{}, lost});
  }
  return true;
}

Result<std::vector<Filter>> information_filters(const Call& call) {
  BELAY_TRY_ASSIGN(auto filters,
                   filters_of(call.request,
                              {"InstanceIds", "AgentVersion", "PingStatus", "PlatformTypes", "ActivationIds", "IamRole",
                               "ResourceType", "AssociationStatus", "AssociationDetailedStatus", "tag-key", "tag:"},
                              "InvalidFilterKey"));
  BELAY_TRY_ASSIGN(auto old, call.as<OldFiltersRequest>());
  for (auto& filter : old.InstanceInformationFilterList)
    filters.push_back({std::move(filter.key), std::move(filter.valueSet)});
  static constexpr std::string_view kPings[] = {"Online", "ConnectionLost", "Inactive"},
                                    kPlatforms[] = {"Linux", "Windows", "MacOS"},
                                    kResources[] = {"ManagedInstance", "EC2Instance"};
  for (const auto& [key, values] : filters) {
    const std::span<const std::string_view> known = key == "PingStatus"      ? std::span<const std::string_view>(kPings)
                                                    : key == "PlatformTypes" ? kPlatforms
                                                    : key == "ResourceType"  ? kResources
                                                                             : std::span<const std::string_view>();
    if (known.empty()) continue;
    for (const auto& value : values) BELAY_TRY(check_word(key, value, known, "InvalidInstanceInformationFilterValue"));
  }
  return filters;
}

Result<json::Object> no_such_node(const Error& error, const std::string& id) {
  if (error.code() != Code::not_found) return error;
  return failure("InvalidInstanceId", "there is no node " + id);
}

}  // namespace

Result<json::Object> create_activation(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<CreateActivationRequest>());
  activations::Activation wanted;
  wanted.description = request.Description;
  wanted.default_instance_name = request.DefaultInstanceName;
  wanted.iam_role = request.IamRole;
  wanted.registration_limit = request.RegistrationLimit;
  wanted.expires_at =
      request.ExpirationDate.is_null() ? call.now + kActivationLives : *shapes::time_of(request.ExpirationDate);
  wanted.created_by = call.principal;
  BELAY_TRY_ASSIGN(wanted.tags, tags_of(call.request));
  auto made = call.services.nodes.create_activation(std::move(wanted));
  if (!made.ok() && made.error().code() == Code::invalid_argument)
    return failure("InvalidParameters", made.error().chain());
  if (!made.ok()) return made.error();
  return json::Object{{"ActivationId", made->activation.activation_id}, {"ActivationCode", made->code}};
}

Result<json::Object> describe_activations(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto request, call.as<DescribeActivationsRequest>());
  activations::Filter filter;
  for (const auto& [key, values] : request.Filters) {
    if (key == "ActivationIds") filter.activation_ids = values;
    if (key == "DefaultInstanceName") filter.default_instance_names = values;
    if (key == "IamRole") filter.iam_roles = values;
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, activations::list(sql, filter, page));
    json::Array list;
    for (const auto& activation : found.items) list.push_back(activation_reply(activation, call.now));
    json::Object reply{{"ActivationList", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> delete_activation(const Call& call) {
  const std::string id = call.text("ActivationId");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    const auto removed = activations::remove(sql, id);
    if (!removed.ok() && removed.error().code() == Code::not_found)
      return failure("InvalidActivation", "there is no activation " + id);
    if (!removed.ok()) return removed.error();
    BELAY_TRY(audit_change(sql, call, id));
    return json::Object();
  });
}

Result<json::Object> describe_instance_information(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto asked, information_filters(call));
  nodes::NodeFilter filter;
  for (const auto& each : asked) {
    BELAY_TRY_ASSIGN(const bool possible, add_filter(call, each, filter));
    if (!possible) return json::Object{{"InstanceInformationList", json::Array()}};
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, nodes::list(sql, filter, page));
    json::Array list;
    for (const auto& node : found.items) {
      auto out = information_reply(call, node);
      BELAY_TRY(put_associations(sql, node.node_id, out));
      list.push_back(std::move(out));
    }
    json::Object reply{{"InstanceInformationList", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> deregister_managed_instance(const Call& call) {
  const std::string id = call.text("InstanceId");
  const auto done = call.services.nodes.deregister(id, call.principal);
  if (!done.ok()) return no_such_node(done.error(), id);
  return json::Object();
}

Result<json::Object> get_node_uses(const Call& call) {
  const std::string id = call.text("InstanceId");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    const auto node = nodes::get(sql, id);
    if (!node.ok()) return no_such_node(node.error(), id);
    BELAY_TRY_ASSIGN(const auto users, users_of_node(sql, id, node->name));
    return json::Object{{"InstanceId", id}, {"UsedBy", texts_reply(users)}};
  });
}

Result<json::Object> update_managed_instance_role(const Call& call) {
  const std::string id = call.text("InstanceId"), role = call.text("IamRole");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, id));
    BELAY_TRY(nodes::set_iam_role(sql, id, role));
    BELAY_TRY(audit_change(sql, call, id, {{"IamRole", role}, {"Before", node.iam_role}}));
    return json::Object();
  });
}

Result<json::Object> describe_cloned_nodes(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  nodes::NodeFilter filter;
  filter.only_in_doubt = true;
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto found, nodes::list(sql, filter, page));
    json::Array list;
    for (const auto& node : found.items) list.push_back(clone_reply(node));
    json::Object reply{{"ClonedNodes", std::move(list)}};
    put_next(reply, call, found.next);
    return reply;
  });
}

Result<json::Object> settle_cloned_node(const Call& call) {
  const std::string id = call.text("InstanceId");
  const auto settled = call.services.nodes.settle_clone(id, call.principal);
  if (!settled.ok()) return no_such_node(settled.error(), id);
  json::Object reply{{"InstanceId", id}};
  put(reply, "CloneSuspectedDate", epoch(*settled));
  return reply;
}

}  // namespace belay::server
