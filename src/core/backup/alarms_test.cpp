#include "core/backup/alarms.hpp"

#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"

namespace belay::backup {
namespace {
using testing::HasSubstr;

const Instant kNow = at("2026-11-22T14:03:00Z");
const auto kFull = point_of("rp-F", "2026-11-22T02:10:00Z");

std::vector<std::string> told(const std::vector<Notice>& notices) {
  std::vector<std::string> out;
  for (const auto& notice : notices) out.push_back((notice.began ? "+" : "-") + notice.what);
  return out;
}
using Told = std::vector<std::string>;

Troubles standing(const Known& known, Instant joined_at = kNow - kDay) {
  return standing_troubles(known, posture(known, zone("Europe/Berlin"), kNow), joined_at, kNow);
}

TEST(Alarms, NothingIsToldOfWhatIsWell) {
  auto known = known_of({kFull}, {proof_of("pr-1", kFull, "2026-11-22T09:03:00Z")});
  known.plan.objectives = {kDay, kHour};
  EXPECT_TRUE(standing(known).empty());
}

TEST(Alarms, AMissedObjectiveIsTroubleAndOneThatIsNotProvenYetIsNone) {
  auto known = known_of({kFull}, {proof_of("pr-1", kFull, "2026-11-22T09:03:00Z")});
  known.plan.objectives = {2 * kHour, 10 * kMinute};
  const auto troubles = standing(known);
  EXPECT_THAT(troubles.at("rpo").why, HasSubstr("2026-11-22T02:10:00"));
  EXPECT_THAT(troubles.at("rto").why, HasSubstr("takes 11 min"));
  known.proofs.clear();
  EXPECT_FALSE(standing(known).contains("rto"));
}

TEST(Alarms, ANodeWithoutAPointMissesItsRpoFromWhenItCame) {
  auto known = known_of({});
  known.plan.objectives.rpo = 2 * kHour;
  EXPECT_TRUE(standing(known, kNow - kHour).empty());
  EXPECT_THAT(standing(known, kNow - 3 * kHour).at("rpo").why, HasSubstr("nothing can be given back"));
  known.plan.objectives.rpo = Duration();
  EXPECT_TRUE(standing(known, kNow - 3 * kHour).empty());
}

TEST(Alarms, AStandingTroubleIsToldOnceAndItsEndOnce) {
  std::map<std::string, Alarm> alarms;
  const Troubles rpo{{"rpo", {"late", 0}}};
  EXPECT_EQ(told(turn_standing(alarms, rpo, kNow)), Told{"+rpo"});
  for (int minute = 1; minute < 60; ++minute) EXPECT_TRUE(turn_standing(alarms, rpo, kNow + minute * kMinute).empty());
  EXPECT_TRUE(turn_standing(alarms, {{"rpo", {"later still", 0}}}, kNow + kHour).empty()) << "the same trouble";
  const auto over = turn_standing(alarms, {}, kNow + 2 * kHour);
  EXPECT_EQ(told(over), Told{"-rpo"});
  EXPECT_EQ(over[0].since, kNow);
  EXPECT_TRUE(turn_standing(alarms, {}, kNow + 3 * kHour).empty());
}

TEST(Alarms, OneMoreSuspectPointIsNewsAndOneLessIsNot) {
  auto known = known_of({in_state(kFull, PointState::suspect)});
  std::map<std::string, Alarm> alarms;
  EXPECT_EQ(told(turn_standing(alarms, standing(known), kNow)), Told{"+points"});
  for (int i = 0; i < 20; ++i)
    known.points.push_back(in_state(point_of("rp-" + std::to_string(i), "2026-11-21T02:10:00Z"), PointState::damaged));
  const auto more = turn_standing(alarms, standing(known), kNow);
  EXPECT_EQ(told(more), Told{"+points"});
  EXPECT_THAT(more[0].why, HasSubstr("and 16 more"));
  known.points.pop_back();
  EXPECT_TRUE(turn_standing(alarms, standing(known), kNow).empty());
  known.points = {kFull};
  EXPECT_EQ(told(turn_standing(alarms, standing(known), kNow)), Told{"-points"});
}

TEST(Alarms, FindingsOfTheNodeAreOneTroubleEach) {
  auto known = known_of({kFull});
  known.watch = logs_to("2026-11-22T13:02:30Z");
  known.watch->findings = {{"vault-away", "/srv/nas is not mounted"}, {"log-gap", "one"}, {"log-gap", "two"}};
  std::map<std::string, Alarm> alarms;
  EXPECT_EQ(standing(known).at("watch log-gap").why, "one; two");
  EXPECT_EQ(told(turn_standing(alarms, standing(known), kNow)), (Told{"+watch log-gap", "+watch vault-away"}));
  known.watch->findings.resize(1);
  EXPECT_EQ(told(turn_standing(alarms, standing(known), kNow)), Told{"-watch log-gap"});
  known.watch->plan_id = "bp-other";
  EXPECT_TRUE(standing(known).empty());
}

TEST(Alarms, OldSecretsOfAVaultAreToldUntilTheyAreNew) {
  auto known = known_of({kFull});
  known.vaults[1].rotate_within = 90 * kDay;
  known.vaults[1].secrets_at = kNow - 91 * kDay;
  std::map<std::string, Alarm> alarms;
  EXPECT_EQ(told(turn_standing(alarms, standing(known), kNow)), Told{"+watch key-expires s3"});
  known.vaults[1].secrets_at = kNow;
  EXPECT_EQ(told(turn_standing(alarms, standing(known), kNow)), Told{"-watch key-expires s3"});
}

TEST(Alarms, AJobsTroubleEndsByAGoodJobOfItsTaskAlone) {
  std::map<std::string, Alarm> alarms;
  EXPECT_EQ(told(begin_trouble(alarms, "backup", "the vault is full", kNow)), Told{"+backup"});
  EXPECT_TRUE(begin_trouble(alarms, "backup", "again", kNow + kHour).empty());
  EXPECT_EQ(told(begin_trouble(alarms, "start", "missed", kNow)), Told{"+start"});
  EXPECT_TRUE(turn_standing(alarms, {}, kNow).empty()) << "looking at it ends no job's trouble";
  EXPECT_EQ(told(end_trouble(alarms, "proof")), Told{"-start"});
  EXPECT_EQ(told(end_trouble(alarms, "backup")), Told{"-backup"});
  EXPECT_TRUE(alarms.empty());
}

TEST(Alarms, RunsAreCountedByTaskAndNeverBack) {
  std::map<std::string, Tally> tallies;
  count_run(tallies, "backup full", {.state = "Succeeded", .at = kNow - kHour, .took = kMinute, .bytes = 7});
  count_run(tallies, "backup incremental", {.state = "Failed", .at = kNow});
  count_run(tallies, "prove", {.state = "Partial", .at = kNow});
  count_run(tallies, "copy s3", {.state = "Succeeded", .at = kNow});
  const auto& backup = tallies.at("backup");
  EXPECT_EQ((std::pair{backup.runs, backup.failed}), (std::pair<std::uint64_t, std::uint64_t>{2, 1}));
  EXPECT_EQ(backup.last_ok_at, kNow - kHour);
  EXPECT_EQ(backup.state, "Failed");
  EXPECT_EQ(tallies.at("proof").failed, 1u);
  EXPECT_EQ(tallies.at("copy s3").runs, 1u);
}

}  // namespace
}  // namespace belay::backup
