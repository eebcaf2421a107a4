#include "core/baseline/approval.hpp"

namespace belay::baseline {

std::vector<EffectivePatch> effective_patches(const fleet::OfferSet& offers, const PatchBaseline& baseline,
                                              std::string_view product, Instant now, const FirstSeen& first_seen) {
  const Approver approver(baseline, offers.format, product, now);
  std::vector<EffectivePatch> patches;
  for (const auto& offer : offers.offers) {
    const auto date = date_of(offer, first_seen);
    const auto approval = approver.judge(offer, date.known().value_or(now));
    if (!approval.approved && !approval.rejected && approval.by != DecidedBy::delay) continue;
    EffectivePatch patch{offer, DeploymentStatus::PENDING_APPROVAL, approval.level, approval.approved_at,
                         approver.explain(approval, date)};
    if (approval.rejected) patch.status = DeploymentStatus::EXPLICIT_REJECTED;
    else if (approval.explicitly) patch.status = DeploymentStatus::EXPLICIT_APPROVED;
    else if (approval.approved) patch.status = DeploymentStatus::APPROVED;
    patches.push_back(std::move(patch));
  }
  return patches;
}

}  // namespace belay::baseline
