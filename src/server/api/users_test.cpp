// People over the API: who may make whom, and what leaves the server of their secrets.
#include "server/api/fixture_test.hpp"
#include "server/engine/permissions.hpp"

namespace belay::server {
namespace {

class UsersTest : public ApiTest {
 protected:
  static constexpr const char* kClerkToken = "the-token-of-a-clerk-0123456789";

  static json::Object user(const std::string& name, std::vector<std::string> permissions) {
    return {{"UserName", name}, {"Permissions", json::encode(permissions)}};
  }
  // Makes him; his token.
  std::string make(const std::string& name, std::vector<std::string> permissions) {
    return ok("CreateUser", user(name, std::move(permissions))).text("Token");
  }
  // The clerk may make people, and only let them look.
  void add_clerk() { add_principal("clerk", {"belay:*User*", "ssm:Describe*"}, kClerkToken); }
  json::Object listed(const std::string& name) {
    for (const auto& row : ok("ListUsers").list("Users"))
      if (row.at("UserName").as_string() == name) return row.as_object();
    ADD_FAILURE() << "no user " << name;
    return {};
  }
};

TEST(Permissions, AreGivenOnlyByWhoHasAllOfThem) {
  struct Row {
    std::vector<std::string> has;
    const char* wanted;
    bool covered;
  };
  const Row rows[] = {
      {{"*"}, "*", true},
      {{"*"}, "ssm:Describe*", true},
      {{"ssm:*"}, "*", false},
      {{"ssm:*"}, "SSM:DescribeActivations", true},
      {{"ssm:*"}, "belay:*", false},
      {{"belay:GetNode"}, "belay:GetNode", true},
      {{"belay:GetNode"}, "belay:GetNode*", false},
      {{"belay:Get*"}, "belay:*Get*", false},
      {{"belay:Get*", "belay:List*"}, "belay:ListUsers", true},
      {{"ssm:?"}, "ssm:*", false},
      {{"ssm:??*"}, "ssm:*", false},
      {{"ssm:??*"}, "ssm:?*", false},
      {{"ssm:?*"}, "ssm:??*", true},
      {{"ssm:?"}, "ssm:?", true},
      {{"ssm:*s"}, "ssm:Describe*s", true},
      {{"ssm:*s"}, "ssm:Describe*", false},
      {{"[a-z]*"}, "ssm:GetDocument", false},
      {{}, "ssm:GetDocument", false},
  };
  for (const auto& row : rows)
    EXPECT_EQ(covers(row.has, row.wanted), row.covered) << (row.has.empty() ? "" : row.has[0]) << " and " << row.wanted;
}

TEST_F(UsersTest, ATokenIsShownOnceAndLetsItsOwnerIn) {
  auto request = user("alice", {"ssm:Describe*", "belay:List*"});
  request["WithAccessKey"] = true;
  request["Description"] = "the night shift";
  const auto made = ok("CreateUser", request);
  const std::string token = made.text("Token"), secret = made.text("SecretAccessKey");
  EXPECT_EQ(token.size(), 54u);
  EXPECT_EQ(made.text("AccessKeyId").size(), 20u);
  EXPECT_EQ(secret.size(), 40u);
  EXPECT_EQ(call("ListUsers", json::Object(), token).status, 200);
  EXPECT_EQ(call("CreateUser", user("bob", {"ssm:Describe*"}), token).type, "AccessDeniedException");

  const auto alice = listed("alice");
  EXPECT_EQ(alice.at("Enabled"), true);
  EXPECT_EQ(alice.at("Tokens").at(0).at("TokenName"), "first");
  EXPECT_EQ(alice.at("AccessKeys").at(0).at("AccessKeyId").as_string(), made.text("AccessKeyId"));
  const auto audit = ok("ListAudit", json::Object{{"Action", "belay:CreateUser"}});
  EXPECT_EQ(audit.list("Entries").at(0).at("Resource"), "alice");
  EXPECT_NE(json::to_text(audit.body).find("the night shift"), std::string::npos);
  for (const auto& seen : {json::to_text(ok("ListUsers").body), json::to_text(audit.body)})
    for (const auto& hidden : {token, secret}) EXPECT_EQ(seen.find(hidden), std::string::npos) << seen;
  expect_error("AlreadyExistsException", "CreateUser", user("alice", {"*"}));
}

TEST_F(UsersTest, NobodyRaisesHimselfOrOthers) {
  add_clerk();
  const auto as_clerk = [&](std::string_view operation, const json::Object& request) {
    return call(operation, request, kClerkToken);
  };
  const auto before = audit_entries();
  for (const char* more : {"*", "ssm:*", "ssm:SendCommand", "belay:*", "belay:GetNode"}) {
    for (const auto& name : {std::string("puppet"), std::string("clerk")}) {
      const auto answer = as_clerk(name == "clerk" ? "UpdateUser" : "CreateUser", user(name, {"ssm:Describe*", more}));
      EXPECT_EQ(answer.type, "AccessDeniedException") << more;
      EXPECT_NE(answer.message.find("Permissions: '" + std::string(more) + "'"), std::string::npos) << answer.message;
    }
  }
  // A token in the name of somebody who has more would be more; so would be shutting him out.
  const json::Object admin{{"UserName", "admin"}};
  json::Object token = admin, disable = admin;
  token["TokenName"] = "mine";
  disable["Enabled"] = false;
  EXPECT_EQ(as_clerk("CreateUserToken", token).type, "AccessDeniedException");
  EXPECT_EQ(as_clerk("DeleteUserToken", token).type, "AccessDeniedException");
  EXPECT_EQ(as_clerk("UpdateUser", disable).type, "AccessDeniedException");
  EXPECT_EQ(as_clerk("DeleteUser", admin).type, "AccessDeniedException");
  EXPECT_EQ(audit_entries(), before);
  EXPECT_EQ(as_clerk("CreateUser", user("reader", {"ssm:DescribeActivations", "belay:ListUsers"})).status, 200);
}

TEST_F(UsersTest, TheAdministratorStays) {
  const auto before = audit_entries();
  expect_error("InvalidStateException", "DeleteUser", json::Object{{"UserName", "admin"}});
  expect_error("InvalidStateException", "UpdateUser", json::Object{{"UserName", "admin"}, {"Enabled", false}});
  expect_error("InvalidStateException", "UpdateUser", user("admin", {"ssm:*", "belay:*"}));
  expect_error("AlreadyExistsException", "CreateUser", user("admin", {"*"}));
  for (const char* name : {"Admin", "belayd", "BELAYD"})
    EXPECT_NE(expect_error("ValidationException", "CreateUser", user(name, {"*"})).find(name), std::string::npos);
  EXPECT_EQ(audit_entries(), before);
  ok("UpdateUser", user("admin", {"*", "ssm:*"}));
}

TEST_F(UsersTest, ChangesCountAtOnce) {
  const auto token = make("alice", {"belay:ListUsers"});
  const auto asks = [&] { return call("ListUsers", json::Object(), token).type; };
  EXPECT_EQ(asks(), "");
  ok("UpdateUser", user("alice", {"ssm:*"}));
  EXPECT_EQ(asks(), "AccessDeniedException");
  ok("UpdateUser", json::Object{{"UserName", "alice"}, {"Permissions", json::Array{"belay:*"}}, {"Enabled", false}});
  EXPECT_EQ(asks(), "UnrecognizedClientException");
  ok("UpdateUser", json::Object{{"UserName", "alice"}, {"Enabled", true}});
  EXPECT_EQ(asks(), "");
  EXPECT_EQ(listed("alice").at("Permissions"), json::Value(json::Array{"belay:*"}));
  ok("DeleteUser", json::Object{{"UserName", "alice"}});
  EXPECT_EQ(asks(), "UnrecognizedClientException");
  expect_error("DoesNotExistException", "DeleteUser", json::Object{{"UserName", "alice"}});
  expect_error("DoesNotExistException", "UpdateUser", json::Object{{"UserName", "alice"}, {"Enabled", true}});
  expect_error("ValidationException", "UpdateUser", json::Object{{"UserName", "admin"}});
}

TEST_F(UsersTest, TokensEndAndAreTakenBack) {
  make("alice", {"belay:ListUsers"});
  json::Object request{{"UserName", "alice"}, {"TokenName", "ci"}, {"ExpiresInDays", 2}};
  const auto made = ok("CreateUserToken", request);
  const auto asks = [&](const std::string& token) { return call("ListUsers", json::Object(), token).type; };
  EXPECT_EQ(asks(made.text("Token")), "");
  EXPECT_TRUE(json::find(made.body, "ExpiresDate"));
  expect_error("AlreadyExistsException", "CreateUserToken", request);
  clock_.advance(Duration(2LL * 24 * 3600 * 1000));
  EXPECT_EQ(asks(made.text("Token")), "ExpiredTokenException");

  const auto other = ok("CreateUserToken", json::Object{{"UserName", "alice"}, {"TokenName", "laptop"}}).text("Token");
  EXPECT_EQ(asks(other), "");
  ok("DeleteUserToken", json::Object{{"UserName", "alice"}, {"TokenName", "laptop"}});
  EXPECT_EQ(asks(other), "UnrecognizedClientException");
  expect_error("DoesNotExistException", "DeleteUserToken",
               json::Object{{"UserName", "alice"}, {"TokenName", "laptop"}});
  expect_error("DoesNotExistException", "CreateUserToken", json::Object{{"UserName", "nobody"}, {"TokenName", "x"}});
  for (int i = 0; i < 18; ++i)  // "first" and "ci" are there
    ok("CreateUserToken", json::Object{{"UserName", "alice"}, {"TokenName", "t" + std::to_string(i)}});
  expect_error("ResourceLimitExceededException", "CreateUserToken",
               json::Object{{"UserName", "alice"}, {"TokenName", "one-more"}});
}

TEST_F(UsersTest, BadFieldsAreNamed) {
  const auto before = audit_entries();
  for (const char* wrong : {"", "ec2:*", "ssm", "ssm:", "ssm:Get Document", "ssm:[a-z]*", "**", "belay:Get/Node"})
    EXPECT_NE(expect_error("ValidationException", "CreateUser", user("alice", {"ssm:*", wrong})).find("ermissions"),
              std::string::npos)
        << wrong;
  expect_error("ValidationException", "CreateUser", user("alice", {}));
  for (const char* wrong : {"", "a b", "-a", "a/b", "remedy:x", "<b>"})
    EXPECT_NE(expect_error("ValidationException", "CreateUser", user(wrong, {"ssm:*"})).find("serName"),
              std::string::npos)
        << wrong;
  EXPECT_EQ(audit_entries(), before);
}

TEST_F(UsersTest, AreListedByPages) {
  for (const char* name : {"carl", "alice", "bob"}) make(name, {"ssm:*"});
  std::vector<std::string> seen;
  json::Object request{{"MaxResults", 2}};
  for (int pages = 0; pages < 5; ++pages) {
    const auto answer = ok("ListUsers", request);
    for (const auto& row : answer.list("Users")) seen.emplace_back(row.at("UserName").as_string());
    if (answer.text("NextToken").empty()) break;
    request["NextToken"] = answer.text("NextToken");
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"admin", "alice", "bob", "carl"}));
}

}  // namespace
}  // namespace belay::server
