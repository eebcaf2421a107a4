// What came of a backup job: points, copies, proofs, deletions; what follows; who is told.
#include <algorithm>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/backup/given_up.hpp"
#include "core/backup/proven.hpp"
#include "core/backup/suspicion.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/backup_run.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/remedy_kind.hpp"
#include "server/engine/webhooks.hpp"
#include "store/compliance_items.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {
using backup::JobOutcome;
using backup::PointState;
using backup::RecoveryPoint;
using backup::Task;
namespace backups = store::backups;
namespace compliance = store::compliance_items;

constexpr std::size_t kWhyBytesMax = 2'000;
constexpr Duration kDay{24LL * 3600 * 1000};
constexpr std::string_view kComplianceType = "Custom:Backup";

std::string_view word(auto value) { return boost::describe::enum_to_string(value, ""); }

constexpr std::string_view kNotAll = "not everything is in it: ", kNotWell = "its job did not go well: ";

// What a job left behind that did not do all it was to do counts for nothing until somebody has looked at it.
void doubt(RecoveryPoint& point, const backup::JobReport& report, bool stopped) {
  if (report.outcome == JobOutcome::ok && !stopped) return;
  const bool partial = report.outcome == JobOutcome::partial && !stopped;
  point.why.push_back(partial ? std::string(kNotAll) + why_of(report)
                              : std::string(kNotWell) + (stopped ? "somebody stopped it" : why_of(report)));
  if (point.state == PointState::available) point.state = PointState::suspect;
}

bool is_half(const RecoveryPoint& point) {
  return point.state == PointState::suspect && std::ranges::any_of(point.why, [](const auto& why) {
           return why.starts_with(kNotAll) || why.starts_with(kNotWell);
         });
}

// The point that a list found while the job that made it had yet to tell of it; nullptr where there is none.
const RecoveryPoint* listed_first(const std::vector<RecoveryPoint>& known, const backups::Job& job,
                                  const backup::MadePoint& made) {
  for (const auto& point : known)
    if (point.made.reference == made.reference && is_stranger(point) && point.recorded_at >= job.created_at)
      return &point;
  return nullptr;
}

// What a failed test found stands until a test that climbed higher passes.
bool outdoes_failures(std::span<const backup::Proof> proofs, std::optional<backup::ProofLevel> reached) {
  for (const auto& proof : proofs)
    if (!proof.passed && proof.level && (!reached || *reached <= *proof.level)) return false;
  return reached.has_value();
}

}  // namespace

std::string why_of(const backup::JobReport& report) {
  if (!report.why.empty()) return sanitize(report.why, kWhyBytesMax);
  std::vector<std::string> said;
  for (const auto& item : report.evidence)
    if (!item.passed) said.push_back(item.what + ": " + item.seen);
  for (const auto& problem : report.problems) said.push_back(problem.detail);
  return said.empty() ? "the engine did not say why" : sanitize(join(said, "; "), kWhyBytesMax);
}

