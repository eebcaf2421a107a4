#include "core/backup/retention.hpp"

#include <algorithm>
#include <array>
#include <boost/describe/enum_to_string.hpp>
#include <chrono>
#include <cstdio>
#include <optional>

#include "base/assert.hpp"
#include "core/backup/chains.hpp"
#include "core/backup/proven.hpp"

namespace belay::backup {
namespace {

using std::chrono::local_days;

// A candidate, with the day of the plan's zone that it belongs to.
struct Candidate {
  std::size_t place = 0;
  Instant moment;
  local_days day;
  Rank rank = Rank::unproven;
};

Instant moment_of(const RecoveryPoint& point) {
  if (point.recorded_at == Instant()) return point.made.taken_at;
  return std::min(point.made.taken_at, point.recorded_at);
}

// ---- periods: where each begins, and what it is called
using BeginsAt = local_days (*)(local_days day);
using NameOf = std::string (*)(local_days begin);

local_days day_of(local_days day) { return day; }
// Monday. A week is that of its Monday wherever the year changes; only its name needs the Thursday.
local_days week_of(local_days day) { return day - (std::chrono::weekday(day) - std::chrono::Monday); }
local_days month_of(local_days day) {
  const std::chrono::year_month_day date(day);
  return local_days(date.year() / date.month() / 1);
}
local_days year_of(local_days day) { return local_days(std::chrono::year_month_day(day).year() / 1 / 1); }

std::string day_name(local_days begin) {
  const std::chrono::year_month_day date(begin);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", int(date.year()), unsigned(date.month()),
                unsigned(date.day()));
  return text.data();
}
std::string week_name(local_days begin) {
  const local_days thursday = begin + std::chrono::days(3);
  const auto year = std::chrono::year_month_day(thursday).year();
  const auto number = (thursday - local_days(year / 1 / 1)).count() / 7 + 1;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-W%02d", int(year), static_cast<int>(number));
  return text.data();
}
std::string month_name(local_days begin) { return day_name(begin).substr(0, 7); }
std::string year_name(local_days begin) { return day_name(begin).substr(0, 4); }

struct Rule {
  const char* name;
  std::uint32_t KeepRules::* count;
  BeginsAt begins_at;
  NameOf name_of;
};
constexpr std::array<Rule, 4> kRules{{
    {"daily", &KeepRules::daily, day_of, day_name},
    {"weekly", &KeepRules::weekly, week_of, week_name},
    {"monthly", &KeepRules::monthly, month_of, month_name},
    {"yearly", &KeepRules::yearly, year_of, year_name},
}};

// ---- one decision over all points of a repository
class Retention {
 public:
  Retention(std::span<const RecoveryPoint> points, const schedule::ZoneRules& zone, Instant now)
      : points_(points), now_(now), chains_(points), kept_(points.size()) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      BELAY_ASSERT(points[i].plan_id == points[0].plan_id && points[i].node_id == points[0].node_id &&
                   points[i].vault == points[0].vault);
      kept_[i].point_id = points[i].point_id;
      kept_[i].keep = false;
      consider(i, zone);
    }
    std::sort(candidates_.begin(), candidates_.end(), [&](const Candidate& a, const Candidate& b) {
      if (a.moment != b.moment) return a.moment > b.moment;
      return points_[a.place].point_id > points_[b.place].point_id;
    });
  }

  void apply(const KeepRules& rules) {
    for (std::size_t i = 0; i < candidates_.size() && i < rules.last; ++i)
      keep(candidates_[i].place, "last " + std::to_string(i + 1));
    for (const Rule& rule : kRules) apply(rule, rules.*rule.count);
    if (rules.within.count() > 0)
      for (const Candidate& candidate : candidates_)
        if (candidates_.front().moment - candidate.moment < rules.within)
          keep(candidate.place, "within " + humanize(rules.within));
  }

  void keep_last_resorts() {
    keep_first(Rank::restored, "the newest restored");
    keep_first(Rank::proven, "the newest proven");
    keep_first(Rank::unproven, "the newest whole");
  }

  void keep_all() {
    for (std::size_t i = 0; i < points_.size(); ++i)
      if (!is_leaving(i)) keep(i, "the plan has no rule for this vault");
  }

  std::vector<Kept> answer() {
    keep_chains();
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (kept_[i].keep) continue;
      kept_[i].because = {is_leaving(i) ? word_of(i) : "no rule wants it"};
    }
    return std::move(kept_);
  }

 private:
  std::string word_of(std::size_t i) const { return boost::describe::enum_to_string(points_[i].state, ""); }
  bool is_leaving(std::size_t i) const {
    return points_[i].state == PointState::expiring || points_[i].state == PointState::gone;
  }

  // Holds and locks, and whether it is a candidate at all.
  void consider(std::size_t i, const schedule::ZoneRules& zone) {
    const RecoveryPoint& point = points_[i];
    if (point.state == PointState::gone) return;
    if (point.legal_hold) keep(i, "legal hold");
    if (point.locked_until && *point.locked_until > now_) keep(i, "locked until " + to_iso8601(*point.locked_until));
    if (point.state == PointState::expiring) return;
    std::vector<std::string> missing;
    if (point.state != PointState::available) return keep(i, word_of(i) + ", for somebody to look at");
    if (is_dated_ahead(point, now_)) return keep(i, "dated in the future, for somebody to look at");
    if (!chains_.whole(point, &missing)) return keep(i, "not whole without " + missing.front());
    const Instant moment = moment_of(point);
    candidates_.push_back(
        {i, moment, std::chrono::floor<std::chrono::days>(schedule::to_local(zone, moment)), rank_of(point)});
  }

  void keep(std::size_t i, std::string because) {
    kept_[i].keep = true;
    kept_[i].because.push_back(std::move(because));
  }

  void keep_first(Rank rank, const char* because) {
    const auto found = std::find_if(candidates_.begin(), candidates_.end(),
                                    [&](const Candidate& candidate) { return candidate.rank >= rank; });
    if (found != candidates_.end()) keep(found->place, because);
  }

  void apply(const Rule& rule, std::uint32_t count) {
    auto at = candidates_.begin();
    for (std::uint32_t number = 1; number <= count && at != candidates_.end(); ++number) {
      const local_days begin = rule.begins_at(at->day);
      auto best = at;
      for (; at != candidates_.end() && rule.begins_at(at->day) == begin; ++at)
        if (at->rank > best->rank) best = at;
      keep(best->place, std::string(rule.name) + " " + std::to_string(number) + " (" + rule.name_of(begin) + ")");
    }
  }

  // From what is kept so far: what is added here needs no turn of its own, for beneath() goes all the way down.
  void keep_chains() {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < kept_.size(); ++i)
      if (kept_[i].keep) kept.push_back(i);
    for (const std::size_t above : kept)
      for (const std::size_t i : chains_.beneath(points_[above]))
        if (!kept_[i].keep) keep(i, "needed by " + points_[above].point_id);
  }

  std::span<const RecoveryPoint> points_;
  Instant now_;
  Chains chains_;
  std::vector<Candidate> candidates_;  // newest first
  std::vector<Kept> kept_;
};

}  // namespace

