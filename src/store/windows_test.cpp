// Maintenance windows, their history, and who was missed.
#include "store/windows.hpp"

#include "store/commands.hpp"
#include "store/fixture_test.hpp"
#include "store/run_times.hpp"
#include "store/window_history.hpp"

namespace belay::store {
namespace {

namespace history = window_history;
class WindowsTest : public StoreTest {};
BELAY_ON_EVERY_STORE(WindowsTest);
using Ids = std::vector<std::string>;

windows::Window window(const std::string& id, const std::string& name = "patching") {
  windows::Window made;
  made.window_id = id;
  made.name = name;
  made.schedule = "cron(0 2 ? * SUN *)";
  made.duration_hours = 4;
  made.cutoff_hours = 1;
  made.created_at = made.modified_at = made.scheduled_at = at_s(0);
  made.created_by = "test";
  return made;
}

TEST_P(WindowsTest, AWindowIsKeptWholeAndRemovedWhole) {
  auto made = window("mw-1");
  made.description = "größer";
  made.timezone = "Europe/Berlin";
  made.schedule_offset = 2;
  made.calendars = {"freeze"};
  made.allow_unassociated = true;
  ASSERT_OK(write([&](Sql& sql) { return windows::create(sql, made); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return windows::create(sql, made); }));
  ASSERT_OK(write([&](Sql& sql) { return windows::set_next(sql, "mw-1", at_s(7)); }));
  auto got = *read([](Sql& sql) { return windows::get(sql, "mw-1"); });
  EXPECT_EQ(got.schedule_offset, 2u);
  EXPECT_EQ(got.calendars, Ids{"freeze"});
  EXPECT_EQ(got.next_at, at_s(7));
  EXPECT_TRUE(got.allow_unassociated && got.enabled);
  got.schedule_offset.reset();
  got.enabled = false;
  got.version = 2;
  ASSERT_OK(write([&](Sql& sql) { return windows::update(sql, got); }));
  const auto changed = *read([](Sql& sql) { return windows::get(sql, "mw-1"); });
  EXPECT_FALSE(changed.schedule_offset.has_value() || changed.enabled);
  EXPECT_EQ(changed.version, 2);
  EXPECT_EQ(changed.next_at, at_s(7));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return windows::update(sql, window("mw-9")); }));

  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(windows::add_target(sql, {"t1", "mw-1", "web", "", "owner", "[]", at_s(1)}));
    BELAY_TRY(windows::add_task(sql, {"k1", "mw-1", "RUN_COMMAND", "AWS-RunShellScript", 1, "{}", at_s(1)}));
    return windows::add_missed(sql, std::vector<windows::Missed>{{"mw-1", "k1", "mi-1", "e1", {}, {}, at_s(5), 1}});
  }));
  ASSERT_OK(write([](Sql& sql) { return windows::remove(sql, "mw-1"); }));
  ASSERT_OK(write([](Sql& sql) { return windows::remove(sql, "mw-1"); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return windows::get(sql, "mw-1"); }));
  EXPECT_EQ(read([](Sql& sql) { return windows::count(sql); }).value(), 0);
}

TEST_P(WindowsTest, ListsByNameAndState) {
  ASSERT_OK(write([](Sql& sql) -> Status {
    for (int i = 0; i < 5; ++i) {
      auto made = window("mw-" + std::to_string(i), i % 2 ? "odd" : "even");
      made.enabled = i != 4;
      BELAY_TRY(windows::create(sql, made));
    }
    return {};
  }));
  const auto ids = [&](const windows::Filter& filter) {
    Ids found;
    Page page{.limit = 2, .after = {}};
    do {
      const auto part = *read([&](Sql& sql) { return windows::list(sql, filter, page); });
      for (const auto& item : part.items) found.push_back(item.window_id);
      page.after = part.next;
    } while (!page.after.empty());
    return found;
  };
  EXPECT_EQ(ids({}), (Ids{"mw-0", "mw-1", "mw-2", "mw-3", "mw-4"}));
  EXPECT_EQ(ids({{"odd"}, {}}), (Ids{"mw-1", "mw-3"}));
  EXPECT_EQ(ids({{"even"}, true}), (Ids{"mw-0", "mw-2"}));
}

