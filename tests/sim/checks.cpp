#include "tests/sim/checks.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "io/crypto.hpp"
#include "store/change_sets.hpp"
#include "store/orders.hpp"
#include "tests/sim/rules.hpp"
#include "tests/sim/world.hpp"
#include "wire/codec.hpp"

namespace belay::sim {
namespace {
using store::Sql;

constexpr json::Limits kLimits{.bytes_max = 8u << 20, .depth_max = 32};

}  // namespace

Result<RolloutSeen> Checks::see(Sql& sql, const store::rollouts::Rollout& row) const {
  BELAY_TRY_ASSIGN(const auto execution, store::executions::get(sql, server::kRolloutKind, row.rollout_id));
  const auto known = now_.find(row.rollout_id);
  if (known != now_.end() && known->second.generation == execution.generation) return known->second;
  RolloutSeen seen;
  seen.id = row.rollout_id;
  seen.name = row.name;
  seen.finished = row.finished_at.has_value();
  seen.generation = execution.generation;
  if (known == now_.end()) {
    BELAY_TRY_ASSIGN(const auto full, store::rollouts::get(sql, row.rollout_id));
    BELAY_TRY_ASSIGN(seen.spec, json::decode_text<rollout::Spec>(full.spec, kLimits));
  } else {
    seen.spec = known->second.spec;
  }
  BELAY_TRY_ASSIGN(auto state, json::decode_text<server::RolloutExecution>(execution.state, kLimits));
  seen.machine = std::move(state.machine);
  seen.change_set_id = state.change_set_id;
  seen.approvals_wanted = state.approvals_wanted;
  seen.rolls_back_only = state.rolls_back_only;
  BELAY_TRY_ASSIGN(const auto nodes, store::rollouts::nodes_of(sql, row.rollout_id));
  for (const auto& node : nodes) {
    BELAY_TRY_ASSIGN(auto one, json::decode_text<rollout::Node>(node.machine, kLimits));
    seen.machine.nodes.push_back(std::move(one));
  }
  return seen;
}

void Checks::say(const std::string& what) {
  if (!what.empty()) world_.complain(what);
}

void Checks::look() {
  before_ = now_;
  const auto read = world_.server->disk().read([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const auto rows, store::rollouts::list(sql, {}, {100, {}}));
    for (const auto& row : rows.items) {
      const auto known = now_.find(row.rollout_id);
      if (known != now_.end() && known->second.finished) continue;
      BELAY_TRY_ASSIGN(auto seen, see(sql, row));
      now_[row.rollout_id] = std::move(seen);
    }
    BELAY_TRY_ASSIGN(const auto unsettled, store::rollouts::unsettled(sql));
    unsettled_.clear();
    for (const auto& one : unsettled) unsettled_.insert(one.node_id);
    return {};
  });
  if (!read.ok()) say("the store cannot be read: " + read.error().chain());
}

// As it was when it was first seen frozen.
void Checks::look_at_change_set(const std::string& id) {
  const auto kept = world_.server->disk().read([&](Sql& sql) { return store::change_sets::get(sql, id); });
  if (!kept.ok()) return;
  const auto [first, added] = frozen_.try_emplace(id, kept->content);
  if (!added && first->second != kept->content) say("the change set " + id + " was altered");
  if (io::sha256_hex(kept->content) != kept->sha256) say("the change set " + id + " has another hash than its own");
}

void Checks::server_moved() {
  look();
  const auto at = world_.queue.now();
  const auto role_of = [&](const std::string& id) {
    const auto* node = world_.node_named(id);
    return node ? node->machine.plan.role : "";
  };
  for (const auto& [id, now] : now_) {
    const auto was = before_.find(id);
    const auto* before = was == before_.end() ? nullptr : &was->second;
    if (before && before->finished) continue;
    say(rules::over_concurrency(now));
    if (before && before->machine.state != now.machine.state)
      world_.note(now.name + " is " + boost::describe::enum_to_string(now.machine.state, "?") + " " + now.machine.why,
                  at);
    if (!before || before->machine.state != now.machine.state) look_at_change_set(now.change_set_id);
    if (before) say(rules::came_back_to_life(*before, now));
    if (before && !now.rolls_back_only) say(rules::promoted_without_green(*before, now, world_.wall(at)));
    for (const auto* node : rules::begun(before, now)) {
      world_.note(now.name + " sends " + node->node_id, at);
      say(rules::over_budget(now_, now, *node, role_of, unsettled_));
      say(rules::begun_outside_window(now, *node, at));
      say(rules::begun_out_of_turn(now, *node));
    }
  }
}

void Checks::server_acknowledges(const wire::Envelope& message) {
  if (const auto result = wire::unpack<wire::OrderResult>(message); result.ok()) told_.insert(result->order_id);
}

