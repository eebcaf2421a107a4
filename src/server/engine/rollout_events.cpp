// The part of a rollout's turn that finds out what happened, and what is so around it.
#include <algorithm>
#include <iterator>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/fleet/problem_text.hpp"
#include "server/engine/change_calendars.hpp"
#include "server/engine/change_set_plan.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/quarantine.hpp"
#include "server/engine/rollout_run.hpp"
#include "server/engine/webhooks.hpp"
#include "store/pool.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {
using rollout::EventKind;
using rollout::NodeState;

constexpr Duration kHeardWithin{360'000};  // a heartbeat, and a minute
constexpr Duration kSilentFor{600'000};    // a node that was changed and is not heard of for longer is ill
constexpr Duration kBootGrace{120'000};    // beyond the node's own patience with its reboot
constexpr Duration kRunTakes{1'800'000};   // where nothing was measured: install, reboot and a rollback
constexpr std::size_t kLookedAtMax = 500;
constexpr std::size_t kChunk = 500;
constexpr std::size_t kGroupsMax = 500;      // that are looked at in one turn for nodes that are off
constexpr std::size_t kUnsettledTold = 400;  // bytes, about

rollout::Event event_of(EventKind kind, const rollout::Node& node, std::string why = {}) {
  rollout::Event event;
  event.kind = kind;
  event.node_id = node.node_id;
  event.order_id = node.order_id;
  event.why = std::move(why);
  return event;
}

std::string first_problem(const wire::OrderResult& result) {
  const auto& problems = result.run && !result.run->problems.empty() ? result.run->problems : result.problems;
  if (problems.empty()) return {};
  auto text = fleet::what_is_wrong_and_next(problems.front());
  if (problems.size() > 1) text += " (and " + std::to_string(problems.size() - 1) + " more)";
  return text;
}

std::vector<std::string> failed_units(const fleet::NodeFacts& facts) {
  std::vector<std::string> out;
  for (const auto& service : facts.services)
    if (service.active == "failed") out.push_back(service.name);
  return out;
}

// Refused because the node was ill before: down, for those who count its group.
bool was_ill_before(const wire::OrderResult& result) {
  if (!result.run || result.run->outcome != patchrun::Outcome::refused) return false;
  return std::ranges::any_of(result.run->probe_turns, [](const auto& turn) { return !turn.healthy; }) ||
         std::ranges::any_of(result.run->problems,
                             [](const auto& problem) { return problem.reason == fleet::Reason::storage_degraded; });
}

EventKind kind_of(patchrun::Outcome outcome, bool undoing) {
  using patchrun::Outcome;
  if (outcome == Outcome::committed) return undoing ? EventKind::put_back : EventKind::committed;
  if (outcome == Outcome::nothing_to_do) return undoing ? EventKind::put_back : EventKind::nothing_to_do;
  if (undoing) return EventKind::not_put_back;
  if (outcome == Outcome::refused) return EventKind::held;
  if (outcome == Outcome::rolled_back) return EventKind::rolled_back;
  if (outcome == Outcome::rollback_failed) return EventKind::rollback_failed;
  return EventKind::inconsistent;
}

}  // namespace

rollout::Event event_of_result(const wire::OrderResult& result, const std::string& node_id, bool undoing) {
  rollout::Event event;
  event.node_id = node_id;
  event.order_id = result.order_id;
  event.why = first_problem(result);
  event.down = was_ill_before(result);
  if (result.outcome == wire::OrderOutcome::cancelled) event.kind = EventKind::withdrawn;
  else if (result.run) event.kind = kind_of(result.run->outcome, undoing);
  else if (undoing) event.kind = EventKind::not_put_back;
  else event.kind = result.outcome == wire::OrderOutcome::refused ? EventKind::held : EventKind::inconsistent;
  return event;
}

Status RolloutRun::translate(const store::executions::Event& posted, Events& events) {
  if (posted.key.starts_with(kWebhookEventKey) || posted.key.starts_with(kMailEventKey))
    return {};  // who was to be told was, or was not: nothing waits for it
  if (!posted.key.starts_with(kRolloutEventKey)) {
    BELAY_TRY_ASSIGN(const auto event, json::decode_text<NodeEvent>(posted.body));
    return translate_node(event, events);
  }
  BELAY_TRY_ASSIGN(const auto wanted, json::decode_text<RolloutEvent>(posted.body));
  if (wanted.kind == EventKind::approved) {  // by one person; look_at_change_set() sees whether they are enough
    auto& people = execution_.approved_by;
    if (std::ranges::find(people, wanted.who) == people.end()) people.push_back(wanted.who);
    return {};
  }
  auto& event = events.emplace_back();
  event.kind = wanted.kind;
  event.node_id = wanted.node_id;
  event.who = wanted.who;
  event.why = wanted.why;
  event.again = wanted.again;
  event.order_id = wanted.run_id;
  for (std::uint32_t i = 0; i < spec_.rings.size(); ++i)
    if (!wanted.ring_name.empty() && spec_.rings[i].name == wanted.ring_name) event.ring = i;
  return {};
}

// As the machine's action names it for this attempt.
std::string RolloutRun::role_order_id(const rollout::Node& node) const {
  rollout::Action action;
  action.kind = rollout::ActionKind::ask_role;
  action.attempt = node.attempt;
  return order_id_for(kRolloutKind, row_.rollout_id, node.node_id, rollout::order_name(action));
}

std::string RolloutRun::look_order_id(const rollout::Node& node) const {
  rollout::Action action;
  action.kind = rollout::ActionKind::look;
  action.attempt = node.look;
  return order_id_for(kRolloutKind, row_.rollout_id, node.node_id, rollout::order_name(action));
}

Status RolloutRun::translate_node(const NodeEvent& told, Events& events) {
  auto* node = node_named(told.node_id);
  if (!node) return {};
  const auto role_order = role_order_id(*node);
  if (told.kind == NodeEventKind::node_removed) {
    events.push_back(event_of(EventKind::undeliverable, *node));
    return {};
  }
  if (told.order_id == role_order) {
    if (told.kind != NodeEventKind::order_ended) return {};
    BELAY_TRY_ASSIGN(const auto result, result_of(sql_, told.order_id));
    if (!result) return {};
    auto event = event_of(EventKind::role_told, *node);
    event.order_id.clear();
    const auto rank = rank_of(*result);
    if (rank.ok()) event.rank = *rank;
    else event.kind = EventKind::held, event.why = rank.error().message();
    events.push_back(std::move(event));
    return {};
  }
  if (node->look > 0 && told.order_id == look_order_id(*node)) return translate_look(told, *node, events);
  if (told.order_id != node->order_id) return {};
  if (told.kind == NodeEventKind::order_taken) events.push_back(event_of(EventKind::taken, *node));
  if (told.kind != NodeEventKind::order_ended) return {};
  BELAY_TRY_ASSIGN(const auto result, result_of(sql_, told.order_id));
  if (!result) return {};
  events.push_back(event_of_result(*result, node->node_id, !node->undoes.empty()));
  judge_data(*result, *node, events.back());
  if (events.back().kind != EventKind::committed) return {};
  BELAY_TRY_ASSIGN(const auto kept, store::nodes::get(sql_, node->node_id));
  node->ailing = failed_units(kept.facts);
  return {};
}

// The first line of what the role command said: one of those that come last, or any other.
Result<std::uint32_t> RolloutRun::rank_of(const wire::OrderResult& result) const {
  std::string said;
  if (result.steps)
    for (const auto& output : result.steps->outputs) said += output.standard_output;
  const std::string role(trim(std::string_view(said).substr(0, said.find('\n'))));
  if (result.outcome != wire::OrderOutcome::success || role.empty())
    return Error(Code::conflict,
                 "its role could not be told: " +
                     (result.problems.empty() ? "the command failed or said nothing" : first_problem(result)));
  for (const auto& ring : spec_.rings) {
    if (!ring.order) continue;
    const auto at = std::ranges::find(ring.order->last, role);
    if (at != ring.order->last.end()) return static_cast<std::uint32_t>(at - ring.order->last.begin() + 1);
  }
  return 0u;
}

Status RolloutRun::look_at_change_set(Events& events) {
  if (execution_.machine.ready || execution_.rolls_back_only || rollout::is_over(execution_.machine.state)) return {};
  auto& event = events.emplace_back();
  auto frozen = frozen_change_set(sql_, execution_.change_set_id);
  if (!frozen.ok() && frozen.error().code() != Code::not_found) return frozen.error();
  if (!frozen.ok()) {
    const auto planning = store::executions::get(sql_, kChangeSetKind, execution_.change_set_id);
    events.pop_back();
    if (!planning.ok() || !planning->finished) return planning.ok() ? Status() : Status(planning.error());
    BELAY_TRY_ASSIGN(const auto state, json::decode_text<PlanningState>(planning->state, {.bytes_max = 32u << 20}));
    events.emplace_back().kind = EventKind::not_plannable;
    events.back().why = state.view.status_details;
    return {};
  }
  // The pool keeps its files for as long as this rollout goes on, however long that is.
  BELAY_TRY(store::pool::share(sql_, execution_.change_set_id, row_.rollout_id));
  event.kind = execution_.approved_by.size() >= execution_.approvals_wanted ? EventKind::approved : EventKind::frozen;
  BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql_));
  BELAY_TRY_ASSIGN(const auto* whole, hit_by(sql_, in_force, *frozen));
  if (whole) {
    events.emplace_back().kind = EventKind::quarantined;
    events.back().why = "it ships all that " + whole->change_set_id + " ships, which is in quarantine (" +
                        whole->quarantine_id + "): " + whole->reason;
    return {};
  }
  for (const auto& part : frozen->parts)
    for (const auto& change : part.changes)
      if (const auto* hit = hit_by(in_force, change, part.operating_system)) {
        events.emplace_back().kind = EventKind::quarantined;
        events.back().why =
            change.name + " " + change.to_version + " is in quarantine (" + hit->quarantine_id + "): " + hit->reason;
        return {};
      }
  return {};
}

