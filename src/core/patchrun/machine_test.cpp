#include "core/patchrun/machine.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "base/json.hpp"

namespace belay::patchrun {
namespace {

const Instant kNow = from_unix_ms(1'790'000'000'000);
const Instant kLater = kNow + std::chrono::hours(1);

template <typename E>
std::vector<E> all_of_enum() {
  std::vector<E> values;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) { values.push_back(d.value); });
  return values;
}
template <typename E>
std::string text(E value) {
  return boost::describe::enum_to_string(value, "?");
}

RunState fresh() { return begin("run-1", {}, kLater, "boot-a", kNow); }

RunState in(State state, Course course = Course::untouched) {
  auto run = fresh();
  run.state = state;
  run.course = course;
  return run;
}

bool is_terminal_course(Outcome outcome, Course course) {
  switch (outcome) {
    case Outcome::refused:
    case Outcome::nothing_to_do: return course == Course::untouched;
    case Outcome::committed: return course == Course::changed || course == Course::untouched;
    case Outcome::rolled_back:
    case Outcome::left_as_is: return course == Course::failed;
    case Outcome::rollback_failed:
    case Outcome::inconsistent: return course != Course::untouched;
  }
  return false;
}

TEST(PatchRunTable, HasNoRowTwice) {
  std::set<std::pair<State, Event>> seen;
  for (const auto& row : rows())
    EXPECT_TRUE(seen.emplace(row.state, row.event).second) << text(row.state) << " " << text(row.event);
}

TEST(PatchRunTable, NamesAnOutcomeExactlyWhereTheRunEnds) {
  for (const auto& row : rows()) {
    EXPECT_EQ(row.next == State::finished, row.outcome.has_value()) << text(row.state) << " " << text(row.event);
    EXPECT_EQ(row.next == State::finished, row.action == Action::close);
    EXPECT_NE(row.state, State::finished) << "nothing follows the end";
  }
}

TEST(PatchRunTable, EveryStateButTheFirstIsReachedAndEveryStateButTheLastIsLeft) {
  std::set<State> reached{State::accepted}, left{State::finished};
  for (const auto& row : rows()) {
    reached.insert(row.next);
    left.insert(row.state);
  }
  for (const auto state : all_of_enum<State>()) {
    EXPECT_TRUE(reached.contains(state)) << text(state);
    EXPECT_TRUE(left.contains(state)) << text(state);
  }
}

TEST(PatchRunTable, CancelIsHeardExactlyWhereNothingWasChanged) {
  std::set<State> hears;
  for (const auto& row : rows())
    if (row.event == Event::cancelled) hears.insert(row.state);
  EXPECT_EQ(hears, (std::set{State::accepted, State::checking, State::protecting, State::downloading}));
}

TEST(PatchRunResume, HasExactlyOneRowForEveryState) {
  std::multiset<State> seen;
  for (const auto& row : resume_rows()) seen.insert(row.state);
  for (const auto state : all_of_enum<State>()) EXPECT_EQ(seen.count(state), 1u) << text(state);
}

TEST(PatchRunResume, NeverGoesOnInstalling) {
  for (const auto& row : resume_rows()) {
    EXPECT_NE(row.action_same_boot, Action::install);
    EXPECT_NE(row.action_other_boot, Action::install);
  }
}

TEST(PatchRunResume, AnswersEveryStateOnEitherBoot) {
  for (const auto& row : resume_rows())
    for (const bool other_boot : {false, true}) {
      auto run = in(row.state, Course::changed);
      if (row.state == State::finished) run.outcome = Outcome::committed;
      const auto decision = resume(run, other_boot ? "boot-b" : "boot-a", kNow);
      EXPECT_EQ(decision.state.state, other_boot ? row.next_other_boot : row.next_same_boot);
      EXPECT_EQ(decision.action, other_boot ? row.action_other_boot : row.action_same_boot);
      if (row.state != State::finished) {
        EXPECT_EQ(decision.state.boot_id, other_boot ? "boot-b" : "boot-a");
        EXPECT_EQ(decision.state.state_writes, run.state_writes + 1);
      }
    }
}

