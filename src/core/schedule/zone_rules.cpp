#include "core/schedule/zone_rules.hpp"

#include <algorithm>
#include <cstdio>

namespace belay::schedule {
namespace {

using namespace std::chrono;

constexpr int kYearMax = 2300;  // nothing is looked for behind it

local_days date_of(const YearlyChange& change, year y) {
  const local_days first{y / January / 1};
  switch (change.kind) {
    case YearlyChange::Kind::day_from_zero: return first + days(change.day);
    case YearlyChange::Kind::day_without_leap: return first + days(change.day - 1 + (y.is_leap() && change.day >= 60));
    case YearlyChange::Kind::month_week_day: break;
  }
  const weekday wanted{change.day};
  if (change.week >= 5) return local_days{y / month{change.month} / wanted[last]};
  return local_days{y / month{change.month} / wanted[change.week]};
}

UtcTime to_utc(LocalTime local, Seconds offset) { return UtcTime{local.time_since_epoch() - offset}; }
LocalTime at_offset(UtcTime at, Seconds offset) { return LocalTime{at.time_since_epoch() + offset}; }

// The footer's changes of the year before, this one and the next, in order. Where summer time ends and begins at one
// instant (a zone that is always on it) the beginning comes last, so that it holds.
std::array<Transition, 6> changes_around(const FooterRule& footer, UtcTime at) {
  const auto& summer = *footer.summer;
  const year_month_day today{floor<days>(at_offset(at, footer.standard))};
  std::array<Transition, 6> found;
  std::size_t next = 0;
  for (int shift = -1; shift <= 1; ++shift) {
    const year y = today.year() + years(shift);
    found[next++] = {to_utc(date_of(summer.ends, y) + summer.ends.time, summer.offset), footer.standard};
    found[next++] = {to_utc(date_of(summer.begins, y) + summer.begins.time, footer.standard), summer.offset};
  }
  std::ranges::sort(found, [&](const Transition& a, const Transition& b) {
    if (a.at != b.at) return a.at < b.at;
    return a.offset != summer.offset && b.offset == summer.offset;
  });
  return found;
}

Seconds footer_offset(const FooterRule& footer, UtcTime at) {
  if (!footer.summer) return footer.standard;
  Seconds offset = footer.standard;
  for (const auto& change : changes_around(footer, at))
    if (change.at <= at) offset = change.offset;
  return offset;
}

// The next transition of whatever kind, also one that moves nothing.
std::optional<UtcTime> next_transition(const ZoneRules& rules, UtcTime after) {
  const auto later = std::ranges::upper_bound(rules.transitions, after, {}, &Transition::at);
  if (later != rules.transitions.end()) return later->at;
  if (!rules.footer || !rules.footer->summer) return std::nullopt;
  for (const auto& change : changes_around(*rules.footer, after))
    if (change.at > after) return change.at;
  return std::nullopt;
}

std::optional<ClockChange> next_change_until(const ZoneRules& rules, UtcTime after, UtcTime last) {
  for (auto at = next_transition(rules, after); at && *at <= last; at = next_transition(rules, *at)) {
    const ClockChange change{*at, offset_at(rules, *at - 1s), offset_at(rules, *at)};
    if (change.before != change.after) return change;
  }
  return std::nullopt;
}

}  // namespace

Seconds offset_at(const ZoneRules& rules, UtcTime at) {
  const auto later = std::ranges::upper_bound(rules.transitions, at, {}, &Transition::at);
  if (later == rules.transitions.end() && rules.footer) return footer_offset(*rules.footer, at);
  return later == rules.transitions.begin() ? rules.first_offset : std::prev(later)->offset;
}

LocalTime to_local(const ZoneRules& rules, Instant at) {
  const auto whole = floor<Seconds>(at);
  return at_offset(whole, offset_at(rules, whole));
}

std::optional<ClockChange> next_change(const ZoneRules& rules, UtcTime after) {
  return next_change_until(rules, after, sys_days{year{kYearMax} / January / 1});
}

Resolved resolve(const ZoneRules& rules, LocalTime local) {
  const UtcTime nominal{local.time_since_epoch()};
  Resolved found;
  std::optional<UtcTime> first;
  UtcTime begin = nominal - kUtcOffsetMax;
  Seconds offset = offset_at(rules, begin);
  // Piece by piece of constant offset: the first piece in which the wall shows `local` has the answer.
  for (;;) {
    const auto change = next_change_until(rules, begin, nominal + kUtcOffsetMax);
    const UtcTime at = to_utc(local, offset);
    if (!first && at >= begin && (!change || at < change->at)) first = at;
    if (!change) break;
    const LocalTime before = at_offset(change->at, change->before), after = at_offset(change->at, change->after);
    if (before <= local && local < after && !first) found = {Resolved::Kind::skipped, change->at, before, after};
    if (after <= local && local < before && first) found = {Resolved::Kind::twice, *first, after, before};
    begin = change->at;
    offset = change->after;
  }
  if (first && found.kind != Resolved::Kind::twice) return {Resolved::Kind::once, *first, local, local};
  return found;
}

std::string to_local_iso8601(const ZoneRules& rules, Instant at) {
  const LocalTime local = to_local(rules, at);
  const auto minutes_east = floor<minutes>(offset_at(rules, floor<Seconds>(at))).count();
  std::string text = to_iso8601(Instant{local.time_since_epoch()});
  text.pop_back();
  std::array<char, 32> offset{};
  const auto size = minutes_east < 0 ? -minutes_east : minutes_east;
  std::snprintf(offset.data(), offset.size(), "%c%02d:%02d", minutes_east < 0 ? '-' : '+', static_cast<int>(size / 60),
                static_cast<int>(size % 60));
  return text + offset.data();
}

}  // namespace belay::schedule
