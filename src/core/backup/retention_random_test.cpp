// What must hold of any history: thousands of them, made at random.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/backup/point_fixture_test.hpp"
#include "core/backup/retention.hpp"

namespace belay::backup {
namespace {

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }

  std::vector<RecoveryPoint> points() {
    std::vector<RecoveryPoint> made;
    Instant moment = at("2026-10-20T00:00:00Z");
    std::vector<std::string> chain;
    const std::size_t count = 1 + below(60);
    for (std::size_t i = 0; i < count; ++i) {
      moment += kHour * static_cast<int>(1 + below(60));
      auto point = point_of("p" + std::to_string(i), to_iso8601(moment));
      if (one_in(4)) chain.clear();
      if (!chain.empty()) point.made.type = one_in(2) ? BackupType::incremental : BackupType::differential;
      point.made.needs = chain;
      if (point.made.type == BackupType::differential) point.made.needs.resize(1);
      chain = point.made.needs;
      chain.push_back(point.made.reference);
      vary(point);
      made.push_back(std::move(point));
    }
    std::shuffle(made.begin(), made.end(), random_);
    if (one_in(4) && made.size() > 2) made.pop_back();  // a member that nobody knows any more
    now = moment + kHour * static_cast<int>(below(100));
    return made;
  }

  KeepRules rules() {
    KeepRules rules;
    if (one_in(2)) rules.last = static_cast<std::uint32_t>(below(5));
    if (one_in(2)) rules.daily = static_cast<std::uint32_t>(below(10));
    if (one_in(2)) rules.weekly = static_cast<std::uint32_t>(below(6));
    if (one_in(2)) rules.monthly = static_cast<std::uint32_t>(below(4));
    if (one_in(2)) rules.yearly = static_cast<std::uint32_t>(below(2));
    if (one_in(3)) rules.within = kHour * static_cast<int>(below(200));
    if (rules.empty()) rules.last = 1;
    return rules;
  }

  Instant now;

 private:
  void vary(RecoveryPoint& point) {
    if (one_in(5)) point = proven(std::move(point), static_cast<ProofLevel>(below(6)));
    if (one_in(12)) point.state = static_cast<PointState>(below(6));
    if (one_in(25)) point.legal_hold = true;
    if (one_in(25)) point.locked_until = point.made.taken_at + kDay * static_cast<int>(below(60));
    if (one_in(25)) point.made.taken_at = at("2030-01-01T00:00:00Z");
    if (one_in(25)) point.recorded_at += kDay;
  }

  std::mt19937_64 random_;
};

std::vector<RecoveryPoint> what_stays(const std::vector<RecoveryPoint>& points, const std::vector<Kept>& answers) {
  std::vector<RecoveryPoint> stay;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (answers[i].keep) stay.push_back(points[i]);
  return stay;
}

bool is_ahead(const RecoveryPoint& point, Instant now) {
  return std::max(point.made.taken_at, point.recorded_at) > now + kClockTolerance;
}
bool is_leaving(const RecoveryPoint& point) {
  return point.state == PointState::expiring || point.state == PointState::gone;
}

constexpr std::uint64_t kHistories = 2'000;

TEST(RetentionOfAnyHistory, AnswersEachPointInItsPlaceWithAReason) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    const auto points = history.points();
    const auto answers = retain(points, history.rules(), zone("Europe/Berlin"), history.now);
    ASSERT_EQ(answers.size(), points.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      ASSERT_EQ(answers[i].point_id, points[i].point_id);
      ASSERT_FALSE(answers[i].because.empty());
    }
  }
}

TEST(RetentionOfAnyHistory, IsStable) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    const auto points = history.points();
    const auto rules = history.rules();
    const auto once = what_stays(points, retain(points, rules, zone("Europe/Berlin"), history.now));
    const auto again = retain(once, rules, zone("Europe/Berlin"), history.now);
    for (const Kept& answer : again) ASSERT_TRUE(answer.keep) << seed << " " << answer.point_id;
  }
}

// What is half deleted is the same as what is deleted.
TEST(RetentionOfAnyHistory, IsStableWhileTheNodeDeletes) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    auto points = history.points();
    const auto rules = history.rules();
    const auto first = retain(points, rules, zone("Europe/Berlin"), history.now);
    for (std::size_t i = 0; i < points.size(); ++i)
      if (!first[i].keep && points[i].state != PointState::gone)
        points[i].state = history.one_in(2) ? PointState::gone : PointState::expiring;
    const auto second = retain(points, rules, zone("Europe/Berlin"), history.now);
    for (std::size_t i = 0; i < points.size(); ++i) ASSERT_EQ(second[i].keep, first[i].keep) << seed;
  }
}

TEST(RetentionOfAnyHistory, LeavesNoOrphan) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    const auto points = history.points();
    const auto stay = what_stays(points, retain(points, history.rules(), zone("Europe/Berlin"), history.now));
    std::set<std::string> references, kept;
    for (const auto& point : points)
      if (point.state != PointState::gone) references.insert(point.made.reference);
    for (const auto& point : stay) kept.insert(point.made.reference);
    for (const auto& point : stay)
      for (const auto& need : point.made.needs)
        ASSERT_TRUE(!references.contains(need) || kept.contains(need)) << seed << " " << point.point_id << " " << need;
  }
}

