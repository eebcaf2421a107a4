#include "server/engine/evidence.hpp"

#include "base/json.hpp"
#include "server/engine/judge.hpp"

namespace belay::server {
namespace {
bool plainly_fine(const baseline::PatchVerdict& verdict) {
  const bool installed =
      verdict.state == baseline::PatchState::INSTALLED || verdict.state == baseline::PatchState::INSTALLED_OTHER;
  return installed && verdict.compliant && !verdict.held_back && verdict.blocked_by.empty();
}

// Of these two the sentence tells an age; from when on they hold follows from the scan's time and the policy.
json::Array reasons_of(const Judgement& judgement) {
  json::Array reasons;
  for (auto problem : judgement.reasons) {
    if (problem.reason == fleet::Reason::scan_stale || problem.reason == fleet::Reason::agent_dark)
      problem.detail.clear();
    reasons.push_back(json::encode(problem));
  }
  return reasons;
}
}  // namespace

std::string evidence_text(const Judgement& judgement) {
  json::Array rows;
  for (const auto& verdict : judgement.evaluation.verdicts) {
    if (plainly_fine(verdict)) continue;
    auto row = json::encode(verdict);
    row.as_object().erase("age");  // follows from its date and the verdict's time
    rows.push_back(std::move(row));
  }
  json::Object evidence{
      {"node_id", judgement.node_id},
      {"baseline_id", judgement.choice.baseline_id},
      {"baseline_generation", judgement.baseline_generation},
      {"chosen_by", json::encode(judgement.choice.by)},
      {"patch_group", judgement.choice.patch_group},
      {"rule_version", kRuleVersion},
      {"compliance", json::encode(judgement.compliance)},
      {"reasons", reasons_of(judgement)},
      {"counts", json::encode(judgement.evaluation.counts)},
      {"rows", std::move(rows)},
  };
  if (judgement.scan) {
    evidence["scan_id"] = judgement.scan->scan_id;
    evidence["observed_at"] = json::encode(judgement.scan->observed_at);
    evidence["received_at"] = json::encode(judgement.scan->received_at);
    evidence["package_set"] = judgement.scan->package_set_hash;
    evidence["offer_set"] = judgement.scan->offer_set_hash;
    evidence["held"] = json::encode(judgement.scan->held);
    evidence["scan_problems"] = json::encode(judgement.scan->problems);
  }
  return json::to_canonical_text(evidence);
}

}  // namespace belay::server
