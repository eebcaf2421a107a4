#include "core/association/machine.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/json.hpp"
#include "core/schedule/rule_set.hpp"

namespace belay::association {
namespace {
using namespace std::chrono_literals;

const Instant kMade = parse_iso8601("2026-11-02T12:00:00Z").value();  // a Monday

// An association and runs that end when the test says so.
struct Play {
  explicit Play(const std::string& schedule = "", bool only_at_schedule = false) {
    settings.document = "AWS-RunShellScript";
    settings.targets = {{"InstanceIds", {"*"}}};
    settings.schedule = schedule;
    settings.only_at_schedule = only_at_schedule;
    around.next_due = [this](Instant after) -> std::optional<Instant> {
      const auto read = schedule_of(settings, changed_at).value();
      return read ? schedule::next(*read, schedule::ZoneRules{}, after) : std::nullopt;
    };
  }
  void turn(std::vector<Event> events = {}) {
    last = step(state, settings, around, events, now, [this] { return "e" + std::to_string(++made); });
    for (const auto& action : last.actions) seen.push_back(action);
    if (!twice) return;
    const State before = state;
    const Step again = step(state, settings, around, events, now, [this] { return "e" + std::to_string(++made); });
    EXPECT_TRUE(again.actions.empty());
    EXPECT_EQ(json::encode_text(state), json::encode_text(before));
  }
  void change(std::int64_t version = 1) {
    changed_at = now;
    turn({{EventKind::changed, now, version, {}, ""}});
  }
  void ends() {
    std::vector<Event> events;
    for (const auto& run : state.runs) events.push_back({EventKind::ended, now, 0, {}, run.execution_id});
    turn(events);
  }
  // Sleeps until it wants to be woken, at most so long.
  bool sleep(Duration at_most) {
    const Instant until = now + at_most;
    if (!last.wake_at || *last.wake_at > until) return now = until, false;
    now = std::max(now, *last.wake_at);
    turn();
    return true;
  }
  std::size_t count(ActionKind kind) const {
    return static_cast<std::size_t>(std::ranges::count(seen, kind, &Action::kind));
  }
  const Action& newest() const { return seen.back(); }

