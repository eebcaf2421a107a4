#include "server/engine/compliance_view.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/engine/evidence.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {

namespace ci = store::compliance_items;
using store::verdicts::Compliance;

constexpr const char* kYes = "COMPLIANT";
constexpr const char* kNo = "NON_COMPLIANT";

std::string level_text(baseline::ComplianceLevel level) {
  return boost::describe::enum_to_string(level, "UNSPECIFIED");
}

// In place of what a reporter may have called so itself.
void add_evidence(ci::Item& item, const std::string& sha256, const std::string& source) {
  if (!sha256.empty()) item.details["EvidenceSha256"] = sha256;
  if (!source.empty()) item.details["EvidenceSource"] = source;
  item.details["ObservedDate"] = to_iso8601(item.execution.executed_at);
}

// Why nothing is known, as an item of its own.
ci::Item unknown_item(const fleet::Problem& problem, const ci::ExecutionSummary& execution) {
  ci::Item item;
  item.item_id = std::string("belay:") + boost::describe::enum_to_string(problem.reason, "other") +
                 (problem.subject.empty() ? "" : ":" + problem.subject);
  item.title = sanitize(problem.detail, 480);
  item.status = kNo;
  item.execution = execution;
  item.details = {{"BelayStatus", "UNKNOWN"}};
  if (!problem.next.empty()) item.details.emplace("Next", problem.next);
  return item;
}

ci::Item patch_item(const baseline::PatchVerdict& verdict, const Judgement& judgement,
                    const ComplianceStanding& standing) {
  ci::Item item;
  item.item_id = baseline::patch_id(verdict);
  item.title = baseline::patch_title(verdict);
  item.severity = level_text(verdict.compliance_level);
  item.status = verdict.compliant ? kYes : kNo;
  item.execution = standing.execution;
  const auto detail = [&](const char* name, std::string value) {
    if (!value.empty()) item.details.emplace(name, std::move(value));
  };
  detail("PatchState", std::string(baseline::api_text(verdict.state)));
  detail("Classification", verdict.classification);
  detail("PatchSeverity", verdict.severity);
  detail("PatchBaselineId", judgement.choice.baseline_id);
  detail("PatchGroup", judgement.choice.patch_group);
  detail("CVEIds", join(verdict.cve_ids, ","));
  detail("DetailedText", verdict.decision.text);
  add_evidence(item, standing.evidence_sha256, standing.source);
  return item;
}

}  // namespace

Result<Duration> read_report_stale_after(store::Sql& sql) {
  BELAY_TRY_ASSIGN(const auto text, store::settings::get(sql, "compliance.stale-after"));
  if (!text) return kReportStaleAfter;
  return parse_duration(*text).within("setting 'compliance.stale-after'");
}

Result<const Judgement*> ComplianceView::judgement_of(const std::string& node_id) {
  if (!judgement_ || judgement_->node_id != node_id) {
    JudgeQuestion question;
    question.node_id = node_id;
    BELAY_TRY_ASSIGN(judgement_, judge_.judge(sql_, question));
  }
  return &*judgement_;
}

Result<ComplianceStanding> ComplianceView::patch(const std::string& node_id) {
  BELAY_TRY_ASSIGN(const auto* judgement, judgement_of(node_id));
  BELAY_TRY_ASSIGN(const auto verdict, store::verdicts::newest(sql_, node_id));
  ComplianceStanding standing;
  standing.type = ci::kPatch;
  standing.compliance = judgement->compliance;
  standing.severity = level_text(judgement->evaluation.severity);
  standing.reasons = judgement->reasons;
  standing.execution.executed_at = judgement->scan ? judgement->scan->observed_at : judgement->judged_at;
  standing.execution.execution_type = "Scan";
  if (judgement->scan) {
    standing.execution.execution_id = judgement->scan->scan_id;
    standing.source = "scan " + judgement->scan->scan_id;
  }
  if (verdict) {
    standing.execution.execution_type = verdict->command_id.empty() ? verdict->operation : "Command";
    if (!verdict->snapshot_id.empty()) standing.execution.execution_id = verdict->snapshot_id;
    else if (!verdict->command_id.empty()) standing.execution.execution_id = verdict->command_id;
    // After a change the judgement is ahead of the newest verdict until rejudge.hpp has appended its own.
    if (io::sha256_hex(evidence_text(*judgement)) == verdict->evidence_hash)
      standing.evidence_sha256 = verdict->evidence_hash;
  }
  if (standing.compliance != Compliance::compliant) {
    BELAY_TRY_ASSIGN(standing.since, store::verdicts::not_compliant_since(sql_, node_id));
  }
  return standing;
}

