#include "server/engine/engine.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "server/engine/fixture_test.hpp"
#include "store/audit.hpp"
#include "store/orders.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {
using store::verdicts::Compliance;
using Parameters = std::map<std::string, std::vector<std::string>>;

const Parameters kScan{{"Operation", {"Scan"}}};
const Parameters kInstall{{"Operation", {"Install"}}};

TEST_F(EngineTest, ScanTellsTheTruth) {
  auto& node = with_openssl(add_node("web-1"));
  const auto before = judged(node.id);
  EXPECT_EQ(before.compliance, Compliance::unknown);
  EXPECT_EQ(before.reasons.front().reason, fleet::Reason::never_scanned);
  const auto sent = send(kScan);
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Success");
  EXPECT_NE(invocation(sent.command_id, node).standard_output.find("MISSING openssl.amd64:2"), std::string::npos)
      << invocation(sent.command_id, node).standard_output;
  EXPECT_EQ(judged(node.id).compliance, Compliance::non_compliant);
  EXPECT_EQ(judged(node.id).evaluation.counts.missing, 1U);
  const auto verdict = disk_->read([&](store::Sql& sql) { return store::verdicts::newest(sql, node.id); }).value();
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(verdict->command_id, sent.command_id);
}

TEST_F(EngineTest, InstallGoesThroughItsPhases) {
  auto& node = with_openssl(add_node("web-1"));
  node.pulls_in = {{"libnew", "amd64", "", "2", "", 0}};
  say_twice_ = true;
  const auto sent = send(kInstall);
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Success")
      << invocation(sent.command_id, node).standard_error << invocation(sent.command_id, node).detail;
  ASSERT_EQ(node.done.size(), 4U);
  EXPECT_EQ(node.done[0].kind, wire::OrderKind::scan);
  EXPECT_EQ(node.done[1].kind, wire::OrderKind::plan);
  ASSERT_EQ(node.done[2].kind, wire::OrderKind::patch);
  ASSERT_EQ(node.done[2].patch->changes.size(), 2U);
  EXPECT_EQ(node.done[2].patch->changes[0].from_version, "1");
  EXPECT_EQ(node.done[2].patch->changes[0].to_version, "2");
  EXPECT_FALSE(node.done[3].scan->refresh);
  EXPECT_EQ(judged(node.id).compliance, Compliance::compliant);
  const auto verdict = disk_->read([&](store::Sql& sql) { return store::verdicts::newest(sql, node.id); }).value();
  EXPECT_EQ(verdict->operation, "Install");
}

TEST_F(EngineTest, AFailedPatchIsFailedAndNamed) {
  auto& node = with_openssl(add_node("web-1"));
  node.patch_outcome = patchrun::Outcome::rolled_back;
  const auto sent = send(kInstall);
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  EXPECT_NE(invocation(sent.command_id, node).standard_error.find("script_failed"), std::string::npos);
  EXPECT_EQ(judged(node.id).evaluation.counts.failed, 1U);
}

TEST_F(EngineTest, APlanThatWouldRemoveIsRefusedBeforeAnythingHappens) {
  auto& node = with_openssl(add_node("web-1"));
  node.pulls_in = {{"bash", "amd64", "5", "", "", 0}};
  const auto sent = send(kInstall);
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  EXPECT_NE(invocation(sent.command_id, node).standard_error.find("would_remove_packages"), std::string::npos);
  EXPECT_EQ(node.done.size(), 2U);
  EXPECT_EQ(judged(node.id).evaluation.counts.failed, 1U);
}

TEST_F(EngineTest, AScanThatCannotBeTrustedIsUnknownAndFailed) {
  auto& node = with_openssl(add_node("web-1"));
  node.scan_problems = {{fleet::Reason::release_expired, "bookworm", "Valid-Until has passed", "", true}};
  const auto sent = send(kScan);
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  EXPECT_NE(invocation(sent.command_id, node).standard_error.find("release_expired"), std::string::npos);
  EXPECT_EQ(judged(node.id).compliance, Compliance::unknown);
}

TEST_F(EngineTest, StaleAndDarkAreUnknown) {
  auto& node = with_openssl(add_node("web-1"));
  node.installed[1].version = "2";
  node.offers = {offer("bash", "5", false), offer("openssl", "2")};
  scan(node);
  const Instant then = clock_.now();
  EXPECT_EQ(judged(node.id).compliance, Compliance::compliant);
  clock_.advance(Duration(25LL * 3600 * 1000));
  EXPECT_EQ(judged(node.id).reasons.front().reason, fleet::Reason::agent_dark);
  clock_.advance(Duration(7LL * 24 * 3600 * 1000));
  EXPECT_EQ(judged(node.id).reasons.front().reason, fleet::Reason::scan_stale);
  EXPECT_EQ(judge_->counts(std::vector<std::string>{node.id})->front().compliance, Compliance::unknown);
  JudgeQuestion as_of;
  as_of.node_id = node.id;
  as_of.as_of = then;
  EXPECT_EQ(judge_->judge(as_of)->compliance, Compliance::compliant) << "as it was then";
}

