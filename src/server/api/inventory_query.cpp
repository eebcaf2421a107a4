// GetInventory: the nodes that pass the filters with what they have of one type, or counts over them.
#include <algorithm>

#include "base/text.hpp"
#include "core/inventory/types.hpp"
#include "server/api/handlers.hpp"
#include "server/api/inventory.hpp"

namespace belay::server {
namespace {

using inventory::Counter;
using inventory::Held;
using inventory::Matcher;

constexpr std::size_t kChainsMax = 10, kStepsMax = 5;
constexpr std::size_t kNodesScannedMax = 5'000;  // for one page; the next goes on from there

struct WireGroup {
  std::string Name;
  std::vector<WireInventoryFilter> Filters;
};
BOOST_DESCRIBE_STRUCT(WireGroup, (), (Name, Filters))
struct WireResultAttribute {
  std::string TypeName;
};
BOOST_DESCRIBE_STRUCT(WireResultAttribute, (), (TypeName))
struct GetRequest {
  std::vector<WireInventoryFilter> Filters;
  std::vector<WireResultAttribute> ResultAttributes;
  json::Value Aggregators;  // nested, so read by hand
};
BOOST_DESCRIBE_STRUCT(GetRequest, (), (Filters, ResultAttributes, Aggregators))

struct Group {
  std::string name;
  Matcher matcher;
  std::int64_t matching = 0, not_matching = 0;
};

struct Aggregation {
  std::vector<Counter> counters;
  std::vector<Group> groups;
  bool empty() const { return counters.empty() && groups.empty(); }
};

// The entries of the node at hand, each type read once.
class NodeEntries {
 public:
  NodeEntries(InventoryView& view, const store::nodes::Node& node) : view_(view), node_(node) {}
  Result<const InventoryItem*> item(std::string_view type) {
    auto at = items_.find(type);
    if (at == items_.end()) {
      BELAY_TRY_ASSIGN(auto found, view_.item(node_, type));
      at = items_.emplace(std::string(type), std::move(found)).first;
    }
    return at->second ? &*at->second : nullptr;
  }
  inventory::EntriesOf entries() {
    return [this](std::string_view type) -> Result<Held> {
      BELAY_TRY_ASSIGN(const auto* found, item(type));
      if (!found) return Held{};
      return Held{found->entries.get(), found->content_hash};
    };
  }

 private:
  InventoryView& view_;
  const store::nodes::Node& node_;
  std::map<std::string, std::optional<InventoryItem>, std::less<>> items_;
};

Status add_groups(store::Sql& sql, const json::Value& aggregator, Aggregation& into) {
  const auto* wire = json::find(aggregator, "Groups");
  if (!wire) return {};
  BELAY_TRY_ASSIGN(const auto groups, json::decode<std::vector<WireGroup>>(*wire));
  for (const auto& group : groups) {
    if (std::ranges::find(into.groups, group.Name, &Group::name) != into.groups.end())
      return failure("InvalidInventoryGroupException", "the group '" + sanitize(group.Name, 100) + "' is there twice");
    auto filters = inventory_filters(sql, group.Filters, true);
    if (!filters.ok()) return filters.error();
    into.groups.push_back({group.Name, Matcher(std::move(*filters)), 0, 0});
  }
  return {};
}

// Every way from the outermost aggregator to a leaf.
Status add_chains(store::Sql& sql, const json::Array& level, std::vector<inventory::Path> above, Aggregation& into) {
  for (const auto& aggregator : level) {
    BELAY_TRY(add_groups(sql, aggregator, into));
    const std::string expression = json::text_or_empty(aggregator, "Expression");
    const auto* nested = json::find(aggregator, "Aggregators");
    if (expression.empty()) {
      if (!json::find(aggregator, "Groups") || nested)
        return failure("InvalidAggregatorException", "an aggregator has an Expression, or Groups alone");
      continue;
    }
    auto path = inventory::parse_path(expression);
    if (!path.ok()) return failure("InvalidAggregatorException", path.error().message());
    BELAY_TRY(check_inventory_path(sql, *path, "InvalidAggregatorException"));
    auto steps = above;
    steps.push_back(std::move(*path));
    if (steps.size() > kStepsMax) return failure("InvalidAggregatorException", "aggregators are nested at most 5 deep");
    if (nested) {
      BELAY_TRY(add_chains(sql, nested->get_array(), std::move(steps), into));
      continue;
    }
    if (into.counters.size() >= kChainsMax)
      return failure("InvalidAggregatorException", "there are more than 10 aggregators at the end of their nests");
    into.counters.emplace_back(std::move(steps));
  }
  return {};
}

json::Object item_reply(std::string_view type, std::string_view version, json::Array content) {
  return {{"TypeName", type}, {"SchemaVersion", version}, {"Content", std::move(content)}};
}

std::string version_of(std::string_view type) {
  const auto* known = inventory::find_type(type);
  return known ? std::string(known->version) : "1.0";
}

// The most frequent first.
json::Array rows_of(const Counter& counter) {
  std::vector<std::pair<std::int64_t, std::vector<std::string>>> rows;
  for (const auto& [values, count] : counter.counts()) rows.emplace_back(-count, values);
  std::ranges::sort(rows);
  json::Array out;
  for (const auto& [count, values] : rows) {
    json::Object row{{"Count", std::to_string(-count)}};
    for (std::size_t i = 0; i < values.size(); ++i) row[counter.steps()[i].attribute] = values[i];
    out.push_back(std::move(row));
  }
  return out;
}

json::Object aggregation_reply(const Aggregation& aggregation) {
  json::Array entities;
  for (const auto& counter : aggregation.counters) {
    const std::string& type = counter.steps().front().type;
    entities.push_back(
        json::Object{{"Data", json::Object{{type, item_reply(type, version_of(type), rows_of(counter))}}}});
  }
  json::Object groups;
  for (const auto& group : aggregation.groups)
    groups[group.name] = item_reply("AWS:InstanceInformation", "1.0",
                                    {json::Object{{"matchingCount", std::to_string(group.matching)},
                                                  {"notMatchingCount", std::to_string(group.not_matching)}}});
  if (!groups.empty()) entities.push_back(json::Object{{"Data", std::move(groups)}});
  return {{"Entities", std::move(entities)}};
}

Status count_node(Aggregation& aggregation, const inventory::EntriesOf& entries) {
  for (auto& counter : aggregation.counters) {
    const Status counted = counter.add(entries);
    if (!counted.ok() && counted.error().code() == Code::resource_exhausted)
      return failure("InvalidAggregatorException", counted.error().message());
    BELAY_TRY(counted);
  }
  for (auto& group : aggregation.groups) {
    BELAY_TRY_ASSIGN(const bool fits, group.matcher.passes(entries));
    ++(fits ? group.matching : group.not_matching);
  }
  return {};
}

// Over the whole fleet.
Result<json::Object> aggregate(store::Sql& sql, const Call& call, Matcher& matcher, Aggregation& aggregation) {
  auto view = inventory_view(sql, call);
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::list(sql, {}, page));
    for (const auto& node : nodes.items) {
      NodeEntries of_node(view, node);
      const auto entries = of_node.entries();
      BELAY_TRY_ASSIGN(const bool passes, matcher.passes(entries));
      if (passes) BELAY_TRY(count_node(aggregation, entries));
    }
    page.after = nodes.next;
  } while (!page.after.empty());
  return aggregation_reply(aggregation);
}

