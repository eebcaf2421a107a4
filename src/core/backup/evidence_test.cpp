#include <gtest/gtest.h>

#include "base/json.hpp"
#include "core/backup/job.hpp"

namespace belay::backup {
namespace {

using enum ProofLevel;

Evidence passed(ProofLevel level) { return {.level = level, .what = "looked", .passed = true, .seen = "well"}; }
Evidence failed(ProofLevel level) { return {.level = level, .what = "looked", .passed = false, .seen = "broken"}; }
Evidence not_looked(ProofLevel level) {
  return {.level = level, .what = "restore", .passed = false, .seen = "no room", .looked_at = false};
}

TEST(Evidence, OnlyWhatWasLookedAtSpeaksAgainstAPoint) {
  struct Row {
    const char* fact;
    std::vector<Evidence> evidence;
    std::optional<ProofLevel> reached;
    bool against, undone;
  };
  const Row rows[] = {
      {"nothing was looked at", {}, {}, false, true},
      {"all held", {passed(P0), passed(P1)}, P1, false, false},
      {"one failed", {passed(P0), failed(P1)}, P0, true, false},
      {"no room for more", {passed(P0), passed(P1), not_looked(P2)}, P1, false, true},
      {"not even P0", {not_looked(P0)}, {}, false, true},
      {"a rung half looked at is not reached", {passed(P0), passed(P1), not_looked(P1)}, P0, false, true},
      {"one failed, and another could not be looked at", {passed(P0), failed(P1), not_looked(P1)}, P0, true, false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(level_reached(row.evidence), row.reached) << row.fact;
    EXPECT_EQ(speaks_against(row.evidence), row.against) << row.fact;
    JobReport report;
    report.task = Task::prove;
    report.outcome = JobOutcome::failed;
    report.evidence = row.evidence;
    EXPECT_EQ(could_not_be_done(report), row.undone) << row.fact;
    report.outcome = JobOutcome::ok;
    EXPECT_FALSE(could_not_be_done(report)) << row.fact;
  }
}

// Agents are upgraded one after another: those of before tell two values.
TEST(Evidence, OfAnOlderAgentWasLookedAt) {
  const auto told = json::decode_text<JobReport>(
      R"({"task":"prove","outcome":"failed","evidence":[{"level":"P0","what":"a","passed":true,"seen":"b"},)"
      R"({"level":"P1","what":"c","passed":false,"seen":"d"}]})");
  ASSERT_TRUE(told.ok()) << told.error().chain();
  EXPECT_TRUE(told->evidence[0].looked_at && told->evidence[1].looked_at);
  EXPECT_TRUE(speaks_against(told->evidence));
  const auto again = json::decode_text<Evidence>(json::encode_text(not_looked(P3)));
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->looked_at);
}

}  // namespace
}  // namespace belay::backup