Status BackupRun::take_result(Job& job, const wire::OrderResult& result) {
  if (!result.backup) {
    std::string why = result.standard_error.empty() ? "the node could not work on the order" : result.standard_error;
    if (result.outcome == wire::OrderOutcome::cancelled) return end(job, "Cancelled", "somebody stopped it");
    return end(job, "Failed", sanitize(why, kWhyBytesMax));
  }
  const auto& report = *result.backup;
  job.report = report;
  proof_failed_.clear();
  wrong_.clear();
  std::string lacks;
  if (job.job.task == Task::backup) {
    BELAY_TRY_ASSIGN(lacks, what_it_lacks(job, report));
  }
  if (!job.begun_at) job.begun_at = result.started_at;
  const bool stopped = result.outcome == wire::OrderOutcome::cancelled;
  if (!late_) BELAY_TRY(note_gone(job, report));
  switch (job.job.task) {
    case Task::backup: BELAY_TRY(keep_points(job, report, stopped)); break;
    case Task::copy: BELAY_TRY(keep_copies(job, report, stopped)); break;
    case Task::prove:
      // What was stopped half-way says nothing, and neither does what could not be looked at.
      if (!stopped && !backup::could_not_be_done(report)) BELAY_TRY(keep_proof(job, report));
      break;
    case Task::forget: BELAY_TRY(keep_forgotten(job, report)); break;
    case Task::list: BELAY_TRY(reconcile(job, report)); break;
    case Task::check:
    case Task::restore: break;
  }
  if (stopped && late_) return end(job, late_->state, late_->why);
  if (stopped) return end(job, "Cancelled", "somebody stopped it");
  if (!lacks.empty()) return end(job, "Failed", lacks);
  // The node did its work; who asked for it must see what it found.
  if (!wrong_.empty()) return end(job, "Failed", wrong_);
  if (job.job.task == Task::prove && backup::could_not_be_done(report))
    return end(job, "Failed", "could not be done: " + why_of(report));
  const std::string state = report.outcome == JobOutcome::ok        ? "Succeeded"
                            : report.outcome == JobOutcome::partial ? "Partial"
                                                                    : "Failed";
  return end(job, state, report.outcome == JobOutcome::ok ? "" : why_of(report));
}

Status BackupRun::end(Job& job, std::string state, std::string why) {
  job.state = std::move(state);
  job.why = std::move(why);
  if (late_ && late_->why != job.why)
    job.why += (job.why.empty() ? "" : "; ") + ("its result came late; it was given up on " + to_iso8601(late_->at)) +
               ": " + late_->why;
  job.finished_at = now_;
  BELAY_TRY(backups::update_job(sql_, job));
  BELAY_TRY(note_in_audit(sql_, now_, "belayd", "backup:" + std::string(word(job.job.task)), job.job.job_id,
                          {{"plan", plan_.name}, {"node", job.job.node_id}, {"state", job.state}, {"why", job.why}}));
  to_look_.insert(job.job.node_id);
  to_look_.insert(job.job.source_node_id);  // a deletion there may have waited for it
  auto kept = backups::get_member(sql_, plan_.plan_id, job.job.node_id);
  if (!kept.ok()) return kept.error().code() == Code::not_found ? Status() : Status(kept.error());
  auto& member = *kept;
  const bool ok = job.state == "Succeeded";
  if (late_) {
    BELAY_TRY(end_late(member, job, ok));
  } else if (const auto task = agenda_task(job.job); !task.empty()) {
    if (job.state == "Cancelled") settle(member);
    else backup::job_ended(plan_.spec, member.progress, ok, now_, job.why);
    if (ok && job.job.task == Task::backup) member.progress.last_ok_at = now_;
    BELAY_TRY(remember_run(member, job, task));
  } else if (member.progress.job_id == job.job.job_id) {
    member.progress.job_id.clear();
  }
  if (job.job.task == Task::forget && job.job.compact && job.state == "Succeeded") member.progress.compacted_at = now_;
  BELAY_TRY_ASSIGN(const auto points, backups::points_of(sql_, plan_.plan_id, member.node_id, plan_.spec.vault));
  member.progress.has_full = std::ranges::any_of(points, [&](const auto& point) {
    return point.made.type == backup::BackupType::full && backup::is_whole(point, points);
  });
  if (job.job.task == Task::backup || job.job.task == Task::copy || job.job.task == Task::prove)
    BELAY_TRY(follow_up(member));
  member.look_at = now_;
  return backups::put_members(sql_, std::span(&member, 1));
}

Status BackupRun::end_late(Member& member, const Job& job, bool ok) {
  const auto task = agenda_task(job.job);
  if (!ok || task.empty()) return {};
  backup::job_was_good_after_all(plan_.spec, member.progress, task, now_);
  return tell(member, backup::end_trouble(member.progress.alarms, backup::trouble_of_task(task)));
}