TEST_P(WindowsTest, TargetsAndTasksBelongToTheirWindow) {
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(windows::create(sql, window("mw-1")));
    BELAY_TRY(windows::create(sql, window("mw-2")));
    BELAY_TRY(windows::add_target(sql, {"t2", "mw-1", "b", "", "", "[2]", at_s(2)}));
    BELAY_TRY(windows::add_target(sql, {"t1", "mw-1", "a", "", "", "[1]", at_s(1)}));
    BELAY_TRY(windows::add_task(sql, {"k1", "mw-1", "RUN_COMMAND", "X", 9, "{}", at_s(1)}));
    return windows::add_task(sql, {"k2", "mw-1", "AUTOMATION", "Y", 0, "{}", at_s(2)});
  }));
  EXPECT_CODE(Code::not_found,
              write([](Sql& sql) { return windows::add_target(sql, {"t3", "mw-9", "", "", "", "[]", at_s(1)}); }));
  EXPECT_CODE(Code::already_exists, write([](Sql& sql) {
                return windows::add_task(sql, {"k1", "mw-2", "RUN_COMMAND", "X", 1, "{}", at_s(1)});
              }));
  EXPECT_EQ(read([](Sql& sql) { return windows::targets_of(sql, "mw-1"); })->at(0).window_target_id, "t1");
  EXPECT_EQ(read([](Sql& sql) { return windows::tasks_of(sql, "mw-1"); })->at(0).window_task_id, "k2");
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return windows::get_target(sql, "mw-2", "t1"); }));
  auto task = *read([](Sql& sql) { return windows::get_task(sql, "mw-1", "k1"); });
  task.priority = 3;
  task.content = "{\"a\":1}";
  ASSERT_OK(write([&](Sql& sql) { return windows::update_task(sql, task); }));
  EXPECT_EQ(read([](Sql& sql) { return windows::get_task(sql, "mw-1", "k1"); })->content, "{\"a\":1}");
  auto target = *read([](Sql& sql) { return windows::get_target(sql, "mw-1", "t2"); });
  target.owner_information = "somebody";
  ASSERT_OK(write([&](Sql& sql) { return windows::update_target(sql, target); }));
  EXPECT_EQ(read([](Sql& sql) { return windows::get_target(sql, "mw-1", "t2"); })->owner_information, "somebody");
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(windows::remove_target(sql, "mw-1", "t2"));
    return windows::remove_task(sql, "mw-1", "k1");
  }));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return windows::remove_task(sql, "mw-1", "k1"); }));
}

TEST_P(WindowsTest, MissedNodesAreCountedOnceAnExecution) {
  ASSERT_OK(write([](Sql& sql) { return windows::create(sql, window("mw-1")); }));
  const auto miss = [&](const char* execution, std::int64_t at, windows::MissedReason reason) {
    ASSERT_OK(write([&](Sql& sql) {
      return windows::add_missed(
          sql, std::vector<windows::Missed>{{"mw-1", "k1", "mi-1", execution, reason, {}, at_s(at), 1},
                                            {"mw-1", "k1", "mi-2", execution, reason, {}, at_s(at), 1},
                                            {"mw-9", "k1", "mi-1", execution, reason, {}, at_s(at), 1}});
    }));
  };
  miss("e1", 10, windows::MissedReason::offline);
  miss("e1", 10, windows::MissedReason::offline);
  miss("e2", 20, windows::MissedReason::cut_off);
  auto missed = *read([](Sql& sql) { return windows::missed_of(sql, "mw-1"); });
  ASSERT_EQ(missed.size(), 2u);
  EXPECT_EQ(missed[0].times, 2u);
  EXPECT_EQ(missed[0].first_at, at_s(10));
  EXPECT_EQ(missed[0].missed_at, at_s(20));
  EXPECT_EQ(missed[0].reason, windows::MissedReason::cut_off);
  EXPECT_EQ(missed[0].execution_id, "e2");
  const auto first = *read([](Sql& sql) { return windows::list_missed(sql, {"mw-1", ""}, {.limit = 1, .after = {}}); });
  ASSERT_EQ(first.items.size(), 1u);
  const auto second =
      *read([&](Sql& sql) { return windows::list_missed(sql, {"mw-1", ""}, {.limit = 1, .after = first.next}); });
  EXPECT_EQ(second.items.at(0).node_id, "mi-2");
  EXPECT_TRUE(second.next.empty());
  EXPECT_EQ(read([](Sql& sql) { return windows::list_missed(sql, {"", "mi-2"}, {}); })->items.size(), 1u);
  ASSERT_OK(write([](Sql& sql) { return windows::clear_missed(sql, "mw-1", "k1", Ids{"mi-1", "mi-7"}); }));
  EXPECT_EQ(read([](Sql& sql) { return windows::missed_of(sql, "mw-1"); })->size(), 1u);
}

