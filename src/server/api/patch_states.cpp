// What SSM tells of the patches on nodes: counters a node, rows a package, counts a group.
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/text.hpp"
#include "core/baseline/evaluate.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {

struct InstanceIdsRequest {
  std::vector<std::string> InstanceIds;
};
BOOST_DESCRIBE_STRUCT(InstanceIdsRequest, (), (InstanceIds))
struct StateFilter {
  std::string Key;
  std::vector<std::string> Values;
  std::string Type;
};
BOOST_DESCRIBE_STRUCT(StateFilter, (), (Key, Values, Type))
struct StateFiltersRequest {
  std::vector<StateFilter> Filters;
};
BOOST_DESCRIBE_STRUCT(StateFiltersRequest, (), (Filters))

// The words of the operation that last said something of the node: the newest verdict's, else those of its scan.
Status add_operation(store::Sql& sql, json::Object& row, const JudgedCounts& counts) {
  BELAY_TRY_ASSIGN(const auto verdict, store::verdicts::newest(sql, counts.node_id));
  const Instant observed = counts.observed_at.value_or(Instant());
  row["Operation"] = verdict ? verdict->operation : "Scan";
  row["OperationStartTime"] = epoch(verdict ? verdict->operation_started_at : observed);
  row["OperationEndTime"] = epoch(verdict ? verdict->operation_ended_at : observed);
  if (verdict) put(row, "SnapshotId", json::Value(verdict->snapshot_id));
  if (verdict && !verdict->run_id.empty()) {
    const auto run = store::runs::get(sql, verdict->run_id);
    if (run.ok()) row["RebootOption"] = run->reboot == patchrun::Reboot::never ? "NoReboot" : "RebootIfNeeded";
  }
  BELAY_TRY_ASSIGN(const auto no_reboot, store::runs::last_no_reboot_install_at(sql, counts.node_id));
  put(row, "LastNoRebootInstallOperationTime", epoch(no_reboot));
  return {};
}

Result<json::Object> state_reply(store::Sql& sql, const JudgedCounts& counts) {
  json::Object row = counts_reply(counts.counts);
  row["InstanceId"] = counts.node_id;
  row["PatchGroup"] = counts.choice.patch_group;
  row["BaselineId"] = counts.choice.baseline_id;
  BELAY_TRY(add_operation(sql, row, counts));
  return row;
}

// SSM tells nothing of nodes that were never scanned.
bool has_state(const JudgedCounts& counts) { return !counts.scan_id.empty() && !counts.choice.baseline_id.empty(); }

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Status check_filter(const StateFilter& filter) {
  const json::Object known = counts_reply({});
  if (!known.contains(filter.Key))
    return failure("InvalidFilter",
                   "the filter key '" + sanitize(filter.Key, 60) +
                       "' is no counter of a node's patch state; there is MissingCount, FailedCount, …");
  for (const auto& value : filter.Values)
    if (!number_of(value))
      return failure("InvalidFilter",
                     "the filter " + filter.Key + " counts patches; '" + sanitize(value, 60) + "' is no whole number");
  return {};
}

// A word that no patch can have would find nothing, and read as "there is none".
Status check_states(const std::vector<Filter>& filters) {
  std::vector<std::string_view> known;
  for (int state = 0; state <= static_cast<int>(baseline::PatchState::AVAILABLE_SECURITY_UPDATE); ++state)
    known.push_back(baseline::api_text(static_cast<baseline::PatchState>(state)));
  for (const auto& filter : filters)
    for (const auto& value : filter.values)
      if (filter.key == "State" && std::ranges::find(known, value) == known.end())
        return failure("InvalidFilter", "there is no patch state '" + sanitize(value, 60) + "'; there are " +
                                            join({known.begin(), known.end()}, ", "));
  return {};
}

bool passes(const StateFilter& filter, const json::Object& counts) {
  const auto* number = counts.if_contains(filter.Key);
  if (!number) return false;
  const auto count = number->to_number<std::int64_t>();
  const bool negative = filter.Type == "NotEqual";
  bool any = false;
  for (const auto& value : filter.Values) {
    const auto wanted = number_of(value).value_or(-1);
    any |= filter.Type == "LessThan" ? count < wanted : filter.Type == "GreaterThan" ? count > wanted : count == wanted;
  }
  return negative ? !any : any;
}