// ---- points

Result<RecoveryPoint> BackupRun::point_of(const Job& job, const backup::MadePoint& made,
                                          const std::string& vault) const {
  RecoveryPoint point;
  point.point_id = make_id("rp", io::random_bytes(kIdRandomBytes));
  point.plan_id = plan_.plan_id;
  point.node_id = job.job.source_node_id;
  point.vault = vault;
  point.engine = job.job.source.engine;
  point.made = made;
  point.recorded_at = now_;
  BELAY_TRY_ASSIGN(const auto kept, backups::get_vault(sql_, vault));
  if (kept.spec.lock) point.locked_until = now_ + kept.spec.lock->days_min * kDay;
  return point;
}

Result<std::string> BackupRun::what_it_lacks(const Job& job, const backup::JobReport& report) {
  if (report.outcome != JobOutcome::ok && report.outcome != JobOutcome::partial) return std::string();
  if (report.points.empty())
    return "the engine said that it went well, and named no recovery point: nothing was kept; look at its output "
           "(`belay backup job " +
           job.job.job_id + "`)";
  BELAY_TRY_ASSIGN(const auto known,
                   backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  std::vector<std::string> repeated;
  for (auto made = report.points.begin(); made != report.points.end(); ++made) {
    BELAY_TRY_ASSIGN(const bool there, backups::has_reference(sql_, plan_.plan_id, job.job.source_node_id,
                                                              job.job.vault.name, made->reference));
    const auto same = [&](const auto& other) { return other.reference == made->reference; };
    if ((there && !listed_first(known, job, *made)) || std::any_of(report.points.begin(), made, same))
      repeated.push_back(sanitize(made->reference, 200));
  }
  if (repeated.empty()) return std::string();
  return "the engine named " + join(repeated, ", ") +
         " as new, and a recovery point of this name was there before: "
         "was the repository made anew, or is that one overwritten? `belay vault check " +
         job.job.vault.name + "`";
}

Status BackupRun::keep_points(const Job& job, const backup::JobReport& report, bool stopped) {
  BELAY_TRY_ASSIGN(auto history, backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  // What was made after it was given up comes behind it, and is no measure of it.
  if (late_)
    std::erase_if(history, [&](const auto& point) { return point.recorded_at > late_->at && !is_stranger(point); });
  const auto newest = std::ranges::find(history, PointState::available, &RecoveryPoint::state);
  if (newest != history.end()) {  // with its fingerprints: a table that was emptied shows there
    BELAY_TRY_ASSIGN(*newest, backups::get_point(sql_, newest->point_id));
  }
  std::vector<RecoveryPoint> points;
  for (const auto& made : report.points) {
    if (const auto* stranger = listed_first(history, job, made)) {
      auto point = *stranger;
      point.state = PointState::available;
      point.why.clear();
      doubt(point, report, stopped);
      BELAY_TRY(backups::update_point(sql_, point));
      continue;
    }
    BELAY_TRY_ASSIGN(const bool there, backups::has_reference(sql_, plan_.plan_id, job.job.source_node_id,
                                                              job.job.vault.name, made.reference));
    const auto same = [&](const auto& other) { return other.made.reference == made.reference; };
    if (there || std::ranges::any_of(points, same)) continue;  // what_it_lacks() names it
    BELAY_TRY_ASSIGN(auto point, point_of(job, made, job.job.vault.name));
    for (const auto& suspicion : backup::suspicions(made, history, now_)) {
      point.why.push_back(suspicion.what + ": " + suspicion.detail);
      if (!suspicion.grave || point.state == PointState::quarantined) continue;
      point.state = suspicion.what == "dated-in-the-future" ? PointState::quarantined : PointState::suspect;
    }
    doubt(point, report, stopped);
    points.push_back(std::move(point));
  }
  return backups::add_points(sql_, points);  // what is odd is told when the node is judged, in this very turn
}

Status BackupRun::keep_copies(const Job& job, const backup::JobReport& report, bool stopped) {
  if (!job.job.copy_to) return {};
  BELAY_TRY_ASSIGN(const auto originals,
                   backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  BELAY_TRY_ASSIGN(auto there, backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.copy_to->name));
  std::vector<RecoveryPoint> copies;
  for (const auto& made : report.points) {
    const auto original = std::ranges::find_if(originals, [&](const auto& point) {
      return point.made.taken_at == made.taken_at && point.made.type == made.type;
    });
    if (original == originals.end()) continue;
    const auto half = std::ranges::find_if(
        there, [&](const auto& one) { return one.made.reference == made.reference && is_half(one); });
    if (half != there.end() && report.outcome == JobOutcome::ok && !stopped) {  // the rest of it came now
      half->state = PointState::available;
      half->why.clear();
      BELAY_TRY(backups::update_point(sql_, *half));
    }
    BELAY_TRY_ASSIGN(const auto whole, backups::get_point(sql_, original->point_id));
    BELAY_TRY_ASSIGN(auto copy, point_of(job, whole.made, job.job.copy_to->name));
    copy.made.reference = made.reference;
    copy.made.drive = made.drive;
    copy.made.needs = made.needs;
    copy.made.bytes_added = made.bytes_added;
    copy.copy_of = original->point_id;
    doubt(copy, report, stopped);
    copies.push_back(std::move(copy));
  }
  return backups::add_points(sql_, copies);
}

Status BackupRun::keep_forgotten(const Job& job, const backup::JobReport& report) {
  BELAY_TRY_ASSIGN(auto points, backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  const auto was_ordered = [&](const std::string& reference) {
    return std::ranges::find(job.job.points, reference, &backup::MadePoint::reference) != job.job.points.end();
  };
  std::vector<std::string> unasked;
  for (auto& point : points) {
    if (std::ranges::find(report.forgotten, point.made.reference) == report.forgotten.end()) continue;
    if (!was_ordered(point.made.reference)) {
      unasked.push_back(point.point_id);
      continue;
    }
    point.state = PointState::gone;
    BELAY_TRY(backups::update_point(sql_, point));
  }
  if (unasked.empty()) return {};
  // Believed where it is seen: a list marks what is missing, and keeps its record.
  wrong_ = "the node says that it deleted " + join(unasked, ", ") +
           ", which nobody ordered; look at `belay-agent` of " + job.job.node_id + ", and at what `belay vault check " +
           job.job.vault.name + "` says";
  BELAY_TRY_ASSIGN(auto list, job_for(sql_, plan_, job.job.node_id, Task::list));
  list.vault = job.job.vault;
  return want(std::move(list), "after a deletion");
}

// ---- proofs

Status BackupRun::keep_proof(const Job& job, const backup::JobReport& report) {
  if (job.job.points.empty()) return {};
  BELAY_TRY_ASSIGN(const auto points,
                   backups::points_of(sql_, plan_.plan_id, job.job.source_node_id, job.job.vault.name));
  const auto found = std::ranges::find_if(
      points, [&](const auto& point) { return point.made.reference == job.job.points.front().reference; });
  if (found == points.end()) return {};
  auto point = *found;
  BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql_, job.job.vault.name));

  backups::SignedProof made;
  auto& proof = made.proof;
  proof.proof_id = make_id("pr", io::random_bytes(kIdRandomBytes));
  proof.point_id = point.point_id;
  proof.plan_id = plan_.plan_id;
  proof.node_id = point.node_id;
  proof.vault = point.vault;
  proof.job_id = job.job.job_id;
  proof.level = backup::level_reached(report.evidence);
  proof.wanted = job.job.level;
  proof.offsite = job.job.offsite && vault.spec.offsite && vault.escrow_checked_at &&
                  now_ - *vault.escrow_checked_at <= kEscrowCheckedWithin;
  proof.passed = report.outcome == JobOutcome::ok && proof.level && *proof.level >= proof.wanted;
  proof.at = now_;
  proof.time_to_restore = report.time_to_restore;
  proof.restored_to = report.restored_to;
  proof.evidence = report.evidence;
  proof.phases = report.phases;
  if (!proof.passed) proof.why = why_of(report);
  proof_failed_ = proof.passed ? "" : proof.proof_id + ": " + proof.why;
  BELAY_TRY_ASSIGN(auto proofs, proofs_of_point(sql_, point.point_id));
  const bool outdoes = outdoes_failures(proofs, proof.level);
  proofs.push_back(proof);
  made.text = backup::canonical_text(proof);
  made.signature = to_base64(io::ed25519_sign(parts_.authority.order_private_key, made.text));
  BELAY_TRY(backups::add_proof(sql_, made));

  if (proof.passed) {
    static_cast<void>(is_found_again(point));
    if (point.state == PointState::damaged && outdoes) {
      point.state = PointState::available;
      point.why = {"the restore test " + proof.proof_id + " passed, and clears what an earlier one found"};
    }
  } else if (backup::speaks_against(report.evidence)) {
    const bool only_checks = proof.level && *proof.level >= backup::ProofLevel::P4;
    point.state = only_checks ? PointState::suspect : PointState::damaged;
    point.why = {"the restore test " + proof.proof_id + " failed: " + proof.why};
  }
  backup::take_proofs(point, proofs);
  return backups::update_point(sql_, point);
}

// ---- what follows

Status BackupRun::want_copy(Member& member, const std::string& vault_name) {
  BELAY_TRY_ASSIGN(const auto ours, backups::points_of(sql_, plan_.plan_id, member.node_id, plan_.spec.vault));
  BELAY_TRY_ASSIGN(const auto there, backups::points_of(sql_, plan_.plan_id, member.node_id, vault_name));
  const auto copied = [&](const RecoveryPoint& point) {
    return std::ranges::any_of(there, [&](const auto& one) { return one.copy_of == point.point_id && !is_half(one); });
  };
  const auto newest = std::ranges::find_if(
      ours, [&](const auto& point) { return point.state == PointState::available && backup::is_whole(point, ours); });
  if (newest == ours.end() || copied(*newest)) {  // nothing to copy: as good as done
    std::erase(member.progress.copies_waiting, vault_name);
    return {};
  }
  BELAY_TRY_ASSIGN(auto job, job_for(sql_, plan_, member.node_id, Task::copy));
  BELAY_TRY(with_point(sql_, job, *newest));
  BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql_, vault_name));
  job.copy_to = vault.spec;
  return want(std::move(job), "schedule");
}

