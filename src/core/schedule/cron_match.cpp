#include <algorithm>

#include "core/schedule/expression.hpp"

namespace belay::schedule {
namespace {

using namespace std::chrono;

constexpr std::uint32_t bit(unsigned day) { return std::uint32_t{1} << day; }
constexpr std::uint32_t bits_up_to(unsigned day) { return static_cast<std::uint32_t>((std::uint64_t{2} << day) - 1); }

unsigned weekday_of(year_month month, unsigned d) { return weekday{sys_days{month / day{d}}}.c_encoding(); }

std::uint32_t nearest_weekday(year_month month, unsigned wanted, unsigned length) {
  if (wanted > length) return 0;
  switch (weekday_of(month, wanted)) {
    case 0: return bit(wanted == length ? wanted - 2 : wanted + 1);  // a Sunday: on Monday, or on Friday
    case 6: return bit(wanted == 1 ? 3 : wanted - 1);                // a Saturday: on Friday, or on Monday
    default: return bit(wanted);
  }
}

// The first or last set bit of a set inside [low, high]; -1 where there is none.
template <std::size_t Size>
int first_in(const std::bitset<Size>& bits, int low) {
  for (int i = std::max(low, 0); i < static_cast<int>(Size); ++i)
    if (bits[static_cast<std::size_t>(i)]) return i;
  return -1;
}
template <std::size_t Size>
int last_in(const std::bitset<Size>& bits, int high) {
  for (int i = std::min(high, static_cast<int>(Size) - 1); i >= 0; --i)
    if (bits[static_cast<std::size_t>(i)]) return i;
  return -1;
}

Seconds time_of(int h, int m, int s) { return hours(h) + minutes(m) + Seconds(s); }

// The first time of day at or after `from`; `from` may be a whole day, which no time reaches.
std::optional<Seconds> first_time(const Cron& cron, Seconds from) {
  const hh_mm_ss clock(from);
  const int h0 = static_cast<int>(clock.hours().count()), m0 = static_cast<int>(clock.minutes().count()),
            s0 = static_cast<int>(clock.seconds().count());
  for (int h = first_in(cron.hours, h0); h >= 0; h = first_in(cron.hours, h + 1))
    for (int m = first_in(cron.minutes, h == h0 ? m0 : 0); m >= 0; m = first_in(cron.minutes, m + 1))
      if (const int s = first_in(cron.seconds, h == h0 && m == m0 ? s0 : 0); s >= 0) return time_of(h, m, s);
  return std::nullopt;
}

std::optional<Seconds> last_time(const Cron& cron, Seconds from) {
  const hh_mm_ss clock(from);
  const int h0 = static_cast<int>(clock.hours().count()), m0 = static_cast<int>(clock.minutes().count()),
            s0 = static_cast<int>(clock.seconds().count());
  for (int h = last_in(cron.hours, h0); h >= 0; h = last_in(cron.hours, h - 1))
    for (int m = last_in(cron.minutes, h == h0 ? m0 : 59); m >= 0; m = last_in(cron.minutes, m - 1))
      if (const int s = last_in(cron.seconds, h == h0 && m == m0 ? s0 : 59); s >= 0) return time_of(h, m, s);
  return std::nullopt;
}

std::uint32_t days_of(const Cron& cron, year_month month) {
  const int y = static_cast<int>(month.year());
  if (y < kYearFirst || y > kYearLast || !cron.years[static_cast<std::size_t>(y - kYearFirst)]) return 0;
  return cron.months[static_cast<unsigned>(month.month())] ? matching_days(cron.day, month) : 0;
}

constexpr year_month kFirstMonth = year{kYearFirst} / January, kLastMonth = year{kYearLast} / December;

}  // namespace

std::uint32_t matching_days(const DayRule& rule, year_month month) {
  const auto length = static_cast<unsigned>((month / last).day());
  const unsigned first_weekday = weekday_of(month, 1);
  switch (rule.kind) {
    case DayRule::Kind::days_of_month: return rule.bits & bits_up_to(length) & ~bit(0);
    case DayRule::Kind::from_last: return rule.number < length ? bit(length - rule.number) : 0;
    case DayRule::Kind::nearest_weekday: return nearest_weekday(month, rule.number, length);
    case DayRule::Kind::last_weekday: return nearest_weekday(month, length, length);
    case DayRule::Kind::days_of_week: {
      std::uint32_t days = 0;
      for (unsigned d = 1; d <= length; ++d)
        if (rule.bits & bit((first_weekday + d - 1) % 7)) days |= bit(d);
      return days;
    }
    case DayRule::Kind::last_of_week: return bit(length - (weekday_of(month, length) + 7 - rule.weekday) % 7);
    case DayRule::Kind::nth_of_week: {
      const unsigned d = 1 + (rule.weekday + 7 - first_weekday) % 7 + (rule.number - 1) * 7;
      return d <= length ? bit(d) : 0;
    }
  }
  return 0;
}

std::optional<LocalTime> first_match(const Cron& cron, LocalTime from) {
  from = std::max(from, LocalTime{local_days{kFirstMonth / 1}});
  if (from >= LocalTime{local_days{year{kYearLast + 1} / January / 1}}) return std::nullopt;
  const local_days today = floor<days>(from);
  const auto time_today = first_time(cron, from - today);
  const auto time_later = first_time(cron, Seconds(0));
  if (!time_later) return std::nullopt;
  const year_month_day date{today};
  const auto d0 = static_cast<unsigned>(date.day());
  for (year_month month{date.year(), date.month()}; month <= kLastMonth; month += months(1)) {
    std::uint32_t found = days_of(cron, month);
    if (month == year_month{date.year(), date.month()}) {
      if (time_today && (found & bit(d0))) return today + *time_today;
      found &= ~bits_up_to(d0);
    }
    if (found != 0) return local_days{month / day{static_cast<unsigned>(std::countr_zero(found))}} + *time_later;
  }
  return std::nullopt;
}

std::optional<LocalTime> last_match(const Cron& cron, LocalTime from) {
  from = std::min(from, LocalTime{local_days{year{kYearLast + 1} / January / 1}} - Seconds(1));
  if (from < LocalTime{local_days{kFirstMonth / 1}}) return std::nullopt;
  const local_days today = floor<days>(from);
  const auto time_today = last_time(cron, from - today);
  const auto time_earlier = last_time(cron, days(1) - Seconds(1));
  if (!time_earlier) return std::nullopt;
  const year_month_day date{today};
  const auto d0 = static_cast<unsigned>(date.day());
  for (year_month month{date.year(), date.month()}; month >= kFirstMonth; month -= months(1)) {
    std::uint32_t found = days_of(cron, month);
    if (month == year_month{date.year(), date.month()}) {
      if (time_today && (found & bit(d0))) return today + *time_today;
      found &= bits_up_to(d0 - 1);
    }
    if (found != 0) return local_days{month / day{static_cast<unsigned>(31 - std::countl_zero(found))}} + *time_earlier;
  }
  return std::nullopt;
}

std::optional<Seconds> shortest_gap(const Cron& cron) {
  const Seconds first = *first_time(cron, Seconds(0)), last_of_day = *last_time(cron, days(1) - Seconds(1));
  std::optional<Seconds> shortest;
  const auto take = [&](Seconds gap) { shortest = shortest ? std::min(*shortest, gap) : gap; };
  for (auto at = first; at < last_of_day;) {
    const Seconds next = *first_time(cron, at + Seconds(1));
    take(next - at);
    at = next;
  }
  std::optional<local_days> before;
  for (year_month month = kFirstMonth; month <= kLastMonth; month += months(1)) {
    for (std::uint32_t found = days_of(cron, month); found != 0; found &= found - 1) {
      const local_days here{month / day{static_cast<unsigned>(std::countr_zero(found))}};
      if (before) take(here - *before + first - last_of_day);
      if (before && here - *before == days(1)) return shortest;  // no two days are closer
      before = here;
    }
  }
  return shortest;
}

std::optional<Seconds> shortest_period(const Expression& expression) {
  if (const auto* rate = expression.rate()) return rate->period;
  if (const auto* cron = expression.cron()) return shortest_gap(*cron);
  return std::nullopt;
}

}  // namespace belay::schedule
