// How backups stand: what is known of a plan on a node, what a ring's demand makes of it, databases that nobody backs
// up; and the secrets of a job, for the node that has it.
#include <algorithm>
#include <set>
#include <tuple>

#include "base/json.hpp"
#include "base/text.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/storage_view.hpp"
#include "server/engine/vault_keys.hpp"
#include "store/compliance_items.hpp"
#include "store/executions.hpp"
#include "store/nodes.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {
using backup::Task;
using store::Sql;
namespace backups = store::backups;
namespace compliance = store::compliance_items;

constexpr std::size_t kMendedMax = 10;
constexpr Duration kMendAgainAfter{60'000};
constexpr Duration kCoverageEvery{900'000};
constexpr std::string_view kCoverageId = "coverage";
constexpr std::uint32_t kNodesLookedAt = 2'000;  // for one page, in search of what no plan covers

// The units that database servers run under.
std::string database_of(const fleet::Service& service) {
  if (service.active != "active") return {};
  const std::string_view name = service.name;
  if (name.starts_with("postgresql@") || name == "postgresql.service") return "postgresql";
  if (name.starts_with("mariadb")) return "mariadb";
  if (name.starts_with("mysql")) return "mysql";
  return {};
}

bool covers(const backup::SourceSpec& source, const std::string& database) {
  using enum backup::EngineName;
  switch (source.engine) {
    case pgbackrest:
    case pg_dump: return database == "postgresql";
    case mariadb_backup:
    case mysqldump: return database != "postgresql";
    // A volume with a quiesced database in it, or a program of the operator's, may well be its backup; files are not.
    case snapshot:
    case command: return true;
    case restic:
    case borg:
    case sqlite: return false;
  }
  return false;
}

Result<std::vector<backups::Plan>> plans_on(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto members, backups::plans_of_node(sql, node_id));
  std::vector<backups::Plan> plans;
  for (const auto& member : members) {
    BELAY_TRY_ASSIGN(auto plan, backups::get_plan(sql, member.plan_id));
    if (plan.state != "Retired") plans.push_back(std::move(plan));
  }
  return plans;
}

// Whose servers run on the node, each once.
Result<std::vector<std::string>> databases_on(Sql& sql, std::string_view node_id) {
  std::set<std::string> databases;
  const auto node = store::nodes::get(sql, node_id);
  if (!node.ok() && node.error().code() != Code::not_found) return node.error();
  if (node.ok())
    for (const auto& service : node->facts.services)
      if (auto name = database_of(service); !name.empty()) databases.insert(std::move(name));
  return std::vector<std::string>(databases.begin(), databases.end());
}

std::vector<std::string> covered_by_none(const std::vector<std::string>& databases,
                                         const std::vector<backups::Plan>& plans) {
  std::vector<std::string> uncovered;
  for (const auto& database : databases)
    if (std::ranges::none_of(plans, [&](const auto& plan) { return covers(plan.spec.source, database); }))
      uncovered.push_back(database);
  return uncovered;
}

class CoverageKind : public ExecutionKind {
 public:
  std::string_view name() const override { return kCoverageKind; }

  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>&, Instant now) override {
    struct Walk {
      std::string after;
    } walk;
    const auto state = json::parse(execution.state);
    if (state.ok()) walk.after = json::text_or_empty(*state, "after");
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::list(sql, {}, {kMembersAtOnce, walk.after}));
    for (const auto& node : nodes.items)
      if (node.state == store::nodes::NodeState::active) {
        BELAY_TRY(judge(sql, node.node_id, now));
        BELAY_TRY(judge_storage(sql, node.node_id, now));
      }
    const json::Object next{{"after", nodes.next}};
    return Advance{json::to_text(next), now + (nodes.next.empty() ? kCoverageEvery : Duration(1'000)), false};
  }

 private:
  static Status judge(Sql& sql, const std::string& node_id, Instant now) {
    BELAY_TRY_ASSIGN(const auto uncovered, uncovered_databases(sql, node_id));
    if (uncovered.empty()) return compliance::remove_item(sql, node_id, kBackupCompliance, kUncoveredItem);
    compliance::Report report;
    report.node_id = node_id;
    report.compliance_type = kBackupCompliance;
    report.execution = {std::string(kCoverageId), "BackupCoverage", now};
    report.received_at = now;
    report.reported_by = "backup coverage";
    compliance::Item item;
    item.item_id = kUncoveredItem;
    item.title = "A database that no backup plan covers";
    item.severity = "CRITICAL";
    item.status = "NON_COMPLIANT";
    item.details = {
        {"Databases", join(uncovered, ", ")},
        {"WhatToDo", "give the node a tag that a plan's targets name, or make a plan: belay backup plan apply"}};
    const auto kept = compliance::put(sql, report, std::span(&item, 1), true);
    return kept.ok() || kept.error().reason() == "node-unknown" ? Status() : Status(kept.error());
  }
};

void add(wire::SecretsReply& reply, const std::string& prefix, const backups::VaultSecrets& secrets,
         const backup::Job& job) {
  reply.secrets.push_back({prefix + "repository.key", repository_key(secrets.key, job.plan_id, job.source_node_id)});
  for (const auto& [name, value] : secrets.access) reply.secrets.push_back({prefix + name, value});
}

}  // namespace

Result<backup::Known> known_of(Sql& sql, const backups::Plan& plan, std::string_view node_id) {
  backup::Known known;
  known.plan = plan.spec;
  known.plan_id = plan.plan_id;
  known.node_id = node_id;
  BELAY_TRY_ASSIGN(known.points, backups::points_of(sql, plan.plan_id, node_id));
  BELAY_TRY_ASSIGN(known.proofs, proofs_around(sql, plan.plan_id, node_id, known.points));
  const auto member = backups::get_member(sql, plan.plan_id, node_id);
  if (member.ok()) {
    known.watch = member->watch;
    known.backup_trouble = member->progress.backup_trouble;
    known.backup_trouble_at = member->progress.backup_trouble_at;
  }
  if (!member.ok() && member.error().code() != Code::not_found) return member.error();
  std::vector<std::string> names{plan.spec.vault};
  for (const auto& copy : plan.spec.copies) names.push_back(copy.vault);
  for (const auto& name : names) {
    const auto vault = backups::get_vault(sql, name);
    if (vault.ok()) known.vaults.push_back(vault->spec);
    else if (vault.error().code() != Code::not_found) return vault.error();
  }
  return known;
}

Result<NodeProvable> provable_of(Sql& sql, std::string_view node_id, const backup::Demand& demand, Instant now) {
  NodeProvable none;
  BELAY_TRY_ASSIGN(const auto plans, plans_on(sql, node_id));
  BELAY_TRY_ASSIGN(const auto running, databases_on(sql, node_id));
  for (const auto& database : covered_by_none(running, plans))
    none.provable.reasons.push_back(database +
                                    " runs here, and no backup plan covers it; make one (belay backup plan "
                                    "apply), or tag the node for one");
  if (plans.empty() && none.provable.reasons.empty())
    none.provable.reasons = {
        "no backup plan covers the node; make one (belay backup plan apply), or tag the node for one"};
  if (!none.provable.reasons.empty()) return none;

  std::vector<NodeProvable> answers;
  std::vector<std::size_t> all(plans.size());
  for (std::size_t i = 0; i < plans.size(); ++i) {
    all[i] = i;
    BELAY_TRY_ASSIGN(const auto known, known_of(sql, plans[i], node_id));
    answers.push_back({backup::provable(known, demand, now), plans[i].plan_id});
    for (auto& reason : answers.back().provable.reasons) reason = plans[i].name + ": " + reason;
  }
  // Each of these must be proven, by one of its plans: whatever is a database's by itself; what is covered by a plan of
  // another kind (a volume, a program) by such a one; and where there is no database, the node by any.
  std::vector<std::vector<std::size_t>> wanted;
  for (const auto i : all)
    if (backup::engine_rules(plans[i].spec.source.engine).is_database) wanted.push_back({i});
  for (const auto& database : running) {
    std::vector<std::size_t> by;
    for (const auto i : all)
      if (covers(plans[i].spec.source, database)) by.push_back(i);
    const bool by_its_own =
        std::ranges::any_of(by, [&](auto i) { return backup::engine_rules(plans[i].spec.source.engine).is_database; });
    if (!by_its_own) wanted.push_back(std::move(by));
  }
  if (wanted.empty()) wanted.push_back(all);
  const NodeProvable* found = nullptr;
  for (const auto& by : wanted) {
    const auto good = std::ranges::find_if(by, [&](auto i) { return answers[i].provable.holds; });
    if (good == by.end()) return answers[by.front()];
    found = &answers[*good];
  }
  return *found;
}

Result<bool> mend_proof(Sql& sql, std::string_view node_id, const NodeProvable& lacks, const backup::Demand& demand,
                        std::string_view reason, Instant now) {
  if (lacks.plan_id.empty()) return false;
  const auto& provable = lacks.provable;
  const bool back_up = provable.needs_backup && demand.back_up_first;
  const bool prove = provable.needs_proof && demand.prove_first;
  if (!back_up && !prove) return false;
  BELAY_TRY_ASSIGN(const auto open, backups::open_jobs(sql, lacks.plan_id, node_id));
  const auto wanted = back_up ? Task::backup : Task::prove;
  if (std::ranges::any_of(open, [&](const auto& job) { return job.job.task == wanted; })) return true;
  // What failed for the reason a moment ago is a person's affair; who mended it and resumes is not refused.
  BELAY_TRY_ASSIGN(const auto past, backups::list_jobs(sql,
                                                       {.plan_id = lacks.plan_id,
                                                        .node_id = std::string(node_id),
                                                        .tasks = {boost::describe::enum_to_string(wanted, "")},
                                                        .states = {}},
                                                       {20, {}}));
  std::size_t tried = 0;
  for (const auto& job : past.items) {
    if (job.reason != reason) continue;
    if (++tried >= kMendedMax || !job.finished_at || now - *job.finished_at < kMendAgainAfter) return false;
  }
  BELAY_TRY_ASSIGN(const auto plan, backups::get_plan(sql, lacks.plan_id));
  BELAY_TRY_ASSIGN(auto job, job_for(sql, plan, node_id, wanted));
  if (back_up) {
    BELAY_TRY_ASSIGN(const auto member, backups::get_member(sql, plan.plan_id, node_id));
    const auto& rules = backup::engine_rules(plan.spec.source.engine);
    if (member.progress.has_full && rules.incremental) job.type = backup::BackupType::incremental;
    else if (member.progress.has_full && rules.differential) job.type = backup::BackupType::differential;
    BELAY_TRY_ASSIGN(const auto points, backups::points_of(sql, plan.plan_id, node_id, plan.spec.vault));
    for (const auto& point : points)
      if (job.chain.size() < 64 && point.state == backup::PointState::available) job.chain.push_back(point.made);
    std::ranges::reverse(job.chain);
  } else {
    BELAY_TRY_ASSIGN(auto known, known_of(sql, plan, node_id));
    known.plan.prove.pick = {demand.offsite ? backup::Pick::offsite : backup::Pick::newest};
    const auto* point = backup::pick_point(known, 0, 0);
    if (!point) return false;
    BELAY_TRY(with_point(sql, job, *point));
    job.level = backup::level_to_prove(plan.spec, std::max(demand.level, plan.spec.prove.level));
    job.checks = plan.spec.prove.checks;
    job.offsite = demand.offsite;
  }
  BELAY_TRY_ASSIGN(const auto id, want_job(sql, std::move(job), "belayd", reason, now));
  (void)id;
  return true;
}

Result<std::vector<std::string>> uncovered_databases(Sql& sql, std::string_view node_id) {
  BELAY_TRY_ASSIGN(const auto databases, databases_on(sql, node_id));
  if (databases.empty()) return std::vector<std::string>();
  BELAY_TRY_ASSIGN(const auto plans, plans_on(sql, node_id));
  return covered_by_none(databases, plans);
}

std::unique_ptr<ExecutionKind> make_coverage_kind() { return std::make_unique<CoverageKind>(); }

Status ensure_coverage(Sql& sql, Instant now) {
  store::executions::Execution execution;
  execution.execution_id = kCoverageId;
  execution.kind = kCoverageKind;
  execution.wake_at = execution.created_at = execution.updated_at = now;
  const auto there = store::executions::get(sql, kCoverageKind, kCoverageId);
  if (there.ok()) return {};
  return there.error().code() == Code::not_found ? store::executions::create(sql, execution) : Status(there.error());
}

// What a node has that no plan covers; without reasons where there is nothing to say.
static Result<PostureRow> without_plan(Sql& sql, const store::nodes::Node& node) {
  PostureRow row{node.name, {}};
  row.posture.node_id = node.node_id;
  BELAY_TRY_ASSIGN(const auto uncovered, uncovered_databases(sql, node.node_id));
  if (!uncovered.empty()) {
    row.posture.reasons = {join(uncovered, ", ") + " runs here, and no backup plan covers it"};
    row.posture.sentence = "nothing brings its databases back: no backup plan covers them";
  }
  const auto arrays = arrays_of(node.facts);
  if (arrays.empty()) return row;
  BELAY_TRY_ASSIGN(const auto plans, plans_on(sql, node.node_id));
  if (!plans.empty()) return row;
  row.posture.reasons.push_back(raid_is_no_backup(arrays, "no backup plan covers this node"));
  if (row.posture.sentence.empty()) row.posture.sentence = "only RAID protects it: no backup plan covers this node";
  return row;
}

// Where a page of postures ended: in the list of plans, behind a plan's node, or among nodes without a plan.
//   "p|<node>|<the plan's id>|<its name>"   "n|<as store::nodes::list() goes on>"
namespace {
struct PostureCursor {
  bool in_plans = true;
  std::string node, plan_id, plan_name, after;
};

Result<PostureCursor> read_cursor(const std::string& text) {
  PostureCursor cursor;
  if (text.empty()) return cursor;
  if (text.starts_with("n|")) {
    cursor.in_plans = false;
    cursor.after = text.substr(2);
    return cursor;
  }
  const auto parts = split(text, '|');
  if (parts.size() < 4 || parts[0] != "p")
    return Error(Code::invalid_argument, "the cursor of the postures cannot be read");
  cursor.node = parts[1], cursor.plan_id = parts[2];
  cursor.plan_name = text.substr(2 + parts[1].size() + 1 + parts[2].size() + 1);
  return cursor;
}

bool is_wanted(const std::vector<std::string>& only, const std::string& node_id) {
  return only.empty() || std::ranges::find(only, node_id) != only.end();
}

Result<PostureRow> row_of(Sql& sql, const backups::Plan& plan, const std::string& node_id,
                          const schedule::ZoneRules& zone, Instant now) {
  BELAY_TRY_ASSIGN(const auto known, known_of(sql, plan, node_id));
  PostureRow row{"", backup::posture(known, zone, now)};
  const auto node = store::nodes::get(sql, node_id);
  if (!node.ok()) return row;
  row.node_name = node->name;
  auto& copies = row.posture.copies;
  if (const auto arrays = arrays_of(node->facts); !arrays.empty() && copies.offsite == 0)
    copies.why += (copies.why.empty() ? "" : "; ") + raid_is_no_backup(arrays, "no copy is offsite");
  return row;
}

Result<std::vector<backups::Plan>> plans_in_order(Sql& sql, std::string_view named) {
  std::vector<backups::Plan> plans;
  if (!named.empty()) {
    BELAY_TRY_ASSIGN(auto plan, backups::plan_named(sql, named));
    plans.push_back(std::move(plan));
    return plans;
  }
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(auto some, backups::list_plans(sql, false, page));
    std::ranges::move(some.items, std::back_inserter(plans));
    page.after = some.next;
  } while (!page.after.empty());
  return plans;
}
}  // namespace

