#include "core/backup/proven.hpp"

#include <algorithm>
#include <tuple>

#include "core/backup/chains.hpp"

namespace belay::backup {

const Proof* failed_since(const Proof& proof, std::span<const Proof> proofs) {
  for (const Proof& other : proofs)
    if (other.point_id == proof.point_id && other.at >= proof.at && !other.passed) return &other;
  return nullptr;
}

void take_proofs(RecoveryPoint& point, std::span<const Proof> proofs) {
  const auto worth = [](const Proof& proof) { return std::tuple(*proof.level, proof.offsite, proof.at); };
  const Proof* best = nullptr;
  for (const Proof& proof : proofs) {
    if (proof.point_id != point.point_id || !proof.passed || !proof.level || failed_since(proof, proofs)) continue;
    if (!best || worth(proof) > worth(*best)) best = &proof;
  }
  point.proof_id.clear();
  point.proven.reset();
  point.proven_at.reset();
  point.proven_offsite = best && best->offsite;
  if (!best) return;
  point.proof_id = best->proof_id;
  point.proven = best->level;
  point.proven_at = best->at;
}

Rank rank_of(const RecoveryPoint& point) {
  if (!point.proven) return Rank::unproven;
  return *point.proven >= ProofLevel::P3 ? Rank::restored : Rank::proven;
}

std::string_view last_of(const RecoveryPoint& point, const std::vector<RecoveryPoint>& all, Instant now) {
  const Chains chains(all);
  const auto none_as_good = [&](Rank rank) {
    return rank_of(point) >= rank && std::none_of(all.begin(), all.end(), [&](const RecoveryPoint& other) {
             return other.point_id != point.point_id && rank_of(other) >= rank && !is_dated_ahead(other, now) &&
                    chains.whole(other);
           });
  };
  if (none_as_good(Rank::restored)) return "restored";
  return none_as_good(Rank::proven) ? "proven" : "";
}

}  // namespace belay::backup
