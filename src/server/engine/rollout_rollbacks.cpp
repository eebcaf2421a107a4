// Rollbacks by hand: of nodes, of a ring, of a whole rollout.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/quarantine.hpp"
#include "server/engine/rollout_rows.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {
using rollout::EventKind;
using rollout::State;
using store::Sql;

constexpr std::size_t kQuarantinedByHandMax = 10;  // versions; of more nobody knows which it was

store::rollouts::Node node_row(const std::string& rollout_id, const rollout::Node& node) {
  return {rollout_id,    node.node_id,           node.ring, boost::describe::enum_to_string(node.state, "?"), node.why,
          node.order_id, json::encode_text(node)};
}

}  // namespace

Status keep_rollout(Sql& sql, const store::rollouts::Rollout& row, const RolloutExecution& state,
                    std::vector<rollout::Node> nodes) {
  BELAY_TRY(store::rollouts::create(sql, row));
  std::ranges::sort(nodes, {}, [](const auto& node) { return std::pair(node.ring, node.node_id); });
  std::vector<store::rollouts::Node> rows;
  for (const auto& node : nodes) rows.push_back(node_row(row.rollout_id, node));
  BELAY_TRY(store::rollouts::put_nodes(sql, rows));
  store::executions::Execution execution;
  execution.execution_id = row.rollout_id;
  execution.kind = kRolloutKind;
  execution.state = json::encode_text(state);
  execution.wake_at = execution.created_at = execution.updated_at = row.created_at;
  return store::executions::create(sql, execution);
}

Result<store::rollouts::Rollout> rollout_named(Sql& sql, std::string_view rollout_id) {
  auto row = store::rollouts::get(sql, rollout_id);
  if (!row.ok() && row.error().code() == Code::not_found)
    return Error(Code::not_found, "there is no rollout '" + sanitize(std::string(rollout_id), 64) + "'",
                 "DoesNotExistException");
  return row;
}