// ---- alarms

// Counts it, and tells where it is the beginning or the end of a trouble. A restore test that did all it was to do and
// proved less than was wanted is one that failed.
Status BackupRun::remember_run(Member& member, const Job& job, std::string_view task) {
  if (job.state == "Cancelled") return {};
  const bool unproven = job.job.task == Task::prove && job.state == "Succeeded" && !proof_failed_.empty();
  backup::Tally last;
  last.state = unproven ? "Failed" : job.state;
  last.at = now_;
  last.took = now_ - job.begun_at.value_or(job.created_at);
  if (job.report) last.bytes = job.report->bytes;
  backup::count_run(member.progress.tallies, task, last);
  if (member.left_at) return {};
  const auto what = backup::trouble_of_task(task);
  auto& alarms = member.progress.alarms;
  if (last.state == "Succeeded") return tell(member, backup::end_trouble(alarms, what));
  if (!unproven && member.progress.retry_at) return {};
  const auto why =
      std::string(word(job.job.task)) + " " + job.job.job_id + " failed: " + (unproven ? proof_failed_ : job.why);
  return tell(member, backup::begin_trouble(alarms, what, why, now_));
}

Status BackupRun::alarm(Member& member, std::string_view what, const std::string& why) {
  return tell(member, backup::begin_trouble(member.progress.alarms, what, why, now_));
}

