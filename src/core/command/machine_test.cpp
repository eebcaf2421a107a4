#include "core/command/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "core/command/rate.hpp"

namespace belay::command {
namespace {

constexpr Instant kStart{Duration(1'000'000)};
constexpr Duration kMinute{60'000};

std::string node(std::size_t i) {
  const std::string digits = std::to_string(i);
  return "mi-" + std::string(5 - digits.size(), '0') + digits;
}

Command command_of(Shape shape, std::size_t nodes, std::uint32_t concurrency = 50, std::uint32_t errors = 0) {
  Command command;
  command.settings = {{shape}, concurrency, errors, {}};
  for (std::size_t i = 0; i < nodes; ++i) command.invocations.emplace_back().node_id = node(i);
  return command;
}

Step send(Command& command, Event event, Instant now = kStart) { return step(command, std::span(&event, 1), now); }
std::vector<Action> sends(const Step& step) {
  std::vector<Action> found;
  std::ranges::copy_if(step.actions, std::back_inserter(found),
                       [](const Action& a) { return a.kind == ActionKind::send; });
  return found;
}

// ---- one invocation, told as the events that come and the way it goes
struct Story {
  const char* name;
  Shape shape;
  std::vector<Event> events;
  std::vector<Phase> phases;  // after each event
  Details end;
  const char* why;
};
Event ev(EventKind kind, Phase phase, std::uint32_t wanted = 0, std::string why = "") {
  return {kind, node(0), phase, wanted, std::move(why)};
}
using enum EventKind;

const Story kStories[] = {
    {"script",
     Shape::steps,
     {ev(taken, Phase::steps), ev(succeeded, Phase::steps)},
     {Phase::steps, Phase::ended},
     Details::Success,
     ""},
    {"script fails",
     Shape::steps,
     {ev(failed, Phase::steps, 0, "exit status 3")},
     {Phase::ended},
     Details::Failed,
     "exit status 3"},
    {"script runs too long",
     Shape::steps,
     {ev(timed_out, Phase::steps)},
     {Phase::ended},
     Details::ExecutionTimedOut,
     ""},
    {"late event of another phase",
     Shape::scan,
     {ev(succeeded, Phase::steps), ev(failed, Phase::patch)},
     {Phase::scan, Phase::scan},
     Details::InProgress,
     ""},
    {"scan, result first",
     Shape::scan,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 9)},
     {Phase::scan, Phase::judge, Phase::ended},
     Details::Success,
     ""},
    {"scan, report first",
     Shape::scan,
     {ev(EventKind::scan_ready, Phase::scan), ev(succeeded, Phase::scan), ev(judged, Phase::judge)},
     {Phase::scan, Phase::judge, Phase::ended},
     Details::Success,
     ""},
    {"scan cannot be judged",
     Shape::scan,
     {ev(EventKind::scan_ready, Phase::scan), ev(succeeded, Phase::scan),
      ev(judged, Phase::judge, 0, "release-expired")},
     {Phase::scan, Phase::judge, Phase::ended},
     Details::Failed,
     "release-expired"},
    {"install of nothing",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 0)},
     {Phase::scan, Phase::judge, Phase::ended},
     Details::Success,
     ""},
    {"install",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
      ev(succeeded, Phase::plan), ev(succeeded, Phase::patch), ev(EventKind::scan_ready, Phase::final_scan),
      ev(succeeded, Phase::final_scan), ev(judged, Phase::final_judge, 0)},
     {Phase::scan, Phase::judge, Phase::plan, Phase::patch, Phase::final_scan, Phase::final_scan, Phase::final_judge,
      Phase::ended},
     Details::Success,
     ""},
    {"plan impossible",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
      ev(failed, Phase::plan, 0, "would remove x")},
     {Phase::scan, Phase::judge, Phase::plan, Phase::ended},
     Details::Failed,
     "would remove x"},
    {"patch refused: nothing to look at again",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
      ev(succeeded, Phase::plan), ev(refused, Phase::patch, 0, "disk full")},
     {Phase::scan, Phase::judge, Phase::plan, Phase::patch, Phase::ended},
     Details::Failed,
     "disk full"},
    {"patch fails: looked at again, still failed",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
      ev(succeeded, Phase::plan), ev(failed, Phase::patch, 0, "rolled back"),
      ev(EventKind::scan_ready, Phase::final_scan), ev(succeeded, Phase::final_scan),
      ev(judged, Phase::final_judge, 3)},
     {Phase::scan, Phase::judge, Phase::plan, Phase::patch, Phase::final_scan, Phase::final_scan, Phase::final_judge,
      Phase::ended},
     Details::Failed,
     "rolled back"},
    {"patch fails and so does the scan",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
      ev(succeeded, Phase::plan), ev(failed, Phase::patch, 0, "rolled back"),
      ev(timed_out, Phase::final_scan, 0, "slow")},
     {Phase::scan, Phase::judge, Phase::plan, Phase::patch, Phase::final_scan, Phase::ended},
     Details::Failed,
     "rolled back"},
    {"the node's policy forbids the patch",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
      ev(succeeded, Phase::plan), ev(EventKind::forbidden, Phase::patch, 0, "outside its hours")},
     {Phase::scan, Phase::judge, Phase::plan, Phase::patch, Phase::ended},
     Details::AccessDenied,
     "outside its hours"},
    {"deregistered",
     Shape::scan,
     {ev(undeliverable, Phase::scan, 0, "gone")},
     {Phase::ended},
     Details::Undeliverable,
     "gone"},
    {"other platform", Shape::scan, {ev(invalid_platform, Phase::scan)}, {Phase::ended}, Details::InvalidPlatform, ""},
    {"cancelled while it scans",
     Shape::install,
     {ev(cancel, Phase::waiting), ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan)},
     {Phase::scan, Phase::scan, Phase::ended},
     Details::Canceled,
     "cancelled before anything was changed"},
    {"cancelled too late",
     Shape::install,
     {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
      ev(succeeded, Phase::plan), ev(cancel, Phase::waiting), ev(succeeded, Phase::patch),
      ev(EventKind::scan_ready, Phase::final_scan), ev(succeeded, Phase::final_scan),
      ev(judged, Phase::final_judge, 0)},
     {Phase::scan, Phase::judge, Phase::plan, Phase::patch, Phase::patch, Phase::final_scan, Phase::final_scan,
      Phase::final_judge, Phase::ended},
     Details::Success,
     ""},
};

