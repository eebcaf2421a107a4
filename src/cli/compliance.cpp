#include <algorithm>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/node_report.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kNodesPerCall = 100;

std::string count_cell(const json::Value& node, std::string_view member) {
  const auto* counts = json::find(node, "Counts");
  return counts ? cell(*counts, member) : "-";
}

std::string first_reason(const json::Value& node) {
  const auto* reasons = json::find(node, "Reasons");
  if (!reasons || !reasons->is_array() || reasons->get_array().empty()) return "";
  return cell(reasons->get_array().front(), "Reason");
}

Result<json::Array> compliance_of(Context& context, const std::vector<std::string>& ids, const std::string& as_of) {
  json::Array nodes;
  for (std::size_t at = 0; at < ids.size(); at += kNodesPerCall) {
    const std::vector<std::string> some(
        ids.begin() + static_cast<std::ptrdiff_t>(at),
        ids.begin() + static_cast<std::ptrdiff_t>(std::min(at + kNodesPerCall, ids.size())));
    json::Object request{{"InstanceIds", json::encode(some)}};
    if (!as_of.empty()) request["AsOf"] = as_of;
    BELAY_TRY_ASSIGN(const auto page, call_all(context, "DescribeNodeCompliance", request, "NodeCompliance"));
    nodes.insert(nodes.end(), page.begin(), page.end());
  }
  return nodes;
}

Result<int> list(Context& context, const std::vector<std::string>& words, const std::string& as_of) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, words));
  BELAY_TRY_ASSIGN(const auto nodes, compliance_of(context, ids, as_of));
  Table table{{"NODE", "NAME", "STATUS", "MISSING", "FAILED", "REBOOT", "HELD BACK", "SECURITY", "SCANNED (UTC)",
               "BASELINE", "WHY"},
              {}};
  bool compliant = true;
  for (const auto& node : nodes) {
    compliant &= json::text_or_empty(node, "Status") == "COMPLIANT";
    table.rows.push_back(
        {cell(node, "InstanceId"), cell(node, "Name"), cell(node, "Status"), count_cell(node, "MissingCount"),
         count_cell(node, "FailedCount"), count_cell(node, "InstalledPendingRebootCount"),
         count_cell(node, "AvailableSecurityUpdateCount"), count_cell(node, "SecurityNonCompliantCount"),
         time_cell(json::find(node, "ObservedDate")), cell(node, "BaselineName"), first_reason(node)});
  }
  print(context, table, json::Object{{"NodeCompliance", nodes}}, std::cout);
  return compliant ? kExitOk : kExitNonCompliant;
}

// SSM's compliance items of one type, whatever it is.
Result<int> items(Context& context, const std::vector<std::string>& words, const std::string& type) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, words));
  Table table{{"NODE", "TYPE", "ITEM", "TITLE", "STATUS", "SEVERITY", "REPORTED (UTC)"}, {}};
  bool compliant = true;
  json::Array found;
  for (const auto& id : ids) {
    const json::Object filter{{"Key", "ComplianceType"}, {"Values", json::Array{json::Value(type)}}};
    const json::Object request{{"ResourceIds", json::Array{json::Value(id)}}, {"Filters", json::Array{filter}}};
    BELAY_TRY_ASSIGN(const auto of_node, call_all(context, "ListComplianceItems", request, "ComplianceItems"));
    for (const auto& item : of_node) {
      compliant &= json::text_or_empty(item, "Status") == "COMPLIANT";
      const auto* execution = json::find(item, "ExecutionSummary");
      table.rows.push_back({id, cell(item, "ComplianceType"), cell(item, "Id"), cell(item, "Title"),
                            cell(item, "Status"), cell(item, "Severity"),
                            time_cell(execution ? json::find(*execution, "ExecutionTime") : nullptr)});
      found.push_back(item);
    }
  }
  print(context, table, json::Object{{"ComplianceItems", found}}, std::cout);
  return compliant ? kExitOk : kExitNonCompliant;
}

Result<int> run(Context& context, const Arguments& arguments) {
  const auto words = arguments.all("TARGET");
  if (arguments.has("type")) return items(context, words, arguments.one("type"));
  const std::string as_of = arguments.one("as-of");
  if (!as_of.empty()) BELAY_TRY(parse_iso8601(as_of).within("--as-of"));
  const bool one_node = words.size() == 1 && words.front() != "all" && !words.front().starts_with("tag:");
  if (!one_node) return list(context, words, as_of);
  BELAY_TRY_ASSIGN(const auto id, resolve_node(context, words.front()));
  return print_node_report(context, id, as_of, std::cout);
}

}  // namespace

CommandSpec compliance_command() {
  return {"compliance",
          "the verdicts: of the fleet, or of one node with its evidence; exit status 9 where one is not compliant",
          {{"TARGET", "nodes, tag:Key=Value, or all", Takes::values, false}},
          {{"--as-of", "judge by what was known then (2026-11-23T18:00:00Z)"},
           {"--type", "the items of one type instead: Patch, Association or Custom:…"}},
          run,
          {}};
}

}  // namespace belay::cli