Result<json::Object> entity_reply(NodeEntries& of_node, const std::string& node_id, const std::string& type) {
  json::Object data;
  BELAY_TRY_ASSIGN(const auto* item, of_node.item(type));
  if (item) {
    auto reply = item_reply(type, item->schema_version, entries_reply(*item->entries));
    reply["CaptureTime"] = capture_time(item->captured_at);
    reply["ContentHash"] = item->content_hash;
    data[type] = std::move(reply);
  }
  return json::Object{{"Id", node_id}, {"Data", std::move(data)}};
}

Result<json::Object> entities(store::Sql& sql, const Call& call, Matcher& matcher, const std::string& type,
                              const store::Page& asked) {
  auto view = inventory_view(sql, call);
  json::Array shown;
  json::Object reply;
  std::string after = asked.after;
  std::size_t scanned = 0;
  for (bool more = true; more && scanned < kNodesScannedMax;) {
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::list(sql, {}, {200, after}));
    more = !nodes.next.empty();
    for (const auto& node : nodes.items) {
      if (shown.size() == asked.limit) {
        more = true;
        scanned = kNodesScannedMax;
        break;
      }
      ++scanned;
      after = node.node_id;
      NodeEntries of_node(view, node);
      BELAY_TRY_ASSIGN(const bool passes, matcher.passes(of_node.entries()));
      if (!passes) continue;
      BELAY_TRY_ASSIGN(auto entity, entity_reply(of_node, node.node_id, type));
      shown.push_back(std::move(entity));
    }
    if (more && scanned >= kNodesScannedMax) put_next(reply, call, after);
  }
  reply["Entities"] = std::move(shown);
  return reply;
}

}  // namespace

Result<json::Object> get_inventory(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<GetRequest>());
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  const json::Array aggregators = request.Aggregators.is_array() ? request.Aggregators.get_array() : json::Array();
  if (!aggregators.empty() && !request.ResultAttributes.empty())
    return failure("InvalidResultAttributeException", "ResultAttributes and Aggregators exclude each other");
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(auto filters, inventory_filters(sql, request.Filters, !aggregators.empty()));
    Matcher matcher(std::move(filters));
    Aggregation aggregation;
    BELAY_TRY(add_chains(sql, aggregators, {}, aggregation));
    if (!aggregation.empty()) return aggregate(sql, call, matcher, aggregation);
    std::string type(inventory::kInstanceInformation);
    if (!request.ResultAttributes.empty()) type = request.ResultAttributes.front().TypeName;
    if (!check_inventory_type(sql, type).ok())
      return failure("InvalidResultAttributeException",
                     "there is no inventory type '" + sanitize(type, 100) + "' to return");
    return entities(sql, call, matcher, type, page);
  });
}

}  // namespace belay::server
