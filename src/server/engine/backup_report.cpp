#include "server/engine/backup_report.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "core/backup/retention.hpp"
#include "server/engine/backups.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {
using backup::PointState;
using store::Sql;
namespace backups = store::backups;

std::string word(auto value) { return boost::describe::enum_to_string(value, "?"); }
std::int64_t seconds(Duration span) { return std::chrono::duration_cast<std::chrono::seconds>(span).count(); }
json::Array texts(const std::vector<std::string>& from) {
  json::Array out;
  for (const auto& text : from) out.emplace_back(text);
  return out;
}
void put(json::Object& object, std::string_view member, const std::optional<Instant>& at) {
  if (at) object[member] = to_iso8601(*at);
}
std::string level_text(const std::optional<backup::ProofLevel>& level, bool offsite) {
  return level ? word(*level) + (offsite ? "x" : "") : "none";
}

std::string keep_text(const backup::KeepRules& keep) {
  std::vector<std::string> said;
  for (const auto& [name, count] : {std::pair{"last", keep.last},
                                    {"daily", keep.daily},
                                    {"weekly", keep.weekly},
                                    {"monthly", keep.monthly},
                                    {"yearly", keep.yearly}})
    if (count > 0) said.push_back(std::to_string(count) + " " + name);
  if (keep.within.count() > 0) said.push_back("all within " + humanize(keep.within));
  return said.empty() ? "everything" : join(said, ", ");
}

Result<json::Object> vault_row(Sql& sql, const std::string& name, const backup::KeepRules& keep) {
  json::Object row{{"Vault", name}, {"Keeps", keep_text(keep)}};
  const auto vault = backups::get_vault(sql, name);
  if (!vault.ok() && vault.error().code() == Code::not_found) return row;
  if (!vault.ok()) return vault.error();
  row["Kind"] = word(vault->spec.kind);
  row["Site"] = vault->spec.site;
  row["Offsite"] = vault->spec.offsite;
  row["Lock"] = vault->spec.lock ? std::to_string(vault->spec.lock->days_min) + " days, " + word(vault->spec.lock->mode)
                                 : std::string("none");
  row["KeyFingerprint"] = vault->key_fingerprint;
  put(row, "SecretsFrom", vault->spec.secrets_at);
  put(row, "Escrowed", vault->escrowed_at);
  put(row, "EscrowChecked", vault->escrow_checked_at);
  return row;
}

// One node's part, from what is read once.
class NodeReport {
 public:
  NodeReport(Sql& sql, const backups::Plan& plan, const backups::Member& member, const PlanReportRequest& request,
             Instant now)
      : sql_(sql), plan_(plan), member_(member), request_(request), now_(now) {}

  Result<json::Object> answer(const schedule::ZoneRules& zone) {
    BELAY_TRY_ASSIGN(known_, known_of(sql_, plan_, member_.node_id));
    const auto node = store::nodes::get(sql_, member_.node_id);
    if (!node.ok() && node.error().code() != Code::not_found) return node.error();
    made_ = {{"InstanceId", member_.node_id}, {"Name", node.ok() ? node->name : member_.node_id}};
    made_["CoveredSince"] = to_iso8601(member_.joined_at);
    stand(backup::posture(known_, zone, now_));
    points(zone);
    BELAY_TRY(proofs());
    BELAY_TRY(jobs());
    BELAY_TRY(between_points());
    watched();
    if (shortened_) made_["Shortened"] = "there is more than is told here; ask for a shorter period";
    return std::move(made_);
  }

 private:
  bool in_period(Instant at) const { return at >= request_.from && at <= request_.to; }

