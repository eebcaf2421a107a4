#include "base/time.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace belay {
namespace {

// Takes `width` digits off the front of text; -1 where they are not there.
int take_digits(std::string_view& text, std::size_t width) {
  if (text.size() < width) return -1;
  int value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

Error not_a_time(std::string_view text) {
  return Error(Code::invalid_argument,
               "'" + std::string(text.substr(0, 64)) + "' is not a time; write it as 2026-11-23T18:12:00Z");
}

// Milliseconds of ".123456"; digits after the third are dropped.
int take_fraction(std::string_view& text) {
  int ms = 0, scale = 100;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    ms += (text.front() - '0') * scale;
    scale /= 10;
    text.remove_prefix(1);
  }
  return ms;
}

// "", "Z", "+01:00", "-0800" or "+01", east of UTC.
std::optional<Duration> take_utc_offset(std::string_view& text) {
  if (text.empty() || take(text, 'Z')) return Duration(0);
  const bool west = take(text, '-');
  if (!west && !take(text, '+')) return std::nullopt;
  const int h = take_digits(text, 2);
  const bool colon = take(text, ':');
  const int mi = text.empty() && !colon ? 0 : take_digits(text, 2);
  if (h < 0 || h > 23 || mi < 0 || mi > 59) return std::nullopt;
  const Duration size = std::chrono::hours(h) + std::chrono::minutes(mi);
  return west ? -size : size;
}

Result<Instant> instant_of(std::string_view whole, int y, int mo, int d, int h, int mi, int s, int ms) {
  using namespace std::chrono;
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (mo < 1 || d < 1 || !date.ok() || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60)
    return not_a_time(whole);
  return Instant(sys_days(date)) + hours(h) + minutes(mi) + seconds(s) + milliseconds(ms);
}

}  // namespace

std::int64_t to_unix_ms(Instant instant) { return instant.time_since_epoch().count(); }
Instant from_unix_ms(std::int64_t ms) { return Instant(Duration(ms)); }

std::string to_date(Instant instant) { return to_iso8601(instant).substr(0, 10); }

std::string to_iso8601(Instant instant) {
  using namespace std::chrono;
  const auto day_start = floor<days>(instant);
  const year_month_day date(day_start);
  const hh_mm_ss clock(instant - day_start);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", int(date.year()), unsigned(date.month()),
                unsigned(date.day()), int(clock.hours().count()), int(clock.minutes().count()),
                int(clock.seconds().count()));
  std::string out(text.data());
  if (const auto ms = clock.subseconds().count(); ms != 0) {
    std::snprintf(text.data(), text.size(), ".%03d", int(ms));
    out += text.data();
  }
  return out + "Z";
}

Result<Instant> parse_iso8601(std::string_view whole) {
  std::string_view text = whole;
  const int y = take_digits(text, 4);
  const bool dash1 = take(text, '-');
  const int mo = take_digits(text, 2);
  const bool dash2 = take(text, '-');
  const int d = take_digits(text, 2);
  if (y < 0 || mo < 0 || d < 0 || !dash1 || !dash2) return not_a_time(whole);
  if (text.empty()) return instant_of(whole, y, mo, d, 0, 0, 0, 0);
  if (!take(text, 'T') && !take(text, ' ')) return not_a_time(whole);
  const int h = take_digits(text, 2);
  const bool colon1 = take(text, ':');
  const int mi = take_digits(text, 2);
  int s = 0, ms = 0;
  if (take(text, ':')) s = take_digits(text, 2);
  if (take(text, '.')) ms = take_fraction(text);
  if (h < 0 || mi < 0 || s < 0 || !colon1) return not_a_time(whole);
  const auto east = take_utc_offset(text);
  if (!east || !text.empty()) return not_a_time(whole);
  BELAY_TRY_ASSIGN(const Instant local, instant_of(whole, y, mo, d, h, mi, s, ms));
  return local - *east;
}

Result<Instant> parse_http_date(std::string_view whole) {
  static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::string_view text = whole;
  const auto comma = text.find(", ");
  if (comma == std::string_view::npos) return not_a_time(whole);
  text.remove_prefix(comma + 2);
  const std::size_t day_width = text.size() > 1 && text[1] == ' ' ? 1 : 2;
  const int d = take_digits(text, day_width);
  if (d < 0 || !take(text, ' ') || text.size() < 3) return not_a_time(whole);
  int mo = 0;
  for (std::size_t i = 0; i < months.size(); ++i)
    if (text.substr(0, 3) == months[i]) mo = static_cast<int>(i) + 1;
  text.remove_prefix(3);
  if (!take(text, ' ')) return not_a_time(whole);
  const int y = take_digits(text, 4);
  if (!take(text, ' ')) return not_a_time(whole);
  const std::size_t hour_width = text.size() > 1 && text[1] == ':' ? 1 : 2;
  const int h = take_digits(text, hour_width);
  const bool colon1 = take(text, ':');
  const int mi = take_digits(text, 2);
  const bool colon2 = take(text, ':');
  const int s = take_digits(text, 2);
  if (!colon1 || !colon2 || y < 0) return not_a_time(whole);
  if (text != " GMT" && text != " UTC" && text != " +0000") return not_a_time(whole);
  return instant_of(whole, y, mo, d, h, mi, s, 0);
}

Result<Duration> parse_duration(std::string_view text) {
  using namespace std::chrono;
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const Error bad(Code::invalid_argument, "'" + std::string(text.substr(0, 64)) +
                                              "' is not a duration; write a number and a unit: 250ms, 90s, 5m, 2h, 7d");
  if (failure != std::errc() || count < 0 || count > 1'000'000'000) return bad;
  if (unit == "ms") return Duration(count);
  if (unit == "s") return Duration(seconds(count));
  if (unit == "m" || unit == "min") return Duration(minutes(count));
  if (unit == "h") return Duration(hours(count));
  if (unit == "d") return Duration(days(count));
  return bad;
}

std::string humanize(Duration duration) {
  const auto s = duration.count() / 1000;
  if (duration.count() < 0) return "-" + humanize(-duration);
  if (s < 1) return std::to_string(duration.count()) + " ms";
  if (s < 60) return std::to_string(s) + " s";
  if (s < 3600) return std::to_string(s / 60) + " min" + (s % 60 ? " " + std::to_string(s % 60) + " s" : "");
  if (s < 86400)
    return std::to_string(s / 3600) + " h" + (s / 60 % 60 ? " " + std::to_string(s / 60 % 60) + " min" : "");
  return std::to_string(s / 86400) + " d";
}

}  // namespace belay