// A node that joins late takes part in the last ring.
Status RolloutRun::look_for_joiners(Events& events) {
  auto& machine = execution_.machine;
  const bool last = machine.ring + 1 == machine.rings.size();
  const bool goes_on = machine.state == rollout::State::Running || machine.state == rollout::State::Soaking;
  if (!last || !goes_on || execution_.rolls_back_only) return {};
  if (execution_.looked_for_joiners_at && now_ - *execution_.looked_for_joiners_at < kJoinersEvery) return {};
  execution_.looked_for_joiners_at = now_;
  std::vector<std::string> warnings;
  const auto members = members_of(sql_, spec_, warnings);
  if (!members.ok()) return {};  // tags were changed meanwhile; who takes part already is not touched
  for (const auto& member : *members) {
    if (member.ring + 1 != machine.rings.size() || node_named(member.node_id)) continue;
    auto& event = events.emplace_back();
    event.kind = EventKind::joined;
    event.node_id = member.node_id;
    event.groups = member.groups;
  }
  return {};
}

// A server that was away, or a rollout that was paused, heard of nobody: that is not the nodes' silence.
void RolloutRun::note_listening() {
  if (!execution_.looked_at || now_ - *execution_.looked_at > kNobodyListened) execution_.listening_since = now_;
  execution_.looked_at = now_;
}

