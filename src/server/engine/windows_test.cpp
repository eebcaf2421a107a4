#include "server/engine/windows.hpp"

#include <algorithm>

#include "io/crypto.hpp"
#include "server/engine/window_preview.hpp"
#include "server/engine/windows_fixture_test.hpp"
#include "store/documents.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {

TEST_F(WindowsTest, AWindowOpensRunsItsTasksAndSaysHowTheyEnded) {
  auto& node = web("web-1");
  const auto made = make_window();
  const auto target = add_target(made.window_id, "tag:role", {"web"});
  add_task(made.window_id, {target}, 5);
  add_task(made.window_id, {target}, 1);
  settle();
  EXPECT_EQ(to_iso8601(*window(made.window_id).next_at), "2026-11-29T02:00:00Z");
  EXPECT_TRUE(executions(made.window_id).empty());
  open(made.window_id);
  ASSERT_EQ(executions(made.window_id).size(), 1U);
  const auto execution = executions(made.window_id).front();
  EXPECT_EQ(execution.status, "SUCCESS");
  EXPECT_EQ(to_iso8601(execution.started_at), "2026-11-29T02:00:00Z");
  EXPECT_EQ(execution.cutoff_at, execution.started_at + 3 * kHour);
  EXPECT_TRUE(execution.finished_at.has_value());
  const auto ran = invocations(execution.execution_id);
  ASSERT_EQ(ran.size(), 2U);
  EXPECT_EQ(ran[0].owner_information, "team web");
  EXPECT_EQ(command(ran[0].child_id).status, "Success");
  EXPECT_EQ(command(ran[0].child_id).requested_by, "maintenance window " + made.window_id);
  ASSERT_EQ(node.done.size(), 2U);
  EXPECT_EQ(fakes::script_of(node.done[0]), Ids{"echo " + execution.execution_id + " " + target});
  EXPECT_LE(tasks(execution.execution_id)[0].priority, tasks(execution.execution_id)[1].priority);
  EXPECT_LE(*ran[0].finished_at, *ran[1].started_at);
  EXPECT_EQ(to_iso8601(*window(made.window_id).next_at), "2026-12-06T02:00:00Z");
}

TEST_F(WindowsTest, WhatStillRunsMakesTheNextOneSkipped) {
  auto& node = web("web-1");
  const auto made = make_window("rate(2 hours)", 2, 0);
  add_task(made.window_id, {add_target(made.window_id, "Name", {"web-1"})}, 1,
           [](WindowTask& task) { task.parameters["executionTimeout"] = {"18000"}; });
  settle();
  node.answers = false;
  open(made.window_id);
  const auto first = executions(made.window_id).front().execution_id;
  // The node takes the order, and works on it for longer than the window is open.
  const auto waiting =
      disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, node.id, clock_.now()); }).value();
  ASSERT_EQ(waiting.size(), 1U);
  ASSERT_TRUE(say(node, wire::Ack{{waiting[0].order_id}}).ok());
  settle();
  open(made.window_id);
  ASSERT_EQ(executions(made.window_id).size(), 2U);
  const auto skipped = executions(made.window_id).front();
  EXPECT_EQ(skipped.status, "SKIPPED_OVERLAPPING");
  EXPECT_NE(skipped.status_details.find(first), std::string::npos);
  EXPECT_EQ(executions(made.window_id).back().status, "IN_PROGRESS");
  node.seen.insert(waiting[0].order_id);
  work_on(node, json::decode_text<wire::Order>(waiting[0].payload).value());
  settle();
  EXPECT_EQ(executions(made.window_id).back().status, "SUCCESS");
  node.answers = true;
  open(made.window_id);
  EXPECT_EQ(executions(made.window_id).front().status, "SUCCESS");
}

