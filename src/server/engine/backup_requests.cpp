// What people ask of backups: runs, restore tests, restores.
#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/backup/proven.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/backups.hpp"
#include "server/engine/commands.hpp"
#include "store/nodes.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {
using backup::PointState;
using backup::Task;
using store::Sql;
namespace backups = store::backups;

Error refuse(std::string what) { return Error(Code::invalid_argument, std::move(what), "ValidationException"); }
Error wrong_state(std::string what) { return Error(Code::conflict, std::move(what), "InvalidStateException"); }

// Those named, each of which the plan must cover; all of them where none is named.
Result<std::vector<std::string>> nodes_of(Sql& sql, const backups::Plan& plan, const std::vector<std::string>& named) {
  BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, plan.plan_id));
  std::vector<std::string> all;
  for (const auto& member : members)
    if (!member.left_at) all.push_back(member.node_id);
  if (named.empty()) {
    if (all.empty())
      return wrong_state("the plan " + plan.name + " covers no node yet; if it was just made, wait a moment");
    return all;
  }
  BELAY_TRY_ASSIGN(const auto ids, resolve_targets(sql, named, {}));
  for (const auto& id : ids)
    if (std::ranges::find(all, id) == all.end())
      return refuse("the plan " + plan.name + " does not cover the node " + id + "; its targets are " +
                    join(plan.spec.targets, ", "));
  return ids;
}

Status must_be_there(const backups::Plan& plan) {
  if (plan.state != "Retired") return {};
  return wrong_state("the plan " + plan.name + " is retired: it makes no more points");
}

// The lightest that the engine makes and that can be built on something.
backup::BackupType lightest(const backups::Plan& plan, bool has_full) {
  const auto& rules = backup::engine_rules(plan.spec.source.engine);
  if (!has_full) return backup::BackupType::full;
  if (rules.incremental) return backup::BackupType::incremental;
  return rules.differential ? backup::BackupType::differential : backup::BackupType::full;
}

Status check_type(const backups::Plan& plan, backup::BackupType type) {
  const auto& rules = backup::engine_rules(plan.spec.source.engine);
  const bool makes = type == backup::BackupType::full ||
                     (type == backup::BackupType::differential && rules.differential) ||
                     (type == backup::BackupType::incremental && rules.incremental);
  if (makes) return {};
  return refuse(std::string(backup::text_of(plan.spec.source.engine)) + " makes no " +
                boost::describe::enum_to_string(type, "?") + " backups: every one of its backups is a full one");
}

Status must_be_restorable(Sql& sql, const backup::RecoveryPoint& point) {
  if (point.state == PointState::gone || point.state == PointState::expiring)
    return wrong_state("the recovery point " + point.point_id + " was deleted");
  BELAY_TRY_ASSIGN(const auto all, backups::points_of(sql, point.plan_id, point.node_id, point.vault));
  std::vector<std::string> missing;
  for (const auto& reference : point.made.needs)
    if (std::ranges::none_of(all, [&](const auto& one) { return one.made.reference == reference; }))
      missing.push_back(reference);
  if (missing.empty()) return {};
  return wrong_state("the recovery point " + point.point_id + " needs " + join(missing, ", ") +
                     ", which is not there any more; choose another (`belay backup points`)");
}

// A moment that logs must lead to from the point.
Status check_time(std::string_view field, Instant time, const backup::RecoveryPoint& point, const backups::Plan& plan,
                  Instant now) {
  const auto& rules = backup::engine_rules(point.engine);
  const auto name = std::string(field) + ": ";
  if (!rules.point_in_time || !plan.spec.source.logs)
    return refuse(name + std::string(backup::text_of(point.engine)) +
                  (rules.point_in_time ? " keeps no logs by this plan" : " cannot go to a point in time"));
  if (time < point.made.taken_at)
    return refuse(name + to_iso8601(time) + " lies before the recovery point (" + to_iso8601(point.made.taken_at) +
                  "); choose an earlier one");
  if (time > now) return refuse(name + to_iso8601(time) + " lies ahead; nothing is known of it yet");
  return {};
}

