// SSM's compliance, summed up: over the fleet by type, and a row for each node and type.
#include <algorithm>
#include <array>

#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/string_filters.hpp"
#include "server/engine/compliance_view.hpp"
#include "store/tags.hpp"

namespace belay::server {
namespace {

using store::verdicts::Compliance;
using BySeverity = std::map<std::string, std::int64_t>;

constexpr std::size_t kNodesScannedMax = 2'000;  // for one page

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSeverities = {
    {{"CRITICAL", "CriticalCount"},
     {"HIGH", "HighCount"},
     {"MEDIUM", "MediumCount"},
     {"LOW", "LowCount"},
     {"INFORMATIONAL", "InformationalCount"},
     {"UNSPECIFIED", "UnspecifiedCount"}}};

json::Object part_reply(std::string_view count_name, const BySeverity& counts) {
  json::Object severities;
  std::int64_t all = 0;
  for (const auto& [severity, member] : kSeverities) {
    const auto at = counts.find(std::string(severity));
    const std::int64_t count = at == counts.end() ? 0 : at->second;
    severities[member] = count;
    all += count;
  }
  return {{count_name, all}, {"SeveritySummary", std::move(severities)}};
}

void put_counts(json::Object& row, const BySeverity& compliant, const BySeverity& non_compliant) {
  row["CompliantSummary"] = part_reply("CompliantCount", compliant);
  row["NonCompliantSummary"] = part_reply("NonCompliantCount", non_compliant);
}

std::string_view status_of(const ComplianceStanding& standing) {
  return standing.compliance == Compliance::compliant ? "COMPLIANT" : "NON_COMPLIANT";
}

bool standing_passes(const std::vector<StringFilter>& filters, const std::string& node_id,
                     const ComplianceStanding& standing) {
  return std::ranges::all_of(filters, [&](const StringFilter& filter) {
    if (filter.Key == "ComplianceType") return passes(filter, standing.type);
    if (filter.Key == "Status") return passes(filter, status_of(standing));
    if (filter.Key == "OverallSeverity" || filter.Key == "Severity") return passes(filter, standing.severity);
    if (filter.Key == "ResourceId") return passes(filter, node_id);
    if (filter.Key == "ResourceType") return passes(filter, store::tags::kManagedInstance);
    return passes(filter, standing.execution.execution_type);
  });
}

// ---- the fleet, by type

struct TypeSum {
  BySeverity compliant, non_compliant;
  void add(const ComplianceStanding& standing) {
    ++(standing.compliance == Compliance::compliant ? compliant : non_compliant)[standing.severity];
  }
};

ComplianceStanding patch_standing(const JudgedCounts& counts) {
  ComplianceStanding standing;
  standing.type = store::compliance_items::kPatch;
  standing.compliance = counts.compliance;
  standing.severity = boost::describe::enum_to_string(counts.severity, "UNSPECIFIED");
  standing.execution.execution_type = "Scan";
  return standing;
}

Status add_reported(const Call& call, const std::vector<std::string>& ids, const std::vector<StringFilter>& filters,
                    std::map<std::string, TypeSum>& sums) {
  return call.read([&](store::Sql& sql) -> Status {
    ComplianceView view(sql, call.services.judge, call.now);
    BELAY_TRY_ASSIGN(const auto reports, store::compliance_items::reports_of(sql, ids));
    for (const auto& [node_id, of_node] : reports)
      for (const auto& report : of_node) {
        BELAY_TRY_ASSIGN(const auto standing, view.reported(report));
        if (standing_passes(filters, node_id, standing)) sums[standing.type].add(standing);
      }
    return {};
  });
}

// ---- one node

json::Object summary_reply(const std::string& node_id, const ComplianceStanding& standing) {
  json::Object execution{{"ExecutionTime", epoch(standing.execution.executed_at)}};
  put(execution, "ExecutionId", json::Value(standing.execution.execution_id));
  put(execution, "ExecutionType", json::Value(standing.execution.execution_type));
  json::Object row{{"ComplianceType", standing.type},
                   {"ResourceType", store::tags::kManagedInstance},
                   {"ResourceId", node_id},
                   {"Status", status_of(standing)},
                   {"OverallSeverity", standing.severity},
                   {"ExecutionSummary", std::move(execution)}};
  put_counts(row, standing.compliant_items, standing.non_compliant_items);
  return row;
}

// "node" of the token: the last one shown whole.
Result<json::Array> rows_of(store::Sql& sql, const Call& call, const std::vector<StringFilter>& filters,
                            const store::Page& page, std::string& next) {
  ComplianceView view(sql, call.services.judge, call.now);
  json::Array rows;
  std::string after = page.after;
  for (std::size_t scanned = 0;;) {
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::list_ids(sql, {}, {200, after}));
    for (const auto& id : nodes.items) {
      BELAY_TRY_ASSIGN(auto standings, view.standings(id));
      std::erase_if(standings, [&](const auto& standing) { return !standing_passes(filters, id, standing); });
      const bool fits = rows.empty() || rows.size() + standings.size() <= page.limit;
      if (!fits || scanned++ == kNodesScannedMax) {
        next = after;
        return rows;
      }
      for (auto& standing : standings) {
        BELAY_TRY(view.count(id, standing));
        rows.push_back(summary_reply(id, standing));
      }
      after = id;
    }
    if (nodes.next.empty()) return rows;
  }
}

}  // namespace

Result<json::Object> list_compliance_summaries(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto filters,
                   string_filters(call.request, {"ComplianceType", "Status", "OverallSeverity", "Severity",
                                                 "ResourceId", "ResourceType", "ExecutionType"}));
  std::map<std::string, TypeSum> sums;
  store::Page nodes_page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto ids,
                     call.read([&](store::Sql& sql) { return store::nodes::list_ids(sql, {}, nodes_page); }));
    BELAY_TRY_ASSIGN(const auto judged, call.services.judge.counts(ids.items));
    for (const auto& counts : judged) {
      const auto standing = patch_standing(counts);
      if (standing_passes(filters, counts.node_id, standing)) sums[standing.type].add(standing);
    }
    BELAY_TRY(add_reported(call, ids.items, filters, sums));
    nodes_page.after = ids.next;
  } while (!nodes_page.after.empty());
  json::Object reply;
  json::Array rows;
  for (const auto& [type, sum] : sums) {
    if (type <= page.after) continue;
    if (rows.size() == page.limit) {
      put_next(reply, call, json::text_or_empty(rows.back(), "ComplianceType"));
      break;
    }
    json::Object row{{"ComplianceType", type}};
    put_counts(row, sum.compliant, sum.non_compliant);
    rows.push_back(std::move(row));
  }
  reply["ComplianceSummaryItems"] = std::move(rows);
  return reply;
}

Result<json::Object> list_resource_compliance_summaries(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 50));
  BELAY_TRY_ASSIGN(const auto filters,
                   string_filters(call.request, {"ComplianceType", "Status", "OverallSeverity", "Severity",
                                                 "ResourceId", "ResourceType", "ExecutionType"}));
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    std::string next;
    BELAY_TRY_ASSIGN(auto rows, rows_of(sql, call, filters, page, next));
    json::Object reply{{"ResourceComplianceSummaryItems", std::move(rows)}};
    put_next(reply, call, next);
    return reply;
  });
}

}  // namespace belay::server
