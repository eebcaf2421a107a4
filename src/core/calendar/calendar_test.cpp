#include "core/calendar/calendar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/text.hpp"

namespace belay::calendar {
namespace {

Result<std::string> system_zone(std::string_view name) {
  std::ifstream file("/usr/share/zoneinfo/" + std::string(name), std::ios::binary);
  if (!file) return Error(Code::not_found, "no zone " + std::string(name));
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

Instant at(std::string_view text) { return parse_iso8601(text).value(); }

std::string text_with(std::string_view type, const std::vector<std::string>& lines) {
  return "BEGIN:VCALENDAR\r\nPRODID:-//AWS//Change Calendar 1.0//EN\r\nVERSION:2.0\r\nX-CALENDAR-TYPE:" +
         std::string(type) + "\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Freeze\\, all\r\n" + join(lines, "\r\n") +
         "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
}

Calendar freeze(const std::vector<std::string>& lines) {
  auto parsed = parse_calendar("freeze", text_with("DEFAULT_OPEN", lines), system_zone);
  EXPECT_TRUE(parsed.ok()) << parsed.error().chain();
  return *parsed;
}

// "CLOSED until 2027-01-04T00:00:00Z (Freeze)"
std::string told(const Calendar& calendar, const char* when) {
  const auto state = calendar_state(calendar, at(when));
  return std::string(state.open ? "OPEN" : "CLOSED") +
         (state.next_transition ? " until " + to_iso8601(*state.next_transition) : "") +
         (state.event.empty() ? "" : " (" + state.event + ")");
}

TEST(Calendar, IsOpenOrClosedAndSaysUntilWhen) {
  const auto one = freeze({"DTSTART:20261220T180000Z", "DTEND:20270104T060000Z"});
  EXPECT_EQ(told(one, "2026-12-20T17:59:59Z"), "OPEN until 2026-12-20T18:00:00Z");
  EXPECT_EQ(told(one, "2026-12-20T18:00:00Z"), "CLOSED until 2027-01-04T06:00:00Z (Freeze, all)");
  EXPECT_EQ(told(one, "2027-01-04T06:00:00Z"), "OPEN");
  const auto allowed =
      parse_calendar("c", text_with("DEFAULT_CLOSED", {"DTSTART:20261220T180000Z", "DURATION:PT4H"}), system_zone);
  ASSERT_TRUE(allowed.ok());
  EXPECT_EQ(told(*allowed, "2026-12-20T12:00:00Z"), "CLOSED until 2026-12-20T18:00:00Z");
  EXPECT_EQ(told(*allowed, "2026-12-20T20:00:00Z"), "OPEN until 2026-12-20T22:00:00Z (Freeze, all)");
  EXPECT_EQ(told(*allowed, "2026-12-20T22:00:00Z"), "CLOSED");
}

TEST(Calendar, ReadsTimesOfEveryKind) {
  const struct {
    std::vector<std::string> lines;
    const char *when, *told;
  } rows[] = {
      {{"DTSTART;TZID=Europe/Berlin:20270327T220000", "DTEND;TZID=Europe/Berlin:20270328T060000"},
       "2027-03-28T00:00:00Z",
       "CLOSED until 2027-03-28T04:00:00Z"},
      {{"DTSTART;TZID=\"America/New_York\":20270101T000000", "DTEND;TZID=Europe/Berlin:20270101T120000"},
       "2027-01-01T06:00:00Z",
       "CLOSED until 2027-01-01T11:00:00Z"},
      {{"DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"},
       "2026-12-26T23:59:59Z",
       "CLOSED until 2026-12-27T00:00:00Z"},
      {{"DTSTART;VALUE=DATE:20261224"}, "2026-12-24T00:00:00Z", "CLOSED until 2026-12-25T00:00:00Z"},
      {{"DTSTART;TZID=Europe/Berlin;VALUE=DATE:20261224"}, "2026-12-23T23:00:00Z", "CLOSED until 2026-12-24T23:00:00Z"},
      {{"DTSTART;TZID=Europe/Berlin:20270327T120000", "DURATION:P1D"},
       "2027-03-27T12:00:00Z",
       "CLOSED until 2027-03-28T10:00:00Z"},
      {{"DTSTART;TZID=Europe/Berlin:20270327T120000", "DURATION:PT24H"},
       "2027-03-27T12:00:00Z",
       "CLOSED until 2027-03-28T11:00:00Z"},
      // 02:30 does not exist there on that day: half an hour behind the gap's beginning.
      {{"DTSTART;TZID=Europe/Berlin:20270328T023000", "DURATION:PT1H"},
       "2027-03-28T01:45:00Z",
       "CLOSED until 2027-03-28T02:30:00Z"},
      {{"DTSTART:20270101T000000Z", "DURATION:P1W"}, "2027-01-05T00:00:00Z", "CLOSED until 2027-01-08T00:00:00Z"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(told(freeze(row.lines), row.when), std::string(row.told) + " (Freeze, all)") << row.lines[0];
}

TEST(Calendar, RecursAndLeavesOutExceptions) {
  const struct {
    std::vector<std::string> lines;
    const char *when, *told;
  } rows[] = {
      // Every Friday evening until Monday morning, by the wall.
      {{"DTSTART;TZID=Europe/Berlin:20260904T180000", "DTEND;TZID=Europe/Berlin:20260907T060000",
        "RRULE:FREQ=WEEKLY;BYDAY=FR"},
       "2026-10-25T12:00:00Z",
       "CLOSED until 2026-10-26T05:00:00Z (Freeze, all)"},
      {{"DTSTART;TZID=Europe/Berlin:20260904T180000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;BYDAY=FR"},
       "2026-10-24T12:00:00Z",
       "OPEN until 2026-10-30T17:00:00Z"},
      {{"DTSTART:20271229T150000Z", "DTEND:20280104T150000Z", "RRULE:FREQ=YEARLY"},
       "2030-01-01T00:00:00Z",
       "CLOSED until 2030-01-04T15:00:00Z (Freeze, all)"},
      {{"DTSTART:20260101T000000Z", "DURATION:PT24H", "RRULE:FREQ=DAILY;COUNT=10"},
       "2026-01-01T00:00:00Z",
       "CLOSED until 2026-01-11T00:00:00Z (Freeze, all)"},
      {{"DTSTART:20260101T000000Z", "DURATION:PT24H", "RRULE:FREQ=DAILY"},
       "2026-01-01T00:00:00Z",
       "CLOSED (Freeze, all)"},
      {{"DTSTART:20260101T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20260103T000000Z"},
       "2026-01-02T01:00:00Z",
       "OPEN until 2026-01-03T00:00:00Z"},
      {{"DTSTART:20260101T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20260103"},
       "2026-01-03T01:00:00Z",
       "OPEN"},
      {{"DTSTART:20260101T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", "EXDATE:20260102T000000Z,20260103T000000Z"},
       "2026-01-01T01:00:00Z",
       "OPEN until 2026-01-04T00:00:00Z"},
      {{"DTSTART;TZID=Europe/Berlin:20260101T080000", "DURATION:PT1H", "RRULE:FREQ=DAILY",
        "EXDATE;VALUE=DATE:20260102"},
       "2026-01-01T09:00:00Z",
       "OPEN until 2026-01-03T07:00:00Z"},
      // The last two working days of each month.
      {{"DTSTART;VALUE=DATE:20261127", "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,-2"},
       "2026-12-01T00:00:00Z",
       "OPEN until 2026-12-30T00:00:00Z"},
      {{"DTSTART:20260101T000000Z", "DURATION:PT1H", "STATUS:CANCELLED"}, "2026-01-01T00:00:00Z", "OPEN"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(told(freeze(row.lines), row.when), row.told) << row.lines.back() << " at " << row.when;
}

TEST(Calendar, IsReadAsAwsAndExportersWriteIt) {
  const char* empty =
      "BEGIN:VCALENDAR\r\nPRODID:-//AWS//Change Calendar "
      "1.0//EN\r\nVERSION:2.0\r\nX-CALENDAR-TYPE:DEFAULT_CLOSED\r\nX-WR-CALDESC:test\r\n"
      "BEGIN:VTODO\r\nDTSTAMP:20200320T004207Z\r\nUID:3b5af39a\r\nSUMMARY:Add events to this "
      "calendar.\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";
  const auto aws = parse_calendar("aws", empty, system_zone);
  ASSERT_TRUE(aws.ok()) << aws.error().chain();
  EXPECT_FALSE(aws->default_open);
  EXPECT_TRUE(aws->events.empty());
  const char* exported =
      "\xEF\xBB\xBF"
      "BEGIN:VCALENDAR\nX-WR-TIMEZONE:Asia/Tokyo\nBEGIN:VTIMEZONE\nTZID:Asia/"
      "Tokyo\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
      "TZOFFSETFROM:+0900\nTZOFFSETTO:+0900\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nDTSTART:20270101T000000\nDTEND:"
      "20270102T0000\n 00\n"
      "SUMMARY:New\n  Year\nBEGIN:VALARM\nTRIGGER:-PT15M\nDURATION:PT5M\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n";
  const auto tokyo = parse_calendar("tokyo", exported, system_zone);
  ASSERT_TRUE(tokyo.ok()) << tokyo.error().chain();
  EXPECT_EQ(told(*tokyo, "2026-12-31T15:00:00Z"), "CLOSED until 2027-01-01T15:00:00Z (New Year)");
}

TEST(Calendar, SeveralAreOpenWhereAllAre) {
  const Calendar both[] = {freeze({"DTSTART:20270101T000000Z", "DTEND:20270102T000000Z"}),
                           freeze({"DTSTART:20270101T120000Z", "DTEND:20270103T000000Z", "SUMMARY:Audit"})};
  const auto state = calendar_state(both, at("2027-01-01T06:00:00Z"));
  EXPECT_FALSE(state.open);
  EXPECT_EQ(state.next_transition, at("2027-01-03"));
  EXPECT_EQ(held_by(both, at("2027-01-01T06:00:00Z")).size(), 1U);
  const auto holds = held_by(both, at("2027-01-01T18:00:00Z"));
  ASSERT_EQ(holds.size(), 2U);
  EXPECT_EQ(holds[1].calendar, "freeze");
  EXPECT_EQ(holds[1].event, "Audit");
  EXPECT_EQ(holds[1].until, at("2027-01-03"));
  EXPECT_TRUE(held_by(both, at("2027-01-03")).empty());
  EXPECT_TRUE(held_by({}, at("2027-01-03")).empty());
}

TEST(Calendar, RefusalsNameLineAndReason) {
  const struct {
    std::vector<std::string> lines;
    const char* says;
  } rows[] = {
      {{"SUMMARY:x"}, "line 5: the event has no DTSTART"},
      {{"DTSTART:20270101T000000Z"}, "line 5: the event lasts no time"},
      {{"DTSTART:20270101T000000Z", "DTEND:20261231T000000Z"}, "line 9: the event lasts no time"},
      {{"DTSTART:20270101T000000Z", "DTEND:20270102T000000Z", "DURATION:PT1H"},
       "line 10: an event has DTEND or DURATION"},
      {{"DTSTART:20270101T000000Z", "DTEND;VALUE=DATE:20270102"}, "must both be days or both be times"},
      {{"DTSTART:20270230T000000Z", "DURATION:PT1H"}, "DTSTART is '20270230T000000Z'"},
      {{"DTSTART:2027-01-01", "DURATION:PT1H"}, "DTSTART is '2027-01-01'"},
      {{"DTSTART:20270101T000000Z", "DTSTART:20270101T000000Z", "DURATION:PT1H"}, "DTSTART is given twice"},
      {{"DTSTART;TZID=W. Europe Standard Time:20270101T000000", "DURATION:PT1H"},
       "TZID 'W. Europe Standard Time' is no IANA zone"},
      {{"DTSTART:20270101T000000Z", "DURATION:1h"}, "DURATION is '1h'; write PT4H"},
      {{"DTSTART:20270101T000000Z", "DURATION:PT1H", "RDATE:20270201T000000Z"}, "line 10: RDATE is not supported"},
      {{"DTSTART:20270101T000000Z", "DURATION:PT1H", "RECURRENCE-ID:20270201T000000Z"},
       "RECURRENCE-ID is not supported"},
      {{"DTSTART:20270101T000000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY"}, "RRULE FREQ=HOURLY: is not supported"},
      {{"DTSTART:20270101T000000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;BYDAY=MO"},
       "DTSTART is not among the days that RRULE names"},
      {{"DTSTART:20270101T000000Z", "DURATION:P400D", "RRULE:FREQ=YEARLY"}, "may last a year at most"},
      {{"no line"}, "is no iCalendar line"},
      {{"END:VTODO"}, "END:VTODO closes nothing that is open"},
      {{"BEGIN:VCALENDAR"}, "cannot stand here"},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_calendar("freeze", text_with("DEFAULT_OPEN", row.lines), system_zone);
    ASSERT_FALSE(parsed.ok()) << row.says;
    EXPECT_THAT(parsed.error().chain(), testing::HasSubstr(row.says));
    EXPECT_THAT(parsed.error().chain(), testing::HasSubstr("the calendar 'freeze'"));
  }
  EXPECT_FALSE(parse_calendar("x", "", system_zone).ok());
  EXPECT_FALSE(parse_calendar("x", "BEGIN:VCALENDAR\n", system_zone).ok());
  EXPECT_FALSE(parse_calendar("x", text_with("DEFAULT_SHUT", {"DTSTART:20270101T000000Z"}), system_zone).ok());
  EXPECT_EQ(parse_calendar("x", std::string(70'000, 'x'), system_zone).error().code(), Code::resource_exhausted);
}

}  // namespace
}  // namespace belay::calendar
