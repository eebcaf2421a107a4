#include "base/time.hpp"

#include <gtest/gtest.h>

namespace belay {
namespace {

TEST(Iso8601, GoesRound) {
  for (const auto* text :
       {"1970-01-01T00:00:00Z", "2026-11-23T18:12:05Z", "2024-02-29T23:59:59Z", "2026-11-23T18:12:05.120Z"})
    EXPECT_EQ(to_iso8601(parse_iso8601(text).value()), text);
  EXPECT_EQ(to_iso8601(parse_iso8601("2026-11-23").value()), "2026-11-23T00:00:00Z");
  EXPECT_EQ(to_iso8601(parse_iso8601("2026-11-23 18:12:05.123456").value()), "2026-11-23T18:12:05.123Z");
}

TEST(Iso8601, TakesAnOffsetFromUtc) {
  for (const auto* text : {"2021-04-07T14:29:00-08:00", "2021-04-07T14:29:00-0800", "2021-04-07T14:29-08",
                           "2021-04-08T03:59:00+05:30", "2021-04-07T22:29:00+00:00"})
    EXPECT_EQ(to_iso8601(parse_iso8601(text).value()), "2021-04-07T22:29:00Z") << text;
}

TEST(Iso8601, RefusesWhatIsNoTime) {
  for (const auto* text : {"", "2026", "2026-13-01", "2025-02-29", "2026-11-23T25:00:00Z", "2026-11-23T18:61:00Z",
                           "2026-11-23T18:12:05+25:00", "2026-11-23T18:12:0512", "2026-11-23T18:12:05+1", "yesterday"})
    EXPECT_FALSE(parse_iso8601(text).ok()) << text;
}

TEST(HttpDate, ReadsWhatServersAndReleaseFilesWrite) {
  EXPECT_EQ(to_iso8601(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").value()), "1994-11-06T08:49:37Z");
  EXPECT_EQ(to_iso8601(parse_http_date("Sat, 10 Oct 2026 09:05:07 UTC").value()), "2026-10-10T09:05:07Z");
  EXPECT_FALSE(parse_http_date("Sat, 10 Oct 2026").ok());
}

TEST(Durations, AreANumberAndAUnit) {
  EXPECT_EQ(parse_duration("90s").value(), Duration(90'000));
  EXPECT_EQ(parse_duration("2h").value(), std::chrono::hours(2));
  EXPECT_EQ(parse_duration("7d").value(), std::chrono::hours(168));
  for (const auto* text : {"", "5", "m", "-5m", "5 m", "5y", "99999999999s"})
    EXPECT_FALSE(parse_duration(text).ok()) << text;
  EXPECT_EQ(humanize(std::chrono::minutes(125)), "2 h 5 min");
}

}  // namespace
}  // namespace belay
