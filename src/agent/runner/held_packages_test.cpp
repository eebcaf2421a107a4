#include "agent/runner/held_packages.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/memory_files.hpp"

namespace belay::agent {
namespace {

TEST(HeldPackages, AreKeptWithinTheirBoundsOldestFirst) {
  fakes::ManualClock clock;
  fakes::MemoryFiles disk(&clock);
  EXPECT_TRUE(prune_held_packages(disk, "/held", clock.now()).ok());
  for (const char* name : {"a", "b", "c", "d"}) {
    disk.put(std::string("/held/") + name, std::string(100, 'x'));
    clock.advance(std::chrono::hours(24));
  }
  const HeldLimits limits{.age_max = std::chrono::hours(24 * 10), .bytes_max = 250};
  EXPECT_TRUE(prune_held_packages(disk, "/held", clock.now(), limits).ok());
  EXPECT_EQ(disk.list("/held").value(), (std::vector<std::string>{"c", "d"}));
  clock.advance(std::chrono::hours(24 * 9));
  EXPECT_TRUE(prune_held_packages(disk, "/held", clock.now(), limits).ok());
  EXPECT_EQ(disk.list("/held").value(), std::vector<std::string>{"d"});
}

}  // namespace
}  // namespace belay::agent
