#include "cli/targets.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "cli/output.hpp"

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
  return Error(Code::invalid_argument, std::to_string(found.size()) + " nodes are called '" + name +
                                           "': " + join(found, ", ") + "; name one by its id");
}

json::Object filters_of(const json::Array& targets) {
  json::Array filters;
  for (const auto& target : targets)
    if (json::text_or_empty(target, "Key") != "InstanceIds") filters.push_back(target);
  return filters.empty() ? json::Object() : json::Object{{"Filters", std::move(filters)}};
}

Error nobody(const json::Array& targets) {
  std::vector<std::string> words;
  for (const auto& target : targets)
    if (const auto key = json::text_or_empty(target, "Key"); key != "InstanceIds")
      words.push_back(key + "=" + cell(target, "Values"));
  if (words.empty())
    return Error(Code::not_found,
                 "there are no nodes yet: belay activation create, then belay-agent enroll on the host");
  return Error(Code::not_found, "no node matches " + sanitize(join(words, " and "), 500) +
                                    "; `belay tag list all` shows the tags there are");
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
  BELAY_TRY_ASSIGN(const auto nodes, call_all(context, "DescribeInstanceInformation", filters_of(targets.targets),
                                              "InstanceInformationList"));
  if (nodes.empty()) return nobody(targets.targets);
  std::vector<std::string> ids;
  for (const auto& node : nodes) ids.push_back(json::text_or_empty(node, "InstanceId"));
  return ids;
}

Result<std::string> resolve_node(Context& context, const std::string& word) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, {word}));
  if (ids.size() == 1) return ids.front();
  return Error(Code::conflict, "'" + word + "' means " + std::to_string(ids.size()) +
                                   " nodes, and one is wanted here; name it by its id (belay nodes)");
}

Status require_nodes(Context& context, const json::Array& targets) {
  json::Object request = filters_of(targets);
  request["MaxResults"] = 5;
  const auto page = call(context, "DescribeInstanceInformation", request);
  if (!page.ok()) return page.error().code() == Code::permission_denied ? Status() : Status(page.error());
  const auto* nodes = json::find(*page, "InstanceInformationList");
  if ((nodes && nodes->is_array() && !nodes->get_array().empty()) || json::find(*page, "NextToken")) return {};
  return nobody(targets);
}

json::Array plain_targets(const std::vector<std::string>& words) {
  json::Array targets, nodes;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      nodes.push_back(json::Value(word == "all" ? "*" : word));
      continue;
    }
    json::Array values;
    for (const auto value : split(std::string_view(word).substr(equals + 1), ',')) values.push_back(json::Value(value));
    targets.push_back(json::Object{{"Key", word.substr(0, equals)}, {"Values", std::move(values)}});
  }
  if (!nodes.empty()) targets.push_back(json::Object{{"Key", "InstanceIds"}, {"Values", std::move(nodes)}});
  return targets;
}

Result<json::Object> parameters_of(const std::vector<std::string>& words) {
  json::Object parameters;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(Code::invalid_argument, "--parameter is '" + word + "': expected NAME=VALUE");
    auto& values = parameters[word.substr(0, equals)];
    if (!values.is_array()) values = json::Array();
    values.as_array().push_back(json::Value(word.substr(equals + 1)));
  }
  return parameters;
}

}  // namespace belay::cli
