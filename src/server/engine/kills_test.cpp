// Killed before and after each of its writes: what waits, is cut off, is stopped or runs over several nodes goes on
// where it was, and nothing is done twice. windows_endurance_test.cpp and engine_test.cpp have the plain ways.
#include "io/crypto.hpp"
#include "server/engine/automation_kind.hpp"
#include "server/engine/inventory_deletion.hpp"
#include "server/engine/windows_fixture_test.hpp"
#include "store/audit.hpp"
#include "store/documents.hpp"
#include "store/inventory.hpp"
#include "store/orders.hpp"
#include "store/principals.hpp"

namespace belay::server {
namespace {

constexpr int kWritesMax = 120;

class KillsTest : public WindowsTest {
 protected:
  KillsTest() : starter_(make_automation_starter()) { boot_all(); }

  void boot_all() {
    boot();
    const auto no_zone = [](std::string_view name) -> Result<std::string> {
      return Error(Code::not_found, "there is no zone " + std::string(name));
    };
    zones_ = std::make_unique<Zones>(clock_, no_zone);
    windows_ = std::make_unique<Windows>(*store_, clock_, *zones_);
    const WindowParts parts{*windows_, Duration(300'000), starter_.get()};
    engine_->add(make_window_kind(parts));
    engine_->add(make_window_execution_kind(parts));
    engine_->add(make_automation_kind());
    engine_->add(make_automation_fan_out_kind());
    engine_->add(make_inventory_deletion_kind());
  }
  // Until nothing moves any more, however often the server dies over it.
  void go_on() {
    for (;;) try {
        recover();
        settle();
        return;
      } catch (const fakes::Killed&) {
        ++kills_;
        boot_all();
        clock_.advance(Duration(60'000));  // the lease of the dead one runs out
      }
  }
  // `prepare` and `check` are spared; `run` is begun anew for each write of it, until it has fewer.
  void at_every_write(int kills_min, const std::function<void()>& prepare, const std::function<void()>& run,
                      const std::function<void()>& check) {
    say_twice_ = true;
    for (int write = 1; write < kWritesMax; ++write)
      for (const bool after : {false, true}) {
        SCOPED_TRACE("write " + std::to_string(write) + (after ? " after" : " before"));
        prepare();
        store_->kill_at(write, after);
        run();
        const bool armed = store_->armed();
        store_->disarm();
        check();
        if (HasFailure()) return;
        if (!armed) continue;
        EXPECT_GE(kills_, kills_min);
        const auto verified = disk_->read([](store::Sql& sql) { return store::audit::verify(sql); });
        ASSERT_TRUE(verified.ok());
        EXPECT_FALSE(verified->broken_at.has_value());
        return;
      }
    FAIL() << "the scenario has more writes than were tried";
  }
  void to_opening() {
    go_on();
    const auto next = window(window_).next_at;
    ASSERT_TRUE(next.has_value());
    clock_.set_wall(std::max(*next, clock_.now()));
    for (auto& [id, node] : fleet_)
      if (node.answers) heard_of(node);
    go_on();
  }
  void later(Duration time) {
    clock_.advance(time);
    go_on();
  }
  // The window of the last turn goes, so that it does not open beside this one's.
  void renew(std::uint32_t hours, std::uint32_t cutoff, const std::string& schedule = "cron(0 2 ? * SUN *)") {
    if (!window_.empty())
      ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return windows_->remove(sql, window_); }).ok());
    settle();
    window_ = make_window(schedule, hours, cutoff).window_id;
    for (auto& [id, node] : fleet_) node.done.clear();
  }

  std::unique_ptr<TaskStarter> starter_;
  std::string window_;
  int kills_ = 0;
};

TEST_F(KillsTest, ANodeThatIsMissedAndCaughtUp) {
  auto& here = web("web-1");
  auto& away = web("web-2");
  const auto prepare = [&] {
    renew(4, 1);
    add_task(window_, {add_target(window_, "tag:role", {"web"})});
    away.answers = false;
  };
  const auto run = [&] {
    to_opening();
    later(kHour);  // the delivery time is over
    EXPECT_EQ(missed(window_).size(), 1U);
    away.answers = true;
    to_opening();
  };
  at_every_write(20, prepare, run, [&] {
    const auto all = executions(window_);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[1].status, "FAILED") << all[1].status_details;
    EXPECT_EQ(all[0].status, "SUCCESS") << all[0].status_details;
    const auto ran = invocations(all[0].execution_id);
    ASSERT_EQ(ran.size(), 2U);
    EXPECT_TRUE(ran[0].catch_up);
    EXPECT_EQ(nodes_of(ran[0]), Ids{away.id});
    EXPECT_TRUE(missed(window_).empty());
    EXPECT_EQ(here.done.size(), 2U) << "once in each";
    EXPECT_EQ(away.done.size(), 1U) << "once: what it was sent the first time had run out";
  });
}

TEST_F(KillsTest, ACutoffThatStopsWhatRuns) {
  auto& slow = web("web-1");
  const auto prepare = [&] {
    renew(4, 3);
    const auto target = add_target(window_, "InstanceIds", {slow.id});
    add_task(window_, {target}, 1, [](WindowTask& task) {
      task.cutoff_behavior = window::CutoffBehavior::CANCEL_TASK;
      task.timeout_seconds = 86'400;
    });
    add_task(window_, {target}, 2);
    slow.answers = false;
  };
  const auto run = [&] {
    to_opening();
    later(kHour);
    slow.answers = true;
    go_on();
  };
  at_every_write(15, prepare, run, [&] {
    ASSERT_EQ(executions(window_).size(), 1U);
    const auto execution = executions(window_).front();
    EXPECT_EQ(execution.status, "TIMED_OUT") << execution.status_details;
    for (const auto& task : tasks(execution.execution_id)) EXPECT_EQ(task.status, "TIMED_OUT");
    EXPECT_EQ(missed(window_).size(), 2U) << "one for each task";
    EXPECT_TRUE(slow.done.empty()) << "nothing is begun after the cut-off";
  });
}

TEST_F(KillsTest, AnExecutionThatIsCancelled) {
  auto& node = web("web-1");
  const auto prepare = [&] {
    renew(4, 1);
    const auto target = add_target(window_, "tag-key", {"role"});
    add_task(window_, {target}, 1);
    add_task(window_, {target}, 2);
    node.answers = false;
  };
  const auto run = [&] {
    to_opening();
    const auto id = executions(window_).front().execution_id;
    ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return Windows::cancel_execution(sql, id, clock_.now()); }).ok());
    go_on();
    node.answers = true;
    go_on();
  };
  at_every_write(10, prepare, run, [&] {
    ASSERT_EQ(executions(window_).size(), 1U);
    EXPECT_EQ(executions(window_).front().status, "CANCELLED");
    EXPECT_LE(node.done.size(), 1U) << "the second task never began";
    EXPECT_TRUE(missed(window_).empty());
  });
}

