#include "server/api/judged_reply.hpp"

#include "server/api/reply_parts.hpp"
#include "store/baselines.hpp"

namespace belay::server {
namespace {

// "" for a baseline that is none of the store's (an override).
Result<std::string> baseline_name(const Call& call, const std::string& id, std::uint32_t generation) {
  if (id.empty() || generation == 0) return std::string();
  const auto version =
      call.read([&](store::Sql& sql) { return store::baselines::get_generation(sql, id, generation); });
  if (version.ok()) return version->name;
  if (version.error().code() == Code::not_found) return std::string();
  return version.error();
}

}  // namespace

Result<json::Object> judged_reply(const Call& call, const store::nodes::Brief& node, const JudgedCounts& counts) {
  BELAY_TRY_ASSIGN(const auto name, baseline_name(call, counts.choice.baseline_id, counts.baseline_generation));
  json::Object row{{"InstanceId", node.node_id},
                   {"Name", node.name},
                   {"OperatingSystem", node.operating_system},
                   {"Status", compliance_text(counts.compliance)},
                   {"Severity", json::encode(counts.severity)},
                   {"Counts", counts_reply(counts.counts)},
                   {"Reasons", problems_reply(counts.reasons)},
                   {"RebootPending", node.reboot_required || counts.counts.installed_pending_reboot > 0},
                   {"JudgedDate", epoch(call.now)}};
  put(row, "BaselineId", json::Value(counts.choice.baseline_id));
  put(row, "BaselineName", json::Value(name));
  if (counts.baseline_generation != 0) row["BaselineGeneration"] = counts.baseline_generation;
  put(row, "PatchGroup", json::Value(counts.choice.patch_group));
  put(row, "ObservedDate", epoch(counts.observed_at));
  if (counts.observed_at) row["AgeSeconds"] = seconds_of(call.now - *counts.observed_at);
  return row;
}

Result<json::Object> judged_reply(const Call& call, const store::nodes::Brief& node, const Judgement& judgement) {
  JudgedCounts counts;
  counts.node_id = judgement.node_id;
  counts.choice = judgement.choice;
  counts.baseline_generation = judgement.baseline_generation;
  if (judgement.scan) counts.scan_id = judgement.scan->scan_id, counts.observed_at = judgement.scan->observed_at;
  counts.compliance = judgement.compliance;
  counts.reasons = judgement.reasons;
  counts.counts = judgement.evaluation.counts;
  counts.severity = judgement.evaluation.severity;
  BELAY_TRY_ASSIGN(auto row, judged_reply(call, node, counts));
  row["JudgedDate"] = epoch(judgement.judged_at);
  if (judgement.scan_age) row["AgeSeconds"] = seconds_of(*judgement.scan_age);
  return row;
}

}  // namespace belay::server
