// What is refused by name, and with the reason that is its own: members for other services of AWS, words of closed
// sets, nodes that a command never had.
#include "server/api/fixture_test.hpp"
#include "server/engine/agent_program.hpp"

namespace belay::server {
namespace {

constexpr const char* kOther = "mi-0123456789abcdef1";

class RefusalsTest : public ApiTest {
 protected:
  void SetUp() override {
    add_node(kNode, "web-1");
    add_node(kOther, "web-2");
  }
  static json::Object shell(std::string_view member = {}, json::Value value = {}) {
    json::Object request{{"DocumentName", "AWS-RunShellScript"},
                         {"InstanceIds", json::Array{kNode}},
                         {"Parameters", {{"commands", json::Array{"true"}}}}};
    if (!member.empty()) request[member] = std::move(value);
    return request;
  }
  static json::Object filters(const char* key, const char* value) {
    return {{"Filters", json::Array{json::Object{{"Key", key}, {"Values", json::Array{value}}}}}};
  }
  void give_out(const AgentProgram* program) {
    ASSERT_TRUE(store_->write([&](store::Sql& sql) { return note_agent_program(sql, program, clock_.now()); }).ok());
  }
};

TEST_F(RefusalsTest, EachMemberForAwsHasItsOwnReason) {
  const struct {
    const char* member;
    json::Value value;
    const char* says;
  } rows[] = {
      {"OutputS3BucketName", "bucket", "GetCommandOutput"},
      {"ServiceRoleArn", "arn:aws:iam::123456789012:role/x", "no roles of AWS"},
      {"NotificationConfig", json::Object{{"NotificationArn", "arn:aws:sns:eu-west-1:123456789012:t"}}, "SNS topics"},
      {"AlarmConfiguration", json::Object{{"Alarms", json::Array{json::Object{{"Name", "a"}}}}}, "alarms"},
      {"CloudWatchOutputConfig", json::Object{{"CloudWatchOutputEnabled", true}}, "GetCommandOutput"},
  };
  for (const auto& row : rows) {
    const auto said = expect_error("ValidationException", "SendCommand", shell(row.member, row.value));
    EXPECT_NE(said.find(row.member), std::string::npos) << said;
    EXPECT_NE(said.find(row.says), std::string::npos) << said;
  }
  ok("SendCommand", shell("CloudWatchOutputConfig", json::Object{{"CloudWatchOutputEnabled", false}}));
}

TEST_F(RefusalsTest, ADocumentsHashIsChecked) {
  const std::string content =
      "schemaVersion: '2.2'\nmainSteps:\n- {action: 'aws:runShellScript', name: a, inputs: {runCommand: [ls]}}\n";
  const auto made =
      ok("CreateDocument",
         json::Object{{"Name", "Look"}, {"DocumentFormat", "YAML"}, {"DocumentType", "Command"}, {"Content", content}});
  for (const char* name : {"Look", "AWS-Noop"}) {
    const auto known = ok("DescribeDocument", json::Object{{"Name", name}}).body.at("Document");
    json::Object request{
        {"DocumentName", name}, {"InstanceIds", json::Array{kNode}}, {"DocumentHash", known.at("Hash")}};
    ok("SendCommand", request);
    request["DocumentHashType"] = "Sha256";
    ok("SendCommand", request);
    request["DocumentHash"] = std::string(64, 'a');
    const auto said = expect_error("InvalidDocument", "SendCommand", request);
    EXPECT_NE(said.find(json::text_or_empty(known, "Hash")), std::string::npos) << said;
    request["DocumentHashType"] = "Sha1";
    EXPECT_NE(expect_error("ValidationException", "SendCommand", request).find("Sha256"), std::string::npos);
  }
}

TEST_F(RefusalsTest, WordsOfClosedSets) {
  const auto command = [](const char* key, const char* value) {
    return json::Object{{"Filters", json::Array{json::Object{{"key", key}, {"value", value}}}}};
  };
  const auto association = [](const char* value) {
    return json::Object{
        {"AssociationFilterList", json::Array{json::Object{{"key", "AssociationStatusName"}, {"value", value}}}}};
  };
  const auto node = [](const char* key, const char* value) {
    return json::Object{
        {"Filters", json::Array{json::Object{{"Key", key}, {"Values", json::Array{value}}, {"Type", "Equal"}}}}};
  };
  const struct {
    const char *operation, *error;
    json::Object wrong, right;
  } rows[] = {
      {"ListCommands", "ValidationException", command("Status", "Nope"), command("Status", "Success")},
      {"ListCommands", "ValidationException", command("ExecutionStage", "Done"), command("ExecutionStage", "Complete")},
      {"ListCommandInvocations", "ValidationException", command("Status", "success"), command("Status", "Delayed")},
      {"ListAssociations", "ValidationException", association("Foo"), association("Failed")},
      {"ListNodes", "InvalidFilter", node("PlatformType", "Foo"), node("PlatformType", "Windows")},
      {"ListNodes", "InvalidFilter", node("ManagedStatus", "managed"), node("ManagedStatus", "All")},
      {"DescribeInstanceInformation", "InvalidInstanceInformationFilterValue", filters("PlatformTypes", "linux"),
       filters("PlatformTypes", "MacOS")},
      {"DescribeInstanceInformation", "InvalidInstanceInformationFilterValue", filters("PingStatus", "Offline"),
       filters("PingStatus", "Inactive")},
      {"DescribeInstanceProperties",
       "InvalidInstancePropertyFilterValue",
       {{"InstancePropertyFilterList",
         json::Array{json::Object{{"key", "PlatformTypes"}, {"valueSet", json::Array{"Amiga"}}}}}},
       {{"InstancePropertyFilterList",
         json::Array{json::Object{{"key", "PlatformTypes"}, {"valueSet", json::Array{"Linux"}}}}}}},
      {"ListComplianceItems", "InvalidFilter", filters("Status", "Complaint"), filters("Status", "NON_COMPLIANT")},
      {"ListComplianceItems", "InvalidFilter", filters("Severity", "Dire"), filters("Severity", "HIGH")},
      {"ListDocuments", "ValidationException", filters("Owner", "Me"), filters("Owner", "Self")},
      {"ListDocuments", "ValidationException", filters("PlatformTypes", "Amiga"), filters("PlatformTypes", "Linux")},
  };
  for (const auto& row : rows) {
    expect_error(row.error, row.operation, row.wrong);
    ok(row.operation, row.right);
  }
}

TEST_F(RefusalsTest, ACancelNamesNodesThatTheCommandHas) {
  const auto id = json::text_or_empty(ok("SendCommand", shell()).body.at("Command"), "CommandId");
  const auto cancel = [&](json::Array nodes) {
    return json::Object{{"CommandId", id}, {"InstanceIds", std::move(nodes)}};
  };
  EXPECT_NE(expect_error("InvalidInstanceId", "CancelCommand", cancel({kNode, kOther})).find(kOther),
            std::string::npos);
  expect_error("InvalidInstanceId", "CancelCommand", cancel({"mi-0123456789abcdef9"}));
  const auto stands = ok("ListCommands", json::Object{{"CommandId", id}}).list("Commands").at(0);
  EXPECT_EQ(stands.at("Status"), "Pending") << "nothing was cancelled";
  ok("CancelCommand", cancel({kNode}));
  ok("CancelCommand", cancel({}));
}

TEST_F(RefusalsTest, AnAccountIsAddedOrRemoved) {
  ok("CreateDocument",
     json::Object{{"Name", "Look"},
                  {"DocumentFormat", "YAML"},
                  {"Content",
                   "schemaVersion: '2.2'\nmainSteps:\n- {action: 'aws:runShellScript', name: a, inputs: "
                   "{runCommand: [ls]}}\n"}});
  json::Object request{{"Name", "Look"},
                       {"PermissionType", "Share"},
                       {"AccountIdsToAdd", json::Array{"123456789012", "123456789013"}},
                       {"AccountIdsToRemove", json::Array{"123456789012"}}};
  EXPECT_NE(expect_error("ValidationException", "ModifyDocumentPermission", request).find("123456789012"),
            std::string::npos);
  request["AccountIdsToRemove"] = json::Array{"123456789014"};
  ok("ModifyDocumentPermission", request);
}

TEST_F(RefusalsTest, NoAgentIsOrderedWhereNoneIsGivenOut) {
  const json::Object update{{"DocumentName", "AWS-UpdateSSMAgent"}, {"InstanceIds", json::Array{kNode}}};
  const json::Object association{
      {"Name", "AWS-UpdateSSMAgent"},
      {"Targets", json::Array{json::Object{{"Key", "InstanceIds"}, {"Values", json::Array{kNode}}}}}};
  give_out(nullptr);
  for (const auto& [operation, request] : {std::pair{"SendCommand", update}, {"CreateAssociation", association}})
    EXPECT_NE(expect_error("InvalidDocument", operation, request).find("belayd with --agent"), std::string::npos);
  const auto window = ok("CreateMaintenanceWindow", json::Object{{"Name", "night"},
                                                                 {"Schedule", "rate(1 day)"},
                                                                 {"Duration", 2},
                                                                 {"Cutoff", 0},
                                                                 {"AllowUnassociatedTargets", true}});
  const json::Object task{{"WindowId", window.text("WindowId")},
                          {"TaskArn", "AWS-UpdateSSMAgent"},
                          {"TaskType", "RUN_COMMAND"},
                          {"MaxConcurrency", "1"},
                          {"MaxErrors", "0"},
                          {"Targets", association.at("Targets")}};
  EXPECT_NE(expect_error("ValidationException", "RegisterTaskWithMaintenanceWindow", task).find("belayd with --agent"),
            std::string::npos);
  const AgentProgram program{"0.1.0", std::string(64, 'a'), "bytes"};
  give_out(&program);
  ok("SendCommand", update);
  ok("CreateAssociation", association);
  ok("RegisterTaskWithMaintenanceWindow", task);
}

}  // namespace
}  // namespace belay::server