TEST_F(KillsTest, AnOpeningThatIsSkippedForWhatStillRuns) {
  auto& node = web("web-1");
  const auto prepare = [&] {
    renew(24, 0, "rate(1 day)");
    add_task(window_, {add_target(window_, "Name", {"web-1"})}, 1,
             [](WindowTask& task) { task.parameters["executionTimeout"] = {"172800"}; });
    node.answers = false;
  };
  std::vector<store::orders::Order> taken;
  const auto run = [&] {
    to_opening();
    taken = disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, node.id, clock_.now()); }).value();
    ASSERT_EQ(taken.size(), 1U);
    // It takes the order, and works on it for longer than the window is open.
    for (bool told = false; !told;) try {
        ASSERT_TRUE(say(node, wire::Ack{{taken[0].order_id}}).ok());
        told = true;
      } catch (const fakes::Killed&) {
        ++kills_;
        boot_all();
        clock_.advance(Duration(60'000));
      }
    to_opening();
  };
  at_every_write(8, prepare, run, [&] {
    const auto all = executions(window_);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].status, "SKIPPED_OVERLAPPING");
    EXPECT_NE(all[0].status_details.find(all[1].execution_id), std::string::npos);
    EXPECT_EQ(all[1].status, "IN_PROGRESS");
    node.seen.insert(taken[0].order_id);
    work_on(node, json::decode_text<wire::Order>(taken[0].payload).value());
    settle();
    EXPECT_EQ(executions(window_).back().status, "SUCCESS");
  });
}

TEST_F(KillsTest, AnAutomationOverTheNodesOfAWindow) {
  auto& one = web("web-1");
  auto& two = web("web-2");
  store::documents::Document document;
  document.name = "Rotate";
  document.document_type = "Automation";
  store::documents::Version version;
  version.format = "YAML";
  version.content =
      "schemaVersion: '0.3'\nparameters: {InstanceId: {type: String}}\nmainSteps:\n- name: run\n  action: "
      "aws:runCommand\n  inputs: {DocumentName: AWS-RunShellScript, InstanceIds: ['{{ InstanceId }}'], Parameters: "
      "{commands: ['date']}}\n";
  version.sha256 = io::sha256_hex(version.content);
  ASSERT_TRUE(disk_
                  ->write([&](store::Sql& sql) -> Status {
                    document.created_at = version.created_at = clock_.now();
                    BELAY_TRY(store::documents::create(sql, document, version));
                    return store::principals::create(sql, {"alice", {"*"}, true, clock_.now()});
                  })
                  .ok());
  const auto prepare = [&] {
    renew(4, 1);
    add_task(
        window_, {add_target(window_, "tag:role", {"web"})}, 1,
        [](WindowTask& task) {
          task.parameters = {{"InstanceId", {"{{RESOURCE_ID}}"}}};
          task.written_by = "alice";
        },
        "AUTOMATION");
  };
  at_every_write(
      20, prepare, [&] { to_opening(); },
      [&] {
        ASSERT_EQ(executions(window_).size(), 1U);
        EXPECT_EQ(executions(window_).front().status, "SUCCESS") << executions(window_).front().status_details;
        EXPECT_EQ(one.done.size(), 1U);
        EXPECT_EQ(two.done.size(), 1U);
      });
}