Status BackupRun::tell(const Member& member, const std::vector<backup::Notice>& notices) {
  if (notices.empty()) return {};
  const auto node = store::nodes::get(sql_, member.node_id);
  if (!node.ok() && node.error().code() != Code::not_found) return node.error();
  const std::string name = node.ok() ? node->name : member.node_id;
  for (const auto& notice : notices) {
    BELAY_TRY(note_in_audit(sql_, now_, "belayd", notice.began ? "backup:alarm" : "backup:recovered", member.node_id,
                            {{"plan", plan_.name}, {"what", notice.what}, {"why", notice.why}}));
    BELAY_TRY(notify(member, name, notice));
  }
  return {};
}

Status BackupRun::notify(const Member& member, const std::string& name, const backup::Notice& notice) {
  const std::string event = notice.began ? "failed" : "recovered";
  const json::Object body{
      {"plan", plan_.name},  {"node", member.node_id}, {"name", name},           {"event", event},
      {"what", notice.what}, {"why", notice.why},      {"at", to_iso8601(now_)}, {"since", to_iso8601(notice.since)}};
  const auto text = json::to_text(body);
  const auto attempt = static_cast<std::uint32_t>(now_.time_since_epoch().count() / 1000);
  for (std::size_t i = 0; i < plan_.spec.notify.size(); ++i)
    BELAY_TRY(queue_webhook(sql_, kBackupKind, plan_.plan_id,
                            {"backup " + member.node_id + " " + std::to_string(i), attempt, plan_.spec.notify[i], text},
                            now_));
  if (plan_.spec.mails.empty()) return {};
  const std::string subject = "Belay: backup of " + name + " by " + plan_.name + ": " + notice.what + " " + event;
  const std::string lines = (notice.began ? "It began on " : "It is over; it had begun on ") +
                            to_iso8601(notice.since) + ":\n" + notice.why + "\n\nbelay backup posture --plan " +
                            plan_.name + " --node " + member.node_id + "\n";
  return queue_mail(sql_, kBackupKind, plan_.plan_id, {plan_.spec.mails, sanitize(subject, 300), lines, text}, now_);
}