Status RolloutRun::look_for_regressions(Events& events) {
  const auto& machine = execution_.machine;
  silent_.clear();
  if (machine.ring >= machine.rings.size() || machine.rings[machine.ring].state != rollout::RingState::Soaking)
    return {};
  std::vector<const rollout::Node*> changed;
  for (const auto& node : machine.nodes)
    if (node.ring == machine.ring && node.state == NodeState::Committed && !node.regressed) changed.push_back(&node);
  for (std::size_t from = 0; from < changed.size(); from += kChunk) {
    std::vector<std::string> ids;
    for (std::size_t i = from; i < std::min(changed.size(), from + kChunk); ++i) ids.push_back(changed[i]->node_id);
    BELAY_TRY_ASSIGN(const auto kept, store::nodes::get_many(sql_, ids));
    for (const auto& node : kept) {
      const auto* mine = node_named(node.node_id);
      const auto heard = std::max(node.last_seen_at.value_or(node.registered_at), *execution_.listening_since);
      if (now_ - node.last_seen_at.value_or(node.registered_at) > kHeardWithin) silent_.insert(node.node_id);
      if (now_ - heard > kSilentFor) {
        events.push_back(event_of(EventKind::regressed, *mine, "has not been heard of since its change"));
        continue;
      }
      for (const auto& unit : failed_units(node.facts))
        if (std::ranges::find(mine->ailing, unit) == mine->ailing.end()) {
          events.push_back(event_of(EventKind::regressed, *mine, unit + " failed after the change"));
          break;
        }
    }
  }
  return {};
}

