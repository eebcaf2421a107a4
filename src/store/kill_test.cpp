// Nothing acknowledged is lost when the server is killed: a child writes under load and says each acknowledgement on a
// pipe; it is killed at a random moment; then every acknowledged row must be there and the audit chain whole.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <random>
#include <thread>

#include "store/audit.hpp"
#include "store/fixture_test.hpp"
#include "store/inbox.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/settings.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace belay::store {
namespace {

constexpr int kWriters = 4, kRounds = 8;

struct Acknowledged {
  std::int32_t round = 0, writer = 0, number = 0;
};

std::string key_of(const Acknowledged& what) {
  return std::to_string(what.round) + "/" + std::to_string(what.writer) + "/" + std::to_string(what.number);
}

// Never returns. A row, its second half and its audit entry are one transaction.
[[noreturn]] void write_until_killed(const std::string& place, bool is_sqlite, int pipe_end, std::int32_t round) {
  auto opened = is_sqlite ? sqlite::open(place, test_seams()) : postgres::open(place, test_seams());
  if (!opened.ok()) _exit(3);
  std::vector<std::thread> writers;
  for (std::int32_t writer = 0; writer < kWriters; ++writer)
    writers.emplace_back([&, writer] {
      for (std::int32_t number = 0;; ++number) {
        const Acknowledged what{round, writer, number};
        const auto status = (*opened)->write([&](Sql& sql) -> Status {
          BELAY_TRY(settings::set(sql, "first/" + key_of(what), "x", at_s(number)));
          BELAY_TRY(inbox::first_time(sql, "mi-1", key_of(what), at_s(number)));
          return audit::append(sql, {.at = at_s(number), .actor = "t", .action = "write", .resource = key_of(what)});
        });
        if (status.ok() && ::write(pipe_end, &what, sizeof what) != sizeof what) _exit(4);
      }
    });
  for (auto& writer : writers) writer.join();
  _exit(5);
}

class KillTest : public StoreTest {
 protected:
  std::vector<Acknowledged> one_life(std::int32_t round, std::chrono::microseconds life_after_first) {
    int ends[2];
    if (pipe(ends) != 0) return {};
    // A program of its own, not a mere fork: nothing of this one's open database may live on in it.
    const std::string round_text = std::to_string(round), pipe_text = std::to_string(ends[1]);
    const pid_t child = fork();
    if (child == 0) {
      ::close(ends[0]);
      setenv("BELAY_KILL_PLACE", place_.c_str(), 1);
      setenv("BELAY_KILL_SQLITE", GetParam() == Driver::sqlite ? "1" : "0", 1);
      setenv("BELAY_KILL_PIPE", pipe_text.c_str(), 1);
      setenv("BELAY_KILL_ROUND", round_text.c_str(), 1);
      for (const char* part : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"})
        unsetenv(part);  // what it runs is in any part
      const int nowhere = open("/dev/null", O_WRONLY);
      dup2(nowhere, 1);
      execl("/proc/self/exe", "store_test", "--gtest_also_run_disabled_tests",
            "--gtest_filter=KillTestWriter.DISABLED_Writes", nullptr);
      _exit(6);
    }
    ::close(ends[1]);
    std::vector<Acknowledged> all;
    Acknowledged one;
    const auto take = [&] { return ::read(ends[0], &one, sizeof one) == sizeof one; };
    std::thread killer;
    while (take()) {
      all.push_back(one);
      if (!killer.joinable())
        killer = std::thread([&] {
          std::this_thread::sleep_for(life_after_first);
          kill(child, SIGKILL);
        });
    }
    if (killer.joinable()) killer.join();
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself with " << WEXITSTATUS(status);
    ::close(ends[0]);
    return all;
  }

  void check(const std::vector<Acknowledged>& acknowledged) {
    std::vector<Params> asked;
    for (const auto& what : acknowledged) asked.push_back({"first/" + key_of(what), key_of(what)});
    const auto answers = read([&](Sql& sql) {
      return sql.query_many(
          "SELECT 1 FROM settings s JOIN inbox i ON i.message_id = $2 JOIN audit a ON a.resource = $2 WHERE s.key = $1",
          asked);
    });
    ASSERT_OK(answers);
    for (std::size_t i = 0; i < answers->size(); ++i)
      EXPECT_EQ((*answers)[i].size(), 1u) << "acknowledged and lost: " << key_of(acknowledged[i]);
    const auto halves = read([](Sql& sql) {
      return sql.query_one(
          "SELECT (SELECT COUNT(*) FROM settings), (SELECT COUNT(*) FROM inbox), (SELECT COUNT(*) FROM audit)");
    });
    ASSERT_OK(halves);
    EXPECT_EQ((*halves)->integer(0), (*halves)->integer(1));
    EXPECT_EQ((*halves)->integer(0), (*halves)->integer(2));
    EXPECT_GE((*halves)->integer(0), static_cast<std::int64_t>(acknowledged.size()));
    const auto chain = read([](Sql& sql) { return audit::verify(sql); });
    ASSERT_OK(chain);
    EXPECT_EQ(chain->broken_at, std::nullopt) << chain->why;
  }
};
BELAY_ON_EVERY_STORE(KillTest);

// Not a test: the program that KillTest starts and kills.
TEST(KillTestWriter, DISABLED_Writes) {
  const char* place = getenv("BELAY_KILL_PLACE");
  if (place == nullptr) GTEST_SKIP() << "is started by KillTest only";
  write_until_killed(place, std::string(getenv("BELAY_KILL_SQLITE")) == "1", std::stoi(getenv("BELAY_KILL_PIPE")),
                     std::stoi(getenv("BELAY_KILL_ROUND")));
}

TEST_P(KillTest, NothingAcknowledgedIsLost) {
  const std::uint32_t seed = 20'261'123;
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  std::vector<Acknowledged> all;
  for (std::int32_t round = 0; round < kRounds; ++round) {
    close();  // so that the next to open finds what a kill leaves behind
    const auto more = one_life(round, std::chrono::microseconds(std::uniform_int_distribution<>(0, 250'000)(random)));
    EXPECT_FALSE(more.empty());
    all.insert(all.end(), more.begin(), more.end());
    reopen();
    check(all);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  std::cout << all.size() << " acknowledged writes over " << kRounds << " kills\n";
}

}  // namespace
}  // namespace belay::store