Result<ComplianceStanding> ComplianceView::reported(const ci::Report& report) {
  if (!stale_after_) {
    BELAY_TRY_ASSIGN(stale_after_, read_report_stale_after(sql_));
  }
  ComplianceStanding standing;
  standing.type = report.compliance_type;
  standing.compliance = report.non_compliant_count > 0 ? Compliance::non_compliant : Compliance::compliant;
  if (!report.severity.empty()) standing.severity = report.severity;
  standing.execution = report.execution;
  standing.evidence_sha256 = report.sha256;
  standing.source = report.reported_by;
  standing.since = report.non_compliant_since;
  const Duration age = now_ - report.execution.executed_at;
  if (age <= *stale_after_) return standing;
  standing.compliance = Compliance::unknown;
  if (!standing.since) standing.since = report.execution.executed_at + *stale_after_;
  standing.reasons.push_back({fleet::Reason::scan_stale, report.compliance_type,
                              "the report is " + humanize(age) + " old; the policy allows " + humanize(*stale_after_),
                              "report again, or change the service setting /belay/compliance/stale-after", true});
  return standing;
}

Result<std::vector<ComplianceStanding>> ComplianceView::standings(const std::string& node_id) {
  std::vector<ComplianceStanding> all;
  BELAY_TRY_ASSIGN(auto patched, patch(node_id));
  all.push_back(std::move(patched));
  BELAY_TRY_ASSIGN(const auto reports, ci::reports_of(sql_, std::span(&node_id, 1)));
  if (const auto own = reports.find(node_id); own != reports.end())
    for (const auto& report : own->second) {
      BELAY_TRY_ASSIGN(auto standing, reported(report));
      all.push_back(std::move(standing));
    }
  return all;
}

Result<std::optional<ComplianceStanding>> ComplianceView::standing(const std::string& node_id,
                                                                   const std::string& type) {
  if (type == ci::kPatch) {
    BELAY_TRY_ASSIGN(auto patched, patch(node_id));
    return std::optional(std::move(patched));
  }
  BELAY_TRY_ASSIGN(const auto report, ci::find(sql_, node_id, type));
  if (!report) return std::optional<ComplianceStanding>();
  BELAY_TRY_ASSIGN(auto standing, reported(*report));
  return std::optional(std::move(standing));
}

Status ComplianceView::count(const std::string& node_id, ComplianceStanding& standing) {
  BELAY_TRY_ASSIGN(const auto all, items(node_id, standing.type));
  for (const auto& item : all)
    ++(item.status == kYes ? standing.compliant_items : standing.non_compliant_items)[item.severity];
  return {};
}

Result<std::vector<ci::Item>> ComplianceView::patch_items(const std::string& node_id) {
  BELAY_TRY_ASSIGN(const auto standing, patch(node_id));
  BELAY_TRY_ASSIGN(const auto* judgement, judgement_of(node_id));
  std::vector<ci::Item> all;
  for (const auto& problem : standing.reasons) all.push_back(unknown_item(problem, standing.execution));
  for (const auto& verdict : judgement->evaluation.verdicts) {
    if (!standing.reasons.empty() && verdict.compliant) continue;
    if (verdict.state == baseline::PatchState::NOT_APPLICABLE) continue;
    all.push_back(patch_item(verdict, *judgement, standing));
  }
  std::ranges::sort(all, {}, &ci::Item::item_id);
  return all;
}

Result<std::vector<ci::Item>> ComplianceView::items(const std::string& node_id, const std::string& type) {
  if (type == ci::kPatch) return patch_items(node_id);
  BELAY_TRY_ASSIGN(const auto standing, this->standing(node_id, type));
  BELAY_TRY_ASSIGN(auto all, ci::items(sql_, node_id, type));
  if (!standing) return all;
  for (auto& item : all) {
    // Each association speaks for itself; of the others the newest report vouches for all that stands.
    add_evidence(item, standing->evidence_sha256,
                 type == ci::kAssociation ? "association " + item.item_id : standing->source);
    if (standing->reasons.empty()) continue;
    if (item.status == kYes) item.status = kNo, item.details["BelayStatus"] = "UNKNOWN";
    item.details["BelayReason"] = standing->reasons.front().detail;
  }
  return all;
}

}  // namespace belay::server
