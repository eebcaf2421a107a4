#pragma once
// What an auditor is shown of a backup plan: how each node stands, what there is to go back by, what was proven and
// what failed in a period, and how it was mended. Everything is read from what the store keeps; times are ISO 8601.
#include <string>
#include <vector>

#include "base/json.hpp"
#include "core/schedule/zone_rules.hpp"
#include "store/backups.hpp"

namespace belay::server {

inline constexpr std::size_t kReportPointsMax = 200, kReportProofsMax = 500, kReportJobsMax = 5'000;

struct PlanReportRequest {
  std::string plan;                   // name or id
  std::vector<std::string> node_ids;  // empty: all that it covers
  Instant from{}, to{};               // the period
};
struct PlanReport {
  json::Object head;  // the plan, its vaults, the period: the same on every page
  json::Array nodes;  // by id, one page of them
  std::string next;   // "" at the end
};

// The plan, its rules and its vaults.
Result<json::Object> report_head(store::Sql& sql, const store::backups::Plan& plan, const PlanReportRequest& request,
                                 Instant now);
// Of what there is more than the bounds above the newest is told, and "Shortened" says so.
Result<json::Object> report_node(store::Sql& sql, const store::backups::Plan& plan,
                                 const store::backups::Member& member, const schedule::ZoneRules& zone,
                                 const PlanReportRequest& request, Instant now);

// "longer", "shorter" or "steady" (within a tenth): the median of the newer half against that of the older one;
// "unknown" of fewer than four. `times`: newest first, of any unit.
std::string trend_of(const std::vector<std::int64_t>& times);

}  // namespace belay::server
