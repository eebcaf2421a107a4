#include "server/api/shapes/validate.hpp"

#include <gtest/gtest.h>

namespace belay::server::shapes {
namespace {

struct Row {
  const char* what;
  const char* operation;
  const char* request;
  const char* refusal;  // "" for none; a part of the message otherwise
  Refusal::Kind kind = Refusal::Kind::validation;
};

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Validate, EachFact) {
  const std::string name_3 = "äöü", comment_100 = repeated("ü", 100), comment_101 = repeated("ü", 101);
  const std::string comment_fits = R"({"DocumentName":"AWS-RunShellScript","Comment":")" + comment_100 + "\"}";
  const std::string comment_over = R"({"DocumentName":"AWS-RunShellScript","Comment":")" + comment_101 + "\"}";
  constexpr auto serialization = Refusal::Kind::serialization;
  const Row rows[] = {
      {"least", "CreatePatchBaseline", R"({"Name":"base"})", ""},
      {"unknown members are passed over", "CreatePatchBaseline", R"({"Name":"base","Colour":"red"})", ""},
      {"null is absent", "CreatePatchBaseline", R"({"Name":"base","Description":null})", ""},
      {"required", "CreatePatchBaseline", R"({})",
       "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
      {"pattern", "CreatePatchBaseline", R"({"Name":"a b c"})",
       "Value 'a b c' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: "
       "^[a-zA-Z0-9_\\-.]{3,128}$"},
      {"a new line at the end does not slip through", "CreatePatchBaseline", "{\"Name\":\"base\\n\"}",
       "regular expression"},
      {"too short", "CreatePatchBaseline", R"({"Name":"ab"})", "Member must have length greater than or equal to 3"},
      {"enum", "CreatePatchBaseline", R"({"Name":"base","OperatingSystem":"BEOS"})",
       "Member must satisfy enum value set: [WINDOWS"},
      {"number over", "CreatePatchBaseline",
       R"({"Name":"base","ApprovalRules":{"PatchRules":[{"PatchFilterGroup":{"PatchFilters":[]},"ApproveAfterDays":361}]}})",
       "Value '361' at 'approvalRules.patchRules.1.member.approveAfterDays' failed to satisfy constraint: Member must "
       "have value less than or equal to 360"},
      {"number is text", "CreatePatchBaseline",
       R"({"Name":"base","ApprovalRules":{"PatchRules":[{"PatchFilterGroup":{"PatchFilters":[]},"ApproveAfterDays":"7"}]}})",
       "can not be converted to an Integer", serialization},
      {"number is a fraction", "DescribePatchBaselines", R"({"MaxResults":1.5})", "Integer", serialization},
      {"number beyond 32 bits", "DescribePatchBaselines", R"({"MaxResults":4294967297})", "Integer", serialization},
      {"text is a number", "CreatePatchBaseline", R"({"Name":123})", "can not be converted to a string", serialization},
      {"not a structure", "CreatePatchBaseline", R"([1])", "The request can not be converted to a structure",
       serialization},
      {"not a list", "CreatePatchBaseline", R"({"Name":"base","ApprovedPatches":"x"})", "a list", serialization},
      {"null in a list", "CreatePatchBaseline", R"({"Name":"base","ApprovedPatches":[null]})",
       "at 'approvedPatches.1.member'"},
      {"characters, not bytes", "SendCommand", comment_fits.c_str(), ""},
      {"characters over", "SendCommand", comment_over.c_str(), "length less than or equal to 100"},
      {"NUL", "SendCommand", R"({"DocumentName":"AWS-RunShellScript","Comment":"a\u0000b"})", "U+0000"},
      {"map of lists", "SendCommand", R"({"DocumentName":"AWS-RunShellScript","Parameters":{"commands":["id"]}})", ""},
      {"map of the wrong thing", "SendCommand",
       R"({"DocumentName":"AWS-RunShellScript","Parameters":{"commands":"id"}})", "a list", serialization},
      {"ids", "SendCommand",
       R"({"DocumentName":"AWS-RunShellScript","InstanceIds":["mi-0123456789abcdef0","i-01234567"]})", ""},
      {"a bad id", "SendCommand", R"({"DocumentName":"AWS-RunShellScript","InstanceIds":["mi-1"]})",
       "at 'instanceIds.1.member'"},
      {"boolean", "ListCommandInvocations", R"({"Details":"yes"})", "true or false", serialization},
      {"time as a number", "CreateActivation", R"({"IamRole":"r","ExpirationDate":1.7e9})", ""},
      {"time as text", "CreateActivation", R"({"IamRole":"r","ExpirationDate":"2026-01-01T00:00:00Z"})", ""},
      {"no time", "CreateActivation", R"({"IamRole":"r","ExpirationDate":"soon"})", "a time", serialization},
      {"ours", "CreateChangeSet", R"({"Name":"june"})", ""},
      {"ours refused", "GetChangeSet", R"({"ChangeSetId":"cs-1"})", "changeSetId"},
  };
  for (const auto& row : rows) {
    const Operation* operation = model().operation(row.operation);
    ASSERT_TRUE(operation && operation->input) << row.operation;
    const auto request = json::parse(row.request);
    ASSERT_TRUE(request.ok()) << row.what << ": " << request.error().chain();
    const auto refusal = validate(*operation->input, *request);
    if (std::string_view(row.refusal).empty()) {
      EXPECT_FALSE(refusal) << row.what << ": " << refusal->message;
      continue;
    }
    ASSERT_TRUE(refusal) << row.what;
    EXPECT_EQ(refusal->kind, row.kind) << row.what << ": " << refusal->message;
    EXPECT_NE(refusal->message.find(row.refusal), std::string::npos) << row.what << ": " << refusal->message;
  }
}