Result<store::Listed<PostureRow>> Backups::posture(std::string_view plan_name, const std::vector<std::string>& named,
                                                   const store::Page& wanted) {
  const Instant now = clock_.now();
  return store_.read([&](Sql& sql) -> Result<store::Listed<PostureRow>> {
    BELAY_TRY_ASSIGN(const auto from, read_cursor(wanted.after));
    std::vector<std::string> only;
    if (!named.empty()) {
      BELAY_TRY_ASSIGN(only, resolve_targets(sql, named, {}));
    }
    store::Listed<PostureRow> found;
    std::vector<backups::Plan> plans;
    if (from.in_plans) {
      BELAY_TRY_ASSIGN(plans, plans_in_order(sql, plan_name));
    }
    for (const auto& plan : plans) {
      const auto here = std::tie(plan.name, plan.plan_id), begun = std::tie(from.plan_name, from.plan_id);
      if (!from.plan_id.empty() && here < begun) continue;
      BELAY_TRY_ASSIGN(const auto zone, zones_.of(plan.spec.schedule.timezone));
      BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, plan.plan_id));
      for (const auto& member : members) {
        if (member.left_at || !is_wanted(only, member.node_id)) continue;
        if (here == begun && member.node_id <= from.node) continue;
        if (found.items.size() >= wanted.limit) {
          const auto& last = found.items.back().posture;
          found.next = "p|" + last.node_id + "|" + last.plan_id + "|" + last.plan_name;
          return found;
        }
        BELAY_TRY_ASSIGN(auto row, row_of(sql, plan, member.node_id, *zone, now));
        found.items.push_back(std::move(row));
      }
    }
    if (!plan_name.empty()) return found;
    std::string after = from.after;
    std::ranges::sort(only);
    for (const auto& node_id : only) {  // the few that are asked for, without a walk over the fleet
      if (node_id <= after) continue;
      if (found.items.size() >= wanted.limit) {
        found.next = "n|" + after;
        return found;
      }
      BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, node_id));
      BELAY_TRY_ASSIGN(auto row, without_plan(sql, node));
      if (!row.posture.reasons.empty()) found.items.push_back(std::move(row));
      after = node_id;
    }
    if (!only.empty()) return found;
    std::uint32_t looked_at = 0;
    do {
      const auto room = wanted.limit - static_cast<std::uint32_t>(found.items.size());
      if (room == 0 || looked_at >= kNodesLookedAt) {
        found.next = "n|" + after;
        return found;
      }
      BELAY_TRY_ASSIGN(const auto nodes, store::nodes::list(sql, {}, {std::min(room, kMembersAtOnce), after}));
      looked_at += static_cast<std::uint32_t>(nodes.items.size());
      for (const auto& node : nodes.items) {
        if (node.state != store::nodes::NodeState::active || !is_wanted(only, node.node_id)) continue;
        BELAY_TRY_ASSIGN(auto row, without_plan(sql, node));
        if (!row.posture.reasons.empty()) found.items.push_back(std::move(row));
      }
      after = nodes.next;
    } while (!after.empty());
    return found;
  });
}