TEST(Machine, Stories) {
  for (const auto& story : kStories) {
    SCOPED_TRACE(story.name);
    Command command = command_of(story.shape, 1);
    step(command, {}, kStart);
    for (std::size_t i = 0; i < story.events.size(); ++i) {
      send(command, story.events[i]);
      EXPECT_EQ(command.invocations[0].phase, story.phases[i]) << "after event " << i;
      const auto before = command.invocations[0];
      const auto again = send(command, story.events[i]);  // delivered twice: no effect
      EXPECT_EQ(command.invocations[0].phase, before.phase);
      EXPECT_TRUE(sends(again).empty());
    }
    EXPECT_EQ(command.invocations[0].details, story.end);
    EXPECT_EQ(command.invocations[0].why, story.why);
  }
}

// A number of a script that never ran would be taken for its exit status.
TEST(Machine, WhatNeverBeganHasNoStart) {
  const struct {
    const char* name;
    Shape shape;
    std::vector<Event> events;
    Duration later;
    Details end;
    bool began;
  } rows[] = {
      {"not taken", Shape::steps, {}, Duration(3'600'000), Details::DeliveryTimedOut, false},
      {"forbidden", Shape::steps, {ev(EventKind::forbidden, Phase::steps)}, {}, Details::AccessDenied, false},
      {"taken, then forbidden",
       Shape::scan,
       {ev(taken, Phase::scan), ev(EventKind::forbidden, Phase::scan)},
       {},
       Details::AccessDenied,
       false},
      {"not there", Shape::steps, {ev(undeliverable, Phase::steps)}, {}, Details::Undeliverable, false},
      {"removed while it ran",
       Shape::steps,
       {ev(taken, Phase::steps), ev(undeliverable, Phase::steps)},
       {},
       Details::Undeliverable,
       true},
      {"other platform", Shape::scan, {ev(invalid_platform, Phase::scan)}, {}, Details::InvalidPlatform, false},
      {"the patch forbidden",
       Shape::install,
       {ev(succeeded, Phase::scan), ev(EventKind::scan_ready, Phase::scan), ev(judged, Phase::judge, 3),
        ev(succeeded, Phase::plan), ev(EventKind::forbidden, Phase::patch)},
       {},
       Details::AccessDenied,
       true},
      {"failed", Shape::steps, {ev(failed, Phase::steps)}, {}, Details::Failed, true},
      {"ran too long", Shape::steps, {ev(timed_out, Phase::steps)}, {}, Details::ExecutionTimedOut, true},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    Command command = command_of(row.shape, 1);
    step(command, {}, kStart);
    EXPECT_TRUE(command.invocations[0].started_at.has_value()) << "while it waits for the node";
    for (const auto& event : row.events) send(command, event);
    if (row.later > Duration(0)) step(command, {}, kStart + row.later);
    EXPECT_EQ(command.invocations[0].details, row.end);
    EXPECT_EQ(command.invocations[0].started_at.has_value(), row.began);
    EXPECT_TRUE(command.invocations[0].finished_at.has_value());
  }
}