std::vector<Kept> retain(std::span<const RecoveryPoint> points, const KeepRules& rules, const schedule::ZoneRules& zone,
                         Instant now) {
  Retention retention(points, zone, now);
  if (rules.empty()) retention.keep_all();
  else retention.apply(rules);
  retention.keep_last_resorts();
  return retention.answer();
}

KeepRules rules_of(const PlanSpec& plan, std::string_view vault, std::span<const RecoveryPoint> points) {
  if (vault == plan.vault) return plan.keep;
  for (const CopySpec& copy : plan.copies)
    if (copy.vault == vault) return copy.keep;
  const bool has_copies =
      std::any_of(points.begin(), points.end(), [](const auto& one) { return !one.copy_of.empty(); });
  return has_copies ? KeepRules() : plan.keep;
}

std::vector<std::string> vaults_of(const PlanSpec& plan, std::span<const RecoveryPoint> points) {
  std::vector<std::string> vaults{plan.vault};
  for (const CopySpec& copy : plan.copies) vaults.push_back(copy.vault);
  std::vector<std::string> left;
  for (const RecoveryPoint& point : points)
    if (point.state != PointState::gone && std::find(vaults.begin(), vaults.end(), point.vault) == vaults.end())
      left.push_back(point.vault);
  std::sort(left.begin(), left.end());
  left.erase(std::unique(left.begin(), left.end()), left.end());
  vaults.insert(vaults.end(), left.begin(), left.end());
  return vaults;
}

std::vector<std::size_t> still_going(std::span<const RecoveryPoint> points, std::span<const std::string> ordered,
                                     const KeepRules& rules, const schedule::ZoneRules& zone, Instant now) {
  const auto kept = retain(points, rules, zone, now);
  std::vector<std::size_t> going;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (!kept[i].keep && points[i].state != PointState::gone &&
        std::find(ordered.begin(), ordered.end(), points[i].made.reference) != ordered.end())
      going.push_back(i);
  return going;
}

std::vector<std::size_t> with_chain(std::span<const RecoveryPoint> points, std::string_view point_id) {
  const Chains chains(points);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].point_id != point_id || points[i].state == PointState::gone) continue;
    auto found = chains.beneath(points[i]);
    found.push_back(i);
    return found;
  }
  return {};
}

}  // namespace belay::backup
