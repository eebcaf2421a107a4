#include "server/engine/associations.hpp"

#include "server/engine/associations_fixture_test.hpp"
#include "store/audit.hpp"
#include "store/documents.hpp"

namespace belay::server {
namespace {
TEST_F(AssociationsTest, RunsAtOnceAndTellsHowTheNodesStand) {
  auto& node = web("web-1");
  add_node("db-1", "12", {{"role", "db"}});
  const auto id = make(settings());
  settle();
  const auto ran = executions(id);
  ASSERT_EQ(ran.size(), 1U);
  EXPECT_EQ(ran[0].status, "Success") << ran[0].details;
  EXPECT_EQ(ran[0].cause, "created");
  EXPECT_EQ(ran[0].counts, (associations::Counts{{"Success", 1}}));
  EXPECT_EQ(command(ran[0].command_id).target_count, 1U);
  EXPECT_EQ(association(id).status, "Success");
  ASSERT_EQ(items(node).size(), 1U);
  EXPECT_EQ(items(node)[0].status, "COMPLIANT");
  EXPECT_EQ(items(node)[0].severity, "HIGH");
  EXPECT_EQ(items(node)[0].execution.execution_id, ran[0].execution_id);
  EXPECT_EQ(items(node)[0].details.at("CommandId"), ran[0].command_id);
  EXPECT_EQ(items(node)[0].details.at("DocumentVersion"), "1") << "the one that ran, not $DEFAULT";
}

TEST_F(AssociationsTest, AFailureIsNonCompliantUntilItWorks) {
  auto& node = with_openssl(web("web-1"));
  node.scan_problems = {{fleet::Reason::release_expired, "bookworm", "Valid-Until has passed", "", true}};
  auto wanted = settings("rate(1 day)");
  wanted.document = "AWS-RunPatchBaseline";
  wanted.parameters = {{"Operation", {"Scan"}}};
  const auto id = make(wanted);
  settle();
  EXPECT_EQ(executions(id)[0].status, "Failed");
  EXPECT_EQ(association(id).status, "Failed");
  ASSERT_EQ(items(node).size(), 1U);
  EXPECT_EQ(items(node)[0].status, "NON_COMPLIANT");
  node.scan_problems.clear();
  pass(24h);
  EXPECT_EQ(executions(id).size(), 2U);
  EXPECT_EQ(executions(id)[0].cause, "schedule");
  EXPECT_EQ(items(node)[0].status, "COMPLIANT");
}

TEST_F(AssociationsTest, ComplianceIsNotToldWhereItIsManual) {
  auto& node = web("web-1");
  auto wanted = settings();
  wanted.sync_compliance = association::SyncCompliance::MANUAL;
  make(wanted);
  settle();
  EXPECT_TRUE(items(node).empty());
}

TEST_F(AssociationsTest, ANewNodeGetsItAtOnceAndOneThatLeavesIsForgotten) {
  const auto id = make(settings());
  settle();
  ASSERT_EQ(executions(id).size(), 1U);
  EXPECT_EQ(executions(id)[0].details, kNobodyMatches);
  EXPECT_FALSE(association(id).last_success_at.has_value()) << "nobody has had it";
  pass(1min);  // executions of one instant have no order
  auto& node = web("web-1");
  tag(node, "web");
  settle();
  ASSERT_EQ(executions(id).size(), 2U);
  EXPECT_EQ(executions(id)[0].cause, "node");
  EXPECT_EQ(standing(id, node)->status, "Success");
  EXPECT_TRUE(association(id).last_success_at.has_value());
  tag(node, "web");
  settle();
  EXPECT_EQ(executions(id).size(), 2U) << "it has it already";
  tag(node, "db");
  settle();
  EXPECT_FALSE(standing(id, node).has_value());
  EXPECT_TRUE(items(node).empty());
  tag(node, "web");
  settle();
  EXPECT_EQ(executions(id).size(), 3U);
}

TEST_F(AssociationsTest, ANodeThatWasAwayGetsItWhenItIsBack) {
  auto& node = web("web-1");
  node.answers = false;
  const auto id = make(settings());
  settle();
  pass(1h);
  pass(1min);
  EXPECT_EQ(standing(id, node)->details, "DeliveryTimedOut");
  EXPECT_TRUE(standing(id, node)->missed);
  EXPECT_EQ(items(node)[0].status, "NON_COMPLIANT");
  node.answers = true;
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return node_came_back(sql, node.id, clock_.now()); }).ok());
  settle();
  EXPECT_EQ(standing(id, node)->status, "Success");
  EXPECT_EQ(items(node)[0].status, "COMPLIANT");
  EXPECT_EQ(executions(id)[0].cause, "node");
}

