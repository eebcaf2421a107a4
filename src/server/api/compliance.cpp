// Belay's own: one node, the verdicts of many, the fleet at a glance.
#include <algorithm>

#include "core/baseline/patch_group.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/judged_reply.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/shapes/validate.hpp"
#include "store/baselines.hpp"
#include "store/runs.hpp"
#include "store/tags.hpp"
#include "wire/messages.hpp"

namespace belay::server {
namespace {

using store::verdicts::Compliance;

json::Array repositories_reply(const std::string& text) {
  json::Array out;
  const auto seen = json::decode_text<std::vector<wire::RepositorySeen>>(text);
  if (!seen.ok()) return out;
  for (const auto& repository : *seen) {
    json::Object row{{"Name", repository.name}, {"Site", repository.site}};
    put(row, "ReleasedDate", epoch(repository.released_at));
    put(row, "ValidUntilDate", epoch(repository.valid_until));
    put(row, "FetchedDate", epoch(repository.fetched_at));
    out.push_back(std::move(row));
  }
  return out;
}

json::Object scan_reply(const store::scans::Scan& scan, Instant now) {
  return {{"ScanId", scan.scan_id},
          {"ObservedDate", epoch(scan.observed_at)},
          {"ReceivedDate", epoch(scan.received_at)},
          {"AgeSeconds", seconds_of(now - scan.observed_at)},
          {"PackageSetHash", scan.package_set_hash},
          {"OfferSetHash", scan.offer_set_hash},
          {"PackageCount", scan.packages},
          {"OfferCount", scan.offers},
          {"HeldPackages", texts_reply(scan.held)},
          {"Repositories", repositories_reply(scan.repositories)},
          {"Problems", problems_reply(scan.problems)}};
}

// `CommandId` is absent where somebody undid a run on the node itself.
json::Object run_reply(const store::runs::Run& run) {
  json::Object out{{"RunId", run.run_id},
                   {"Outcome", boost::describe::enum_to_string(run.report.outcome, "?")},
                   {"StartedDate", epoch(run.started_at)},
                   {"FinishedDate", epoch(run.finished_at)},
                   {"ChangedCount", run.report.changed.size()}};
  put(out, "CommandId", json::Value(run.command_id));
  return out;
}

json::Array pending_reply(const std::vector<store::runs::PendingReboot>& packages) {
  json::Array out;
  for (const auto& p : packages)
    out.push_back(json::Object{
        {"Name", p.name}, {"Architecture", p.arch}, {"Version", p.version}, {"ChangedDate", epoch(p.changed_at)}});
  return out;
}

Result<json::Object> node_reply(store::Sql& sql, const Call& call, const store::nodes::Node& node) {
  json::Object out{{"InstanceId", node.node_id},
                   {"Name", node.name},
                   {"State", json::encode(node.state)},
                   {"OperatingSystem", node.operating_system},
                   {"AgentVersion", node.agent_version},
                   {"PingStatus", ping_status(call.services, store::nodes::brief_of(node), call.now)},
                   {"RegistrationDate", epoch(node.registered_at)},
                   {"Facts", json::encode(node.facts)}};
  put(out, "LastPingDateTime", epoch(node.last_seen_at));
  put(out, "DeregisteredDate", epoch(node.deregistered_at));
  put(out, "ActivationId", json::Value(node.activation_id));
  put(out, "IamRole", json::Value(node.iam_role));
  put(out, "IPAddress", json::Value(node.address));
  put(out, "CloneSuspectedDate", epoch(node.clone_seen_at));
  if (node.clone_seen_at) put(out, "OtherIPAddress", json::Value(node.clone_address));
  BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, store::tags::kManagedInstance, node.node_id));
  out["Tags"] = tags_reply(tags);
  BELAY_TRY_ASSIGN(const auto scan, store::scans::newest(sql, node.node_id));
  if (scan) out["NewestScan"] = scan_reply(*scan, call.now);
  BELAY_TRY_ASSIGN(const auto run, store::runs::newest(sql, node.node_id));
  if (run) out["NewestRun"] = run_reply(*run);
  BELAY_TRY_ASSIGN(const auto pending, store::runs::pending_reboot(sql, node.node_id));
  out["PendingReboot"] = pending_reply(pending);
  return out;
}

struct ComplianceRequest {
  std::vector<std::string> InstanceIds;
};
BOOST_DESCRIBE_STRUCT(ComplianceRequest, (), (InstanceIds))

