// The part of a command's turn that is about patches: judging, planning, freezing.
#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/baseline/override_list.hpp"
#include "core/command/plan_check.hpp"
#include "core/fleet/problem_text.hpp"
#include "io/crypto.hpp"
#include "server/engine/approvals.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/command_run.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/planned_lines.hpp"
#include "server/engine/quarantine.hpp"
#include "store/change_sets.hpp"
#include "store/runs.hpp"
#include "store/snapshots.hpp"

namespace belay::server {
namespace {
using command::EventKind;
using command::Phase;
using fleet::PackageChange;

constexpr std::size_t kRowsShown = 200;

std::string join_reasons(const std::vector<fleet::Problem>& problems) {
  std::vector<std::string> texts;
  for (const auto& problem : problems) texts.push_back(fleet::what_is_wrong(problem));
  return join(texts, "; ");
}

const PackageChange* line_for(const std::vector<PackageChange>& lines, const fleet::InstalledPackage& package) {
  const auto at = std::ranges::find_if(
      lines, [&](const auto& line) { return line.name == package.name && line.arch == package.arch; });
  return at == lines.end() ? nullptr : &*at;
}

std::string run_text(const wire::OrderResult& result) {
  if (!result.run) return {};
  std::string text = "outcome: " + std::string(json::encode(result.run->outcome).as_string().c_str()) + "\n";
  for (const auto& change : result.run->changed)
    text += change.name + "." + change.arch + " " + change.from_version + " -> " + change.to_version + "\n";
  for (const auto& path : result.run->conffiles_kept) text += "kept configuration: " + path + "\n";
  for (const auto& service : result.run->restart_needed) text += "restart needed: " + service + "\n";
  if (result.run->rebooted) text += "the node was rebooted\n";
  if (result.run->reboot_pending) text += "a reboot is pending\n";
  return text;
}

}  // namespace

std::string describe_judgement(const Judgement& judgement) {
  const auto& counts = judgement.evaluation.counts;
  std::string text = "baseline " + judgement.choice.baseline_id +
                     (judgement.choice.patch_group.empty() ? "" : ", patch group " + judgement.choice.patch_group) +
                     "\n";
  text += "compliance: " + std::string(json::encode(judgement.compliance).as_string().c_str()) + "\n";
  for (const auto& reason : judgement.reasons) text += "unknown because of " + fleet::what_is_wrong(reason) + "\n";
  text += "installed " + std::to_string(counts.installed) + ", other " + std::to_string(counts.installed_other) +
          ", missing " + std::to_string(counts.missing) + ", failed " + std::to_string(counts.failed) +
          ", pending reboot " + std::to_string(counts.installed_pending_reboot) + ", rejected " +
          std::to_string(counts.installed_rejected) + ", security updates held back " +
          std::to_string(counts.available_security_update) + "\n";
  std::size_t shown = 0;
  for (const auto& verdict : judgement.evaluation.verdicts) {
    if (verdict.compliant || shown++ >= kRowsShown) continue;
    text += std::string(json::encode(verdict.state).as_string().c_str()) + " " + baseline::patch_title(verdict);
    if (!verdict.blocked_by.empty()) text += " (" + verdict.blocked_by + ")";
    text += "\n";
  }
  if (shown > kRowsShown) text += "… and " + std::to_string(shown - kRowsShown) + " more\n";
  return text;
}

// ---- judging

// The first one that asks freezes what is in force.
Result<baseline::PatchBaseline> CommandRun::frozen_by_snapshot(const store::nodes::Node& node,
                                                               const Judge::InForce& rules) {
  const std::string slot = node.operating_system + "/" + rules.choice.patch_group;
  BELAY_TRY_ASSIGN(const auto frozen, store::snapshots::freeze(sql_, patch_for(node.node_id).snapshot_id, slot,
                                                               json::encode_text(rules.content), now_));
  return json::decode_text<baseline::PatchBaseline>(frozen.content);
}

// What this command goes by on the node: the override, the snapshot's baseline, or the one in force.
Result<baseline::PatchBaseline> CommandRun::rules_of(const store::nodes::Node& node) {
  for (const auto& candidate : patch_for(node.node_id).baseline_override)
    if (fleet::to_text(candidate.operating_system) == node.operating_system) return candidate;
  BELAY_TRY_ASSIGN(auto rules, judge_.in_force(sql_, store::nodes::brief_of(node)));
  if (patch_for(node.node_id).snapshot_id.empty()) return std::move(rules.content);
  return frozen_by_snapshot(node, rules);
}

Result<Judgement> CommandRun::judge_node(const store::nodes::Node& node) {
  JudgeQuestion question;
  question.node_id = node.node_id;
  question.mind_silence = false;
  const auto& options = patch_for(node.node_id);
  for (const auto& candidate : options.baseline_override)
    if (fleet::to_text(candidate.operating_system) == node.operating_system) question.override_baseline = &candidate;
  if (!options.baseline_override.empty() && !question.override_baseline)
    return Error(Code::invalid_argument, "BaselineOverride holds no baseline for " + node.operating_system);
  if (options.snapshot_id.empty() || question.override_baseline) return judge_.judge(sql_, question);
  // All nodes of one snapshot are judged under the baseline as it was for the first of them.
  BELAY_TRY_ASSIGN(const auto rules, judge_.in_force(sql_, store::nodes::brief_of(node)));
  BELAY_TRY_ASSIGN(frozen_rules_, frozen_by_snapshot(node, rules));
  if (*frozen_rules_ == rules.content) return judge_.judge(sql_, question);
  question.override_baseline = &*frozen_rules_;
  BELAY_TRY_ASSIGN(auto judgement, judge_.judge(sql_, question));
  judgement.choice.by = rules.choice.by;
  return judgement;
}

CommandRun::Answer CommandRun::judge_scan(const command::Action& action) {
  command::Event answer{EventKind::judged, action.node_id, action.phase, 0, "", action.segment};
  const auto& options = patch_for(action.node_id);
  BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql_, action.node_id));
  const auto judgement = judge_node(node);
  if (!judgement.ok() && judgement.error().code() != Code::invalid_argument &&
      judgement.error().code() != Code::conflict)
    return judgement.error();
  if (!judgement.ok()) {
    answer.why = judgement.error().chain();
    say_what_follows(answer);
    return std::optional(std::move(answer));
  }
  BELAY_TRY_ASSIGN(const auto wish, wish_of(node, *judgement));
  const bool install = options.operation == "Install";
  const bool last = !install || action.phase == Phase::final_judge || wish.changes.empty();
  VerdictContext context;
  context.operation = install && last ? "Install" : "Scan";
  context.started_at = command_.invocations[index_of(action.node_id)].started_at.value_or(now_);
  context.ended_at = now_;
  context.snapshot_id = options.snapshot_id;
  context.command_id = row_.command_id;
  context.run_id = action.phase == Phase::final_judge ? order_id(action.node_id, Phase::patch) : "";
  context.ad_hoc = !options.baseline_override.empty();
  const auto recorded = judge_.record(sql_, *judgement, context);
  if (!recorded.ok()) return recorded.error();
  const auto& counts = judgement->evaluation.counts;
  nothing_missing_[action.node_id] = judgement->reasons.empty() && counts.missing == 0 && counts.failed == 0;
  if (!judgement->reasons.empty()) answer.why = join_reasons(judgement->reasons);
  else if (action.phase == Phase::judge && install) answer.why = wish.impossible;
  answer.wanted = static_cast<std::uint32_t>(wish.changes.size());
  std::string text;
  if (action.phase == Phase::final_judge) {
    BELAY_TRY_ASSIGN(const auto result, result_of(sql_, order_id(action.node_id, Phase::patch)));
    if (result) text = run_text(*result);
  }
  for (const auto& remark : wish.remarks) text += remark + "\n";
  output_[action.node_id] = text + describe_judgement(*judgement);
  say_what_follows(answer);
  return std::optional(std::move(answer));
}

