#include <iostream>

#include "base/error_table.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

std::string platform_of(const json::Value& node) {
  const std::string name = json::text_or_empty(node, "PlatformName");
  const std::string version = json::text_or_empty(node, "PlatformVersion");
  return version.empty() ? name : name + " " + version;
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto nodes, call_all(context, "DescribeInstanceInformation", {}, "InstanceInformationList"));
  Table table{{"NODE", "NAME", "SYSTEM", "ADDRESS", "PING", "LAST SEEN (UTC)", "AGENT"}, {}};
  for (const auto& node : nodes) {
    const std::string name = json::text_or_empty(node, "Name");
    table.rows.push_back({cell(node, "InstanceId"), name.empty() ? cell(node, "ComputerName") : name, platform_of(node),
                          cell(node, "IPAddress"), cell(node, "PingStatus"),
                          time_cell(json::find(node, "LastPingDateTime")), cell(node, "AgentVersion")});
  }
  print(context, table, json::Object{{"InstanceInformationList", nodes}}, std::cout);
  if (nodes.empty() && context.format == Format::table)
    std::cerr << "no nodes yet: belay activation create, then belay-agent enroll on the host\n";
  return kExitOk;
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, {arguments.one("NODE")}));
  BELAY_TRY_ASSIGN(const auto node, call(context, "GetNode", {{"InstanceId", ids.front()}}));
  std::cout << json::to_pretty_text(node) << "\n";
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, {arguments.one("NODE")}));
  BELAY_TRY(call(context, "DeregisterManagedInstance", {{"InstanceId", ids.front()}}));
  std::cout << "deregistered " << ids.front() << ": its certificate no longer counts\n";
  return kExitOk;
}

}  // namespace

CommandSpec nodes_command() {
  const PositionalSpec node{"NODE", "id or name"};
  return {"nodes",
          "the fleet: list, show, remove",
          {},
          {},
          list,
          {{"list", "every node with its system and whether it is heard of", {}, {}, list, {}},
           {"show", "all that is known of one node", {node}, {}, show, {}},
           {"remove", "deregister a node and revoke its certificate at once", {node}, {}, remove, {}}}};
}

}  // namespace belay::cli
