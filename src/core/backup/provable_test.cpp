#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"
#include "core/backup/posture.hpp"

namespace belay::backup {
namespace {

const Instant kNow = at("2026-11-22T14:00:00Z");

const auto kFull = point_of("rp-F", "2026-11-22T01:00:00Z");
const auto kOld = point_of("rp-O", "2026-11-15T01:00:00Z");
const auto kCopy = in_vault(point_of("rp-C", "2026-11-22T01:00:00Z"), "s3");

Demand demand_of(ProofLevel level, Duration point_within = 24 * kHour, Duration rto = {}) {
  Demand demand;
  demand.level = level;
  demand.proven_within = 7 * kDay;
  demand.point_within = point_within;
  demand.rto = rto;
  return demand;
}
Demand offsite(Demand demand) {
  demand.offsite = true;
  return demand;
}
Proof of_offsite(Proof proof) {
  proof.offsite = true;
  return proof;
}
Proof taking(Proof proof, Duration time) {
  proof.time_to_restore = time;
  return proof;
}

struct Row {
  const char* fact;
  Known known;
  Demand demand;
  std::vector<std::string> reasons;  // parts of them; none: it holds
  const char* mends = "";            // "b" a backup, "p" a proof
  const char* proof_id = "";
  const char* point_id = "rp-F";
};

void expect(std::span<const Row> rows) {
  for (const Row& row : rows) {
    const Provable answer = provable(row.known, row.demand, kNow);
    std::vector<testing::Matcher<std::string>> parts;
    for (const auto& reason : row.reasons) parts.push_back(testing::HasSubstr(reason));
    EXPECT_THAT(answer.reasons, testing::ElementsAreArray(parts)) << row.fact;
    EXPECT_EQ(answer.holds, row.reasons.empty()) << row.fact;
    EXPECT_EQ(std::string(answer.needs_backup ? "b" : "") + (answer.needs_proof ? "p" : ""), row.mends) << row.fact;
    EXPECT_EQ(answer.proof_id, row.proof_id) << row.fact;
    EXPECT_EQ(answer.point_id, row.point_id) << row.fact;
  }
}

TEST(Provable, PointsAndTheirAge) {
  const auto proof = proof_of("pr-1", kFull, "2026-11-22T09:00:00Z");
  const auto of_old = proof_of("pr-O", kOld, "2026-11-20T09:00:00Z");
  auto with_logs = known_of({kOld}, {of_old}), with_gap = with_logs;
  with_logs.watch = logs_to("2026-11-22T13:59:00Z");
  with_gap.watch = logs_to("2026-11-22T13:59:00Z", {{at("2026-11-19T00:00:00Z"), at("2026-11-19T01:00:00Z")}});
  const auto P4 = demand_of(ProofLevel::P4);
  const Row rows[] = {
      {"all is well", known_of({kFull}, {proof}), P4, {}, "", "pr-1"},
      {"exactly old enough", known_of({kFull}, {proof}), demand_of(ProofLevel::P4, 13 * kHour), {}, "", "pr-1"},
      {"a moment too old",
       known_of({kFull}, {proof}),
       demand_of(ProofLevel::P4, 13 * kHour - Duration(1)),
       {"is 13 h old, and at most 12 h 59 min is allowed: `belay backup run pg-prod`"},
       "b",
       "pr-1"},
      {"logs make an old point young", with_logs, P4, {}, "", "pr-O", "rp-O"},
      {"a gap in them does not",
       with_gap,
       P4,
       {"is 3 d old, and at most 1 d is allowed (logs are missing from there on): `belay backup run pg-prod`"},
       "b",
       "pr-O",
       "rp-O"},
      {"the age not asked for",
       known_of({kOld}, {of_old}),
       demand_of(ProofLevel::P4, Duration(0)),
       {},
       "",
       "pr-O",
       "rp-O"},
      {"no point",
       known_of({}),
       P4,
       {"there is no recovery point: `belay backup run pg-prod`",
        "nothing was ever proven to P4: `belay backup prove pg-prod --level P4`"},
       "bp",
       "",
       ""},
      {"no point that counts",
       known_of({in_state(kFull, PointState::suspect)}),
       demand_of(ProofLevel::P4, Duration(0)),
       {"none of the recovery points can be counted on: `belay backup run pg-prod`", "nothing was ever proven to P4"},
       "bp",
       "",
       ""},
  };
  expect(rows);
}

TEST(Provable, ProofsAndTheirAge) {
  const auto P4 = demand_of(ProofLevel::P4);
  const auto proof = [](const char* when, ProofLevel level = ProofLevel::P5) {
    return proof_of("pr-1", kFull, when, level);
  };
  auto failed = proof("2026-11-22T10:00:00Z");
  failed.passed = false;
  failed.proof_id = "pr-2";
  failed.why = "no room in /var/lib/belay";
  auto reached_less = proof("2026-11-22T10:00:00Z", ProofLevel::P4);  // wanted P5
  reached_less.passed = false;
  reached_less.why = "orders: 12, at least 1000 wanted";
  const Row rows[] = {
      {"exactly young enough", known_of({kFull}, {proof("2026-11-15T14:00:00Z")}), P4, {}, "", "pr-1"},
      {"a moment too old",
       known_of({kFull}, {proof("2026-11-15T13:59:59Z")}),
       P4,
       {"the newest proof of P4 or above is 7 d old, and at most 7 d is allowed: `belay backup prove pg-prod --level "
        "P4`"},
       "p"},
      {"exactly the level", known_of({kFull}, {proof("2026-11-22T09:00:00Z", ProofLevel::P4)}), P4, {}, "", "pr-1"},
      {"a level too low",
       known_of({kFull}, {proof("2026-11-22T09:00:00Z", ProofLevel::P3)}),
       P4,
       {"nothing was ever proven to P4"},
       "p"},
      {"what a test reached before it failed is not proven",
       known_of({kFull}, {reached_less}),
       P4,
       {"no proof of P4 counts: of pr-1, it did not pass: orders: 12, at least 1000 wanted"},
       "p"},
      {"the point is damaged since",
       known_of({kFull, in_state(kOld, PointState::damaged)}, {proof_of("pr-O", kOld, "2026-11-22T09:00:00Z")}),
       P4,
       {"no proof of P4 counts: of pr-O, its point rp-O is damaged"},
       "p"},
      {"the point is gone since",
       known_of({kFull}, {proof_of("pr-O", kOld, "2026-11-22T09:00:00Z")}),
       P4,
       {"its point rp-O is gone"},
       "p"},
      {"an older one that counts is taken",
       known_of({kFull}, {proof_of("pr-O", kOld, "2026-11-22T09:00:00Z"), proof("2026-11-22T03:00:00Z")}),
       P4,
       {},
       "",
       "pr-1"},
      {"its point failed since",
       known_of({kFull}, {failed, proof("2026-11-22T09:00:00Z")}),
       P4,
       {"no proof of P4 counts: of pr-2, it did not pass: no room in /var/lib/belay"},
       "p"},
      {"a proof from the future",
       known_of({kFull}, {proof("2027-11-22T09:00:00Z")}),
       P4,
       {"is dated in the future"},
       "p"},
  };
  expect(rows);
}

TEST(Provable, LevelsOutOfReachAskForSomebody) {
  auto no_checks = known_of({kFull}), files = known_of({kFull}), files_started = known_of({kFull});
  no_checks.plan.prove.checks.clear();
  files.plan.source.engine = files_started.plan.source.engine = EngineName::restic;
  files_started.plan.prove.checks[0] = {};
  files_started.plan.prove.checks[0].command = {"/usr/local/bin/start-it"};
  auto stale = no_checks;
  stale.points = {kOld};
  const Row rows[] = {
      {"P5 without checks",
       no_checks,
       demand_of(ProofLevel::P5),
       {"nothing was ever proven to P5: P5 needs `prove.checks` in plan pg-prod"}},
      {"then a backup that is due does not mend it either",
       stale,
       demand_of(ProofLevel::P5),
       {"is 7 d old", "P5 needs `prove.checks`"},
       "",
       "",
       "rp-O"},
      {"P4 needs none", no_checks, demand_of(ProofLevel::P4), {"--level P4"}, "p"},
      {"files have no service", files, demand_of(ProofLevel::P4), {"restic restores no service: ask for P3"}},
      {"unless a command starts it", files_started, demand_of(ProofLevel::P4), {"--level P5`"}, "p"},
      {"P3 of files", files, demand_of(ProofLevel::P3), {"--level P3`"}, "p"},
  };
  expect(rows);
  EXPECT_EQ(level_to_prove(files.plan, ProofLevel::P4), ProofLevel::P5);
  EXPECT_EQ(level_to_prove(files.plan, ProofLevel::P3), ProofLevel::P3);
  EXPECT_EQ(level_to_prove(no_checks.plan, ProofLevel::P4), ProofLevel::P4);
}

TEST(Provable, Offsite) {
  const auto P4x = offsite(demand_of(ProofLevel::P4));
  const auto x = of_offsite(proof_of("pr-x", kCopy, "2026-11-22T09:00:00Z"));
  auto moved = known_of({kFull, kCopy}, {x}), no_vault = known_of({kFull}), at_once = known_of({kFull}),
       by_schedule = known_of({kFull}), is_offsite = known_of({in_state(kCopy, PointState::damaged)});
  moved.vaults[1].offsite = false;
  moved.vaults.push_back(vault_of("tape", VaultKind::tape, "", true));
  no_vault.vaults.pop_back();
  at_once.plan.copies = {{"s3", {}, ""}};
  by_schedule.plan.copies = {{"s3", {}, "rate(1 day)"}};
  is_offsite.plan.vault = "s3";
  const Row rows[] = {
      {"proven from there", known_of({kFull, kCopy}, {x}), P4x, {}, "", "pr-x"},
      {"proven near",
       known_of({kFull, kCopy}, {proof_of("pr-1", kFull, "2026-11-22T09:00:00Z")}),
       P4x,
       {"nothing was ever proven to P4x: `belay backup prove pg-prod --level P4 --offsite`"},
       "p"},
      {"restored from there with what the node remembered",
       known_of({kFull, kCopy}, {proof_of("pr-1", kCopy, "2026-11-22T09:00:00Z")}),
       P4x,
       {"to P4x"},
       "p"},
      {"the vault is not offsite any more, and there is no point in the one that is",
       moved,
       P4x,
       {"of pr-x, the point is not offsite any more: no point is offsite yet"}},
      {"no vault is offsite", no_vault, P4x, {"plan pg-prod has no offsite vault; add one to its `copies`"}},
      {"a backup would be copied there", at_once, P4x, {"--offsite`"}, "bp"},
      {"a copy is made by its own schedule", by_schedule, P4x, {"copies are made by a schedule of their own"}},
      {"the plan's vault is offsite", is_offsite, P4x, {"none of the recovery points", "--offsite`"}, "bp", "", ""},
  };
  expect(rows);
}

TEST(Provable, TimeToRestore) {
  const auto within = [](Duration rto) { return demand_of(ProofLevel::P4, 24 * kHour, rto); };
  const auto proof = proof_of("pr-1", kFull, "2026-11-22T09:00:00Z", ProofLevel::P4);  // 11 min
  auto untimed = proof;
  untimed.time_to_restore.reset();
  auto checked = proof_of("pr-1", kFull, "2026-11-22T09:00:00Z", ProofLevel::P2);
  auto grown = kFull;
  grown.made.bytes_source *= 2;
  auto with_logs = known_of({kFull}, {proof});
  with_logs.watch = logs_to("2026-11-22T13:59:00Z");
  const Row rows[] = {
      {"fast enough", known_of({kFull}, {proof}), within(11 * kMinute), {}, "", "pr-1"},
      {"too slow: nothing of ours mends that",
       known_of({kFull}, {proof}),
       within(11 * kMinute - Duration(1)),
       {"a restore takes 11 min (1 proof, 1.0 times the bytes), and at most 10 min 59 s is allowed: make the restore"},
       "",
       "pr-1"},
      {"too slow by growth: a new proof tells",
       known_of({grown, kOld}, {proof_of("pr-O", kOld, "2026-11-22T09:00:00Z")}),
       within(20 * kMinute),
       {"a restore takes 22 min (1 proof, 2.0 times the bytes), and at most 20 min is allowed: `belay"},
       "p",
       "pr-O"},
      {"not measured", known_of({kFull}, {untimed}), within(kHour), {"had its time measured"}, "p", "pr-1"},
      {"below P3 nothing is measured",
       known_of({kFull}, {checked}),
       [] {
         auto d = demand_of(ProofLevel::P2);
         d.rto = kHour;
         return d;
       }(),
       {"ask for a proof of P3 or above"},
       "",
       "pr-1"},
      {"logs that no proof replayed: a new point needs none",
       with_logs,
       within(kHour),
       {"and the replay of 12 h 59 min of logs, which no proof measured), and at most 1 h is allowed: `belay backup "
        "run"},
       "b",
       "pr-1"},
      {"not asked for", with_logs, within(Duration(0)), {}, "", "pr-1"},
      {"offsite, from offsite proofs alone",
       known_of({kFull, kCopy},
                {proof, taking(of_offsite(proof_of("pr-x", kCopy, "2026-11-22T08:00:00Z")), 3 * kHour)}),
       offsite(within(kHour)),
       {"a restore takes 3 h"},
       "",
       "pr-x"},
      {"and near ones from those of the vault one would go back by",
       known_of({kFull, kCopy},
                {taking(of_offsite(proof_of("pr-x", kCopy, "2026-11-22T10:00:00Z")), 3 * kHour), proof}),
       within(kHour),
       {},
       "",
       "pr-x"},
  };
  expect(rows);
}

// Of whatever is known: it holds with no reason and falls with one, names a proof only where it meets the demand, and
// asks for nothing that would not help.
TEST(Provable, OfAnythingAtAll) {
  std::mt19937_64 random(7);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  for (int i = 0; i < 10'000; ++i) {
    std::vector<RecoveryPoint> points;
    std::vector<Proof> proofs;
    for (std::uint64_t n = below(4); n > 0; --n) {
      points.push_back(point_of("rp-" + std::to_string(n), "2026-11-2" + std::to_string(below(3)) + "T01:00:00Z"));
      points.back().state = static_cast<PointState>(below(3) ? 0 : below(6));
      if (below(2)) points.back().vault = "s3";
      for (std::uint64_t m = below(3); m > 0; --m) {
        proofs.push_back(proof_of("pr-" + std::to_string(n) + std::to_string(m), points.back(), "2026-11-22T09:00:00Z",
                                  static_cast<ProofLevel>(below(6))));
        proofs.back().at -= kHour * static_cast<int>(below(400));
        proofs.back().passed = below(4) != 0;
        proofs.back().offsite = below(2) != 0;
      }
    }
    Known known = known_of(points, proofs);
    if (below(2)) known.watch = logs_to("2026-11-22T13:00:00Z");
    auto demand = demand_of(static_cast<ProofLevel>(below(6)), kHour * static_cast<int>(below(60)),
                            kMinute * static_cast<int>(below(30)));
    demand.offsite = below(2) != 0;
    const auto answer = provable(known, demand, kNow);
    ASSERT_EQ(answer.holds, answer.reasons.empty());
    ASSERT_LE(answer.reasons.size(), 3u);
    ASSERT_TRUE(!answer.holds || (!answer.needs_backup && !answer.needs_proof));
    ASSERT_TRUE(!answer.holds || (!answer.proof_id.empty() && !answer.point_id.empty()));
    for (const Proof& proof : known.proofs) {
      if (proof.proof_id != answer.proof_id) continue;
      ASSERT_TRUE(proof.passed && *proof.level >= demand.level && (proof.offsite || !demand.offsite));
      ASSERT_LE(kNow - proof.at, demand.proven_within);
    }
    // The same with nothing known of it does not hold.
    known.proofs.clear();
    ASSERT_FALSE(provable(known, demand, kNow).holds);
  }
}

}  // namespace
}  // namespace belay::backup