TEST_F(EngineTest, CountsAgreeWithTheList) {
  for (int i = 0; i < 5; ++i) scan(with_openssl(add_node("web-" + std::to_string(i))));
  std::vector<std::string> ids;
  for (const auto& [id, node] : fleet_) ids.push_back(id);
  const auto counts = judge_->counts(ids);
  ASSERT_TRUE(counts.ok());
  ASSERT_EQ(counts->size(), 5U);
  for (const auto& each : *counts) EXPECT_EQ(each.counts, judged(each.node_id).evaluation.counts);
}

TEST_F(EngineTest, AnOfflineNodeTimesOutAndDoesNotCount) {
  auto& silent = with_openssl(add_node("web-1"));
  with_openssl(add_node("web-2"));
  silent.answers = false;
  const auto sent = send(kScan);
  settle();
  EXPECT_EQ(command(sent.command_id).status, "InProgress");
  clock_.advance(Duration(3'600'000));
  settle();
  EXPECT_EQ(command(sent.command_id).status_details, "Incomplete");
  EXPECT_EQ(command(sent.command_id).delivery_timed_out_count, 1U);
  EXPECT_EQ(invocation(sent.command_id, silent).status_details, "DeliveryTimedOut");
  EXPECT_EQ(invocation(sent.command_id, silent).response_code, -1) << "no script ended with 1";
  EXPECT_FALSE(invocation(sent.command_id, silent).started_at.has_value());
  const auto left =
      disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, silent.id, clock_.now()); }).value();
  EXPECT_TRUE(left.empty()) << "an order that nobody waits for must not reach the node later";
}

TEST_F(EngineTest, ScriptsAndCancelling) {
  auto& node = with_openssl(add_node("web-1"));
  const auto ran = send({{"commands", {"echo hello"}}}, "AWS-RunShellScript");
  settle();
  EXPECT_EQ(invocation(ran.command_id, node).standard_output, "hello\n");
  EXPECT_EQ(invocation(ran.command_id, node).response_code, 0);
  node.answers = false;
  const auto stopped = send({{"commands", {"true"}}}, "AWS-RunShellScript");
  settle();
  ASSERT_TRUE(commands_->cancel(stopped.command_id, {}, "test").ok());
  settle();
  EXPECT_EQ(command(stopped.command_id).status, "Cancelled");
}

TEST_F(EngineTest, ADeregisteredNodeIsUndeliverable) {
  auto& node = with_openssl(add_node("web-1"));
  const auto sent = send(kScan);
  ASSERT_TRUE(nodes_->deregister(node.id, "test").ok());
  settle();
  EXPECT_EQ(invocation(sent.command_id, node).status_details, "Undeliverable");
  EXPECT_EQ(invocation(sent.command_id, node).response_code, -1);
  EXPECT_FALSE(invocation(sent.command_id, node).started_at.has_value());
}

// Orders that the node has taken end with it, those under a cancel too, and whoever waits is told.
TEST_F(EngineTest, AnOrderAtWorkEndsWithItsNode) {
  auto& node = with_openssl(add_node("web-1"));
  node.answers = false;
  const auto running = send({{"commands", {"sleep 1000"}}}, "AWS-RunShellScript");
  const auto stopping = send({{"commands", {"sleep 2000"}}}, "AWS-RunShellScript");
  settle();
  const auto open = [&] {
    return disk_->read([&](store::Sql& sql) { return store::orders::open(sql, node.id); }).value();
  };
  ASSERT_EQ(open().size(), 2U);
  for (const auto& order : open())
    ASSERT_TRUE(disk_
                    ->write([&](store::Sql& sql) {
                      return store::orders::acknowledged(sql, node.id, order.order_id, clock_.now());
                    })
                    .ok());
  ASSERT_TRUE(commands_->cancel(stopping.command_id, {}, "test").ok());
  settle();
  ASSERT_TRUE(nodes_->deregister(node.id, "test").ok());
  settle();
  EXPECT_TRUE(open().empty());
  for (const auto& sent : {running, stopping}) {
    EXPECT_TRUE(invocation(sent.command_id, node).finished_at.has_value());
    EXPECT_NE(invocation(sent.command_id, node).standard_error.find("removed from the fleet"), std::string::npos);
    EXPECT_EQ(invocation(sent.command_id, node).status_details, "Undeliverable");
    EXPECT_EQ(command(sent.command_id).error_count, 0U) << "it does not count against MaxErrors";
  }
  EXPECT_EQ(command(running.command_id).status_details, "Incomplete");
}

