// Which points and proofs count, how far the logs lead, and which point is drilled next.
#include "core/backup/ways.hpp"

#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"

namespace belay::backup {
namespace {

const Instant kNow = at("2026-11-22T14:03:00Z");

const auto kFull = point_of("rp-F", "2026-11-22T01:00:00Z");
const auto kOne = point_of("rp-1", "2026-11-22T02:00:00Z", {"rp-F"});
const auto kOld = point_of("rp-O", "2026-11-20T01:00:00Z");

struct Row {
  const char* fact;
  std::vector<RecoveryPoint> points;
  std::optional<WatchReport> watch;
  const char* from;
  const char* to;  // "" none
};

TEST(Ways, TheNewestMoment) {
  const LogGap night{at("2026-11-22T03:00:00Z"), at("2026-11-22T04:00:00Z")};
  const LogGap before{at("2026-11-21T03:00:00Z"), at("2026-11-21T04:00:00Z")};
  const LogGap around_full{at("2026-11-22T00:30:00Z"), at("2026-11-22T01:30:00Z")};
  auto told = logs_to("2026-11-22T14:02:00Z");
  told.findings.push_back({"log-gap", "000000010000000000000006 is missing"});
  auto of_another = logs_to("2026-11-22T14:02:00Z");
  of_another.plan_id = "bp-2";
  auto ahead = kOne, recorded_ahead = kOne, fast = kOne;
  ahead.made.taken_at = at("2030-01-01T00:00:00Z");
  recorded_ahead.recorded_at = at("2030-01-01T00:00:00Z");
  fast.made.taken_at = kNow + kMinute;
  auto of_another_node = kOne;
  of_another_node.node_id = "mi-2";
  const auto copy = [](RecoveryPoint point) {
    point.copy_of = point.point_id;
    point.point_id += "-copy";
    return in_vault(point, "s3");
  };
  const Row rows[] = {
      {"nothing", {}, {}, "", ""},
      {"a point", {kOne, kFull}, {}, "rp-1", "2026-11-22T02:00:00Z"},
      {"no logs, no points: logs alone give nothing back", {}, logs_to("2026-11-22T14:02:00Z"), "", ""},
      {"logs from the newest point", {kOne, kFull}, logs_to("2026-11-22T14:02:00Z"), "rp-1", "2026-11-22T14:02:00Z"},
      {"logs that end before it", {kOne, kFull}, logs_to("2026-11-22T01:30:00Z"), "rp-1", "2026-11-22T02:00:00Z"},
      {"a gap ends it", {kOne, kFull}, logs_to("2026-11-22T14:02:00Z", {night}), "rp-1", "2026-11-22T03:00:00Z"},
      {"a gap before the newest point does not",
       {kOne, kFull, kOld},
       logs_to("2026-11-22T14:02:00Z", {before}),
       "rp-1",
       "2026-11-22T14:02:00Z"},
      {"it does where that point does not count",
       {in_state(kOne, PointState::suspect), in_state(kFull, PointState::damaged), kOld},
       logs_to("2026-11-22T14:02:00Z", {before}),
       "rp-O",
       "2026-11-21T03:00:00Z"},
      {"the first of two gaps ends it",
       {kOld},
       logs_to("2026-11-22T14:02:00Z", {before, night}),
       "rp-O",
       "2026-11-21T03:00:00Z"},
      {"in any order", {kOld}, logs_to("2026-11-22T14:02:00Z", {night, before}), "rp-O", "2026-11-21T03:00:00Z"},
      {"a point inside a gap stands alone",
       {kFull},
       logs_to("2026-11-22T14:02:00Z", {around_full}),
       "rp-F",
       "2026-11-22T01:00:00Z"},
      {"one right behind it does not",
       {kOne, kFull},
       logs_to("2026-11-22T14:02:00Z", {around_full}),
       "rp-1",
       "2026-11-22T14:02:00Z"},
      {"a gap that nobody places: no logs", {kOne, kFull}, told, "rp-1", "2026-11-22T02:00:00Z"},
      {"logs in the future: no logs", {kOne, kFull}, logs_to("2026-11-22T15:00:00Z"), "rp-1", "2026-11-22T02:00:00Z"},
      {"a minute is a clock's right, and no more than now",
       {kOne, kFull},
       logs_to("2026-11-22T14:04:00Z"),
       "rp-1",
       "2026-11-22T14:03:00Z"},
      {"another plan's logs", {kOne, kFull}, of_another, "rp-1", "2026-11-22T02:00:00Z"},
      {"logs are in the plan's vault, not with the copies",
       {copy(kFull)},
       logs_to("2026-11-22T14:02:00Z"),
       "rp-F-copy",
       "2026-11-22T01:00:00Z"},
      {"a copy is a way back", {copy(kFull), kOld}, {}, "rp-F-copy", "2026-11-22T01:00:00Z"},
      {"the original goes before it", {copy(kFull), kFull}, {}, "rp-F", "2026-11-22T01:00:00Z"},
      {"broken chains do not count", {kOne, kOld}, {}, "rp-O", "2026-11-20T01:00:00Z"},
      {"nor what is suspect", {in_state(kFull, PointState::suspect), kOld}, {}, "rp-O", "2026-11-20T01:00:00Z"},
      {"nor what is expiring", {in_state(kFull, PointState::expiring), kOld}, {}, "rp-O", "2026-11-20T01:00:00Z"},
      {"nor what is dated in the future", {ahead, kFull}, {}, "rp-F", "2026-11-22T01:00:00Z"},
      {"or recorded there", {recorded_ahead, kFull}, {}, "rp-F", "2026-11-22T01:00:00Z"},
      {"a minute ahead is now", {fast, kFull}, {}, "rp-1", "2026-11-22T14:03:00Z"},
      {"nor another node's", {of_another_node, kOld}, {}, "rp-O", "2026-11-20T01:00:00Z"},
  };
  for (const Row& row : rows) {
    Known known = known_of(row.points);
    known.watch = row.watch;
    const Ways ways(known, kNow);
    EXPECT_EQ(ways.from ? ways.from->point_id : "", row.from) << row.fact;
    EXPECT_EQ(ways.to ? to_iso8601(*ways.to) : "", row.to) << row.fact;
  }
  Known known = known_of({kFull});
  known.watch = logs_to("2026-11-22T14:02:00Z");
  known.plan.source.logs = false;
  EXPECT_EQ(*Ways(known, kNow).to, kFull.made.taken_at) << "a plan that keeps no logs";
}

TEST(Ways, WhichProofsCount) {
  const auto when = "2026-11-22T09:00:00Z";
  const auto good = proof_of("pr-1", kFull, when);
  auto failed = good, ahead = good, another_node = good, later_failed = good, later_passed = good;
  failed.passed = false;
  failed.why = "no rows";
  ahead.at = kNow + kHour;
  another_node.node_id = "mi-2";
  later_failed.proof_id = later_passed.proof_id = "pr-2";
  later_failed.at = later_passed.at = at("2026-11-22T10:00:00Z");
  later_failed.passed = false;
  auto no_level = good;
  no_level.level.reset();
  auto other_point_failed = later_failed;
  other_point_failed.point_id = "rp-O";
  auto earlier_failed = failed;
  earlier_failed.proof_id = "pr-0";
  earlier_failed.at = at("2026-11-22T08:00:00Z");
  const auto copy = in_vault(point_of("rp-C", "2026-11-22T01:00:00Z"), "s3");
  struct ProofRow {
    const char* fact;
    std::vector<RecoveryPoint> points;
    std::vector<Proof> proofs;  // the last one is asked about
    const char* against;
  };
  const ProofRow rows[] = {
      {"passed, and its point is there", {kFull}, {good}, ""},
      {"a later point of the chain does not take it away", {kOne, kFull}, {good}, ""},
      {"nor an older point that is damaged", {kFull, in_state(kOld, PointState::damaged)}, {good}, ""},
      {"did not pass", {kFull}, {failed}, "it did not pass: no rows"},
      {"passed nothing", {kFull}, {no_level}, "it did not pass"},
      {"dated in the future", {kFull}, {ahead}, "it is dated in the future"},
      {"another node's", {kFull}, {another_node}, "it is of another plan or node"},
      {"its point is gone", {kOld}, {good}, "its point rp-F is gone"},
      {"and its record is there", {in_state(kFull, PointState::gone)}, {good}, "its point rp-F is gone"},
      {"its point is damaged", {in_state(kFull, PointState::damaged)}, {good}, "its point rp-F is damaged"},
      {"its point is expiring", {in_state(kFull, PointState::expiring)}, {good}, "its point rp-F is expiring"},
      {"its chain is broken", {kOne}, {proof_of("pr-1", kOne, when)}, "its point rp-1 is not whole any more"},
      {"it is not handed on to a copy", {copy}, {good}, "its point rp-F is gone"},
      {"nor down the chain", {kFull}, {proof_of("pr-1", kOne, when)}, "its point rp-1 is gone"},
      {"a later test of the point failed", {kFull}, {later_failed, good}, "a later test of its point failed"},
      {"a later one passed", {kFull}, {later_passed, good}, ""},
      {"an earlier one failed", {kFull}, {earlier_failed, good}, ""},
      {"a test of another point failed", {kFull, kOld}, {other_point_failed, good}, ""},
  };
  for (const ProofRow& row : rows) {
    const Known known = known_of(row.points, row.proofs);
    EXPECT_EQ(Ways(known, kNow).against(known.proofs.back()), row.against) << row.fact;
  }
}

TEST(Ways, TheNewestProofOfALevel) {
  const auto copy = in_vault(point_of("rp-C", "2026-11-22T01:00:00Z"), "s3");
  auto x = proof_of("x", copy, "2026-11-21T09:00:00Z", ProofLevel::P4);
  x.offsite = true;
  auto near_x = proof_of("near", kFull, "2026-11-22T11:00:00Z", ProofLevel::P4);
  near_x.offsite = true;  // its vault is not offsite (any more)
  Known known = known_of({kFull, copy}, {near_x, proof_of("p3", kFull, "2026-11-22T10:00:00Z", ProofLevel::P3),
                                         proof_of("p5", kFull, "2026-11-22T09:00:00Z", ProofLevel::P5), x});
  const auto newest = [&](ProofLevel level, bool offsite) {
    const Ways ways(known, kNow);
    const auto* found = ways.newest(level, offsite);
    return found ? found->proof_id : "";
  };
  EXPECT_EQ(newest(ProofLevel::P0, false), "near");
  EXPECT_EQ(newest(ProofLevel::P5, false), "p5");
  EXPECT_EQ(newest(ProofLevel::P4, true), "x");
  EXPECT_EQ(newest(ProofLevel::P5, true), "");
  known.vaults.pop_back();  // the plan does not name that vault any more: nobody knows where it is
  EXPECT_EQ(newest(ProofLevel::P4, true), "");
}

TEST(Pick, OneKindAfterTheOther) {
  const auto copy = in_vault(point_of("rp-C", "2026-11-21T01:00:00Z"), "s3");
  const auto old_copy = in_vault(point_of("rp-OC", "2026-11-19T01:00:00Z"), "s3");
  using enum Pick;
  struct PickRow {
    const char* fact;
    std::vector<RecoveryPoint> points;
    std::vector<Pick> pick;
    std::size_t turn;
    std::uint64_t random;
    const char* point;
    Pick picked = newest;
  };
  const std::vector<Pick> all{newest, random, oldest, offsite};
  const std::vector<RecoveryPoint> points{kOne, kFull, copy, kOld, old_copy};
  const PickRow rows[] = {
      {"the newest", points, all, 0, 7, "rp-1", newest},
      {"any", points, all, 1, 7, "rp-F", random},
      {"any other", points, all, 1, 8, "rp-O", random},
      {"the oldest", points, all, 2, 7, "rp-O", oldest},
      {"offsite", points, all, 3, 7, "rp-C", offsite},
      {"from the beginning", points, all, 4, 7, "rp-1", newest},
      {"in odd rounds any offsite", points, all, 7, 7, "rp-OC", offsite},
      {"the plan's order", points, {oldest, newest}, 0, 7, "rp-O", oldest},
      {"no order is the newest", points, {}, 5, 7, "rp-1", newest},
      {"nothing offsite: the next kind has the turn", {kOne, kFull}, all, 3, 7, "rp-1", newest},
      {"nothing near", {copy, old_copy}, all, 2, 7, "rp-OC", oldest},
      {"nothing at all", {}, all, 0, 7, ""},
      {"nothing whole", {kOne}, all, 0, 7, ""},
      {"only offsite asked for, and nothing there", {kFull}, {offsite}, 0, 7, ""},
  };
  for (const PickRow& row : rows) {
    Known known = known_of(row.points);
    known.plan.prove.pick = row.pick;
    Pick picked = newest;
    const auto* point = pick_point(known, row.turn, row.random, &picked);
    EXPECT_EQ(point ? point->point_id : "", row.point) << row.fact;
    if (point) EXPECT_EQ(picked, row.picked) << row.fact;
  }
}

TEST(Pick, InAsManyTurnsAsThereArePicksEachKindIsDrilled) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2'000; ++i) {
    std::vector<RecoveryPoint> points;
    for (std::size_t n = random() % 6; n > 0; --n) {
      auto point = point_of("rp-" + std::to_string(n), "2026-11-1" + std::to_string(n) + "T01:00:00Z");
      if (random() % 3 == 0) point.vault = "s3";
      if (random() % 4 == 0) point.state = static_cast<PointState>(random() % 6);
      points.push_back(point);
    }
    Known known = known_of(points);
    known.plan.prove.pick = {Pick::newest, Pick::random, Pick::oldest, Pick::offsite};
    std::shuffle(known.plan.prove.pick.begin(), known.plan.prove.pick.end(), random);
    known.plan.prove.pick.resize(1 + random() % 4);
    std::set<Pick> drilled;
    const std::size_t first = random() % 100;
    for (std::size_t turn = first; turn < first + known.plan.prove.pick.size(); ++turn) {
      Pick picked = Pick::newest;
      const auto* point = pick_point(known, turn, random(), &picked);
      if (!point) continue;
      drilled.insert(picked);
      ASSERT_TRUE(is_whole(*point, known.points));
      ASSERT_TRUE(picked != Pick::offsite || point->vault == "s3");
    }
    const Ways ways(known, kNow);
    for (const Pick pick : known.plan.prove.pick) {
      const bool exists = std::any_of(ways.points.begin(), ways.points.end(), [&](const auto* point) {
        return pick != Pick::offsite || ways.is_offsite(point->vault);
      });
      ASSERT_EQ(drilled.contains(pick), exists);
    }
  }
}

