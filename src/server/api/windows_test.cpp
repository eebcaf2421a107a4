// Maintenance windows through the API: every operation, SSM's errors, and what must be refused.
#include "io/crypto.hpp"
#include "server/api/fixture_test.hpp"
#include "server/engine/command_kind.hpp"
#include "server/engine/window_kind.hpp"
#include "store/commands.hpp"
#include "store/documents.hpp"

namespace belay::server {
namespace {

class WindowsApiTest : public ApiTest {
 protected:
  WindowsApiTest() {
    const auto keys = io::make_signing_key();
    authority_.order_private_key = keys.private_key;
    authority_.order_public_key = keys.public_key;
    engine_ = std::make_unique<Engine>(*store_, clock_, EngineSettings{"test"});
    engine_->add(make_command_kind(authority_, *judge_));
    engine_->add(make_window_kind({*windows_}));
    engine_->add(make_window_execution_kind({*windows_}));
  }
  void work() {
    for (int i = 0; i < 100; ++i) {
      const auto advanced = engine_->run_once();
      ASSERT_TRUE(advanced.ok());
      if (*advanced == 0) return;
    }
  }
  json::Object window(json::Object more = {}) {
    json::Object request{{"Name", "patching"},
                         {"Schedule", "cron(0 2 ? * SUN *)"},
                         {"Duration", 4},
                         {"Cutoff", 1},
                         {"AllowUnassociatedTargets", false}};
    for (auto& member : more) request[member.key()] = std::move(member.value());
    return request;
  }
  std::string create(json::Object more = {}) {
    return ok("CreateMaintenanceWindow", window(std::move(more))).text("WindowId");
  }
  std::string add_target(const std::string& id, const char* key = "tag:role", const char* value = "web") {
    return ok("RegisterTargetWithMaintenanceWindow",
              json::Object{{"WindowId", id},
                           {"ResourceType", "INSTANCE"},
                           {"OwnerInformation", "team web"},
                           {"Targets", json::Array{json::Object{{"Key", key}, {"Values", json::Array{value}}}}}})
        .text("WindowTargetId");
  }
  json::Object task(const std::string& id, const std::string& target, json::Object more = {}) {
    json::Object request{
        {"WindowId", id},
        {"TaskArn", "AWS-RunShellScript"},
        {"TaskType", "RUN_COMMAND"},
        {"MaxConcurrency", "50%"},
        {"MaxErrors", "0"},
        {"Targets", json::Array{json::Object{{"Key", "WindowTargetIds"}, {"Values", json::Array{target}}}}},
        {"TaskInvocationParameters",
         json::Object{{"RunCommand", json::Object{{"Parameters", json::Object{{"commands", json::Array{"id"}}}}}}}}};
    for (auto& member : more)
      if (member.value().is_null()) request.erase(member.key());
      else request[member.key()] = std::move(member.value());
    return request;
  }
  std::unique_ptr<Engine> engine_;
};

TEST_F(WindowsApiTest, LifeOfAWindow) {
  const auto id = create({{"Description", "größer"},
                          {"ScheduleTimezone", "Europe/Berlin"},
                          {"ClientToken", "01234567-a"},
                          {"Tags", json::Array{json::Object{{"Key", "team"}, {"Value", "web"}}}}});
  EXPECT_EQ(create({{"Description", "größer"},
                    {"ScheduleTimezone", "Europe/Berlin"},
                    {"ClientToken", "01234567-a"},
                    {"Tags", json::Array{json::Object{{"Key", "team"}, {"Value", "web"}}}}}),
            id);
  expect_error("IdempotentParameterMismatch", "CreateMaintenanceWindow", window({{"ClientToken", "01234567-a"}}));
  const auto got = ok("GetMaintenanceWindow", json::Object{{"WindowId", id}});
  EXPECT_EQ(got.text("NextExecutionTime"), "2026-11-29T01:00:00Z") << "02:00 in Berlin";
  EXPECT_EQ(got.text("Description"), "größer");
  EXPECT_EQ(ok("ListTagsForResource", json::Object{{"ResourceType", "MaintenanceWindow"}, {"ResourceId", id}})
                .list("TagList")
                .size(),
            1U);
  expect_error("InvalidResourceId", "ListTagsForResource",
               json::Object{{"ResourceType", "MaintenanceWindow"}, {"ResourceId", "mw-0123456789abcdef0"}});
  const auto changed =
      ok("UpdateMaintenanceWindow", json::Object{{"WindowId", id}, {"Enabled", false}, {"Schedule", "rate(7 days)"}});
  EXPECT_EQ(changed.text("Schedule"), "rate(7 days)");
  EXPECT_EQ(changed.text("Description"), "größer") << "what is left out stays";
  expect_error("ValidationException", "UpdateMaintenanceWindow", json::Object{{"WindowId", id}, {"Replace", true}});
  auto whole = window({{"WindowId", id}, {"Replace", true}, {"Enabled", true}});
  EXPECT_EQ(ok("UpdateMaintenanceWindow", whole).text("Description"), "") << "emptied";
  create({{"Name", "other"}});
  const auto listed =
      ok("DescribeMaintenanceWindows",
         json::Object{{"Filters", json::Array{json::Object{{"Key", "Name"}, {"Values", json::Array{"other"}}}}}});
  EXPECT_EQ(listed.list("WindowIdentities").size(), 1U);
  EXPECT_EQ(
      ok("DescribeMaintenanceWindowSchedule", json::Object{{"MaxResults", 3}}).list("ScheduledWindowExecutions").size(),
      3U);
  EXPECT_EQ(ok("DeleteMaintenanceWindow", json::Object{{"WindowId", id}}).text("WindowId"), id);
  ok("DeleteMaintenanceWindow", json::Object{{"WindowId", id}});
  expect_error("DoesNotExistException", "GetMaintenanceWindow", json::Object{{"WindowId", id}});
}

struct Refused {
  const char* field;
  json::Object change;
};

TEST_F(WindowsApiTest, ContradictionsAreRefusedAndNothingIsKept) {
  const auto entries = audit_entries();
  const Refused rows[] = {
      {"Cutoff", {{"Cutoff", 4}}},
      {"Duration", {{"Schedule", "rate(2 hours)"}, {"Duration", 3}}},
      {"Schedule", {{"Schedule", "cron(0 2 * * SUN *)"}}},
      {"Schedule", {{"Schedule", "rate(1 minute)"}, {"Duration", 1}, {"Cutoff", 0}}},
      {"Schedule", {{"Schedule", "at(2020-01-01T00:00:00)"}}},
      {"ScheduleOffset", {{"Schedule", "rate(7 days)"}, {"ScheduleOffset", 2}}},
      {"ScheduleOffset", {{"ScheduleOffset", 7}}},
      {"Timezone", {{"ScheduleTimezone", "Mars/Olympus"}}},
      {"Timezone", {{"ScheduleTimezone", "../../etc/passwd"}}},
      {"StartDate", {{"StartDate", "next week"}}},
      {"EndDate", {{"StartDate", "2027-02-01T00:00:00Z"}, {"EndDate", "2027-01-01T00:00:00Z"}}},
      {"Duration", {{"Duration", 25}}},
      {"Name", {{"Name", "no spaces here"}}},
  };
  for (const auto& row : rows) {
    const auto answer = call("CreateMaintenanceWindow", window(row.change));
    EXPECT_EQ(answer.type, "ValidationException") << row.field << " " << answer.message;
    std::string lower = answer.message, field = row.field;
    for (auto* text : {&lower, &field})
      std::ranges::transform(*text, text->begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    EXPECT_NE(lower.find(field), std::string::npos) << row.field << ": " << answer.message;
  }
  EXPECT_TRUE(ok("DescribeMaintenanceWindows").list("WindowIdentities").empty());
  EXPECT_EQ(audit_entries(), entries);
}

TEST_F(WindowsApiTest, TargetsAndTasks) {
  add_node(kNode, "web-1");
  ok("AddTagsToResource", json::Object{{"ResourceType", "ManagedInstance"},
                                       {"ResourceId", kNode},
                                       {"Tags", json::Array{json::Object{{"Key", "role"}, {"Value", "web"}}}}});
  const auto id = create();
  const auto target = add_target(id);
  const auto task_id =
      ok("RegisterTaskWithMaintenanceWindow", task(id, target, {{"Priority", 3}})).text("WindowTaskId");
  const auto got = ok("GetMaintenanceWindowTask", json::Object{{"WindowId", id}, {"WindowTaskId", task_id}});
  EXPECT_EQ(got.text("TaskType"), "RUN_COMMAND");
  EXPECT_FALSE(got.body.as_object().contains("CutoffBehavior")) << "nobody said anything of it";
  EXPECT_EQ(got.body.at("TaskInvocationParameters").at("RunCommand").at("Parameters").at("commands").at(0), "id");
  ok("UpdateMaintenanceWindowTask",
     json::Object{{"WindowId", id}, {"WindowTaskId", task_id}, {"CutoffBehavior", "CANCEL_TASK"}, {"Name", "named"}});
  const auto listed = ok("DescribeMaintenanceWindowTasks", json::Object{{"WindowId", id}}).list("Tasks");
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].at("CutoffBehavior"), "CANCEL_TASK");
  EXPECT_EQ(listed[0].at("Priority"), 3);
  EXPECT_EQ(listed[0].at("Type"), "RUN_COMMAND");
  ok("UpdateMaintenanceWindowTarget", json::Object{{"WindowId", id}, {"WindowTargetId", target}, {"Name", "web"}});
  EXPECT_EQ(ok("DescribeMaintenanceWindowTargets", json::Object{{"WindowId", id}}).list("Targets").at(0).at("Name"),
            "web");
  const auto by_node =
      json::Object{{"ResourceType", "INSTANCE"},
                   {"Targets", json::Array{json::Object{{"Key", "InstanceIds"}, {"Values", json::Array{kNode}}}}}};
  EXPECT_EQ(ok("DescribeMaintenanceWindowsForTarget", by_node).list("WindowIdentities").size(), 1U);
  expect_error("TargetInUseException", "DeregisterTargetFromMaintenanceWindow",
               json::Object{{"WindowId", id}, {"WindowTargetId", target}, {"Safe", true}});
  ok("DeregisterTaskFromMaintenanceWindow", json::Object{{"WindowId", id}, {"WindowTaskId", task_id}});
  ok("DeregisterTargetFromMaintenanceWindow",
     json::Object{{"WindowId", id}, {"WindowTargetId", target}, {"Safe", true}});
  EXPECT_TRUE(ok("DescribeMaintenanceWindowsForTarget", by_node).list("WindowIdentities").empty());
}

TEST_F(WindowsApiTest, WrongTasksAreRefused) {
  add_node(kNode, "web-1");
  const auto id = create();
  const auto target = add_target(id);
  const auto parameters = [](json::Object inner) {
    return json::Object{{"TaskInvocationParameters", json::Object{{"RunCommand", std::move(inner)}}}};
  };
  const auto nodes =
      json::Object{{"Targets", json::Array{json::Object{{"Key", "InstanceIds"}, {"Values", json::Array{kNode}}}}}};
  const std::pair<const char*, json::Object> rows[] = {
      {"FeatureNotAvailableException", {{"TaskType", "LAMBDA"}, {"TaskInvocationParameters", nullptr}}},
      {"FeatureNotAvailableException", {{"TaskType", "STEP_FUNCTIONS"}, {"TaskInvocationParameters", nullptr}}},
      {"ValidationException", {{"TaskArn", "No-Such-Document"}}},
      {"ValidationException", {{"MaxErrors", nullptr}}},
      {"ValidationException", {{"Targets", nullptr}}},
      {"ValidationException", {{"TaskType", "AUTOMATION"}}},
      {"ValidationException", parameters({{"Parameters", json::Object{{"command", json::Array{"id"}}}}})},
      {"ValidationException",
       parameters({{"Parameters", json::Object{{"commands", json::Array{"echo {{TARGET_ID}}"}}}}})},
      {"ValidationException", parameters({{"OutputS3BucketName", "bucket"}})},
      {"ValidationException", nodes},
  };
  for (const auto& [type, change] : rows) {
    const auto answer = call("RegisterTaskWithMaintenanceWindow", task(id, target, change));
    EXPECT_EQ(answer.type, type) << json::to_text(change) << answer.message;
  }
  expect_error("DoesNotExistException", "RegisterTaskWithMaintenanceWindow",
               task(id, "01234567-89ab-4def-8123-456789abcdef"));
  expect_error("DoesNotExistException", "RegisterTaskWithMaintenanceWindow", task("mw-0123456789abcdef0", target));
  for (const auto& [key, value] : {std::pair("InstanceIds", "mi-00000000000000000"), std::pair("Planet", "Mars"),
                                   std::pair("resource-groups:Name", "x")})
    expect_error("ValidationException", "RegisterTargetWithMaintenanceWindow",
                 json::Object{{"WindowId", id},
                              {"ResourceType", "INSTANCE"},
                              {"Targets", json::Array{json::Object{{"Key", key}, {"Values", json::Array{value}}}}}});
  EXPECT_TRUE(ok("DescribeMaintenanceWindowTasks", json::Object{{"WindowId", id}}).list("Tasks").empty());
  ok("UpdateMaintenanceWindow", json::Object{{"WindowId", id}, {"AllowUnassociatedTargets", true}});
  ok("RegisterTaskWithMaintenanceWindow", task(id, target, nodes));
}

TEST_F(WindowsApiTest, WhoMayNotSendCommandsMayNotScheduleThem) {
  const auto id = create();
  const auto target = add_target(id);
  add_principal("planner", {"ssm:*MaintenanceWindow*"}, "the-token-of-the-planner-0123456789");
  EXPECT_EQ(call("RegisterTaskWithMaintenanceWindow", task(id, target), "the-token-of-the-planner-0123456789").type,
            "AccessDeniedException");
}

TEST_F(WindowsApiTest, AnExecutionIsSeenAllTheWayDown) {
  add_node(kNode, "web-1");
  const auto id = create({{"Schedule", "at(2026-11-24T02:00:00)"}});
  const auto target = add_target(id, "Name", "web-1");
  ok("RegisterTaskWithMaintenanceWindow", task(id, target));
  ok("RegisterTaskWithMaintenanceWindow", task(id, target, {{"Priority", 5}}));
  work();
  clock_.set_wall(parse_iso8601("2026-11-24T02:00:00Z").value());
  work();
  const auto executions =
      ok("DescribeMaintenanceWindowExecutions", json::Object{{"WindowId", id}}).list("WindowExecutions");
  ASSERT_EQ(executions.size(), 1U);
  EXPECT_EQ(executions[0].at("Status"), "IN_PROGRESS");
  const std::string execution(executions[0].at("WindowExecutionId").as_string());
  const json::Object by_execution{{"WindowExecutionId", execution}};
  const auto task_ids = ok("GetMaintenanceWindowExecution", by_execution).list("TaskIds");
  ASSERT_EQ(task_ids.size(), 2U);
  EXPECT_EQ(ok("DescribeMaintenanceWindowExecutionTasks", by_execution).list("WindowExecutionTaskIdentities").size(),
            2U);
  const json::Object by_task{{"WindowExecutionId", execution}, {"TaskId", task_ids[0]}};
  EXPECT_EQ(ok("GetMaintenanceWindowExecutionTask", by_task).text("MaxConcurrency"), "50%");
  const auto invocations =
      ok("DescribeMaintenanceWindowExecutionTaskInvocations", by_task).list("WindowExecutionTaskInvocationIdentities");
  ASSERT_EQ(invocations.size(), 1U);
  EXPECT_EQ(invocations[0].at("OwnerInformation"), "team web");
  const auto one = ok("GetMaintenanceWindowExecutionTaskInvocation",
                      json::Object{{"WindowExecutionId", execution},
                                   {"TaskId", task_ids[0]},
                                   {"InvocationId", invocations[0].at("InvocationId")}});
  EXPECT_EQ(one.text("TaskType"), "RUN_COMMAND");
  const auto commands = ok("ListCommands").list("Commands");
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_EQ(one.text("ExecutionId"), commands[0].at("CommandId").as_string());
  ok("CancelMaintenanceWindowExecution", by_execution);
  work();
  EXPECT_EQ(ok("GetMaintenanceWindowExecution", by_execution).text("Status"), "CANCELLING");
  clock_.advance(Duration(3'600'000));
  work();
  EXPECT_EQ(ok("GetMaintenanceWindowExecution", by_execution).text("Status"), "CANCELLED");
  const auto missed = ok("DescribeMissedNodes", json::Object{{"WindowId", id}}).list("MissedNodes");
  ASSERT_EQ(missed.size(), 1U);
  EXPECT_EQ(missed[0].at("Reason"), "OFFLINE");
  EXPECT_EQ(missed[0].at("InstanceId"), kNode);
  expect_error("DoesNotExistException", "GetMaintenanceWindowExecution",
               json::Object{{"WindowExecutionId", "01234567-89ab-4def-8123-456789abcdef"}});
  expect_error("DoesNotExistException", "CancelMaintenanceWindowExecution",
               json::Object{{"WindowExecutionId", "01234567-89ab-4def-8123-456789abcdef"}});
}

TEST_F(WindowsApiTest, ThePreviewSaysWhatItKnows) {
  add_node(kNode, "web-1");
  const auto id = create();
  const auto target = add_target(id, "Name", "web-1");
  ok("RegisterTaskWithMaintenanceWindow", task(id, target));
  const auto unknown = ok("PreviewMaintenanceWindow", json::Object{{"WindowId", id}, {"Openings", 3}});
  EXPECT_EQ(unknown.text("Fit"), "UNKNOWN");
  EXPECT_EQ(unknown.list("Openings").size(), 3U);
  EXPECT_FALSE(json::find(unknown.body.at("Estimate"), "MedianSeconds"));
  const auto ran = [&](const std::string& command_id, std::int64_t seconds) {
    store::commands::Command command;
    command.command_id = command_id;
    command.document_name = "AWS-RunShellScript";
    command.requested_at = clock_.now();
    store::commands::Invocation invocation;
    invocation.command_id = command_id;
    invocation.node_id = kNode;
    invocation.requested_at = clock_.now();
    ASSERT_TRUE(store_
                    ->write([&](store::Sql& sql) -> Status {
                      BELAY_TRY(store::commands::create(sql, command, std::vector{invocation}));
                      invocation.status = "Success";
                      invocation.started_at = clock_.now();
                      invocation.finished_at = clock_.now() + Duration(seconds * 1000);
                      return store::commands::update_invocation(sql, invocation);
                    })
                    .ok());
  };
  ran("c1", 60);
  ran("c2", 600);
  const auto known = ok("PreviewMaintenanceWindow", json::Object{{"WindowId", id}});
  EXPECT_EQ(known.text("Fit"), "FITS");
  EXPECT_EQ(known.body.at("Estimate").at("MedianSeconds"), 60);
  EXPECT_EQ(known.body.at("Estimate").at("WorstSeconds"), 600);
  EXPECT_EQ(known.list("Tasks").at(0).at("Invocations").at(0).at("InstanceIds").at(0), kNode);
  expect_error("DoesNotExistException", "PreviewMaintenanceWindow", json::Object{{"WindowId", "mw-0123456789abcdef0"}});
}

TEST_F(WindowsApiTest, ThePreviewSaysWhatCannotRun) {
  add_node(kNode, "web-1");
  const auto id = create();
  const json::Object by_id{{"WindowId", id}};
  EXPECT_EQ(ok("PreviewMaintenanceWindow", by_id).text("Fit"), "NOTHING") << "it has no tasks";
  const auto nobody = add_target(id, "tag:role", "nobody");
  ok("RegisterTaskWithMaintenanceWindow", task(id, nobody));
  const auto empty = ok("PreviewMaintenanceWindow", by_id);
  EXPECT_EQ(empty.text("Fit"), "NOTHING");
  EXPECT_EQ(empty.list("Tasks").at(0).at("Invocations").at(0).at("Remark"), "no node matches its targets");
  const auto target = add_target(id, "Name", "web-1");
  const auto gone = add_target(id, "Name", "web-1");
  ok("RegisterTaskWithMaintenanceWindow", task(id, target));
  ok("RegisterTaskWithMaintenanceWindow", task(id, gone));
  EXPECT_EQ(ok("PreviewMaintenanceWindow", by_id).text("Fit"), "UNKNOWN") << "somebody is there";
  ok("DeregisterTargetFromMaintenanceWindow",
     json::Object{{"WindowId", id}, {"WindowTargetId", gone}, {"Safe", false}});
  const auto failing = ok("PreviewMaintenanceWindow", by_id);
  EXPECT_EQ(failing.text("Fit"), "WILL_FAIL");
  std::string problems;
  for (const auto& each : failing.list("Tasks"))
    for (const auto& invocation : each.at("Invocations").as_array())
      problems += json::text_or_empty(invocation, "Problem");
  EXPECT_EQ(problems, "the window target " + gone + " is not registered any more");
}

TEST_F(WindowsApiTest, ChangeCalendarsHoldAWindowBack) {
  const auto id = create();
  const json::Object wanted{{"WindowId", id}, {"CalendarNames", json::Array{"freeze"}}};
  expect_error("DoesNotExistException", "PutMaintenanceWindowCalendars", wanted);
  store::documents::Document document;
  document.name = "freeze";
  document.document_type = "ChangeCalendar";
  store::documents::Version first;
  first.content = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-CALENDAR-TYPE:DEFAULT_CLOSED\r\nEND:VCALENDAR\r\n";
  first.sha256 = io::sha256_hex(first.content);
  ASSERT_TRUE(store_->write([&](store::Sql& sql) { return store::documents::create(sql, document, first); }).ok());
  ok("PutMaintenanceWindowCalendars", wanted);
  const auto held = ok("PreviewMaintenanceWindow", json::Object{{"WindowId", id}});
  EXPECT_EQ(held.list("Openings").at(0).at("HeldBack"), "the change calendar freeze is closed");
  ok("PutMaintenanceWindowCalendars", json::Object{{"WindowId", id}, {"CalendarNames", json::Array()}});
  EXPECT_FALSE(
      json::find(ok("PreviewMaintenanceWindow", json::Object{{"WindowId", id}}).list("Openings").at(0), "HeldBack"));
}

}  // namespace
}  // namespace belay::server
