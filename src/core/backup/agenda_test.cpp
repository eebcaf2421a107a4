#include "core/backup/agenda.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/json.hpp"
#include "core/schedule/test_zones.hpp"

namespace belay::backup {
namespace {
using namespace std::chrono_literals;
using schedule::at;
using schedule::zone;
using std::chrono::days;
using testing::HasSubstr;

PlanSpec plan_of(std::string full, std::string differential = "", std::string incremental = "") {
  PlanSpec plan;
  plan.schedule.full = std::move(full);
  plan.schedule.differential = std::move(differential);
  plan.schedule.incremental = std::move(incremental);
  return plan;
}

// A node under one plan, in UTC unless said otherwise.
struct Node {
  PlanSpec plan;
  Progress progress{};
  const schedule::ZoneRules& rules = zone("UTC");
  Instant since = at("2026-03-02T00:00:00Z");  // a Monday

  explicit Node(PlanSpec what, const char* zone_name = "UTC") : plan(std::move(what)), rules(zone(zone_name)) {
    progress.node_id = "mi-0123456789abcdef0";
    progress.has_full = true;
  }
  Next ask(std::string_view when) { return next_act(plan, rules, progress, since, at(when)); }
  std::string task(std::string_view when) {
    const auto next = ask(when);
    return next.act == Act::missed ? "missed " + next.why : task_text(next);
  }
  void run(std::string_view task, std::string_view begin, std::string_view end, bool ok = true) {
    job_begun(progress, "bj-1", task, at(begin));
    job_ended(plan, progress, ok, at(end));
  }
};

constexpr const char* kDailyAt1 = "cron(0 1 * * ? *)";

TEST(Agenda, BeginsWhenItIsDueAndOnce) {
  Node node(plan_of(kDailyAt1));
  const auto before = node.ask("2026-03-02T00:59:59Z");
  EXPECT_EQ(before.act, Act::nothing);
  EXPECT_EQ(before.look_at, at("2026-03-02T01:00:00Z"));
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup full");
  const auto after = node.ask("2026-03-02T01:00:01Z");
  EXPECT_EQ(after.act, Act::nothing);
  EXPECT_EQ(after.look_at, at("2026-03-03T01:00:00Z"));
}

TEST(Agenda, OccurrencesBeforeItJoinedCountAsSeen) {
  Node node(plan_of(kDailyAt1));
  node.since = at("2026-03-02T01:00:01Z");
  EXPECT_EQ(node.task("2026-03-02T01:10:00Z"), "");
  EXPECT_EQ(node.task("2026-03-03T01:10:00Z"), "backup full");
}

TEST(Agenda, TheHeaviestStandsForTheOthers) {
  Node node(plan_of("cron(0 1 ? * SUN *)", "cron(0 1 ? * MON-SAT *)", "rate(1 hour)"));
  EXPECT_EQ(node.task("2026-03-02T00:00:00Z"), "backup incremental") << "a rate begins where the plan does";
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup differential");
  EXPECT_EQ(node.task("2026-03-02T01:30:00Z"), "") << "the incremental of 01:00 is in it";
  node.progress.incremental_due_seen = at("2026-03-08T00:00:00Z");
  node.progress.differential_due_seen = at("2026-03-07T01:00:00Z");
  EXPECT_EQ(node.task("2026-03-08T01:00:00Z"), "backup full");
  EXPECT_EQ(node.task("2026-03-08T01:00:01Z"), "");
}

TEST(Agenda, WithoutAFullAnythingIsOne) {
  Node node(plan_of("cron(0 1 ? * SUN *)", "", "rate(1 hour)"));
  node.progress.has_full = false;
  EXPECT_EQ(node.task("2026-03-02T00:00:00Z"), "backup full");
  node.run("backup full", "2026-03-02T00:00:00Z", "2026-03-02T00:10:00Z");
  EXPECT_TRUE(node.progress.has_full);
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup incremental");
}

TEST(Agenda, WhatWasMissedIsToldOnce) {
  Node node(plan_of(kDailyAt1));
  EXPECT_EQ(node.task("2026-03-02T02:00:00Z"), "backup full") << "an hour later is in time";
  EXPECT_EQ(node.task("2026-03-03T02:00:01Z"),
            "missed the full backup that was due at 2026-03-03T01:00:00+00:00: not begun within 1 h");
  EXPECT_EQ(node.task("2026-03-03T02:00:01Z"), "");
  EXPECT_EQ(node.task("2026-03-04T01:00:00Z"), "backup full") << "the next one counts";
}

TEST(Agenda, WhatPiledUpIsToldTogetherAndTheNewestRuns) {
  Node node(plan_of("cron(0 1 ? * SUN *)", "", "rate(1 hour)"));
  node.progress.incremental_due_seen = at("2026-03-02T00:00:00Z");
  EXPECT_EQ(node.task("2026-03-02T10:05:00Z"),
            "missed 9 times the incremental backup, due from 2026-03-02T01:00:00+00:00 to 2026-03-02T09:00:00+00:00: "
            "not begun within 1 h");
  EXPECT_EQ(node.task("2026-03-02T10:05:00Z"), "backup incremental");
  EXPECT_EQ(node.task("2026-03-02T10:05:00Z"), "");
}

TEST(Agenda, AJobThatIsUnderWayHoldsEverything) {
  Node node(plan_of(kDailyAt1, "", "rate(1 hour)"));
  job_begun(node.progress, "bj-1", "backup full", at("2026-03-02T01:00:00Z"));
  const auto before = json::encode_text(node.progress);
  for (const char* when : {"2026-03-02T01:00:00Z", "2026-03-02T05:00:00Z", "2026-03-09T05:00:00Z"})
    EXPECT_EQ(node.ask(when).act, Act::nothing);
  EXPECT_EQ(json::encode_text(node.progress), before);
}

TEST(Agenda, ALongJobMakesNothingMiss) {
  auto plan = plan_of("cron(0 1 ? * MON *)", "", "rate(1 hour)");
  plan.prove.schedule = "cron(0 4 * * ? *)";
  Node node(plan);
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:00:00Z", "2026-03-02T09:30:00Z");
  EXPECT_EQ(node.task("2026-03-02T09:30:00Z"), "backup incremental") << "one for all that came due meanwhile";
  node.run("backup incremental", "2026-03-02T09:30:00Z", "2026-03-02T09:35:00Z");
  EXPECT_EQ(node.task("2026-03-02T09:35:00Z"), "prove") << "it was due at 4, while the node was at work";
  EXPECT_EQ(node.task("2026-03-02T09:36:00Z"), "");
}

TEST(Agenda, TheTimeRunsAgainAfterTheJob) {
  auto plan = plan_of("cron(0 1 ? * MON *)");
  plan.prove.schedule = "cron(0 4 * * ? *)";
  Node node(plan);
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:00:00Z", "2026-03-02T06:00:00Z");
  EXPECT_THAT(node.task("2026-03-02T07:00:01Z"), HasSubstr("missed the restore test that was due at 2026-03-02T04:00"));
}

TEST(Agenda, FailuresAreTriedAgainAndNoMoreThanSaid) {
  Node node(plan_of(kDailyAt1));
  node.plan.limits.retries = 2;
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:00:00Z", "2026-03-02T01:01:00Z", false);
  const auto waits = node.ask("2026-03-02T01:05:59Z");
  EXPECT_EQ(waits.act, Act::nothing);
  EXPECT_EQ(waits.look_at, at("2026-03-02T01:06:00Z"));
  EXPECT_EQ(node.task("2026-03-02T01:06:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:06:00Z", "2026-03-02T01:07:00Z", false);
  EXPECT_EQ(node.progress.failures, 2u);
  EXPECT_EQ(node.task("2026-03-02T01:12:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:12:00Z", "2026-03-02T01:13:00Z", false);
  EXPECT_EQ(node.progress.failures, 3u);
  const auto given_up = node.ask("2026-03-02T12:00:00Z");
  EXPECT_EQ(given_up.act, Act::nothing);
  EXPECT_EQ(given_up.look_at, at("2026-03-03T01:00:00Z"));
  EXPECT_EQ(node.task("2026-03-03T01:00:00Z"), "backup full");
  node.run("backup full", "2026-03-03T01:00:00Z", "2026-03-03T01:01:00Z", false);
  EXPECT_EQ(node.progress.failures, 1u) << "a new occurrence has its own tries";
  EXPECT_TRUE(node.progress.retry_at);
}

TEST(Agenda, WhyTheNewestBackupIsNotThereIsKeptUntilOneIs) {
  auto plan = plan_of(kDailyAt1);
  plan.limits.retries = 1;
  plan.copies.push_back({"s3", {}, "rate(6 hours)"});
  Node node(plan);
  const auto ends = [&](std::string_view task, bool ok, std::string_view when) {
    job_begun(node.progress, "bj-1", task, at(when));
    job_ended(node.plan, node.progress, ok, at(when), "nas is away");
  };
  ends("backup full", false, "2026-03-02T01:00:00Z");
  EXPECT_EQ(node.progress.backup_trouble, "") << "it is tried again";
  ends("copy s3", false, "2026-03-02T01:10:00Z");
  ends("prove", true, "2026-03-02T01:20:00Z");
  EXPECT_EQ(node.progress.backup_trouble, "") << "these are no backups";
  ends("backup full", false, "2026-03-02T01:30:00Z");
  EXPECT_EQ(node.progress.backup_trouble, "the newest backup failed: nas is away");
  EXPECT_EQ(node.progress.backup_trouble_at, at("2026-03-02T01:30:00Z"));
  ends("prove", true, "2026-03-02T02:00:00Z");
  EXPECT_NE(node.progress.backup_trouble, "") << "an older point that comes back is no backup";
  ends("backup full", true, "2026-03-02T03:00:00Z");
  EXPECT_EQ(node.progress.backup_trouble, "");
  EXPECT_FALSE(node.progress.backup_trouble_at);
  EXPECT_EQ(node.progress.backups_failed, 0u);
}

// Where backups are due more often than they are tried again each begins its own row of tries.
TEST(Agenda, ABackupThatIsDueOftenAndAlwaysFailsIsTroubleToo) {
  auto plan = plan_of("", "", "rate(1 minute)");
  plan.limits.retry_after = 10min;
  Node node(plan);
  for (int i = 1; i <= 3; ++i) {
    const auto now = node.since + i * 60s;
    ASSERT_EQ(next_act(node.plan, node.rules, node.progress, node.since, now).act, Act::back_up) << i;
    job_begun(node.progress, "bj-1", "backup incremental", now);
    job_ended(node.plan, node.progress, false, now, "nas is away");
  }
  EXPECT_THAT(node.progress.backup_trouble, HasSubstr("nas is away"));
}

TEST(Agenda, AMissedBackupIsTroubleAndAMissedTestIsNot) {
  auto plan = plan_of(kDailyAt1);
  plan.prove.schedule = "cron(0 5 * * ? *)";
  Node node(plan);
  node.progress.full_due_seen = at("2026-03-02T01:00:00Z");
  EXPECT_EQ(node.ask("2026-03-02T08:00:00Z").act, Act::missed);
  EXPECT_EQ(node.progress.backup_trouble, "") << "the restore test";
  EXPECT_EQ(node.ask("2026-03-03T03:00:00Z").act, Act::missed);
  EXPECT_THAT(node.progress.backup_trouble, HasSubstr("missed: the full backup that was due at 2026-03-03T01:00:00"));
}

TEST(Agenda, ARetryOfAFullIsNoIncremental) {
  Node node(plan_of("cron(0 1 ? * MON *)", "", "cron(3 1 * * ? *)"));
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:00:00Z", "2026-03-02T01:01:00Z", false);
  EXPECT_EQ(node.task("2026-03-02T01:03:00Z"), "backup full") << "what is due meanwhile does not make it less";
}

TEST(Agenda, ABackupThatFailedComesBeforeProofs) {
  auto plan = plan_of(kDailyAt1);
  plan.prove.schedule = "cron(2 1 * * ? *)";
  Node node(plan);
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:00:00Z", "2026-03-02T01:01:00Z", false);
  EXPECT_EQ(node.task("2026-03-02T01:02:00Z"), "");
  EXPECT_EQ(node.task("2026-03-02T01:06:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:06:00Z", "2026-03-02T01:07:00Z", true);
  EXPECT_EQ(node.progress.failures, 0u);
  EXPECT_EQ(node.task("2026-03-02T01:07:00Z"), "prove");
  node.run("prove", "2026-03-02T01:07:00Z", "2026-03-02T01:08:00Z", false);
  EXPECT_EQ(node.progress.proofs, 1u);
  EXPECT_EQ(node.task("2026-03-02T01:13:00Z"), "prove") << "tried again";
  EXPECT_EQ(node.task("2026-03-02T01:14:00Z"), "");
}

TEST(Agenda, CopiesFollowTheBackupOrTheirOwnSchedule) {
  auto plan = plan_of(kDailyAt1);
  plan.copies = {{"near", {}, ""}, {"far", {}, "cron(0 6 ? * MON *)"}};
  Node node(plan);
  EXPECT_EQ(node.task("2026-03-02T01:00:00Z"), "backup full");
  node.run("backup full", "2026-03-02T01:00:00Z", "2026-03-02T01:30:00Z");
  EXPECT_EQ(node.task("2026-03-02T01:30:00Z"), "copy near");
  node.run("copy near", "2026-03-02T01:30:00Z", "2026-03-02T01:40:00Z", false);
  EXPECT_EQ(node.task("2026-03-02T01:45:00Z"), "copy near");
  node.run("copy near", "2026-03-02T01:45:00Z", "2026-03-02T01:46:00Z");
  EXPECT_EQ(node.task("2026-03-02T01:46:00Z"), "");
  EXPECT_EQ(node.task("2026-03-02T06:00:00Z"), "copy far");
  EXPECT_EQ(node.task("2026-03-02T06:00:01Z"), "");
  node.run("backup full", "2026-03-02T07:00:00Z", "2026-03-02T07:01:00Z");
  node.plan.copies.clear();
  EXPECT_EQ(node.task("2026-03-02T07:02:00Z"), "") << "the plan was changed";
}

TEST(Agenda, AClockThatWasAheadDoesNotEndTheBackups) {
  Node node(plan_of(kDailyAt1));
  EXPECT_THAT(node.task("2030-01-01T12:00:00Z"), HasSubstr("missed"));
  EXPECT_EQ(node.task("2026-03-03T00:30:00Z"), "");
  EXPECT_EQ(node.task("2026-03-03T01:00:00Z"), "backup full");
  EXPECT_EQ(node.task("2026-03-03T00:59:59Z"), "") << "a second back does not make it due again";
  EXPECT_EQ(node.task("2026-03-03T01:00:00Z"), "");
}

TEST(Agenda, NightsInWhichTheClocksChange) {
  Node node(plan_of("cron(30 2 * * ? *)"), "Europe/Berlin");
  node.progress.full_due_seen = at("2026-03-27T01:30:00Z");
  EXPECT_EQ(node.task("2026-03-28T01:30:00Z"), "backup full");
  EXPECT_EQ(node.ask("2026-03-28T01:30:01Z").look_at, at("2026-03-30T00:30:00Z"))
      << "on the 29th 02:30 is not on the clock";
  EXPECT_EQ(node.task("2026-03-29T23:00:00Z"), "");
  EXPECT_EQ(node.task("2026-03-30T00:30:00Z"), "backup full");
  node.progress.full_due_seen = at("2026-10-24T00:30:00Z");
  EXPECT_EQ(node.task("2026-10-25T00:30:00Z"), "backup full") << "02:30 for the first time";
  EXPECT_EQ(node.task("2026-10-25T01:30:00Z"), "") << "and for the second";
  Node hourly(plan_of("rate(1 hour)"), "Europe/Berlin");
  hourly.progress.full_due_seen = at("2026-10-25T00:00:00Z");
  EXPECT_EQ(hourly.task("2026-10-25T01:00:00Z"), "backup full") << "a rate counts elapsed time";
}

TEST(Agenda, JitterIsTheNodesOwnAndStaysTheSame) {
  auto plan = plan_of(kDailyAt1);
  plan.schedule.jitter = 1h;
  std::vector<Duration> shifts;
  for (int i = 0; i < 200; ++i) {
    Node node(plan);
    node.progress.node_id = "mi-0000000000000" + std::to_string(1000 + i);
    const auto first = *node.ask("2026-03-02T00:00:00Z").look_at;
    const auto shift = first - at("2026-03-02T01:00:00Z");
    EXPECT_GE(shift, 0s);
    EXPECT_LT(shift, 1h);
    EXPECT_EQ(node.ask(to_iso8601(first - 1ms)).act, Act::nothing);
    EXPECT_EQ(node.ask(to_iso8601(first)).act, Act::back_up);
    EXPECT_EQ(node.ask(to_iso8601(first + 1ms)).look_at, first + days(1));
    shifts.push_back(shift);
  }
  int quarters[4] = {};
  for (const auto shift : shifts) ++quarters[shift / 15min];
  for (const int count : quarters) EXPECT_GT(count, 20) << "they are spread";
  Node node(plan);
  EXPECT_EQ(*node.ask("2026-03-02T00:00:00Z").look_at, at("2026-03-02T01:10:08.635Z"))
      << "the same on every machine and in every version";
}

// ---- any plan, any course of things

struct Course {
  explicit Course(std::uint64_t seed) : random(seed), node(some_plan(), seed % 2 ? "Europe/Berlin" : "UTC") {
    node.progress.node_id = "mi-" + std::to_string(seed);
    node.progress.has_full = chance(50);
    node.since = seed % 3 ? at("2026-03-20T00:00:00Z") : at("2026-10-15T07:13:21Z");
    now = node.since;
  }

  std::int64_t upto(std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(0, most)(random); }
  bool chance(int percent) { return upto(99) < percent; }
  std::string one_of(std::vector<std::string> all) { return all[std::size_t(upto(std::int64_t(all.size()) - 1))]; }

  PlanSpec some_plan() {
    auto plan = plan_of(one_of({"cron(0 1 ? * SUN *)", "cron(30 2 * * ? *)", "rate(2 days)"}),
                        one_of({"", "cron(0 1 ? * MON-SAT *)"}), one_of({"", "rate(1 hour)", "cron(0/30 * * * ? *)"}));
    plan.prove.schedule = one_of({"", "cron(0 4 * * ? *)", "rate(6 hours)"});
    plan.copies = {{"near", {}, ""}, {"far", {}, one_of({"cron(0 5 * * ? *)", "rate(12 hours)"})}};
    plan.schedule.jitter = Duration(upto(1) * 1'800'000);
    plan.schedule.start_within = Duration(300'000 * (1 + upto(20)));
    plan.limits.retries = std::uint32_t(upto(3));
    return plan;
  }

  // What was dealt with only grows.
  void watch_seen() {
    const auto& progress = node.progress;
    const std::array all{progress.full_due_seen, progress.differential_due_seen, progress.incremental_due_seen,
                         progress.prove_due_seen};
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_GE(all[i], seen[i]);
      ASSERT_LE(all[i].value_or(now), now);
    }
    seen = all;
  }

  void act(const Next& next) {
    ASSERT_EQ(next.look_at, now);
    job_begun(node.progress, "bj-1", task_text(next), now);
    const auto long_job = chance(5);
    const Instant end = now + Duration(upto(long_job ? 40'000'000 : 1'200'000));
    const auto before = json::encode_text(node.progress);
    for (int i = 0; i < 3; ++i)
      ASSERT_EQ(next_act(node.plan, node.rules, node.progress, node.since, now + (end - now) * i / 3).act, Act::nothing)
          << "two at once";
    ASSERT_EQ(json::encode_text(node.progress), before);
    now = end;
    job_ended(node.plan, node.progress, chance(80), now);
    if (next.act == Act::prove) ++proofs;
    if (next.act == Act::back_up) ++backups;
  }

  void step() {
    const auto next = next_act(node.plan, node.rules, node.progress, node.since, now);
    watch_seen();
    if (next.act == Act::missed) {
      ++missed;
      ASSERT_FALSE(next.why.empty());
      ASSERT_TRUE(is_away) << "nothing was in the way: " << next.why;
      const auto again = next_act(node.plan, node.rules, node.progress, node.since, now);
      ASSERT_NE(again.act, Act::missed) << "told twice: " << again.why;
      if (again.act == Act::nothing) return;
      return act(again);
    }
    is_away = false;
    if (next.act != Act::nothing) return act(next);
    ASSERT_TRUE(next.look_at);
    ASSERT_GT(*next.look_at, now);
    auto progress = node.progress;
    ASSERT_EQ(next_act(node.plan, node.rules, progress, node.since, *next.look_at - 1ms).act, Act::nothing)
        << "there was something to do before look_at";
    now = *next.look_at;
    if (chance(3)) now += Duration(upto(200'000'000)), is_away = true;  // the server was down
  }

  std::mt19937_64 random;
  Node node;
  Instant now{};
  std::array<std::optional<Instant>, 4> seen{};
  bool is_away = false;
  int proofs = 0, backups = 0, missed = 0;
};

TEST(Agenda, HoldsItsRulesInAnyCourseOfThings) {
  int proofs = 0, backups = 0, missed = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Course course(seed);
    const auto end = course.now + days(21);
    while (course.now < end && !testing::Test::HasFatalFailure()) course.step();
    if (testing::Test::HasFatalFailure()) return;
    EXPECT_GE(course.backups, 2);
    if (!course.node.plan.prove.schedule.empty()) EXPECT_GT(course.proofs, 5) << "starved";
    proofs += course.proofs, backups += course.backups, missed += course.missed;
  }
  EXPECT_GT(proofs, 300);
  EXPECT_GT(backups, 3'000);
  EXPECT_GT(missed, 50);
}

// ---- how far apart

struct Apart {
  const char *full, *differential, *incremental, *zone;
  std::optional<Duration> longest;
};
TEST(LongestInterval, OfAllTypesTogether) {
  const Apart table[] = {
      {"", "", "", "UTC", std::nullopt},
      {"at(2027-01-01T00:00:00)", "", "", "UTC", std::nullopt},
      {"rate(1 hour)", "", "", "UTC", 1h},
      {"rate(5 minutes)", "", "", "UTC", 5min},
      {"rate(1 day)", "", "", "UTC", 24h},
      {"rate(10 days)", "", "", "UTC", 240h},
      {"cron(0 1 ? * MON-FRI *)", "", "", "UTC", 72h},
      {"cron(0 1 ? * SUN *)", "cron(0 1 ? * MON-SAT *)", "", "UTC", 24h},
      {"cron(0 1 ? * SUN *)", "", "rate(1 hour)", "UTC", 1h},
      {"cron(0 1 ? * SUN *)", "", "cron(0 8-18 ? * MON-FRI *)", "UTC", 31h},
      {"cron(0 0 1 * ? *)", "", "", "UTC", days(31)},
      {"cron(0 0 1 1 ? *)", "", "", "UTC", days(365)},
      {"cron(0 0 29 2 ? *)", "", "", "UTC", days(1461)},
      {"cron(0/10 * ? 1-6 ? *)", "", "", "UTC", std::nullopt},  // no expression at all
      {"cron(0/10 * * 1-6 ? *)", "", "", "UTC", days(184) + 10min},
      {"cron(30 2 * * ? *)", "", "", "Europe/Berlin", 47h},      // skipped on the last Sunday of March
      {"cron(0 12 * * ? *)", "", "", "Europe/Berlin", 25h},      // the last Sunday of October
      {"cron(0/15 * * * ? *)", "", "", "Europe/Berlin", 75min},  // an hour that comes twice fires once
  };
  for (const auto& one : table) {
    PlanSchedule schedule;
    schedule.full = one.full;
    schedule.differential = one.differential;
    schedule.incremental = one.incremental;
    EXPECT_EQ(longest_interval(schedule, zone(one.zone), at("2026-01-01T00:00:00Z")), one.longest)
        << one.full << " " << one.incremental << " in " << one.zone;
  }
}

}  // namespace
}  // namespace belay::backup