// What the filters say of a row after it was judged; the others narrowed the nodes already.
struct RowFilters {
  std::vector<std::vector<std::string>> patch_groups, baselines, statuses;
  bool passes(const json::Object& row) const {
    const auto holds = [&](const auto& lists, std::string_view member) {
      const std::string text = json::text_or_empty(row, member);
      return std::ranges::all_of(lists,
                                 [&](const auto& values) { return std::ranges::find(values, text) != values.end(); });
    };
    return holds(patch_groups, "PatchGroup") && holds(baselines, "BaselineId") && holds(statuses, "Status");
  }
};

Status split_filters(const Call& call, store::nodes::NodeFilter& nodes, RowFilters& rows) {
  BELAY_TRY_ASSIGN(
      const auto filters,
      filters_of(call.request, {"PatchGroup", "BaselineId", "Status", "OperatingSystem", "tag-key", "tag:"},
                 "InvalidFilterKey"));
  for (const auto& [key, values] : filters) {
    if (key.starts_with("tag:")) nodes.tags.push_back({key.substr(4), values});
    else if (key == "tag-key")
      for (const auto& value : values) nodes.tags.push_back({value, {}});
    else if (key == "OperatingSystem") nodes.operating_systems = values;
    else if (key == "PatchGroup") rows.patch_groups.push_back(values);
    else if (key == "BaselineId") rows.baselines.push_back(values);
    else rows.statuses.push_back(values);
  }
  return {};
}

// The rows of these nodes, in their order. As of a time each is judged by itself; now, together.
Result<json::Array> judged_rows(const Call& call, const std::vector<store::nodes::Brief>& nodes,
                                std::optional<Instant> as_of) {
  json::Array rows;
  if (as_of) {
    for (const auto& node : nodes) {
      JudgeQuestion question;
      question.node_id = node.node_id;
      question.as_of = as_of;
      BELAY_TRY_ASSIGN(const auto judgement, call.services.judge.judge(question));
      BELAY_TRY_ASSIGN(auto row, judged_reply(call, node, judgement));
      rows.push_back(std::move(row));
    }
    return rows;
  }
  std::vector<std::string> ids;
  std::map<std::string, const store::nodes::Brief*> by_id;
  for (const auto& node : nodes) ids.push_back(node.node_id), by_id[node.node_id] = &node;
  BELAY_TRY_ASSIGN(const auto judged, call.services.judge.counts(ids));
  for (const auto& counts : judged) {
    BELAY_TRY_ASSIGN(auto row, judged_reply(call, *by_id.at(counts.node_id), counts));
    rows.push_back(std::move(row));
  }
  return rows;
}

struct Sums {
  std::int64_t nodes = 0, compliant = 0, non_compliant = 0, unknown = 0;
  void add(Compliance compliance) {
    ++nodes;
    ++(compliance == Compliance::compliant       ? compliant
       : compliance == Compliance::non_compliant ? non_compliant
                                                 : unknown);
  }
};

json::Array sums_reply(const std::map<std::string, Sums>& sums) {
  json::Array out;
  for (const auto& [key, s] : sums)
    out.push_back(json::Object{{"Key", key},
                               {"NodeCount", s.nodes},
                               {"CompliantCount", s.compliant},
                               {"NonCompliantCount", s.non_compliant},
                               {"UnknownCount", s.unknown}});
  return out;
}

struct FleetSums {
  Sums all;
  std::map<std::string, Sums> systems, groups;
  std::map<std::string, std::int64_t> ping, reasons;
  std::int64_t reboot_pending = 0, missing = 0, failed = 0, security = 0, critical = 0, held_back = 0, pending = 0;

  void add(const Call& call, const store::nodes::Brief& node, const JudgedCounts& counts) {
    all.add(counts.compliance);
    systems[node.operating_system].add(counts.compliance);
    groups[counts.choice.patch_group].add(counts.compliance);
    ++ping[std::string(ping_status(call.services, node, call.now))];
    for (const auto& problem : counts.reasons) ++reasons[boost::describe::enum_to_string(problem.reason, "other")];
    reboot_pending += node.reboot_required || counts.counts.installed_pending_reboot > 0 ? 1 : 0;
    missing += counts.counts.missing;
    failed += counts.counts.failed;
    security += counts.counts.security_non_compliant;
    critical += counts.counts.critical_non_compliant;
    held_back += counts.counts.available_security_update;
    pending += counts.counts.installed_pending_reboot;
  }
};