TEST_F(AssociationsTest, EditsAskedRunsAndDeletion) {
  auto& node = web("web-1");
  const auto id = make(settings());
  settle();
  auto wanted = settings();
  wanted.parameters = {{"commands", {"false"}}};
  const auto changed =
      disk_->write([&](store::Sql& sql) { return update_association(sql, id, wanted, "test", clock_.now()); });
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(changed->version, 2);
  settle();
  EXPECT_EQ(executions(id)[0].cause, "edited");
  EXPECT_EQ(executions(id)[0].version, 2);
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return run_association(sql, id, "test", clock_.now()); }).ok());
  settle();
  EXPECT_EQ(executions(id)[0].cause, "once");
  EXPECT_EQ(executions(id).size(), 3U);
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return remove_association(sql, id, "test", clock_.now()); }).ok());
  settle();
  EXPECT_TRUE(items(node).empty());
  EXPECT_EQ(executions(id).size(), 3U) << "its history stays";
  const auto again = disk_->write([&](store::Sql& sql) { return remove_association(sql, id, "test", clock_.now()); });
  EXPECT_EQ(again.error().reason(), "AssociationDoesNotExist");
  const auto row = disk_->read([&](store::Sql& sql) { return store::executions::get(sql, kAssociationKind, id); });
  EXPECT_TRUE(row->finished);
}

TEST_F(AssociationsTest, AClosedCalendarHoldsItBackAndSaysSo) {
  web("web-1");
  store::documents::Document document;
  document.name = "freeze";
  document.document_type = "ChangeCalendar";
  document.created_at = clock_.now();
  store::documents::Version version;
  version.format = "TEXT";
  version.content =
      "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:year's end\r\n"
      "DTSTART:20000101T000000Z\r\nDTEND:20990101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
  version.sha256 = std::string(64, 'a');
  version.created_at = clock_.now();
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return store::documents::create(sql, document, version); }).ok());
  auto wanted = settings();
  wanted.calendars = {"arn:aws:ssm:eu-central-1:123456789012:document/freeze"};
  const auto id = make(wanted);
  settle();
  EXPECT_TRUE(executions(id).empty());
  EXPECT_NE(association(id).held.find("year's end"), std::string::npos) << association(id).held;
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return store::documents::remove(sql, "freeze"); }).ok());
  pass(1h);
  EXPECT_NE(association(id).held.find("is not there any more"), std::string::npos) << association(id).held;
}

TEST_F(AssociationsTest, AWindowKeepsItToItsHoursAndItIsCompliantAllTheSame) {
  auto& node = web("web-1");
  store::windows::Window window;
  window.window_id = "mw-1";
  window.name = "night";
  window.schedule = "cron(0 2 * * ? *)";
  window.duration_hours = 4;
  window.cutoff_hours = 1;
  window.created_at = window.modified_at = window.scheduled_at = clock_.now();
  ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return store::windows::create(sql, window); }).ok());
  auto wanted = settings();
  wanted.window_id = "mw-1";
  const auto id = make(wanted);
  settle();
  EXPECT_TRUE(executions(id).empty());
  EXPECT_NE(association(id).held.find("window"), std::string::npos);
  for (int hour = 0; hour < 48; ++hour) pass(1h);
  const auto ran = executions(id);
  ASSERT_GE(ran.size(), 2U) << "it runs each time the window opens";
  for (const auto& execution : ran) EXPECT_EQ(to_iso8601(execution.created_at).substr(11, 2), "02");
  EXPECT_EQ(items(node)[0].status, "COMPLIANT");
}

