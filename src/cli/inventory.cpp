#include <algorithm>
#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

// Every attribute that any entry has: those of the schema in its order, then what else there is.
std::vector<std::string> columns_of(const json::Value& schema, const json::Array& entries) {
  std::vector<std::string> columns;
  const auto add = [&](const std::string& name) {
    const auto has = [&](const json::Value& entry) { return json::find(entry, name) != nullptr; };
    if (std::ranges::find(columns, name) == columns.end() && std::ranges::any_of(entries, has)) columns.push_back(name);
  };
  if (const auto* attributes = json::find(schema, "Attributes"))
    for (const auto& attribute : attributes->get_array()) add(json::text_or_empty(attribute, "Name"));
  for (const auto& entry : entries)
    for (const auto& member : entry.get_object()) add(std::string(member.key()));
  return columns;
}

Result<int> entries(Context& context, const std::string& node, const std::string& type) {
  BELAY_TRY_ASSIGN(const auto schemas, call_all(context, "GetInventorySchema", {{"TypeName", type}}, "Schemas"));
  const json::Object request{{"InstanceId", node}, {"TypeName", type}};
  BELAY_TRY_ASSIGN(const auto found, call_all(context, "ListInventoryEntries", request, "Entries"));
  Table table;
  const auto columns = columns_of(schemas.empty() ? json::Value() : schemas.front(), found);
  for (const auto& column : columns) table.columns.push_back(column);
  for (const auto& entry : found) {
    auto& row = table.rows.emplace_back();
    for (const auto& column : columns) row.push_back(cell(entry, column));
  }
  print(context, table, json::Object{{"InstanceId", node}, {"TypeName", type}, {"Entries", found}}, std::cout);
  if (found.empty() && context.format == Format::table) std::cerr << "the node has nothing of " << type << "\n";
  return kExitOk;
}

// What there is of the node, type by type.
Result<int> types(Context& context, const std::string& node) {
  BELAY_TRY_ASSIGN(const auto schemas, call_all(context, "GetInventorySchema", {}, "Schemas"));
  Table table{{"TYPE", "SCHEMA", "CAPTURED (UTC)"}, {}};
  json::Array rows;
  for (const auto& schema : schemas) {
    const std::string type = json::text_or_empty(schema, "TypeName");
    BELAY_TRY_ASSIGN(const auto answer, call(context, "ListInventoryEntries",
                                             {{"InstanceId", node}, {"TypeName", type}, {"MaxResults", 1}}));
    if (!json::find(answer, "CaptureTime")) continue;
    table.rows.push_back({type, cell(answer, "SchemaVersion"), cell(answer, "CaptureTime")});
    rows.push_back(json::Object{{"TypeName", type},
                                {"SchemaVersion", cell(answer, "SchemaVersion")},
                                {"CaptureTime", cell(answer, "CaptureTime")}});
  }
  print(context, table, json::Object{{"InstanceId", node}, {"Types", rows}}, std::cout);
  return kExitOk;
}

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, resolve_node(context, arguments.one("NODE")));
  if (arguments.has("type")) return entries(context, id, arguments.one("type"));
  return types(context, id);
}

}  // namespace

CommandSpec inventory_command() {
  return {"inventory",
          "what is known of a node: the types there are, or the entries of one",
          {{"NODE", "id or name"}},
          {{"--type", "AWS:Application, AWS:Service, Custom:…: its entries"}},
          run,
          {}};
}

}  // namespace belay::cli