// ---- the error budget (ssm.md 3.2)
struct Budget {
  const char* max_errors;
  std::uint32_t targets;
  EventKind how;
  std::uint32_t stops_at;  // the how-many-th such event stops the command; 0: never
};
const Budget kBudgets[] = {
    {"0", 50, failed, 1},           {"3", 50, failed, 4},    {"10%", 50, failed, 6},
    {"10%", 50, timed_out, 6},      {"100%", 50, failed, 0}, {"0", 50, undeliverable, 0},
    {"0", 50, invalid_platform, 0}, {"0", 50, refused, 1},   {"0", 50, EventKind::forbidden, 0},
};

TEST(Machine, ErrorBudget) {
  for (const auto& row : kBudgets) {
    SCOPED_TRACE(std::string(row.max_errors) + " " + boost::describe::enum_to_string(row.how, ""));
    Command command = command_of(Shape::steps, row.targets, 1, *max_errors(row.max_errors, row.targets));
    step(command, {}, kStart);
    std::uint32_t sent = 0;
    while (!command.stopped && sent < row.targets) {
      send(command, {row.how, node(sent), Phase::steps, 0, "x"});
      ++sent;
    }
    EXPECT_EQ(command.stopped ? sent : 0, row.stops_at);
    const auto summary = summarize(command);
    EXPECT_EQ(summary.details, row.stops_at != 0 ? Details::Failed : Details::Incomplete);
    if (row.stops_at != 0) {
      EXPECT_EQ(command.invocations.back().details, Details::Terminated);
    }
  }
}

TEST(Machine, AllBorneErrorsAreIncomplete) {
  Command command = command_of(Shape::steps, 2, 2, 1);
  step(command, {}, kStart);
  send(command, {failed, node(0), Phase::steps, 0, "x"});
  const auto last = send(command, {succeeded, node(1), Phase::steps, 0, ""});
  EXPECT_TRUE(last.finished);
  EXPECT_EQ(summarize(command).details, Details::Incomplete);
}

TEST(Machine, RunningOnesFinishAfterTheStop) {
  Command command = command_of(Shape::steps, 5, 2, 0);
  step(command, {}, kStart);
  const auto stop = send(command, {failed, node(0), Phase::steps, 0, "x"});
  EXPECT_TRUE(stop.actions.empty());
  EXPECT_FALSE(stop.finished);
  EXPECT_EQ(command.invocations[1].details, Details::InProgress);
  const auto last = send(command, {succeeded, node(1), Phase::steps, 0, ""});
  EXPECT_TRUE(last.finished);
  EXPECT_EQ(command.invocations[1].details, Details::Success);
  EXPECT_EQ(summarize(command).details, Details::Failed);
}

// ---- a document of several segments: a script, an install, a script
Command hooked() {
  Command command = command_of(Shape::steps, 1);
  step(command, {}, kStart);
  return command;
}
Event to_next(EventKind kind, Phase phase, std::uint32_t segment, Shape next, std::string why = "") {
  return {kind, node(0), phase, 0, std::move(why), segment, Segment{next}};
}

TEST(Machine, SegmentsFollowOneAnother) {
  Command command = hooked();
  const auto second = send(command, to_next(succeeded, Phase::steps, 0, Shape::install));
  EXPECT_EQ(second.actions, (std::vector<Action>{{ActionKind::send, Phase::scan, node(0), 1}}));
  send(command, to_next(succeeded, Phase::steps, 0, Shape::install));  // once more: nothing
  EXPECT_EQ(command.invocations[0].segment, 1U);
  send(command, {succeeded, node(0), Phase::scan, 0, "", 1});
  send(command, {EventKind::scan_ready, node(0), Phase::scan, 0, "", 1});
  const auto third = send(command, to_next(judged, Phase::judge, 1, Shape::steps));
  EXPECT_EQ(third.actions, (std::vector<Action>{{ActionKind::send, Phase::steps, node(0), 2}}));
  EXPECT_FALSE(third.finished);
  EXPECT_TRUE(send(command, {succeeded, node(0), Phase::steps, 0, "", 2}).finished);
  EXPECT_EQ(command.invocations[0].details, Details::Success);
}

