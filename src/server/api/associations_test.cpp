#include "server/engine/associations.hpp"

#include "server/api/fixture_test.hpp"
#include "store/associations.hpp"

namespace belay::server {
namespace {

class AssociationsApiTest : public ApiTest {
 protected:
  AssociationsApiTest() { add_node(kNode, "web-1"); }

  static json::Object request() {
    return {{"Name", "AWS-RunShellScript"},
            {"AssociationName", "hardening"},
            {"Parameters", json::Object{{"commands", json::Array{"true"}}}},
            {"Targets", json::Array{json::Object{{"Key", "InstanceIds"}, {"Values", json::Array{"*"}}}}},
            {"ScheduleExpression", "rate(1 day)"},
            {"ComplianceSeverity", "HIGH"}};
  }
  static json::Object with(std::string_view member, json::Value value) {
    auto made = request();
    made[member] = std::move(value);
    return made;
  }
  json::Value made(const json::Object& wanted = request()) {
    return ok("CreateAssociation", wanted).body.at("AssociationDescription");
  }
  static std::string id_of(const json::Value& description) { return json::text_or_empty(description, "AssociationId"); }
};

TEST_F(AssociationsApiTest, WhatIsWrittenIsReadInEveryVersion) {
  const auto description = made();
  const std::string id = id_of(description);
  EXPECT_EQ(json::text_or_empty(description, "AssociationVersion"), "1");
  EXPECT_EQ(json::text_or_empty(description.at("Overview"), "Status"), "Pending");
  EXPECT_EQ(description.at("Parameters"), request().at("Parameters"));
  auto changed = with("AssociationId", json::Value(id));
  changed.erase("ScheduleExpression");
  changed["AssociationVersion"] = "1";
  EXPECT_EQ(
      json::text_or_empty(ok("UpdateAssociation", changed).body.at("AssociationDescription"), "AssociationVersion"),
      "2");
  expect_error("InvalidAssociationVersion", "UpdateAssociation", changed);
  const auto now = ok("DescribeAssociation", json::Object{{"AssociationId", id}}).body.at("AssociationDescription");
  EXPECT_FALSE(now.as_object().contains("ScheduleExpression")) << "what an update leaves out is empty from then on";
  const auto first = ok("DescribeAssociation", json::Object{{"AssociationId", id}, {"AssociationVersion", "1"}});
  EXPECT_EQ(json::text_or_empty(first.body.at("AssociationDescription"), "ScheduleExpression"), "rate(1 day)");
  expect_error("InvalidAssociationVersion", "DescribeAssociation",
               json::Object{{"AssociationId", id}, {"AssociationVersion", "9"}});
  EXPECT_EQ(ok("ListAssociationVersions", json::Object{{"AssociationId", id}}).list("AssociationVersions").size(), 2U);
  const auto filter = [](const char* key, const std::string& value) {
    return json::Object{{"AssociationFilterList", json::Array{json::Object{{"key", key}, {"value", value}}}}};
  };
  EXPECT_EQ(ok("ListAssociations", filter("AssociationName", "hardening")).list("Associations").size(), 1U);
  EXPECT_EQ(ok("ListAssociations", filter("AssociationName", "other")).list("Associations").size(), 0U);
  ok("StartAssociationsOnce", json::Object{{"AssociationIds", json::Array{json::Value(id)}}});
  ok("AddTagsToResource", json::Object{{"ResourceType", "Association"},
                                       {"ResourceId", id},
                                       {"Tags", json::Array{json::Object{{"Key", "team"}, {"Value", "web"}}}}});
  ok("DeleteAssociation", json::Object{{"AssociationId", id}});
  expect_error("AssociationDoesNotExist", "DeleteAssociation", json::Object{{"AssociationId", id}});
}

TEST_F(AssociationsApiTest, TheOldWayOfOneInstance) {
  auto single = request();
  single.erase("Targets");
  single["InstanceId"] = kNode;
  const auto description = made(single);
  EXPECT_EQ(json::text_or_empty(description, "InstanceId"), kNode);
  expect_error("AssociationAlreadyExists", "CreateAssociation", single);
  const json::Object key{{"Name", "AWS-RunShellScript"}, {"InstanceId", kNode}};
  EXPECT_EQ(id_of(ok("DescribeAssociation", key).body.at("AssociationDescription")), id_of(description));
  auto status = key;
  status["AssociationStatus"] = json::Object{{"Date", 1'700'000'000}, {"Name", "Success"}, {"Message", "by hand"}};
  ok("UpdateAssociationStatus", status);
  expect_error("StatusUnchanged", "UpdateAssociationStatus", status);
  const auto infos = ok("DescribeInstanceAssociationsStatus", json::Object{{"InstanceId", kNode}})
                         .list("InstanceAssociationStatusInfos");
  ASSERT_EQ(infos.size(), 1U);
  EXPECT_EQ(json::text_or_empty(infos[0], "ExecutionSummary"), "by hand");
  const auto effective =
      ok("DescribeEffectiveInstanceAssociations", json::Object{{"InstanceId", kNode}}).list("Associations");
  ASSERT_EQ(effective.size(), 1U);
  EXPECT_NE(json::text_or_empty(effective[0], "Content").find("schemaVersion"), std::string::npos);
  ok("DeleteAssociation", key);
  expect_error("AssociationDoesNotExist", "DescribeAssociation", key);
}

TEST_F(AssociationsApiTest, AWindowAndACutOffWhichAwsHasNot) {
  const std::string id = id_of(made());
  const auto window = ok("CreateMaintenanceWindow", json::Object{{"Name", "night"},
                                                                 {"Schedule", "cron(0 2 * * ? *)"},
                                                                 {"Duration", 4},
                                                                 {"Cutoff", 1},
                                                                 {"AllowUnassociatedTargets", true}})
                          .text("WindowId");
  ok("SetAssociationWindow", json::Object{{"AssociationId", id}, {"WindowId", window}, {"CutoffHours", 2}});
  auto plan = ok("GetAssociationPlan", json::Object{{"AssociationId", id}});
  EXPECT_EQ(plan.text("WindowId"), window);
  EXPECT_EQ(plan.body.at("CutoffHours"), 2);
  auto changed = with("AssociationId", json::Value(id));
  ok("UpdateAssociation", changed);
  plan = ok("GetAssociationPlan", json::Object{{"AssociationId", id}});
  EXPECT_EQ(plan.text("WindowId"), window) << "SSM's update knows nothing of it and leaves it alone";
  expect_error("InvalidParameters", "SetAssociationWindow",
               json::Object{{"AssociationId", id}, {"WindowId", "mw-00000000000000000"}});
  expect_error("InvalidSchedule", "SetAssociationWindow", json::Object{{"AssociationId", id}, {"CutoffHours", 2}});
}

TEST_F(AssociationsApiTest, WhatWasRunIsListed) {
  const std::string id = id_of(made());
  const std::string execution_id = "01234567-89ab-4def-8123-456789abcdef";
  store::associations::Execution ran{
      execution_id,   id, 1, "created", "Failed", "command ended Failed", "", clock_.now(), clock_.now(), clock_.now(),
      {{"Failed", 1}}};
  ASSERT_TRUE(store_
                  ->write([&](store::Sql& sql) {
                    return store::associations::add_execution(sql, ran, std::vector<std::string>{kNode});
                  })
                  .ok());
  const auto executions =
      ok("DescribeAssociationExecutions", json::Object{{"AssociationId", id}}).list("AssociationExecutions");
  ASSERT_EQ(executions.size(), 1U);
  EXPECT_EQ(json::text_or_empty(executions[0], "ResourceCountByStatus"), "{Failed=1}");
  const json::Object which{{"AssociationId", id}, {"ExecutionId", execution_id}};
  const auto targets = ok("DescribeAssociationExecutionTargets", which).list("AssociationExecutionTargets");
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(json::text_or_empty(targets[0], "ResourceId"), kNode);
  expect_error("AssociationExecutionDoesNotExist", "DescribeAssociationExecutionTargets",
               json::Object{{"AssociationId", id}, {"ExecutionId", "ffffffff-89ab-4def-8123-456789abcdef"}});
  const auto filter = [&](const char* key, const char* value, const char* type) {
    return json::Object{{"AssociationId", id},
                        {"Filters", json::Array{json::Object{{"Key", key}, {"Value", value}, {"Type", type}}}}};
  };
  EXPECT_EQ(
      ok("DescribeAssociationExecutions", filter("Status", "Success", "EQUAL")).list("AssociationExecutions").size(),
      0U);
  expect_error("ValidationException", "DescribeAssociationExecutions", filter("CreatedTime", "soon", "LESS_THAN"));
  expect_error("ValidationException", "DescribeAssociationExecutions", filter("Status", "Success", "LESS_THAN"));
}

TEST_F(AssociationsApiTest, WhoMayNotSendCommandsMayNotHaveAnAssociationSendThem) {
  const std::string id = id_of(made());
  constexpr const char* kPlanner = "the-token-of-the-planner-0123456789";
  add_principal("planner", {"ssm:*Association*", "belay:*"}, kPlanner);
  const struct {
    const char* operation;
    json::Object request;
  } rows[] = {
      {"CreateAssociation", request()},
      {"CreateAssociationBatch", json::Object{{"Entries", json::Array{request()}}}},
      {"UpdateAssociation", with("AssociationId", json::Value(id))},
      {"SetAssociationWindow", json::Object{{"AssociationId", id}}},
      {"StartAssociationsOnce", json::Object{{"AssociationIds", json::Array{json::Value(id)}}}},
  };
  const auto before = audit_entries();
  for (const auto& row : rows) {
    const auto answer = call(row.operation, row.request, kPlanner);
    EXPECT_EQ(answer.type, "AccessDeniedException") << row.operation;
    EXPECT_NE(answer.message.find("ssm:SendCommand, which an association does"), std::string::npos) << answer.message;
  }
  EXPECT_EQ(audit_entries(), before);
  EXPECT_EQ(ok("ListAssociations").list("Associations").size(), 1U);
  EXPECT_EQ(call("ListAssociations", json::Object(), kPlanner).status, 200) << "looking is no sending";
  constexpr const char* kOperator = "the-token-of-the-operator-012345678";
  add_principal("operator", {"ssm:*Association*", "ssm:SendCommand"}, kOperator);
  EXPECT_EQ(call("StartAssociationsOnce", rows[4].request, kOperator).status, 200);
}

TEST_F(AssociationsApiTest, WrongInputIsRefusedByNameAndNothingIsKept) {
  const struct {
    json::Object request;
    const char* error;
  } rows[] = {
      {with("Name", "AWS-Nothing"), "InvalidDocument"},
      {with("Parameters", json::Object{{"unknown", json::Array{"x"}}}), "InvalidParameters"},
      {with("ScheduleExpression", "rate(5 minutes)"), "InvalidSchedule"},
      {with("ScheduleExpression", "every day"), "InvalidSchedule"},
      {with("ScheduleOffset", 2), "InvalidSchedule"},
      {with("ApplyOnlyAtCronInterval", true), "InvalidSchedule"},
      {with("InstanceId", kNode), "InvalidTarget"},
      {with("Targets", json::Array()), "InvalidTarget"},
      {with("CalendarNames", json::Array{"freeze"}), "InvalidDocument"},
      {with("OutputLocation", json::Object{{"S3Location", json::Object{{"OutputS3BucketName", "bucket"}}}}),
       "InvalidOutputLocation"},
      {with("TargetLocations", json::Array{json::Object{{"Accounts", json::Array{"123456789012"}}}}),
       "ValidationException"},
      {with("MaxConcurrency", "0"), "ValidationException"},
      {with("ComplianceSeverity", "LOUD"), "ValidationException"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(json::to_text(row.request));
    expect_error(row.error, "CreateAssociation", row.request);
  }
  auto single = request();
  single.erase("Targets");
  single["InstanceId"] = "mi-ffffffffffffffff0";
  expect_error("InvalidInstanceId", "CreateAssociation", single);
  const auto batch = ok("CreateAssociationBatch", json::Object{{"Entries", json::Array{single, [] {
                                                                                         auto good = request();
                                                                                         good.erase("Targets");
                                                                                         good["InstanceId"] = kNode;
                                                                                         return good;
                                                                                       }()}}});
  EXPECT_EQ(batch.list("Successful").size(), 1U);
  ASSERT_EQ(batch.list("Failed").size(), 1U);
  EXPECT_EQ(json::text_or_empty(batch.list("Failed")[0], "Fault"), "Client");
  EXPECT_EQ(ok("ListAssociations").list("Associations").size(), 1U);
}

}  // namespace
}  // namespace belay::server
