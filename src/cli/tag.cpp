#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/tags.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

constexpr std::string_view kResourceType = "ManagedInstance";

// For people a sentence as soon as a node is done, so that it stands there when a later one fails; else one list.
void say_done(const Context& context, std::string_view done, const std::string& id) {
  if (context.format == Format::table) std::cout << done << " " << id << "\n";
}
void list_done(const Context& context, const std::vector<std::string>& ids) {
  Table table{{"NODE"}, {}};
  for (const auto& id : ids) table.rows.push_back({id});
  if (context.format != Format::table)
    print(context, table, json::Object{{"InstanceIds", json::encode(ids)}}, std::cout);
}

Result<int> add(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto tags, parse_tags(arguments.all("TAG")));
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, {arguments.one("NODE")}));
  for (const auto& id : ids) {
    BELAY_TRY(
        call(context, "AddTagsToResource", {{"ResourceType", kResourceType}, {"ResourceId", id}, {"Tags", tags}}));
    say_done(context, "tagged", id);
  }
  list_done(context, ids);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, {arguments.one("NODE")}));
  for (const auto& id : ids) {
    BELAY_TRY(
        call(context, "RemoveTagsFromResource",
             {{"ResourceType", kResourceType}, {"ResourceId", id}, {"TagKeys", json::encode(arguments.all("KEY"))}}));
    say_done(context, "untagged", id);
  }
  list_done(context, ids);
  return kExitOk;
}

Result<int> list(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, {arguments.one("NODE")}));
  Table table{{"NODE", "KEY", "VALUE"}, {}};
  json::Object all;
  for (const auto& id : ids) {
    BELAY_TRY_ASSIGN(const auto answer,
                     call(context, "ListTagsForResource", {{"ResourceType", kResourceType}, {"ResourceId", id}}));
    const auto* tags = json::find(answer, "TagList");
    if (!tags || !tags->is_array()) continue;
    for (const auto& tag : tags->get_array()) table.rows.push_back({id, cell(tag, "Key"), cell(tag, "Value")});
    all[id] = *tags;
  }
  print(context, table, all, std::cout);
  return kExitOk;
}

}  // namespace

Result<json::Array> parse_tags(const std::vector<std::string>& words) {
  json::Array tags;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error(Code::invalid_argument, "'" + word + "' is not a tag; write Key=Value");
    tags.push_back(json::Object{{"Key", word.substr(0, equals)}, {"Value", word.substr(equals + 1)}});
  }
  return tags;
}

CommandSpec tag_command() {
  const PositionalSpec node{"NODE", "id, name, tag:Key=Value or all"};
  return {"tag",
          "tags of nodes: add, remove, list",
          {},
          {},
          {},
          {{"add", "set tags", {node, {"TAG", "Key=Value", Takes::values}}, {}, add, {}},
           {"remove", "take tags away", {node, {"KEY", "the tag's key", Takes::values}}, {}, remove, {}},
           {"list", "a node's tags", {node}, {}, list, {}}}};
}

}  // namespace belay::cli