// ---- what is wanted

Result<const ChangeSetView*> CommandRun::change_set(const std::string& change_set_id) {
  const auto known = change_sets_.find(change_set_id);
  if (known != change_sets_.end()) return &known->second;
  BELAY_TRY_ASSIGN(const auto kept, store::change_sets::get(sql_, change_set_id));
  BELAY_TRY_ASSIGN(auto view, json::decode_text<ChangeSetView>(kept.content, {.bytes_max = 32u << 20}));
  return &change_sets_.emplace(change_set_id, std::move(view)).first->second;
}

Result<CommandRun::Wish> CommandRun::wish_of(const store::nodes::Node& node, const Judgement& judgement) {
  Wish wish;
  const auto& options = patch_for(node.node_id);
  if (options.operation != "Install" || !judgement.scan) return wish;
  if (!options.change_set_id.empty()) {
    BELAY_TRY_ASSIGN(wish, wish_of_change_set(judgement, options.change_set_id));
    BELAY_TRY(leave_out_quarantined(node, wish));
    return wish;
  }
  BELAY_TRY_ASSIGN(const auto offers, judge_.offers(sql_, judgement.scan->offer_set_hash));
  BELAY_TRY_ASSIGN(const auto packages, judge_.packages(sql_, judgement.scan->package_set_hash));
  if (!offers || !packages) return wish;
  if (options.has_override_list) {
    auto selection = baseline::select(*packages, *offers, options.override_list);
    wish.changes = std::move(selection.changes);
    for (const auto& entry : selection.unmatched)
      wish.remarks.push_back("InstallOverrideList names " + entry +
                             ", which this node does not have or is not offered");
    BELAY_TRY(leave_out_quarantined(node, wish));
    return wish;
  }
  wish.changes = baseline::wanted_changes(judgement.evaluation, *offers);
  BELAY_TRY(leave_out_quarantined(node, wish));
  return wish;
}

