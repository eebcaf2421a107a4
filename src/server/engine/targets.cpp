#include <algorithm>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "server/engine/commands.hpp"

namespace belay::server {
namespace {
using store::Sql;

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what), "InvalidTarget"); }

// Any of the filters; more than one where a key means either of two tags.
using Filters = std::vector<store::nodes::NodeFilter>;

Status add_target(const Target& target, Filters& filters) {
  auto& filter = filters.front();
  if (target.values.empty() && target.key != "tag-key")
    return refuse("target '" + sanitize(target.key, 60) + "' has no values");
  if (target.key == "InstanceIds" || target.key == "instanceids") {
    if (std::ranges::find(target.values, "*") != target.values.end()) return {};  // every node
    filter.names_or_ids.insert(filter.names_or_ids.end(), target.values.begin(), target.values.end());
    return {};
  }
  if (target.key.starts_with("tag:") && target.key.size() > 4) {
    filter.tags.push_back({target.key.substr(4), target.values});
    return {};
  }
  if (target.key == "tag-key") {
    if (target.values.size() != 1) return refuse("target tag-key takes one key");
    filter.tags.push_back({target.values.front(), {}});
    return {};
  }
  if (target.key == "Name") {
    filter.names.insert(filter.names.end(), target.values.begin(), target.values.end());
    return {};
  }
  return refuse("target key '" + sanitize(target.key, 60) +
                "' is not known; there are InstanceIds, Name, PatchGroup, tag:<key> and tag-key");
}

Status add_patch_group(const Target& target, Filters& filters) {
  if (filters.size() > 1) return refuse("target PatchGroup may be given once");
  filters.push_back(filters.front());
  filters.front().tags.push_back({"PatchGroup", target.values});
  filters.back().tags.push_back({"Patch Group", target.values});
  return {};
}

Result<std::vector<std::string>> matching(Sql& sql, const store::nodes::NodeFilter& filter, std::size_t nodes_max) {
  std::vector<std::string> ids;
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(auto listed, store::nodes::list_ids(sql, filter, page));
    ids.insert(ids.end(), listed.items.begin(), listed.items.end());
    page.after = listed.next;
    if (ids.size() > nodes_max)
      return Error(Code::resource_exhausted, "the targets name more than " + std::to_string(nodes_max) + " nodes",
                   "TooManyTargets");
  } while (!page.after.empty());
  return ids;
}

// Every one that is named must be there, and only once.
Result<std::vector<std::string>> named(Sql& sql, const std::vector<std::string>& names) {
  std::vector<std::string> ids;
  for (const auto& name : names) {
    store::nodes::NodeFilter filter;
    filter.names_or_ids = {name};
    BELAY_TRY_ASSIGN(const auto found, store::nodes::list_ids(sql, filter, {2, ""}));
    if (found.items.empty())
      return Error(Code::not_found, "there is no node '" + sanitize(name, 100) + "'", "InvalidInstanceId");
    if (found.items.size() > 1)
      return Error(Code::invalid_argument, "more than one node is called '" + sanitize(name, 100) + "'; give the id",
                   "InvalidInstanceId");
    ids.push_back(found.items.front());
  }
  return ids;
}

}  // namespace

Status require_named_nodes(Sql& sql, const std::vector<Target>& targets) {
  for (const auto& target : targets) {
    if (target.key != "InstanceIds" && target.key != "instanceids") continue;
    if (std::ranges::find(target.values, "*") != target.values.end()) continue;
    const auto ids = named(sql, target.values);
    if (!ids.ok() && ids.error().code() != Code::not_found) return ids.error().within("Targets");
    if (!ids.ok()) return Error(Code::invalid_argument, "Targets: " + ids.error().message(), ids.error().reason());
  }
  return {};
}

Result<std::vector<std::string>> named_and_gone(Sql& sql, const std::vector<Target>& targets) {
  std::vector<std::string> gone;
  for (const auto& target : targets) {
    if (target.key != "InstanceIds" && target.key != "instanceids") continue;
    for (const auto& name : target.values) {
      if (name == "*") continue;
      store::nodes::NodeFilter filter;
      filter.names_or_ids = {name};
      BELAY_TRY_ASSIGN(const auto found, store::nodes::list_ids(sql, filter, {1, ""}));
      if (found.items.empty()) gone.push_back(name);
    }
  }
  return gone;
}

Result<std::vector<std::string>> resolve_targets(Sql& sql, const std::vector<std::string>& instance_ids,
                                                 const std::vector<Target>& targets, std::size_t nodes_max) {
  if (instance_ids.empty() == targets.empty()) return refuse("give either InstanceIds or Targets");
  if (targets.size() > 5) return refuse("there may be at most 5 targets");
  std::vector<std::string> ids;
  if (!instance_ids.empty()) {
    BELAY_TRY_ASSIGN(ids, named(sql, instance_ids));
  } else {
    Filters filters(1);
    std::vector<Target> groups;
    for (const auto& target : targets) {
      if (target.key == "PatchGroup" && !target.values.empty()) groups.push_back(target);
      else BELAY_TRY(add_target(target, filters));
    }
    for (const auto& group : groups) BELAY_TRY(add_patch_group(group, filters));
    for (const auto& filter : filters) {
      BELAY_TRY_ASSIGN(auto some, matching(sql, filter, nodes_max));
      std::ranges::move(some, std::back_inserter(ids));
    }
  }
  std::ranges::sort(ids);
  const auto repeats = std::ranges::unique(ids);
  ids.erase(repeats.begin(), repeats.end());
  return ids;
}

}  // namespace belay::server