TEST_F(WindowsTest, EditingAWindowDoesNotTouchWhatRuns) {
  auto& node = web("web-1");
  const auto made = make_window();
  const auto target = add_target(made.window_id, "tag:role", {"web"});
  add_task(made.window_id, {target}, 1);
  const auto second = add_task(made.window_id, {target}, 2);
  node.answers = false;
  open(made.window_id);
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) -> Status {
                    BELAY_TRY(windows::remove_task(sql, made.window_id, second.window_task_id));
                    BELAY_TRY(windows::remove_target(sql, made.window_id, target));
                    auto changed = made;
                    changed.schedule = "cron(0 3 ? * MON *)";
                    changed.modified_at = clock_.now();
                    return windows_->update(sql, changed);
                  })
                  .ok());
  node.answers = true;
  settle();
  EXPECT_EQ(executions(made.window_id).front().status, "SUCCESS");
  EXPECT_EQ(node.done.size(), 2U) << "both tasks, as they were when it opened";
  EXPECT_EQ(to_iso8601(*window(made.window_id).next_at), "2026-11-30T03:00:00Z");
}

TEST_F(WindowsTest, AnOfflineNodeIsMissedAndCaughtUpFirst) {
  auto& here = web("web-1");
  auto& away = web("web-2");
  const auto made = make_window();
  add_task(made.window_id, {add_target(made.window_id, "tag:role", {"web"})});
  away.answers = false;
  open(made.window_id);
  pass(kHour);  // the delivery time is over
  auto execution = executions(made.window_id).front();
  EXPECT_EQ(execution.status, "FAILED") << "one node was not served, and a window that says SUCCESS would lie";
  EXPECT_NE(execution.status_details.find("1 missed, offline: " + away.id), std::string::npos);
  ASSERT_EQ(missed(made.window_id).size(), 1U);
  EXPECT_EQ(missed(made.window_id)[0].node_id, away.id);
  EXPECT_EQ(missed(made.window_id)[0].execution_id, execution.execution_id);

  // Still away: it is missed a second time, and holds nobody up.
  settle();
  clock_.set_wall(*window(made.window_id).next_at);
  heard_of(here);
  settle();
  execution = executions(made.window_id).front();
  EXPECT_EQ(invocations(execution.execution_id).size(), 1U);
  pass(kHour);
  EXPECT_EQ(missed(made.window_id).at(0).times, 2U);

  away.answers = true;
  settle();
  clock_.set_wall(*window(made.window_id).next_at);
  heard_of(here);
  heard_of(away);
  settle();
  execution = executions(made.window_id).front();
  EXPECT_EQ(execution.status, "SUCCESS");
  const auto ran = invocations(execution.execution_id);
  ASSERT_EQ(ran.size(), 2U);
  EXPECT_TRUE(ran[0].catch_up);
  EXPECT_EQ(nodes_of(ran[0]), Ids{away.id});
  EXPECT_EQ(nodes_of(ran[1]), Ids{here.id});
  EXPECT_LE(*ran[0].finished_at, *ran[1].started_at);
  EXPECT_TRUE(missed(made.window_id).empty());
}

TEST_F(WindowsTest, ANodeThatAPolicyPlacedComesFirstThoughNoTargetNamesIt) {
  auto& web_node = web("web-1");
  auto& placed = add_node("lone");
  const auto made = make_window();
  const auto task = add_task(made.window_id, {add_target(made.window_id, "tag:role", {"web"})});
  windows::Missed place{
      made.window_id, task.window_task_id, placed.id, "episode", windows::MissedReason::remedy, {}, {}, 1};
  place.first_at = place.missed_at = clock_.now();
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows::add_missed(sql, std::span(&place, 1)); }).ok());
  settle();
  clock_.set_wall(*window(made.window_id).next_at);
  heard_of(placed);
  settle();
  const auto ran = invocations(executions(made.window_id).front().execution_id);
  ASSERT_EQ(ran.size(), 2U);
  EXPECT_EQ(nodes_of(ran[0]), Ids{placed.id});
  EXPECT_EQ(nodes_of(ran[1]), Ids{web_node.id});
  EXPECT_EQ(placed.done.size(), 1U);
  EXPECT_TRUE(missed(made.window_id).empty());
}

