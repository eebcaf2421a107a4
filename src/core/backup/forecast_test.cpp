// How long a restore would take, and how many copies there are.
#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"
#include "core/backup/ways.hpp"

namespace belay::backup {
namespace {

const Instant kNow = at("2026-11-22T14:00:00Z");

RecoveryPoint sized(const char* id, const char* taken, std::uint64_t bytes) {
  auto point = point_of(id, taken);
  point.made.bytes_source = bytes;
  return point;
}
Proof timed(const char* id, const RecoveryPoint& point, const char* when, Duration time) {
  auto proof = proof_of(id, point, when);
  proof.time_to_restore = time;
  return proof;
}

struct Row {
  const char* fact;
  Known known;
  std::optional<Duration> time;
  const char* basis;
  Duration not_measured{};
};

TEST(Forecast, FromProofsAndGrowth) {
  const auto now = sized("rp-N", "2026-11-22T01:00:00Z", 140), then = sized("rp-T", "2026-11-20T01:00:00Z", 100),
             earlier = sized("rp-E", "2026-11-19T01:00:00Z", 70), first = sized("rp-1", "2026-11-18T01:00:00Z", 70),
             bare = sized("rp-B", "2026-11-20T02:00:00Z", 0);
  const auto ten = timed("a", then, "2026-11-20T09:00:00Z", 10 * kMinute);
  auto failed = ten, low = ten, no_time = ten, negative = ten;
  failed.passed = false;
  low.level = ProofLevel::P2;
  no_time.time_to_restore.reset();
  negative.time_to_restore = -kMinute;
  const char* nothing = "no restore of a point that is still there had its time measured";
  const Row rows[] = {
      {"nothing measured", known_of({now}), {}, nothing},
      {"one, and the data grew", known_of({now, then}, {ten}), 14 * kMinute, "1 proof, 1.4 times the bytes"},
      {"of the same point", known_of({now}, {timed("a", now, "2026-11-22T09:00:00Z", 10 * kMinute)}), 10 * kMinute,
       "1 proof, 1.0 times the bytes"},
      {"what shrank counts for nothing", known_of({sized("rp-N", "2026-11-22T01:00:00Z", 50), then}, {ten}),
       10 * kMinute, "1 proof, 1.0 times the bytes"},
      {"the size was not known", known_of({now, bare}, {timed("a", bare, "2026-11-20T09:00:00Z", 10 * kMinute)}),
       10 * kMinute, "1 proof, the bytes not known"},
      {"of three the median",
       known_of({now, then, earlier, first}, {ten, timed("b", earlier, "2026-11-19T09:00:00Z", 30 * kMinute),
                                              timed("c", first, "2026-11-18T09:00:00Z", 8 * kMinute)}),
       16 * kMinute, "3 proofs, 1.4 times the bytes"},
      {"the newest where it is longer",
       known_of({now, then, earlier, first}, {timed("a", then, "2026-11-20T09:00:00Z", 50 * kMinute),
                                              timed("b", earlier, "2026-11-19T09:00:00Z", 5 * kMinute),
                                              timed("c", first, "2026-11-18T09:00:00Z", 5 * kMinute)}),
       70 * kMinute, "3 proofs, 1.4 times the bytes"},
      {"the newest three",
       known_of({now, then}, {ten, timed("b", then, "2026-11-20T08:00:00Z", 10 * kMinute),
                              timed("c", then, "2026-11-20T07:00:00Z", 10 * kMinute),
                              timed("d", then, "2026-11-20T06:00:00Z", 90 * kMinute)}),
       14 * kMinute, "3 proofs, 1.4 times the bytes"},
      {"not of a test that failed", known_of({now, then}, {failed}), {}, nothing},
      {"nor where nothing was restored", known_of({now, then}, {low}), {}, nothing},
      {"nor without a time", known_of({now, then}, {no_time, negative}), {}, nothing},
      {"nor of a point nobody knows", known_of({now}, {ten}), {}, nothing},
      {"a damaged point was restored once: the time is right",
       known_of({now, in_state(then, PointState::damaged)}, {ten}), 14 * kMinute, "1 proof, 1.4 times the bytes"},
      {"the vault one would go back by",
       known_of(
           {now, then, in_vault(now, "s3")},
           {timed("x", in_vault(sized("rp-X", "2026-11-22T01:00:00Z", 140), "s3"), "2026-11-22T09:00:00Z", 5 * kHour),
            ten}),
       14 * kMinute, "1 proof, 1.4 times the bytes"},
  };
  for (const Row& row : rows) {
    std::optional<Duration> newest;
    const auto made = forecast(Ways(row.known, kNow), false, &newest);
    EXPECT_EQ(made.time_to_restore, row.time) << row.fact;
    EXPECT_EQ(made.basis, row.basis) << row.fact;
    EXPECT_EQ(newest.has_value(), row.time.has_value()) << row.fact;
  }
}

TEST(Forecast, ReplayOfLogs) {
  const auto point = sized("rp-N", "2026-11-22T10:00:00Z", 100);
  const auto with = [&](Duration recover, Duration replayed) {
    auto proof = timed("a", point, "2026-11-22T11:00:00Z", 10 * kMinute);
    proof.phases = {{"restore", 10 * kMinute - recover}, {"recover", recover}};
    proof.restored_to = point.made.taken_at + replayed;
    auto known = known_of({point}, {proof});
    known.watch = logs_to("2026-11-22T14:00:00Z");  // four hours of them
    return known;
  };
  const auto without_phase = [&] {
    auto known = with(kMinute, kHour);
    known.proofs[0].phases.pop_back();
    return known;
  };
  auto no_logs = with(kMinute, Duration(0));
  no_logs.watch.reset();
  const Row rows[] = {
      {"four times the logs", with(2 * kMinute, kHour), 16 * kMinute,
       "1 proof, 1.0 times the bytes, 4.0 times the logs"},
      {"fewer than in the proof", with(2 * kMinute, 8 * kHour), 10 * kMinute, "1 proof, 1.0 times the bytes"},
      {"a minute of them tells", with(kMinute / 60, kMinute), 9 * kMinute + 59 * kMinute / 60 + 4 * kMinute,
       "1 proof, 1.0 times the bytes, 240.0 times the logs"},
      {"less does not", with(kMinute / 60, kMinute - Duration(1)), 10 * kMinute,
       "1 proof, 1.0 times the bytes, and the replay of 3 h 59 min of logs, which no proof measured",
       4 * kHour - kMinute + Duration(1)},
      {"nor a proof that does not tell how long", without_phase(), 10 * kMinute,
       "1 proof, 1.0 times the bytes, and the replay of 3 h of logs, which no proof measured", 3 * kHour},
      {"no logs", no_logs, 10 * kMinute, "1 proof, 1.0 times the bytes"},
  };
  for (const Row& row : rows) {
    const auto made = forecast(Ways(row.known, kNow), false);
    EXPECT_EQ(made.time_to_restore, row.time) << row.fact;
    EXPECT_EQ(made.basis, row.basis) << row.fact;
    EXPECT_EQ(made.logs_not_measured, row.not_measured) << row.fact;
  }
  auto absurd = with(9 * kMinute, kMinute);
  absurd.proofs[0].time_to_restore = Duration(std::numeric_limits<std::int64_t>::max());
  EXPECT_GT(forecast(Ways(absurd, kNow), false).time_to_restore->count(), 0);
}

struct CopiesRow {
  const char* fact;
  std::vector<VaultSpec> vaults;
  std::uint32_t copies, offsite;
  bool holds;
};

TEST(Copies, ThreeTwoOne) {
  using enum VaultKind;
  auto host_a = vault_of("a", sftp, "", true), host_a_too = vault_of("b", sftp, "", true), host_b = host_a_too;
  host_a.sftp.emplace().host = "a.example";
  host_a_too.sftp = host_a.sftp;
  host_b.sftp.emplace().host = "b.example";
  auto east = vault_of("a", s3, "", true), west = vault_of("b", s3, "", true);
  east.s3.emplace().region = "eu-east";
  west.s3.emplace().region = "eu-west";
  const auto nas = vault_of("nas", mount, "dc1", false), other_nas = vault_of("b", mount, "dc1", false);
  const CopiesRow rows[] = {
      {"the live data alone", {}, 1, 0, false},
      {"one near", {nas}, 2, 0, false},
      {"one near, one offsite", {nas, east}, 3, 1, true},
      {"two near of one site count once", {nas, other_nas}, 2, 0, false},
      {"and with one offsite", {nas, other_nas, vault_of("a", s3, "", true)}, 3, 1, true},
      {"two sites, none offsite", {nas, vault_of("b", mount, "dc2", false)}, 3, 0, false},
      {"one offsite alone", {east}, 2, 1, false},
      {"two offsite", {east, west}, 3, 2, true},
      {"two of one host count once", {host_a, host_a_too}, 2, 1, false},
      {"two hosts", {host_a, host_b}, 3, 2, true},
      {"the node's own disks are where the live data is",
       {vault_of("a", local, "", false), vault_of("b", s3, "", true)},
       2,
       1,
       false},
      {"however they are called", {vault_of("a", local, "", true), vault_of("b", s3, "", false)}, 2, 0, false},
      {"unless they are told to be another domain",
       {vault_of("a", local, "array-3", false), vault_of("b", s3, "", true)},
       3,
       1,
       true},
      {"two mounts without a site may be one",
       {vault_of("a", mount, "", false), vault_of("b", mount, "", false)},
       2,
       0,
       false},
      {"a drive and a tape", {vault_of("a", removable, "", true), vault_of("b", tape, "", false)}, 3, 1, true},
      {"the same vault twice", {nas, nas, east}, 3, 1, true},
      {"one that holds nothing", {nas, vault_of("empty", s3, "", true)}, 2, 0, false},
      {"one whose newest is history", {nas, vault_of("aged", s3, "", true)}, 2, 0, false},
      {"one whose points do not count", {nas, vault_of("suspect", s3, "", true)}, 2, 0, false},
  };
  for (const CopiesRow& row : rows) {
    std::vector<RecoveryPoint> points;
    for (const char* vault : {"nas", "a", "b"})
      points.push_back(in_vault(point_of(std::string("rp-") + vault, "2026-11-22T01:00:00Z"), vault));
    points.push_back(in_vault(point_of("rp-aged", "2026-10-21T13:59:59Z"), "aged"));
    points.push_back(in_state(in_vault(point_of("rp-s", "2026-11-22T01:00:00Z"), "suspect"), PointState::suspect));
    Known known = known_of(points);
    known.vaults = row.vaults;
    const auto rule = copies_rule(Ways(known, kNow));
    EXPECT_EQ(rule.copies, row.copies) << row.fact << ": " << rule.why;
    EXPECT_EQ(rule.sites, row.copies) << row.fact;
    EXPECT_EQ(rule.offsite, row.offsite) << row.fact << ": " << rule.why;
    EXPECT_EQ(rule.holds, row.holds) << row.fact << ": " << rule.why;
  }
}

TEST(Copies, SaysWhichAndWhatIsMissing) {
  Known known =
      known_of({point_of("rp-F", "2026-11-22T01:00:00Z"), in_vault(point_of("rp-C", "2026-11-22T01:00:00Z"), "s3")});
  EXPECT_EQ(copies_rule(Ways(known, kNow)).why, "3 of 3 copies, 1 offsite: the live data, nas, s3 (offsite)");
  known.points.pop_back();
  EXPECT_EQ(copies_rule(Ways(known, kNow)).why,
            "2 of 3 copies, 0 offsite: the live data, nas; give the plan `copies` into a vault that is offsite");
  known.vaults[0] = vault_of("nas", VaultKind::local, "", false);
  EXPECT_THAT(copies_rule(Ways(known, kNow)).why, testing::HasSubstr("nas (on the node's own disks: no copy more)"));
}

}  // namespace
}  // namespace belay::backup