void Checks::change_begins(const Node& node, const RunRecord& record, const patchrun::RunState& run,
                           const std::vector<patchrun::RunState>& others) {
  const auto whose = [&](const std::string& what) {
    return what.empty() ? what : node.machine.plan.name + ", order " + record.order.order_id + ": " + what;
  };
  say(whose(rules::two_runs(others)));
  say(whose(rules::below_class(run)));
  say(whose(rules::goes_on_though_stopped(record)));
  const auto& patch = *record.order.patch;
  if (patch.end_by && !node.clock_was_wrong)
    say(whose(rules::changed_outside_window(record, world_.time_of(*patch.end_by))));
  const auto content = frozen_.find(patch.change_set_id);
  if (content != frozen_.end()) say(whose(rules::ships_something_else(record, content->second)));
  else if (patch.undoes.empty()) say(whose("its change set is not frozen"));
}

void Checks::run_ended(const Node& node, const RunRecord& record) {
  const auto wrong = rules::lies(record, node.machine.packages().broken);
  if (!wrong.empty()) say(node.machine.plan.name + ", order " + record.order.order_id + ": " + wrong);
}

bool Checks::rollouts_rest() {
  look();
  return std::ranges::all_of(now_, [](const auto& entry) {
    const auto& machine = entry.second.machine;
    if (rollout::is_over(machine.state)) return entry.second.finished;
    const bool stands = machine.state == rollout::State::Halted || machine.state == rollout::State::Paused;
    return stands &&
           std::ranges::none_of(machine.nodes, [](const auto& node) { return rollout::is_at_work(node.state); });
  });
}

std::string Checks::who_is_busy() {
  std::string text;
  for (const auto& [id, seen] : now_) {
    text += seen.name + " is " + boost::describe::enum_to_string(seen.machine.state, "?") + " " + seen.machine.why;
    for (const auto& node : seen.machine.nodes)
      text += ", " + node.node_id + " " + boost::describe::enum_to_string(node.state, "?") + " " + node.why;
    text += "; ";
  }
  for (const auto& node : world_.nodes)
    if (!node->is_idle()) text += node->machine.plan.name + (node->is_away() ? " is away; " : " is busy; ");
  return text;
}

std::vector<std::string> Checks::blocked_for_good() {
  std::vector<std::string> ids;
  for (const auto& [id, seen] : now_) {
    const auto& machine = seen.machine;
    if (machine.state != rollout::State::Running || machine.ring >= machine.rings.size()) continue;
    const auto counts = rollout::count(machine, machine.ring);
    if (counts.at_work > 0 || counts.pending == 0) continue;
    const bool windowed = !seen.spec.rings[machine.ring].window.empty();
    const bool waits_long = world_.queue.now() > kActive + 5 * kHour;
    if (!machine.rings[machine.ring].budgets.empty() || (windowed && waits_long)) ids.push_back(id);
  }
  return ids;
}

// Everything has come to rest: nothing that was said may be lost, and the store says what is really so.
void Checks::at_the_end() {
  look();
  const auto result_kept = [&](const std::string& id) {
    const auto order = world_.server->disk().read([&](Sql& sql) { return store::orders::get(sql, id); });
    return order.ok() && !order->result.empty();
  };
  for (const auto& id : told_)
    if (!result_kept(id)) say("the result of " + id + " was acknowledged, and is not there");
  for (const auto& node : world_.nodes) {
    if (node->never_comes_back() || node->removed) continue;
    for (const auto& [id, when] : node->acknowledged()) {
      if (!node->knows(id)) say(node->machine.plan.name + " acknowledged " + id + " and has forgotten it");
      if (!result_kept(id)) say(node->machine.plan.name + " acknowledged " + id + " and the server has no result");
    }
  }
  for (const auto& [id, seen] : now_)
    for (const auto& node : seen.machine.nodes) {
      auto* host = world_.node_named(node.node_id);
      if (host->removed) continue;
      const auto& runs = host->runs();
      const auto record = runs.find(node.order_id);
      const auto wrong = rules::store_lies(node, record == runs.end() ? nullptr : &record->second);
      if (!wrong.empty()) say(seen.name + ": " + wrong);
      if (rollout::is_over(seen.machine.state) && node.state == rollout::NodeState::Pending)
        say(seen.name + ": it is over, and " + node.node_id + " is Pending");
      if (rollout::is_over(seen.machine.state) || node.state != rollout::NodeState::Committed) continue;
      for (const auto& [run_id, run] : runs)
        if (run.order.patch->undoes == node.order_id && run.result && run.result->run &&
            run.result->run->outcome == patchrun::Outcome::committed)
          say(seen.name + ": " + node.node_id + " is Committed, and " + run_id + " took that back");
    }
}

}  // namespace belay::sim