TEST_F(WindowsTest, TheCutoffStopsWhatIsToBeStoppedAndNamesWhoWasMissed) {
  auto& slow = web("web-1");
  const auto made = make_window("cron(0 2 ? * SUN *)", 4, 3);
  const auto target = add_target(made.window_id, "InstanceIds", {slow.id});
  add_task(made.window_id, {target}, 1, [](WindowTask& task) {
    task.cutoff_behavior = window::CutoffBehavior::CANCEL_TASK;
    task.timeout_seconds = 86'400;
  });
  const auto later = add_task(made.window_id, {target}, 2);
  slow.answers = false;
  open(made.window_id);
  const auto running = invocations(executions(made.window_id).front().execution_id);
  EXPECT_EQ(running[0].status, "IN_PROGRESS");
  EXPECT_EQ(command(running[0].child_id).timeout_seconds, 3'600U) << "never beyond the cut-off";
  pass(kHour);
  const auto execution = executions(made.window_id).front();
  EXPECT_EQ(execution.status, "TIMED_OUT") << execution.status_details;
  for (const auto& task : tasks(execution.execution_id)) EXPECT_EQ(task.status, "TIMED_OUT");
  const auto who = missed(made.window_id);
  ASSERT_EQ(who.size(), 2U);
  for (const auto& each : who)
    if (each.window_task_id == later.window_task_id) EXPECT_EQ(each.reason, windows::MissedReason::cut_off);
  EXPECT_TRUE(slow.done.empty());
  slow.answers = true;
  settle();
  EXPECT_TRUE(slow.done.empty()) << "nothing is begun after the cut-off";
  heard_of(slow);
  open(made.window_id);
  heard_of(slow);
  EXPECT_EQ(slow.done.size(), 2U);
  EXPECT_TRUE(missed(made.window_id).empty());
}

TEST_F(WindowsTest, CancellingDropsOnlyWhatHasNotBegun) {
  auto& node = web("web-1");
  const auto made = make_window();
  const auto target = add_target(made.window_id, "tag-key", {"role"});
  add_task(made.window_id, {target}, 1);
  add_task(made.window_id, {target}, 2);
  node.answers = false;
  open(made.window_id);
  const auto id = executions(made.window_id).front().execution_id;
  for (int twice = 0; twice < 2; ++twice)
    ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return Windows::cancel_execution(sql, id, clock_.now()); }).ok());
  settle();
  EXPECT_EQ(executions(made.window_id).front().status, "CANCELLING");
  node.answers = true;
  settle();
  EXPECT_EQ(executions(made.window_id).front().status, "CANCELLED");
  EXPECT_EQ(node.done.size(), 1U);
  EXPECT_TRUE(missed(made.window_id).empty());
  EXPECT_TRUE(disk_->write([&](store::Sql& sql) { return Windows::cancel_execution(sql, id, clock_.now()); }).ok());
  EXPECT_EQ(
      disk_->write([&](store::Sql& sql) { return Windows::cancel_execution(sql, "x", clock_.now()); }).error().code(),
      Code::not_found);
}

TEST_F(WindowsTest, DisabledAndDeletedWindowsDoNotOpen) {
  web("web-1");
  auto made = make_window();
  settle();
  const Instant opens = *window(made.window_id).next_at;
  made.enabled = false;
  made.modified_at = clock_.now();
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows_->update(sql, made); }).ok());
  settle();
  EXPECT_FALSE(window(made.window_id).next_at.has_value());
  clock_.set_wall(opens);
  settle();
  EXPECT_TRUE(executions(made.window_id).empty());
  made.enabled = true;
  made.modified_at = clock_.now();
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows_->update(sql, made); }).ok());
  settle();
  EXPECT_EQ(*window(made.window_id).next_at, opens + 7 * 24h);
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows_->remove(sql, made.window_id); }).ok());
  clock_.set_wall(opens + 8 * 24h);
  settle();
  EXPECT_TRUE(executions(made.window_id).empty());
  EXPECT_TRUE(
      disk_->read([&](store::Sql& sql) { return store::executions::get(sql, kWindowKind, made.window_id); })->finished);
}

TEST_F(WindowsTest, AServerThatWasDownSaysSoAndStartsNothingTooLate) {
  auto& node = web("web-1");
  const auto made = make_window();
  add_task(made.window_id, {add_target(made.window_id, "tag:role", {"web"})});
  settle();
  const Instant opens = *window(made.window_id).next_at;
  clock_.set_wall(opens + 2 * kHour);  // late, before the cut-off
  settle();
  EXPECT_EQ(executions(made.window_id).front().status, "SUCCESS");
  EXPECT_EQ(executions(made.window_id).front().started_at, opens);
  clock_.set_wall(opens + 15 * 24h);  // two openings have passed
  settle();
  const auto all = executions(made.window_id);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].status, "TIMED_OUT");
  EXPECT_EQ(all[0].started_at, opens + 14 * 24h);
  EXPECT_NE(all[0].status_details.find("passed while no server was running"), std::string::npos)
      << all[0].status_details;
  EXPECT_EQ(missed(made.window_id).at(0).reason, windows::MissedReason::cut_off);
  EXPECT_EQ(node.done.size(), 1U);
  EXPECT_EQ(*window(made.window_id).next_at, opens + 21 * 24h);
}

