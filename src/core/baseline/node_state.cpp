// What one node knows, laid over what was judged for its set; and what follows from finished verdicts.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/baseline/evaluate.hpp"
#include "core/fleet/version_order.hpp"

namespace belay::baseline {
namespace {

using Names = std::unordered_set<std::string_view>;

const PackageMark* find_mark(const std::vector<PackageMark>& marks, const PatchVerdict& verdict,
                             const std::string& version) {
  const auto mark = std::ranges::find_if(marks, [&](const PackageMark& m) {
    return m.name == verdict.name && (m.arch.empty() || m.arch == verdict.arch) &&
           (m.version.empty() || m.version == version);
  });
  return mark == marks.end() ? nullptr : &*mark;
}

void apply_marks(PatchVerdict& verdict, const NodeState& node, const Names& held) {
  if (!verdict.wanted_version.empty()) {
    if (held.contains(verdict.name)) verdict.blocked_by = "on hold on the node";
    if (const auto* mark = find_mark(node.blocked, verdict, verdict.wanted_version))
      verdict.blocked_by = "needs " + mark->detail + ", which is rejected with BLOCK";
  }
  if (verdict.state == PatchState::MISSING) {
    if (const auto* mark = find_mark(node.failed, verdict, verdict.wanted_version)) {
      verdict.state = PatchState::FAILED;
      verdict.failure = mark->detail;
    }
    return;
  }
  if (verdict.state == PatchState::INSTALLED_REJECTED) return;
  if (find_mark(node.pending_reboot, verdict, verdict.installed_version))
    verdict.state = PatchState::INSTALLED_PENDING_REBOOT;
}

bool is_compliant(const PatchVerdict& verdict, const PatchBaseline& baseline) {
  switch (verdict.state) {
    case PatchState::INSTALLED:
    case PatchState::INSTALLED_OTHER:
    case PatchState::NOT_APPLICABLE: return true;
    case PatchState::AVAILABLE_SECURITY_UPDATE:
      return baseline.available_security_updates_compliance_status !=
             AvailableSecurityUpdatesComplianceStatus::NON_COMPLIANT;
    case PatchState::INSTALLED_PENDING_REBOOT:
    case PatchState::INSTALLED_REJECTED:
    case PatchState::MISSING:
    case PatchState::FAILED: return false;
  }
  return false;
}

std::uint32_t& counter(PatchCounts& counts, PatchState state) {
  switch (state) {
    case PatchState::INSTALLED: return counts.installed;
    case PatchState::INSTALLED_OTHER: return counts.installed_other;
    case PatchState::INSTALLED_PENDING_REBOOT: return counts.installed_pending_reboot;
    case PatchState::INSTALLED_REJECTED: return counts.installed_rejected;
    case PatchState::MISSING: return counts.missing;
    case PatchState::FAILED: return counts.failed;
    case PatchState::NOT_APPLICABLE: return counts.not_applicable;
    case PatchState::AVAILABLE_SECURITY_UPDATE: return counts.available_security_update;
  }
  return counts.installed_other;
}

void count_non_compliant(const PatchVerdict& verdict, PatchCounts& counts) {
  const bool critical = verdict.compliance_level == ComplianceLevel::CRITICAL;
  const bool security = verdict.security;
  counts.critical_non_compliant += critical;
  counts.security_non_compliant += security;
  counts.other_non_compliant += !critical && !security;
}

void summarize(Evaluation& evaluation, const PatchBaseline& baseline) {
  const auto not_applicable = evaluation.counts.not_applicable;
  evaluation.counts = {};
  evaluation.counts.not_applicable = not_applicable;
  evaluation.compliant = true;
  evaluation.severity = ComplianceLevel::UNSPECIFIED;
  for (auto& verdict : evaluation.verdicts) {
    ++counter(evaluation.counts, verdict.state);
    verdict.compliant = is_compliant(verdict, baseline);
    if (verdict.compliant) continue;
    evaluation.compliant = false;
    evaluation.severity = std::max(evaluation.severity, verdict.compliance_level);
    count_non_compliant(verdict, evaluation.counts);
  }
}

}  // namespace

std::string_view api_text(PatchState state) {
  switch (state) {
    case PatchState::INSTALLED: return "Installed";
    case PatchState::INSTALLED_OTHER: return "InstalledOther";
    case PatchState::INSTALLED_PENDING_REBOOT: return "InstalledPendingReboot";
    case PatchState::INSTALLED_REJECTED: return "InstalledRejected";
    case PatchState::MISSING: return "Missing";
    case PatchState::FAILED: return "Failed";
    case PatchState::NOT_APPLICABLE: return "NotApplicable";
    case PatchState::AVAILABLE_SECURITY_UPDATE: return "AvailableSecurityUpdate";
  }
  return "";
}

std::string patch_id(const PatchVerdict& verdict) { return verdict.name + "." + verdict.arch; }

std::string patch_title(const PatchVerdict& verdict) {
  return patch_id(verdict) + ":" +
         (verdict.wanted_version.empty() ? verdict.installed_version : verdict.wanted_version);
}

Evaluation apply_node(Evaluation of_set, const PatchBaseline& baseline, const NodeState& node) {
  const Names held(node.held.begin(), node.held.end());
  for (auto& verdict : of_set.verdicts) apply_marks(verdict, node, held);
  summarize(of_set, baseline);
  return of_set;
}

std::vector<fleet::PackageChange> wanted_changes(const Evaluation& evaluation, const fleet::OfferSet& offers) {
  std::unordered_multimap<std::string_view, const fleet::Offer*> by_name;
  for (const auto& offer : offers.offers) by_name.emplace(offer.name, &offer);
  std::vector<fleet::PackageChange> changes;
  for (const auto& verdict : evaluation.verdicts) {
    if (verdict.wanted_version.empty() || !verdict.blocked_by.empty()) continue;
    fleet::PackageChange change{verdict.name, verdict.arch, verdict.installed_version, verdict.wanted_version, {}, 0};
    const auto [first, last] = by_name.equal_range(verdict.name);
    for (auto it = first; it != last; ++it) {
      const auto& offer = *it->second;
      if (offer.version != verdict.wanted_version || !fleet::can_replace(offer.arch, verdict.arch) ||
          !change.sha256.empty())
        continue;
      change.arch = offer.arch;
      change.sha256 = offer.sha256;
      change.size_bytes = offer.size_bytes;
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace belay::baseline
