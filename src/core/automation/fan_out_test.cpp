#include "core/automation/fan_out.hpp"

#include <gtest/gtest.h>

#include <random>

namespace belay::automation {
namespace {

Runbook runbook() {
  return *parse_runbook(
      "schemaVersion: '0.3'\nparameters:\n  Id: {type: String, allowedPattern: 'n[0-9]+'}\n  Time: {type: String, "
      "default: PT1S}\nmainSteps:\n- {name: a, action: 'aws:sleep', inputs: {Duration: '{{ Time }}'}}\n- {name: b, "
      "action: 'aws:createTags', inputs: {ResourceIds: ['{{ Id }}'], Tags: [{Key: a, Value: b}]}}\n",
      document::Format::YAML);
}

FanOut of(std::size_t targets, std::string_view concurrency, std::string_view errors) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < targets; ++i) names.push_back("n" + std::to_string(i));
  return *new_fan_out(runbook(), {}, "Id", names, concurrency, errors);
}

std::vector<FanOutAction> tell(FanOut& fan_out, FanOutEvent event) { return step(fan_out, std::span(&event, 1)); }
FanOutEvent ended(std::size_t child, Status status) { return {FanOutEventKind::ended, child, "", status, ""}; }

TEST(FanOut, WhatIsRefused) {
  struct Row {
    const char* parameter;
    std::vector<std::string> targets;
    const char *concurrency, *errors, *says;
    document::GivenValues given = {};
  };
  const Row rows[] = {
      {"Other", {"n1"}, "1", "0", "is no parameter"},
      {"Id", {}, "1", "0", "match nothing"},
      {"Id", {"n1"}, "0", "0", "MaxConcurrency"},
      {"Id", {"n1"}, "1", "x", "MaxErrors"},
      {"Id", {"n1", "x"}, "1", "0", "allowedPattern"},
      {"Id", {"n1"}, "1", "0", "are its values", {{"Id", {"n2"}}}},
      {"Id", {"n1"}, "1", "0", "no parameter 'Z'", {{"Z", {"n2"}}}},
  };
  for (const auto& row : rows) {
    const auto made = new_fan_out(runbook(), row.given, row.parameter, row.targets, row.concurrency, row.errors);
    ASSERT_FALSE(made.ok()) << row.says;
    EXPECT_NE(made.error().message().find(row.says), std::string::npos) << made.error().message();
  }
  EXPECT_EQ(new_fan_out(runbook(), {}, "Id", {"n1", "n1"}, "", "")->children.size(), 1u);
}

TEST(FanOut, AMapGivesEachItsOwnValues) {
  const auto two =
      new_fan_out_of_maps(runbook(), {}, {{{"Id", {"n1"}}, {"Time", {"PT2S"}}}, {{"Id", {"n2"}}}}, "2", "");
  ASSERT_TRUE(two.ok()) << two.error().chain();
  ASSERT_EQ(two->children.size(), 2u);
  EXPECT_EQ(two->children[0].target, "Id=n1, Time=PT2S");
  EXPECT_EQ(two->children[1].values, (document::GivenValues{{"Id", {"n2"}}}));
  EXPECT_EQ(two->concurrency_max, 2u);
  struct Row {
    std::vector<document::GivenValues> maps;
    const char* says;
    document::GivenValues given = {};
  };
  const Row rows[] = {{{}, "name nobody"},
                      {{{}}, "without parameters"},
                      {{{{"Other", {"x"}}}}, "no parameter"},
                      {{{{"Id", {"n1"}}}, {{"Id", {"x"}}}}, "allowedPattern"},
                      {{{{"Id", {"n1"}}}}, "stands in TargetMaps", {{"Id", {"n2"}}}}};
  for (const auto& row : rows) {
    const auto made = new_fan_out_of_maps(runbook(), row.given, row.maps, "", "");
    ASSERT_FALSE(made.ok()) << row.says;
    EXPECT_NE(made.error().message().find(row.says), std::string::npos) << made.error().message();
  }
}

TEST(FanOut, RateAndBudget) {
  auto fan_out = of(10, "30%", "1");
  EXPECT_EQ(tell(fan_out, {}).size(), 3u);
  EXPECT_TRUE(tell(fan_out, {}).empty()) << "the same event again";
  EXPECT_EQ(tell(fan_out, ended(0, Status::Success)), (std::vector<FanOutAction>{{FanOutActionKind::start, 3}}));
  EXPECT_TRUE(tell(fan_out, ended(0, Status::Failed)).empty()) << "it has ended already";
  EXPECT_EQ(tell(fan_out, ended(1, Status::Failed)).size(), 1u);
  EXPECT_TRUE(tell(fan_out, ended(2, Status::TimedOut)).empty()) << "the second error is one too many";
  EXPECT_EQ(fan_out.children[9].status, Status::Cancelled);
  EXPECT_EQ(summarize(fan_out).status, Status::InProgress);
  tell(fan_out, ended(3, Status::Success));
  tell(fan_out, ended(4, Status::Success));
  const auto summary = summarize(fan_out);
  EXPECT_EQ(summary.status, Status::Failed);
  EXPECT_EQ(summary.success, 3u);
  EXPECT_EQ(summary.failed, 1u);
  EXPECT_EQ(summary.timed_out, 1u);
  EXPECT_EQ(summary.cancelled, 5u);
}

TEST(FanOut, CancelAndComplete) {
  auto fan_out = of(4, "2", "0");
  tell(fan_out, {});
  EXPECT_EQ(tell(fan_out, {FanOutEventKind::cancel, 0, "", {}, ""}).size(), 2u);
  EXPECT_EQ(summarize(fan_out).status, Status::Cancelling);
  tell(fan_out, ended(0, Status::Cancelled));
  tell(fan_out, ended(1, Status::Success));
  EXPECT_EQ(summarize(fan_out).status, Status::Cancelled);
  auto other = of(2, "1", "0");
  tell(other, {});
  EXPECT_TRUE(tell(other, {FanOutEventKind::complete, 0, "", {}, ""}).empty());
  tell(other, ended(0, Status::Success));
  EXPECT_EQ(summarize(other).status, Status::CompletedWithSuccess);
}

TEST(FanOut, NeverMoreThanAllowedAndAllEnd) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    const auto targets = 1 + random() % 12, limit = 1 + random() % 4;
    auto fan_out = of(targets, std::to_string(limit), std::to_string(random() % 3));
    std::vector<std::size_t> running;
    const auto note = [&](const std::vector<FanOutAction>& actions) {
      for (const auto& action : actions)
        if (action.kind == FanOutActionKind::start) running.push_back(action.child);
    };
    note(tell(fan_out, {}));
    while (!running.empty()) {
      ASSERT_LE(running.size(), limit);
      const auto at = random() % running.size();
      const auto child = running[at];
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
      note(tell(fan_out, ended(child, random() % 4 ? Status::Success : Status::Failed)));
      fan_out = *json::decode_text<FanOut>(json::encode_text(fan_out));
    }
    const auto summary = summarize(fan_out);
    ASSERT_TRUE(is_over(summary.status));
    ASSERT_EQ(summary.status == Status::Success, summary.success == targets);
  }
}

}  // namespace
}  // namespace belay::automation