  Settings settings;
  Around around;
  State state;
  Instant now = kMade, changed_at = kMade;
  Step last;
  std::vector<Action> seen;
  int made = 0;
  bool twice = true;
};

TEST(AssociationMachine, RunsAtOnceAndOnEachEdit) {
  Play play;
  play.change();
  ASSERT_EQ(play.count(ActionKind::start), 1U);
  EXPECT_EQ(play.newest().run.cause, Cause::created);
  EXPECT_FALSE(play.last.wake_at.has_value());
  play.ends();
  play.change(2);
  ASSERT_EQ(play.count(ActionKind::start), 2U);
  EXPECT_EQ(play.newest().run.cause, Cause::edited);
}

TEST(AssociationMachine, AnEditWithdrawsWhatHasNotBegunAndRunsAfterwards) {
  Play play;
  play.change();
  play.now += 1min;
  play.change(2);
  EXPECT_EQ(play.newest().kind, ActionKind::stop_waiting);
  EXPECT_EQ(play.count(ActionKind::start), 1U);
  play.ends();
  EXPECT_EQ(play.count(ActionKind::start), 2U);
  EXPECT_EQ(play.newest().run.cause, Cause::edited);
}

TEST(AssociationMachine, OnlyAtItsScheduleWhereThatIsWanted) {
  Play play("cron(0 2 ? * SUN *)", true);
  play.change();
  EXPECT_EQ(play.count(ActionKind::start), 0U);
  play.turn({{EventKind::nodes, play.now, 0, {"mi-1"}, ""}});
  EXPECT_EQ(play.count(ActionKind::start), 0U) << "a new node waits for the schedule";
  ASSERT_TRUE(play.sleep(7 * 24h));
  ASSERT_EQ(play.count(ActionKind::start), 1U);
  EXPECT_EQ(play.newest().run.cause, Cause::schedule);
  EXPECT_EQ(to_iso8601(play.newest().run.due_at), "2026-11-08T02:00:00Z");
}

TEST(AssociationMachine, NewNodesRunAtOnceSideBySideButNotWithoutBound) {
  Play play;
  play.change();
  for (std::size_t i = 0; i < kNodeRunsMax + 2; ++i)
    play.turn({{EventKind::nodes, play.now, 0, {"mi-" + std::to_string(i)}, ""}});
  EXPECT_EQ(play.count(ActionKind::start), 1 + kNodeRunsMax);
  EXPECT_EQ(play.state.nodes.size(), 2U);
  play.ends();
  EXPECT_EQ(play.count(ActionKind::start), 2 + kNodeRunsMax);
  EXPECT_EQ(play.newest().run.nodes.size(), 2U) << "those who waited go together";
}

TEST(AssociationMachine, ARunThatIsDueWhileOneRunsIsSkippedAndSaysSo) {
  Play play("rate(1 hour)");
  play.change();
  ASSERT_TRUE(play.sleep(1h));
  EXPECT_EQ(play.newest().kind, ActionKind::skip);
  EXPECT_NE(play.newest().why.find("e1"), std::string::npos);
  play.ends();
  ASSERT_TRUE(play.sleep(1h));
  EXPECT_EQ(play.newest().kind, ActionKind::start);
}

TEST(AssociationMachine, AskedForItRunsOnceEachTime) {
  Play play;
  play.change();
  play.ends();
  play.now += 1min;
  const Event asked{EventKind::once, play.now, 0, {}, ""};
  play.turn({asked, asked});
  play.ends();
  play.turn({asked});
  EXPECT_EQ(play.count(ActionKind::start), 2U);
}

TEST(AssociationMachine, ACalendarHoldsItAndSaysUntilWhen) {
  Play play;
  play.around.holds = {{"the change calendar freeze is closed", play.now + 50min}};
  play.change();
  EXPECT_EQ(play.count(ActionKind::start), 0U);
  EXPECT_EQ(play.state.held, "the change calendar freeze is closed");
  EXPECT_EQ(play.last.wake_at, play.now + 50min);
  play.around.holds.clear();
  ASSERT_TRUE(play.sleep(50min));
  EXPECT_EQ(play.count(ActionKind::start), 1U);
  EXPECT_EQ(play.newest().run.cause, Cause::created);
  EXPECT_TRUE(play.state.held.empty());
}

TEST(AssociationMachine, AWindowHoldsItAndItsCutOffStopsWhatHasNotBegun) {
  Play play;
  play.settings.cutoff_hours = 2;
  play.around.in_window = true;
  play.around.window_opens = play.now + 30min;
  play.change();
  EXPECT_EQ(play.count(ActionKind::start), 0U);
  EXPECT_EQ(play.last.wake_at, play.now + 30min);
  play.around.opening = schedule::Opening{play.now + 30min, play.now + 3h, play.now + 4h};
  ASSERT_TRUE(play.sleep(30min));
  ASSERT_EQ(play.count(ActionKind::start), 1U);
  EXPECT_EQ(play.newest().run.cutoff_at, play.around.opening->closes - 2h) << "its own cut-off, not the window's";
  ASSERT_TRUE(play.sleep(2h));
  EXPECT_EQ(play.newest().kind, ActionKind::stop_waiting);
  play.ends();
  play.turn({{EventKind::once, play.now, 0, {}, ""}});
  EXPECT_EQ(play.count(ActionKind::start), 1U);
  EXPECT_NE(play.state.held.find("cut-off"), std::string::npos);
}

TEST(AssociationMachine, AfterItsDurationEverythingIsStopped) {
  Play play;
  play.settings.duration_hours = 2;
  play.settings.cutoff_hours = 1;
  play.change();
  ASSERT_TRUE(play.sleep(1h));
  EXPECT_EQ(play.newest().kind, ActionKind::stop_waiting);
  ASSERT_TRUE(play.sleep(1h));
  EXPECT_EQ(play.newest().kind, ActionKind::stop_all);
  EXPECT_FALSE(play.last.wake_at.has_value());
}

TEST(AssociationMachine, DeletedItWaitsForWhatRunsAndBeginsNothing) {
  Play play("rate(1 hour)");
  play.change();
  const Event deleted{EventKind::deleted, play.now, 0, {}, ""};
  play.turn({deleted});
  EXPECT_EQ(play.newest().kind, ActionKind::stop_waiting);
  EXPECT_FALSE(play.last.finished);
  EXPECT_FALSE(play.last.wake_at.has_value());
  play.ends();
  EXPECT_TRUE(play.last.finished);
  EXPECT_EQ(play.count(ActionKind::start), 1U);
}

// A year of a daily schedule: every due time is a run or a skip, once, and never two runs of all at a time.
TEST(AssociationMachine, AYearOfRandomEnds) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    std::mt19937 random(seed);
    Play play("cron(30 3 * * ? *)");
    play.change();
    std::set<std::string> due;
    for (const Instant end = play.now + 365 * 24h; play.now < end;) {
      play.sleep(std::chrono::minutes(random() % 2000));
      if (random() % 3 == 0) play.ends();
      const auto running = std::ranges::count_if(play.state.runs, [](const auto& run) { return run.of_all(); });
      ASSERT_LE(running, 1);
    }
    for (const auto& action : play.seen)
      if (action.run.cause == Cause::schedule) {
        ASSERT_TRUE(due.insert(to_iso8601(action.run.due_at)).second);
      }
    EXPECT_GE(due.size(), 364U);
  }
}

TEST(AssociationMachine, TheWholeIsTheWorstOfItsNodes) {
  using enum Status;
  EXPECT_EQ(overall({}, Pending), Success);
  EXPECT_EQ(overall(std::vector{Success, Pending, Failed}, InProgress), InProgress);
  EXPECT_EQ(overall(std::vector{Success, TimedOut, Failed}, InProgress), Failed);
  EXPECT_EQ(overall(std::vector{Success, Skipped}, InProgress), Skipped);
  EXPECT_EQ(node_status(command::Details::Terminated), Skipped);
  EXPECT_EQ(node_status(command::Details::DeliveryTimedOut), TimedOut);
}

TEST(AssociationMachine, ANodeThatAsksGetsARunOfItsOwnWhateverTheScheduleSays) {
  Play play("cron(0 2 * * ? *)", true);
  play.change();
  play.turn({{EventKind::nodes, play.now, 0, {"n1"}, ""}});
  EXPECT_EQ(play.count(ActionKind::start), 0U);
  play.turn({{EventKind::refresh, play.now, 0, {"n1"}, ""}});
  ASSERT_EQ(play.count(ActionKind::start), 1U);
  EXPECT_EQ(play.newest().run.cause, Cause::node);
  EXPECT_EQ(play.newest().run.nodes, std::vector<std::string>{"n1"});
  play.turn({{EventKind::refresh, play.now, 0, {"n1"}, ""}});
  EXPECT_EQ(play.count(ActionKind::start), 1U) << "it is under way";
}

}  // namespace
}  // namespace belay::association
