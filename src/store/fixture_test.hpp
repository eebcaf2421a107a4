#pragma once
// Every test of the store runs on every driver: a fresh SQLite file, or a fresh database of a private PostgreSQL.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "store/store.hpp"

namespace belay::store {

enum class Driver { sqlite, postgres };

Seams test_seams();                            // a hash and a seal that are good enough for tests
std::string fake_hash(std::string_view text);  // what test_seams() hashes with: 64 digits
inline Instant at_s(std::int64_t seconds) { return from_unix_ms(1'700'000'000'000 + seconds * 1'000); }

class StoreTest : public testing::TestWithParam<Driver> {
 protected:
  void SetUp() override;
  void TearDown() override;
  // The same data, opened anew; the one before is closed.
  void reopen();
  void close() { store_.reset(); }
  // A second server over the same data.
  std::unique_ptr<Store> open_another();
  // Straight to the tables, for what no area offers.
  void tamper(const std::string& statement);

  Store& store() { return *store_; }

  template <typename Work>
  auto write(Work&& work) {
    return store_->write(std::forward<Work>(work));
  }
  template <typename Work>
  auto read(Work&& work) {
    return store_->read(std::forward<Work>(work));
  }
  void add_node(const std::string& node_id);

  std::string place_;  // a path or a connection string
 private:
  std::unique_ptr<Store> store_;
  std::string folder_;
};

// Where PostgreSQL is not installed, "" and the reason.
std::string new_postgres_database(std::string& why_not);

#define BELAY_ON_EVERY_STORE(Suite)                                                                                  \
  INSTANTIATE_TEST_SUITE_P(OnEvery, Suite, testing::Values(Driver::sqlite, Driver::postgres), [](const auto& info) { \
    return std::string(info.param == Driver::sqlite ? "SQLite" : "PostgreSQL");                                      \
  })

#define ASSERT_OK(...)                                                \
  do {                                                                \
    const auto& belay_result_ = (__VA_ARGS__);                        \
    ASSERT_TRUE(belay_result_.ok()) << belay_result_.error().chain(); \
  } while (false)
#define EXPECT_OK(...)                                                \
  do {                                                                \
    const auto& belay_result_ = (__VA_ARGS__);                        \
    EXPECT_TRUE(belay_result_.ok()) << belay_result_.error().chain(); \
  } while (false)
#define EXPECT_CODE(expected, ...)                                                                       \
  do {                                                                                                   \
    const auto& belay_result_ = (__VA_ARGS__);                                                           \
    if (belay_result_.ok()) ADD_FAILURE() << "expected an error";                                        \
    else EXPECT_EQ(name(belay_result_.error().code()), name(expected)) << belay_result_.error().chain(); \
  } while (false)
#define EXPECT_REASON(expected, ...)                                                           \
  do {                                                                                         \
    const auto& belay_result_ = (__VA_ARGS__);                                                 \
    if (belay_result_.ok()) ADD_FAILURE() << "expected an error";                              \
    else EXPECT_EQ(belay_result_.error().reason(), expected) << belay_result_.error().chain(); \
  } while (false)

}  // namespace belay::store
