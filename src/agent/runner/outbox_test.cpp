#include "agent/runner/outbox.hpp"

#include <gtest/gtest.h>

#include "agent/runner/backoff.hpp"
#include "base/ids.hpp"
#include "tests/fakes/memory_files.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {

using Keep = Outbox::Keep;

std::string id(int number) {
  std::string random(kIdRandomBytes, '\0');
  random[0] = static_cast<char>(number);
  random[1] = static_cast<char>(number >> 8);
  return make_uuid(random);
}
wire::Envelope result(int number) {
  wire::OrderResult made;
  made.order_id = id(number);
  return wire::pack(id(number), made);
}
wire::Envelope update(int number) { return wire::pack(id(number), wire::OrderUpdate{}); }

std::vector<std::string> ids(const Outbox& outbox) {
  std::vector<std::string> all;
  std::uint64_t after = 0;
  while (const auto item = outbox.next(after)) {
    all.push_back(item->message.id);
    after = item->sequence;
  }
  return all;
}

struct OutboxTest : testing::Test {
  fakes::MemoryFiles disk;
  StatePaths paths{"/state"};
  Outbox open(OutboxLimits limits = {}) { return Outbox::open(disk, paths, limits).value(); }
};

TEST_F(OutboxTest, KeepsOrderAndSurvivesAPowerCut) {
  {
    auto outbox = open();
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(outbox.put(result(i), Keep::always).ok());
    outbox.acknowledge(id(2));
  }
  disk.power_cut();
  auto outbox = open();
  const auto kept = ids(outbox);
  EXPECT_EQ(kept.front(), id(1));
  EXPECT_EQ(kept.back(), id(3));
  ASSERT_TRUE(outbox.put(result(4), Keep::always).ok());
  EXPECT_EQ(ids(outbox).back(), id(4));
}

TEST_F(OutboxTest, TheSameMessageTwiceIsOne) {
  auto outbox = open();
  ASSERT_TRUE(outbox.put(result(1), Keep::always).ok());
  ASSERT_TRUE(outbox.put(result(1), Keep::always).ok());
  EXPECT_EQ(outbox.size(), 1u);
}

TEST_F(OutboxTest, DropsProgressOldestFirstAndResultsNever) {
  auto outbox = open({.messages_max = 4, .bytes_max = 1 << 20});
  ASSERT_TRUE(outbox.put(update(1), Keep::while_room).ok());
  ASSERT_TRUE(outbox.put(update(2), Keep::while_room).ok());
  for (int i = 3; i <= 5; ++i) ASSERT_TRUE(outbox.put(result(i), Keep::always).ok());
  EXPECT_EQ(ids(outbox), (std::vector{id(2), id(3), id(4), id(5)}));
  ASSERT_TRUE(outbox.put(result(6), Keep::always).ok());
  EXPECT_TRUE(outbox.put(update(7), Keep::while_room).ok());  // no room: not kept
  EXPECT_EQ(ids(outbox), (std::vector{id(3), id(4), id(5), id(6)}));
  EXPECT_EQ(outbox.put(result(8), Keep::always).error().code(), Code::resource_exhausted);
}

TEST_F(OutboxTest, BoundsItsBytes) {
  auto outbox = open({.messages_max = 100, .bytes_max = 2'000});
  auto big = update(1);
  big.body = json::Object{{"detail", std::string(1'200, 'x')}};
  ASSERT_TRUE(outbox.put(big, Keep::while_room).ok());
  big.id = id(2);
  ASSERT_TRUE(outbox.put(big, Keep::while_room).ok());
  EXPECT_EQ(ids(outbox), std::vector{id(2)});
}

TEST_F(OutboxTest, KeepsOnlyTheNewestOfSomeTypes) {
  auto outbox = open();
  for (int i = 1; i <= 3; ++i)
    ASSERT_TRUE(outbox.put(wire::pack(id(i), wire::FactsReport{}), Keep::newest_of_type).ok());
  EXPECT_EQ(ids(outbox), std::vector{id(3)});
}

TEST_F(OutboxTest, AFullDiskIsAnErrorAndLosesNothing) {
  auto outbox = open();
  ASSERT_TRUE(outbox.put(result(1), Keep::always).ok());
  disk.set_bytes_free(0);
  EXPECT_FALSE(outbox.put(result(2), Keep::always).ok());
  disk.set_bytes_free(std::nullopt);
  EXPECT_TRUE(outbox.put(result(2), Keep::always).ok());
  EXPECT_EQ(ids(outbox), (std::vector{id(1), id(2)}));
}

TEST(Backoff, StaysWithinItsBoundsAndGrows) {
  const BackoffSettings settings;
  for (std::uint64_t random = 1; random != 0; random = random * 6364136223846793005u % 1'000'003) {
    EXPECT_LE(first_wait(settings, random), settings.first_spread);
    EXPECT_LE(wait_after_loss(settings, random), settings.after_loss_spread);
    for (std::uint32_t failures = 1; failures < 40; ++failures) {
      const auto wait = wait_after_failure(settings, failures, random);
      EXPECT_LE(wait, settings.longest);
      EXPECT_GE(wait, settings.base / 2);
    }
    EXPECT_GE(wait_after_failure(settings, 40, random), settings.longest / 2);
    if (random == 1) break;
  }
}

TEST(Backoff, SpreadsAThousandAgents) {
  const BackoffSettings settings;
  std::vector<int> per_tenth(10, 0);
  std::uint64_t random = 88172645463325252u;
  for (int i = 0; i < 1'000; ++i) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    per_tenth[static_cast<std::size_t>(first_wait(settings, random).count() * 10 /
                                       (settings.first_spread.count() + 1))] += 1;
  }
  for (const int count : per_tenth) EXPECT_LT(count, 150);
}

}  // namespace
}  // namespace belay::agent
