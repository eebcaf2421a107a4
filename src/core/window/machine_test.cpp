#include "core/window/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/json.hpp"

namespace belay::window {
namespace {
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

const Instant kOpens = from_unix_ms(1'800'000'000'000);
const Instant kCutoff = kOpens + 1h;

Task task(const std::string& name, std::uint32_t priority, std::uint32_t invocations = 1,
          CutoffBehavior cutoff = CutoffBehavior::CONTINUE_TASK, std::uint32_t errors_max = 0) {
  Task made;
  made.task_execution_id = name;
  made.priority = priority;
  made.cutoff_behavior = cutoff;
  made.errors_max = errors_max;
  for (std::uint32_t i = 0; i < invocations; ++i) {
    auto& invocation = made.invocations.emplace_back();
    invocation.invocation_id = name + std::to_string(i);
    invocation.targets = 2;
  }
  return made;
}

// An execution, and children that start when they are asked to.
struct Play {
  explicit Play(std::vector<Task> tasks) {
    execution.cutoff_at = kCutoff;
    execution.tasks = std::move(tasks);
    turn({});
  }
  void turn(std::vector<Event> events) {
    auto answers = std::move(events);
    do {
      last = step(execution, answers, now);
      answers.clear();
      for (const auto& action : last.actions) {
        if (action.kind == ActionKind::cancel_child) {
          cancelled.push_back(action.invocation_id);
          continue;
        }
        started.push_back(action.invocation_id);
        errors_left.push_back(action.errors_left);
        answers.push_back(
            {EventKind::started, action.invocation_id, "child of " + action.invocation_id, Status::SUCCESS, 0, ""});
      }
    } while (!answers.empty());
  }
  void ends(const std::string& invocation, Status result = Status::SUCCESS, std::uint32_t errors = 0) {
    turn({{EventKind::ended, invocation, "", result, errors, ""}});
  }
  void at(Duration after) {
    now = kOpens + after;
    turn({});
  }
  Status status_of(const std::string& invocation_id) const {
    for (const auto& t : execution.tasks)
      for (const auto& i : t.invocations)
        if (i.invocation_id == invocation_id) return i.status;
    return Status::SKIPPED_OVERLAPPING;
  }

