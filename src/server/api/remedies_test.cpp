// Remedy policies over the API.
#include "server/api/fixture_test.hpp"
#include "server/engine/remedy_kind.hpp"

namespace belay::server {
namespace {

class RemedyApiTest : public ApiTest {
 protected:
  void SetUp() override {
    add_node(kNode, "web-1");
    add_scan(kNode, debian_packages(), debian_offers());
  }
  static json::Object notice() { return {{"Name", "late"}, {"Action", "Notice"}, {"AfterSeconds", 3600}}; }
  static json::Object with(json::Object request, std::string_view member, json::Value value) {
    request[member] = std::move(value);
    return request;
  }
  void run(Duration time) {
    clock_.advance(time);
    Engine engine(*store_, clock_, {.owner = "test"});
    engine.add(make_remedy_kind(*judge_));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(engine.run_once().ok());
  }
};

TEST_F(RemedyApiTest, LifeOfAPolicy) {
  const auto put = ok("PutRemedyPolicy", notice());
  EXPECT_EQ(put.body.at("Policy").at("Generation"), 1);
  EXPECT_EQ(put.body.at("Policy").at("SeverityAtLeast"), "UNSPECIFIED");
  const auto told =
      ok("PutRemedyPolicy", with(with(notice(), "Name", "told"), "Notify", json::Array{"https://chat/x"}));
  EXPECT_EQ(told.body.at("Policy").at("Notify").at(0), "https://chat/x");
  ok("DeleteRemedyPolicy", json::Object{{"Name", "told"}});
  EXPECT_EQ(ok("PutRemedyPolicy", with(notice(), "AfterSeconds", 7200)).body.at("Policy").at("Generation"), 2);
  ASSERT_EQ(ok("ListRemedyPolicies").list("Policies").size(), 1u);
  run(Duration(0));
  auto remedies = ok("ListRemedies").list("Remedies");
  ASSERT_EQ(remedies.size(), 1u);
  EXPECT_EQ(remedies[0].at("Outcome"), "Waiting");
  EXPECT_EQ(remedies[0].at("Open"), true);
  run(Duration(2LL * 3600 * 1000));
  remedies = ok("ListRemedies", json::Object{{"Acted", true}, {"InstanceId", kNode}}).list("Remedies");
  ASSERT_EQ(remedies.size(), 1u);
  EXPECT_EQ(remedies[0].at("Outcome"), "Noticed");
  EXPECT_FALSE(remedies[0].at("Reasons").as_array().empty());
  EXPECT_TRUE(ok("ListRemedies", json::Object{{"Open", false}}).list("Remedies").empty());
  ok("DeleteRemedyPolicy", json::Object{{"Name", "late"}});
  EXPECT_TRUE(ok("ListRemedyPolicies").list("Policies").empty());
  EXPECT_EQ(ok("ListRemedies", json::Object{{"Open", false}}).list("Remedies").size(), 1u) << "its history stays";
  expect_error("DoesNotExistException", "DeleteRemedyPolicy", json::Object{{"Name", "late"}});
}

TEST_F(RemedyApiTest, WhoMayNotSendCommandsMayNotHaveAPolicySendThem) {
  constexpr const char* kPlanner = "the-token-of-the-planner-0123456789";
  add_principal("planner", {"belay:PutRemedyPolicy"}, kPlanner);
  const auto command = with(with(with(notice(), "Action", "Command"), "DocumentName", "AWS-RunShellScript"),
                            "Parameters", json::Object{{"commands", json::Array{"true"}}});
  const auto window = with(with(notice(), "Action", "NextWindow"), "WindowId", "mw-0123456789abcdef0");
  for (const auto& request : {command, window}) {
    const auto answer = call("PutRemedyPolicy", request, kPlanner);
    EXPECT_EQ(answer.type, "AccessDeniedException") << answer.message;
    EXPECT_NE(answer.message.find("ssm:SendCommand"), std::string::npos) << answer.message;
  }
  EXPECT_TRUE(ok("ListRemedyPolicies").list("Policies").empty());
  EXPECT_EQ(call("PutRemedyPolicy", notice(), kPlanner).status, 200) << "a notice sends nothing";
  EXPECT_EQ(call("PutRemedyPolicy", command, kPlanner).type, "AccessDeniedException") << "nor by a change of its own";
}

TEST_F(RemedyApiTest, WrongPoliciesAreRefusedAndNothingIsKept) {
  const auto command = with(with(with(notice(), "Action", "Command"), "DocumentName", "AWS-RunPatchBaseline"),
                            "Parameters", json::Object{{"Operation", json::Array{"Install"}}});
  const auto before = audit_entries();
  const struct {
    json::Object request;
    const char* error;
  } rows[] = {
      {with(notice(), "Action", "Pray"), "ValidationException"},
      {with(notice(), "Name", "a b"), "ValidationException"},
      {with(notice(), "AfterSeconds", -1), "ValidationException"},
      {with(notice(), "ComplianceTypes", json::Array{"Weather"}), "ValidationException"},
      {with(notice(), "SeverityAtLeast", "DIRE"), "ValidationException"},
      {with(notice(), "DocumentName", "AWS-RunShellScript"), "ValidationException"},
      {with(notice(), "Action", "Command"), "ValidationException"},
      {with(notice(), "Action", "NextWindow"), "ValidationException"},
      {with(with(notice(), "Action", "NextWindow"), "WindowId", "mw-0123456789abcdef0"), "ValidationException"},
      {with(notice(), "WindowId", "mw-0123456789abcdef0"), "ValidationException"},
      {with(command, "DocumentName", "No-Such"), "InvalidDocument"},
      {with(command, "Parameters", json::Object{{"Operation", json::Array{"Dance"}}}), "InvalidParameters"},
      {with(command, "MaxConcurrency", "0"), "ValidationException"},
      {with(notice(), "Targets", json::Array{json::Object{{"Key", "colour"}, {"Values", json::Array{"x"}}}}),
       "InvalidTarget"},
      {with(notice(), "Targets",
            json::Array{json::Object{{"Key", "InstanceIds"}, {"Values", json::Array{"mi-0123456789abcdef9"}}}}),
       "InvalidInstanceId"},
      {with(notice(), "Notify", json::Array{"ftp://x"}), "ValidationException"},
      {with(notice(), "Notify", json::Array{"ops@example.org"}), "ValidationException"},
  };
  for (const auto& row : rows) expect_error(row.error, "PutRemedyPolicy", row.request);
  EXPECT_EQ(audit_entries(), before);
  EXPECT_TRUE(ok("ListRemedyPolicies").list("Policies").empty());
  EXPECT_TRUE(ok("ListCommands").list("Commands").empty());
  ok("PutRemedyPolicy", command);
}

}  // namespace
}  // namespace belay::server
