#include "server/engine/unsettled_nodes.hpp"

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/rollouts.hpp"
#include "store/executions.hpp"
#include "store/nodes.hpp"

namespace belay::server {
using store::Sql;

Status note_unsettled(Sql& sql, std::string_view rollout_id, const rollout::Node& before, const rollout::Node& after,
                      Instant now) {
  const bool is = rollout::is_unsettled(after);
  if (is == rollout::is_unsettled(before) && (!is || before.state == after.state)) return {};
  if (is) {
    const auto node = store::nodes::get(sql, after.node_id);
    if (!node.ok() && node.error().code() != Code::not_found) return node.error();
    if (!node.ok() || node->state != store::nodes::NodeState::active) return {};  // there is nothing left to settle
    const std::string state = boost::describe::enum_to_string(after.state, "?");
    return store::rollouts::put_unsettled(
        sql, {after.node_id, std::string(rollout_id), after.order_id, state, after.why, now});
  }
  // Another rollout's failure is not this one's to take away.
  BELAY_TRY_ASSIGN(const auto kept, store::rollouts::take_unsettled(sql, after.node_id));
  if (kept && kept->rollout_id != rollout_id) return store::rollouts::put_unsettled(sql, *kept);
  return {};
}

Result<bool> settle_node(Sql& sql, std::string_view node_id, std::string_view by, std::string_view why, Instant now) {
  BELAY_TRY_ASSIGN(const auto kept, store::rollouts::take_unsettled(sql, node_id));
  BELAY_TRY_ASSIGN(const auto open, store::rollouts::open_of_node(sql, node_id));
  std::string told;
  for (const auto& row : open) {
    BELAY_TRY_ASSIGN(const auto node, json::decode_text<rollout::Node>(row.machine));
    if (rollout::is_at_work(node.state) || !rollout::disturbs(node)) continue;
    RolloutEvent event;
    event.kind = rollout::EventKind::settled;
    event.node_id = node_id;
    event.who = by;
    event.why = why;
    const auto key = std::string(kRolloutEventKey) + make_uuid(io::random_bytes(kIdRandomBytes));
    BELAY_TRY(store::executions::post(sql, kRolloutKind, row.rollout_id, {0, key, json::encode_text(event), now}));
    told = row.rollout_id;
  }
  if (!kept && told.empty()) return false;
  BELAY_TRY(note_in_audit(
      sql, now, by, "belay:SettleRolloutNode", node_id,
      {{"rollout", kept ? kept->rollout_id : told}, {"state", kept ? kept->state : "RolledBack"}, {"why", why}}));
  return true;
}

Status settle_by_run(Sql& sql, const store::runs::Run& run, Instant now) {
  if (run.report.outcome != patchrun::Outcome::committed) return {};
  const auto settled = settle_node(sql, run.node_id, "belayd", "its run " + run.run_id + " was committed", now);
  return settled.ok() ? Status() : Status(settled.error());
}

}  // namespace belay::server