// One page of the rows of `ids` (sorted, distinct).
Result<json::Object> states_of(const Call& call, const std::vector<std::string>& ids,
                               const std::vector<StateFilter>& filters) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  auto at = std::ranges::upper_bound(ids, page.after);
  if (page.after.empty()) at = ids.begin();
  json::Array rows;
  while (at != ids.end() && rows.size() < page.limit) {
    const auto some = std::min<std::ptrdiff_t>(ids.end() - at, page.limit);
    const std::vector<std::string> batch(at, at + some);
    BELAY_TRY_ASSIGN(const auto judged, call.services.judge.counts(batch));
    BELAY_TRY_ASSIGN(auto more, call.read([&](store::Sql& sql) -> Result<json::Array> {
      json::Array out;
      for (const auto& counts : judged) {
        const json::Object numbers = counts_reply(counts.counts);
        if (!has_state(counts) || !std::ranges::all_of(filters, [&](const auto& f) { return passes(f, numbers); }))
          continue;
        BELAY_TRY_ASSIGN(auto row, state_reply(sql, counts));
        out.push_back(std::move(row));
      }
      return out;
    }));
    for (auto& row : more) rows.push_back(std::move(row));
    at += some;
  }
  // A batch may bring more than the page holds: the rest comes again with the next page.
  std::string next = at == ids.end() ? "" : *(at - 1);
  if (rows.size() > page.limit) {
    rows.resize(page.limit);
    next = json::text_or_empty(rows.back(), "InstanceId");
  }
  json::Object reply{{"InstancePatchStates", std::move(rows)}};
  put_next(reply, call, next);
  return reply;
}

std::vector<std::string> distinct(std::vector<std::string> ids) {
  std::ranges::sort(ids);
  const auto [first, last] = std::ranges::unique(ids);
  ids.erase(first, last);
  return ids;
}

// When a run of ours brought a package to a version: by "name\x1farch\x1fversion", the newest.
using InstalledTimes = std::map<std::string, Instant>;

constexpr std::uint32_t kRunsLookedAt = 50;

std::string version_key(std::string_view name, std::string_view arch, std::string_view version) {
  return std::string(name) + '\x1f' + std::string(arch) + '\x1f' + std::string(version);
}

Result<InstalledTimes> installed_times(store::Sql& sql, const std::string& node_id) {
  InstalledTimes times;
  BELAY_TRY_ASSIGN(const auto runs, store::runs::history(sql, node_id, {kRunsLookedAt, {}}));  // newest first
  for (const auto& run : runs.items)
    for (const auto& change : run.report.changed)
      if (!change.to_version.empty())
        times.try_emplace(version_key(change.name, change.arch, change.to_version), run.finished_at);
  return times;
}

// What came before Belay, or by another hand, has no time here: 0, as SSM answers where it knows none. A scan does not
// bring one along, for package sets are shared by nodes that installed the same at different times.
json::Value installed_time(const InstalledTimes& times, const baseline::PatchVerdict& verdict) {
  const auto at = times.find(version_key(verdict.name, verdict.arch, verdict.installed_version));
  return at == times.end() ? json::Value(0) : epoch(at->second);
}

json::Object patch_reply(const baseline::PatchVerdict& verdict, const InstalledTimes& times) {
  json::Object row{{"Title", baseline::patch_title(verdict)},    {"KBId", baseline::patch_id(verdict)},
                   {"Classification", verdict.classification},   {"Severity", verdict.severity},
                   {"State", baseline::api_text(verdict.state)}, {"InstalledTime", installed_time(times, verdict)}};
  std::string cves;
  for (const auto& cve : verdict.cve_ids) cves += (cves.empty() ? "" : ",") + cve;
  put(row, "CVEIds", json::Value(cves));
  return row;
}

bool passes(const Filter& filter, const json::Object& row) {
  const auto text = json::text_or_empty(row, filter.key);
  return std::ranges::find(filter.values, text) != filter.values.end();
}

}  // namespace

