#include <set>

#include "server/api/fixture_test.hpp"

namespace belay::server {
namespace {

class BaselinesTest : public ApiTest {
 protected:
  json::Object rule(int days = 7) {
    return {{"PatchFilterGroup",
             {{"PatchFilters", json::Array{json::Object{{"Key", "PRODUCT"}, {"Values", json::Array{"*"}}}}}}},
            {"ComplianceLevel", "HIGH"},
            {"ApproveAfterDays", days}};
  }
  json::Object request(const std::string& name) {
    json::Array rules;
    rules.push_back(rule());
    return {{"Name", name},
            {"OperatingSystem", "DEBIAN"},
            {"ApprovalRules", {{"PatchRules", std::move(rules)}}},
            {"ApprovedPatches", json::Array{"openssl"}},
            {"Description", "for tests"}};
  }
  std::string create(const std::string& name) { return ok("CreatePatchBaseline", request(name)).text("BaselineId"); }
};

TEST_F(BaselinesTest, CreatedReadChangedAndDeleted) {
  const std::string id = create("base");
  ASSERT_TRUE(id.starts_with("pb-")) << id;
  const auto got = ok("GetPatchBaseline", json::Object{{"BaselineId", id}});
  EXPECT_EQ(got.text("Name"), "base");
  EXPECT_EQ(got.text("OperatingSystem"), "DEBIAN");
  EXPECT_EQ(got.text("Description"), "for tests");
  EXPECT_EQ(got.body.at("ApprovalRules").at("PatchRules").as_array().size(), 1u);
  EXPECT_EQ(got.body.at("ApprovalRules").at("PatchRules").at(0).at("ApproveAfterDays"), 7);
  EXPECT_EQ(got.body.at("ApprovalRules").at("PatchRules").at(0).at("ComplianceLevel"), "HIGH");
  EXPECT_EQ(got.body.at("CreatedDate"), to_unix_ms(clock_.now()) / 1000);
  clock_.advance(Duration(60'000));
  const auto updated = ok("UpdatePatchBaseline", json::Object{{"BaselineId", id}, {"Description", "newer"}});
  EXPECT_EQ(updated.text("Description"), "newer");
  EXPECT_EQ(updated.body.at("ApprovedPatches").as_array().size(), 1u) << "what is left out stays";
  EXPECT_EQ(updated.body.at("ModifiedDate"), to_unix_ms(clock_.now()) / 1000);
  const auto replaced =
      ok("UpdatePatchBaseline", json::Object{{"BaselineId", id}, {"Name", "base"}, {"Replace", true}});
  EXPECT_EQ(replaced.text("Description"), "");
  EXPECT_TRUE(replaced.body.at("ApprovedPatches").as_array().empty());
  EXPECT_EQ(replaced.text("OperatingSystem"), "DEBIAN") << "never changes";
  ok("DeletePatchBaseline", json::Object{{"BaselineId", id}});
  expect_error("DoesNotExistException", "GetPatchBaseline", json::Object{{"BaselineId", id}});
  ok("DeletePatchBaseline", json::Object{{"BaselineId", id}});
}

TEST_F(BaselinesTest, AnArnNamesItToo) {
  const std::string id = create("base");
  EXPECT_EQ(
      ok("GetPatchBaseline", json::Object{{"BaselineId", "arn:aws:ssm:us-east-1:123456789012:patchbaseline/" + id}})
          .text("BaselineId"),
      id);
}

// They would have no effect: the node's own repositories count.
TEST_F(BaselinesTest, SourcesAreRefusedAndNothingOfThemIsKept) {
  const std::string id = create("plain");
  const auto before = audit_entries();
  const json::Array sources{json::Object{{"Name", "mirror"},
                                         {"Products", json::Array{"*"}},
                                         {"Configuration", "deb https://user:hunter2@mirror.example.org b main"}}};
  auto wanted = request("with-source");
  wanted["Sources"] = sources;
  EXPECT_NE(expect_error("ValidationException", "CreatePatchBaseline", wanted).find("onfigure the repository on"),
            std::string::npos);
  const auto said = expect_error("ValidationException", "UpdatePatchBaseline",
                                 json::Object{{"BaselineId", id}, {"Sources", sources}});
  EXPECT_NE(said.find("Sources"), std::string::npos) << said;
  EXPECT_EQ(audit_entries(), before);
  EXPECT_EQ(json::to_text(ok("ListAudit", json::Object{{"Resource", id}}).body).find("hunter2"), std::string::npos);
  ok("UpdatePatchBaseline", json::Object{{"BaselineId", id}, {"Sources", json::Array{}}});
}

TEST_F(BaselinesTest, EveryChangeIsInTheAuditLog) {
  const auto before = audit_entries();
  const std::string id = create("audited");
  ok("RegisterDefaultPatchBaseline", json::Object{{"BaselineId", id}});
  EXPECT_EQ(audit_entries(), before + 2);
  const auto log = ok("ListAudit", json::Object{{"Resource", id}});
  ASSERT_EQ(log.list("Entries").size(), 2u);
  EXPECT_EQ(json::text_or_empty(log.list("Entries")[1], "Action"), "ssm:CreatePatchBaseline");
  EXPECT_EQ(json::text_or_empty(log.list("Entries")[1], "Actor"), "admin");
  const auto verified = ok("VerifyAudit");
  EXPECT_EQ(verified.body.at("Intact"), true);
  EXPECT_EQ(verified.body.at("Checked"), audit_entries());
}

TEST_F(BaselinesTest, AClientTokenIsTakenOnce) {
  auto wanted = request("once");
  wanted["ClientToken"] = "token-0001";
  const auto before = audit_entries();
  const std::string id = ok("CreatePatchBaseline", wanted).text("BaselineId");
  EXPECT_EQ(ok("CreatePatchBaseline", wanted).text("BaselineId"), id);
  EXPECT_EQ(audit_entries(), before + 1);
  wanted["Description"] = "another";
  expect_error("IdempotentParameterMismatch", "CreatePatchBaseline", wanted);
}

TEST_F(BaselinesTest, PredefinedOnesAreThereAndReadOnly) {
  const auto listed =
      ok("DescribePatchBaselines",
         json::Object{{"Filters", json::Array{json::Object{{"Key", "OWNER"}, {"Values", json::Array{"AWS"}}}}}});
  std::set<std::string> names;
  std::string debian;
  for (const auto& identity : listed.list("BaselineIdentities")) {
    names.insert(json::text_or_empty(identity, "BaselineName"));
    EXPECT_EQ(identity.at("DefaultBaseline"), true);
    if (json::text_or_empty(identity, "OperatingSystem") == "DEBIAN")
      debian = json::text_or_empty(identity, "BaselineId");
  }
  EXPECT_TRUE(names.contains("AWS-DebianDefaultPatchBaseline"));
  EXPECT_TRUE(names.contains("AWS-UbuntuDefaultPatchBaseline"));
  expect_error("ValidationException", "UpdatePatchBaseline",
               json::Object{{"BaselineId", debian}, {"Description", "x"}});
  expect_error("ValidationException", "DeletePatchBaseline", json::Object{{"BaselineId", debian}});
  EXPECT_EQ(ok("GetDefaultPatchBaseline", json::Object{{"OperatingSystem", "DEBIAN"}}).text("BaselineId"), debian);
  EXPECT_EQ(ok("GetDefaultPatchBaseline").text("OperatingSystem"), "WINDOWS");
}

TEST_F(BaselinesTest, DefaultsAndGroups) {
  const std::string id = create("base"), other = create("other");
  ok("RegisterDefaultPatchBaseline", json::Object{{"BaselineId", id}});
  EXPECT_EQ(ok("GetDefaultPatchBaseline", json::Object{{"OperatingSystem", "DEBIAN"}}).text("BaselineId"), id);
  expect_error("ResourceInUseException", "DeletePatchBaseline", json::Object{{"BaselineId", id}});
  ok("RegisterPatchBaselineForPatchGroup", json::Object{{"BaselineId", other}, {"PatchGroup", "web"}});
  ok("RegisterPatchBaselineForPatchGroup", json::Object{{"BaselineId", other}, {"PatchGroup", "web"}});
  expect_error("AlreadyExistsException", "RegisterPatchBaselineForPatchGroup",
               json::Object{{"BaselineId", id}, {"PatchGroup", "web"}});
  expect_error("ResourceInUseException", "DeletePatchBaseline", json::Object{{"BaselineId", other}});
  EXPECT_EQ(ok("GetPatchBaselineForPatchGroup", json::Object{{"PatchGroup", "web"}, {"OperatingSystem", "DEBIAN"}})
                .text("BaselineId"),
            other);
  EXPECT_EQ(ok("GetPatchBaselineForPatchGroup", json::Object{{"PatchGroup", "none"}, {"OperatingSystem", "DEBIAN"}})
                .text("BaselineId"),
            id);
  EXPECT_EQ(ok("GetPatchBaseline", json::Object{{"BaselineId", other}}).list("PatchGroups").size(), 1u);
  const auto groups = ok("DescribePatchGroups");
  ASSERT_EQ(groups.list("Mappings").size(), 1u);
  EXPECT_EQ(groups.list("Mappings")[0].at("BaselineIdentity").at("BaselineId"), json::Value(other));
  ok("DeregisterPatchBaselineForPatchGroup", json::Object{{"BaselineId", other}, {"PatchGroup", "web"}});
  ok("DeletePatchBaseline", json::Object{{"BaselineId", other}});
  expect_error("DoesNotExistException", "RegisterDefaultPatchBaseline", json::Object{{"BaselineId", other}});
}

TEST_F(BaselinesTest, PagesHaveEveryRowOnce) {
  std::set<std::string> made, seen;
  for (int i = 0; i < 7; ++i) made.insert(create("page-" + std::to_string(i)));
  json::Object ask{{"MaxResults", 2},
                   {"Filters", json::Array{json::Object{{"Key", "NAME_PREFIX"}, {"Values", json::Array{"page-"}}}}}};
  int pages = 0;
  for (;; ++pages) {
    const auto page = ok("DescribePatchBaselines", ask);
    for (const auto& identity : page.list("BaselineIdentities"))
      EXPECT_TRUE(seen.insert(json::text_or_empty(identity, "BaselineId")).second);
    const std::string next = page.text("NextToken");
    if (next.empty() || pages > 20) break;
    ask["NextToken"] = next;
  }
  EXPECT_EQ(seen, made);
  EXPECT_GE(pages, 3);
  ask["MaxResults"] = 3;  // how many may change from page to page
  EXPECT_EQ(call("DescribePatchBaselines", ask).status, 200);
  ask["Filters"] = json::Array{json::Object{{"Key", "NAME_PREFIX"}, {"Values", json::Array{"other-"}}}};
  expect_error("ValidationException", "DescribePatchBaselines", ask);  // its model has no InvalidNextToken
}

TEST_F(BaselinesTest, WhatNoShapeCanSayIsRefusedToo) {
  auto both = request("both");
  auto with_both = rule();
  with_both["ApproveUntilDate"] = "2026-01-01";
  json::Array rules;
  rules.push_back(with_both);
  both["ApprovalRules"] = json::Object{{"PatchRules", rules}};
  expect_error("ValidationException", "CreatePatchBaseline", both);
  auto bad_date = request("date");
  auto with_date = rule();
  with_date.erase("ApproveAfterDays");
  with_date["ApproveUntilDate"] = "2026-02-30";
  json::Array other;
  other.push_back(with_date);
  bad_date["ApprovalRules"] = json::Object{{"PatchRules", other}};
  expect_error("ValidationException", "CreatePatchBaseline", bad_date);
  expect_error("ValidationException", "DescribePatchBaselines",
               json::Object{{"Filters", json::Array{json::Object{{"Key", "COLOUR"}, {"Values", json::Array{"red"}}}}}});
  json::Array reserved;
  reserved.push_back(json::Object{{"Key", "aws:x"}, {"Value", "1"}});
  auto tagged = request("tagged");
  tagged["Tags"] = std::move(reserved);
  expect_error("ValidationException", "CreatePatchBaseline", tagged);
}

}  // namespace
}  // namespace belay::server
