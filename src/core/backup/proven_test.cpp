#include "core/backup/proven.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/backup/point_fixture_test.hpp"
#include "core/backup/retention.hpp"
#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

const Instant kNow = at("2026-11-22T12:00:00Z");
const RecoveryPoint kA = point_of("rp-A", "2026-11-20T01:00:00Z");
const RecoveryPoint kB = point_of("rp-B", "2026-11-21T01:00:00Z");

Proof with_x(Proof proof) {
  proof.offsite = true;
  return proof;
}
Proof failed(Proof proof) {
  proof.passed = false;
  return proof;
}

TEST(Proven, TheHighestThatStands) {
  const auto high = proof_of("high", kA, "2026-11-22T01:00:00Z", ProofLevel::P4);
  const auto low = proof_of("low", kA, "2026-11-22T02:00:00Z", ProofLevel::P1);
  const auto same = proof_of("same", kA, "2026-11-22T03:00:00Z", ProofLevel::P4);
  const auto fails = failed(proof_of("fails", kA, "2026-11-22T01:30:00Z", ProofLevel::P2));
  struct Row {
    const char* fact;
    std::vector<Proof> proofs;
    const char* stands;
  };
  const Row rows[] = {
      {"nothing was tested", {}, ""},
      {"one", {high}, "high"},
      {"a later and lower one takes nothing away", {low, high}, "high"},
      {"in any order", {high, low}, "high"},
      {"of equals the newest", {same, high}, "same"},
      {"an x is more", {same, with_x(high)}, "high"},
      {"one that failed takes away what was before it", {fails, high}, ""},
      {"and not what came after it", {low, fails, high}, "low"},
      {"of another point", {proof_of("other", kB, "2026-11-22T01:00:00Z")}, ""},
      {"a failed one of another point", {failed(proof_of("other", kB, "2026-11-22T09:00:00Z")), high}, "high"},
  };
  for (const Row& row : rows) {
    auto point = proven(kA, ProofLevel::P2);  // whatever was noted before
    take_proofs(point, row.proofs);
    EXPECT_EQ(point.proof_id, row.stands) << row.fact;
    EXPECT_EQ(point.proven.has_value(), *row.stands != 0) << row.fact;
    EXPECT_EQ(point.proven_at.has_value(), *row.stands != 0) << row.fact;
  }
}

TEST(Proven, TheLastOne) {
  const auto restored = [](const RecoveryPoint& point) { return proven(point, ProofLevel::P4); };
  const auto looked_at = [](const RecoveryPoint& point) { return proven(point, ProofLevel::P0); };
  struct Row {
    const char* fact;
    RecoveryPoint point, other;
    const char* last_of;
  };
  const Row rows[] = {
      {"of neither anything is known", kA, kB, ""},
      {"restored alone", restored(kA), kB, "restored"},
      {"that an engine said ok of another is no restore", restored(kA), looked_at(kB), "restored"},
      {"another one was restored", restored(kA), restored(kB), ""},
      {"proven alone", looked_at(kA), kB, "proven"},
      {"another one was restored, which is more", looked_at(kA), restored(kB), ""},
      {"the other is damaged", restored(kA), in_state(restored(kB), PointState::damaged), "restored"},
      {"the other lies in another vault", restored(kA), in_vault(restored(kB), "s3"), ""},
      {"the other's chain is broken", restored(kA), restored(point_of("rp-I", "2026-11-21T02:00:00Z", {"rp-X"})),
       "restored"},
      {"the other is dated ahead", restored(kA), restored(point_of("rp-F", "2027-11-21T02:00:00Z")), "restored"},
  };
  for (const Row& row : rows) EXPECT_EQ(last_of(row.point, {row.point, row.other}, kNow), row.last_of) << row.fact;
}

// Whatever tests came in which order: as long as something restored counts, some of it is kept, and deleted by hand
// only where that is asked for. The posture says the same before and after.
TEST(Proven, RetentionNeverLetsGoOfTheLastRestored) {
  std::mt19937_64 random(5);
  const auto below = [&](std::size_t n) { return random() % n; };
  int restored = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::vector<RecoveryPoint> points;
    std::vector<Proof> proofs;
    for (std::size_t i = 0; i < 2 + below(5); ++i)
      points.push_back(point_of("rp-" + std::to_string(i), to_iso8601(at("2026-11-10T01:00:00Z") + kDay * int(i))));
    for (std::size_t i = 0; i < below(9); ++i) {
      auto proof = proof_of("pr-" + std::to_string(i), points[below(points.size())],
                            to_iso8601(at("2026-11-20T01:00:00Z") + kHour * int(i)), static_cast<ProofLevel>(below(6)));
      proof.passed = below(3) != 0;
      proofs.insert(proofs.begin(), std::move(proof));
    }
    for (auto& point : points) take_proofs(point, proofs);
    const auto known = known_of(points, proofs);
    const auto before = Ways(known, kNow).newest(ProofLevel::P3, false);
    auto after = known;
    const auto kept = retain(points, {.last = 1}, zone("UTC"), kNow);
    std::erase_if(after.points, [&](const auto& point) {
      return std::ranges::any_of(kept, [&](const Kept& one) { return one.point_id == point.point_id && !one.keep; });
    });
    const auto* stays = Ways(after, kNow).newest(ProofLevel::P3, false);
    ASSERT_EQ(stays != nullptr, before != nullptr) << round;
    if (!before) continue;
    ++restored;
    const auto counting =
        std::ranges::count_if(points, [&](const auto& point) { return rank_of(point) == Rank::restored; });
    const auto& proven = *std::ranges::find(points, stays->point_id, &RecoveryPoint::point_id);
    EXPECT_EQ(last_of(proven, points, kNow), counting == 1 ? "restored" : "") << round;
  }
  EXPECT_GT(restored, 500);
}

}  // namespace
}  // namespace belay::backup
