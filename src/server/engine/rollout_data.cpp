// The part of a rollout's turn that climbs a node's last rung: its data is put back by a restore like any other, then
// the node reads its probes. When, core/rollout/data_rung.hpp says; from where, core/backup/put_back.hpp.
#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/backup/put_back.hpp"
#include "core/rollout/data_rung.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/backups.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/rollout_run.hpp"

namespace belay::server {
namespace {
using rollout::EventKind;
namespace backups = store::backups;

constexpr std::size_t kPutAsideMax = 50, kPutAsideBytesMax = 500, kWhyBytesMax = 1'000;

rollout::Event answer(EventKind kind, const rollout::Node& node, std::string why) {
  rollout::Event event;
  event.kind = kind;
  event.node_id = node.node_id;
  event.why = std::move(why);
  return event;
}

bool is_missing(const Error& error) {
  return error.code() == Code::not_found || error.code() == Code::invalid_argument;
}

// Of one node and change set, whatever rollouts ship it: what was restored once and failed again is a person's affair.
std::string reason_of(const std::string& change_set_id) { return "last rung of " + change_set_id; }

Result<std::string> restored_before(store::Sql& sql, const std::string& node_id, const std::string& reason) {
  const backups::JobFilter filter{.plan_id = {}, .node_id = node_id, .tasks = {"restore"}, .states = {}};
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto some, backups::list_jobs(sql, filter, page));
    for (const auto& job : some.items)
      if (job.reason.starts_with(reason + " ")) return job.job.job_id;
    page.after = some.next;
  } while (!page.after.empty());
  return std::string();
}

}  // namespace

// What the run says of its end, as far as it is about data.
void RolloutRun::judge_data(const wire::OrderResult& result, const rollout::Node& node, rollout::Event& event) const {
  if (!result.run) return;
  if (event.kind == EventKind::rollback_failed && ring_spec(node).restore_data) {
    auto verdict = rollout::judge_data(*result.run, result.finished_at, now_);
    event.data_until = verdict.until;
    if (!verdict.why_not.empty()) event.why += "; its data was not put back: " + verdict.why_not;
  }
  // An older agent takes an order without changes for done.
  if (event.kind == EventKind::put_back && node.data && result.run->probe_turns.empty()) {
    event.kind = EventKind::not_put_back;
    event.why = "its agent did not read the probes (is it older than the server?); look at the node by hand";
  }
}

Status RolloutRun::restore_data(rollout::Node& node, Events& answers) {
  auto& data = *node.data;
  const auto no = [&](std::string why) -> Status {
    answers.push_back(answer(EventKind::data_not_back, node, std::move(why)));
    return {};
  };
  const auto order = content_of(sql_, node.undoes);
  if (!order.ok() && !is_missing(order.error())) return order.error();
  if (!order.ok() || !order->patch || order->patch->protection.proofs.empty())
    return no("the run rests on no proof of a backup");
  const auto& told = order->patch->protection.proofs.front();
  data.proof_id = told.substr(0, told.find(' '));
  const auto proof = backups::get_proof(sql_, data.proof_id);
  if (!proof.ok()) return is_missing(proof.error()) ? no(proof.error().chain()) : Status(proof.error());
  const auto reason = reason_of(execution_.change_set_id);
  BELAY_TRY_ASSIGN(const auto before, restored_before(sql_, node.node_id, reason));
  if (!before.empty()) return no("it was put back once for this change set already (" + before + ")");
  BELAY_TRY_ASSIGN(const auto plan, backups::get_plan(sql_, proof->proof.plan_id));
  BELAY_TRY_ASSIGN(const auto known, known_of(sql_, plan, node.node_id));
  const auto back = backup::put_back_to(known, data.moment, now_);
  if (!back.point) return no(back.why_not);
  auto job = job_for(sql_, plan, node.node_id, backup::Task::restore);
  if (!job.ok()) return is_missing(job.error()) ? no(job.error().chain()) : Status(job.error());
  if (const auto whole = with_point(sql_, *job, *back.point); !whole.ok())
    return is_missing(whole.error()) ? no(whole.error().chain()) : whole;
  auto& to = job->restore.emplace();
  to.in_place = to.over = true;  // what is there is put aside
  to.time = back.time;
  data.plan_name = plan.name;
  data.point_id = back.point->point_id;
  data.remark = back.remark;
  BELAY_TRY_ASSIGN(data.job_id,
                   want_job(sql_, std::move(*job), row_.created_by, reason + " in " + row_.rollout_id, now_));
  return note_in_audit(sql_, now_, "belayd", "node:restore-data", node.node_id,
                       {{"rollout", row_.rollout_id},
                        {"run", node.undoes},
                        {"plan", data.plan_name},
                        {"point", data.point_id},
                        {"proof", data.proof_id},
                        {"job", data.job_id},
                        {"moment", to_iso8601(data.moment)},
                        {"why", node.why}});
}