TEST_F(WindowsTest, TargetsByGroupByNameAndWhatIsGone) {
  auto& one = add_node("db-1", "12", {{"Patch Group", "db"}});
  auto& two = add_node("db-2", "12", {{"PatchGroup", "db"}});
  auto& lone = add_node("lone");
  const auto made = make_window();
  const auto by_group = add_target(made.window_id, "PatchGroup", {"db"});
  const auto gone = add_target(made.window_id, "tag-key", {"x"});
  const auto nobody = add_target(made.window_id, "tag:nobody", {"x"});
  add_task(made.window_id, {by_group, gone, nobody}, 1, [](WindowTask& task) { task.max_errors = "5"; });
  add_task(made.window_id, {}, 2, [&](WindowTask& task) { task.targets = {{"InstanceIds", {lone.id}}}; });
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows::remove_target(sql, made.window_id, gone); }).ok());
  open(made.window_id);
  const auto ran = invocations(executions(made.window_id).front().execution_id);
  ASSERT_EQ(ran.size(), 4U);
  auto both = Ids{one.id, two.id};
  std::ranges::sort(both);
  EXPECT_EQ(nodes_of(ran[0]), both);
  EXPECT_EQ(ran[0].status, "SUCCESS");
  EXPECT_EQ(ran[1].status, "FAILED");
  EXPECT_NE(ran[1].status_details.find("not registered any more"), std::string::npos);
  EXPECT_EQ(ran[2].status, "SUCCESS");
  EXPECT_EQ(ran[2].status_details, "no node matched its targets");
  EXPECT_EQ(ran[3].status, "FAILED") << "unassociated targets are not allowed";
  EXPECT_TRUE(lone.done.empty());
}

TEST_F(WindowsTest, AWindowThatReachedNobodySaysSo) {
  const auto made = make_window();
  add_task(made.window_id, {add_target(made.window_id, "tag:role", {"wbe"})});
  open(made.window_id);
  const auto execution = executions(made.window_id).front();
  EXPECT_EQ(execution.status, "SUCCESS");
  EXPECT_EQ(execution.status_details, "it ran on nobody: no node matched the targets of any task");
  EXPECT_EQ(tasks(execution.execution_id).front().status_details, "no node matched its targets");
}

TEST_F(WindowsTest, ANodeThatIsNamedAndGoneIsNamed) {
  auto& stays = add_node("stays");
  auto& leaves = add_node("leaves");
  const auto made = make_window();
  const auto target = add_target(made.window_id, "InstanceIds", {stays.id, leaves.id});
  add_task(made.window_id, {target});
  ASSERT_TRUE(
      disk_->write([&](store::Sql& sql) { return store::nodes::deregister(sql, leaves.id, clock_.now()); }).ok());
  const std::string words = "named but not registered any more: " + leaves.id;
  const auto preview =
      disk_->read([&](store::Sql& sql) { return preview_window(sql, *windows_, made, 5min, 1, clock_.now()); });
  ASSERT_TRUE(preview.ok());
  EXPECT_EQ(preview->tasks.at(0).invocations.at(0).remark, words);
  EXPECT_EQ(preview->tasks.at(0).invocations.at(0).problem, "");
  open(made.window_id);
  const auto execution = executions(made.window_id).front();
  EXPECT_EQ(execution.status, "SUCCESS");
  EXPECT_EQ(execution.status_details, words);
  const auto ran = invocations(execution.execution_id);
  ASSERT_EQ(ran.size(), 1U);
  EXPECT_EQ(ran[0].status_details, words);
  EXPECT_EQ(nodes_of(ran[0]), Ids{stays.id});
}