Result<PlanReport> Backups::report(const PlanReportRequest& request, const store::Page& page) {
  const Instant now = clock_.now();
  return store_.read([&](Sql& sql) -> Result<PlanReport> {
    PlanReport report;
    BELAY_TRY_ASSIGN(const auto plan, backups::plan_named(sql, request.plan));
    BELAY_TRY_ASSIGN(const auto zone, zones_.of(plan.spec.schedule.timezone));
    std::vector<std::string> only;
    if (!request.node_ids.empty()) {
      BELAY_TRY_ASSIGN(only, resolve_targets(sql, request.node_ids, {}));
    }
    BELAY_TRY_ASSIGN(report.head, report_head(sql, plan, request, now));
    BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, plan.plan_id));
    for (const auto& member : members) {
      if (member.left_at || member.node_id <= page.after || !is_wanted(only, member.node_id)) continue;
      if (report.nodes.size() >= page.limit) {
        report.next = json::text_or_empty(report.nodes.back(), "InstanceId");
        return report;
      }
      BELAY_TRY_ASSIGN(auto row, report_node(sql, plan, member, *zone, request, now));
      report.nodes.push_back(std::move(row));
    }
    return report;
  });
}

Result<std::vector<RetentionPreview>> Backups::preview_retention(std::string_view plan_name, std::string_view node_id) {
  const Instant now = clock_.now();
  return store_.read([&](Sql& sql) -> Result<std::vector<RetentionPreview>> {
    BELAY_TRY_ASSIGN(const auto plan, backups::plan_named(sql, plan_name));
    BELAY_TRY_ASSIGN(const auto zone, zones_.of(plan.spec.schedule.timezone));
    BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, plan.plan_id));
    std::vector<RetentionPreview> previews;
    for (const auto& member : members) {
      if (!node_id.empty() && member.node_id != node_id) continue;
      BELAY_TRY_ASSIGN(const auto all, backups::points_of(sql, plan.plan_id, member.node_id));
      for (const auto& vault : backup::vaults_of(plan.spec, all)) {
        RetentionPreview preview{member.node_id, vault, {}, {}};
        BELAY_TRY_ASSIGN(preview.points, backups::points_of(sql, plan.plan_id, member.node_id, vault));
        preview.kept = backup::retain(preview.points, backup::rules_of(plan.spec, vault, preview.points), *zone, now);
        previews.push_back(std::move(preview));
      }
    }
    return previews;
  });
}

