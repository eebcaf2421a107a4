#include "cli/targets.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/text.hpp"

namespace belay::cli {
namespace {

bool is_node_id(std::string_view word) { return is_id("mi", word) || is_id("i", word); }

Result<json::Object> tag_target(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals <= 4 || equals + 1 == word.size())
    return Error(Code::invalid_argument, "'" + std::string(word) + "' is not a tag target; write tag:Key=Value");
  json::Array values;
  for (const auto value : split(word.substr(equals + 1), ',')) values.emplace_back(value);
  return json::Object{{"Key", word.substr(0, equals)}, {"Values", std::move(values)}};
}

Result<std::string> id_of_name(const json::Array& nodes, const std::string& name) {
  std::vector<std::string> found;
  for (const auto& node : nodes)
    if (json::text_or_empty(node, "Name") == name || json::text_or_empty(node, "ComputerName") == name)
      found.push_back(json::text_or_empty(node, "InstanceId"));
  if (found.size() == 1) return found.front();
  if (found.empty()) return Error(Code::not_found, "no node is called '" + name + "'; `belay nodes` lists them");
  return Error(Code::conflict, std::to_string(found.size()) + " nodes are called '" + name + "': " + join(found, ", ") +
                                   "; name one by its id");
}

}  // namespace

void Targets::add_to(json::Object& request) const {
  if (!targets.empty()) request["Targets"] = targets;
  else request["InstanceIds"] = json::encode(node_ids);
}

Result<Targets> resolve_targets(Context& context, const std::vector<std::string>& words) {
  Targets out;
  std::optional<json::Array> nodes;
  for (const auto& word : words) {
    if (word == "all") {
      out.targets.push_back(json::Object{{"Key", "InstanceIds"}, {"Values", json::Array{"*"}}});
    } else if (word.starts_with("tag:")) {
      BELAY_TRY_ASSIGN(auto target, tag_target(word));
      out.targets.push_back(std::move(target));
    } else if (is_node_id(word)) {
      out.node_ids.push_back(word);
    } else {
      if (!nodes) {
        BELAY_TRY_ASSIGN(nodes, call_all(context, "DescribeInstanceInformation", {}, "InstanceInformationList"));
      }
      BELAY_TRY_ASSIGN(const auto id, id_of_name(*nodes, word));
      out.node_ids.push_back(id);
    }
  }
  if (!out.node_ids.empty() && !out.targets.empty())
    return Error(Code::invalid_argument, "name nodes or tags, not both in one call");
  if (out.node_ids.empty() && out.targets.empty())
    return Error(Code::invalid_argument, "no target: name nodes, tag:Key=Value, or all");
  return out;
}

Result<std::vector<std::string>> resolve_nodes(Context& context, const std::vector<std::string>& words) {
  BELAY_TRY_ASSIGN(const auto targets,
                   resolve_targets(context, words.empty() ? std::vector<std::string>{"all"} : words));
  if (!targets.node_ids.empty()) return targets.node_ids;
  json::Array filters;
  for (const auto& target : targets.targets)
    if (json::text_or_empty(target, "Key") != "InstanceIds") filters.push_back(target);
  json::Object request;
  if (!filters.empty()) request["Filters"] = std::move(filters);
  BELAY_TRY_ASSIGN(const auto nodes,
                   call_all(context, "DescribeInstanceInformation", request, "InstanceInformationList"));
  std::vector<std::string> ids;
  for (const auto& node : nodes) ids.push_back(json::text_or_empty(node, "InstanceId"));
  return ids;
}

}  // namespace belay::cli