Result<json::Object> describe_instance_patch_states(const Call& call) {
  BELAY_TRY_ASSIGN(auto request, call.as<InstanceIdsRequest>());
  return states_of(call, distinct(std::move(request.InstanceIds)), {});
}

Result<json::Object> describe_instance_patch_states_for_patch_group(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<StateFiltersRequest>());
  for (const auto& filter : request.Filters) BELAY_TRY(check_filter(filter));
  BELAY_TRY_ASSIGN(const auto ids,
                   call.read([&](store::Sql& sql) { return nodes_of_patch_group(sql, call.text("PatchGroup")); }));
  return states_of(call, ids, request.Filters);
}

Result<json::Object> describe_instance_patches(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto filters,
                   filters_of(call.request, {"Classification", "KBId", "Severity", "State"}, "InvalidFilter"));
  BELAY_TRY(check_states(filters));
  JudgeQuestion question;
  question.node_id = call.text("InstanceId");
  BELAY_TRY_ASSIGN(const auto times, call.read([&](store::Sql& sql) -> Result<InstalledTimes> {
    BELAY_TRY_ASSIGN(const auto node, active_node(sql, question.node_id));
    return installed_times(sql, question.node_id);
  }));
  BELAY_TRY_ASSIGN(const auto judgement, call.services.judge.judge(question));
  json::Array rows;
  std::string last, next;
  for (const auto& verdict : judgement.evaluation.verdicts) {  // sorted by name and architecture
    const std::string key = verdict.name + '\x1f' + verdict.arch;
    if (!page.after.empty() && key <= page.after) continue;
    auto row = patch_reply(verdict, times);
    if (!std::ranges::all_of(filters, [&](const auto& f) { return passes(f, row); })) continue;
    if (rows.size() == page.limit) {
      next = last;
      break;
    }
    rows.push_back(std::move(row));
    last = key;
  }
  json::Object reply{{"Patches", std::move(rows)}};
  put_next(reply, call, next);
  return reply;
}

Result<json::Object> describe_patch_group_state(const Call& call) {
  struct Column {
    const char* name;
    std::uint32_t baseline::PatchCounts::* count;
  };
  static constexpr Column columns[] = {
      {"InstancesWithInstalledPatches", &baseline::PatchCounts::installed},
      {"InstancesWithInstalledOtherPatches", &baseline::PatchCounts::installed_other},
      {"InstancesWithInstalledPendingRebootPatches", &baseline::PatchCounts::installed_pending_reboot},
      {"InstancesWithInstalledRejectedPatches", &baseline::PatchCounts::installed_rejected},
      {"InstancesWithMissingPatches", &baseline::PatchCounts::missing},
      {"InstancesWithFailedPatches", &baseline::PatchCounts::failed},
      {"InstancesWithNotApplicablePatches", &baseline::PatchCounts::not_applicable},
      {"InstancesWithUnreportedNotApplicablePatches", &baseline::PatchCounts::unreported_not_applicable},
      {"InstancesWithAvailableSecurityUpdates", &baseline::PatchCounts::available_security_update},
      {"InstancesWithCriticalNonCompliantPatches", &baseline::PatchCounts::critical_non_compliant},
      {"InstancesWithSecurityNonCompliantPatches", &baseline::PatchCounts::security_non_compliant},
      {"InstancesWithOtherNonCompliantPatches", &baseline::PatchCounts::other_non_compliant},
  };
  BELAY_TRY_ASSIGN(const auto ids,
                   call.read([&](store::Sql& sql) { return nodes_of_patch_group(sql, call.text("PatchGroup")); }));
  std::map<std::string, std::int64_t> sums;
  std::int64_t instances = 0;
  for (std::size_t at = 0; at < ids.size(); at += store::kPageLimitMax) {
    const auto count = std::min<std::size_t>(store::kPageLimitMax, ids.size() - at);
    BELAY_TRY_ASSIGN(const auto judged, call.services.judge.counts(std::span(ids).subspan(at, count)));
    for (const auto& node : judged) {
      ++instances;
      for (const auto& column : columns) sums[column.name] += node.counts.*column.count > 0 ? 1 : 0;
    }
  }
  json::Object reply{{"Instances", instances}};
  for (const auto& column : columns) reply[column.name] = sums[column.name];
  return reply;
}

}  // namespace belay::server
