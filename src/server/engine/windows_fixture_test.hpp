#pragma once
// The engine of fixture_test.hpp with maintenance windows in it, and words to make them with.
#include <functional>

#include "base/json.hpp"
#include "server/engine/fixture_test.hpp"
#include "server/engine/window_kind.hpp"
#include "store/window_history.hpp"

namespace belay::server {
using namespace std::chrono_literals;
namespace history = store::window_history;
namespace windows = store::windows;
using Ids = std::vector<std::string>;

inline constexpr Duration kHour = 1h;

// Starts "automations" that end when the test says so.
struct FakeAutomation : TaskStarter {
  Result<std::string> start(store::Sql&, const Request& request, Instant) override {
    requests.push_back(request);
    return "automation-" + std::to_string(requests.size());
  }
  Status cancel(store::Sql&, std::string_view child_id, Instant) override {
    cancelled.emplace_back(child_id);
    return {};
  }
  std::vector<Request> requests;
  Ids cancelled;
};

class WindowsTest : public EngineTest {
 protected:
  WindowsTest() { boot_windows(); }

  void boot_windows() {
    boot();
    zones_ = std::make_unique<Zones>(clock_, [](std::string_view name) -> Result<std::string> {
      return Error(Code::not_found, "there is no zone " + std::string(name));
    });
    windows_ = std::make_unique<Windows>(*store_, clock_, *zones_);
    WindowParts parts{*windows_, Duration(300'000), with_automation_ ? &automation_ : nullptr};
    engine_->add(make_window_kind(parts));
    engine_->add(make_window_execution_kind(parts));
  }

  // Every Sunday at 02:00 UTC for four hours, one of them after the cut-off. The clock stands on a Monday noon.
  windows::Window weekly_window() {
    windows::Window window;
    window.window_id = "mw-" + std::to_string(++made_);
    window.name = "patching";
    window.schedule = "cron(0 2 ? * SUN *)";
    window.duration_hours = 4;
    window.cutoff_hours = 1;
    window.created_at = window.modified_at = window.scheduled_at = clock_.now();
    window.created_by = "test";
    return window;
  }
  windows::Window make_window(const std::string& schedule = "cron(0 2 ? * SUN *)", std::uint32_t hours = 4,
                              std::uint32_t cutoff = 1) {
    auto window = weekly_window();
    window.schedule = schedule;
    window.duration_hours = hours;
    window.cutoff_hours = cutoff;
    EXPECT_TRUE(windows_->check(window).ok());
    EXPECT_TRUE(disk_->write([&](store::Sql& sql) { return windows_->create(sql, window); }).ok());
    return window;
  }
  windows::Target target_of(const std::string& window_id, const std::string& key, Ids values) {
    windows::Target target;
    target.window_target_id = new_id();
    target.window_id = window_id;
    target.owner_information = "team web";
    target.targets = json::encode_text(std::vector<Target>{{key, std::move(values)}});
    target.created_at = clock_.now() + Duration(++made_);
    return target;
  }
  std::string add_target(const std::string& window_id, const std::string& key, Ids values) {
    const auto target = target_of(window_id, key, std::move(values));
    EXPECT_TRUE(disk_->write([&](store::Sql& sql) { return windows::add_target(sql, target); }).ok());
    return target.window_target_id;
  }
  windows::Task task_of(const std::string& window_id, Ids window_targets, std::uint32_t priority = 1,
                        const std::function<void(WindowTask&)>& change = {}, const std::string& type = "RUN_COMMAND") {
    WindowTask content;
    if (!window_targets.empty()) content.targets = {{"WindowTargetIds", std::move(window_targets)}};
    content.max_concurrency = "10";
    content.max_errors = "0";
    content.parameters = {{"commands", {"echo {{WINDOW_EXECUTION_ID}} {{ WINDOW_TARGET_ID }}"}}};
    if (change) change(content);
    windows::Task task;
    task.window_task_id = new_id();
    task.window_id = window_id;
    task.type = type;
    task.task_arn = type == "RUN_COMMAND" ? "AWS-RunShellScript" : "Rotate";
    task.priority = priority;
    task.content = json::encode_text(content);
    task.created_at = clock_.now() + Duration(++made_);
    return task;
  }
  windows::Task add_task(const std::string& window_id, Ids window_targets, std::uint32_t priority = 1,
                         const std::function<void(WindowTask&)>& change = {}, const std::string& type = "RUN_COMMAND") {
    const auto task = task_of(window_id, std::move(window_targets), priority, change, type);
    EXPECT_TRUE(disk_->write([&](store::Sql& sql) { return windows::add_task(sql, task); }).ok());
    return task;
  }
  FakeNode& web(const std::string& name) { return add_node(name, "12", {{"role", "web"}}); }

  void heard_of(const FakeNode& node) {
    const store::nodes::Touch touch[] = {{node.id, clock_.now()}};
    EXPECT_TRUE(disk_->write([&](store::Sql& sql) { return store::nodes::touch_many(sql, touch); }).ok());
  }
  windows::Window window(const std::string& id) {
    return disk_->read([&](store::Sql& sql) { return windows::get(sql, id); }).value();
  }
  // To the opening that is waited for, and through what it brings.
  void open(const std::string& window_id) {
    settle();
    const auto next = window(window_id).next_at;
    ASSERT_TRUE(next.has_value());
    clock_.set_wall(*next);
    settle();
  }
  void pass(Duration time) {
    clock_.advance(time);
    settle();
  }
  // Newest first.
  std::vector<history::Execution> executions(const std::string& window_id) {
    return disk_->read([&](store::Sql& sql) { return history::list(sql, {window_id, {}, {}}, {1'000, ""}); })->items;
  }
  std::vector<history::Task> tasks(const std::string& execution_id) {
    return disk_->read([&](store::Sql& sql) { return history::tasks_of(sql, execution_id); }).value();
  }
  std::vector<history::Invocation> invocations(const std::string& execution_id) {
    return disk_->read([&](store::Sql& sql) { return history::invocations_of(sql, execution_id); }).value();
  }
  std::vector<windows::Missed> missed(const std::string& window_id) {
    return disk_->read([&](store::Sql& sql) { return windows::missed_of(sql, window_id); }).value();
  }
  Ids nodes_of(const history::Invocation& invocation) {
    return disk_->read([&](store::Sql& sql) { return history::nodes_of(sql, invocation.invocation_id); }).value();
  }

  std::unique_ptr<Zones> zones_;
  std::unique_ptr<Windows> windows_;
  FakeAutomation automation_;
  bool with_automation_ = false;
  int made_ = 0;
};

}  // namespace belay::server
