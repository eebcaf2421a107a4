#include "server/engine/node_state.hpp"

#include "base/json.hpp"
#include "store/orders.hpp"
#include "store/runs.hpp"
#include "wire/messages.hpp"

namespace belay::server {
namespace {

bool failed(patchrun::Outcome outcome) {
  return outcome != patchrun::Outcome::committed && outcome != patchrun::Outcome::nothing_to_do;
}

// What the run was ordered to change; the order is kept as it was signed.
Result<std::vector<fleet::PackageChange>> ordered_changes(store::Sql& sql, const std::string& order_id) {
  const auto order = store::orders::get(sql, order_id);
  if (!order.ok() && order.error().code() == Code::not_found) return std::vector<fleet::PackageChange>();
  if (!order.ok()) return order.error();
  BELAY_TRY_ASSIGN(const auto content,
                   json::decode_text<wire::Order>(order->payload, {.bytes_max = wire::kMessageBytesMax}));
  if (content.patch) return content.patch->changes;
  if (content.plan) return content.plan->changes;
  return std::vector<fleet::PackageChange>();
}

std::string why(const patchrun::PatchRunReport& report) {
  if (report.problems.empty()) return json::encode(report.outcome).as_string().c_str();
  const auto& problem = report.problems.front();
  return std::string(json::encode(problem.reason).as_string().c_str()) +
         (problem.detail.empty() ? "" : ": " + problem.detail);
}

}  // namespace

Result<baseline::NodeState> node_state(store::Sql& sql, std::string_view node_id, const store::scans::Scan& scan,
                                       std::optional<Instant> as_of) {
  baseline::NodeState state;
  state.held = scan.held;
  BELAY_TRY_ASSIGN(const auto run, store::runs::newest(sql, node_id, as_of));
  if (run && failed(run->report.outcome)) {
    BELAY_TRY_ASSIGN(const auto changes, ordered_changes(sql, run->run_id));
    for (const auto& change : changes)
      if (!change.from_version.empty())
        state.failed.push_back({change.name, change.arch, change.to_version, why(run->report)});
  }
  if (as_of) return state;  // what waited for a reboot then is in the verdicts of that time
  BELAY_TRY_ASSIGN(const auto pending, store::runs::pending_reboot(sql, node_id));
  for (const auto& package : pending)
    state.pending_reboot.push_back({package.name, package.arch, package.version, "changed since the node booted"});
  return state;
}

}  // namespace belay::server
