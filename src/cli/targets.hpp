#pragma once
// TARGET words of the command line as the API takes them.
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "cli/context.hpp"

namespace belay::cli {

// Either explicit nodes or SSM's Targets, never both.
struct Targets {
  std::vector<std::string> node_ids;
  json::Array targets;  // [{"Key":"tag:Environment","Values":["dev"]}]
  // Puts InstanceIds or Targets into the request.
  void add_to(json::Object& request) const;
};

// Ids (mi-…, i-…), names (looked up; an unknown or ambiguous one is an error), tag:Key=Value[,Value…], or "all".
Result<Targets> resolve_targets(Context& context, const std::vector<std::string>& words);

// The ids of every node that the words mean; not-found where that is none.
Result<std::vector<std::string>> resolve_nodes(Context& context, const std::vector<std::string>& words);
// The same where exactly one node is meant.
Result<std::string> resolve_node(Context& context, const std::string& word);

// SSM's Targets: not-found where they match no node now. Who may not list nodes is not held up.
Status require_nodes(Context& context, const json::Array& targets);

// SSM's Targets as the words say them, nothing looked up: KEY=VALUE[,VALUE…], ids or names, or "all".
json::Array plain_targets(const std::vector<std::string>& words);

// "Operation=Scan"; the same name again adds a value.
Result<json::Object> parameters_of(const std::vector<std::string>& words);

}  // namespace belay::cli