TEST(Proof, TheBytesThatAreSigned) {
  auto proof = proof_of("pr-1", kFull, "2026-11-22T09:00:00Z");
  proof.job_id = "bj-1";
  proof.offsite = true;
  proof.restored_to = at("2026-11-22T08:59:00Z");
  proof.evidence.push_back({ProofLevel::P4, "pg_amcheck", true, "no \"output\""});
  proof.phases.push_back({"restore", kMinute});
  EXPECT_EQ(canonical_text(proof),
            R"({"proof_id":"pr-1","point_id":"rp-F","plan_id":"bp-1","node_id":"mi-1","vault":"nas","job_id":"bj-1",)"
            R"("level":"P5","wanted":"P5","offsite":true,"passed":true,"at":"2026-11-22T09:00:00Z",)"
            R"("time_to_restore":660000,"restored_to":"2026-11-22T08:59:00Z",)"
            R"("evidence":[{"level":"P4","what":"pg_amcheck","passed":true,"seen":"no \"output\"","looked_at":true}],)"
            R"("phases":[{"name":"restore","took":60000}],"why":""})");
  Proof nothing;
  nothing.proof_id = "pr-2";
  EXPECT_THAT(canonical_text(nothing), testing::Not(testing::HasSubstr("null")));
  EXPECT_NE(canonical_text(nothing), canonical_text(proof));
}

}  // namespace
}  // namespace belay::backup