TEST(PatchRunResume, AnInterruptedInstallIsAFailureThatIsTold) {
  const auto decision = resume(in(State::installing, Course::changed), "boot-b", kNow);
  EXPECT_EQ(decision.state.course, Course::failed);
  ASSERT_EQ(decision.state.problems.size(), 1u);
  EXPECT_NE(decision.state.problems[0].detail.find("restarted"), std::string::npos);
  EXPECT_FALSE(decision.state.rebooted);
}

TEST(PatchRunResume, TheAwaitedRebootIsNotAnInterruption) {
  const auto decision = resume(in(State::rebooting, Course::changed), "boot-b", kNow);
  EXPECT_TRUE(decision.state.rebooted);
  EXPECT_TRUE(decision.state.problems.empty());
}

TEST(PatchRunResume, AnExpiredOrderIsNotBegunButABegunOneIsBroughtToItsEnd) {
  const auto late = kLater + std::chrono::milliseconds(1);
  for (const auto state : {State::accepted, State::checking, State::protecting, State::downloading}) {
    const auto decision = resume(in(state), "boot-a", late);
    EXPECT_EQ(decision.state.outcome, Outcome::refused) << text(state);
  }
  EXPECT_EQ(resume(in(State::installing, Course::changed), "boot-b", late).action, Action::roll_back);
}

TEST(PatchRunStep, TheStraightWay) {
  auto run = fresh();
  Findings checked;
  checked.before = {{"libc6", "amd64", "2.36-9"}};
  const std::vector<std::tuple<Event, State, Action>> way{
      {Event::started, State::checking, Action::check},         {Event::succeeded, State::protecting, Action::protect},
      {Event::succeeded, State::downloading, Action::download}, {Event::succeeded, State::installing, Action::install},
      {Event::reboot_needed, State::rebooting, Action::reboot}, {Event::rebooted, State::verifying, Action::verify},
      {Event::succeeded, State::committing, Action::commit},    {Event::succeeded, State::finished, Action::close},
  };
  for (const auto& [event, state, action] : way) {
    auto decision = step(run, event, run.state == State::checking ? checked : Findings{}, kNow);
    EXPECT_EQ(decision.state.state, state);
    EXPECT_EQ(decision.action, action);
    run = std::move(decision.state);
  }
  EXPECT_EQ(run.outcome, Outcome::committed);
  EXPECT_TRUE(run.rebooted);
  EXPECT_EQ(run.before.size(), 1u);
  const auto told = report(run);
  EXPECT_EQ(told.outcome, Outcome::committed);
  EXPECT_EQ(told.steps.size(), 9u);
  EXPECT_EQ(told.steps.back().state, "finished");
}

TEST(PatchRunStep, WhatWasFoundBeforeTheChangeIsNotOverwritten) {
  auto run = in(State::verifying, Course::changed);
  run.before = {{"a", "amd64", "1"}};
  Findings later;
  later.before = {{"a", "amd64", "2"}};
  EXPECT_EQ(step(run, Event::failed, later, kNow).state.before[0].version, "1");
}

TEST(PatchRunStep, RollsBackAtMostThreeTimes) {
  auto run = in(State::verifying_rollback, Course::failed);
  int rollbacks = 0;
  while (run.state != State::finished) {
    auto decision = step(run, run.state == State::rolling_back ? Event::succeeded : Event::failed, {}, kNow);
    rollbacks += decision.action == Action::roll_back ? 1 : 0;
    run = std::move(decision.state);
  }
  EXPECT_EQ(rollbacks, static_cast<int>(kRollbackAttemptsMax) - 1);
  EXPECT_EQ(run.outcome, Outcome::rollback_failed);
}

