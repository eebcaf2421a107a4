#include "store/pool.hpp"

#include "store/fixture_test.hpp"

namespace belay::store {
namespace {

class PoolTest : public StoreTest {
 protected:
  static std::string sha(char digit) { return std::string(64, digit); }
  static fleet::PackageChange change(char digit, std::uint64_t size = 3) {
    return {std::string("pkg-") + digit, "amd64", "1", "2", sha(digit), size};
  }
  void hold(const std::string& holder, std::vector<fleet::PackageChange> changes, std::optional<Instant> until = {},
            std::int64_t at = 0) {
    ASSERT_OK(write([&](Sql& sql) { return pool::reference(sql, holder, changes, at_s(at), until); }));
  }
  Result<pool::Package> put(char digit, std::uint32_t index, const std::string& bytes, const std::string& node = "mi-1",
                            std::int64_t at = 0, std::uint64_t bytes_max = 1 << 30) {
    pool::Limits limits;
    limits.bytes_max = bytes_max;
    return write([&](Sql& sql) { return pool::put(sql, {sha(digit), index, bytes, node}, limits, at_s(at)); });
  }
  Status complete(char digit, const std::string& node = "mi-1") {
    return write([&](Sql& sql) { return pool::complete(sql, sha(digit), node, at_s(1)); });
  }
  pool::Swept sweep(std::int64_t at, std::uint32_t chunks_max = 100) {
    const auto swept =
        write([&](Sql& sql) { return pool::sweep(sql, at_s(at), at_s(at) - Duration(3'600'000), chunks_max); });
    EXPECT_OK(swept);
    return swept.ok() ? *swept : pool::Swept{};
  }
  std::optional<pool::Package> found(char digit) {
    const std::string sha256s[] = {sha(digit)};
    const auto all = read([&](Sql& sql) { return pool::find(sql, sha256s); });
    EXPECT_OK(all);
    return all.ok() ? all->front() : std::nullopt;
  }
  pool::Coverage coverage(const std::string& holder) {
    return read([&](Sql& sql) { return pool::coverage(sql, holder); }).value();
  }
  pool::Usage usage() {
    return read([](Sql& sql) { return pool::usage(sql); }).value();
  }
};
BELAY_ON_EVERY_STORE(PoolTest);

TEST_P(PoolTest, AFileComesInChunksAndIsReadAgain) {
  const std::string first(pool::kChunkBytes, '\0'), second = "the \xff rest";
  hold("cs-1", {change('a', first.size() + second.size())});
  EXPECT_EQ(pool::chunk_count(*found('a')), 2U);
  ASSERT_OK(put('a', 0, first));
  EXPECT_EQ(put('a', 0, first)->stored_bytes, first.size()) << "the same chunk twice changes nothing";
  EXPECT_CODE(Code::conflict, complete('a'));  // not whole
  EXPECT_EQ(put('a', 1, second)->stored_bytes, first.size() + second.size());
  ASSERT_OK(complete('a'));
  ASSERT_OK(complete('a'));
  const auto whole = found('a');
  ASSERT_TRUE(whole && whole->completed_at);
  reopen();
  EXPECT_EQ(read([&](Sql& sql) { return pool::chunk(sql, sha('a'), 0); }).value(), first);
  EXPECT_EQ(read([&](Sql& sql) { return pool::chunk(sql, sha('a'), 1); }).value(), second);
  EXPECT_CODE(Code::not_found, read([&](Sql& sql) { return pool::chunk(sql, sha('a'), 2); }));
  EXPECT_EQ(put('a', 0, first, "mi-2")->completed_at, whole->completed_at) << "it is there: nothing is taken in";
}

TEST_P(PoolTest, OnlyWhatAChangeSetNamesInTheOrderAndSizeThatItHas) {
  EXPECT_REASON("pool-not-wanted", put('a', 0, "abc"));
  auto nameless = change('b');
  nameless.sha256.clear();
  auto shapeless = change('c', 0), gone = change('d'), huge = change('e', pool::kPackageBytesMax + 1);
  gone.to_version.clear();
  hold("cs-1", {nameless, shapeless, gone, huge, change('a')});
  EXPECT_EQ(coverage("cs-1").packages, 1) << "what has no checksum or size cannot be kept";
  EXPECT_REASON("pool-chunk-size", put('a', 0, "ab"));
  EXPECT_REASON("pool-chunk-size", put('a', 0, "abcd"));
  EXPECT_REASON("pool-chunk-size", put('a', 1, "abc"));
  hold("cs-1", {change('f', 2 * pool::kChunkBytes)});
  EXPECT_REASON("pool-chunk-order", put('f', 1, std::string(pool::kChunkBytes, 'x')));
  EXPECT_EQ(usage().bytes, 0U);
}

TEST_P(PoolTest, OneNodeSendsAFileAndAnotherTakesOverWhenItStandsStill) {
  hold("cs-1", {change('a', pool::kChunkBytes + 1)});
  const std::string chunk(pool::kChunkBytes, 'x');
  ASSERT_OK(put('a', 0, chunk, "mi-1", 0));
  EXPECT_REASON("pool-busy", put('a', 0, chunk, "mi-2", 60));
  EXPECT_REASON("pool-chunk-order", put('a', 1, "y", "mi-2", 200));  // another's first chunk is not its own
  EXPECT_EQ(put('a', 0, chunk, "mi-2", 200)->uploader, "mi-2");
  EXPECT_REASON("pool-busy", put('a', 1, "y", "mi-1", 210));
  ASSERT_OK(put('a', 1, "y", "mi-2", 220));
  EXPECT_REASON("pool-busy", complete('a', "mi-1"));
  ASSERT_OK(complete('a', "mi-2"));
}

TEST_P(PoolTest, AWrongFileGoesAndItsSenderWaits) {
  hold("cs-1", {change('a')});
  ASSERT_OK(put('a', 0, "bad", "mi-1", 0));
  ASSERT_OK(write([&](Sql& sql) { return pool::discard(sql, sha('a'), "mi-1", at_s(0)); }));
  EXPECT_EQ(usage().bytes, 0U);
  EXPECT_CODE(Code::not_found, read([&](Sql& sql) { return pool::chunk(sql, sha('a'), 0); }));
  EXPECT_REASON("pool-mistrusted", put('a', 0, "bad", "mi-1", 60));
  ASSERT_OK(put('a', 0, "abc", "mi-2", 60));
  ASSERT_OK(write([&](Sql& sql) { return pool::discard(sql, sha('a'), "mi-2", at_s(61)); }));
  ASSERT_OK(put('a', 0, "abc", "mi-2", 3'700));  // after an hour
}

TEST_P(PoolTest, AFullPoolRefusesAndLosesNothing) {
  hold("cs-1", {change('a'), change('b'), change('c')});
  ASSERT_OK(put('a', 0, "aaa", "mi-1", 0, 7));
  ASSERT_OK(complete('a'));
  ASSERT_OK(put('b', 0, "bbb", "mi-1", 0, 7));
  const auto refused = put('c', 0, "ccc", "mi-1", 0, 7);
  EXPECT_CODE(Code::resource_exhausted, refused);
  EXPECT_REASON("pool-full", refused);
  EXPECT_EQ(usage().bytes, 6U);
  EXPECT_EQ(usage().bytes_wanted, 9U);
  EXPECT_EQ(usage().incomplete, 1);
  ASSERT_OK(put('c', 0, "ccc", "mi-1", 0, 9));  // with more room
}

TEST_P(PoolTest, WhatNobodyHoldsGoesOldestFirst) {
  hold("cs-1", {change('a'), change('b')}, at_s(1'000), 0);
  hold("cs-2", {change('b'), change('c')}, std::nullopt, 10);
  hold(pool::old_files_of("cs-1"), {change('d')}, at_s(1'000), 0);
  for (const char digit : {'a', 'b', 'c'}) {
    ASSERT_OK(put(digit, 0, "abc"));
    ASSERT_OK(complete(digit));
  }
  ASSERT_OK(write([](Sql& sql) { return pool::share(sql, "cs-1", "ro-1"); }));
  EXPECT_EQ(coverage("ro-1").complete, 2);
  EXPECT_EQ(coverage(pool::old_files_of("ro-1")).packages, 1);
  EXPECT_EQ(sweep(999).packages, 0);
  EXPECT_EQ(sweep(1'001).packages, 0) << "the rollout still holds them";
  EXPECT_EQ(coverage("cs-1").packages, 0) << "its time is over";
  ASSERT_OK(write([](Sql& sql) { return pool::release(sql, "ro-1"); }));
  EXPECT_FALSE(found('a')) << "held by nobody: given to nobody";
  EXPECT_EQ(sweep(1'002).packages, 2);  // and the old one of the first
  EXPECT_TRUE(found('b')->completed_at) << "another change set names it too";
  ASSERT_OK(write([](Sql& sql) { return pool::release(sql, "cs-2"); }));
  EXPECT_EQ(sweep(1'003, 1).packages, 1) << "a bounded share at a time";
  EXPECT_EQ(sweep(1'004, 1).packages, 1);
  EXPECT_EQ(usage().packages, 0);
}

TEST_P(PoolTest, AnUploadThatStandsStillGivesItsRoomBack) {
  hold("cs-1", {change('a', pool::kChunkBytes + 1), change('b')});
  ASSERT_OK(put('a', 0, std::string(pool::kChunkBytes, 'x'), "mi-1", 0));
  EXPECT_EQ(sweep(3'000).abandoned, 0);
  EXPECT_EQ(sweep(4'000).abandoned, 1);
  EXPECT_EQ(usage().bytes, 0U);
  EXPECT_EQ(coverage("cs-1").packages, 2) << "it is wanted as before";
  const auto lacking = read([](Sql& sql) { return pool::lacking(sql, "cs-1"); });
  ASSERT_OK(lacking);
  EXPECT_EQ(lacking->size(), 2U);
}

TEST_P(PoolTest, TheLaterEndStands) {
  hold("cs-1", {change('a')}, at_s(100));
  hold("cs-1", {change('a')}, at_s(50));
  sweep(60);
  EXPECT_EQ(coverage("cs-1").packages, 1);
  hold("cs-1", {change('a')});
  hold("cs-1", {change('a')}, at_s(50));
  sweep(1'000);
  EXPECT_EQ(coverage("cs-1").packages, 1) << "without an end";
}

}  // namespace
}  // namespace belay::store
