#include "core/backup/posture.hpp"

#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"
#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

// 15:03 in Berlin.
const Instant kNow = at("2026-11-22T14:03:00Z");

const auto kFull = point_of("rp-F", "2026-11-22T02:10:00Z");
const auto kOld = point_of("rp-O", "2026-11-20T02:10:00Z");
const auto kCopy = in_vault(point_of("rp-C", "2026-11-22T02:10:00Z"), "s3");

// Its node was just heard of.
Posture of(Known known) {
  if (!known.watch) known.watch.emplace().plan_id = known.plan_id;
  known.watch->at = kNow;
  return posture(known, zone("Europe/Berlin"), kNow);
}

Known with_logs(Known known, std::string_view end = "2026-11-22T13:02:30Z") {
  known.watch = logs_to(end);
  return known;
}
// Its proof replayed an hour of logs.
Proof replaying(Proof proof, const RecoveryPoint& point) {
  proof.restored_to = point.made.taken_at + 12 * kHour;
  proof.phases = {{"restore", 10 * kMinute}, {"recover", kMinute}};
  return proof;
}
Proof of_offsite(Proof proof) {
  proof.offsite = true;
  return proof;
}
Proof failed(Proof proof) {
  proof.passed = false;
  proof.proof_id += "-failed";
  proof.why = "pg_amcheck: index orders_pkey is broken";
  return proof;
}

struct Row {
  const char* fact;
  Known known;
  const char* sentence;
};

TEST(Sentence, OfWhatIsProven) {
  const auto proof = proof_of("pr-1", kFull, "2026-11-22T09:03:00Z");
  const auto near = replaying(proof, kFull);
  auto untimed = proof, quick = proof, slow = proof;
  untimed.time_to_restore.reset();
  quick.time_to_restore = 19'001 * Duration(1);
  slow.time_to_restore = 3 * kHour + 19 * kMinute + Duration(1);
  const auto yesterday = point_of("rp-Y", "2026-11-21T22:59:00Z"), midnight = point_of("rp-M", "2026-11-21T23:00:00Z");
  const Row rows[] = {
      {"as everybody wants to read it", with_logs(known_of({kFull}, {near})),
       "you can get back to 14:02 within 11 minutes, proved 5 hours ago (P5)"},
      {"with the copy offsite",
       with_logs(known_of({kFull, kCopy}, {of_offsite(proof_of("pr-x", kCopy, "2026-11-22T09:03:00Z")), near})),
       "you can get back to 14:02 within 11 minutes, proved 5 hours ago (P5x)"},
      {"a point alone", known_of({kFull}, {proof}),
       "you can get back to 03:10 within 11 minutes, proved 5 hours ago (P5)"},
      {"logs that no proof replayed", with_logs(known_of({kFull}, {proof})),
       "you can get back to 14:02 within 11 minutes and the replay of 10 hours 53 minutes of logs, proved 5 hours ago "
       "(P5)"},
      {"its time not measured", known_of({kFull}, {untimed}), "you can get back to 03:10, proved 5 hours ago (P5)"},
      {"never less than it takes", known_of({kFull}, {quick}),
       "you can get back to 03:10 within 20 seconds, proved 5 hours ago (P5)"},
      {"hours", known_of({kFull}, {slow}),
       "you can get back to 03:10 within 3 hours 20 minutes, proved 5 hours ago (P5)"},
      {"another day has its date", known_of({kOld}, {proof_of("pr-1", kOld, "2026-11-20T09:00:00Z")}),
       "you can get back to 2026-11-20 03:10 within 11 minutes, proved 2 days ago (P5)"},
      {"a minute before midnight", known_of({yesterday}, {proof_of("pr-1", yesterday, "2026-11-22T09:03:00Z")}),
       "you can get back to 2026-11-21 23:59 within 11 minutes, proved 5 hours ago (P5)"},
      {"midnight, of the plan's zone", known_of({midnight}, {proof_of("pr-1", midnight, "2026-11-22T09:03:00Z")}),
       "you can get back to 00:00 within 11 minutes, proved 5 hours ago (P5)"},
      {"just now", known_of({kFull}, {proof_of("pr-1", kFull, "2026-11-22T14:02:30Z")}),
       "you can get back to 03:10 within 11 minutes, proved less than a minute ago (P5)"},
      {"less than the plan wants is told as it is",
       known_of({kFull}, {proof_of("pr-1", kFull, "2026-11-22T13:02:00Z", ProofLevel::P3)}),
       "you can get back to 03:10 within 11 minutes, proved 1 hour ago (P3)"},
      {"a check after the restore does not hide it",
       known_of({kFull}, {proof_of("pr-2", kFull, "2026-11-22T13:02:00Z", ProofLevel::P2), proof}),
       "you can get back to 03:10 within 11 minutes, proved 5 hours ago (P5)"},
      {"another point failed since",
       known_of({kFull, kOld}, {failed(proof_of("pr-2", kOld, "2026-11-22T13:01:00Z")), proof}),
       "you can get back to 03:10 within 11 minutes, proved 5 hours ago (P5); the restore test of 1 hour ago failed"},
  };
  for (const Row& row : rows) EXPECT_EQ(of(row.known).sentence, row.sentence) << row.fact;
}