TEST(PatchRunLadder, ServicesArePutBeforePackagesAndPackagesBeforeASnapshot) {
  auto run = in(State::verifying, Course::changed);
  run.protection.snapshots = {{"s1", "btrfs", {"/"}}};
  Findings closed;
  closed.to_restart = {"web.service"};
  closed.gate_problem = {fleet::Reason::other, "web", "it is down", "", false};
  const std::vector<std::tuple<Event, State, Action>> way{
      {Event::gate_closed, State::restarting, Action::restart},
      {Event::succeeded, State::verifying, Action::verify},
      {Event::gate_closed, State::rolling_back, Action::roll_back},
      {Event::succeeded, State::verifying_rollback, Action::verify_rollback},
      {Event::climb, State::restoring, Action::restore},
      {Event::reboot_needed, State::rollback_rebooting, Action::reboot},
      {Event::rebooted, State::verifying_rollback, Action::verify_rollback},
      {Event::succeeded, State::finished, Action::close},
  };
  for (const auto& [event, state, action] : way) {
    auto decision = step(run, event, event == Event::gate_closed ? closed : Findings{}, kNow);
    EXPECT_EQ(decision.state.state, state);
    EXPECT_EQ(decision.action, action);
    run = std::move(decision.state);
    if (state == State::restarting) EXPECT_TRUE(run.problems.empty()) << "it may be cured yet";
  }
  EXPECT_EQ(run.outcome, Outcome::rolled_back);
  EXPECT_EQ(report(run).rungs, (std::vector<std::string>{"restart", "packages", "snapshot"}));
  ASSERT_EQ(run.problems.size(), 1u);
  EXPECT_EQ(run.problems[0].subject, "web");
}

TEST(PatchRunLadder, WithoutAServiceToRestartPackagesComeFirst) {
  const auto decision = step(in(State::verifying, Course::changed), Event::gate_closed, {}, kNow);
  EXPECT_EQ(decision.action, Action::roll_back);
  EXPECT_EQ(decision.state.rungs, std::vector<std::string>{"packages"});
}

TEST(PatchRunLadder, EachRungIsClimbedOnce) {
  auto run = in(State::verifying_rollback, Course::failed);
  run.protection.snapshots = {{"s1", "btrfs", {"/"}}};
  run = step(run, Event::failed, {}, kNow).state;
  EXPECT_EQ(run.state, State::restoring) << "a snapshot is put back where packages did not help";
  run = step(run, Event::failed, {}, kNow).state;
  run = step(run, Event::failed, {}, kNow).state;
  EXPECT_EQ(run.outcome, Outcome::rollback_failed);
  run = in(State::verifying_rollback, Course::failed);
  EXPECT_EQ(step(run, Event::climb, {}, kNow).state.outcome, Outcome::rollback_failed) << "there is no snapshot";
  EXPECT_EQ(step(run, Event::undecided, {}, kNow).state.outcome, Outcome::inconsistent);
  run.protection.snapshots = {{"s1", "btrfs", {"/"}}};
  EXPECT_EQ(step(run, Event::undecided, {}, kNow).state.state, State::restoring);
}

TEST(PatchRunLadder, ANewKernelThatFailedIsLeftBeforeItIsRemoved) {
  auto run = in(State::verifying, Course::changed);
  run.rebooted = true;
  run.kernel_trial = {"6.1.0-50", "6.1.0-56", false, ""};
  const auto decision = step(run, Event::failed, {}, kNow);
  EXPECT_EQ(decision.state.state, State::falling_back);
  EXPECT_EQ(decision.action, Action::reboot);
  EXPECT_EQ(resume(decision.state, "boot-b", kNow).action, Action::roll_back);
  EXPECT_EQ(resume(decision.state, "boot-a", kNow).action, Action::reboot);
  EXPECT_EQ(step(decision.state, Event::failed, {}, kNow).action, Action::roll_back) << "the reboot did not come";

  Findings fell_back;
  fell_back.kernel_trial = {"6.1.0-50", "6.1.0-56", true, ""};
  EXPECT_EQ(step(run, Event::failed, fell_back, kNow).action, Action::roll_back) << "the old one runs already";
  run.order.on_failure = OnFailure::leave;
  EXPECT_EQ(step(run, Event::failed, {}, kNow).state.outcome, Outcome::left_as_is);
  run.order.on_failure = OnFailure::roll_back;
  run.kernel_trial = {};
  EXPECT_EQ(step(run, Event::failed, {}, kNow).action, Action::roll_back) << "no kernel changed";
}

