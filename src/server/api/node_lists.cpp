// The other ways SSM lists nodes: ListNodes and its summary, instance properties, and whether a node is connected.
#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "core/inventory/query.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/engine/inventory_view.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr std::string_view kRegion = "local";  // one installation is one region
constexpr std::size_t kNodesScannedMax = 20'000;

struct NodeFilter {
  std::string Key, Type = "Equal";
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(NodeFilter, (), (Key, Type, Values))
struct ListRequest {
  std::vector<NodeFilter> Filters;
  std::string SyncName;
  json::Value Aggregators;  // nested, so read by hand
};
BOOST_DESCRIBE_STRUCT(ListRequest, (), (Filters, SyncName, Aggregators))

struct OldFilter {
  std::string key;
  std::vector<std::string> valueSet;
};
BOOST_DESCRIBE_STRUCT(OldFilter, (), (key, valueSet))
struct OperatorFilter {
  std::string Key, Operator = "Equal";
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(OperatorFilter, (), (Key, Operator, Values))
struct PropertiesRequest {
  std::vector<OldFilter> InstancePropertyFilterList;
  std::vector<OperatorFilter> FiltersWithOperator;
};
BOOST_DESCRIBE_STRUCT(PropertiesRequest, (), (InstancePropertyFilterList, FiltersWithOperator))

// Under the names of InstanceInfo and NodeFilterKey.
Attributes attributes_of(const Call& call, const store::nodes::Node& node) {
  const auto ping = ping_status(call.services, store::nodes::brief_of(node), call.now);
  return {{"AgentType", "belay-agent"},
          {"AgentVersion", node.agent_version},
          {"ComputerName", node.facts.computer_name},
          {"InstanceId", node.node_id},
          {"InstanceStatus", ping == "Online" ? "Active" : std::string(ping)},
          {"IpAddress", node.facts.addresses.empty() ? node.address : node.facts.addresses.front()},
          {"ManagedStatus", "Managed"},
          {"PlatformName", platform_name(node.facts)},
          {"PlatformType", "Linux"},
          {"PlatformVersion", node.facts.os_version},
          {"ResourceType", node.node_id.starts_with("mi-") ? "ManagedInstance" : "EC2Instance"},
          {"Region", std::string(kRegion)}};
}

// Operators of ListNodes and of DescribeInstanceProperties alike.
bool fits(std::string_view op, std::string_view key, std::string_view value, const std::vector<std::string>& wanted) {
  const bool any = std::ranges::any_of(wanted, [&](const std::string& each) {
    if (op == "BeginWith") return value.starts_with(each);
    if (op == "LessThan") return inventory::compare_values(key, value, each) < 0;
    if (op == "GreaterThan") return inventory::compare_values(key, value, each) > 0;
    return value == each;
  });
  return op == "NotEqual" ? !any : any;
}

// Of what has a closed set of values.
Status check_values(std::string_view key, std::string_view op, const std::vector<std::string>& values,
                    std::string_view exception) {
  static constexpr std::string_view kPlatforms[] = {"Linux", "Windows", "MacOS"},
                                    kManaged[] = {"All", "Managed", "Unmanaged"},
                                    kResources[] = {"EC2Instance", "ManagedInstance"},
                                    kPings[] = {"Online", "ConnectionLost", "Inactive"},
                                    kStatuses[] = {"Active", "ConnectionLost", "Inactive", "Stopped", "Terminated"};
  if (op == "BeginWith") return {};
  std::span<const std::string_view> known;
  if (key == "PlatformType" || key == "PlatformTypes") known = kPlatforms;
  else if (key == "ManagedStatus") known = kManaged;
  else if (key == "ResourceType") known = kResources;
  else if (key == "PingStatus") known = kPings;
  else if (key == "InstanceStatus") known = kStatuses;
  else return {};
  for (const auto& value : values) BELAY_TRY(check_word(key, value, known, exception));
  return {};
}

Status check_filters(const std::vector<NodeFilter>& filters) {
  for (const auto& filter : filters) BELAY_TRY(check_values(filter.Key, filter.Type, filter.Values, "InvalidFilter"));
  return {};
}

bool passes(const NodeFilter& filter, const Attributes& attributes) {
  if (filter.Key == "ManagedStatus" && std::ranges::find(filter.Values, "All") != filter.Values.end()) return true;
  const auto at = attributes.find(filter.Key);
  return fits(filter.Type, filter.Key, at == attributes.end() ? std::string() : at->second, filter.Values);
}

bool passes(const std::vector<NodeFilter>& filters, const Attributes& attributes) {
  return std::ranges::all_of(filters, [&](const NodeFilter& filter) { return passes(filter, attributes); });
}

json::Object node_reply(const store::nodes::Node& node, Attributes attributes, Instant now) {
  attributes.erase("InstanceId");
  attributes.erase("Region");
  json::Object instance;
  for (const auto& [name, value] : attributes) put(instance, name, json::Value(value));
  return {{"Id", node.node_id},
          {"CaptureTime", epoch(node.last_seen_at.value_or(now))},
          {"Region", kRegion},
          {"NodeType", json::Object{{"Instance", std::move(instance)}}}};
}

// Calls `take` for each node that passes, by id, until it says stop; returns the last one looked at, "" at the end.
template <typename Take>
Result<std::string> each_node(store::Sql& sql, std::string after, const Take& take) {
  for (std::size_t scanned = 0; scanned < kNodesScannedMax;) {
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::list(sql, {}, {500, after}));
    for (const auto& node : nodes.items) {
      if (!take(node)) return after;
      after = node.node_id;
      ++scanned;
    }
    if (nodes.next.empty()) return std::string();
  }
  return after;
}

Status no_sync(const std::string& name) {
  if (name.empty()) return {};
  return failure("ResourceDataSyncNotFoundException",
                 "there is no resource data sync '" + sanitize(name, 64) + "': leave SyncName out");
}

// Ways through nested aggregators: one or two attributes each.
Status add_chains(const json::Value& level, const std::vector<std::string>& above,
                  std::vector<std::vector<std::string>>& chains) {
  for (const auto& aggregator : level.get_array()) {
    auto chain = above;
    chain.push_back(json::text_or_empty(aggregator, "AttributeName"));
    if (chain.size() > 2) return failure("InvalidAggregatorException", "aggregators are nested at most two deep");
    const auto* nested = json::find(aggregator, "Aggregators");
    if (nested) BELAY_TRY(add_chains(*nested, chain, chains));
    else chains.push_back(std::move(chain));
  }
  return {};
}

json::Array summary_rows(const std::map<std::vector<std::pair<std::string, std::string>>, std::int64_t>& counts) {
  json::Array rows;
  for (const auto& [key, count] : counts) {
    json::Object row{{"Count", std::to_string(count)}};
    for (const auto& [name, value] : key) row[name] = value;
    rows.push_back(std::move(row));
  }
  return rows;
}

json::Object property_reply(const Call& call, const store::nodes::Node& node) {
  json::Object out{{"InstanceId", node.node_id},
                   {"PingStatus", ping_status(call.services, store::nodes::brief_of(node), call.now)},
                   {"AgentVersion", node.agent_version},
                   {"PlatformType", "Linux"},
                   {"PlatformName", platform_name(node.facts)},
                   {"PlatformVersion", node.facts.os_version},
                   {"ResourceType", node.node_id.starts_with("mi-") ? "ManagedInstance" : "EC2Instance"},
                   {"RegistrationDate", epoch(node.registered_at)},
                   {"ComputerName", node.facts.computer_name}};
  put(out, "LastPingDateTime", epoch(node.last_seen_at));
  put(out, "Name", json::Value(node.name));
  put(out, "ActivationId", json::Value(node.activation_id));
  put(out, "IamRole", json::Value(node.iam_role));
  put(out, "IPAddress", json::Value(node.facts.addresses.empty() ? node.address : node.facts.addresses.front()));
  if (node.facts.architecture == "x86_64" || node.facts.architecture == "aarch64")
    out["Architecture"] = node.facts.architecture == "aarch64" ? "arm64" : "x86_64";
  return out;
}

// The property a filter key asks for.
Result<std::string_view> member_of(const std::string& key) {
  static const std::map<std::string, std::string_view, std::less<>> kMembers = {
      {"InstanceIds", "InstanceId"},     {"AgentVersion", "AgentVersion"},
      {"PingStatus", "PingStatus"},      {"PlatformTypes", "PlatformType"},
      {"ActivationIds", "ActivationId"}, {"IamRole", "IamRole"},
      {"ResourceType", "ResourceType"},  {"DocumentName", ""},
      {"AssociationStatus", ""}};
  const auto at = kMembers.find(key);
  if (at != kMembers.end()) return at->second;
  std::vector<std::string> names;
  for (const auto& [name, member] : kMembers) names.push_back(name);
  return failure("InvalidFilterKey",
                 "the filter key '" + sanitize(key, 100) + "' is not valid here: use " + join(names, ", "));
}

Result<std::vector<OperatorFilter>> property_filters(const PropertiesRequest& request) {
  auto filters = request.FiltersWithOperator;
  for (const auto& old : request.InstancePropertyFilterList) filters.push_back({old.key, "Equal", old.valueSet});
  for (auto& filter : filters) {
    BELAY_TRY_ASSIGN(const auto member, member_of(filter.Key));
    filter.Key = member;
  }
  return filters;
}

}  // namespace