TEST(RetentionOfAnyHistory, NeverRemovesTheNewestProvenNorTheNewestWhole) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    const auto points = history.points();
    const auto answers = retain(points, history.rules(), zone("Europe/Berlin"), history.now);
    std::map<std::string, const RecoveryPoint*> newest;
    for (const auto& point : points) {
      if (!is_whole(point, points) || is_ahead(point, history.now)) continue;
      const auto moment = [](const RecoveryPoint& one) { return std::min(one.made.taken_at, one.recorded_at); };
      const auto note = [&](const char* kind) {
        auto& best = newest[kind];
        if (!best || moment(point) > moment(*best)) best = &point;
      };
      note("whole");
      if (point.proven) note("proven");
      if (point.proven && *point.proven >= ProofLevel::P3) note("restored");
    }
    for (const auto& [kind, point] : newest)
      ASSERT_TRUE(answers[static_cast<std::size_t>(point - points.data())].keep) << seed << " " << kind;
  }
}

TEST(RetentionOfAnyHistory, HoldsLocksAndOddPointsStay) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    const auto points = history.points();
    const auto answers = retain(points, history.rules(), zone("Europe/Berlin"), history.now);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto& point = points[i];
      if (point.state == PointState::gone) continue;
      const bool locked = point.locked_until && *point.locked_until > history.now;
      const bool odd = !is_leaving(point) && (point.state != PointState::available || is_ahead(point, history.now));
      if (point.legal_hold || locked || odd) ASSERT_TRUE(answers[i].keep) << seed << " " << point.point_id;
    }
  }
}

TEST(RetentionOfAnyHistory, LargerRulesNeverKeepLess) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    const auto points = history.points();
    const auto rules = history.rules();
    auto larger = rules;
    larger.last += static_cast<std::uint32_t>(history.below(3));
    larger.daily += static_cast<std::uint32_t>(history.below(4));
    larger.weekly += static_cast<std::uint32_t>(history.below(3));
    larger.monthly += static_cast<std::uint32_t>(history.below(3));
    larger.yearly += static_cast<std::uint32_t>(history.below(2));
    larger.within += kHour * static_cast<int>(history.below(50));
    const auto less = retain(points, rules, zone("Europe/Berlin"), history.now);
    const auto more = retain(points, larger, zone("Europe/Berlin"), history.now);
    const auto all = retain(points, {}, zone("Europe/Berlin"), history.now);
    for (std::size_t i = 0; i < points.size(); ++i) {
      ASSERT_TRUE(!less[i].keep || more[i].keep) << seed << " " << points[i].point_id;
      ASSERT_TRUE(all[i].keep || is_leaving(points[i])) << seed << " " << points[i].point_id;
    }
  }
}

// An attacker, or a broken clock, adds points that do not count: none of the others goes for that.
TEST(RetentionOfAnyHistory, OddPointsEvictNobody) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    auto points = history.points();
    const auto rules = history.rules();
    const auto before = retain(points, rules, zone("Europe/Berlin"), history.now);
    const std::size_t count = points.size();
    for (std::size_t i = 0; i < 10; ++i) {
      auto odd = point_of("odd" + std::to_string(i), "2031-01-01T00:00:00Z");
      if (i % 2) odd.made.taken_at = odd.recorded_at = history.now;
      if (i % 2) odd.state = i % 3 ? PointState::suspect : PointState::quarantined;
      points.push_back(proven(odd));
    }
    const auto after = retain(points, rules, zone("Europe/Berlin"), history.now);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(after[i].keep, before[i].keep) << seed;
  }
}

// Between the order and its sending people hold points, vaults lock them, backups build on them, rules change.
TEST(RetentionOfAnyHistory, WhatIsDeletedIsJudgedByWhatHoldsWhenItIsSent) {
  for (std::uint64_t seed = 0; seed < kHistories; ++seed) {
    History history(seed);
    auto points = history.points();
    auto rules = history.rules();
    const auto first = retain(points, rules, zone("Europe/Berlin"), history.now);
    std::vector<std::string> ordered;
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (first[i].keep || points[i].state == PointState::gone) continue;
      points[i].state = PointState::expiring;
      ordered.push_back(points[i].made.reference);
    }
    for (auto& point : points) {
      if (history.one_in(8)) point.legal_hold = true;
      if (history.one_in(8)) point.locked_until = history.now + kDay;
      if (history.one_in(8)) point.state = PointState::gone;
    }
    if (history.one_in(3)) rules = history.rules();
    const auto answers = retain(points, rules, zone("Europe/Berlin"), history.now);
    const auto going = still_going(points, ordered, rules, zone("Europe/Berlin"), history.now);
    const std::set<std::size_t> goes(going.begin(), going.end());
    for (const std::size_t i : going) {
      ASSERT_FALSE(answers[i].keep) << seed;
      ASSERT_FALSE(points[i].legal_hold || (points[i].locked_until && *points[i].locked_until > history.now)) << seed;
      ASSERT_TRUE(std::find(ordered.begin(), ordered.end(), points[i].made.reference) != ordered.end()) << seed;
    }
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (!answers[i].keep) continue;
      for (const std::size_t needed : with_chain(points, points[i].point_id))
        ASSERT_FALSE(goes.contains(needed)) << seed;
    }
  }
}

}  // namespace
}  // namespace belay::backup