TEST(Sentence, OfWhatIsNot) {
  const auto proof = proof_of("pr-1", kFull, "2026-11-22T09:03:00Z");
  auto gap = known_of({kFull});
  gap.watch = logs_to("2026-11-22T13:02:30Z", {{at("2026-11-22T06:00:00Z"), at("2026-11-22T07:00:00Z")}});
  const Row rows[] = {
      {"nobody ever restored it", known_of({kFull}), "there is a copy of 03:10, and nobody has ever restored it"},
      {"with logs", with_logs(known_of({kFull})),
       "there is a copy of 03:10 with logs to 14:02, and nobody has ever restored it"},
      {"with logs up to a gap", gap, "there is a copy of 03:10 with logs to 07:00, and nobody has ever restored it"},
      {"another day's", known_of({kOld}), "there is a copy of 2026-11-20 03:10, and nobody has ever restored it"},
      {"checked, and not restored",
       known_of({kFull}, {proof_of("pr-1", kFull, "2026-11-22T09:03:00Z", ProofLevel::P2)}),
       "there is a copy of 03:10, checked 5 hours ago (P2), and nobody has ever restored it"},
      {"what was restored is gone", known_of({kFull}, {proof_of("pr-O", kOld, "2026-11-20T09:03:00Z")}),
       "there is a copy of 03:10, and what was restored 2 days ago cannot be counted on any more"},
      {"and is damaged",
       known_of({kFull, in_state(kOld, PointState::damaged)}, {proof_of("pr-O", kOld, "2026-11-20T09:03:00Z")}),
       "there is a copy of 03:10, and what was restored 2 days ago cannot be counted on any more"},
      {"points remember what the list of proofs does not",
       known_of({kFull, in_state(proven(kOld), PointState::damaged)}),
       "there is a copy of 03:10, and what was restored 2 days ago cannot be counted on any more"},
      {"the test failed", known_of({kFull}, {failed(proof)}),
       "there is a copy of 03:10, and the restore test of 5 hours ago failed"},
      {"nothing there", known_of({}), "there is no copy to get back to: nothing was ever backed up"},
      {"nothing that counts", known_of({in_state(kFull, PointState::suspect), in_state(kOld, PointState::damaged)}),
       "there is no copy to get back to: 2 points, and none that can be counted on"},
      {"proven once, and nothing left", known_of({in_state(kFull, PointState::damaged)}, {proof}),
       "there is no copy to get back to: 1 point, and none that can be counted on"},
  };
  for (const Row& row : rows) EXPECT_EQ(of(row.known).sentence, row.sentence) << row.fact;
}

TEST(Sentence, Spans) {
  struct Span {
    Duration duration;
    const char* most;
    const char* least;
  };
  const Span spans[] = {
      {Duration(-5), "0 seconds", "less than a minute"},
      {Duration(1), "1 second", "less than a minute"},
      {89 * kMinute / 60, "89 seconds", "1 minute"},
      {89 * kMinute / 60 + Duration(1), "2 minutes", "1 minute"},
      {kMinute * 2, "2 minutes", "2 minutes"},
      {kHour - Duration(1), "60 minutes", "59 minutes"},
      {2 * kHour - kMinute, "119 minutes", "1 hour"},
      {2 * kHour, "2 hours", "2 hours"},
      {3 * kHour + kMinute, "3 hours 1 minute", "3 hours"},
      {48 * kHour - kMinute, "47 hours 59 minutes", "47 hours"},
      {48 * kHour + kMinute, "49 hours", "2 days"},
  };
  for (const Span& span : spans) {
    EXPECT_EQ(at_most(span.duration), span.most) << span.duration.count();
    EXPECT_EQ(at_least(span.duration), span.least) << span.duration.count();
  }
}

struct VerdictRow {
  const char* fact;
  Known known;
  std::vector<std::string> reasons;  // parts; none: compliant
};