TEST_F(AssociationsTest, WhatWouldNotRunIsRefusedAndNothingIsKept) {
  auto bad = settings();
  bad.document = "AWS-Nothing";
  EXPECT_EQ(reason_of(bad), "InvalidDocument");
  bad = settings();
  bad.parameters = {{"unknown", {"x"}}};
  EXPECT_EQ(reason_of(bad), "InvalidParameters");
  bad = settings();
  bad.targets = {{"resource-groups:Name", {"x"}}};
  EXPECT_EQ(reason_of(bad), "InvalidTarget");
  bad = settings();
  bad.calendars = {"freeze"};
  EXPECT_EQ(reason_of(bad), "InvalidDocument");
  bad = settings();
  bad.window_id = "mw-9";
  EXPECT_EQ(reason_of(bad), "InvalidParameters");
  bad = settings();
  bad.targets = {{"InstanceIds", {"mi-0123456789abcdef0"}}};
  EXPECT_EQ(reason_of(bad), "InvalidInstanceId");
  bad.targets = {{"InstanceIds", {"*"}}};
  EXPECT_EQ(reason_of(bad), "");
  EXPECT_TRUE(disk_->read([](store::Sql& sql) { return store::commands::list(sql, {}, {}); })->items.empty());
}

TEST_F(AssociationsTest, AYearOfWeeksIsAYearOfRuns) {
  auto& node = web("web-1");
  const auto id = make(settings("cron(30 3 ? * TUE *)"));
  settle();
  const Instant end = clock_.now() + 365 * 24h;
  std::size_t due = 0;
  for (; clock_.now() < end; ++due) {
    const auto next = association(id).next_at;
    ASSERT_TRUE(next.has_value());
    clock_.set_wall(*next);
    settle();
  }
  EXPECT_GE(due, 52U);
  EXPECT_LE(due, 54U);
  EXPECT_EQ(node.done.size(), due + 1) << "each due time, and once when it was made";
  const auto verified = disk_->read([](store::Sql& sql) { return store::audit::verify(sql); });
  EXPECT_FALSE(verified->broken_at.has_value());
}

TEST_F(AssociationsTest, KilledAtEveryWriteItRunsOnceAndSaysWhatBecameOfIt) {
  auto& node = web("web-1");
  say_twice_ = true;
  int kills = 0;
  for (int write = 1; write < 60; ++write)
    for (const bool after : {false, true}) {
      SCOPED_TRACE("write " + std::to_string(write) + (after ? " after" : " before"));
      node.done.clear();
      const auto id = make(settings());
      store_->kill_at(write, after);
      for (bool done = false; !done;) {
        try {
          recover();
          settle();
          done = true;
        } catch (const fakes::Killed&) {
          ++kills;
          boot_all();
          clock_.advance(60s);  // the lease of the dead one runs out
        }
      }
      const bool armed = store_->armed();
      store_->disarm();
      ASSERT_EQ(executions(id).size(), 1U);
      ASSERT_EQ(executions(id)[0].status, "Success") << executions(id)[0].details;
      ASSERT_EQ(node.done.size(), 1U);
      ASSERT_EQ(standing(id, node)->status, "Success");
      if (armed) {
        EXPECT_GT(kills, 10);
        return;
      }
      ASSERT_TRUE(
          disk_->write([&](store::Sql& sql) { return remove_association(sql, id, "test", clock_.now()); }).ok());
      settle();
      ASSERT_TRUE(items(node).empty());
    }
  FAIL() << "the scenario has more writes than were tried";
}

}  // namespace
}  // namespace belay::server