  void stand(const backup::Posture& posture) {
    made_["Verdict"] = word(posture.verdict);
    made_["Sentence"] = posture.sentence;
    made_["Reasons"] = texts(posture.reasons);
    const auto [rpo, rto] = plan_.spec.objectives;
    json::Object objectives;
    if (rpo.count() > 0) {
      objectives["RpoObjectiveSeconds"] = seconds(rpo);
      objectives["RpoMet"] = posture.rpo && *posture.rpo <= rpo;
    }
    if (posture.rpo) objectives["RpoSeconds"] = seconds(*posture.rpo);
    put(objectives, "RecoverableTo", posture.recoverable_to);
    if (rto.count() > 0) {
      objectives["RtoObjectiveSeconds"] = seconds(rto);
      objectives["RtoMet"] = posture.forecast.time_to_restore && *posture.forecast.time_to_restore <= rto;
    }
    if (posture.rto) objectives["RestoreSeconds"] = seconds(*posture.rto);
    if (posture.forecast.time_to_restore)
      objectives["ForecastRestoreSeconds"] = seconds(*posture.forecast.time_to_restore);
    objectives["ForecastBasis"] = posture.forecast.basis;
    made_["Objectives"] = std::move(objectives);
    made_["Copies"] = json::Object{{"Copies", posture.copies.copies},
                                   {"Sites", posture.copies.sites},
                                   {"Offsite", posture.copies.offsite},
                                   {"ThreeTwoOne", posture.copies.holds},
                                   {"Which", posture.copies.why}};
  }

  json::Object point_row(const backup::RecoveryPoint& point, const std::vector<std::string>& because) const {
    std::vector<std::string> missing;
    std::vector<backup::RecoveryPoint> there;
    for (const auto& one : known_.points)
      if (one.vault == point.vault) there.push_back(one);
    const bool whole = backup::is_whole(point, there, &missing);
    json::Object row{{"PointId", point.point_id},
                     {"Vault", point.vault},
                     {"Type", word(point.made.type)},
                     {"Taken", to_iso8601(point.made.taken_at)},
                     {"State", word(point.state)},
                     {"Chain", whole             ? "whole, on " + std::to_string(point.made.needs.size()) + " others"
                               : missing.empty() ? std::string("does not count")
                                                 : "lacks " + join(missing, ", ")},
                     {"Proven", level_text(point.proven, point.proven_offsite)},
                     {"ProofId", point.proof_id},
                     {"KeptBecause", join(because, "; ")},
                     {"LegalHold", point.legal_hold}};
    put(row, "LockedUntil", point.locked_until);
    return row;
  }

  void points(const schedule::ZoneRules& zone) {
    std::vector<std::pair<std::string, backup::KeepRules>> vaults{{plan_.spec.vault, plan_.spec.keep}};
    for (const auto& copy : plan_.spec.copies) vaults.emplace_back(copy.vault, copy.keep);
    std::map<std::string, std::vector<std::string>> because;
    for (const auto& [vault, rules] : vaults) {
      std::vector<backup::RecoveryPoint> there;
      for (const auto& point : known_.points)
        if (point.vault == vault) there.push_back(point);
      const auto kept = backup::retain(there, rules, zone, now_);
      for (std::size_t i = 0; i < there.size(); ++i) because[there[i].point_id] = kept[i].because;
    }
    json::Array rows, suspicious;
    for (const auto& point : known_.points) {
      if (rows.size() < kReportPointsMax) rows.push_back(point_row(point, because[point.point_id]));
      else shortened_ = true;
      const bool odd = point.state == PointState::suspect || point.state == PointState::quarantined ||
                       point.state == PointState::damaged;
      const bool accepted = std::ranges::any_of(point.why, [](auto& why) { return why.starts_with("accepted by "); });
      if (odd || accepted)
        suspicious.push_back(json::Object{{"PointId", point.point_id},
                                          {"Taken", to_iso8601(point.made.taken_at)},
                                          {"State", word(point.state)},
                                          {"Why", join(point.why, "; ")}});
    }
    made_["PointsKept"] = known_.points.size();
    if (!known_.points.empty()) made_["NewestPoint"] = to_iso8601(known_.points.front().made.taken_at);
    made_["Points"] = std::move(rows);
    made_["SuspiciousPoints"] = std::move(suspicious);
  }