Result<json::Object> list_nodes(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<ListRequest>());
  BELAY_TRY(check_filters(request.Filters));
  BELAY_TRY(no_sync(request.SyncName));
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    json::Array rows;
    BELAY_TRY_ASSIGN(const auto next, each_node(sql, page.after, [&](const store::nodes::Node& node) {
                       auto attributes = attributes_of(call, node);
                       if (!passes(request.Filters, attributes)) return true;
                       if (rows.size() == page.limit) return false;
                       rows.push_back(node_reply(node, std::move(attributes), call.now));
                       return true;
                     }));
    json::Object reply{{"Nodes", std::move(rows)}};
    put_next(reply, call, next);
    return reply;
  });
}

Result<json::Object> list_nodes_summary(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<ListRequest>());
  BELAY_TRY(check_filters(request.Filters));
  BELAY_TRY(no_sync(request.SyncName));
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  std::vector<std::vector<std::string>> chains;
  BELAY_TRY(add_chains(request.Aggregators, {}, chains));
  std::map<std::vector<std::pair<std::string, std::string>>, std::int64_t> counts;
  std::string after;
  do {
    BELAY_TRY_ASSIGN(after, call.read([&](store::Sql& sql) {
      return each_node(sql, after, [&](const store::nodes::Node& node) {
        const auto attributes = attributes_of(call, node);
        if (!passes(request.Filters, attributes)) return true;
        for (const auto& chain : chains) {
          std::vector<std::pair<std::string, std::string>> key;
          for (const auto& name : chain) key.emplace_back(name, attributes.at(name));
          ++counts[key];
        }
        return true;
      });
    }));
  } while (!after.empty());
  const json::Array rows = summary_rows(counts);
  const std::size_t from = std::min<std::size_t>(std::strtoull(page.after.c_str(), nullptr, 10), rows.size());
  const std::size_t to = std::min<std::size_t>(from + page.limit, rows.size());
  json::Object reply{{"Summary", json::Array(rows.begin() + static_cast<std::ptrdiff_t>(from),
                                             rows.begin() + static_cast<std::ptrdiff_t>(to))}};
  if (to < rows.size()) put_next(reply, call, std::to_string(to));
  return reply;
}

