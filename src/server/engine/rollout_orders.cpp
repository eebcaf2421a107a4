// The part of a rollout's turn that does what the machine says.
#include <algorithm>
#include <set>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/baseline/patch_list.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/quarantine.hpp"
#include "server/engine/rollout_run.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {
using rollout::Action;
using rollout::ActionKind;
using rollout::EventKind;
using store::Sql;

constexpr std::size_t kRunsBackMax = 200;

rollout::Event answer(EventKind kind, const rollout::Node& node, std::string why = {}) {
  rollout::Event event;
  event.kind = kind;
  event.node_id = node.node_id;
  event.order_id = node.order_id;
  event.why = std::move(why);
  return event;
}

bool is_there(const fleet::PackageSet& set, const fleet::PackageChange& change) {
  return std::ranges::any_of(
      set.packages, [&](const auto& package) { return package.name == change.name && package.arch == change.arch; });
}

// The exceptions in force that speak of the node.
Result<std::vector<store::rollouts::Exception>> exceptions_for(Sql& sql, const store::nodes::Node& node, Instant now) {
  BELAY_TRY_ASSIGN(auto all, store::rollouts::exceptions(sql, now));
  BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, store::tags::kManagedInstance, node.node_id));
  std::erase_if(all, [&](const auto& exception) {
    if (exception.target.empty() || exception.target == node.node_id || exception.target == node.name) return false;
    return std::ranges::none_of(
        tags, [&](const auto& tag) { return exception.target == "tag:" + tag.key + "=" + tag.value; });
  });
  return all;
}

const store::rollouts::Exception* excepted(const std::vector<store::rollouts::Exception>& exceptions,
                                           const std::string& package) {
  for (const auto& exception : exceptions)
    if (exception.package.empty() || glob_match(exception.package, package)) return &exception;
  return nullptr;
}

// The lines of all parts that begin at what the node has, its own part's before others', and what they newly bring in
// where the best part does. Two lines of others that lead one package to different versions: neither, and why.
std::vector<fleet::PackageChange> lines_for(const ChangeSetView& view, const OwnPart& own, const fleet::PackageSet& set,
                                            std::string_view system, std::string& why_not) {
  std::vector<fleet::PackageChange> lines;
  std::set<std::pair<std::string_view, std::string_view>> own_lines;
  const ChangeSetPart* best = nullptr;
  std::size_t best_count = 0;
  for (const auto* part : parts_for(view, own)) {
    if (part->operating_system != system) continue;
    std::size_t fits = 0;
    for (const auto& change : part->changes) {
      if (change.from_version.empty()) continue;
      const bool begins_here = std::ranges::binary_search(
          set.packages, fleet::InstalledPackage{change.name, change.arch, change.from_version});
      if (!begins_here) continue;
      ++fits;
      if (part == own.part) own_lines.emplace(change.name, change.arch);
      else if (own_lines.contains({change.name, change.arch})) continue;
      const auto known = std::ranges::find_if(
          lines, [&](const auto& line) { return line.name == change.name && line.arch == change.arch; });
      if (known == lines.end()) lines.push_back(change);
      else if (*known != change && why_not.empty()) why_not = two_targets(*known, change);
    }
    if (fits > best_count) best = part, best_count = fits;
  }
  if (best)
    for (const auto& change : best->changes)
      if (change.from_version.empty() && !is_there(set, change)) lines.push_back(change);
  return lines;
}

}  // namespace

Result<Shipment> shipment_for(Sql& sql, Judge& judge, const ChangeSetView& view, const store::nodes::Node& node,
                              Instant now) {
  Shipment out;
  BELAY_TRY_ASSIGN(const auto scan, store::scans::newest(sql, node.node_id));
  if (!scan) {
    out.why_not = "was never scanned; scan it, then resume";
    return out;
  }
  BELAY_TRY_ASSIGN(const auto packages, judge.packages(sql, scan->package_set_hash));
  if (!packages) {
    out.why_not = "its packages are not known here yet; scan it, then resume";
    return out;
  }
  BELAY_TRY_ASSIGN(const auto exceptions, exceptions_for(sql, node, now));
  // A node whose packages were planned for gets exactly that plan.
  const auto own = own_part(view, node.node_id, scan->package_set_hash, scan->offer_set_hash);
  const auto lines =
      own.exact ? own.part->changes : lines_for(view, own, *packages, node.operating_system, out.why_not);
  if (!out.why_not.empty()) return out;
  for (const auto& line : lines) {
    if (std::ranges::find(scan->held, line.name) != scan->held.end()) {
      out.remarks.push_back(line.name + " is on hold there");
    } else if (const auto* exception = excepted(exceptions, line.name)) {
      out.remarks.push_back(line.name + " is excepted until " + to_iso8601(exception->expires_at) + " by " +
                            exception->owner + ": " + exception->reason);
    } else {
      out.changes.push_back(line);
    }
  }
  return out;
}

