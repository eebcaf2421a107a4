#pragma once
// What is proven of a point: one answer for all who ask, be it retention, a deletion, the gate or the posture.
//
// A proof stands where it passed and no test of its point failed at the same time or later. A point is proven as high
// as the highest of the proofs that stand, one with an x above one without, of equals the newest: a later and lower
// test takes nothing away, and one that failed takes away all that was proven before it. Restored is what is proven to
// P3 or above. Whether a point can be counted on at all (whole, not dated ahead) is asked apart: ways.hpp.
#include <span>
#include <string_view>
#include <vector>

#include "core/backup/posture.hpp"

namespace belay::backup {

// The test that took the proof away; nullptr where none did. `proofs`: of any points, in any order.
const Proof* failed_since(const Proof& proof, std::span<const Proof> proofs);

// Makes proof_id, proven, proven_offsite and proven_at of the point what `proofs` say (all that are kept of it; of
// others they may be among them): nothing, where none stands. May be repeated.
void take_proofs(RecoveryPoint& point, std::span<const Proof> proofs);

enum class Rank { unproven, proven, restored };
Rank rank_of(const RecoveryPoint& point);

// What its plan would have no more of on its node without this point: "restored" where no other point that counts is,
// else "proven" where no other is proven at all; "" where neither. `all`: of the plan and node, of every vault.
std::string_view last_of(const RecoveryPoint& point, const std::vector<RecoveryPoint>& all, Instant now);

}  // namespace belay::backup