// The node that works on it: the one that is named, else the one that the point came from, which must be there.
Result<std::string> worker_of(Sql& sql, const std::string& named, const backup::RecoveryPoint& point) {
  const auto ids = resolve_targets(sql, {named.empty() ? point.node_id : named}, {});
  if (ids.ok()) return ids->front();
  if (!named.empty() || ids.error().code() != Code::not_found) return ids.error();
  return wrong_state("the node " + point.node_id +
                     " that the recovery point came from is not in the fleet any more; name another one that can "
                     "reach the vault");
}

// Of files nothing starts by itself, so that P4 would never be reached; P5 are questions.
Status check_level(backup::ProofLevel level, const backups::Plan& plan) {
  const auto& rules = backup::engine_rules(plan.spec.source.engine);
  const auto engine = std::string(backup::text_of(plan.spec.source.engine));
  if (level > rules.most)
    return refuse("Level: points of " + engine + " can be proven up to " +
                  boost::describe::enum_to_string(rules.most, "?"));
  if (level == backup::ProofLevel::P4 && !rules.is_database)
    return refuse("Level: P4 is a service that starts in isolation, and " + engine +
                  " restores none; say P3, or P5 with checks in the plan");
  if (level == backup::ProofLevel::P5 && plan.spec.prove.checks.empty())
    return refuse("Level: P5 are questions of your own to what was restored, and the plan " + plan.name +
                  " has no prove.checks; add some, or say " + (rules.is_database ? "P4" : "P3"));
  return {};
}

// What may be joined to the directory that is restored to.
bool stays_below(std::string_view path) {
  return path.starts_with('/') &&
         std::ranges::none_of(split(path, '/'), [](auto part) { return part == "." || part == ".."; });
}

// Nothing live is replaced by what nobody vouches for.
Status check_trust(const RestoreRequest& request, const backup::RecoveryPoint& point) {
  const auto& to = request.to;
  const bool replaces = (to.over || to.in_place) && !to.preview;
  if (!replaces || point.state == PointState::available || request.untrusted) return {};
  return wrong_state("the recovery point " + point.point_id + " is " +
                     boost::describe::enum_to_string(point.state, "?") +
                     (point.why.empty() ? "" : " (" + point.why.front() + ")") +
                     ", and this replaces what is there by it; restore it beside and look, choose another, or say that "
                     "you want it all the same (Untrusted: true, --untrusted)");
}

Status check_restore(const RestoreRequest& request, const backup::RecoveryPoint& point, const backups::Plan& plan,
                     Instant now) {
  const auto& to = request.to;
  const auto& rules = backup::engine_rules(point.engine);
  if (to.path.empty() && !to.in_place)
    return refuse("Path: say where it is restored to (an empty directory), or ask for it in place");
  if (!to.path.empty() && !stays_below(to.path))
    return refuse("Path: " + sanitize(to.path, 200) + " is not absolute, or has . or .. in it");
  using enum backup::EngineName;
  const bool of_databases = point.engine == pg_dump || point.engine == mysqldump;  // whose names are given then
  for (const auto& path : to.paths)
    if (!of_databases && (!stays_below(path) || path.find_first_not_of('/') == std::string::npos))
      return refuse("Paths: " + sanitize(path, 200) + " is not an absolute path below /, without . and .. in it");
  if (!to.paths.empty() && !rules.files && !of_databases)
    return refuse("Paths: single files cannot be taken out of a point of " +
                  std::string(backup::text_of(point.engine)));
  if (to.in_place && !rules.is_database && to.path.empty() && !to.over)
    return refuse("InPlace: of files, say Path: / and Over");
  if (to.time) BELAY_TRY(check_time("Time", *to.time, point, plan, now));
  if ((to.over || to.in_place) && !to.preview && request.confirm != request.point_id)
    return refuse("this replaces what is there: confirm it with the recovery point's id (Confirm: " + request.point_id +
                  ")");
  return check_trust(request, point);
}