Status RolloutRun::act(const Action& action, Events& answers) {
  auto* node = action.node_id.empty() ? nullptr : node_named(action.node_id);
  switch (action.kind) {
    case ActionKind::send: return send(action, *node, answers);
    case ActionKind::withdraw: return withdraw(*node, answers);
    case ActionKind::put_back: return put_back(action, *node, answers);
    case ActionKind::restore_data: return restore_data(*node, answers);
    case ActionKind::measure: return measure_again(action, *node, answers);
    case ActionKind::look: return look_at(action, *node);
    case ActionKind::ask_role: return ask_role(action, *node, answers);
    case ActionKind::quarantine: return quarantine(action);
    case ActionKind::report: return report(action.why);
  }
  return {};
}

wire::Order RolloutRun::draft(const Action& action, const std::string& node_id, Duration delivery) const {
  wire::Order order;
  order.order_id = order_id_for(kRolloutKind, row_.rollout_id, node_id, rollout::order_name(action));
  order.node_id = node_id;
  order.issued_at = now_;
  order.expires_at = now_ + delivery;
  order.document = "belay:rollout";
  order.requested_by = row_.created_by;
  return order;
}

Status RolloutRun::queue(wire::Order order) {
  return queue_order(sql_, parts_.authority, std::move(order), {std::string(kRolloutKind), row_.rollout_id});
}

void RolloutRun::fill_patch(patchrun::PatchRunOrder& patch, const Action& action, const rollout::RingSpec& ring) const {
  patch.change_set_id = execution_.change_set_id;
  patch.reboot = spec_.reboot;
  patch.reboot_timeout = spec_.reboot_timeout;
  patch.protection = spec_.protection;
  patch.protection.least = ring.least.value_or(spec_.protection.least);
  patch.probes = spec_.probes;
  patch.gate = spec_.gate;
  patch.ill_before = spec_.ill_before;
  patch.on_failure =
      spec_.on_failure == rollout::FailureAction::halt ? patchrun::OnFailure::leave : patchrun::OnFailure::roll_back;
  patch.restart_services = spec_.restart_services;
  patch.end_by = action.end_by;
  patch.use_pool = true;
}

// Those whose approvals its orders carry; nullptr: everybody's, of one that an earlier version let go.
const std::vector<std::string>* RolloutRun::approvers() const {
  const bool older = execution_.approved_by.empty() && execution_.approvals_wanted > 0;
  return older ? nullptr : &execution_.approved_by;
}