  Status proofs() {
    json::Array rows;
    std::vector<std::int64_t> times;
    std::size_t passed = 0;
    store::Page page{store::kPageLimitMax, {}};
    for (bool more = true; more;) {
      BELAY_TRY_ASSIGN(const auto some, backups::list_proofs(sql_, {plan_.plan_id, member_.node_id, {}}, page));
      for (const auto& [proof, text, signature] : some.items) {
        if (!in_period(proof.at)) continue;
        if (rows.size() >= kReportProofsMax) {
          shortened_ = true;
          continue;
        }
        passed += proof.passed;
        json::Object row{{"ProofId", proof.proof_id},
                         {"At", to_iso8601(proof.at)},
                         {"PointId", proof.point_id},
                         {"Vault", proof.vault},
                         {"Level", level_text(proof.level, proof.offsite)},
                         {"Wanted", word(proof.wanted)},
                         {"Passed", proof.passed},
                         {"Signed", !signature.empty()},
                         {"Why", proof.why}};
        if (proof.time_to_restore) {
          row["RestoreSeconds"] = seconds(*proof.time_to_restore);
          if (proof.passed) times.push_back(seconds(*proof.time_to_restore));
        }
        rows.push_back(std::move(row));
      }
      page.after = some.next;
      more = !some.next.empty() && some.items.back().proof.at >= request_.from && rows.size() < kReportProofsMax;
    }
    made_["ProofsPassed"] = passed;
    made_["ProofsFailed"] = rows.size() - passed;
    made_["RestoreTimesTrend"] = trend_of(times);
    made_["Proofs"] = std::move(rows);
    return {};
  }

  // Newest first; a job that failed was mended by the first good one of its task after it.
  Status jobs() {
    json::Array failures;
    std::map<backup::Task, const backups::Job*> good;
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> counts;
    std::vector<backups::Job> all;
    store::Page page{store::kPageLimitMax, {}};
    do {
      BELAY_TRY_ASSIGN(auto some, backups::list_jobs(sql_, {plan_.plan_id, member_.node_id, {}, {}}, page));
      std::ranges::move(some.items, std::back_inserter(all));
      page.after = some.next;
    } while (!page.after.empty() && all.back().created_at >= request_.from && all.size() < kReportJobsMax);
    shortened_ = shortened_ || all.size() >= kReportJobsMax;
    for (const auto& job : all) {
      const bool failed = job.state == "Failed" || job.state == "Partial" || job.state == "Expired";
      if (job.state == "Succeeded") good[job.job.task] = &job;
      if (!job.finished_at || !in_period(*job.finished_at) || (!failed && job.state != "Succeeded")) continue;
      auto& [runs, bad] = counts[word(job.job.task)];
      ++runs;
      if (!failed) continue;
      ++bad;
      const auto mended = good.find(job.job.task);
      failures.push_back(
          json::Object{{"JobId", job.job.job_id},
                       {"At", to_iso8601(*job.finished_at)},
                       {"Task", word(job.job.task)},
                       {"State", job.state},
                       {"Why", job.why},
                       {"MendedBy", mended == good.end() ? std::string("not yet")
                                                         : mended->second->job.job_id + " (" + mended->second->reason +
                                                               ", " + to_iso8601(*mended->second->finished_at) + ")"}});
    }
    json::Array rows;
    for (const auto& [task, count] : counts)
      rows.push_back(json::Object{{"Task", task}, {"Runs", count.first}, {"Failed", count.second}});
    made_["Jobs"] = std::move(rows);
    made_["Failures"] = std::move(failures);
    return {};
  }