TEST(PatchRunLadder, WhatIsToBeLeftIsLeftAndToldSo) {
  Findings closed;
  closed.to_restart = {"web.service"};
  for (const auto state : {State::installing, State::restarting, State::verifying}) {
    auto run = in(state, Course::changed);
    run.order.on_failure = OnFailure::leave;
    const auto event = state == State::verifying ? Event::gate_closed : Event::failed;
    const auto decision = step(run, event, closed, kNow);
    EXPECT_EQ(decision.state.outcome, Outcome::left_as_is) << text(state);
    EXPECT_TRUE(decision.state.rungs.empty());
  }
  auto killed = in(State::installing, Course::changed);
  killed.order.on_failure = OnFailure::leave;
  EXPECT_EQ(resume(killed, "boot-b", kNow).state.outcome, Outcome::left_as_is);
}

TEST(PatchRunLadder, AMachineThatRestartedHasRestartedItsServices) {
  EXPECT_EQ(resume(in(State::restarting, Course::changed), "boot-b", kNow).action, Action::verify);
  EXPECT_EQ(resume(in(State::restarting, Course::changed), "boot-a", kNow).action, Action::restart);
}

TEST(PatchRunResume, ANodeThatMayHaveBeenRestoredIsKnownAsSuch) {
  EXPECT_TRUE(resume(in(State::protecting), "boot-b", kNow).state.maybe_restored);
  EXPECT_FALSE(resume(in(State::protecting), "boot-a", kNow).state.maybe_restored);
}

TEST(PatchRunStep, WhatWasRestartedIsNotAskedForAnyMore) {
  auto run = in(State::restarting, Course::changed);
  run.restart_needed = {"cron.service", "ssh.service"};
  Findings findings;
  findings.restarted = {"ssh.service"};
  EXPECT_EQ(step(run, Event::succeeded, findings, kNow).state.restart_needed, std::vector<std::string>{"cron.service"});
}

TEST(PatchRunStep, ARunThatTurnsInACircleIsEndedHonestly) {
  auto run = in(State::rebooting, Course::changed);
  for (int i = 0; i < 100 && run.state != State::finished; ++i) run = resume(run, "boot-a", kNow).state;
  EXPECT_EQ(run.outcome, Outcome::inconsistent);
  auto untouched = in(State::checking);
  for (int i = 0; i < 100 && untouched.state != State::finished; ++i)
    untouched = resume(untouched, "boot-a", kNow).state;
  EXPECT_EQ(untouched.outcome, Outcome::refused);
}

TEST(PatchRunStep, KeepsOutputAndProblemsBounded) {
  auto run = in(State::installing, Course::changed);
  Findings findings;
  findings.output = std::string(3 * kRunOutputBytesMax, 'x') + "\nthe end";
  for (int i = 0; i < 1'000; ++i) findings.problems.push_back({fleet::Reason::other, std::to_string(i), "", "", false});
  run = step(run, Event::failed, findings, kNow).state;
  EXPECT_LE(run.output.size(), kRunOutputBytesMax + 64);
  EXPECT_EQ(run.problems.size(), kRunProblemsMax);
}

TEST(PatchRunStepDeathTest, AnEventWithoutARowIsABug) {
  EXPECT_DEATH(step(in(State::installing), Event::cancelled, {}, kNow), "");
}

// Any run of events and interruptions ends, within the bounds, with an outcome that agrees with its course.
TEST(PatchRunProperty, EveryWayEndsHonestly) {
  constexpr unsigned kSeed = 20261123;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20'000; ++round) {
    auto run = fresh();
    if (random() % 2 == 0) run.protection.snapshots = {{"s1", "btrfs", {"/"}}};
    if (random() % 4 == 0) run.order.on_failure = OnFailure::leave;
    if (random() % 3 == 0) run.kernel_trial = {"6.1.0-50", "6.1.0-56", random() % 2 == 0, ""};
    Findings findings;
    findings.to_restart = {"web.service"};
    std::string boot = "boot-a";
    std::string trace;
    for (int moves = 0; run.state != State::finished; ++moves) {
      ASSERT_LT(moves, static_cast<int>(kStateWritesMax) + 2) << trace;
      std::vector<Event> possible;
      for (const auto& row : rows())
        if (row.state == run.state && row.event != Event::exhausted && row.event != Event::left &&
            row.event != Event::fall_back)
          possible.push_back(row.event);
      const bool interrupted = random() % 5 == 0;
      if (interrupted && random() % 2 == 0) boot += "+";
      auto decision =
          interrupted ? resume(run, boot, kNow) : step(run, possible[random() % possible.size()], findings, kNow);
      ASSERT_FALSE(decision.action == Action::install && decision.state.course != Course::changed)
          << "announced before done";
      ASSERT_FALSE(run.order.on_failure == OnFailure::leave && decision.action == Action::roll_back) << trace;
      ASSERT_EQ(std::set(decision.state.rungs.begin(), decision.state.rungs.end()).size(), decision.state.rungs.size());
      run = std::move(decision.state);
      trace += text(run.state) + " ";
    }
    ASSERT_TRUE(run.outcome && is_terminal_course(*run.outcome, run.course))
        << trace << text(*run.outcome) << " " << text(run.course);
  }
}

