// GetNodeEvidence: the verdict on a node with everything it rests on, now or as of a time.
#include "server/engine/evidence.hpp"

#include <algorithm>

#include "io/crypto.hpp"
#include "server/api/baseline_wire.hpp"
#include "server/api/handlers.hpp"
#include "server/api/judged_reply.hpp"
#include "server/api/reply_parts.hpp"
#include "server/api/shapes/validate.hpp"
#include "store/baselines.hpp"
#include "store/contents.hpp"

namespace belay::server {
namespace {

struct EvidenceRequest {
  std::string InstanceId, BaselineId;
  std::vector<std::string> PackageNames;
  std::vector<baseline::PatchState> States;
};
BOOST_DESCRIBE_STRUCT(EvidenceRequest, (), (InstanceId, BaselineId, PackageNames, States))

json::Object decision_reply(const baseline::Decision& decision) {
  json::Object out{{"By", json::encode(decision.by)}, {"Text", decision.text}};
  if (decision.rule_index >= 0) out["RuleIndex"] = decision.rule_index;
  put(out, "Entry", json::Value(decision.entry));
  return out;
}

json::Object held_back_reply(const baseline::HeldBack& held) {
  json::Object out{{"Version", held.version}, {"Security", held.security}, {"Decision", decision_reply(held.decision)}};
  put(out, "AdvisoryIds", texts_reply(held.advisory_ids));
  put(out, "CVEIds", texts_reply(held.cve_ids));
  put(out, "ReleasedDate", epoch(held.released_at));
  put(out, "FirstSeenDate", epoch(held.first_seen_at));
  put(out, "UntilDate", epoch(held.until));
  return out;
}

json::Object patch_reply(const baseline::PatchVerdict& v) {
  json::Object out{{"Name", v.name},
                   {"Architecture", v.arch},
                   {"InstalledVersion", v.installed_version},
                   {"State", json::encode(v.state)},
                   {"ComplianceLevel", json::encode(v.compliance_level)},
                   {"Compliant", v.compliant},
                   {"Security", v.security},
                   {"Decision", decision_reply(v.decision)}};
  put(out, "WantedVersion", json::Value(v.wanted_version));
  put(out, "Classification", json::Value(v.classification));
  put(out, "Severity", json::Value(v.severity));
  put(out, "AdvisoryIds", texts_reply(v.advisory_ids));
  put(out, "CVEIds", texts_reply(v.cve_ids));
  put(out, "ReleasedDate", epoch(v.released_at));
  put(out, "FirstSeenDate", epoch(v.first_seen_at));
  put(out, "BlockedBy", json::Value(v.blocked_by));
  if (v.age) out["AgeSeconds"] = seconds_of(*v.age);
  if (v.held_back) out["HeldBack"] = held_back_reply(*v.held_back);
  return out;
}

bool wanted(const EvidenceRequest& request, const baseline::PatchVerdict& verdict) {
  const auto holds = [](const auto& list, const auto& value) {
    return list.empty() || std::ranges::find(list, value) != list.end();
  };
  return holds(request.PackageNames, verdict.name) && holds(request.States, verdict.state);
}

// The hash of what is kept for ever and named in the audit log; "" where this judgement was never kept: it is about
// another baseline than the one in force, or newer than the last look at the fleet (rejudge.hpp).
Result<std::string> kept_hash(const Call& call, const Judgement& judgement) {
  const std::string hash = io::sha256_hex(evidence_text(judgement));
  BELAY_TRY_ASSIGN(const auto missing, call.read([&](store::Sql& sql) {
    return store::contents::missing(sql, store::contents::Kind::evidence, std::span(&hash, 1));
  }));
  return missing.empty() ? hash : std::string();
}

Result<json::Object> source_reply(const Call& call, const Judgement& judgement) {
  json::Object out{{"JudgedDate", epoch(judgement.judged_at)}, {"RuleVersion", kRuleVersion}};
  BELAY_TRY_ASSIGN(auto hash, kept_hash(call, judgement));
  put(out, "EvidenceSha256", json::Value(hash));
  if (judgement.baseline_generation != 0) out["BaselineGeneration"] = judgement.baseline_generation;
  if (judgement.scan) {
    out["ScanId"] = judgement.scan->scan_id;
    out["ObservedDate"] = epoch(judgement.scan->observed_at);
    out["PackageSetHash"] = judgement.scan->package_set_hash;
    out["OfferSetHash"] = judgement.scan->offer_set_hash;
    out["Problems"] = problems_reply(judgement.scan->problems);
  }
  return out;
}

// The version of the baseline that was applied; absent where there was none.
Result<std::optional<json::Object>> applied_baseline(const Call& call, const Judgement& judgement) {
  using Answer = Result<std::optional<json::Object>>;
  if (judgement.choice.baseline_id.empty() || judgement.baseline_generation == 0) return std::optional<json::Object>();
  return call.read([&](store::Sql& sql) -> Answer {
    const auto version =
        store::baselines::get_generation(sql, judgement.choice.baseline_id, judgement.baseline_generation);
    if (!version.ok() && version.error().code() == Code::not_found) return std::optional<json::Object>();
    if (!version.ok()) return version.error();
    BELAY_TRY_ASSIGN(const auto content, content_of(*version));
    return std::optional(baseline_reply(content));
  });
}

Result<store::nodes::Node> any_node(const Call& call, const std::string& id) {
  return call.read([&](store::Sql& sql) -> Result<store::nodes::Node> {
    auto node = store::nodes::get(sql, id);
    if (!node.ok() && node.error().code() == Code::not_found)
      return failure("InvalidInstanceId", "there is no node " + id);
    return node;
  });
}

}  // namespace

Result<json::Object> get_node_evidence(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 200, 1'000));
  BELAY_TRY_ASSIGN(const auto request, call.as<EvidenceRequest>());
  BELAY_TRY_ASSIGN(const auto node, any_node(call, request.InstanceId));
  JudgeQuestion question;
  question.node_id = request.InstanceId;
  question.baseline_id = baseline_id_of(request.BaselineId);
  BELAY_TRY_ASSIGN(question.as_of, as_of_in(call));
  BELAY_TRY_ASSIGN(const auto judgement, call.services.judge.judge(question));
  BELAY_TRY_ASSIGN(auto verdict, judged_reply(call, store::nodes::brief_of(node), judgement));
  json::Array patches;
  std::string last, next;
  for (const auto& row : judgement.evaluation.verdicts) {  // sorted by name and architecture
    const std::string key = row.name + '\x1f' + row.arch;
    if ((!page.after.empty() && key <= page.after) || !wanted(request, row)) continue;
    if (patches.size() == page.limit) {
      next = last;
      break;
    }
    patches.push_back(patch_reply(row));
    last = key;
  }
  BELAY_TRY_ASSIGN(auto source, source_reply(call, judgement));
  json::Object reply{{"Verdict", std::move(verdict)}, {"Evidence", std::move(source)}, {"Patches", std::move(patches)}};
  BELAY_TRY_ASSIGN(auto baseline, applied_baseline(call, judgement));
  if (baseline) reply["Baseline"] = std::move(*baseline);
  put_next(reply, call, next);
  return reply;
}

}  // namespace belay::server