TEST(Machine, AFailureOfAnEarlierSegmentIsNotForgotten) {
  Command command = hooked();
  send(command, to_next(failed, Phase::steps, 0, Shape::steps, "exit status 3"));
  EXPECT_EQ(command.invocations[0].segment, 1U);
  EXPECT_EQ(command.invocations[0].details, Details::InProgress);
  Event last{succeeded, node(0), Phase::steps, 0, "", 1};
  last.failed_before = "step a: exit status 3";
  EXPECT_TRUE(send(command, last).finished);
  EXPECT_EQ(command.invocations[0].details, Details::Failed);
  EXPECT_EQ(command.invocations[0].why, "step a: exit status 3");
}

TEST(Machine, ALaterSegmentThatNobodyTakesIsNoDeliveryTimeout) {
  Command command = hooked();
  const auto second = send(command, to_next(succeeded, Phase::steps, 0, Shape::steps));
  step(command, {}, *second.wake_at);
  EXPECT_EQ(command.invocations[0].details, Details::ExecutionTimedOut);
}

TEST(Machine, CancelIsHeardBetweenSegments) {
  Command command = hooked();
  send(command, {cancel, node(0), Phase::waiting, 0, ""});
  EXPECT_TRUE(send(command, to_next(succeeded, Phase::steps, 0, Shape::install)).finished);
  EXPECT_EQ(command.invocations[0].details, Details::Canceled);
}

TEST(Machine, EveryInvocationEnds) {
  Command command = hooked();
  std::uint32_t i = 0;
  while (!send(command, to_next(succeeded, Phase::steps, i, Shape::steps)).finished) ASSERT_LT(++i, kSegmentsMax);
  EXPECT_EQ(command.invocations[0].details, Details::Failed);
}

// ---- the clock
TEST(Machine, DeliveryTimeout) {
  Command command = command_of(Shape::install, 1);
  const auto first = step(command, {}, kStart);
  EXPECT_EQ(first.wake_at, kStart + Duration(3'600'000));
  EXPECT_EQ(step(command, {}, *first.wake_at - Duration(1)).changed.size(), 0U);
  const auto late = step(command, {}, *first.wake_at);
  EXPECT_TRUE(late.finished);
  EXPECT_EQ(late.actions, (std::vector<Action>{{ActionKind::withdraw, Phase::scan, node(0)}}));
  EXPECT_EQ(command.invocations[0].details, Details::DeliveryTimedOut);
  EXPECT_EQ(summarize(command).details, Details::DeliveryTimedOut);
  EXPECT_EQ(summarize(command).errors, 0U);
}

TEST(Machine, ExecutionTimeoutCountsFromTheTaking) {
  Command command = command_of(Shape::steps, 1);
  command.settings.first.time = 5 * kMinute;
  step(command, {}, kStart);
  const auto taken_step = send(command, {taken, node(0), Phase::steps, 0, ""}, kStart + kMinute);
  EXPECT_EQ(taken_step.wake_at, kStart + 6 * kMinute);
  step(command, {}, kStart + 6 * kMinute);
  EXPECT_EQ(command.invocations[0].details, Details::ExecutionTimedOut);
  EXPECT_EQ(summarize(command).details, Details::Failed);
}

TEST(Machine, LostBetweenScanAndPlanIsAnError) {
  Command command = command_of(Shape::install, 1);
  step(command, {}, kStart);
  send(command, ev(succeeded, Phase::scan));
  send(command, ev(EventKind::scan_ready, Phase::scan));
  const auto planning = send(command, ev(judged, Phase::judge, 2));
  step(command, {}, *planning.wake_at);
  EXPECT_EQ(command.invocations[0].details, Details::ExecutionTimedOut);
}

// ---- cancelling
TEST(Machine, CancelStopsWhatHasNotBegun) {
  Command command = command_of(Shape::steps, 3, 1);
  step(command, {}, kStart);
  const auto cancelled_step = send(command, {cancel, "", Phase::waiting, 0, ""});
  EXPECT_EQ(cancelled_step.actions, (std::vector<Action>{{ActionKind::withdraw, Phase::steps, node(0)}}));
  EXPECT_EQ(summarize(command).details, Details::Cancelling);
  const auto last = send(command, {cancelled, node(0), Phase::steps, 0, ""});
  EXPECT_TRUE(last.finished);
  EXPECT_EQ(summarize(command).details, Details::Canceled);
}