// A machine that went down for its reboot and does not come back cannot say so itself.
Status RolloutRun::look_for_reboots(Events& events) {
  std::size_t looked_at = 0;
  for (const auto& node : execution_.machine.nodes) {
    if (!rollout::is_at_work(node.state) || !node.taken || ++looked_at > kLookedAtMax) continue;
    BELAY_TRY_ASSIGN(const auto order, store::orders::get(sql_, node.order_id));
    if (order.update.empty()) continue;
    BELAY_TRY_ASSIGN(const auto update, json::decode_text<wire::OrderUpdate>(order.update));
    if (update.state != wire::OrderState::rebooting) continue;
    const auto patience = spec_.reboot_timeout + kBootGrace;
    BELAY_TRY_ASSIGN(const auto kept, store::nodes::get(sql_, node.node_id));
    const auto heard = std::max({update.at, kept.last_seen_at.value_or(update.at), *execution_.listening_since});
    if (now_ - heard <= patience) continue;
    events.push_back(event_of(EventKind::inconsistent, node,
                              "went down for its reboot at " + to_iso8601(update.at) +
                                  " and has not come back within " + humanize(patience) + ": look at its console"));
  }
  return {};
}

// ---- what is so around it

Result<rollout::RingClock> RolloutRun::clock_of(const rollout::RingSpec& ring) {
  rollout::RingClock clock;
  auto calendars = ring.calendars;
  if (!ring.window.empty()) {
    const auto window = store::windows::get(sql_, ring.window);
    if (!window.ok() && window.error().code() != Code::not_found) return window.error();
    if (!window.ok() || !window->enabled) {
      clock.open = false;
      clock.why = "the maintenance window " + ring.window + (window.ok() ? " is disabled" : " is gone");
      clock.next_look = now_ + kJoinersEvery;
      return clock;
    }
    BELAY_TRY_ASSIGN(const auto opening, parts_.windows.opening_before(*window, now_));
    BELAY_TRY_ASSIGN(const auto next, parts_.windows.openings(*window, now_, 1));
    if (!next.empty()) clock.next_look = next.front().opens;
    clock.open = opening && schedule::may_start(*opening, now_);
    if (clock.open) clock.begin_until = opening->cutoff;
    else
      clock.why = "waits for its maintenance window" +
                  (next.empty() ? ", which never opens again" : ", which opens " + to_iso8601(next.front().opens));
    if (clock.open && (!clock.next_look || opening->cutoff < *clock.next_look)) clock.next_look = opening->cutoff;
    calendars.insert(calendars.end(), window->calendars.begin(), window->calendars.end());
  }
  BELAY_TRY_ASSIGN(const auto holds, held_by_calendars(sql_, parts_.windows.read_zone(), calendars, now_));
  if (holds.empty() && clock.open) {
    // The beginning of what it forbids is a cut-off as a window's is.
    BELAY_TRY_ASSIGN(const auto closing, closing_of_calendars(sql_, parts_.windows.read_zone(), calendars, now_));
    if (closing && (!clock.begin_until || *closing < *clock.begin_until)) clock.begin_until = *closing;
    if (closing && (!clock.next_look || *closing < *clock.next_look)) clock.next_look = *closing;
  }
  if (holds.empty()) return clock;
  clock.open = false;
  clock.why = holds.front().why;
  clock.next_look = holds.front().until.value_or(now_ + kJoinersEvery);
  return clock;
}

// Of every ring from the one at hand on: one step may pass several.
Result<rollout::Surroundings> RolloutRun::look_around() {
  auto& machine = execution_.machine;
  rollout::Surroundings around;
  around.clocks.resize(machine.rings.size());
  around.silent = silent_;
  rings_wait_for_.assign(machine.rings.size(), "");
  if (execution_.rolls_back_only) return around;
  std::set<std::string> tags;
  bool measured = false;
  for (auto i = machine.ring; i < machine.rings.size(); ++i) {
    BELAY_TRY_ASSIGN(around.clocks[i], clock_of(spec_.rings[i]));
    rings_wait_for_[i] = around.clocks[i].why;
    if (around.clocks[i].begin_until && !measured) BELAY_TRY(measure(around));
    measured = measured || around.clocks[i].begin_until.has_value();
    for (const auto& budget : spec_.rings[i].budgets) tags.insert(budget.tag);
  }
  if (!tags.empty()) BELAY_TRY(count_disrupted(tags, around));
  BELAY_TRY(look_at_proofs(around));
  return around;
}