  Execution execution;
  Instant now = kOpens;
  Step last;
  Names started, cancelled;
  std::vector<std::uint32_t> errors_left;
};

TEST(WindowMachine, EqualPrioritiesTogetherThenTheNext) {
  Play play({task("a", 1), task("c", 5), task("b", 1, 2)});
  EXPECT_EQ(play.started, (Names{"a0", "b0"}));
  EXPECT_EQ(play.last.wake_at, kCutoff);
  EXPECT_EQ(play.execution.status, Status::IN_PROGRESS);
  EXPECT_EQ(play.execution.tasks[1].status, Status::PENDING);
  play.ends("a0");
  EXPECT_EQ(play.started.size(), 2U) << "b has not ended";
  play.ends("b0");
  EXPECT_EQ(play.started.back(), "b1") << "one target of a task after another";
  play.ends("b1");
  EXPECT_EQ(play.started.back(), "c0");
  play.ends("c0");
  EXPECT_TRUE(play.last.finished);
  EXPECT_EQ(play.execution.status, Status::SUCCESS);
  EXPECT_FALSE(play.last.wake_at.has_value());
}

TEST(WindowMachine, AFailedTaskDoesNotStopTheNextPriority) {
  Play play({task("a", 1), task("b", 2)});
  play.ends("a0", Status::FAILED, 1);
  EXPECT_EQ(play.execution.tasks[0].status, Status::FAILED);
  play.ends("b0");
  EXPECT_EQ(play.execution.status, Status::FAILED);
}

TEST(WindowMachine, TheErrorBudgetIsOverAllTargetsOfATask) {
  Play play({task("a", 1, 3, CutoffBehavior::CONTINUE_TASK, 2)});
  play.ends("a0", Status::SUCCESS, 2);
  EXPECT_EQ(play.errors_left, (std::vector<std::uint32_t>{2, 0}));
  play.ends("a1", Status::FAILED, 1);
  EXPECT_EQ(play.status_of("a2"), Status::FAILED) << "the third error is one too many";
  EXPECT_TRUE(play.last.finished);
  EXPECT_EQ(play.execution.tasks[0].errors, 3U);
}

TEST(WindowMachine, CutoffContinueTask) {
  Play play({task("a", 1, 2), task("b", 2)});
  play.at(1h);
  EXPECT_EQ(play.status_of("a0"), Status::IN_PROGRESS);
  EXPECT_EQ(play.status_of("a1"), Status::TIMED_OUT);
  EXPECT_EQ(play.execution.tasks[1].status, Status::TIMED_OUT);
  EXPECT_TRUE(play.cancelled.empty());
  EXPECT_FALSE(play.last.wake_at.has_value());
  play.at(9h);
  play.ends("a0");
  EXPECT_EQ(play.status_of("a0"), Status::SUCCESS);
  EXPECT_EQ(play.execution.status, Status::TIMED_OUT);
}

TEST(WindowMachine, CutoffCancelTask) {
  Play play({task("a", 1, 1, CutoffBehavior::CANCEL_TASK), task("b", 1), task("c", 1, 1, CutoffBehavior::CANCEL_TASK)});
  play.at(1h);
  EXPECT_EQ(play.cancelled, (Names{"a0", "c0"}));
  EXPECT_EQ(play.status_of("a0"), Status::CANCELLING);
  play.at(61min);
  EXPECT_EQ(play.cancelled.size(), 2U) << "asked once";
  play.ends("a0", Status::CANCELLED);
  EXPECT_EQ(play.status_of("a0"), Status::TIMED_OUT);
  play.ends("c0", Status::SUCCESS);
  EXPECT_EQ(play.status_of("c0"), Status::SUCCESS) << "it was done all the same";
  play.ends("b0");
  EXPECT_EQ(play.execution.status, Status::TIMED_OUT);
}

TEST(WindowMachine, CancelStopsOnlyWhatHasNotBegun) {
  Play play({task("a", 1, 2), task("b", 2)});
  play.turn({{EventKind::cancel, "", "", Status::SUCCESS, 0, ""}});
  EXPECT_EQ(play.status_of("a0"), Status::IN_PROGRESS);
  EXPECT_EQ(play.status_of("a1"), Status::CANCELLED);
  EXPECT_EQ(play.execution.status, Status::CANCELLING);
  EXPECT_TRUE(play.cancelled.empty());
  play.ends("a0");
  EXPECT_EQ(play.execution.status, Status::CANCELLED);
  EXPECT_TRUE(play.last.finished);
}

TEST(WindowMachine, WhatCannotBeStartedFailsWithItsReason) {
  Execution execution;
  execution.cutoff_at = kCutoff;
  execution.tasks = {task("a", 1, 2, CutoffBehavior::CONTINUE_TASK, 5)};
  step(execution, {}, kOpens);
  const Event refused{EventKind::refused, "a0", "", Status::SUCCESS, 0, "there is no document X"};
  const auto next = step(execution, std::vector{refused}, kOpens);
  EXPECT_EQ(execution.tasks[0].invocations[0].status, Status::FAILED);
  EXPECT_EQ(execution.tasks[0].invocations[0].details, "there is no document X");
  ASSERT_EQ(next.actions.size(), 1U) << "the budget allows the next target";
  EXPECT_EQ(next.actions[0].errors_left, 4U);
}

TEST(WindowMachine, NothingToDo) {
  Play empty({});
  EXPECT_TRUE(empty.last.finished);
  EXPECT_EQ(empty.execution.status, Status::SUCCESS);
  auto nobody = task("a", 1);
  nobody.invocations[0].targets = 0;
  auto no_targets = task("b", 2, 0);
  auto broken = task("c", 3, 0);
  broken.details = "its targets were deregistered";
  Play play({nobody, no_targets, broken});
  EXPECT_TRUE(play.last.finished);
  EXPECT_TRUE(play.started.empty());
  EXPECT_EQ(play.execution.tasks[0].status, Status::SUCCESS);
  EXPECT_EQ(play.execution.tasks[0].details, "no node matched its targets");
  EXPECT_EQ(play.execution.tasks[1].details, "no node matched its targets");
  EXPECT_EQ(play.execution.tasks[2].status, Status::FAILED);
  EXPECT_EQ(play.execution.details, "no node matched the targets of 2 of its 3 tasks");
}

TEST(WindowMachine, ASuccessOnNobodySaysSo) {
  auto nobody = task("a", 1);
  nobody.invocations[0].targets = 0;
  Play alone({nobody});
  EXPECT_EQ(alone.execution.status, Status::SUCCESS);
  EXPECT_EQ(alone.execution.details, "it ran on nobody: no node matched the targets of any task");
  auto half = task("b", 1, 2);
  half.invocations[0].targets = 0;
  half.invocations[0].details = "not registered any more: mi-1";
  Play play({half});
  EXPECT_EQ(play.execution.tasks[0].invocations[0].details,
            "not registered any more: mi-1; no node matched its targets");
  play.ends("b1");
  EXPECT_EQ(play.execution.tasks[0].details, "no node matched 1 of its 2 targets");
  EXPECT_EQ(play.execution.details, "") << "somebody was reached by every task";
}

TEST(WindowMachine, OpenedAfterItsCutoffNothingBegins) {
  Execution execution;
  execution.cutoff_at = kCutoff;
  execution.tasks = {task("a", 1)};
  const auto only = step(execution, {}, kCutoff);
  EXPECT_TRUE(only.actions.empty());
  EXPECT_TRUE(only.finished);
  EXPECT_EQ(execution.status, Status::TIMED_OUT);
}

// ---- rules over random windows and random children

struct Rules : testing::TestWithParam<unsigned> {};

TEST_P(Rules, HoldOnEveryPath) {
  std::mt19937 random(GetParam());
  const auto any = [&](int below) { return static_cast<std::uint32_t>(random() % static_cast<unsigned>(below)); };
  Execution execution;
  execution.cutoff_at = kCutoff;
  for (std::uint32_t t = 0, count = any(6); t < count; ++t) {
    auto made = task("t" + std::to_string(t) + "-", any(3), any(4),
                     any(2) ? CutoffBehavior::CANCEL_TASK : CutoffBehavior::CONTINUE_TASK, any(3));
    for (auto& invocation : made.invocations) invocation.targets = any(4);
    execution.tasks.push_back(std::move(made));
  }
  Instant now = kOpens - Duration(any(2) * 60'000);
  std::set<std::string> running, ever_started;
  const auto rounds = [&](std::vector<Event> events) {
    Step last;
    do {
      if (any(2)) execution = *json::decode_text<Execution>(json::encode_text(execution));  // the server was restarted
      last = step(execution, events, now);
      auto again = execution;
      EXPECT_TRUE(step(again, events, now).actions.empty()) << "the same events again do nothing";
      EXPECT_EQ(again, execution);
      events.clear();
      for (const auto& action : last.actions) {
        if (action.kind == ActionKind::cancel_child) continue;
        EXPECT_LT(now, kCutoff) << "never starts after the cut-off";
        EXPECT_TRUE(ever_started.insert(action.invocation_id).second) << "started once";
        if (any(8) == 0) events.push_back({EventKind::refused, action.invocation_id, "", Status::SUCCESS, 0, "no"});
        else {
          running.insert(action.invocation_id);
          events.push_back({EventKind::started, action.invocation_id, "child", Status::SUCCESS, 0, ""});
        }
      }
    } while (!events.empty());
    std::set<std::uint32_t> priorities;
    for (const auto& t : execution.tasks) {
      std::size_t active = 0;
      for (const auto& i : t.invocations)
        if (i.status == Status::IN_PROGRESS || i.status == Status::CANCELLING) ++active, priorities.insert(t.priority);
      EXPECT_LE(active, 1U) << "within a task one after another";
    }
    EXPECT_LE(priorities.size(), 1U) << "never two priorities at once";
    return last;
  };
  Step last = rounds({});
  for (int turn = 0; turn < 200 && !last.finished; ++turn) {
    now += Duration(any(600'000));
    std::vector<Event> events;
    if (any(40) == 0) events.push_back({EventKind::cancel, "", "", Status::SUCCESS, 0, ""});
    if (!running.empty() && any(3) > 0) {
      auto one = running.begin();
      std::advance(one, any(static_cast<int>(running.size())));
      const Status results[] = {Status::SUCCESS, Status::FAILED, Status::TIMED_OUT, Status::CANCELLED};
      events.push_back({EventKind::ended, *one, "", results[any(4)], any(3), ""});
      if (any(2)) events.push_back(events.back());  // told twice
      running.erase(one);
    }
    last = rounds(events);
    EXPECT_TRUE(last.finished || last.wake_at || !running.empty()) << "somebody will wake it";
  }
  EXPECT_TRUE(last.finished) << "every path ends";
  for (const auto& t : execution.tasks) {
    EXPECT_TRUE(has_ended(t.status));
    for (const auto& i : t.invocations) EXPECT_TRUE(has_ended(i.status));
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, Rules, testing::Range(0U, 400U));

}  // namespace
}  // namespace belay::window