struct WantedTest {
  std::string node_id;
  backup::RecoveryPoint point;
};
struct WantedTests {
  backups::Plan plan;
  std::vector<WantedTest> tests;
};

// Of one point on one node, or of the newest point (or the newest offsite) on each node of a plan.
Result<WantedTests> wanted_tests(Sql& sql, const ProveRequest& request) {
  WantedTests wanted;
  if (!request.point_id.empty()) {
    if (request.node_ids.size() > 1) return refuse("InstanceIds: one point is tested on one node");
    BELAY_TRY_ASSIGN(auto point, backups::get_point(sql, request.point_id));
    BELAY_TRY_ASSIGN(wanted.plan, backups::get_plan(sql, point.plan_id));
    BELAY_TRY_ASSIGN(auto node,
                     worker_of(sql, request.node_ids.empty() ? std::string() : request.node_ids.front(), point));
    wanted.tests.push_back({std::move(node), std::move(point)});
    return wanted;
  }
  BELAY_TRY_ASSIGN(wanted.plan, backups::plan_named(sql, request.plan));
  BELAY_TRY_ASSIGN(const auto nodes, nodes_of(sql, wanted.plan, request.node_ids));
  for (const auto& node : nodes) {
    BELAY_TRY_ASSIGN(auto known, known_of(sql, wanted.plan, node));
    known.plan.prove.pick = {request.offsite ? backup::Pick::offsite : backup::Pick::newest};
    const auto* point = backup::pick_point(known, 0, 0);
    if (!point)
      return wrong_state("there is no whole recovery point of " + wanted.plan.name + " on " + node +
                         (request.offsite ? " in an offsite vault" : "") + "; make one: `belay backup run " +
                         wanted.plan.name + "`");
    wanted.tests.push_back({node, *point});
  }
  return wanted;
}

Result<backup::Job> test_job(Sql& sql, const backups::Plan& plan, const WantedTest& test, const ProveRequest& request,
                             Instant now) {
  const auto level = request.level.value_or(plan.spec.prove.level);
  BELAY_TRY(must_be_restorable(sql, test.point));
  BELAY_TRY(check_level(level, plan));
  if (request.target) BELAY_TRY(check_time("TargetTime", *request.target, test.point, plan, now));
  BELAY_TRY_ASSIGN(auto job, job_for(sql, plan, test.node_id, Task::prove));
  BELAY_TRY(with_point(sql, job, test.point));
  if (request.offsite && !job.vault.offsite)
    return refuse("Offsite: the recovery point " + test.point.point_id + " lies in the vault " + test.point.vault +
                  ", which is not offsite; name a copy that is");
  job.level = level;
  job.checks = plan.spec.prove.checks;
  job.target = request.target;
  job.offsite = request.offsite;
  return job;
}

}  // namespace

Result<std::vector<std::string>> Backups::check_vault(std::string_view name, std::string_view node_id,
                                                      std::string_view by) {
  const Instant now = clock_.now();
  auto made = store_.write([&](Sql& sql) -> Result<std::vector<std::string>> {
    BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql, name));
    std::vector<std::string> jobs;
    store::Page page{store::kPageLimitMax, {}};
    do {
      BELAY_TRY_ASSIGN(const auto some, backups::list_plans(sql, false, page));
      for (const auto& plan : some.items) {
        const bool copies = std::ranges::any_of(plan.spec.copies, [&](const auto& copy) { return copy.vault == name; });
        if (plan.spec.vault != name && !copies) continue;
        BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql, plan.plan_id));
        const auto member = std::ranges::find_if(
            members, [&](const auto& one) { return !one.left_at && (node_id.empty() || one.node_id == node_id); });
        if (member == members.end()) continue;
        for (const auto task : {Task::check, Task::list}) {
          BELAY_TRY_ASSIGN(auto job, job_for(sql, plan, member->node_id, task));
          job.vault = vault.spec;
          BELAY_TRY_ASSIGN(auto id, want_job(sql, std::move(job), by, "check of the vault", now));
          jobs.push_back(std::move(id));
        }
      }
      page.after = some.next;
    } while (!page.after.empty());
    if (jobs.empty())
      return wrong_state("no plan with a node uses the vault " + std::string(name) +
                         (node_id.empty() ? "" : " on " + std::string(node_id)) + ": nobody could try it");
    BELAY_TRY(note_in_audit(sql, now, by, "belay:CheckVault", name, {{"jobs", jobs.size()}}));
    return jobs;
  });
  if (made.ok() && poke) poke();
  return made;
}