TEST(PatchRunState, SurvivesTheDisk) {
  auto run = in(State::verifying, Course::changed);
  run.before = {{"a", "amd64", "1"}};
  run.protection.snapshots = {{"s1", "btrfs", {"/"}}};
  run.protection.probes = {{"units", true, "none failed", {{"failed", "old.service"}}}};
  run.order.probes = {{.name = "units", .systemd = SystemdProbe{}}};
  run.way_back = {ReversibilityClass::R1, {"a_1_amd64"}, {}, {"no snapshot provider covers /"}};
  run.probe_turns = {{kNow, "units", true, "none failed"}};
  run.rungs = {"restart"};
  const auto again = json::decode_text<RunState>(json::encode_text(run));
  ASSERT_TRUE(again.ok()) << again.error().chain();
  EXPECT_EQ(json::encode_text(*again), json::encode_text(run));
  EXPECT_TRUE(check_readable(*again).ok());
}

TEST(PatchRunState, ARunBegunByAnOlderAgentIsReadable) {
  auto text = json::encode(in(State::verifying, Course::changed));
  for (const char* member :
       {"way_back", "probe_turns", "rungs", "to_restart", "failure_log", "maybe_restored", "kernel_trial"})
    EXPECT_TRUE(text.as_object().erase(member)) << member;
  const auto again = json::decode<RunState>(text);
  ASSERT_TRUE(again.ok()) << again.error().chain();
  EXPECT_TRUE(check_readable(*again).ok());
}

TEST(PatchRunState, ANewerFormatIsRefused) {
  auto run = fresh();
  run.format = kRunStateFormat + 1;
  EXPECT_EQ(check_readable(run).error().code(), Code::unsupported);
  run.format = 0;
  EXPECT_EQ(check_readable(run).error().code(), Code::corrupt);
}

// ---- the page
std::string diagram() {
  std::string out = "```mermaid\nstateDiagram-v2\n  [*] --> accepted\n";
  for (const auto& row : rows()) {
    out += "  " + text(row.state) + " --> " + text(row.next) + ": " + text(row.event);
    if (row.outcome) out += " (" + text(*row.outcome) + ")";
    out += "\n";
  }
  return out + "  finished --> [*]\n```\n";
}

std::string resume_page() {
  std::string out = "| found in | same boot | another boot |\n|---|---|---|\n";
  for (const auto& row : resume_rows())
    out += "| " + text(row.state) + " | " + text(row.action_same_boot) + " (" + text(row.next_same_boot) + ") | " +
           text(row.action_other_boot) + " (" + text(row.next_other_boot) + ") |\n";
  return out;
}

std::string between(const std::string& page, const std::string& name) {
  const auto begin_mark = "<!-- " + name + ": made from the table -->\n";
  const auto from = page.find(begin_mark);
  const auto to = page.find("<!-- end of " + name + " -->");
  if (from == std::string::npos || to == std::string::npos) return {};
  return page.substr(from + begin_mark.size(), to - from - begin_mark.size());
}

TEST(PatchRunPage, ShowsTheTable) {
  std::ifstream file("docs/machines/patchrun.md");
  ASSERT_TRUE(file) << "run from the top of the checkout";
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(between(page, "diagram"), diagram()) << "docs/machines/patchrun.md: replace the diagram by:\n" << diagram();
  EXPECT_EQ(between(page, "resume"), resume_page()) << "docs/machines/patchrun.md: replace the table by:\n"
                                                    << resume_page();
}

}  // namespace
}  // namespace belay::patchrun
