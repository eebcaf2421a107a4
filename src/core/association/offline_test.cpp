#include "core/association/offline.hpp"

#include <gtest/gtest.h>

namespace belay::association {
namespace {
using namespace std::chrono_literals;

const Instant kMade = parse_iso8601("2026-03-02T12:00:00Z").value();

schedule::Schedule schedule(const std::string& text) {
  return schedule::parse_schedule({text, "", {}, "", ""}, kMade).value();
}

struct Row {
  const char* what;
  const char* schedule;
  Duration cut_since;  // after kMade, as the others
  std::optional<Duration> taken_up;
  Duration now;
  std::optional<Duration> due;
};

const Row kRows[] = {
    {"out of reach before it was due", "rate(1 hour)", 30min, {}, 1h + 1min, 1h},
    {"not yet overdue for long", "rate(1 hour)", 30min, {}, 1h + 59s, {}},
    {"not yet out of reach for long", "rate(1 hour)", 1h + 30s, {}, 1h + 80s, {}},
    {"a cut that was noticed late", "rate(1 hour)", 1h + 10min, {}, 1h + 11min, 1h},
    {"the server was there when it was due", "rate(1 hour)", 1h + 10min + 1s, {}, 1h + 20min, {}},
    {"taken up already", "rate(1 hour)", 30min, 1h, 1h + 30min, {}},
    {"the one after that", "rate(1 hour)", 30min, 1h, 2h + 1min, 2h},
    {"of several the last", "rate(1 hour)", 30min, {}, 5h + 30min, 5h},
    {"nothing is due when it is made", "rate(1 hour)", 0s, {}, 30min, {}},
    {"a cron", "cron(0 14 * * ? *)", 0s, {}, 2h + 1min, 2h},
    {"a cron before its first time", "cron(0 14 * * ? *)", 0s, {}, 2h, {}},
    {"once", "at(2026-03-02T13:30:00)", 1h, {}, 1h + 31min, 1h + 30min},
    {"once, and that was it", "at(2026-03-02T13:30:00)", 1h, 90min, 48h, {}},
};

TEST(Offline, RunsWhatTheServerCannotHaveDecided) {
  for (const auto& row : kRows) {
    CutOff cut{kMade + row.cut_since, {}};
    if (row.taken_up) cut.taken_up = kMade + *row.taken_up;
    const auto due = due_offline(schedule(row.schedule), cut, kMade + row.now);
    EXPECT_EQ(due, row.due ? std::optional(kMade + *row.due) : std::nullopt) << row.what;
  }
}

// Asked only when it said so, it runs every due time, each once and in its patience.
TEST(Offline, AskingWhenItSaysSoMissesNothing) {
  for (const char* text : {"rate(30 minutes)", "cron(15 3,15 * * ? *)", "cron(0 0 ? * SUN#2 *)"}) {
    const auto wanted = schedule(text);
    CutOff cut{kMade + 5min, {}};
    std::vector<Instant> ran;
    auto now = std::optional(kMade + 5min);
    for (int asked = 0; asked < 200 && ran.size() < 20 && now; ++asked) {
      if (const auto due = due_offline(wanted, cut, *now)) {
        EXPECT_EQ(*now - *due, kPatience) << text;
        ran.push_back(*due);
        cut.taken_up = due;
      }
      const auto next = ask_again(wanted, cut, *now);
      ASSERT_TRUE(next && *next > *now) << text;
      now = next;
    }
    EXPECT_EQ(ran, schedule::occurrences(wanted, schedule::ZoneRules{}, kMade, 20)) << text;
  }
}

TEST(Offline, NothingIsAskedAfterTheLastTime) {
  const auto once = schedule("at(2026-03-02T13:30:00)");
  EXPECT_EQ(ask_again(once, {kMade, kMade + 90min}, kMade + 2h), std::nullopt);
}

}  // namespace
}  // namespace belay::association