TEST(Validate, ASecretIsNeverShown) {
  const std::string secret = repeated("hush", 5'000);
  for (const auto& wrong : {secret, std::string("hush\0", 5)}) {
    const json::Object request{{"Content", "x"}, {"Secrets", json::Object{{"accessKey", wrong}}}};
    const auto refusal = validate(*model().operation("CreateVault")->input, request);
    ASSERT_TRUE(refusal);
    EXPECT_NE(refusal->message.find("'secrets.accessKey.member'"), std::string::npos) << refusal->message;
    EXPECT_EQ(refusal->message.find("hush"), std::string::npos) << refusal->message;
  }
}

TEST(Validate, CountsEveryFaultAndTellsTen) {
  json::Array filters;
  for (int i = 0; i < 25; ++i) filters.push_back(json::Object{{"Key", ""}, {"Values", json::Array{"x"}}});
  const auto refusal =
      validate(*model().operation("DescribePatchBaselines")->input, json::Object{{"Filters", std::move(filters)}});
  ASSERT_TRUE(refusal);
  EXPECT_TRUE(refusal->message.starts_with("26 validation errors detected: ")) << refusal->message;
}

TEST(Validate, EveryOperationIsDescribed) {
  std::size_t ssm = 0;
  for (const auto& [name, operation] : model().operations()) ssm += operation.ours ? 0 : 1;
  EXPECT_EQ(ssm, 146u);
  EXPECT_GE(model().operations().size() - ssm, 9u);
}

TEST(Validate, ExpensivePatternsEnd) {
  const auto pattern = Pattern::compile("^(a+)+$");
  ASSERT_TRUE(pattern.ok());
  EXPECT_FALSE(pattern->matches(std::string(5'000, 'a') + "b"));
}

TEST(Validate, RepeatsBeyondPcre2sLimitAreLeftToTheLength) {
  ASSERT_TRUE(Pattern::compile("^.{1,100000}$").ok());
  EXPECT_FALSE(Pattern::compile("^(").ok());
}

TEST(Shapes, FaultsInATableAreNamed) {
  const char* rows[] = {"op A", "st", "str Name x -", "list L Missing - -", "st S A", "st S A:B", "what is this"};
  for (const auto* row : rows) EXPECT_FALSE(Model::parse({{row, false}}).ok()) << row;
}

}  // namespace
}  // namespace belay::server::shapes