namespace {

// The newest run of the node that changed something and stayed.
Result<std::optional<store::runs::Run>> run_to_undo(Sql& sql, const std::string& node_id, const std::string& run_id) {
  store::Page page{100, {}};
  BELAY_TRY_ASSIGN(const auto runs, store::runs::history(sql, node_id, page));
  std::set<std::string> undone;
  for (const auto& run : runs.items) {
    // A run that took another back is no change to take back, nor is the one it took back.
    if (!run.report.undoes.empty()) {
      if (run.report.outcome == patchrun::Outcome::committed) undone.insert(run.report.undoes);
      continue;
    }
    if (undone.contains(run.run_id)) continue;
    if (!run_id.empty() && run.run_id != run_id) continue;
    if (run.report.outcome == patchrun::Outcome::committed && !run.report.changed.empty()) return std::optional(run);
  }
  return std::optional<store::runs::Run>();
}

Result<std::vector<rollout::Node>> nodes_to_put_back(Sql& sql, const RollbackRequest& request) {
  std::vector<std::string> ids;
  BELAY_TRY_ASSIGN(ids, resolve_targets(sql, request.instance_ids, {}));
  if (ids.size() > 1 && !request.run_id.empty()) return refused_rollout("a run is one node's; name that node alone");
  std::vector<rollout::Node> nodes;
  for (const auto& id : ids) {
    BELAY_TRY_ASSIGN(const auto run, run_to_undo(sql, id, request.run_id));
    if (!run)
      return wrong_rollout_state("the node " + id + " has no " +
                                 (request.run_id.empty() ? std::string("committed run that changed something")
                                                         : "committed run " + sanitize(request.run_id, 64)) +
                                 " among its newest hundred");
    rollout::Node node;
    node.node_id = id;
    node.state = rollout::NodeState::Committed;
    node.put_back = true;
    BELAY_TRY_ASSIGN(const auto newest, run_to_undo(sql, id, ""));
    if (!request.package.empty() &&
        std::ranges::none_of(run->report.changed, [&](const auto& change) { return change.name == request.package; }))
      return wrong_rollout_state("the run " + run->run_id + " of " + id + " did not change the package '" +
                                 sanitize(request.package, 100) + "'");
    node.order_id = newest->run_id;
    nodes.push_back(std::move(node));
  }
  return nodes;
}

// Those of a rollout that has ended.
Result<std::vector<rollout::Node>> nodes_of_ended(Sql& sql, const std::string& rollout_id, const std::string& ring,
                                                  const rollout::Spec& spec) {
  BELAY_TRY_ASSIGN(const auto rows, store::rollouts::nodes_of(sql, rollout_id));
  std::vector<rollout::Node> nodes;
  std::vector<std::string> later;
  for (const auto& row : rows) {
    if (!ring.empty() && spec.rings[row.ring].name != ring) continue;
    BELAY_TRY_ASSIGN(auto node, json::decode_text<rollout::Node>(row.machine));
    if (node.state != rollout::NodeState::Committed) continue;
    BELAY_TRY_ASSIGN(const auto newest, run_to_undo(sql, node.node_id, ""));
    if (!newest) continue;  // it was taken back already
    if (newest->run_id != node.order_id) {
      later.push_back(node.node_id);
      continue;
    }
    rollout::Node back;
    back.groups = node.groups;
    back.node_id = node.node_id;
    back.order_id = node.order_id;
    back.state = rollout::NodeState::Committed;
    back.put_back = true;
    nodes.push_back(std::move(back));
  }
  if (!later.empty())
    return wrong_rollout_state(std::to_string(later.size()) + " nodes were changed again since (" + later.front() +
                               (later.size() > 1 ? ", …" : "") +
                               "): taking this rollout back would undo that too. Take the " +
                               "later change back first, or say so for a node: belay rollback NODE --to RUN");
  if (nodes.empty()) return wrong_rollout_state("no node of " + rollout_id + " holds its change any more");
  return nodes;
}

// The way back keeps the budgets under which the runs came, whichever rollouts brought them.
Result<std::vector<rollout::Budget>> budgets_of(Sql& sql, std::vector<rollout::Node>& nodes) {
  std::vector<rollout::Budget> budgets;
  std::map<std::string, rollout::Spec> specs;
  for (auto& node : nodes) {
    BELAY_TRY_ASSIGN(const auto rows, store::rollouts::all_of_node(sql, node.node_id));
    const auto brought = std::ranges::find(rows, node.order_id, &store::rollouts::Node::order_id);
    if (brought == rows.end()) continue;  // a command did, which has none
    BELAY_TRY_ASSIGN(const auto there, json::decode_text<rollout::Node>(brought->machine));
    node.groups = there.groups;
    if (!specs.contains(brought->rollout_id)) {
      BELAY_TRY_ASSIGN(const auto row, store::rollouts::get(sql, brought->rollout_id));
      BELAY_TRY_ASSIGN(specs[brought->rollout_id], json::decode_text<rollout::Spec>(row.spec, {.bytes_max = 8u << 20}));
    }
    const auto& spec = specs[brought->rollout_id];
    if (brought->ring >= spec.rings.size()) continue;
    for (const auto& budget : spec.rings[brought->ring].budgets) {
      const auto known = std::ranges::find(budgets, budget.tag, &rollout::Budget::tag);
      if (known == budgets.end()) budgets.push_back(budget);
      else known->disrupted_max = std::min(known->disrupted_max, budget.disrupted_max);
    }
  }
  return budgets;
}

// What the runs of its nodes brought and is still there, or was taken back: each version once for a system. For a role
// alone where its budgets tell nodes apart by that, as a halt does.
Status add_versions_of(Sql& sql, const store::rollouts::Rollout& rollout, const std::string& ring,
                       std::vector<store::rollouts::Quarantine>& entries) {
  BELAY_TRY_ASSIGN(const auto spec, json::decode_text<rollout::Spec>(rollout.spec, {.bytes_max = 8u << 20}));
  bool by_role = false;
  for (const auto& one : spec.rings)
    for (const auto& budget : one.budgets) by_role = by_role || budget.tag == "Role";
  BELAY_TRY_ASSIGN(const auto rows, store::rollouts::nodes_of(sql, rollout.rollout_id));
  std::set<std::tuple<std::string, std::string, std::string, std::string, std::string>> seen;
  std::set<std::tuple<std::string, std::string, std::string>> versions;
  std::vector<store::rollouts::Quarantine> found;
  for (const auto& row : rows) {
    if (!ring.empty() && spec.rings[row.ring].name != ring) continue;
    BELAY_TRY_ASSIGN(const auto node, json::decode_text<rollout::Node>(row.machine));
    const auto run_id = node.undoes.empty() ? node.order_id : node.undoes;
    if (run_id.empty()) continue;
    const auto run = store::runs::get(sql, run_id);
    const auto kept = store::nodes::get(sql, row.node_id);
    if (!run.ok() && run.error().code() != Code::not_found) return run.error();
    if (!kept.ok() && kept.error().code() != Code::not_found) return kept.error();
    if (!run.ok() || !kept.ok()) continue;
    std::vector<std::string> roles;
    if (by_role) {
      BELAY_TRY_ASSIGN(roles, roles_of(sql, row.node_id));
    }
    if (roles.empty()) roles.emplace_back();
    for (const auto& change : run->report.changed)
      for (const auto& role : roles) {
        if (change.to_version.empty()) continue;
        versions.emplace(change.name, change.arch, change.to_version);
        if (!seen.emplace(kept->operating_system, role, change.name, change.arch, change.to_version).second) continue;
        auto& entry = found.emplace_back();
        entry.name = change.name;
        entry.arch = change.arch;
        entry.version = change.to_version;
        entry.operating_system = kept->operating_system;
        entry.role = role;
        entry.rollout_id = rollout.rollout_id;
        entry.node_id = row.node_id;
      }
  }
  // Of more, nobody knows which it was: the change set alone is named, and whoever knows names the package.
  if (versions.size() <= kQuarantinedByHandMax) entries.insert(entries.end(), found.begin(), found.end());
  return {};
}

// Of a rollout its change set and the versions that it brought, where they are few enough to name; of nodes the
// versions that their runs brought.
Status remember_rollback(Sql& sql, const RollbackRequest& request, const store::rollouts::Rollout* rollout,
                         const std::vector<rollout::Node>& nodes, Instant now) {
  if (!request.quarantine.value_or(rollout != nullptr)) return {};
  std::vector<store::rollouts::Quarantine> entries;
  if (rollout) {
    if (rollout->change_set_id.empty()) return {};  // a rollback ships nothing that could go on elsewhere
    entries.emplace_back().change_set_id = rollout->change_set_id;
    entries.back().rollout_id = rollout->rollout_id;
    BELAY_TRY(add_versions_of(sql, *rollout, request.ring, entries));
  }
  for (const auto& node : nodes) {
    if (rollout) break;
    BELAY_TRY_ASSIGN(const auto kept, store::nodes::get(sql, node.node_id));
    BELAY_TRY_ASSIGN(const auto run, store::runs::get(sql, request.run_id.empty() ? node.order_id : request.run_id));
    for (const auto& change : run.report.changed) {
      if (change.to_version.empty() || (!request.package.empty() && change.name != request.package)) continue;
      store::rollouts::Quarantine entry;
      entry.name = change.name;
      entry.arch = change.arch;
      entry.version = change.to_version;
      entry.operating_system = kept.operating_system;
      entry.node_id = node.node_id;
      entries.push_back(std::move(entry));
    }
  }
  if (!rollout && entries.size() > kQuarantinedByHandMax)
    return refused_rollout("these runs brought " + std::to_string(entries.size()) +
                           " versions, too many to be all at fault: name the package (Package), or put the one that "
                           "is into quarantine yourself");
  BELAY_TRY_ASSIGN(auto in_force, store::rollouts::in_quarantine(sql));
  for (auto& entry : entries) {
    if (is_in_quarantine(in_force, entry)) continue;
    entry.reason = "rolled back by hand: " + request.reason;
    entry.added_by = request.requested_by;
    entry.added_at = now;
    in_force.push_back(entry);
    const auto kept = put_into_quarantine(sql, entry, rollout ? rollout->rollout_id : "");
    if (!kept.ok()) return kept.error();
  }
  return {};
}

// Something was begun on some node, or is: else there is nothing to take back, and nothing to blame.
Result<bool> has_begun(Sql& sql, const store::rollouts::Rollout& rollout) {
  BELAY_TRY_ASSIGN(const auto rows, store::rollouts::nodes_of(sql, rollout.rollout_id));
  return std::ranges::any_of(
      rows, [](const auto& row) { return row.state != "Pending" && row.state != "Held" && row.state != "Skipped"; });
}

Result<std::string> keep_rollback(Sql& sql, const RollbackRequest& request, std::vector<rollout::Node> nodes,
                                  std::vector<rollout::Budget> budgets, Instant now) {
  rollout::Spec spec;
  spec.name = "rollback";
  spec.rings.emplace_back().name = "all";
  spec.rings[0].max_concurrency = "10%";
  spec.rings[0].budgets = std::move(budgets);
  spec.rings[0].max_errors = "100%";
  const auto whom = request.rollout_id.empty() ? join(request.instance_ids, ", ") : request.rollout_id;
  store::rollouts::Rollout row;
  row.rollout_id = make_id("ro", io::random_bytes(kIdRandomBytes));
  row.name = ("rollback of " + whom).substr(0, 128);
  row.spec = json::encode_text(spec);
  row.undoes = request.rollout_id.empty() ? "runs of " + std::to_string(nodes.size()) + " nodes" : request.rollout_id;
  row.state = "RollingBack";
  row.why = request.reason;
  row.created_by = request.requested_by;
  row.created_at = now;
  row.started_at = now;
  RolloutExecution state;
  state.rolls_back_only = true;
  state.back_before_run = request.run_id;
  state.package = request.package;
  state.machine.state = State::RollingBack;
  state.machine.started = state.machine.ready = true;
  state.machine.why = request.reason;
  state.machine.rings.push_back(ring_of(spec.rings[0], spec, static_cast<std::uint32_t>(nodes.size())));
  BELAY_TRY(keep_rollout(sql, row, state, std::move(nodes)));
  BELAY_TRY(note_in_audit(
      sql, now, request.requested_by, "belay:RollbackNodes", row.rollout_id,
      {{"whom", whom}, {"run", request.run_id}, {"package", request.package}, {"reason", request.reason}}));
  return row.rollout_id;
}

}  // namespace