Status RolloutRun::send(const Action& action, rollout::Node& node, Events& answers) {
  const auto kept = store::nodes::get(sql_, node.node_id);
  if (!kept.ok() && kept.error().code() != Code::not_found) return kept.error();
  if (!kept.ok() || kept->state != store::nodes::NodeState::active)
    return answers.push_back(answer(EventKind::undeliverable, node)), Status();
  if (!change_set_) {
    BELAY_TRY_ASSIGN(change_set_, frozen_change_set(sql_, execution_.change_set_id));
  }
  BELAY_TRY_ASSIGN(auto shipment, shipment_for(sql_, parts_.judge, *change_set_, *kept, now_));
  const auto order_id = order_id_for(kRolloutKind, row_.rollout_id, node.node_id, rollout::order_name(action));
  node.order_id = order_id;
  const auto remarks = join(shipment.remarks, "; ");
  if (!shipment.why_not.empty()) return answers.push_back(answer(EventKind::held, node, shipment.why_not)), Status();
  if (shipment.changes.empty())
    return answers.push_back(answer(remarks.empty() ? EventKind::nothing_to_do : EventKind::excused, node,
                                    remarks.empty() ? "has what the change set ships, or none of it" : remarks)),
           Status();
  BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql_));
  BELAY_TRY_ASSIGN(const auto* whole, hit_by(sql_, in_force, *change_set_));
  if (whole) {
    answers.push_back(answer(EventKind::held, node, "the change set is in quarantine (" + whole->quarantine_id + ")"));
    return {};
  }
  BELAY_TRY_ASSIGN(const auto roles, roles_of(sql_, node.node_id));
  for (const auto& change : shipment.changes)
    if (const auto* hit = hit_by(in_force, change, kept->operating_system, roles)) {
      answers.push_back(
          answer(EventKind::held, node,
                 change.name + " " + change.to_version + " is in quarantine (" + hit->quarantine_id + ")"));
      return {};
    }
  auto order = draft(action, node.node_id, execution_.machine.rings[node.ring].delivery);
  if (action.end_by) order.expires_at = std::min(order.expires_at, *action.end_by);  // not begun behind the cut-off
  order.kind = wire::OrderKind::patch;
  order.patch.emplace();
  order.patch->changes = std::move(shipment.changes);
  fill_patch(*order.patch, action, ring_spec(node));
  if (const auto proofs = proofs_.find(node.node_id); proofs != proofs_.end())
    order.patch->protection.proofs = proofs->second;
  order.patch->old_files = old_files_of(*change_set_, order.patch->changes);
  if (!tree_) tree_ = change_tree_of(*change_set_);
  BELAY_TRY_ASSIGN(order.patch->approved,
                   approved_changes(sql_, parts_.authority, *change_set_, *tree_, order.patch->changes, approvers()));
  const auto sha = io::sha256_hex(json::to_canonical_text(json::encode(order.patch->changes)));
  BELAY_TRY(note_in_audit(sql_, now_, "belayd", "node:freeze-changes", node.node_id,
                          {{"rollout", row_.rollout_id},
                           {"order", order.order_id},
                           {"changeSet", change_set_->sha256},
                           {"changes", order.patch->changes.size()},
                           {"proofs", json::encode(order.patch->protection.proofs)},
                           {"sha256", sha}}));
  const auto queued = queue(std::move(order));
  if (queued.ok()) return {};
  if (queued.error().code() != Code::permission_denied && queued.error().code() != Code::resource_exhausted)
    return queued;
  answers.push_back(answer(EventKind::held, node, queued.error().chain()));
  return {};
}

Status RolloutRun::withdraw(const rollout::Node& node, Events& answers) {
  if (node.order_id.empty()) return {};
  const auto order = store::orders::cancel(sql_, node.order_id, now_);
  if (!order.ok()) return order.error().code() == Code::not_found ? Status() : Status(order.error());
  if (order->state == store::orders::State::cancelled) answers.push_back(answer(EventKind::withdrawn, node));
  // It was sent to the node, and nothing came back: whether it was begun, nobody here knows; also where it ended by its
  // own date meanwhile.
  const bool ended = order->state == store::orders::State::cancelled || order->state == store::orders::State::finished;
  if (order->delivered_at && !ended && node.state == rollout::NodeState::Held)
    answers.push_back(answer(EventKind::inconsistent, node,
                             "its order was sent to it and nothing was heard since; look at the node"));
  return {};
}