TEST(Posture, Verdict) {
  const auto proof = proof_of("pr-1", kFull, "2026-11-22T09:03:00Z");
  const auto good = known_of({kFull}, {proof});
  const auto with = [&](auto change, Known known) {
    change(known);
    return known;
  };
  const auto rpo = [&](Duration most) { return with([&](Known& known) { known.plan.objectives.rpo = most; }, good); };
  const auto rto = [&](Duration most, Known known) {
    return with([&](Known& one) { one.plan.objectives.rto = most; }, std::move(known));
  };
  auto grown = kFull;
  grown.made.bytes_source *= 2;
  auto drilled_old = known_of({grown, kOld}, {proof_of("pr-O", kOld, "2026-11-22T09:03:00Z")});
  auto odd = in_state(kOld, PointState::suspect);
  odd.why = {"collapsed-files: 12 files, and 20000 are usual"};
  const auto daily_test = [&](const char* when) {
    auto known = known_of({kFull}, {proof_of("pr-1", kFull, when)});
    known.plan.prove.schedule = "cron(0 4 * * ? *)";  // 03:00 in UTC
    return known;
  };
  const VerdictRow rows[] = {
      {"all is well", good, {}},
      {"RPO met to the millisecond", rpo(11 * kHour + 53 * kMinute), {}},
      {"RPO missed",
       rpo(11 * kHour),
       {"RPO of 11 h missed since 14:10: the newest moment that can be given back is 03:10: `belay backup run "
        "pg-prod`"}},
      {"RTO met", rto(11 * kMinute, good), {}},
      {"RTO missed", rto(10 * kMinute, good), {"RTO of 10 min missed: a restore takes 11 min (1 proof"}},
      {"RTO will be missed",
       rto(20 * kMinute, drilled_old),
       {"RTO of 20 min will be missed: a restore takes 22 min (1 proof, 2.0 times the bytes)"}},
      {"RTO never measured",
       rto(kHour, known_of({kFull})),
       {"RTO of 1 h is not proven: no restore", "no proof of P5 that counts: `belay backup prove pg-prod`"}},
      {"RTO with logs nobody replayed",
       rto(kHour, with_logs(good)),
       {"RTO of 1 h is not proven: a restore takes 11 min (1 proof, 1.0 times the bytes, and the replay of 10 h"}},
      {"nothing there", known_of({}), {"nothing can be given back: `belay backup run pg-prod`", "no proof of P5"}},
      {"proven to less than the plan wants",
       known_of({kFull}, {proof_of("pr-1", kFull, "2026-11-22T09:03:00Z", ProofLevel::P4)}),
       {"no proof of P5 that counts"}},
      {"tests went on", daily_test("2026-11-22T03:05:00Z"), {}},
      {"one was missed, which its own alarm says", daily_test("2026-11-21T03:05:00Z"), {}},
      {"two were due since",
       daily_test("2026-11-20T03:05:00Z"),
       {"the newest proof of P5 is 2 d old, and two tests were due since"}},
      {"the newest test failed",
       known_of({kFull, kOld}, {failed(proof_of("pr-2", kOld, "2026-11-22T13:03:00Z")), proof}),
       {"the restore test of 14:03 failed: pg_amcheck: index orders_pkey is broken"}},
      {"an old failure was mended",
       known_of({kFull, kOld}, {proof, failed(proof_of("pr-2", kOld, "2026-11-21T13:03:00Z"))}),
       {}},
      {"a suspect point",
       known_of({kFull, odd}, {proof}),
       {"point rp-O of 2026-11-20 03:10 in nas is suspect: collapsed-files: 12 files, and 20000 are usual"}},
      {"a damaged one",
       known_of({kFull, in_state(kOld, PointState::damaged)}, {proof}),
       {"rp-O of 2026-11-20 03:10 in nas is damaged"}},
      {"one in quarantine", known_of({kFull, in_state(kOld, PointState::quarantined)}, {proof}), {"is quarantined"}},
      {"one that is expiring is none of anybody's business",
       known_of({kFull, in_state(kOld, PointState::expiring)}, {proof}),
       {}},
      {"a copy that the plan wants",
       with([](Known& known) { known.plan.copies = {{"s3", {}, ""}}; }, good),
       {"no copy that counts is in s3: `belay backup run pg-prod`"}},
      {"a copy with a schedule",
       with([](Known& known) { known.plan.copies = {{"s3", {}, "rate(7 days)"}}; }, good),
       {"no copy that counts is in s3: its next copy is due by rate(7 days)"}},
      {"a copy that is there",
       with([](Known& known) { known.plan.copies = {{"s3", {}, ""}}, known.points.push_back(kCopy); }, good),
       {}},
      {"what the node found",
       with(
           [](Known& known) {
             known.watch = logs_to("2026-11-22T01:00:00Z");
             known.watch->findings = {{"vault-full", "nas has 1 GiB left"}, {"lock-old", "787 h"}};
           },
           good),
       {"vault-full: nas has 1 GiB left", "lock-old: 787 h"}},
      {"what another plan's watch found",
       with(
           [](Known& known) {
             known.watch = WatchReport();
             known.watch->findings = {{"vault-full", ""}};
           },
           good),
       {"its node was not heard of since 03:10"}},
      {"the newest backup failed",
       with(
           [](Known& known) {
             known.backup_trouble = "the newest backup failed: nas is away";
             known.backup_trouble_at = kNow - kHour;
           },
           good),
       {"the newest backup failed: nas is away (14:03): see `belay backup jobs --plan pg-prod`"}},
      {"a damaged point in a vault that the plan left",
       known_of({kFull, in_vault(in_state(kOld, PointState::damaged), "burnt")}, {proof}),
       {}},
  };
  for (const VerdictRow& row : rows) {
    const auto answer = of(row.known);
    std::vector<testing::Matcher<std::string>> parts;
    for (const auto& reason : row.reasons) parts.push_back(testing::HasSubstr(reason));
    EXPECT_THAT(answer.reasons, testing::ElementsAreArray(parts)) << row.fact;
    EXPECT_EQ(answer.verdict, row.reasons.empty() ? Verdict::COMPLIANT : Verdict::NON_COMPLIANT) << row.fact;
  }
}