Result<json::Object> describe_instance_properties(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<PropertiesRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 1'000));
  BELAY_TRY_ASSIGN(const auto filters, property_filters(request));
  for (const auto& filter : filters)
    BELAY_TRY(check_values(filter.Key, filter.Operator, filter.Values, "InvalidInstancePropertyFilterValue"));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    json::Array rows;
    BELAY_TRY_ASSIGN(const auto next, each_node(sql, page.after, [&](const store::nodes::Node& node) {
                       auto row = property_reply(call, node);
                       const bool fine = std::ranges::all_of(filters, [&](const OperatorFilter& filter) {
                         return fits(filter.Operator, filter.Key, json::text_or_empty(row, filter.Key), filter.Values);
                       });
                       if (!fine) return true;
                       if (rows.size() == page.limit) return false;
                       rows.push_back(std::move(row));
                       return true;
                     }));
    json::Object reply{{"InstanceProperties", std::move(rows)}};
    put_next(reply, call, next);
    return reply;
  });
}

Result<json::Object> get_connection_status(const Call& call) {
  const std::string target = call.text("Target");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    const auto node = store::nodes::get(sql, target);
    if (!node.ok() && node.error().code() != Code::not_found) return node.error();
    const bool online = node.ok() && ping_status(call.services, store::nodes::brief_of(*node), call.now) == "Online";
    return json::Object{{"Target", target}, {"Status", online ? "connected" : "notconnected"}};
  });
}

}  // namespace belay::server