Result<std::string> Rollouts::roll_back(const RollbackRequest& request) {
  const Instant now = clock_.now();
  if (request.instance_ids.empty() == request.rollout_id.empty())
    return refused_rollout("name nodes by InstanceIds, or a rollout by RolloutId: one of them");
  if (!request.rollout_id.empty() && (!request.run_id.empty() || !request.package.empty()))
    return refused_rollout("RunId and Package go with InstanceIds");
  return store_.write([&](Sql& sql) -> Result<std::string> {
    if (request.rollout_id.empty()) {
      BELAY_TRY_ASSIGN(auto nodes, nodes_to_put_back(sql, request));
      BELAY_TRY(remember_rollback(sql, request, nullptr, nodes, now));
      BELAY_TRY_ASSIGN(auto budgets, budgets_of(sql, nodes));
      return keep_rollback(sql, request, std::move(nodes), std::move(budgets), now);
    }
    BELAY_TRY_ASSIGN(const auto row, rollout_named(sql, request.rollout_id));
    BELAY_TRY_ASSIGN(const auto spec, json::decode_text<rollout::Spec>(row.spec, {.bytes_max = 8u << 20}));
    if (!request.ring.empty() &&
        std::ranges::find(spec.rings, request.ring, &rollout::RingSpec::name) == spec.rings.end())
      return refused_rollout("the rollout " + row.rollout_id + " has no ring '" + sanitize(request.ring, 64) + "'");
    const bool over = row.state == "Completed" || row.state == "RolledBack" || row.state == "Aborted";
    if (over && !row.finished_at)
      return wrong_rollout_state("the rollout " + row.rollout_id + " is " + row.state +
                                 ", and nodes are still at work; ask again when their runs have ended");
    BELAY_TRY_ASSIGN(const bool begun, has_begun(sql, row));
    if (!begun && !row.finished_at)
      return wrong_rollout_state("the rollout " + row.rollout_id +
                                 " has changed no node, so there is nothing to take back; to end it: belay rollout " +
                                 "abort " + row.rollout_id);
    BELAY_TRY(remember_rollback(sql, request, &row, {}, now));
    if (row.finished_at) {
      BELAY_TRY_ASSIGN(auto nodes, nodes_of_ended(sql, row.rollout_id, request.ring, spec));
      std::vector<rollout::Budget> budgets;
      for (const auto& one : spec.rings)
        if (request.ring.empty() || one.name == request.ring)
          budgets.insert(budgets.end(), one.budgets.begin(), one.budgets.end());
      return keep_rollback(sql, request, std::move(nodes), std::move(budgets), now);
    }
    RolloutEvent event{EventKind::roll_back, "", request.requested_by, request.reason, request.ring};
    const auto key = std::string(kRolloutEventKey) + make_uuid(io::random_bytes(kIdRandomBytes));
    BELAY_TRY(store::executions::post(sql, kRolloutKind, row.rollout_id, {0, key, json::encode_text(event), now}));
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:RollbackNodes", row.rollout_id,
                            {{"ring", request.ring}, {"reason", request.reason}}));
    return row.rollout_id;
  });
}

}  // namespace belay::server