json::Object fleet_reply(FleetSums& sums, Instant now) {
  json::Array reasons;
  for (const auto& [reason, count] : sums.reasons)
    reasons.push_back(json::Object{{"Reason", reason}, {"NodeCount", count}});
  return {
      {"GeneratedDate", epoch(now)},
      {"NodeCount", sums.all.nodes},
      {"Compliance",
       {{"COMPLIANT", sums.all.compliant}, {"NON_COMPLIANT", sums.all.non_compliant}, {"UNKNOWN", sums.all.unknown}}},
      {"Ping",
       {{"Online", sums.ping["Online"]},
        {"ConnectionLost", sums.ping["ConnectionLost"]},
        {"Inactive", sums.ping["Inactive"]}}},
      {"RebootPendingCount", sums.reboot_pending},
      {"Patches",
       {{"MissingCount", sums.missing},
        {"FailedCount", sums.failed},
        {"SecurityNonCompliantCount", sums.security},
        {"CriticalNonCompliantCount", sums.critical},
        {"AvailableSecurityUpdateCount", sums.held_back},
        {"InstalledPendingRebootCount", sums.pending}}},
      {"Reasons", std::move(reasons)},
      {"OperatingSystems", sums_reply(sums.systems)},
      {"PatchGroups", sums_reply(sums.groups)}};
}

}  // namespace

Result<json::Object> get_node(const Call& call) {
  const std::string id = call.text("InstanceId");
  BELAY_TRY_ASSIGN(const auto node, call.read([&](store::Sql& sql) -> Result<store::nodes::Node> {
    auto found = store::nodes::get(sql, id);
    if (!found.ok() && found.error().code() == Code::not_found)
      return failure("InvalidInstanceId", "there is no node " + id);
    return found;
  }));
  BELAY_TRY_ASSIGN(auto reply, call.read([&](store::Sql& sql) { return node_reply(sql, call, node); }));
  BELAY_TRY_ASSIGN(const auto judged, call.services.judge.counts(std::span(&id, 1)));
  if (!judged.empty()) {
    BELAY_TRY_ASSIGN(reply["Compliance"], judged_reply(call, store::nodes::brief_of(node), judged.front()));
  }
  return json::Object{{"Node", std::move(reply)}};
}

Result<json::Object> describe_node_compliance(const Call& call) {
  BELAY_TRY_ASSIGN(auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto request, call.as<ComplianceRequest>());
  BELAY_TRY_ASSIGN(const auto as_of, as_of_in(call));
  store::nodes::NodeFilter filter;
  RowFilters row_filters;
  BELAY_TRY(split_filters(call, filter, row_filters));
  filter.node_ids = request.InstanceIds;
  filter.include_deregistered = as_of.has_value();
  const std::size_t wanted = page.limit;
  json::Array rows;
  do {
    page.limit = static_cast<std::uint32_t>(wanted - rows.size());
    BELAY_TRY_ASSIGN(auto nodes,
                     call.read([&](store::Sql& sql) { return store::nodes::list_briefs(sql, filter, page); }));
    std::erase_if(nodes.items, [&](const auto& node) {  // as of then: those that were in the fleet
      return as_of && (node.registered_at > *as_of || (node.deregistered_at && *node.deregistered_at <= *as_of));
    });
    BELAY_TRY_ASSIGN(auto some, judged_rows(call, nodes.items, as_of));
    for (auto& row : some)
      if (row_filters.passes(row.get_object())) rows.push_back(std::move(row));
    page.after = nodes.next;
  } while (!page.after.empty() && rows.size() < wanted);
  json::Object reply{{"NodeCompliance", std::move(rows)}};
  put_next(reply, call, page.after);
  return reply;
}

Result<json::Object> get_fleet_report(const Call& call) {
  FleetSums sums;
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto nodes,
                     call.read([&](store::Sql& sql) { return store::nodes::list_briefs(sql, {}, page); }));
    std::vector<std::string> ids;
    std::map<std::string, const store::nodes::Brief*> by_id;
    for (const auto& node : nodes.items) ids.push_back(node.node_id), by_id[node.node_id] = &node;
    BELAY_TRY_ASSIGN(const auto judged, call.services.judge.counts(ids));
    for (const auto& counts : judged) sums.add(call, *by_id.at(counts.node_id), counts);
    page.after = nodes.next;
  } while (!page.after.empty());
  return fleet_reply(sums, call.now);
}

}  // namespace belay::server