TEST_F(WindowsTest, AutomationHasASeam) {
  const auto made = make_window();
  const auto no_targets = [](WindowTask& task) { task.max_concurrency = task.max_errors = ""; };
  add_task(made.window_id, {}, 1, no_targets, "AUTOMATION");
  open(made.window_id);
  EXPECT_EQ(executions(made.window_id).front().status, "FAILED");
  EXPECT_NE(invocations(executions(made.window_id).front().execution_id)[0].status_details.find("AUTOMATION"),
            std::string::npos);
  with_automation_ = true;
  boot_windows();
  open(made.window_id);
  ASSERT_EQ(automation_.requests.size(), 1U);
  EXPECT_EQ(executions(made.window_id).front().status, "IN_PROGRESS");
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) {
                    return tell_parent(sql, automation_.requests[0].parent,
                                       {"", "automation", "automation-1", "Success", "Success", 0}, clock_.now());
                  })
                  .ok());
  settle();
  EXPECT_EQ(executions(made.window_id).front().status, "SUCCESS");
}

TEST_F(WindowsTest, AClosedChangeCalendarHoldsAWindowBackAndIsNamed) {
  auto& node = web("web-1");
  auto made = weekly_window();
  made.calendars = {"freeze"};
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows_->create(sql, made); }).ok());
  add_task(made.window_id, {add_target(made.window_id, "tag:role", {"web"})});
  open(made.window_id);
  EXPECT_EQ(executions(made.window_id).front().status, "CANCELLED");
  EXPECT_EQ(executions(made.window_id).front().status_details,
            "held back: the change calendar freeze is not there any more");
  store::documents::Document document;
  document.name = "freeze";
  document.document_type = "ChangeCalendar";
  document.created_at = clock_.now();
  store::documents::Version first;
  first.format = "TEXT";
  first.content =
      "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//AWS//Change Calendar 1.0//EN\r\nX-CALENDAR-TYPE:DEFAULT_OPEN\r\n"
      "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20261201T000000Z\r\nDTEND:20261210T000000Z\r\n"
      "SUMMARY:Year end\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
  first.sha256 = io::sha256_hex(first.content);
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return store::documents::create(sql, document, first); }).ok());
  open(made.window_id);
  EXPECT_EQ(executions(made.window_id).front().status, "CANCELLED");
  EXPECT_EQ(executions(made.window_id).front().status_details,
            "held back: the change calendar freeze is closed for 'Year end' until 2026-12-10T00:00:00Z");
  EXPECT_TRUE(node.done.empty());
  open(made.window_id);
  EXPECT_EQ(executions(made.window_id).front().status, "SUCCESS");
}

struct Contradiction {
  const char* field;
  const char* schedule;
  std::uint32_t hours, cutoff;
  const char* start = "";
  const char* end = "";
  const char* zone = "";
};

TEST_F(WindowsTest, ContradictionsAreRefusedByField) {
  const Contradiction rows[] = {
      {"Schedule", "cron(0 2 30 2 ? *)", 4, 1},
      {"Schedule", "every sunday", 4, 1},
      {"Schedule", "rate(1 minute)", 1, 0},
      {"Cutoff", "cron(0 2 ? * SUN *)", 2, 2},
      {"Duration", "rate(2 hours)", 3, 0},
      {"Schedule", "at(2020-01-01T00:00:00)", 1, 0},
      {"StartDate", "cron(0 2 ? * SUN *)", 4, 1, "yesterday"},
      {"EndDate", "cron(0 2 ? * SUN *)", 4, 1, "2027-01-01T00:00:00Z", "2026-12-01T00:00:00Z"},
      {"ScheduleTimezone", "cron(0 2 ? * SUN *)", 4, 1, "", "", "Mars/Olympus"},
  };
  for (const auto& row : rows) {
    windows::Window window;
    window.schedule = row.schedule;
    window.duration_hours = row.hours;
    window.cutoff_hours = row.cutoff;
    window.start_date = row.start;
    window.end_date = row.end;
    window.timezone = row.zone;
    window.scheduled_at = clock_.now();
    const auto checked = windows_->check(window);
    ASSERT_FALSE(checked.ok()) << row.schedule;
    EXPECT_NE(checked.error().chain().find(row.field), std::string::npos)
        << row.field << ": " << checked.error().chain();
  }
}

}  // namespace
}  // namespace belay::server
