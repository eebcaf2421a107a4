// next(), previous() and occurrences() against an oracle that knows nothing of them: it walks minute by minute (second
// by second where the expression has seconds), asks the C library what the wall shows, and asks each field whether it
// matches. Expressions, zones and instants are random, the seed is fixed.
#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <functional>
#include <random>
#include <set>

#include "core/schedule/schedule.hpp"
#include "core/schedule/test_zones.hpp"

namespace belay::schedule {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  int operator()(int first, int last) { return std::uniform_int_distribution<int>(first, last)(engine_); }
  std::int64_t wide(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(engine_);
  }
  bool chance(int percent) { return (*this)(1, 100) <= percent; }

 private:
  std::mt19937_64 engine_;
};

// A field's text, and the values that it was written down from.
struct FieldCase {
  std::string text;
  std::set<int> values;
};

FieldCase random_field(Random& random, int first, int last) {
  FieldCase field;
  if (random.chance(30)) {
    for (int v = first; v <= last; ++v) field.values.insert(v);
    field.text = "*";
    return field;
  }
  for (int items = random(1, 3); items > 0; --items) {
    const int a = random(first, last), b = random(a, last), step = random(1, last - first);
    std::string item = std::to_string(a);
    switch (random(0, 3)) {
      case 0: field.values.insert(a); break;
      case 1:
        item += "-" + std::to_string(b);
        for (int v = a; v <= b; ++v) field.values.insert(v);
        break;
      case 2:
        item += "-" + std::to_string(b) + "/" + std::to_string(step);
        for (int v = a; v <= b; v += step) field.values.insert(v);
        break;
      default:
        item += "/" + std::to_string(step);
        for (int v = a; v <= last; v += step) field.values.insert(v);
    }
    field.text += (field.text.empty() ? "" : ",") + item;
  }
  return field;
}

int length_of_month(const tm& day) {
  static constexpr int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const int y = day.tm_year + 1900;
  const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return lengths[day.tm_mon] + (leap && day.tm_mon == 1 ? 1 : 0);
}

int weekday_in_month(const tm& day, int date) { return ((day.tm_wday + date - day.tm_mday) % 7 + 35) % 7; }

// Walks outward from the wished day, one side at a time, until a weekday of the month is met.
bool is_nearest_weekday(const tm& day, int wished) {
  const int length = length_of_month(day);
  if (wished > length) return false;
  const auto works = [&](int date) {
    const int weekday = weekday_in_month(day, date);
    return date >= 1 && date <= length && weekday != 0 && weekday != 6;
  };
  for (int distance = 0; distance < 4; ++distance)
    for (const int date : {wished - distance, wished + distance})
      if (works(date)) return date == day.tm_mday;
  return false;
}

struct DayCase {
  std::string of_month = "?", of_week = "?";
  std::function<bool(const tm&)> matches;
};

DayCase random_day(Random& random) {
  static constexpr const char* names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
  DayCase day;
  const int n = random(1, 31), weekday = random(0, 6), nth = random(1, 5);
  const std::string weekday_text = random.chance(50) ? names[weekday] : std::to_string(weekday + 1);
  switch (random(0, 9)) {
    case 0: day.of_month = "L", day.matches = [](const tm& t) { return t.tm_mday == length_of_month(t); }; break;
    case 1:
      day.of_month = "LW", day.matches = [](const tm& t) { return is_nearest_weekday(t, length_of_month(t)); };
      break;
    case 2:
      day.of_month = std::to_string(n) + "W", day.matches = [n](const tm& t) { return is_nearest_weekday(t, n); };
      break;
    case 3:
      day.of_month = "L-" + std::to_string(nth);
      day.matches = [nth](const tm& t) { return t.tm_mday == length_of_month(t) - nth; };
      break;
    case 4:
      day.of_week = weekday_text + "L";
      day.matches = [weekday](const tm& t) { return t.tm_wday == weekday && t.tm_mday + 7 > length_of_month(t); };
      break;
    case 5:
      day.of_week = weekday_text + "#" + std::to_string(nth);
      day.matches = [weekday, nth](const tm& t) { return t.tm_wday == weekday && (t.tm_mday + 6) / 7 == nth; };
      break;
    case 6: {
      const auto field = random_field(random, 1, 7);
      day.of_week = field.text;
      day.matches = [field](const tm& t) { return field.values.contains(t.tm_wday + 1); };
      break;
    }
    case 7: {
      const auto field = random_field(random, 1, 31);
      day.of_month = field.text;
      day.matches = [field](const tm& t) { return field.values.contains(t.tm_mday); };
      break;
    }
    default: (random.chance(50) ? day.of_month : day.of_week) = "*", day.matches = [](const tm&) { return true; };
  }
  return day;
}