namespace {

// From what the newest of the runs left to what was there before the oldest of them.
std::vector<fleet::PackageChange> reversed(const std::vector<store::runs::Run>& newest_first,
                                           const std::string& package) {
  std::map<std::pair<std::string, std::string>, fleet::PackageChange> by_key;
  for (const auto& run : newest_first)
    for (const auto& change : run.report.changed) {
      if (!package.empty() && change.name != package) continue;
      const auto [known, added] = by_key.try_emplace(
          {change.name, change.arch},
          fleet::PackageChange{change.name, change.arch, change.to_version, change.from_version, "", 0});
      if (!added) known->second.to_version = change.from_version;
    }
  std::vector<fleet::PackageChange> out;
  for (auto& [key, change] : by_key)
    if (change.from_version != change.to_version) out.push_back(std::move(change));
  return out;
}

// Takes back the oldest of the runs alone: what later ones brought stays. Where one of them changed a package of that
// run again, it stands on top of it: why nothing is put back then; else "".
std::string leave_what_came_later(const std::vector<store::runs::Run>& newest_first,
                                  std::vector<fleet::PackageChange>& changes) {
  const auto& own = newest_first.back().report.changed;
  const auto of_own = [&](const fleet::PackageChange& change) {
    return std::ranges::find_if(own,
                                [&](const auto& one) { return one.name == change.name && one.arch == change.arch; });
  };
  std::erase_if(changes, [&](const auto& change) { return of_own(change) == own.end(); });
  for (const auto& change : changes) {
    if (change.from_version == of_own(change)->to_version) continue;
    for (const auto& run : newest_first)
      if (std::ranges::any_of(run.report.changed,
                              [&](const auto& one) { return one.name == change.name && one.arch == change.arch; }))
        return "the later run " + run.run_id + " changed " + change.name + " again, to " + change.from_version +
               ": nothing was put back; take that run back first, or say so: belay rollback NODE --to " +
               newest_first.back().run_id;
  }
  return {};
}

// Gives each change the checksum that the run's order knew of the old file, so that the pool can serve what a node does
// not hold any more.
void name_old_files(const std::vector<fleet::PackageChange>& old_files, std::vector<fleet::PackageChange>& changes) {
  for (auto& change : changes)
    for (const auto& file : old_files)
      if (file.name == change.name && file.arch == change.arch && file.to_version == change.to_version) {
        change.sha256 = file.sha256;
        change.size_bytes = file.size_bytes;
      }
}

// The runs from the newest back to (and with) the one named; only that one where `back_to` is it.
Result<std::vector<store::runs::Run>> runs_back(Sql& sql, const std::string& node_id, const std::string& back_to) {
  std::vector<store::runs::Run> out;
  store::Page page{50, {}};
  while (out.size() < kRunsBackMax) {
    BELAY_TRY_ASSIGN(auto some, store::runs::history(sql, node_id, page));
    for (auto& run : some.items) {
      const bool last = run.run_id == back_to;
      out.push_back(std::move(run));
      if (last) return out;
    }
    if (some.next.empty()) break;
    page.after = some.next;
  }
  return Error(Code::not_found, "the run " + back_to + " is not among the node's newest runs");
}

}  // namespace

Status RolloutRun::put_back(const Action& action, rollout::Node& node, Events& answers) {
  const auto back_to = execution_.back_before_run.empty() ? node.undoes : execution_.back_before_run;
  const auto runs = runs_back(sql_, node.node_id, back_to);
  if (!runs.ok() && runs.error().code() != Code::not_found) return runs.error();
  node.order_id = order_id_for(kRolloutKind, row_.rollout_id, node.node_id, rollout::order_name(action));
  if (!runs.ok()) return answers.push_back(answer(EventKind::not_put_back, node, runs.error().message())), Status();
  auto changes = reversed(*runs, execution_.package);
  if (execution_.back_before_run.empty()) {
    const auto later = leave_what_came_later(*runs, changes);
    if (!later.empty()) return answers.push_back(answer(EventKind::not_put_back, node, later)), Status();
  }
  if (changes.empty())
    return answers.push_back(answer(EventKind::put_back, node, "nothing that was changed is left to put back")),
           Status();
  auto order = draft(action, node.node_id, execution_.machine.rings[node.ring].delivery);
  order.kind = wire::OrderKind::patch;
  order.patch.emplace();
  const auto undone = content_of(sql_, node.undoes);
  if (undone.ok() && undone->patch) name_old_files(undone->patch->old_files, changes);
  order.patch->changes = std::move(changes);
  // Judged by what judged the change.
  order.patch->probes = undone.ok() && undone->patch ? undone->patch->probes : spec_.probes;
  order.patch->gate = undone.ok() && undone->patch ? undone->patch->gate : spec_.gate;
  order.patch->restart_services = undone.ok() && undone->patch && undone->patch->restart_services;
  order.patch->allow_downgrade = true;
  // A rollback of nodes has no file of its own: what the change was not allowed, its way back is not either.
  const bool as_undone = execution_.rolls_back_only && undone.ok() && undone->patch;
  order.patch->reboot = as_undone ? undone->patch->reboot : spec_.reboot;
  order.patch->reboot_timeout = as_undone ? undone->patch->reboot_timeout : spec_.reboot_timeout;
  order.patch->undoes = node.undoes;
  order.patch->use_pool = true;
  order.patch->protection.least = patchrun::ReversibilityClass::R0;  // the way back needs no way back of its own
  BELAY_TRY(note_in_audit(sql_, now_, "belayd", "node:put-back", node.node_id,
                          {{"rollout", row_.rollout_id}, {"order", order.order_id}, {"undoes", node.undoes}}));
  const auto queued = queue(std::move(order));
  if (!queued.ok()) answers.push_back(answer(EventKind::not_put_back, node, queued.error().chain()));
  return {};
}

