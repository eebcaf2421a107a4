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

Result<json::Array> compliance_of(Context& context, const std::vector<std::string>& ids) {
  json::Array nodes;
  for (std::size_t at = 0; at < ids.size(); at += kNodesPerCall) {
    const std::vector<std::string> some(
        ids.begin() + static_cast<std::ptrdiff_t>(at),
        ids.begin() + static_cast<std::ptrdiff_t>(std::min(at + kNodesPerCall, ids.size())));
    BELAY_TRY_ASSIGN(const auto page, call_all(context, "DescribeNodeCompliance", {{"InstanceIds", json::encode(some)}},
                                               "NodeCompliance"));
    nodes.insert(nodes.end(), page.begin(), page.end());
  }
  return nodes;
}

// The nodes that were in the fleet at a time; some are gone since, so only the server's history knows them all.
Result<json::Array> fleet_of(Context& context, const std::string& as_of) {
  BELAY_TRY_ASSIGN(auto nodes, call_all(context, "DescribeNodeCompliance", {{"AsOf", as_of}}, "NodeCompliance"));
  if (nodes.empty()) return Error(Code::not_found, "no node was in the fleet at " + as_of);
  return nodes;
}

std::vector<const json::Value*> called(const json::Array& nodes, const std::string& word) {
  std::vector<const json::Value*> found;
  for (const auto& node : nodes)
    if (json::text_or_empty(node, "InstanceId") == word || json::text_or_empty(node, "Name") == word)
      found.push_back(&node);
  return found;
}

Result<const json::Value*> one_called(const json::Array& nodes, const std::string& word, const std::string& as_of) {
  const auto found = called(nodes, word);
  if (found.size() == 1) return found.front();
  if (found.empty()) return Error(Code::not_found, "no node of the fleet of " + as_of + " is called '" + word + "'");
  return Error(Code::conflict, std::to_string(found.size()) + " nodes of the fleet of " + as_of + " are called '" +
                                   word + "'; name one by its id");
}

Result<json::Array> compliance_as_of(Context& context, const std::vector<std::string>& words,
                                     const std::string& as_of) {
  BELAY_TRY_ASSIGN(auto fleet, fleet_of(context, as_of));
  if (words.empty() || words == std::vector<std::string>{"all"}) return fleet;
  json::Array nodes;
  for (const auto& word : words) {
    BELAY_TRY_ASSIGN(const auto* node, one_called(fleet, word, as_of));
    nodes.push_back(*node);
  }
  return nodes;
}

Result<json::Array> compliance_now(Context& context, const std::vector<std::string>& words) {
  BELAY_TRY_ASSIGN(const auto ids, resolve_nodes(context, words));
  return compliance_of(context, ids);
}

// One node's id; by its name of then where it was in the fleet then, else by that of today.
Result<std::string> node_of(Context& context, const std::string& word, const std::string& as_of) {
  if (as_of.empty() || word.starts_with("mi-") || word.starts_with("i-")) return resolve_node(context, word);
  const auto fleet = fleet_of(context, as_of);
  if (!fleet.ok() && fleet.error().code() != Code::not_found) return fleet.error();
  if (!fleet.ok() || called(*fleet, word).empty()) return resolve_node(context, word);
  BELAY_TRY_ASSIGN(const auto* node, one_called(*fleet, word, as_of));
  return json::text_or_empty(*node, "InstanceId");
}

Result<int> list(Context& context, const std::vector<std::string>& words, const std::string& as_of) {
  BELAY_TRY_ASSIGN(const auto nodes,
                   as_of.empty() ? compliance_now(context, words) : compliance_as_of(context, words, as_of));
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
  if (found.empty())  // no item is no success either
    return Error(Code::not_found, "nothing is known of " + type + " on " + std::to_string(ids.size()) +
                                      (ids.size() == 1 ? " node" : " nodes"));
  print(context, table, json::Object{{"ComplianceItems", found}}, std::cout);
  return compliant ? kExitOk : kExitNonCompliant;
}

Status check_arguments(const Arguments& arguments) {
  const std::string type = arguments.one("type"), as_of = arguments.one("as-of");
  if (!as_of.empty()) BELAY_TRY(parse_iso8601(as_of).within("--as-of"));
  if (!arguments.has("type")) {
    for (const auto& word : arguments.all("TARGET"))
      if (!as_of.empty() && word.starts_with("tag:"))
        return Error(Code::invalid_argument, "--as-of with " + word +
                                                 ": the tags that nodes had then are not kept; name nodes, or leave "
                                                 "TARGET out for the whole fleet of then");
    return {};
  }
  if (!as_of.empty())
    return Error(Code::invalid_argument,
                 "--as-of with --type: items are those of now; leave --type out for the verdicts of then");
  constexpr std::string_view custom = "Custom:";
  if (type == "Patch" || type == "Association" || (type.starts_with(custom) && type.size() > custom.size())) return {};
  return Error(Code::invalid_argument, "--type is '" + type + "': write Patch, Association or Custom:NAME");
}

Result<int> run(Context& context, const Arguments& arguments) {
  BELAY_TRY(check_arguments(arguments));
  const auto words = arguments.all("TARGET");
  if (arguments.has("type")) return items(context, words, arguments.one("type"));
  const std::string as_of = arguments.one("as-of");
  const bool one_node = words.size() == 1 && words.front() != "all" && !words.front().starts_with("tag:");
  if (!one_node) return list(context, words, as_of);
  BELAY_TRY_ASSIGN(const auto id, node_of(context, words.front(), as_of));
  return print_node_report(context, id, as_of, std::cout);
}

}  // namespace

CommandSpec compliance_command() {
  return {"compliance",
          "the verdicts: of the fleet, or of one node with its evidence; exit status 9 where one is not compliant",
          {{"TARGET", "nodes, tag:Key=Value, or all", Takes::values, false}},
          {{"--as-of", "judge by what was known then (2026-11-23T18:00:00Z), nodes that are gone since included"},
           {"--type", "the items of one type instead: Patch, Association or Custom:…"}},
          run,
          {}};
}

}  // namespace belay::cli