// What is in quarantine goes to no node, whoever orders it.
Status CommandRun::leave_out_quarantined(const store::nodes::Node& node, Wish& wish) {
  if (wish.changes.empty()) return {};
  BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql_));
  if (in_force.empty()) return {};
  const auto& change_set_id = patch_for(node.node_id).change_set_id;
  if (!change_set_id.empty()) {
    BELAY_TRY_ASSIGN(const auto* view, change_set(change_set_id));
    BELAY_TRY_ASSIGN(const auto* whole, hit_by(sql_, in_force, *view));
    if (whole) {
      wish.changes.clear();
      wish.impossible = "the change set is in quarantine (" + whole->quarantine_id + "): " + whole->reason;
      return {};
    }
  }
  BELAY_TRY_ASSIGN(const auto roles, roles_of(sql_, node.node_id));
  std::erase_if(wish.changes, [&](const auto& change) {
    const auto* hit = hit_by(in_force, change, node.operating_system, roles);
    if (hit)
      wish.remarks.push_back(change.name + " " + change.to_version + " is in quarantine (" + hit->quarantine_id +
                             "): " + hit->reason);
    return hit != nullptr;
  });
  return {};
}

// A line is for a node that has exactly its old version. One that has its new version needs nothing; one that has yet
// another is not covered, and hears so. What is on hold on the node stays as it is.
Result<CommandRun::Wish> CommandRun::wish_of_change_set(const Judgement& judgement, const std::string& change_set_id) {
  Wish wish;
  BELAY_TRY_ASSIGN(const auto* view, change_set(change_set_id));
  BELAY_TRY_ASSIGN(const auto packages, judge_.packages(sql_, judgement.scan->package_set_hash));
  if (!packages) return wish;
  const auto& scan = *judgement.scan;
  const auto own = own_part(*view, scan.node_id, scan.package_set_hash, scan.offer_set_hash);
  std::size_t uncovered = 0;
  for (const auto& package : packages->packages) {
    if (std::ranges::find(judgement.scan->held, package.name) != judgement.scan->held.end()) continue;
    bool named = false, served = false;
    for (const auto* part : parts_for(*view, own)) {
      const auto* line = line_for(part->changes, package);
      if (!line || line->from_version.empty()) continue;
      named = true;
      if (line->to_version == package.version) served = true;
      if (line->from_version != package.version) continue;
      served = true;
      const auto* chosen = line_for(wish.changes, package);
      if (!chosen) wish.changes.push_back(*line);
      else if (chosen->to_version != line->to_version || chosen->sha256 != line->sha256)
        wish.impossible = two_targets(*chosen, *line);
      if (part == own.part) break;  // what was planned for it counts, whatever others get
    }
    if (named && !served) {
      ++uncovered;
      if (wish.remarks.size() < kRowsShown)
        wish.remarks.push_back("not covered by the change set: " + package.name + "." + package.arch + " " +
                               package.version);
    }
  }
  if (wish.changes.empty() && uncovered > 0)
    wish.impossible = "the change set covers none of the " + std::to_string(uncovered) + " versions that this node has";
  return wish;
}

// ---- orders