TEST(Machine, NoTargets) {
  Command command = command_of(Shape::scan, 0);
  EXPECT_TRUE(step(command, {}, kStart).finished);
  EXPECT_EQ(summarize(command).details, Details::NoInstancesInTag);
  EXPECT_EQ(status_of(Details::NoInstancesInTag), "Success");
}

TEST(Machine, ManyNodesBeginInSeveralTurnsAtOnce) {
  const std::uint32_t nodes = 2 * kBegunAtOnce + 1;
  Command command = command_of(Shape::steps, nodes, nodes);
  for (const std::uint32_t expected : {kBegunAtOnce, kBegunAtOnce}) {
    const Step more = step(command, {}, kStart);
    EXPECT_EQ(sends(more).size(), expected);
    EXPECT_EQ(more.wake_at, kStart) << "the rest does not wait";
  }
  const Step last = step(command, {}, kStart);
  EXPECT_EQ(sends(last).size(), 1u);
  EXPECT_EQ(last.wake_at, kStart + command.settings.timeouts.delivery);
  EXPECT_TRUE(sends(step(command, {}, kStart)).empty());
}

TEST(Machine, SlotsCountOverAllTurns) {
  Command command = command_of(Shape::steps, 3 * kBegunAtOnce, kBegunAtOnce + 7);
  EXPECT_EQ(sends(step(command, {}, kStart)).size(), kBegunAtOnce);
  const Step rest = step(command, {}, kStart);
  EXPECT_EQ(sends(rest).size(), 7u);
  EXPECT_GT(rest.wake_at, kStart) << "no slot is free: only an event or a deadline changes anything";
}

// ---- whatever comes in whatever order: the promises hold
void check_promises(const Command& command, const Step& step) {
  std::uint32_t running = 0;
  for (const auto& invocation : command.invocations) {
    const bool ended = invocation.phase == Phase::ended;
    EXPECT_EQ(ended, invocation.finished_at.has_value());
    if (!ended && invocation.phase != Phase::waiting) {
      ++running;
      EXPECT_TRUE(invocation.deadline.has_value()) << "it could wait for ever";
      EXPECT_TRUE(step.wake_at && *step.wake_at <= *invocation.deadline);
    }
    if (ended) EXPECT_NE(status_of(invocation.details), "InProgress");
    if (invocation.patch_failed && ended) EXPECT_EQ(invocation.details, Details::Failed);
  }
  EXPECT_LE(running, command.settings.concurrency_max);
  EXPECT_EQ(step.finished,
            std::ranges::all_of(command.invocations, [](const auto& i) { return i.phase == Phase::ended; }));
}

TEST(Machine, RandomEventsKeepThePromises) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto pick = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    Command command = command_of(static_cast<Shape>(pick(3)), 1 + pick(30), 1 + pick(8), pick(5));
    Instant now = kStart;
    Step last = step(command, {}, now);
    std::set<std::string> ended;
    for (int i = 0; i < 2'000 && !last.finished; ++i) {
      const auto& invocation = command.invocations[pick(static_cast<std::uint32_t>(command.invocations.size()))];
      const bool present = pick(4) != 0;
      Event event{static_cast<EventKind>(pick(pick(20) == 0 ? 11 : 8)), invocation.node_id,
                  present ? invocation.phase : static_cast<Phase>(pick(9)), pick(3), pick(3) == 0 ? "why" : ""};
      now += Duration(pick(30'000));
      last = send(command, event, now);
      check_promises(command, last);
      for (const auto& gone : ended) {
        const auto at = std::ranges::find(command.invocations, gone, &Invocation::node_id);
        ASSERT_EQ(at->phase, Phase::ended) << "an end is an end";
      }
      for (const auto& each : command.invocations)
        if (each.phase == Phase::ended) ended.insert(each.node_id);
      if (pick(200) == 0 && last.wake_at) last = step(command, {}, now = std::max(now, *last.wake_at));
    }
    for (int i = 0; i < 500 && !last.finished; ++i)
      last = step(command, {}, now = std::max(now, last.wake_at.value_or(now)));
    EXPECT_TRUE(last.finished) << "time alone ends every command";
  }
}

}  // namespace
}  // namespace belay::command
