// Maintenance windows over years, in thousands, and killed at every write.
#include "server/engine/windows_fixture_test.hpp"
#include "store/audit.hpp"

namespace belay::server {
namespace {

TEST_F(WindowsTest, TwoYearsOfAWeeklyWindow) {
  auto& node = web("web-1");
  const auto made = make_window();
  add_task(made.window_id, {add_target(made.window_id, "tag:role", {"web"})});
  settle();
  const Instant until = clock_.now() + 2 * 365 * 24h;
  while (window(made.window_id).next_at < until) {
    heard_of(node);
    open(made.window_id);
  }
  const auto all = executions(made.window_id);
  ASSERT_EQ(all.size(), 104U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].status, "SUCCESS");
    if (i > 0) EXPECT_EQ(all[i - 1].started_at - all[i].started_at, 7 * 24h);
  }
  EXPECT_EQ(node.done.size(), 104U);
}

TEST_F(WindowsTest, AThousandWindowsInTheSameMinuteAllStartInIt) {
  for (int i = 0; i < 20; ++i) add_node("node-" + std::to_string(i), "12", {{"number", std::to_string(i)}});
  Ids ids;
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) -> Status {
                    for (int i = 0; i < 1'000; ++i) {
                      auto made = weekly_window();
                      made.schedule = "at(2026-11-29T02:00:00)";
                      const auto target = target_of(made.window_id, "tag:number", {std::to_string(i % 20)});
                      BELAY_TRY(windows_->create(sql, made));
                      BELAY_TRY(windows::add_target(sql, target));
                      BELAY_TRY(windows::add_task(sql, task_of(made.window_id, {target.window_target_id})));
                      ids.push_back(made.window_id);
                    }
                    return {};
                  })
                  .ok());
  settle();
  clock_.set_wall(parse_iso8601("2026-11-29T02:00:00Z").value());
  const auto begun = std::chrono::steady_clock::now();
  while (advance_engine()) {
  }
  const auto took = std::chrono::steady_clock::now() - begun;
  RecordProperty("milliseconds", static_cast<int>(std::chrono::duration_cast<Duration>(took).count()));
  std::cout << "1,000 windows started in " << std::chrono::duration_cast<Duration>(took).count() << " ms\n";
  for (const auto& id : ids) {
    ASSERT_EQ(executions(id).size(), 1U);
    EXPECT_EQ(executions(id).front().status, "IN_PROGRESS");
    EXPECT_FALSE(invocations(executions(id).front().execution_id).front().child_id.empty());
  }
}

TEST_F(WindowsTest, KilledAtEveryWriteItGoesOn) {
  auto& node = web("web-1");
  say_twice_ = true;
  int kills = 0;
  for (int write = 1; write < 60; ++write) {
    for (const bool after : {false, true}) {
      SCOPED_TRACE("write " + std::to_string(write) + (after ? " after" : " before"));
      const auto made = make_window();
      const auto target = add_target(made.window_id, "tag:role", {"web"});
      add_task(made.window_id, {target}, 1);
      add_task(made.window_id, {target}, 2);
      settle();
      node.done.clear();
      clock_.set_wall(*window(made.window_id).next_at);
      store_->kill_at(write, after);
      for (bool done = false; !done;) {
        try {
          recover();
          settle();
          done = true;
        } catch (const fakes::Killed&) {
          ++kills;
          boot_windows();
          clock_.advance(Duration(60'000));  // the lease of the dead one runs out
        }
      }
      const bool armed = store_->armed();
      store_->disarm();
      ASSERT_EQ(executions(made.window_id).size(), 1U);
      ASSERT_EQ(executions(made.window_id).front().status, "SUCCESS");
      Ids scripts;
      for (const auto& order : node.done)
        if (fakes::script_of(order)[0].find(executions(made.window_id).front().execution_id) != std::string::npos)
          scripts.push_back(order.order_id);
      ASSERT_EQ(scripts.size(), 2U) << "each task once";
      ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows_->remove(sql, made.window_id); }).ok());
      settle();
      if (armed) {
        EXPECT_GT(kills, 15);
        const auto verified = disk_->read([](store::Sql& sql) { return store::audit::verify(sql); });
        ASSERT_TRUE(verified.ok());
        EXPECT_FALSE(verified->broken_at.has_value());
        return;
      }
    }
  }
  FAIL() << "the scenario has more writes than were tried";
}

}  // namespace
}  // namespace belay::server