TEST_F(KillsTest, ACommandOverSeveralNodesWithAnErrorBudget) {
  std::vector<FakeNode*> nodes;
  for (int i = 0; i < 5; ++i) nodes.push_back(&web("web-" + std::to_string(i)));
  std::ranges::sort(nodes, {}, &FakeNode::id);
  nodes[1]->failing_steps.insert("runShellScript");  // of the first two that run together
  SendCommandRequest request;
  request.document_name = "AWS-RunShellScript";
  request.parameters = {{"commands", {"true"}}};
  request.targets = {{"tag:role", {"web"}}};
  request.max_concurrency = "2";
  request.max_errors = "0";
  request.requested_by = "test";
  std::string id;
  const auto prepare = [&] {
    for (auto* node : nodes) node->done.clear();
    const auto sent = disk_->write([&](store::Sql& sql) { return Commands::send(sql, request, clock_.now()); });
    ASSERT_TRUE(sent.ok()) << sent.error().chain();
    id = sent->command_id;
  };
  at_every_write(
      8, prepare, [&] { go_on(); },
      [&] {
        const auto stands = command(id);
        EXPECT_EQ(stands.status, "Failed") << stands.status_details;
        EXPECT_EQ(stands.target_count, 5);
        EXPECT_EQ(stands.error_count, 1);
        std::size_t ran = 0;
        for (auto* node : nodes) {
          const auto status = invocation(id, *node).status_details;
          const bool began = status == "Success" || status == "Failed";
          EXPECT_EQ(node->done.size(), began ? 1U : 0U) << status;
          EXPECT_EQ(status == "Failed", node == nodes[1]) << status;
          if (!began) EXPECT_EQ(status, "Terminated");
          ran += began ? 1 : 0;
        }
        EXPECT_GE(ran, 2U);
        EXPECT_LE(ran, 4U) << "the budget of no errors stopped it";
      });
}

TEST_F(KillsTest, ADeletionOfAnInventoryType) {
  constexpr int kItems = 600;  // two turns
  std::vector<std::string> ids;
  for (int i = 0; i < kItems; ++i) ids.push_back(add_node("n-" + std::to_string(i)).id);
  store::inventory::Deletion deletion;
  const auto put = [&](store::Sql& sql, const std::string& node_id) {
    store::inventory::Item item;
    item.node_id = node_id;
    item.type_name = "Custom:Rack";
    item.schema_version = "1.0";
    item.captured_at = item.received_at = clock_.now();
    item.entry_count = 1;
    item.entries = R"([{"Bay":"1"}])";
    return store::inventory::put(sql, item);
  };
  const auto prepare = [&] {
    clock_.advance(Duration(60'000));
    deletion = {};
    deletion.deletion_id = new_id();
    deletion.type_name = "Custom:Rack";
    ASSERT_TRUE(disk_
                    ->write([&](store::Sql& sql) -> Status {
                      for (const auto& node_id : ids) BELAY_TRY(put(sql, node_id));
                      deletion.started_at = deletion.updated_at = clock_.now();
                      deletion.total_count = deletion.remaining_count = kItems;
                      deletion.versions = {{"1.0", kItems}};
                      BELAY_TRY(start_inventory_deletion(sql, deletion));
                      clock_.advance(Duration(1'000));
                      return put(sql, ids[0]);  // reported after the request: it stays
                    })
                    .ok());
  };
  at_every_write(
      6, prepare, [&] { go_on(); },
      [&] {
        const auto kept =
            disk_->read([&](store::Sql& sql) { return store::inventory::get_deletion(sql, deletion.deletion_id); });
        ASSERT_TRUE(kept.ok());
        EXPECT_EQ(kept->status, "Complete");
        EXPECT_EQ(kept->remaining_count, 0);
        const auto left =
            disk_->read([](store::Sql& sql) { return store::inventory::count_items(sql, "Custom:Rack"); });
        EXPECT_EQ(left.value(), (std::map<std::string, std::int64_t>{{"1.0", 1}}));
      });
}

}  // namespace
}  // namespace belay::server
