#include "core/schedule/zone_rules.hpp"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "core/schedule/test_zones.hpp"

namespace belay::schedule {
namespace {

using std::chrono::seconds;

std::string local_of(const char* zone_name, const char* utc) { return to_local_iso8601(zone(zone_name), at(utc)); }

LocalTime local(std::string_view text) { return LocalTime{floor<seconds>(at(text)).time_since_epoch()}; }

TEST(ZoneRules, ShowWhatTheWallShows) {
  const struct {
    const char *name, *utc, *wall;
  } rows[] = {
      {"UTC", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00+00:00"},
      {"Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:59:59+01:00"},
      {"Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00"},
      {"Europe/Berlin", "2026-10-25T00:59:59Z", "2026-10-25T02:59:59+02:00"},
      {"Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00+01:00"},
      {"America/New_York", "2150-07-04T12:00:00Z", "2150-07-04T08:00:00-04:00"},  // by the footer
      {"Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T05:45:00+05:45"},
      {"Australia/Lord_Howe", "2026-01-01T00:00:00Z", "2026-01-01T11:00:00+11:00"},
      {"Australia/Lord_Howe", "2026-07-01T00:00:00Z", "2026-07-01T10:30:00+10:30"},
      {"Africa/Casablanca", "2026-02-14T12:00:00Z", "2026-02-14T13:00:00+01:00"},
      {"Africa/Casablanca", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00+00:00"},  // Ramadan
      {"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T23:59:59-10:00"},
      {"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00+14:00"},
      {"America/Godthab", "2200-01-01T00:00:00Z", "2199-12-31T22:00:00-02:00"},
  };
  for (const auto& row : rows) EXPECT_EQ(local_of(row.name, row.utc), row.wall) << row.name;
}

TEST(ZoneRules, SayWhetherALocalTimeIsOnceTwiceOrNever) {
  using Kind = Resolved::Kind;
  const struct {
    const char *name, *local;
    Kind kind;
    const char *utc, *from, *until;
  } rows[] = {
      {"Europe/Berlin", "2026-03-29T01:59:59", Kind::once, "2026-03-29T00:59:59Z", nullptr, nullptr},
      {"Europe/Berlin", "2026-03-29T02:30:00", Kind::skipped, "2026-03-29T01:00:00Z", "2026-03-29T02:00:00",
       "2026-03-29T03:00:00"},
      {"Europe/Berlin", "2026-10-25T02:30:00", Kind::twice, "2026-10-25T00:30:00Z", "2026-10-25T02:00:00",
       "2026-10-25T03:00:00"},
      {"Europe/Berlin", "2026-10-25T03:00:00", Kind::once, "2026-10-25T02:00:00Z", nullptr, nullptr},
      {"Australia/Lord_Howe", "2026-10-04T02:15:00", Kind::skipped, "2026-10-03T15:30:00Z", "2026-10-04T02:00:00",
       "2026-10-04T02:30:00"},
      {"Australia/Lord_Howe", "2026-04-05T01:45:00", Kind::twice, "2026-04-04T14:45:00Z", "2026-04-05T01:30:00",
       "2026-04-05T02:00:00"},
      {"Pacific/Apia", "2011-12-30T12:00:00", Kind::skipped, "2011-12-30T10:00:00Z", "2011-12-30T00:00:00",
       "2011-12-31T00:00:00"},
      {"Africa/Casablanca", "2026-03-22T02:30:00", Kind::skipped, "2026-03-22T02:00:00Z", "2026-03-22T02:00:00",
       "2026-03-22T03:00:00"},
      {"UTC", "2026-03-29T02:30:00", Kind::once, "2026-03-29T02:30:00Z", nullptr, nullptr},
  };
  for (const auto& row : rows) {
    const auto found = resolve(zone(row.name), local(row.local));
    EXPECT_EQ(found.kind, row.kind) << row.name << " " << row.local;
    EXPECT_EQ(to_iso8601(found.at), row.utc) << row.name << " " << row.local;
    if (!row.from) continue;
    EXPECT_EQ(found.from, local(row.from)) << row.name << " " << row.local;
    EXPECT_EQ(found.until, local(row.until)) << row.name << " " << row.local;
  }
}

// Every zone file of the machine, at random instants of two centuries, against the C library's own reading of it.
TEST(ZoneRules, AgreeWithTheCLibraryInEveryZone) {
  std::mt19937_64 random(20261124);
  std::size_t zones = 0;
  const std::filesystem::path root = "/usr/share/zoneinfo";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string name = entry.path().lexically_relative(root).string();
    if (!entry.is_regular_file() || name.starts_with("right/") || name.starts_with("posix/")) continue;
    if (!zone_bytes(name).starts_with("TZif")) continue;
    ++zones;
    ::setenv("TZ", name.c_str(), 1);
    ::tzset();
    for (int i = 0; i < 300; ++i) {
      const auto unix_s = std::uniform_int_distribution<time_t>(-1'000'000'000, 5'000'000'000)(random);
      tm wall{};
      ASSERT_TRUE(::localtime_r(&unix_s, &wall));
      ASSERT_EQ(offset_at(zone(name), UtcTime{seconds(unix_s)}).count(), wall.tm_gmtoff) << name << " at " << unix_s;
    }
  }
  ::unsetenv("TZ");
  EXPECT_GT(zones, 300U);
}

TEST(Footer, ReadsEveryForm) {
  for (const auto* text : {"UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0545>-5:45", "EST5EDT4,J60/2:30:15,365/-1",
                           "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "IST-2IDT,M3.4.4/26,M10.5.0", "XXX3EDT4,0/0,J365/23"})
    EXPECT_TRUE(parse_footer(text).ok()) << text;
  for (const auto* text : {"", "C1", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-27",
                           "<+1", "CET-1CEST,M3.5.0,M10.5.0/168", "CET-1x", "CET-1CEST,J0,J365"})
    EXPECT_FALSE(parse_footer(text).ok()) << text;
}

TEST(Footer, CoversAZoneThatIsAlwaysOnSummerTime) {
  ZoneRules rules;
  rules.footer = parse_footer("XXX3EDT4,0/0,J365/23").value();
  for (const auto* when :
       {"2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z", "2026-07-01T00:00:00Z", "2026-12-31T23:59:59Z"})
    EXPECT_EQ(offset_at(rules, floor<seconds>(at(when))), std::chrono::hours(-4)) << when;
}

TEST(Tzif, KnowsUtcWithoutReading) {
  const auto never = [](std::string_view name) -> Result<std::string> {
    return Error(Code::not_found, std::string(name));
  };
  EXPECT_EQ(zone_of("Etc/UTC", never).value(), ZoneRules{});
  EXPECT_EQ(zone_of("Europe/Berlin", never).error().message(), "Europe/Berlin");
  const auto system = [](std::string_view name) -> Result<std::string> { return zone_bytes(std::string(name)); };
  EXPECT_EQ(zone_of("Europe/Berlin", system).value(), zone("Europe/Berlin"));
}

TEST(Tzif, RefusesWhatIsNoneOrIsCut) {
  const std::string good = zone_bytes("Europe/Berlin");
  ASSERT_TRUE(parse_tzif(good, "Europe/Berlin").ok());
  EXPECT_EQ(parse_tzif("", "x").error().code(), Code::corrupt);
  for (std::size_t size = 0; size < good.size(); size += 7)
    EXPECT_FALSE(parse_tzif(good.substr(0, size), "x").ok()) << size;
  EXPECT_EQ(parse_tzif(zone_bytes("right/Europe/Berlin"), "right/Europe/Berlin").error().code(), Code::unsupported);
}

}  // namespace
}  // namespace belay::schedule