struct CronCase {
  std::string text;
  bool has_seconds = false;
  std::function<bool(const tm&)> day_matches;
  std::set<int> seconds{0}, minutes, hours, months;

  bool matches(const tm& time, int moved_days) const {
    if (!seconds.contains(time.tm_sec) || !minutes.contains(time.tm_min) || !hours.contains(time.tm_hour)) return false;
    tm base = time;
    base.tm_mday -= moved_days;
    base.tm_isdst = 0;
    const time_t noon = ::timegm(&base);  // normalises the date; the zone does not matter
    ::gmtime_r(&noon, &base);
    return months.contains(base.tm_mon + 1) && day_matches(base);
  }
};

CronCase random_cron(Random& random, bool with_seconds) {
  CronCase cron;
  cron.has_seconds = with_seconds;
  const auto minutes = random_field(random, 0, 59), hours = random_field(random, 0, 23),
             months = random_field(random, 1, 12);
  const bool any_month = random.chance(70);
  const auto day = random_day(random);
  cron.minutes = minutes.values, cron.hours = hours.values, cron.day_matches = day.matches;
  if (any_month)
    for (int m = 1; m <= 12; ++m) cron.months.insert(m);
  else cron.months = months.values;
  std::string seconds_text;
  if (with_seconds) {
    const auto seconds = random_field(random, 0, 59);
    cron.seconds = seconds.values;
    seconds_text = seconds.text + " ";
  }
  cron.text = "cron(" + seconds_text + minutes.text + " " + hours.text + " " + day.of_month + " " +
              (any_month ? "*" : months.text) + " " + day.of_week + " *)";
  return cron;
}

constexpr const char* kZones[] = {"UTC",
                                  "Europe/Berlin",
                                  "America/New_York",
                                  "Australia/Lord_Howe",
                                  "Africa/Casablanca",
                                  "Asia/Kathmandu",
                                  "Pacific/Apia",
                                  "America/Sao_Paulo",
                                  "Asia/Tehran",
                                  "Europe/Dublin",
                                  "Antarctica/Troll",
                                  "Africa/Cairo"};

