#include <gtest/gtest.h>

#include "agent/snapshots/snapshot_provider.hpp"

namespace belay::agent {
namespace {

Snapshot taken(const std::string& tag, Duration at, std::optional<Duration> expires = {}) {
  Snapshot snapshot{tag, "btrfs", Instant(at), {"/"}, tag, {}};
  if (expires) snapshot.expires_at = Instant(*expires);
  return snapshot;
}

TEST(Leftovers, AreThoseOfRunsThatHaveEndedAndThoseWhoseTimeIsOver) {
  using std::chrono::hours;
  const std::vector<Snapshot> all{taken("open", hours(5), hours(50)), taken("open-and-old", hours(1), hours(10)),
                                  taken("ended", hours(4), hours(50)), taken("ended-and-old", hours(2), hours(9)),
                                  taken("for-ever", hours(6))};
  const auto left = leftovers(all, {"open", "open-and-old", "for-ever"}, Instant(hours(10)));
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0].snapshot.id, "open-and-old");  // the moment it ends counts
  EXPECT_EQ(left[0].why, Leftover::Why::expired);
  EXPECT_EQ(left[0].age, hours(9));
  EXPECT_EQ(left[1].snapshot.id, "ended-and-old");
  EXPECT_EQ(left[1].why, Leftover::Why::run_ended);
  EXPECT_EQ(left[2].snapshot.id, "ended");
}

TEST(Leftovers, AClockThatWentBackMakesNoneYounger) {
  const auto left = leftovers({taken("a", Duration(5'000))}, {}, Instant(Duration(1'000)));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].age, Duration::zero());
}

}  // namespace
}  // namespace belay::agent