struct BadRequest {
  const char* what;
  std::string document;
  Parameters parameters;
  std::string reason;
};

TEST_F(EngineTest, WrongCommandsAreRefusedAndNothingIsKept) {
  const BadRequest rows[] = {
      {"no such document", "AWS-Nothing", {}, "InvalidDocument"},
      {"no operation", "AWS-RunPatchBaseline", {}, "InvalidParameters"},
      {"another operation", "AWS-RunPatchBaseline", {{"Operation", {"Destroy"}}}, "InvalidParameters"},
      {"unknown parameter", "AWS-RunPatchBaseline", {{"Operation", {"Scan"}}, {"x", {"y"}}}, "InvalidParameters"},
      {"snapshot is no GUID",
       "AWS-RunPatchBaseline",
       {{"Operation", {"Scan"}}, {"SnapshotId", {"1"}}},
       "InvalidParameters"},
      {"list with a scan",
       "AWS-RunPatchBaseline",
       {{"Operation", {"Scan"}}, {"InstallOverrideList", {"patches:\n - id: a"}}},
       "InvalidParameters"},
      {"timeout too long",
       "AWS-RunShellScript",
       {{"commands", {"true"}}, {"executionTimeout", {"172801"}}},
       "InvalidParameters"},
      {"no change set", "Belay-ApplyChangeSet", {{"ChangeSetId", {"cs-1"}}}, "InvalidParameters"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    SendCommandRequest request;
    request.document_name = row.document;
    request.parameters = row.parameters;
    request.targets = {{"InstanceIds", {"*"}}};
    const auto sent = commands_->send(request);
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().reason(), row.reason) << sent.error().chain();
  }
  EXPECT_TRUE(disk_->read([](store::Sql& sql) { return store::commands::list(sql, {}, {}); })->items.empty());
}

TEST_F(EngineTest, OverrideListInstallsWhatItNames) {
  auto& node = with_openssl(add_node("web-1"));
  node.offers.insert(node.offers.begin() + 1, offer("bash", "6", false));
  const auto sent =
      send({{"Operation", {"Install"}}, {"InstallOverrideList", {"patches:\n  - id: 'bash.amd64'\n    title: '6'\n"}}});
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Success") << invocation(sent.command_id, node).standard_error;
  ASSERT_EQ(node.done.size(), 4U);
  ASSERT_EQ(node.done[2].patch->changes.size(), 1U);
  EXPECT_EQ(node.done[2].patch->changes[0].name, "bash");
}

// ---- change sets

TEST_F(EngineTest, AChangeSetIsPlannedFrozenAndAppliedUnchanged) {
  auto& dev = with_openssl(add_node("dev", "12", {{"ring", "dev"}}));
  auto& prod = with_openssl(add_node("prod", "12", {{"ring", "prod"}}));
  dev.pulls_in = prod.pulls_in = {{"libnew", "amd64", "", "2", "", 0}};
  scan(dev);
  scan(prod);
  CreateChangeSetRequest request;
  request.name = "november";
  request.targets = {{"tag:ring", {"dev", "prod"}}};
  request.requested_by = "test";
  const auto created = change_sets_->create(request);
  ASSERT_TRUE(created.ok()) << created.error().chain();
  EXPECT_EQ(created->status, ChangeSetStatus::Planning);
  const auto line = [&] { return change_sets_->list({})->items.at(0); };
  EXPECT_EQ(line().status, "Planning");
  EXPECT_EQ(line().nodes, 2);
  settle();
  EXPECT_EQ(line().status, "Ready");
  EXPECT_EQ(line().packages, 2);
  EXPECT_EQ(line().sha256.size(), 64U);
  const auto ready = change_sets_->get(created->change_set_id);
  ASSERT_TRUE(ready.ok());
  ASSERT_EQ(ready->status, ChangeSetStatus::Ready) << ready->status_details;
  ASSERT_EQ(ready->parts.size(), 1U) << "two nodes with the same packages are one part";
  EXPECT_EQ(ready->parts[0].changes.size(), 2U);
  EXPECT_EQ(ready->sha256.size(), 64U);
  EXPECT_EQ(dev.done.size() + prod.done.size(), 1U) << "one node was asked";

  // A newer version comes out before prod's turn: the change set does not move.
  prod.offers.push_back(offer("openssl", "3"));
  dev.offers.push_back(offer("openssl", "3"));
  const auto sent = send({{"ChangeSetId", {created->change_set_id}}}, "Belay-ApplyChangeSet");
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Success") << invocation(sent.command_id, prod).standard_error;
  for (const auto* node : {&dev, &prod})
    EXPECT_EQ(std::ranges::find(node->installed, "openssl", &fleet::InstalledPackage::name)->version, "2");
}

