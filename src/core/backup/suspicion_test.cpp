#include "core/backup/suspicion.hpp"

#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"

namespace belay::backup {
namespace {

constexpr std::uint64_t kGiB = 1 << 30;
const Instant kNow = at("2027-01-06T03:30:00Z");

MadePoint usual() {
  MadePoint made;
  made.reference = "new";
  made.begun_at = at("2027-01-06T03:00:00Z");
  made.taken_at = at("2027-01-06T03:20:00Z");
  made.bytes_source = 10 * kGiB;
  made.bytes_added = kGiB;
  made.files = 20'000;
  made.rows = 1'000'000;
  return made;
}

// Newest first, a day between them, all alike.
std::vector<RecoveryPoint> history_of(std::size_t count, MadePoint like = usual()) {
  std::vector<RecoveryPoint> history;
  for (std::size_t i = 1; i <= count; ++i) {
    RecoveryPoint point;
    point.point_id = "p" + std::to_string(i);
    point.made = like;
    point.made.reference = "r" + std::to_string(i);
    point.made.begun_at -= kDay * static_cast<int>(i);
    point.made.taken_at -= kDay * static_cast<int>(i);
    history.push_back(std::move(point));
  }
  return history;
}

// "what! what": grave ones with "!".
std::string said(const MadePoint& point, const std::vector<RecoveryPoint>& history, Instant now = kNow) {
  std::string text;
  for (const Suspicion& one : suspicions(point, history, now))
    text += (text.empty() ? "" : " ") + one.what + (one.grave ? "!" : "");
  return text;
}

template <typename Change>
MadePoint with(Change change, MadePoint made = usual()) {
  change(made);
  return made;
}

struct Row {
  const char* fact;
  MadePoint point;
  std::vector<RecoveryPoint> history;
  const char* said;
};
void expect(std::span<const Row> rows) {
  for (const Row& row : rows) EXPECT_EQ(said(row.point, row.history), row.said) << row.fact;
}

TEST(Suspicion, Collapses) {
  using M = MadePoint;
  const auto ten = history_of(10),
             few = history_of(10, with([](M& m) { m.files = 9, m.rows = 99, m.bytes_source = 65'000; }));
  const auto tiny = [](std::uint64_t n) {
    return with([&](M& m) { m.files = n, m.rows = n, m.bytes_source = 1'000 + n; });
  };
  const Row rows[] = {
      {"like its kin", usual(), ten, ""},
      {"more than its kin", with([](M& m) { m.files *= 9, m.rows *= 9, m.bytes_source *= 9; }), ten, ""},
      {"the first one", usual(), {}, ""},
      {"no bytes, and nothing to compare with", with([](M& m) { m.bytes_source = 0; }), {}, "empty!"},
      {"no bytes among others", with([](M& m) { m.bytes_source = 0; }), ten, "empty!"},
      {"half the bytes are told", with([](M& m) { m.bytes_source /= 2; }), ten, "collapsed-bytes"},
      {"less than half are grave", with([](M& m) { m.bytes_source = m.bytes_source / 2 - 1; }), ten,
       "collapsed-bytes!"},
      {"three quarters are usual", with([](M& m) { m.bytes_source = m.bytes_source / 4 * 3; }), ten, ""},
      {"an empty mount has a file or two", with([](M& m) { m.files = 2, m.bytes_source = 4'096; }), ten,
       "collapsed-bytes! collapsed-files!"},
      {"no files", with([](M& m) { m.files = 0; }), ten, "collapsed-files!"},
      {"no rows", with([](M& m) { m.rows = 0; }), ten, "collapsed-rows!"},
      {"fewer rows", with([](M& m) { m.rows = 700'000; }), ten, "collapsed-rows"},
      {"what is small fluctuates", tiny(1), few, ""},
      {"and is missed when it is none", tiny(0), few, "collapsed-files! collapsed-rows!"},
      {"engines that count no rows", with([](M& m) { m.rows = 0; }), history_of(5, with([](M& m) { m.rows = 0; })), ""},
      {"one before is enough", with([](M& m) { m.files = 100; }), history_of(1), "collapsed-files!"},
  };
  expect(rows);
}

TEST(Suspicion, WhatIsUsual) {
  using M = MadePoint;
  const auto small = with([](M& m) { m.files = 1'000; });
  auto accepted = history_of(10), one_was_small = history_of(10), suspect_before = history_of(10);
  accepted[0].made.files = 1'000;  // somebody looked, and said it is right
  one_was_small[5].made.files = 1'000;
  suspect_before[0].made.files = 1'000;
  suspect_before[0].state = PointState::suspect;
  auto long_ago = history_of(10);
  const auto older = history_of(30, small);
  for (std::size_t i = 10; i < older.size(); ++i) long_ago.push_back(older[i]);
  // Files are compared with those of the same type: an increment has few. Bytes of the source are the same for all.
  const auto increment = with([](M& m) { m.type = BackupType::incremental, m.files = 3, m.rows = 0; });
  auto increments = history_of(20, increment);
  increments.push_back(history_of(25).back());
  const Row rows[] = {
      {"what was accepted is usual from then on", small, accepted, ""},
      {"one among ten is not", small, one_was_small, "collapsed-files!"},
      {"a suspect one is no measure", small, suspect_before, "collapsed-files!"},
      {"nor what is older than ten", small, long_ago, "collapsed-files!"},
      {"an increment beside fulls", increment, history_of(10), ""},
      {"but for its bytes", with([](M& m) { m.bytes_source = 100'000; }, increment), history_of(10),
       "collapsed-bytes!"},
      {"the full before twenty increments is a measure for a full", small, increments, "collapsed-files!"},
  };
  expect(rows);
}

TEST(Suspicion, Tables) {
  const auto tables = [](std::vector<Fingerprint> prints) {
    return with([&](MadePoint& made) { made.fingerprints = std::move(prints); });
  };
  const auto before = history_of(3, tables({{"db.orders", 120'000, ""}, {"db.users", 5'000, ""}, {"db.tmp", 3, ""}}));
  const Row rows[] = {
      {"as before", tables({{"db.orders", 110'000, ""}, {"db.users", 5'100, ""}}), before, ""},
      {"one emptied", tables({{"db.orders", 0, ""}, {"db.users", 5'100, ""}}), before, "collapsed-rows"},
      {"one gone", tables({{"db.users", 5'100, ""}}), before, "collapsed-rows"},
      {"none were taken", usual(), before, ""},
  };
  expect(rows);
  EXPECT_EQ(suspicions(tables({{"db.orders", 0, ""}, {"db.users", 5'100, ""}}), before, kNow)[0].detail,
            "no rows any more: db.orders (120000 before)");
}

TEST(Suspicion, Entropy) {
  const auto of = [](double entropy) { return with([&](MadePoint& made) { made.entropy = entropy; }); };
  auto accepted = history_of(10, of(5.0));
  accepted[0].made.entropy = 7.9;
  const Row rows[] = {
      {"as ever", of(5.2), history_of(3, of(5.0)), ""},
      {"as encrypted", of(7.95), history_of(3, of(5.0)), "entropy-jump!"},
      {"a jump, and not that far", of(6.5), history_of(3, of(5.0)), "entropy-jump"},
      {"always compressed", of(7.95), history_of(3, of(7.9)), ""},
      {"two before tell nothing", of(7.95), history_of(2, of(5.0)), ""},
      {"not measured", usual(), history_of(3, of(5.0)), ""},
      {"not measured before", of(7.95), history_of(3), ""},
      {"accepted", of(7.95), accepted, ""},
      {"no number at all", of(std::numeric_limits<double>::quiet_NaN()), history_of(3, of(5.0)), "entropy-jump!"},
  };
  expect(rows);
}

TEST(Suspicion, Durations) {
  const auto of = [](Duration took) { return with([&](MadePoint& made) { made.begun_at = made.taken_at - took; }); };
  const Row rows[] = {
      {"three times as long is usual", of(60 * kMinute), history_of(5), ""},
      {"more is told", of(61 * kMinute), history_of(5), "duration-out-of-line"},
      {"not within ten minutes", of(9 * kMinute), history_of(5, of(kMinute)), ""},
      {"a tenth is usual", of(2 * kMinute), history_of(5), ""},
      {"less is told", of(kMinute), history_of(5), "duration-out-of-line"},
      {"not of what takes seconds", of(kMinute / 60), history_of(5, of(kMinute / 2)), ""},
      {"it ended before it began", of(-kMinute), history_of(5), "duration-out-of-line"},
  };
  expect(rows);
}

TEST(Suspicion, Dates) {
  const auto taken = [](std::string_view when) {
    return with([&](MadePoint& made) { made.taken_at = at(when), made.begun_at = made.taken_at - 20 * kMinute; });
  };
  auto with_ahead = history_of(5);
  with_ahead.insert(with_ahead.begin(), history_of(1)[0]);
  with_ahead[0].made.taken_at = at("2030-01-01T00:00:00Z");
  with_ahead[0].state = PointState::quarantined;
  const Row rows[] = {
      {"two minutes ahead is a clock's right", taken("2027-01-06T03:32:00Z"), history_of(5), ""},
      {"more is the future", taken("2027-01-06T03:32:00.001Z"), history_of(5), "dated-in-the-future!"},
      {"and needs no history", taken("2030-01-01T00:00:00Z"), {}, "dated-in-the-future!"},
      {"before the newest", taken("2027-01-05T03:19:59Z"), history_of(5), "dated-before-its-predecessor!"},
      {"at the same moment", taken("2027-01-05T03:20:00Z"), history_of(5), ""},
      {"one in quarantine is no predecessor", usual(), with_ahead, ""},
  };
  expect(rows);
}

TEST(Suspicion, TellsBothFigures) {
  const auto found = suspicions(with([](MadePoint& m) { m.files = 12; }), history_of(4), kNow);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].detail, "12 files, and 20000 are usual");
}

}  // namespace
}  // namespace belay::backup
