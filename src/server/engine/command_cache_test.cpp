#include "server/engine/command_cache.hpp"

#include <gtest/gtest.h>

namespace belay::server {
namespace {

LoadedCommand loaded(const std::string& id, std::size_t invocations = 1) {
  LoadedCommand command;
  command.row.command_id = id;
  command.invocation_rows.resize(invocations);
  return command;
}

TEST(CommandCache, GivesOutOnceAndOnlyWhatExactlyThisTurnLeft) {
  CommandCache cache;
  EXPECT_FALSE(cache.take("").has_value());
  cache.keep("turn-1", loaded("a"));
  EXPECT_FALSE(cache.take("turn-2").has_value());
  const auto found = cache.take("turn-1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->row.command_id, "a");
  EXPECT_FALSE(cache.take("turn-1").has_value());
}

TEST(CommandCache, KeepsOneTurnOfACommand) {
  CommandCache cache;
  cache.keep("turn-1", loaded("a"));
  cache.keep("turn-2", loaded("a"));
  EXPECT_FALSE(cache.take("turn-1").has_value()) << "its transaction was undone, or it is of the past";
  EXPECT_TRUE(cache.take("turn-2").has_value());
}

TEST(CommandCache, IsBounded) {
  CommandCache cache;
  cache.keep("turn-1", loaded("a", CommandCache::kInvocationsMax / 2));
  cache.keep("turn-2", loaded("b", CommandCache::kInvocationsMax / 2));
  cache.keep("turn-3", loaded("c"));
  EXPECT_FALSE(cache.take("turn-1").has_value());
  EXPECT_TRUE(cache.take("turn-2").has_value());
  EXPECT_TRUE(cache.take("turn-3").has_value());
  cache.keep("turn-4", loaded("d", CommandCache::kInvocationsMax + 1));
  EXPECT_FALSE(cache.take("turn-4").has_value()) << "larger than all there is room for";
}

}  // namespace
}  // namespace belay::server