TEST_F(EngineTest, AChangeSetRefusesWhatItDoesNotHold) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  CreateChangeSetRequest request;
  request.instance_ids = {"web-1"};
  const auto created = change_sets_->create(request);
  ASSERT_TRUE(created.ok()) << created.error().chain();
  settle();
  node.pulls_in = {{"libother", "amd64", "", "9", "", 0}};  // its repositories changed meanwhile
  const auto sent = send({{"ChangeSetId", {created->change_set_id}}}, "Belay-ApplyChangeSet");
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  EXPECT_EQ(node.installed[1].version, "1");
}

TEST_F(EngineTest, AChangeSetOfUnknownNodesIsRefused) {
  add_node("web-1");
  CreateChangeSetRequest request;
  request.instance_ids = {"web-1"};
  const auto created = change_sets_->create(request);
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().reason(), "node-unknown");
}

TEST_F(EngineTest, AChangeSetThatNoNodeCanPlanFails) {
  auto& node = with_openssl(add_node("web-1"));
  scan(node);
  node.plan_problems = {{fleet::Reason::dependency_broken, "openssl", "needs libmissing", "", false}};
  CreateChangeSetRequest request;
  request.instance_ids = {"web-1"};
  const auto created = change_sets_->create(request);
  ASSERT_TRUE(created.ok());
  settle();
  const auto failed = change_sets_->get(created->change_set_id);
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(failed->status, ChangeSetStatus::Failed);
  EXPECT_EQ(change_sets_->list({})->items.at(0).status, "Failed");
  EXPECT_NE(failed->status_details.find("needs libmissing"), std::string::npos);
}

// ---- killed at every write, before and after it is durable

// What a turn leaves in memory for the next one must not outlive the transaction that was to make it true.
TEST_F(EngineTest, EveryTurnIsUndoneOnceAndTakenAgain) {
  auto& node = with_openssl(add_node("web-1"));
  const auto sent = send(kInstall);
  int undone = 0;
  for (int turn = 0; turn < 40 && command(sent.command_id).completed_count == 0; ++turn) {
    store_->undo_at(2);  // the claim of the row is the first
    ASSERT_TRUE(engine_->run_once().ok());
    const auto after = engine_->run_once();
    store_->disarm();
    ASSERT_TRUE(after.ok());
    EXPECT_EQ(*after, 0U) << "it waits before it is tried again";
    ++undone;
    clock_.advance(kRetryAfter);
    ASSERT_TRUE(engine_->run_once().ok());
    nodes_work();
  }
  EXPECT_GE(undone, 4);
  EXPECT_EQ(command(sent.command_id).status, "Success") << invocation(sent.command_id, node).standard_error;
  EXPECT_EQ(node.done.size(), 4U) << "scan, plan, patch, scan: each once";
}

TEST_F(EngineTest, KilledAtEveryWriteItGoesOn) {
  auto& node = with_openssl(add_node("web-1"));
  say_twice_ = true;
  const fleet::PackageSet original{fleet::PackageFormat::deb, node.installed};
  int kills = 0;
  for (int write = 1; write < 60; ++write) {
    for (const bool after : {false, true}) {
      SCOPED_TRACE("write " + std::to_string(write) + (after ? " after" : " before"));
      node.installed = original.packages;
      node.done.clear();
      const auto sent = send(kInstall);
      store_->kill_at(write, after);
      for (bool done = false; !done;) {
        try {
          recover();
          settle();
          done = true;
        } catch (const fakes::Killed&) {
          ++kills;
          boot();
          clock_.advance(Duration(60'000));  // the lease of the dead one runs out
        }
      }
      const bool armed = store_->armed();
      store_->disarm();
      ASSERT_EQ(command(sent.command_id).status, "Success") << invocation(sent.command_id, node).standard_error;
      ASSERT_EQ(node.installed[1].version, "2");
      if (armed) {
        EXPECT_GT(kills, 20);
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
