#include "store/automations.hpp"

#include "store/fixture_test.hpp"
#include "store/tags.hpp"

namespace belay::store {
namespace {

using Ids = std::vector<std::string>;
const std::string kHash(64, 'a');

class AutomationsTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    for (int twice = 0; twice < 2; ++twice)
      ASSERT_OK(write([](Sql& sql) { return automations::put_runbook(sql, {kHash, "YAML", "mainSteps: []"}); }));
  }
  automations::Execution make(const std::string& id, int when, const std::string& document = "Rotate",
                              const std::string& parent = "") {
    automations::Execution made;
    made.execution_id = id;
    made.kind = "automation";
    made.document = document;
    made.document_version = "1";
    made.runbook = kHash;
    made.parent_id = parent;
    made.executed_by = "test";
    made.started_at = at_s(when);
    std::vector<automations::Step> steps(2);
    for (std::uint32_t i = 0; i < 2; ++i) {
      steps[i].execution_id = id;
      steps[i].position = i;
      steps[i].step_id = id + "-" + std::to_string(i);
      steps[i].name = i ? "run" : "ask";
      steps[i].action = i ? "aws:runCommand" : "aws:approve";
    }
    EXPECT_OK(write([&](Sql& sql) { return automations::create(sql, made, steps); }));
    EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return automations::create(sql, made, steps); }));
    return made;
  }
  Ids listed(const automations::Filter& filter) {
    Ids found;
    Page page{.limit = 2, .after = {}};
    do {
      const auto part = *read([&](Sql& sql) { return automations::list(sql, filter, page); });
      for (const auto& item : part.items) found.push_back(item.execution_id);
      page.after = part.next;
    } while (!page.after.empty());
    return found;
  }
};
BELAY_ON_EVERY_STORE(AutomationsTest);

TEST_P(AutomationsTest, AnExecutionAndItsStepsAreKeptAsTheyGo) {
  auto made = make("e1", 1);
  made.status = "InProgress";
  made.current_step = "run";
  made.current_action = "aws:runCommand";
  made.outputs = R"({"run.Output":["x"]})";
  made.failure = std::string(5'000, 'x');
  ASSERT_OK(write([&](Sql& sql) { return automations::update(sql, made); }));
  auto steps = *read([](Sql& sql) { return automations::steps_of(sql, "e1"); });
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].name, "ask");
  steps[1].status = "Success";
  steps[1].inputs = R"({"DocumentName":"X"})";
  steps[1].started_at = at_s(2);
  ASSERT_OK(write([&](Sql& sql) { return automations::update_steps(sql, std::span(&steps[1], 1)); }));
  const auto got = *read([](Sql& sql) { return automations::get(sql, "e1"); });
  EXPECT_EQ(got.current_action, "aws:runCommand");
  EXPECT_EQ(got.outputs, made.outputs);
  EXPECT_LE(got.failure.size(), automations::kFailureBytesMax);
  EXPECT_FALSE(got.finished_at.has_value());
  const auto after = *read([](Sql& sql) { return automations::steps_of(sql, "e1"); });
  EXPECT_EQ(after[0].status, "Pending");
  EXPECT_EQ(after[1].status, "Success");
  EXPECT_EQ(after[1].started_at, at_s(2));
  EXPECT_FALSE(after[1].finished_at.has_value());
  EXPECT_EQ(read([](Sql& sql) { return automations::get_runbook(sql, kHash); })->content, "mainSteps: []");
  made.execution_id = "nobody";
  EXPECT_CODE(Code::not_found, write([&](Sql& sql) { return automations::update(sql, made); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return automations::get(sql, "nobody"); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return automations::get_runbook(sql, "b"); }));
}

TEST_P(AutomationsTest, ListsByEveryFilter) {
  make("e1", 1);
  make("e2", 2, "Rotate%Logs");
  auto third = make("e3", 3, "Other", "e1");
  third.status = "Waiting";
  third.current_action = "aws:approve";
  ASSERT_OK(write([&](Sql& sql) { return automations::update(sql, third); }));
  ASSERT_OK(
      write([](Sql& sql) { return tags::set(sql, "Automation", "e2", std::vector<tags::Tag>{{"team", "web"}}); }));
  EXPECT_EQ(listed({}), (Ids{"e3", "e2", "e1"}));
  EXPECT_EQ(listed({.execution_ids = {"e1", "e2"}}), (Ids{"e2", "e1"}));
  EXPECT_EQ(listed({.parent_ids = {"e1"}}), Ids{"e3"});
  EXPECT_EQ(listed({.statuses = {"Waiting"}}), Ids{"e3"});
  EXPECT_EQ(listed({.current_actions = {"aws:approve"}}), Ids{"e3"});
  EXPECT_EQ(listed({.document_prefixes = {"Rotate%"}}), Ids{"e2"});
  EXPECT_EQ(listed({.document_prefixes = {"Rot", "Oth"}}), (Ids{"e3", "e2", "e1"}));
  EXPECT_EQ(listed({.tag_keys = {"team", "x"}}), Ids{"e2"});
  EXPECT_EQ(listed({.started_before = at_s(3), .started_after = at_s(1)}), Ids{"e2"});
  EXPECT_EQ(read([](Sql& sql) { return automations::count_running(sql); }).value(), 3);
}

TEST_P(AutomationsTest, WhatEndedLongAgoIsForgottenWithAllOfIt) {
  auto first = make("e1", 1), second = make("e2", 2);
  ASSERT_OK(write([](Sql& sql) { return tags::set(sql, "Automation", "e1", std::vector<tags::Tag>{{"a", "b"}}); }));
  first.finished_at = at_s(10);
  first.status = "Success";
  ASSERT_OK(write([&](Sql& sql) { return automations::update(sql, first); }));
  EXPECT_EQ(read([](Sql& sql) { return automations::count_running(sql); }).value(), 1);
  EXPECT_EQ(write([](Sql& sql) { return automations::forget(sql, at_s(10), 10); }).value(), 0);
  EXPECT_EQ(write([](Sql& sql) { return automations::forget(sql, at_s(11), 10); }).value(), 1);
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return automations::get(sql, "e1"); }));
  EXPECT_TRUE(read([](Sql& sql) { return automations::steps_of(sql, "e1"); })->empty());
  EXPECT_TRUE(read([](Sql& sql) { return tags::list(sql, "Automation", "e1"); })->empty());
  EXPECT_OK(read([](Sql& sql) { return automations::get_runbook(sql, kHash); }));  // e2 needs it
  second.finished_at = at_s(12);
  ASSERT_OK(write([&](Sql& sql) { return automations::update(sql, second); }));
  EXPECT_EQ(write([](Sql& sql) { return automations::forget(sql, at_s(20), 10); }).value(), 1);
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return automations::get_runbook(sql, kHash); }));
}

}  // namespace
}  // namespace belay::store
