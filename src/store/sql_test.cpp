#include "store/sql.hpp"

#include <atomic>
#include <thread>

#include "store/fixture_test.hpp"

namespace belay::store {
namespace {

class SqlTest : public StoreTest {};
BELAY_ON_EVERY_STORE(SqlTest);

void make_table(Store& store) {
  ASSERT_OK(store.write([](Sql& sql) {
    return sql.exec(
        "CREATE TABLE probe (id BIGINT NOT NULL PRIMARY KEY, word TEXT, part DOUBLE PRECISION CHECK (part < 10))");
  }));
}

TEST_P(SqlTest, ValuesComeBackAsTheyWentIn) {
  make_table(store());
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(
        sql.exec("INSERT INTO probe (id, word, part) VALUES ($1, $2, $3)", {-9'007'199'254'740'993, "ä\n'\"", 2.5}));
    BELAY_TRY(sql.exec("INSERT INTO probe (id, word, part) VALUES ($1, $2, $3)", {true, std::nullopt, SqlValue()}));
    return {};
  }));
  const auto rows = read([](Sql& sql) { return sql.query("SELECT id, word, part FROM probe ORDER BY id"); });
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0].integer(0), -9'007'199'254'740'993);
  EXPECT_EQ((*rows)[0].text(1), "ä\n'\"");
  EXPECT_EQ((*rows)[0].real(2), 2.5);
  EXPECT_TRUE((*rows)[1].boolean(0));
  EXPECT_TRUE((*rows)[1].is_null(1));
  EXPECT_TRUE((*rows)[1].is_null(2));
}

TEST_P(SqlTest, ParametersMayBeUsedInAnyOrderAndRepeatedly) {
  make_table(store());
  const auto row = write([](Sql& sql) -> Result<std::optional<Row>> {
    BELAY_TRY(sql.exec("INSERT INTO probe (word, id) VALUES ($2, $1)", {7, "seven"}));
    return sql.query_one("SELECT word FROM probe WHERE word = $2 AND id = $1 AND id >= $1", {7, "seven"});
  });
  ASSERT_OK(row);
  ASSERT_TRUE(row->has_value());
}

