#include <iostream>
#include <set>

#include "base/error_table.hpp"
#include "base/text.hpp"
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

// Who may not ask sees the list without the marks.
Result<json::Array> suspected_clones(Context& context) {
  auto clones = call_all(context, "DescribeClonedNodes", {}, "ClonedNodes");
  if (!clones.ok() && clones.error().code() == Code::permission_denied) return json::Array();
  return clones;
}

void say_what_to_do(const json::Array& clones) {
  for (const auto& clone : clones) {
    const std::string name = json::text_or_empty(clone, "Name"), id = json::text_or_empty(clone, "InstanceId");
    std::cerr << "two machines use the identity of " << sanitize(name, 256) << " (" << id << "): one at "
              << sanitize(cell(clone, "IPAddress"), 64) << ", one at " << sanitize(cell(clone, "OtherIPAddress"), 64)
              << "; it gets no orders since " << time_cell(json::find(clone, "CloneSuspectedDate")) << " UTC\n"
              << "  next: on the machine that is the copy, stop belay-agent, remove its state and enrol it anew; then "
                 "belay nodes settle "
              << id << "\n  or, where neither may keep it: belay nodes remove " << id << ", and enrol both\n";
  }
}

Result<int> list(Context& context, const Arguments&) {
  BELAY_TRY_ASSIGN(const auto nodes, call_all(context, "DescribeInstanceInformation", {}, "InstanceInformationList"));
  BELAY_TRY_ASSIGN(const auto clones, suspected_clones(context));
  std::set<std::string> in_doubt;
  for (const auto& clone : clones) in_doubt.insert(json::text_or_empty(clone, "InstanceId"));
  Table table{{"NODE", "NAME", "SYSTEM", "ADDRESS", "PING", "LAST SEEN (UTC)", "AGENT"}, {}};
  for (const auto& node : nodes) {
    const std::string name = json::text_or_empty(node, "Name");
    table.rows.push_back({cell(node, "InstanceId"), name.empty() ? cell(node, "ComputerName") : name, platform_of(node),
                          cell(node, "IPAddress"),
                          cell(node, "PingStatus") + (in_doubt.contains(cell(node, "InstanceId")) ? ", cloned?" : ""),
                          time_cell(json::find(node, "LastPingDateTime")), cell(node, "AgentVersion")});
  }
  json::Object all{{"InstanceInformationList", nodes}};
  if (!clones.empty()) all["ClonedNodes"] = clones;
  print(context, table, all, std::cout);
  if (context.format != Format::json) say_what_to_do(clones);
  if (nodes.empty() && context.format == Format::table)
    std::cerr << "no nodes yet: belay activation create, then belay-agent enroll on the host\n";
  return kExitOk;
}

// How it could be brought back, a sentence for each plan that covers it. Who may not ask sees the node without it.
Status add_posture(Context& context, const std::string& id, json::Value& node) {
  const auto answer = call(context, "GetBackupPosture", {{"InstanceIds", json::Array{json::Value(id)}}});
  if (!answer.ok())
    return answer.error().code() == Code::permission_denied || answer.error().code() == Code::unsupported
               ? Status()
               : Status(answer.error());
  const auto* rows = json::find(*answer, "Postures");
  auto* members = node.if_object();
  if (!rows || !rows->is_array() || rows->get_array().empty() || !members) return {};
  if (context.format == Format::json) {
    (*members)["BackupPostures"] = *rows;
    return {};
  }
  json::Array sentences;
  for (const auto& row : rows->get_array()) {
    const std::string plan = json::text_or_empty(row, "PlanName");
    sentences.emplace_back((plan.empty() ? "" : plan + ": ") + json::text_or_empty(row, "Sentence"));
  }
  (*members)["Backup"] = std::move(sentences);
  return {};
}

Result<int> show(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, resolve_node(context, arguments.one("NODE")));
  BELAY_TRY_ASSIGN(auto node, call(context, "GetNode", {{"InstanceId", id}}));
  BELAY_TRY(add_posture(context, id, node));
  print_record(context, node, std::cout);
  return kExitOk;
}

Result<int> remove(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, resolve_node(context, arguments.one("NODE")));
  const auto uses = call(context, "GetNodeUses", {{"InstanceId", id}});  // who may not look is not told
  BELAY_TRY(call(context, "DeregisterManagedInstance", {{"InstanceId", id}}));
  say(context, "deregistered " + id + ": its certificate no longer counts", {{"InstanceId", id}}, std::cout);
  if (uses.ok())
    for (const auto& user : uses->at("UsedBy").get_array())
      std::cerr << "note: " << sanitize(std::string_view(user.get_string()), 300) << " still names it\n";
  return kExitOk;
}

Result<int> settle(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const auto id, resolve_node(context, arguments.one("NODE")));
  BELAY_TRY_ASSIGN(const auto answer, call(context, "SettleClonedNode", {{"InstanceId", id}}));
  const bool settled = json::find(answer, "CloneSuspectedDate") != nullptr;
  say(context,
      settled ? "settled " + id + ": it gets its orders again; if the other machine comes back with the same " +
                    "identity, it is marked again"
              : id + " was not in doubt: nothing to settle",
      {{"InstanceId", id}, {"Settled", settled}}, std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec nodes_command() {
  const PositionalSpec node{"NODE", "id or name"};
  return {"nodes",
          "the fleet: list, show, settle, remove",
          {},
          {},
          list,
          {{"list", "every node with its system and whether it is heard of", {}, {}, list, {}},
           {"show", "all that is known of one node", {node}, {}, show, {}},
           {"settle",
            "a suspected clone was looked into: the machine that still runs with the identity keeps it",
            {node},
            {},
            settle,
            {}},
           {"remove", "deregister a node and revoke its certificate at once", {node}, {}, remove, {}}}};
}

}  // namespace belay::cli