  // Of the plan's own vault, those that were deleted since, too.
  Status between_points() {
    const backups::PointFilter filter{
        plan_.plan_id, member_.node_id, plan_.spec.vault, {"available", "expiring", "gone"}};
    std::vector<std::int64_t> apart;
    std::optional<Instant> later;
    std::size_t made = 0;
    store::Page page{store::kPageLimitMax, {}};
    for (bool more = true; more && made < kReportJobsMax;) {
      BELAY_TRY_ASSIGN(const auto some, backups::list_points(sql_, filter, page));
      more = !some.next.empty();
      page.after = some.next;
      for (const auto& point : some.items) {
        const Instant at = point.made.taken_at;
        if (at > request_.to) continue;
        if (later && *later >= request_.from) apart.push_back(seconds(*later - at));
        later = at;
        more = more && at >= request_.from;
        made += at >= request_.from;
      }
    }
    made_["PointsMade"] = made;
    if (!apart.empty()) made_["LongestBetweenPointsSeconds"] = *std::ranges::max_element(apart);
    made_["BetweenPointsTrend"] = trend_of(apart);
    return {};
  }

  void watched() {
    json::Array gaps, findings, alarms;
    if (known_.watch && known_.watch->plan_id == plan_.plan_id) {
      for (const auto& gap : known_.watch->log_gaps)
        gaps.push_back(json::Object{{"From", to_iso8601(gap.from)}, {"Until", to_iso8601(gap.until)}});
      for (const auto& finding : known_.watch->findings)
        findings.push_back(json::Object{{"Finding", finding.what}, {"Detail", finding.detail}});
      made_["LookedAt"] = to_iso8601(known_.watch->at);
    }
    for (const auto& [what, alarm] : member_.progress.alarms)
      alarms.push_back(json::Object{{"Alarm", what}, {"Since", to_iso8601(alarm.since)}, {"Why", alarm.why}});
    made_["LogGaps"] = std::move(gaps);
    made_["Findings"] = std::move(findings);
    made_["Alarms"] = std::move(alarms);
  }

  Sql& sql_;
  const backups::Plan& plan_;
  const backups::Member& member_;
  const PlanReportRequest& request_;
  const Instant now_;
  backup::Known known_;
  json::Object made_;
  bool shortened_ = false;
};

std::int64_t median(std::vector<std::int64_t> times) {
  std::ranges::sort(times);
  return times[times.size() / 2];
}

}  // namespace

std::string trend_of(const std::vector<std::int64_t>& times) {
  if (times.size() < 4) return "unknown";
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  const auto newer = median({times.begin(), middle}), older = median({middle, times.end()});
  if (newer * 10 > older * 11) return "longer";
  return newer * 10 < older * 9 ? "shorter" : "steady";
}

Result<json::Object> report_head(Sql& sql, const backups::Plan& plan, const PlanReportRequest& request, Instant now) {
  const auto& spec = plan.spec;
  json::Object head{{"Plan", plan.name},
                    {"PlanId", plan.plan_id},
                    {"State", plan.state},
                    {"Version", plan.version},
                    {"Engine", backup::text_of(spec.source.engine)},
                    {"Targets", texts(spec.targets)},
                    {"From", to_iso8601(request.from)},
                    {"To", to_iso8601(request.to)},
                    {"Made", to_iso8601(now)}};
  head["Schedule"] = json::Object{{"Full", spec.schedule.full},
                                  {"Differential", spec.schedule.differential},
                                  {"Incremental", spec.schedule.incremental},
                                  {"RestoreTests", spec.prove.schedule},
                                  {"TestLevel", word(spec.prove.level)},
                                  {"Timezone", spec.schedule.timezone}};
  json::Array vaults;
  BELAY_TRY_ASSIGN(auto own, vault_row(sql, spec.vault, spec.keep));
  vaults.push_back(std::move(own));
  for (const auto& copy : spec.copies) {
    BELAY_TRY_ASSIGN(auto row, vault_row(sql, copy.vault, copy.keep));
    vaults.push_back(std::move(row));
  }
  head["Vaults"] = std::move(vaults);
  return head;
}

Result<json::Object> report_node(Sql& sql, const backups::Plan& plan, const backups::Member& member,
                                 const schedule::ZoneRules& zone, const PlanReportRequest& request, Instant now) {
  return NodeReport(sql, plan, member, request, now).answer(zone);
}

}  // namespace belay::server
