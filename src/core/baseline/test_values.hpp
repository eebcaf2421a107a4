#pragma once
// Values that the tests of this folder are written in: one package "pkg", its offers, rules and baselines.
#include <functional>
#include <string>
#include <vector>

#include "core/baseline/evaluate.hpp"

namespace belay::baseline::test {

using fleet::Offer;

inline Instant at(std::string_view text) { return *parse_iso8601(text); }
inline const Instant kNow = at("2026-11-23T18:00:00Z");

inline Offer offer(std::string version, std::string_view date, bool is_security, std::string classification,
                   std::string severity) {
  Offer made;
  made.name = "pkg";
  made.arch = "x86_64";
  made.version = std::move(version);
  made.classification = std::move(classification);
  made.severity = std::move(severity);
  made.security = is_security;
  made.priority = "optional";
  made.section = "non-free/libs";
  if (!date.empty()) made.released_at = at(date);
  return made;
}
inline Offer security(std::string version, std::string_view date = "2026-01-01", std::string severity = "Important") {
  Offer made = offer(std::move(version), date, true, "Security", std::move(severity));
  made.advisory_ids = {"RHSA-2026:0001"};
  made.cve_ids = {"CVE-2026-1234"};
  made.bugzilla_ids = {"998877"};
  return made;
}
inline Offer bugfix(std::string version, std::string_view date = "2026-01-01") {
  return offer(std::move(version), date, false, "Bugfix", "None");
}
inline Offer plain(std::string version, std::string_view date = "2026-01-01") {
  return offer(std::move(version), date, false, "", "");
}
// As apt has it: no notice, no date.
inline Offer deb(std::string version, bool is_security, std::string_view date = "") {
  return offer(std::move(version), date, is_security, "", "");
}

struct RuleOptions {
  std::optional<std::int32_t> days = 0;
  std::optional<std::string> until = {};
  bool non_security = false;
  ComplianceLevel level = ComplianceLevel::UNSPECIFIED;
};
inline PatchRule rule(const RuleOptions& options = {}, std::vector<PatchFilter> filters = {}) {
  return {std::move(filters), options.level, options.until ? std::nullopt : options.days, options.until,
          options.non_security};
}

using Change = std::function<void(PatchBaseline&)>;
inline PatchBaseline baseline(std::vector<PatchRule> rules, const std::vector<Change>& changes = {},
                              OperatingSystem system = OperatingSystem::REDHAT_ENTERPRISE_LINUX) {
  PatchBaseline made;
  made.id = "pb-0123456789abcdef0";
  made.name = "test";
  made.operating_system = system;
  made.approval_rules = std::move(rules);
  for (const auto& change : changes) change(made);
  return made;
}
inline Change approve(std::vector<std::string> entries, bool non_security = false,
                      ComplianceLevel level = ComplianceLevel::UNSPECIFIED) {
  return [=](PatchBaseline& made) {
    made.approved_patches = entries;
    made.approved_patches_enable_non_security = non_security;
    made.approved_patches_compliance_level = level;
  };
}
inline Change reject(std::vector<std::string> entries,
                     RejectedPatchesAction action = RejectedPatchesAction::ALLOW_AS_DEPENDENCY) {
  return [=](PatchBaseline& made) { made.rejected_patches = entries, made.rejected_patches_action = action; };
}
inline Change global(std::vector<PatchFilter> filters) {
  return [=](PatchBaseline& made) { made.global_filters = filters; };
}

// A node with pkg 1.0-1 and nothing else.
inline Evaluation judge(const std::vector<Offer>& offers, const PatchBaseline& by, const NodeState& node = {},
                        const FirstSeen& seen = {}, Instant now = kNow) {
  const fleet::PackageSet set{*fleet::package_format(by.operating_system), {{"pkg", "x86_64", "1.0-1"}}};
  const fleet::OfferSet on_offer{set.format, offers};
  return evaluate({set, on_offer, by, "RedhatEnterpriseLinux9.4", now, seen}, node);
}

}  // namespace belay::baseline::test