TEST_P(SqlTest, ManyAreOneTransactionAndAnswersKeepTheirOrder) {
  make_table(store());
  std::vector<Params> rows;
  for (int i = 0; i < 1'000; ++i) rows.push_back({i, "word " + std::to_string(i)});
  const auto touched =
      write([&](Sql& sql) { return sql.exec_many("INSERT INTO probe (id, word) VALUES ($1, $2)", rows); });
  ASSERT_OK(touched);
  EXPECT_EQ(*touched, 1'000);
  std::vector<Params> asked;
  for (int i = 1'999; i >= 0; --i) asked.push_back({i});
  const auto answers = read([&](Sql& sql) { return sql.query_many("SELECT word FROM probe WHERE id = $1", asked); });
  ASSERT_OK(answers);
  ASSERT_EQ(answers->size(), 2'000u);
  for (std::size_t i = 0; i < 1'000; ++i) EXPECT_TRUE((*answers)[i].empty());
  for (std::size_t i = 1'000; i < 2'000; ++i)
    EXPECT_EQ((*answers)[i].front().text(0), "word " + std::to_string(1'999 - i));
}

TEST_P(SqlTest, LargeAnswersOfManyDoNotBlock) {
  make_table(store());
  const std::string word(200'000, 'x');
  ASSERT_OK(write([&](Sql& sql) { return sql.exec("INSERT INTO probe (id, word) VALUES (1, $1)", {word}); }));
  const std::vector<Params> asked(300, Params{1, word});
  const auto answers =
      read([&](Sql& sql) { return sql.query_many("SELECT word FROM probe WHERE id = $1 AND word = $2", asked); });
  ASSERT_OK(answers);
  EXPECT_EQ(answers->size(), 300u);
  EXPECT_EQ(answers->back().front().text(0), word);
}

TEST_P(SqlTest, AnErrorRollsEverythingBackAndTheStoreGoesOn) {
  make_table(store());
  EXPECT_CODE(Code::conflict, write([](Sql& sql) -> Status {
                BELAY_TRY(sql.exec("INSERT INTO probe (id) VALUES (1)"));
                return Error(Code::conflict, "changed my mind");
              }));
  std::vector<Params> rows{{2}, {3}, {2}};
  EXPECT_CODE(Code::already_exists,
              write([&](Sql& sql) { return sql.exec_many("INSERT INTO probe (id) VALUES ($1)", rows); }));
  const auto left = read([](Sql& sql) { return sql.query("SELECT id FROM probe"); });
  ASSERT_OK(left);
  EXPECT_TRUE(left->empty());
}

TEST_P(SqlTest, AnErrorThatIsPassedOverStillEndsTheTransaction) {
  make_table(store());
  EXPECT_CODE(Code::already_exists, write([](Sql& sql) -> Status {
                BELAY_TRY(sql.exec("INSERT INTO probe (id) VALUES (1)"));
                const auto ignored = sql.exec("INSERT INTO probe (id) VALUES (1)");
                const auto later = sql.exec("INSERT INTO probe (id) VALUES (2)");
                EXPECT_CODE(Code::already_exists, later);
                return {};
              }));
  const auto left = read([](Sql& sql) { return sql.query("SELECT id FROM probe"); });
  ASSERT_OK(left);
  EXPECT_TRUE(left->empty());
}

TEST_P(SqlTest, TextThatIsNoTextIsRefused) {
  make_table(store());
  for (const std::string& bad : {std::string("\xff"), std::string("a\0b", 3), std::string("\xed\xa0\x80")})
    EXPECT_REASON("text-invalid",
                  write([&](Sql& sql) { return sql.exec("INSERT INTO probe (id, word) VALUES (1, $1)", {bad}); }));
}

TEST_P(SqlTest, AReaderCannotWriteAndAThrownExceptionIsCaught) {
  make_table(store());
  EXPECT_CODE(Code::permission_denied, read([](Sql& sql) { return sql.exec("INSERT INTO probe (id) VALUES (1)"); }));
  EXPECT_CODE(Code::internal, write([](Sql& sql) -> Status {
                BELAY_TRY(sql.exec("INSERT INTO probe (id) VALUES (1)"));
                throw std::runtime_error("oops");
              }));
  const auto left = read([](Sql& sql) { return sql.query("SELECT id FROM probe"); });
  ASSERT_OK(left);
  EXPECT_TRUE(left->empty());
}

TEST_P(SqlTest, ChecksAreInvalidArguments) {
  make_table(store());
  EXPECT_CODE(Code::invalid_argument,
              write([](Sql& sql) { return sql.exec("INSERT INTO probe (id, part) VALUES (1, 11)"); }));
}

// Read, add one, write, from many threads and two servers at once: no step is lost.
TEST_P(SqlTest, TransactionsAreSerializable) {
  make_table(store());
  ASSERT_OK(write([](Sql& sql) { return sql.exec("INSERT INTO probe (id, part) VALUES (1, 0)"); }));
  ASSERT_OK(write([](Sql& sql) { return sql.exec("INSERT INTO probe (id, word) VALUES (2, '')"); }));
  const auto other = open_another();
  ASSERT_TRUE(other);
  constexpr int kThreads = 4, kSteps = 15;
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      Store& mine = t % 2 ? *other : store();
      for (int i = 0; i < kSteps; ++i) {
        const auto status = mine.write([](Sql& sql) -> Status {
          BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT word FROM probe WHERE id = 2"));
          BELAY_TRY(sql.exec("UPDATE probe SET word = $1 WHERE id = 2", {row->text(0) + "x"}));
          return {};
        });
        if (status.ok()) ++done;
      }
    });
  for (auto& thread : threads) thread.join();
  const auto row = read([](Sql& sql) { return sql.query_one("SELECT word FROM probe WHERE id = 2"); });
  ASSERT_OK(row);
  EXPECT_EQ((*row)->text(0).size(), static_cast<std::size_t>(done));
  EXPECT_GT(done, kThreads * kSteps / 2);
}

TEST_P(SqlTest, AReaderSeesOneUnchangingView) {
  make_table(store());
  const auto counted = read([&](Sql& sql) -> Result<std::pair<std::int64_t, std::int64_t>> {
    BELAY_TRY_ASSIGN(const auto before, sql.query_one("SELECT COUNT(*) FROM probe"));
    BELAY_TRY(write([](Sql& inner) { return inner.exec("INSERT INTO probe (id) VALUES (1)"); }));
    BELAY_TRY_ASSIGN(const auto after, sql.query_one("SELECT COUNT(*) FROM probe"));
    return std::pair(before->integer(0), after->integer(0));
  });
  ASSERT_OK(counted);
  EXPECT_EQ(counted->first, counted->second);
}

TEST_P(SqlTest, TheSchemaIsMadeOnceAndGuarded) {
  ASSERT_OK(store().check());
  reopen();
  ASSERT_OK(store().check());
  tamper("UPDATE schema_steps SET hash = 'other' WHERE number = 2");
  EXPECT_REASON("schema-edited", store().check());
  tamper("DELETE FROM schema_steps WHERE number = 2");
  EXPECT_CODE(Code::unavailable, store().check());
}

TEST_P(SqlTest, ANewerSchemaIsRefused) {
  tamper("INSERT INTO schema_steps (number, name, hash) VALUES (9999, '9999_future.sql', 'x')");
  EXPECT_REASON("schema-newer", store().check());
}

}  // namespace
}  // namespace belay::store