Result<wire::SecretsReply> Backups::secrets_for(std::string_view node_id, std::string_view order_id) {
  const Instant now = clock_.now();
  const Error no(Code::permission_denied,
                 "the order " + sanitize(order_id, 64) + " is no open backup order of this node");
  bool deletes_early = false;
  const auto give = [&](Sql& sql) -> Result<wire::SecretsReply> {
    const auto order = store::orders::get(sql, order_id);
    if (!order.ok()) return order.error().code() == Code::not_found ? no : order.error();
    using OrderState = store::orders::State;
    // An order is noted as delivered behind its sending: a quick node asks while it still counts as queued.
    const bool open = order->state == OrderState::queued || order->state == OrderState::delivered ||
                      order->state == OrderState::acknowledged;
    if (order->node_id != node_id || order->kind != "backup" || !open) return no;
    BELAY_TRY_ASSIGN(const auto content, content_of(sql, order_id));
    if (!content.backup) return no;
    const bool deletes = content.backup->task == Task::forget;
    if (deletes && order->cancel_requested) return no;
    deletes_early = deletes && order->state == OrderState::queued;
    wire::SecretsReply reply;
    BELAY_TRY_ASSIGN(const auto secrets, backups::vault_secrets(sql, content.backup->vault.name));
    add(reply, "", secrets, *content.backup);
    if (!content.backup->copy_to) return reply;
    BELAY_TRY_ASSIGN(const auto others, backups::vault_secrets(sql, content.backup->copy_to->name));
    add(reply, "copy.", others, *content.backup);
    return reply;
  };
  auto given = store_.read(give);
  if (!given.ok() || !deletes_early) return given;
  // Whoever puts one of its points on hold from now on must know that the node has the order.
  return store_.write([&](Sql& sql) -> Result<wire::SecretsReply> {
    BELAY_TRY(store::orders::delivered(sql, std::vector{std::string(order_id)}, now));
    return give(sql);
  });
}

}  // namespace belay::server
