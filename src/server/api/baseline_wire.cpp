#include "server/api/baseline_wire.hpp"

#include "core/baseline/validate.hpp"
#include "server/api/errors.hpp"
#include "server/api/operation.hpp"

namespace belay::server {
namespace {

struct WireFilter {
  baseline::PatchFilterKey Key{};
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(WireFilter, (), (Key, Values))
struct WireFilterGroup {
  std::vector<WireFilter> PatchFilters;
};
BOOST_DESCRIBE_STRUCT(WireFilterGroup, (), (PatchFilters))
struct WireRule {
  WireFilterGroup PatchFilterGroup;
  baseline::ComplianceLevel ComplianceLevel{};
  std::optional<std::int32_t> ApproveAfterDays;
  std::optional<std::string> ApproveUntilDate;
  bool EnableNonSecurity = false;
};
BOOST_DESCRIBE_STRUCT(WireRule, (),
                      (PatchFilterGroup, ComplianceLevel, ApproveAfterDays, ApproveUntilDate, EnableNonSecurity))
struct WireRuleGroup {
  std::vector<WireRule> PatchRules;
};
BOOST_DESCRIBE_STRUCT(WireRuleGroup, (), (PatchRules))
struct WireSource {
  std::string Name;
  std::vector<std::string> Products;
  std::string Configuration;
};
BOOST_DESCRIBE_STRUCT(WireSource, (), (Name, Products, Configuration))

// What Create, Update and BaselineOverride have in common; an absent member is nullopt.
struct WireBaseline {
  std::optional<std::string> Name, Description;
  std::optional<WireFilterGroup> GlobalFilters;
  std::optional<WireRuleGroup> ApprovalRules;
  std::optional<std::vector<std::string>> ApprovedPatches, RejectedPatches;
  std::optional<baseline::ComplianceLevel> ApprovedPatchesComplianceLevel;
  std::optional<bool> ApprovedPatchesEnableNonSecurity;
  std::optional<baseline::RejectedPatchesAction> RejectedPatchesAction;
  std::optional<baseline::AvailableSecurityUpdatesComplianceStatus> AvailableSecurityUpdatesComplianceStatus;
  std::optional<std::vector<WireSource>> Sources;
};
BOOST_DESCRIBE_STRUCT(WireBaseline, (),
                      (Name, Description, GlobalFilters, ApprovalRules, ApprovedPatches, RejectedPatches,
                       ApprovedPatchesComplianceLevel, ApprovedPatchesEnableNonSecurity, RejectedPatchesAction,
                       AvailableSecurityUpdatesComplianceStatus, Sources))

std::vector<baseline::PatchFilter> filters_of(const WireFilterGroup& group) {
  std::vector<baseline::PatchFilter> out;
  for (const auto& filter : group.PatchFilters) out.push_back({filter.Key, filter.Values});
  return out;
}

WireFilterGroup group_of(const std::vector<baseline::PatchFilter>& filters) {
  WireFilterGroup out;
  for (const auto& filter : filters) out.PatchFilters.push_back({filter.key, filter.values});
  return out;
}

std::vector<baseline::PatchRule> rules_of(const WireRuleGroup& group) {
  std::vector<baseline::PatchRule> out;
  for (const auto& rule : group.PatchRules)
    out.push_back({filters_of(rule.PatchFilterGroup), rule.ComplianceLevel, rule.ApproveAfterDays,
                   rule.ApproveUntilDate, rule.EnableNonSecurity});
  return out;
}

WireRuleGroup group_of(const std::vector<baseline::PatchRule>& rules) {
  WireRuleGroup out;
  for (const auto& rule : rules)
    out.PatchRules.push_back({group_of(rule.filters), rule.compliance_level, rule.approve_after_days,
                              rule.approve_until_date, rule.enable_non_security});
  return out;
}

template <typename To, typename From>
void take(To& to, const std::optional<From>& from) {
  if (from) to = *from;
}

}  // namespace

Status lay_over(baseline::PatchBaseline& baseline, const json::Value& request) {
  BELAY_TRY_ASSIGN(const auto wire, json::decode<WireBaseline>(request));
  take(baseline.name, wire.Name);
  take(baseline.description, wire.Description);
  if (wire.GlobalFilters) baseline.global_filters = filters_of(*wire.GlobalFilters);
  if (wire.ApprovalRules) baseline.approval_rules = rules_of(*wire.ApprovalRules);
  take(baseline.approved_patches, wire.ApprovedPatches);
  take(baseline.rejected_patches, wire.RejectedPatches);
  take(baseline.approved_patches_compliance_level, wire.ApprovedPatchesComplianceLevel);
  take(baseline.approved_patches_enable_non_security, wire.ApprovedPatchesEnableNonSecurity);
  take(baseline.rejected_patches_action, wire.RejectedPatchesAction);
  take(baseline.available_security_updates_compliance_status, wire.AvailableSecurityUpdatesComplianceStatus);
  if (wire.Sources) {
    baseline.sources.clear();
    for (const auto& source : *wire.Sources)
      baseline.sources.push_back({source.Name, source.Products, source.Configuration});
  }
  return baseline::check(baseline);
}

json::Object baseline_reply(const baseline::PatchBaseline& baseline) {
  json::Object out{{"BaselineId", baseline.id},
                   {"Name", baseline.name},
                   {"OperatingSystem", fleet::to_text(baseline.operating_system)}};
  out["GlobalFilters"] = json::encode(group_of(baseline.global_filters));
  out["ApprovalRules"] = json::encode(group_of(baseline.approval_rules));
  out["ApprovedPatches"] = json::encode(baseline.approved_patches);
  out["ApprovedPatchesComplianceLevel"] = json::encode(baseline.approved_patches_compliance_level);
  out["ApprovedPatchesEnableNonSecurity"] = baseline.approved_patches_enable_non_security;
  out["RejectedPatches"] = json::encode(baseline.rejected_patches);
  out["RejectedPatchesAction"] = json::encode(baseline.rejected_patches_action);
  json::Array sources;
  for (const auto& source : baseline.sources)
    sources.push_back(json::encode(WireSource{source.name, source.products, source.configuration}));
  out["Sources"] = std::move(sources);
  if (baseline.available_security_updates_compliance_status)
    out["AvailableSecurityUpdatesComplianceStatus"] =
        json::encode(*baseline.available_security_updates_compliance_status);
  put(out, "Description", json::Value(baseline.description));
  put(out, "CreatedDate", epoch(baseline.created_at));
  put(out, "ModifiedDate", epoch(baseline.modified_at));
  return out;
}

Result<baseline::PatchBaseline> content_of(const store::baselines::Version& version) {
  BELAY_TRY_ASSIGN(
      auto content,
      json::decode_text<baseline::PatchBaseline>(version.content).within("baseline " + version.baseline_id));
  content.id = version.baseline_id;
  content.name = version.name;
  content.predefined = version.predefined;
  content.created_at = version.created_at;
  content.modified_at = version.valid_from;
  return content;
}

std::string baseline_id_of(std::string_view id_or_arn) {
  const auto slash = id_or_arn.rfind('/');
  return std::string(slash == std::string_view::npos ? id_or_arn : id_or_arn.substr(slash + 1));
}

}  // namespace belay::server