Result<std::vector<std::string>> Backups::start_runs(const RunRequest& request) {
  const Instant now = clock_.now();
  auto made = store_.write([&](Sql& sql) -> Result<std::vector<std::string>> {
    BELAY_TRY_ASSIGN(const auto plan, backups::plan_named(sql, request.plan));
    BELAY_TRY(must_be_there(plan));
    if (request.type) BELAY_TRY(check_type(plan, *request.type));
    BELAY_TRY_ASSIGN(const auto nodes, nodes_of(sql, plan, request.node_ids));
    std::vector<std::string> jobs;
    for (const auto& node : nodes) {
      BELAY_TRY_ASSIGN(const auto member, backups::get_member(sql, plan.plan_id, node));
      BELAY_TRY_ASSIGN(auto job, job_for(sql, plan, node, Task::backup));
      job.type = member.progress.has_full && request.type ? *request.type : lightest(plan, member.progress.has_full);
      BELAY_TRY_ASSIGN(const auto points, backups::points_of(sql, plan.plan_id, node, plan.spec.vault));
      for (const auto& point : points)
        if (job.chain.size() < 64 && point.state == PointState::available) job.chain.push_back(point.made);
      std::ranges::reverse(job.chain);
      BELAY_TRY_ASSIGN(auto id, want_job(sql, std::move(job), request.requested_by, request.reason, now));
      jobs.push_back(std::move(id));
    }
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:StartBackupRun", plan.plan_id,
                            {{"plan", plan.name}, {"nodes", nodes.size()}, {"reason", request.reason}}));
    return jobs;
  });
  if (made.ok() && poke) poke();
  return made;
}

Result<std::vector<std::string>> Backups::start_proofs(const ProveRequest& request) {
  const Instant now = clock_.now();
  auto made = store_.write([&](Sql& sql) -> Result<std::vector<std::string>> {
    BELAY_TRY_ASSIGN(const auto wanted, wanted_tests(sql, request));
    std::vector<std::string> jobs;
    for (const auto& test : wanted.tests) {
      if (!request.escrow.empty()) {
        const auto noted = note_escrow(sql, test.point.vault, request.escrow, request.requested_by, now);
        if (!noted.ok()) return noted.error();
      }
      BELAY_TRY_ASSIGN(auto job, test_job(sql, wanted.plan, test, request, now));
      BELAY_TRY_ASSIGN(auto id, want_job(sql, std::move(job), request.requested_by, request.reason, now));
      jobs.push_back(std::move(id));
    }
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:StartRestoreTest", wanted.plan.plan_id,
                            {{"plan", wanted.plan.name}, {"tests", jobs.size()}, {"reason", request.reason}}));
    return jobs;
  });
  if (made.ok() && poke) poke();
  return made;
}

