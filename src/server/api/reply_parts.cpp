#include "server/api/reply_parts.hpp"

#include <algorithm>

#include "server/api/shapes/validate.hpp"

namespace belay::server {

std::string_view ping_status(const Services& services, const store::nodes::Brief& node, Instant now) {
  if (!node.last_seen_at || *node.last_seen_at < now - kInactiveAfter || node.state != store::nodes::NodeState::active)
    return "Inactive";
  return *node.last_seen_at < now - services.online_within ? "ConnectionLost" : "Online";
}

Result<store::nodes::Node> active_node(store::Sql& sql, std::string_view node_id) {
  auto node = store::nodes::get(sql, node_id);
  if (!node.ok() && node.error().code() != Code::not_found) return node.error();
  if (!node.ok()) return failure("InvalidInstanceId", "there is no node " + std::string(node_id));
  if (node->state != store::nodes::NodeState::active)
    return failure("InvalidInstanceId", "the node " + std::string(node_id) + " was deregistered");
  return node;
}

Result<std::optional<Instant>> as_of_in(const Call& call) {
  const auto* asked = json::find(call.request, "AsOf");
  if (!asked) return std::optional<Instant>();
  const auto as_of = shapes::time_of(*asked);
  if (as_of && *as_of > call.now)
    return failure("ValidationException", "AsOf is " + to_iso8601(*as_of) + ", which lies ahead (it is " +
                                              to_iso8601(call.now) + " here): of that time nothing is known yet");
  return as_of;
}

json::Object counts_reply(const baseline::PatchCounts& counts) {
  return {{"InstalledCount", counts.installed},
          {"InstalledOtherCount", counts.installed_other},
          {"InstalledPendingRebootCount", counts.installed_pending_reboot},
          {"InstalledRejectedCount", counts.installed_rejected},
          {"MissingCount", counts.missing},
          {"FailedCount", counts.failed},
          {"NotApplicableCount", counts.not_applicable},
          {"UnreportedNotApplicableCount", counts.unreported_not_applicable},
          {"AvailableSecurityUpdateCount", counts.available_security_update},
          {"CriticalNonCompliantCount", counts.critical_non_compliant},
          {"SecurityNonCompliantCount", counts.security_non_compliant},
          {"OtherNonCompliantCount", counts.other_non_compliant}};
}

json::Array problems_reply(const std::vector<fleet::Problem>& problems) {
  json::Array out;
  for (const auto& problem : problems) {
    json::Object row{{"Reason", json::encode(problem.reason)}, {"BlocksJudgement", problem.blocks_judgement}};
    put(row, "Subject", json::Value(problem.subject));
    put(row, "Detail", json::Value(problem.detail));
    put(row, "Next", json::Value(problem.next));
    out.push_back(std::move(row));
  }
  return out;
}

json::Array texts_reply(const std::vector<std::string>& texts) {
  json::Array out;
  for (const auto& text : texts) out.push_back(json::Value(text));
  return out;
}

std::string_view compliance_text(store::verdicts::Compliance compliance) {
  switch (compliance) {
    case store::verdicts::Compliance::compliant: return "COMPLIANT";
    case store::verdicts::Compliance::non_compliant: return "NON_COMPLIANT";
    case store::verdicts::Compliance::unknown: return "UNKNOWN";
  }
  return "UNKNOWN";
}

std::int64_t seconds_of(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

Result<std::vector<std::string>> nodes_of_patch_group(store::Sql& sql, std::string_view group) {
  std::vector<std::string> ids;
  for (const char* key : {"Patch Group", "PatchGroup"}) {
    store::nodes::NodeFilter filter;
    filter.tags = {{key, {std::string(group)}}};
    store::Page page{store::kPageLimitMax, {}};
    do {
      BELAY_TRY_ASSIGN(const auto some, store::nodes::list_ids(sql, filter, page));
      ids.insert(ids.end(), some.items.begin(), some.items.end());
      page.after = some.next;
    } while (!page.after.empty());
  }
  std::ranges::sort(ids);
  const auto [first, last] = std::ranges::unique(ids);
  ids.erase(first, last);
  return ids;
}

}  // namespace belay::server