Result<std::optional<std::string>> CommandRun::fill_order(const command::Action& action, const store::nodes::Node& node,
                                                          wire::Order& order) {
  switch (action.phase) {
    case Phase::steps: {
      const auto& now = progress(action.node_id);
      order.kind = wire::OrderKind::steps;
      order.steps =
          wire::StepsOrder{steps_for(now), now.run, order_id_for(kCommandKind, row_.command_id, action.node_id, "run")};
      for (auto& step : order.steps->steps) {
        auto* package = step.skip.empty() ? std::get_if<document::ConfigurePackage>(&step.work) : nullptr;
        if (!package) continue;
        if (auto why = name_program(program_, *package); !why.empty()) return std::optional(std::move(why));
      }
      return std::optional<std::string>();
    }
    case Phase::scan:
    case Phase::final_scan:
      order.kind = wire::OrderKind::scan;
      order.scan = wire::ScanOrder{action.phase == Phase::scan};  // the lists are fresh the second time
      return std::optional<std::string>();
    case Phase::plan: {
      BELAY_TRY_ASSIGN(const auto judgement, judge_node(node));
      BELAY_TRY_ASSIGN(auto wish, wish_of(node, judgement));
      order.kind = wire::OrderKind::plan;
      order.plan = wire::PlanOrder{std::move(wish.changes), !patch_for(node.node_id).change_set_id.empty(), false};
      return std::optional<std::string>();
    }
    case Phase::patch: return fill_patch(action.node_id, order);
    case Phase::waiting:
    case Phase::judge:
    case Phase::final_judge:
    case Phase::ended: break;
  }
  assertion_failed("the phase has an order", __FILE__, __LINE__);
}

// What the node planned, checked and frozen: the exact versions that it will be ordered to install.
Result<std::optional<std::string>> CommandRun::fill_patch(const std::string& node_id, wire::Order& order) {
  const std::string plan_id = order_id(node_id, Phase::plan);
  BELAY_TRY_ASSIGN(const auto asked, content_of(sql_, plan_id));
  BELAY_TRY_ASSIGN(const auto result, result_of(sql_, plan_id));
  BELAY_ASSERT(asked.plan && result && result->plan);
  const auto& options = patch_for(node_id);
  std::vector<PackageChange> frozen;
  if (!options.change_set_id.empty()) {
    BELAY_TRY_ASSIGN(const auto* view, change_set(options.change_set_id));
    for (const auto& part : view->parts) frozen.insert(frozen.end(), part.changes.begin(), part.changes.end());
  }
  std::vector<std::string> blocked;
  if (options.change_set_id.empty() && !options.has_override_list) {
    BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql_, node_id));
    BELAY_TRY_ASSIGN(const auto rules, rules_of(node));
    if (rules.rejected_patches_action == baseline::RejectedPatchesAction::BLOCK) blocked = rules.rejected_patches;
  }
  auto problems = command::check_plan(
      {asked.plan->changes, result->plan->changes, options.change_set_id.empty() ? nullptr : &frozen, blocked});
  BELAY_TRY_ASSIGN(const auto kept, store::nodes::get(sql_, node_id));
  BELAY_TRY_ASSIGN(const auto in_force, store::rollouts::in_quarantine(sql_));
  BELAY_TRY_ASSIGN(const auto roles, roles_of(sql_, node_id));
  for (auto& problem : check_quarantine(result->plan->changes, in_force, kept.operating_system, roles))
    problems.push_back(std::move(problem));
  if (!problems.empty()) {
    BELAY_TRY(record_refusal(node_id, plan_id, problems));
    return std::optional<std::string>(join_reasons(problems));
  }
  order.kind = wire::OrderKind::patch;
  order.patch.emplace();
  order.patch->change_set_id = options.change_set_id;
  order.patch->changes = result->plan->changes;
  order.patch->reboot = options.reboot;
  if (!options.change_set_id.empty()) {
    BELAY_TRY_ASSIGN(const auto* view, change_set(options.change_set_id));
    order.patch->use_pool = true;
    order.patch->old_files = old_files_of(*view, order.patch->changes);
    BELAY_TRY_ASSIGN(order.patch->approved,
                     approved_changes(sql_, authority_, *view, change_tree_of(*view), order.patch->changes));
  }
  const auto hash = io::sha256_hex(json::to_canonical_text(json::encode(order.patch->changes)));
  BELAY_TRY(note_in_audit(sql_, now_, "belayd", "node:freeze-changes", node_id,
                          {{"command", row_.command_id},
                           {"order", order.order_id},
                           {"changes", order.patch->changes.size()},
                           {"sha256", hash}}));
  return std::optional<std::string>();
}

// A plan that cannot be carried out is a run that was refused: what it wanted counts as FAILED, with the reason.
Status CommandRun::record_refusal(const std::string& node_id, const std::string& order,
                                  const std::vector<fleet::Problem>& problems) {
  const auto& options = patch_for(node_id);
  store::runs::Run run;
  run.run_id = order;
  run.node_id = node_id;
  run.command_id = row_.command_id;
  run.change_set_id = options.change_set_id;
  run.started_at = run.finished_at = run.received_at = now_;
  run.reboot = options.reboot;
  run.report.run_id = order;
  run.report.outcome = patchrun::Outcome::refused;
  run.report.problems = problems;
  const auto added = store::runs::add(sql_, run);
  return added.ok() ? Status() : Status(added.error());
}

}  // namespace belay::server