// The rollouts that brought what was put back: one that is open is told, of one that is over the node's row says it.
Status RolloutRun::tell_taken_back(const rollout::Node& node) {
  const bool only_one = execution_.back_before_run.empty();
  auto runs = runs_back(sql_, node.node_id, only_one ? node.undoes : execution_.back_before_run);
  if (!runs.ok()) return runs.error().code() == Code::not_found ? Status() : Status(runs.error());
  if (only_one) runs->erase(runs->begin(), runs->end() - 1);  // what came later was left
  BELAY_TRY_ASSIGN(const auto rows, store::rollouts::all_of_node(sql_, node.node_id));
  const auto what = execution_.package.empty() ? std::string("its change") : execution_.package + " of its change";
  for (const auto& row : rows) {
    if (row.rollout_id == row_.rollout_id || row.state != "Committed") continue;
    const auto run = std::ranges::find(*runs, row.order_id, &store::runs::Run::run_id);
    if (run == runs->end()) continue;
    if (!execution_.package.empty() && std::ranges::find(run->report.changed, execution_.package,
                                                         &fleet::PackageChange::name) == run->report.changed.end())
      continue;
    const auto why =
        what + " was taken back by the run " + node.order_id + " of " + row_.rollout_id + ": " + execution_.machine.why;
    BELAY_TRY_ASSIGN(const auto rollout, store::rollouts::get_brief(sql_, row.rollout_id));
    if (rollout.finished_at) {
      auto said = row;
      said.why = why.substr(0, store::rollouts::kWhyBytesMax);
      BELAY_TRY(store::rollouts::put_nodes(sql_, std::span(&said, 1)));
      continue;
    }
    RolloutEvent event;
    event.kind = EventKind::taken_back;
    event.node_id = node.node_id;
    event.who = "belayd";
    event.why = why;
    event.run_id = row.order_id;
    const auto key = std::string(kRolloutEventKey) + "taken-back " + node.order_id;
    BELAY_TRY(store::executions::post(sql_, kRolloutKind, row.rollout_id, {0, key, json::encode_text(event), now_}));
  }
  return {};
}

Status RolloutRun::ask_role(const Action& action, rollout::Node& node, Events& answers) {
  const auto& wanted = *ring_spec(node).order;
  auto order = draft(action, node.node_id, execution_.machine.rings[node.ring].delivery);
  order.kind = wire::OrderKind::steps;
  document::Step step;
  step.name = "role";
  step.action = document::RunShellScript::kKind;
  step.work = document::RunShellScript{{wanted.command}, "", wanted.timeout, {}};
  order.steps.emplace();
  order.steps->steps = {step};
  order.steps->run = document::new_run(order.steps->steps);
  order.steps->run_id = order.order_id;
  const auto queued = queue(std::move(order));
  if (!queued.ok()) answers.push_back(answer(EventKind::held, node, queued.error().chain()));
  return {};
}

// Told when the turn is kept: the report is made of that.
Status RolloutRun::report(const std::string& why) {
  row_.state = boost::describe::enum_to_string(execution_.machine.state, "?");
  row_.why = why;
  told_of_.emplace_back(row_.state, why);
  return note_in_audit(sql_, now_, "belayd", "belay:Rollout" + row_.state, row_.rollout_id, {{"why", why}});
}

}  // namespace belay::server