Result<std::string> Backups::start_restore(const RestoreRequest& request) {
  const Instant now = clock_.now();
  auto made = store_.write([&](Sql& sql) -> Result<std::string> {
    BELAY_TRY_ASSIGN(const auto point, backups::get_point(sql, request.point_id));
    BELAY_TRY_ASSIGN(const auto plan, backups::get_plan(sql, point.plan_id));
    BELAY_TRY(must_be_restorable(sql, point));
    BELAY_TRY(check_restore(request, point, plan, now));
    BELAY_TRY_ASSIGN(const auto node, worker_of(sql, request.node_id, point));
    BELAY_TRY_ASSIGN(auto job, job_for(sql, plan, node, Task::restore));
    BELAY_TRY(with_point(sql, job, point));
    job.restore = request.to;
    // A data directory is put back as a whole: in place is over what is there, and that was confirmed.
    if (request.to.in_place && point.engine == backup::EngineName::mariadb_backup) job.restore->over = true;
    BELAY_TRY_ASSIGN(auto id, want_job(sql, std::move(job), request.requested_by, "by hand", now));
    json::Object detail{{"node", node},
                        {"job", id},
                        {"path", request.to.path},
                        {"over", request.to.over},
                        {"inPlace", request.to.in_place},
                        {"preview", request.to.preview},
                        {"state", boost::describe::enum_to_string(point.state, "?")}};
    if (request.to.time) detail["time"] = to_iso8601(*request.to.time);
    BELAY_TRY(note_in_audit(sql, now, request.requested_by, "belay:StartRestore", request.point_id, detail));
    return id;
  });
  if (made.ok() && poke) poke();
  return made;
}

Status Backups::stop_job(std::string_view job_id, std::string_view by) {
  const Instant now = clock_.now();
  const auto stopped = store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(auto job, backups::get_job(sql, job_id));
    if (job.finished_at) return wrong_state("the job " + std::string(job_id) + " is over: " + job.state);
    BELAY_TRY(note_in_audit(sql, now, by, "belay:StopBackupJob", job_id,
                            {{"plan", job.job.plan_name}, {"node", job.job.node_id}, {"state", job.state}}));
    if (!job.order_id.empty()) {
      BELAY_TRY_ASSIGN(const auto order, store::orders::cancel(sql, job.order_id, now));
      if (order.state != store::orders::State::cancelled) return {};  // the node says how it ended
    }
    job.state = "Cancelled";
    job.why = "stopped by " + std::string(by) + " before a node had it";
    job.finished_at = now;
    BELAY_TRY(backups::update_job(sql, job));
    return wake_backup_plan(sql, job.job.plan_id, job.job.node_id, now);
  });
  if (stopped.ok() && poke) poke();
  return stopped;
}

Status Backups::accept(std::string_view point_id, std::string_view reason, std::string_view by) {
  const Instant now = clock_.now();
  return store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(auto point, backups::get_point(sql, point_id));
    if (point.missing_from)
      return wrong_state("the recovery point " + point.point_id + " is not in the vault " + point.vault +
                         " any more; bring it back and run `belay vault check " + point.vault +
                         "`, or let go of it with `belay backup delete`");
    if (point.state != PointState::suspect && point.state != PointState::quarantined &&
        point.state != PointState::damaged)
      return wrong_state("the recovery point " + point.point_id + " is " +
                         boost::describe::enum_to_string(point.state, "?") +
                         "; only suspect, quarantined or damaged ones are accepted");
    if (point.made.taken_at > now + Duration(120'000))
      return wrong_state("the recovery point " + point.point_id +
                         " is dated in the future: it would outlive every other; it stays apart");
    BELAY_TRY_ASSIGN(const auto proofs, proofs_of_point(sql, point.point_id));
    backup::take_proofs(point, proofs);  // what a failed test took away is not given back by a word
    point.state = PointState::available;
    point.why.push_back("accepted by " + std::string(by) + ": " + sanitize(reason, 500));
    BELAY_TRY(backups::update_point(sql, point));
    BELAY_TRY(note_in_audit(sql, now, by, "belay:AcceptRecoveryPoint", point_id, {{"reason", reason}}));
    return wake_backup_plan(sql, point.plan_id, point.node_id, now);
  });
}

}  // namespace belay::server