// What is not known does not hold.
TEST(Posture, OfANodeThatIsSilent) {
  const auto good = known_of({kFull}, {proof_of("pr-1", kFull, "2026-11-22T09:03:00Z")});
  struct Silence {
    const char* fact;
    std::optional<Instant> told;
    Duration later;
    const char* reason;
  };
  const Silence rows[] = {
      {"half an hour ago", kNow - kWatchStaleAfter, {}, ""},
      {"a moment longer", kNow - kWatchStaleAfter - Duration(1), {}, "not heard of since 14:32"},
      {"never, and its point is old", std::nullopt, {}, "not heard of since 03:10"},
      {"never, and its point is fresh", std::nullopt, kFull.recorded_at + kWatchStaleAfter - kNow, ""},
      {"long after its newest job nobody watches", kNow, 36 * kDay, ""},
  };
  for (const auto& row : rows) {
    auto known = good;
    if (row.told) known.watch.emplace().plan_id = known.plan_id, known.watch->at = *row.told;
    std::string found;
    for (const auto& reason : posture(known, zone("Europe/Berlin"), kNow + row.later).reasons)
      if (reason.find("not heard of") != std::string::npos) found = reason;
    if (*row.reason) EXPECT_THAT(found, testing::HasSubstr(row.reason)) << row.fact;
    else EXPECT_EQ(found, "") << row.fact;
  }
}

TEST(Posture, Figures) {
  auto known = with_logs(known_of({kFull, kCopy, in_state(kOld, PointState::suspect)},
                                  {of_offsite(proof_of("pr-x", kCopy, "2026-11-22T10:03:00Z")),
                                   replaying(proof_of("pr-1", kFull, "2026-11-22T09:03:00Z"), kFull)}));
  const auto answer = of(known);
  EXPECT_EQ(answer.plan_id, "bp-1");
  EXPECT_EQ(answer.plan_name, "pg-prod");
  EXPECT_EQ(answer.node_id, "mi-1");
  EXPECT_EQ(answer.recoverable_to, at("2026-11-22T13:02:30Z"));
  EXPECT_EQ(answer.rpo, kHour + kMinute / 2);
  EXPECT_EQ(answer.rto, 11 * kMinute);
  EXPECT_EQ(answer.forecast.basis, "1 proof, 1.0 times the bytes");
  EXPECT_EQ(answer.proven, ProofLevel::P5);
  EXPECT_TRUE(answer.proven_offsite);
  EXPECT_EQ(answer.proof_id, "pr-x");
  EXPECT_EQ(answer.proven_at, at("2026-11-22T10:03:00Z"));
  EXPECT_TRUE(answer.copies.holds);
  EXPECT_EQ(answer.points, 3u);
  EXPECT_EQ(answer.suspect, 1u);
  const auto nothing = of(known_of({}));
  EXPECT_FALSE(nothing.recoverable_to || nothing.rpo || nothing.rto || nothing.proven ||
               nothing.forecast.time_to_restore);
}

TEST(Posture, ManyOddPointsAreToldShortly) {
  std::vector<RecoveryPoint> points{kFull};
  for (int i = 0; i < 500; ++i)
    points.push_back(in_state(point_of("rp-" + std::to_string(i), "2026-11-20T02:10:00Z"), PointState::quarantined));
  const auto answer = of(known_of(points, {proof_of("pr-1", kFull, "2026-11-22T09:03:00Z")}));
  EXPECT_EQ(answer.reasons.size(), 11u);
  EXPECT_EQ(answer.reasons.back(), "and 490 points more like these");
}

}  // namespace
}  // namespace belay::backup