// ---- compliance

Status BackupRun::judge(Member& member) {
  if (member.left_at || plan_.state == "Retired") {
    member.verdict.clear();
    member.progress.alarms.clear();  // nobody waits for its end any more, and it is none
    return compliance::remove_item(sql_, member.node_id, kComplianceType, plan_.plan_id);
  }
  BELAY_TRY_ASSIGN(const auto known, known_of(sql_, plan_, member.node_id));
  const auto posture = backup::posture(known, zone_, now_);
  member.verdict = word(posture.verdict);
  const auto troubles = backup::standing_troubles(known, posture, member.joined_at, now_);
  BELAY_TRY(tell(member, backup::turn_standing(member.progress.alarms, troubles, now_)));
  compliance::Report report;
  report.node_id = member.node_id;
  report.compliance_type = kComplianceType;
  report.execution = {plan_.plan_id, "BackupPlan", now_};
  report.received_at = now_;
  report.reported_by = "backup plan " + plan_.name;
  compliance::Item item;
  item.item_id = plan_.plan_id;
  item.title = "Backup plan " + plan_.name;
  item.severity = "CRITICAL";
  item.status = member.verdict;
  item.details = {{"Plan", plan_.name},
                  {"Sentence", sanitize(posture.sentence, 500)},
                  {"Reasons", sanitize(join(posture.reasons, "; "), 1'000)}};
  const auto kept = compliance::put(sql_, report, std::span(&item, 1), true);
  if (!kept.ok()) return kept.error().reason() == "node-unknown" ? Status() : Status(kept.error());
  return tell_remedies(sql_, member.node_id, now_);
}

}  // namespace belay::server