// Half of the instants lie close to a change of the clocks, if the zone has any.
std::int64_t random_instant(Random& random, const ZoneRules& rules) {
  const std::int64_t anywhere = random.wide(631'152'000, 2'524'608'000);  // 1990 to 2050
  if (random.chance(40)) return anywhere;
  const auto change = next_change(rules, UtcTime{Seconds(anywhere)});
  return change ? change->at.time_since_epoch().count() - random.wide(0, 2 * 86'400) : anywhere;
}

tm wall_at(std::int64_t unix_s) {
  tm wall{};
  const time_t at = unix_s;
  ::localtime_r(&at, &wall);
  return wall;
}

std::int64_t wall_seconds(tm wall) {
  wall.tm_isdst = 0;
  return ::timegm(&wall);
}

// Every step in (after, until] at which the wall shows a matching time for the first time.
std::vector<Instant> by_walking(const CronCase& cron, int moved_days, std::int64_t after, std::int64_t until,
                                std::int64_t step) {
  std::vector<Instant> due;
  std::int64_t latest_shown = INT64_MIN;
  for (std::int64_t at = (after / step - 93'600 / step) * step; at <= until; at += step) {
    const tm wall = wall_at(at);
    const std::int64_t shown = wall_seconds(wall);
    if (shown > latest_shown && at > after && cron.matches(wall, moved_days)) due.push_back(from_unix_ms(at * 1000));
    latest_shown = std::max(latest_shown, shown);
  }
  return due;
}

// Where two lists part, in words; "" where they are the same.
std::string difference(const std::vector<Instant>& computed, const std::vector<Instant>& walked) {
  for (std::size_t i = 0; i < std::max(computed.size(), walked.size()); ++i) {
    const auto a = i < computed.size() ? to_iso8601(computed[i]) : "nothing";
    const auto b = i < walked.size() ? to_iso8601(walked[i]) : "nothing";
    if (a != b) return "computed " + a + ", walked " + b;
  }
  return "";
}

void compare(Random& random, bool with_seconds, std::int64_t span_s) {
  const char* name = kZones[random(0, std::size(kZones) - 1)];
  const auto& rules = zone(name);
  ::setenv("TZ", name, 1);
  ::tzset();
  const CronCase cron = random_cron(random, with_seconds);
  const auto expression = parse_expression(cron.text);
  if (!expression.ok()) {
    ASSERT_NE(expression.error().message().find("never fires"), std::string::npos) << cron.text;
    return;
  }
  const int moved = random.chance(25) ? random(1, 6) : 0;
  Schedule given{.expression = *expression, .timezone = name, .offset_days = static_cast<unsigned>(moved)};
  const std::int64_t after = random_instant(random, rules), until = after + span_s;
  const auto walked = by_walking(cron, moved, after, until, with_seconds ? 1 : 60);
  const std::string what =
      cron.text + " +" + std::to_string(moved) + " " + name + " after " + to_iso8601(from_unix_ms(after * 1000));
  std::vector<Instant> computed;
  for (Instant from = from_unix_ms(after * 1000); computed.size() <= walked.size();) {
    const auto due = next(given, rules, from);
    if (!due || *due > from_unix_ms(until * 1000)) break;
    computed.push_back(from = *due);
  }
  ASSERT_EQ(difference(computed, walked), "") << what;
  const auto before = previous(given, rules, from_unix_ms(until * 1000));
  if (!walked.empty()) ASSERT_EQ(before, walked.back()) << what;
  else if (before) ASSERT_LE(*before, from_unix_ms(after * 1000)) << what;
  if (walked.size() > 1)
    ASSERT_EQ(previous(given, rules, walked.back() - Duration(1)), walked[walked.size() - 2]) << what;
}

TEST(Oracle, AgreesMinuteByMinute) {
  Random random(5);
  for (int i = 0; i < 1500 && !HasFatalFailure(); ++i) compare(random, false, 4 * 86'400);
  ::unsetenv("TZ");
}

TEST(Oracle, AgreesMinuteByMinuteOverMonths) {
  Random random(17);
  for (int i = 0; i < 60 && !HasFatalFailure(); ++i) compare(random, false, 75 * 86'400);
  ::unsetenv("TZ");
}

TEST(Oracle, AgreesSecondBySecond) {
  Random random(29);
  for (int i = 0; i < 60 && !HasFatalFailure(); ++i) compare(random, true, 30'000);
  ::unsetenv("TZ");
}

// Where the wall shows a time, resolve() leads back to the first instant that shows it.
TEST(Oracle, AgreesOnWhatTheWallShows) {
  Random random(41);
  for (int i = 0; i < 300; ++i) {
    const char* name = kZones[random(0, std::size(kZones) - 1)];
    ::setenv("TZ", name, 1);
    ::tzset();
    const std::int64_t wished = random_instant(random, zone(name)) / 60 * 60;
    const auto found = resolve(zone(name), LocalTime{Seconds(wished)});
    std::vector<std::int64_t> shows;
    for (std::int64_t at = wished - 93'600; at <= wished + 93'600; at += 60)
      if (wall_seconds(wall_at(at)) == wished) shows.push_back(at);
    const std::string what = std::string(name) + " " + std::to_string(wished);
    ASSERT_EQ(static_cast<std::size_t>(found.kind == Resolved::Kind::skipped ? 0
                                       : found.kind == Resolved::Kind::once  ? 1
                                                                             : 2),
              shows.size())
        << what;
    if (!shows.empty()) ASSERT_EQ(found.at.time_since_epoch().count(), shows.front()) << what;
  }
  ::unsetenv("TZ");
}

}  // namespace
}  // namespace belay::schedule