history::Execution execution(const std::string& id, std::int64_t started) {
  return {id, "mw-1", "IN_PROGRESS", "", at_s(started), at_s(started + 100), at_s(started + 200), std::nullopt};
}

TEST_P(WindowsTest, HistoryOfAnExecution) {
  history::Task task;
  history::Invocation one, two;
  task.task_execution_id = one.task_execution_id = two.task_execution_id = "x1";
  task.window_task_id = "k1";
  task.type = "RUN_COMMAND";
  task.task_arn = "AWS-RunShellScript";
  task.priority = 4;
  one.invocation_id = "i1";
  one.catch_up = true;
  one.nodes = {"mi-1", "mi-2"};
  two.invocation_id = "i2";
  two.window_target_id = "t1";
  ASSERT_OK(write(
      [&](Sql& sql) { return history::create(sql, execution("e1", 1), std::vector{task}, std::vector{one, two}); }));
  EXPECT_CODE(Code::already_exists, write([](Sql& sql) { return history::create(sql, execution("e1", 1), {}, {}); }));
  EXPECT_EQ(*read([](Sql& sql) { return history::nodes_of(sql, "i1"); }), (Ids{"mi-1", "mi-2"}));
  EXPECT_EQ(read([](Sql& sql) { return history::running(sql, "mw-1"); })->value().execution_id, "e1");

  one.status = task.status = "SUCCESS";
  one.child_id = "c1";
  one.parameters = "{}";
  one.started_at = task.started_at = at_s(3);
  one.finished_at = at_s(4);
  auto ended = execution("e1", 1);
  ended.status = "FAILED";
  ended.status_details = std::string(5'000, 'x');
  ended.finished_at = at_s(9);
  ASSERT_OK(write([&](Sql& sql) -> Status {
    BELAY_TRY(history::update_invocations(sql, std::vector{one}));
    BELAY_TRY(history::update_tasks(sql, std::vector{task}));
    return history::update(sql, ended);
  }));
  const auto read_one = *read([](Sql& sql) { return history::get_invocation(sql, "x1", "i1"); });
  EXPECT_TRUE(read_one.catch_up);
  EXPECT_EQ(read_one.node_count, 2u);
  EXPECT_EQ(read_one.child_id, "c1");
  EXPECT_EQ(read_one.finished_at, at_s(4));
  EXPECT_EQ(read([](Sql& sql) { return history::get_task(sql, "e1", "x1"); })->started_at, at_s(3));
  EXPECT_LE(read([](Sql& sql) { return history::get(sql, "e1"); })->status_details.size(), 1'010u);
  EXPECT_FALSE(read([](Sql& sql) { return history::running(sql, "mw-1"); })->has_value());
  const auto page = *read([](Sql& sql) { return history::list_invocations(sql, "x1", {}, {.limit = 1, .after = {}}); });
  EXPECT_EQ(page.items.at(0).invocation_id, "i1");
  EXPECT_EQ(read([&](Sql& sql) { return history::list_invocations(sql, "x1", {}, {.limit = 1, .after = page.next}); })
                ->items.at(0)
                .invocation_id,
            "i2");
  EXPECT_EQ(read([](Sql& sql) { return history::list_invocations(sql, "x1", {"PENDING"}, {}); })->items.size(), 1u);
  EXPECT_EQ(read([](Sql& sql) { return history::list_tasks(sql, "e1", {"SUCCESS"}, {}); })->items.size(), 1u);
}

TEST_P(WindowsTest, HistoryIsListedNewestFirstAndForgotten) {
  ASSERT_OK(write([](Sql& sql) -> Status {
    for (int i = 1; i <= 4; ++i) {
      auto made = execution("e" + std::to_string(i), i);
      if (i < 4) made.finished_at = at_s(i + 10);
      history::Task task;
      task.task_execution_id = "x" + std::to_string(i);
      task.type = "RUN_COMMAND";
      history::Invocation invocation;
      invocation.invocation_id = "i" + std::to_string(i);
      invocation.task_execution_id = task.task_execution_id;
      BELAY_TRY(history::create(sql, made, std::vector{task}, std::vector{invocation}));
    }
    return {};
  }));
  Ids seen;
  Page page{.limit = 3, .after = {}};
  do {
    const auto part = *read([&](Sql& sql) { return history::list(sql, {"mw-1", {}, {}}, page); });
    for (const auto& item : part.items) seen.push_back(item.execution_id);
    page.after = part.next;
  } while (!page.after.empty());
  EXPECT_EQ(seen, (Ids{"e4", "e3", "e2", "e1"}));
  EXPECT_EQ(read([](Sql& sql) { return history::list(sql, {"mw-1", at_s(1), at_s(4)}, {}); })->items.size(), 2u);
  EXPECT_EQ(*write([](Sql& sql) { return history::forget(sql, at_s(13), 1); }), 1);
  EXPECT_EQ(*write([](Sql& sql) { return history::forget(sql, at_s(1'000), 10); }), 2);
  EXPECT_EQ(read([](Sql& sql) { return history::list(sql, {}, {}); })->items.size(), 1u) << "what runs stays";
}

TEST_P(WindowsTest, TimesOfRunsThatEndedWell) {
  const auto run = [&](const std::string& id, const char* document, const char* operation, const char* status,
                       std::int64_t took) {
    commands::Command command;
    command.command_id = id;
    command.document_name = document;
    command.parameters = "{\"Operation\":[\"" + std::string(operation) + "\"]}";
    command.requested_at = at_s(took);
    commands::Invocation invocation;
    invocation.command_id = id;
    invocation.node_id = "mi-1";
    invocation.requested_at = at_s(took);
    ASSERT_OK(write([&](Sql& sql) { return commands::create(sql, command, std::vector{invocation}); }));
    invocation.status = status;
    invocation.started_at = at_s(100);
    invocation.finished_at = at_s(100 + took);
    ASSERT_OK(write([&](Sql& sql) { return commands::update_invocation(sql, invocation); }));
  };
  run("c1", "AWS-RunPatchBaseline", "Scan", "Success", 5);
  run("c2", "AWS-RunPatchBaseline", "Install", "Success", 60);
  run("c3", "AWS-RunPatchBaseline", "Install", "Failed", 900);
  run("c4", "AWS-RunPatchBaseline", "Install", "Success", 70);
  run("c5", "AWS-RunShellScript", "", "Success", 1);
  const Ids nodes{"mi-1", "mi-2"};
  const auto times = *read([&](Sql& sql) { return run_times::of(sql, "AWS-RunPatchBaseline", "Install", nodes); });
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0], (std::vector<Duration>{Duration(70'000), Duration(60'000)}));
  EXPECT_TRUE(times[1].empty());
  EXPECT_EQ(read([&](Sql& sql) { return run_times::of(sql, "AWS-RunShellScript", "", nodes); })->at(0).size(), 1u);
}

}  // namespace
}  // namespace belay::store