// By other rollouts: those at work, and those that failed and are not settled, also where their rollout is over. Its
// own nodes are told by name: where they are disturbed here too, the machine counts them once. What failed in this
// rollout itself is nothing that goes on elsewhere: the machine knows it, and waits for nobody because of it.
Status RolloutRun::count_disrupted(const std::set<std::string>& tags, rollout::Surroundings& around) {
  std::vector<std::string> states;
  for (const auto state : {NodeState::Checking, NodeState::Protecting, NodeState::Installing, NodeState::Rebooting,
                           NodeState::Verifying, NodeState::RollingBack, NodeState::RolledBack,
                           NodeState::RollbackFailed, NodeState::Inconsistent, NodeState::Held})
    states.push_back(boost::describe::enum_to_string(state, "?"));
  BELAY_TRY_ASSIGN(const auto others, store::rollouts::open_in_states(sql_, row_.rollout_id, states));
  std::set<std::string> ids;
  for (const auto& other : others) {
    BELAY_TRY_ASSIGN(const auto node, json::decode_text<rollout::Node>(other.machine));
    if (rollout::disturbs(node)) ids.insert(other.node_id);
  }
  BELAY_TRY_ASSIGN(const auto failed, store::rollouts::unsettled(sql_));
  std::set<std::string> own;
  for (const auto& one : failed)
    if (one.rollout_id != row_.rollout_id) ids.insert(one.node_id);
    else own.insert(one.node_id);
  BELAY_TRY(find_offline(tags, around.offline, ids));
  std::vector<std::string> listed;
  std::ranges::set_union(ids, own, std::back_inserter(listed));
  BELAY_TRY_ASSIGN(const auto tagged, store::tags::list_many(sql_, store::tags::kManagedInstance, listed));
  std::set<std::string> counted;
  for (const auto& [id, all] : tagged)
    for (const auto& tag : all)
      if (tags.contains(tag.key)) {
        const auto group = tag.key + "=" + tag.value;
        counted.insert(id);
        if (!ids.contains(id)) continue;
        if (node_named(id)) around.members_elsewhere[id].push_back(group);
        else ++around.disrupted_elsewhere[group];
      }
  unsettled_there_.clear();
  for (const auto& one : failed)
    if (counted.contains(one.node_id) && unsettled_there_.size() < kUnsettledTold)
      unsettled_there_ += (unsettled_there_.empty() ? "; not settled: " : ", ") + one.node_id + " (" + one.state +
                          " in " + one.rollout_id + ")";
  return {};
}

// Members of the groups whose nodes wait to begin that are not heard of: a replica that is down is one fewer. Its own
// nodes are told apart, for one that is off is not in its own way.
Status RolloutRun::find_offline(const std::set<std::string>& tags, std::set<std::string>& own,
                                std::set<std::string>& others) {
  std::set<std::string> groups;
  for (const auto& node : execution_.machine.nodes)
    if (node.ring == execution_.machine.ring && node.state == NodeState::Pending && groups.size() < kGroupsMax)
      groups.insert(node.groups.begin(), node.groups.end());
  for (const auto& group : groups) {
    const auto tag = group.substr(0, group.find('='));
    if (!tags.contains(tag)) continue;
    const auto ids = resolve_targets(sql_, {}, {{"tag:" + tag, {group.substr(tag.size() + 1)}}});
    if (!ids.ok()) continue;  // nobody carries it any more
    for (std::size_t from = 0; from < ids->size(); from += kChunk) {
      const std::vector<std::string> some(
          ids->begin() + static_cast<std::ptrdiff_t>(from),
          ids->begin() + static_cast<std::ptrdiff_t>(std::min(ids->size(), from + kChunk)));
      BELAY_TRY_ASSIGN(const auto kept, store::nodes::get_many(sql_, some));
      for (const auto& node : kept) {
        const auto heard = std::max(node.last_seen_at.value_or(node.registered_at), *execution_.listening_since);
        if (node.state != store::nodes::NodeState::active || now_ - heard <= kSilentFor) continue;
        if (node_named(node.node_id)) own.insert(node.node_id);
        else others.insert(node.node_id);
      }
    }
  }
  return {};
}

// From the newest run of each node that may begin: all its steps, and the install and its check once more for a
// rollback. The node itself asks again, with all that it knows.
Status RolloutRun::measure(rollout::Surroundings& around) {
  around.takes_by_default = kRunTakes + spec_.gate.watch;
  std::size_t looked_at = 0;
  for (const auto& node : execution_.machine.nodes) {
    if (node.ring < execution_.machine.ring || node.state != NodeState::Pending) continue;
    if (++looked_at > kLookedAtMax) break;
    BELAY_TRY_ASSIGN(const auto run, store::runs::newest(sql_, node.node_id));
    if (!run || run->report.changed.empty()) continue;
    Duration takes = spec_.gate.watch;
    for (const auto& step : run->report.steps)
      takes += step.state == "installing" || step.state == "verifying" || step.state == "rebooting" ? 2 * step.took
                                                                                                    : step.took;
    around.takes.emplace(node.node_id, takes);
  }
  return {};
}

}  // namespace belay::server