// Its plan's execution watches over a job, and ends it in any case.
Status RolloutRun::look_for_data(Events& events) {
  for (auto& node : execution_.machine.nodes) {
    if (!node.data || node.data->step != rollout::DataStep::restoring) continue;
    auto& data = *node.data;
    if (data.job_id.empty()) {  // why not was answered to a turn that had no room for it
      events.push_back(answer(EventKind::data_not_back, node, "no restore could be ordered; see the server's log"));
      continue;
    }
    const auto job = backups::get_job(sql_, data.job_id);
    if (!job.ok() && job.error().code() != Code::not_found) return job.error();
    if (job.ok() && !job->finished_at) continue;
    if (job.ok() && job->report)
      for (const auto& place : job->report->put_aside)
        if (data.put_aside.size() < kPutAsideMax) data.put_aside.push_back(sanitize(place, kPutAsideBytesMax));
    const bool back = job.ok() && job->state == "Succeeded" && job->report;
    if (back) {
      data.restored_to = job->report->restored_to;
      data.took = job->report->time_to_restore;
      if (!data.took && job->begun_at) data.took = *job->finished_at - *job->begun_at;
      events.push_back(answer(EventKind::data_back, node, rollout::told(data)));
    } else {
      std::string why = "the restore " + data.job_id + " of " + data.point_id + " (plan " + data.plan_name + ") ";
      why += job.ok() ? "ended " + job->state + ": " + sanitize(job->why, kWhyBytesMax) : "is not known any more";
      if (!data.put_aside.empty()) why += "; what was there is put aside: " + join(data.put_aside, ", ");
      events.push_back(answer(EventKind::data_not_back, node, std::move(why)));
    }
    BELAY_TRY(note_in_audit(sql_, now_, "belayd", back ? "node:data-restored" : "node:data-not-restored", node.node_id,
                            {{"rollout", row_.rollout_id}, {"job", data.job_id}, {"why", events.back().why}}));
  }
  return {};
}

// Changes nothing there: the probes are read as after a rollback, against what they said before the run that failed.
Status RolloutRun::measure_again(const rollout::Action& action, rollout::Node& node, Events& answers) {
  auto order = draft(action, node.node_id, execution_.machine.rings[node.ring].delivery);
  node.order_id = order.order_id;
  order.kind = wire::OrderKind::patch;
  auto& patch = order.patch.emplace();
  const auto failed = content_of(sql_, node.undoes);
  if (!failed.ok() && !is_missing(failed.error())) return failed.error();
  patch.change_set_id = execution_.change_set_id;
  patch.undoes = node.undoes;
  patch.probes = failed.ok() && failed->patch ? failed->patch->probes : spec_.probes;
  patch.gate = failed.ok() && failed->patch ? failed->patch->gate : spec_.gate;
  patch.reboot = patchrun::Reboot::never;
  patch.hold_old_versions = false;
  patch.protection.least = patchrun::ReversibilityClass::R0;
  const auto queued = queue(std::move(order));
  if (queued.ok()) return {};
  auto said = answer(EventKind::not_put_back, node, queued.error().chain());
  answers.push_back(std::move(said));
  return {};
}

// At the end of a soak: the same, against what they said before the change, and the node keeps the run it has.
Status RolloutRun::look_at(const rollout::Action& action, const rollout::Node& node) {
  auto order = draft(action, node.node_id, execution_.machine.rings[node.ring].delivery);
  order.kind = wire::OrderKind::patch;
  auto& patch = order.patch.emplace();
  const auto changed = content_of(sql_, node.order_id);
  if (!changed.ok() && !is_missing(changed.error())) return changed.error();
  patch.change_set_id = execution_.change_set_id;
  patch.undoes = node.order_id;
  patch.probes = changed.ok() && changed->patch ? changed->patch->probes : spec_.probes;
  patch.gate = changed.ok() && changed->patch ? changed->patch->gate : spec_.gate;
  patch.reboot = patchrun::Reboot::never;
  patch.hold_old_versions = false;
  patch.protection.least = patchrun::ReversibilityClass::R0;
  const auto queued = queue(std::move(order));
  // One that cannot be ordered now is ordered again: the machine waits for its answer only so long.
  const bool later = !queued.ok() && (queued.error().code() == Code::permission_denied ||
                                      queued.error().code() == Code::resource_exhausted);
  return later ? Status() : queued;
}

// Only probes that were read count: an older agent takes an order without changes for done.
Status RolloutRun::translate_look(const NodeEvent& told, const rollout::Node& node, Events& events) {
  if (told.kind != NodeEventKind::order_ended) return {};
  BELAY_TRY_ASSIGN(const auto result, result_of(sql_, told.order_id));
  if (!result || !result->run || result->run->probe_turns.empty()) return {};
  auto event = answer(EventKind::looked_well, node, "");
  if (result->run->outcome != patchrun::Outcome::nothing_to_do) {
    event.kind = EventKind::regressed;
    event.why = "was ill at the last look of its soak";
    const auto& problems = result->run->problems;
    if (!problems.empty()) event.why += ": " + problems.front().subject + ": " + problems.front().detail;
  }
  events.push_back(std::move(event));
  return {};
}

}  // namespace belay::server
