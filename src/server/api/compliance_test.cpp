// Compliance as SSM tells it: Patch from the verdicts, Custom:… as it was put, unknown never compliant.
#include <set>

#include "server/api/fixture_test.hpp"

namespace belay::server {
namespace {

constexpr const char* kOther = "mi-0123456789abcdef1";

class ComplianceApiTest : public ApiTest {
 protected:
  void SetUp() override {
    add_node(kNode, "web-1");
    add_node(kOther, "db-1");
    add_scan(kNode, debian_packages(), debian_offers());
  }
  // As the intake does with a scan.
  void keep_verdict_on(const char* node_id) {
    const auto kept = store_->write([&](store::Sql& sql) -> Status {
      JudgeQuestion question;
      question.node_id = node_id;
      BELAY_TRY_ASSIGN(const auto judgement, judge_->judge(sql, question));
      BELAY_TRY(judge_->record(sql, judgement, {}));
      return {};
    });
    EXPECT_TRUE(kept.ok()) << kept.error().chain();
  }
  json::Object put_request(json::Array items, const char* upload = "COMPLETE") {
    return {{"ResourceId", kNode},
            {"ResourceType", "ManagedInstance"},
            {"ComplianceType", "Custom:Antivirus"},
            {"UploadType", upload},
            {"ExecutionSummary", {{"ExecutionTime", to_unix_ms(clock_.now()) / 1000}, {"ExecutionId", "run-1"}}},
            {"Items", std::move(items)}};
  }
  static json::Object item(const char* id, const char* status, const char* severity = "HIGH") {
    return {{"Id", id}, {"Title", id}, {"Status", status}, {"Severity", severity}, {"Details", {{"Engine", "x"}}}};
  }
  static json::Object with(json::Object request, std::string_view member, json::Value value) {
    request[member] = std::move(value);
    return request;
  }
  json::Array items(json::Object request) { return ok("ListComplianceItems", request).list("ComplianceItems"); }
  static json::Object filter(const char* key, const char* value, const char* type = "EQUAL") {
    return {{"Filters", json::Array{json::Object{{"Key", key}, {"Values", json::Array{value}}, {"Type", type}}}}};
  }
  static json::Object of(const char* node) { return {{"ResourceIds", json::Array{node}}}; }
};

TEST_F(ComplianceApiTest, PatchComesFromTheVerdicts) {
  const auto all = items(of(kNode));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].at("Id"), "openssl.amd64");
  EXPECT_EQ(all[0].at("Status"), "NON_COMPLIANT");
  EXPECT_EQ(all[0].at("Details").at("PatchState"), "Missing");
  EXPECT_TRUE(all[0].at("ExecutionSummary").as_object().contains("ExecutionId"));
  EXPECT_EQ(all[1].at("Status"), "COMPLIANT");
  const auto unknown = items(of(kOther));
  ASSERT_EQ(unknown.size(), 1u) << "never scanned";
  EXPECT_EQ(unknown[0].at("Id"), "belay:never_scanned");
  EXPECT_EQ(unknown[0].at("Status"), "NON_COMPLIANT");
  EXPECT_EQ(unknown[0].at("Details").at("BelayStatus"), "UNKNOWN");
  clock_.advance(Duration(8LL * 24 * 3600 * 1000));
  const auto stale = items(of(kNode));
  ASSERT_EQ(stale.size(), 3u) << "two reasons and what was missing";
  for (const auto& row : stale) EXPECT_EQ(row.at("Status"), "NON_COMPLIANT");
}

TEST_F(ComplianceApiTest, EvidenceStandsOnEveryItem) {
  keep_verdict_on(kNode);
  auto forged = item("b", "NON_COMPLIANT");
  forged["Details"].as_object()["EvidenceSha256"] = "mine";
  ok("PutComplianceItems", put_request({item("a", "COMPLIANT"), forged}));
  std::set<std::string> custom, patch;
  const auto all = items(of(kNode));
  ASSERT_EQ(all.size(), 4u);
  for (const auto& row : all) {
    const auto& details = row.at("Details");
    (row.at("ComplianceType") == "Patch" ? patch : custom).insert(json::text_or_empty(details, "EvidenceSha256"));
    EXPECT_EQ(json::text_or_empty(details, "EvidenceSha256").size(), 64u) << row.at("Id");
    EXPECT_FALSE(json::text_or_empty(details, "EvidenceSource").empty()) << row.at("Id");
    EXPECT_EQ(json::text_or_empty(details, "ObservedDate").back(), 'Z') << row.at("Id");
  }
  EXPECT_EQ(custom.size(), 1u) << "one report, one hash";
  EXPECT_NE(custom, patch);
  EXPECT_EQ(items(filter("ComplianceType", "Custom:Antivirus"))[0].at("Details").at("EvidenceSource"), "admin");
  ok("PutComplianceItems", put_request({item("a", "COMPLIANT")}));
  EXPECT_NE(json::text_or_empty(items(filter("ComplianceType", "Custom:Antivirus"))[0].at("Details"), "EvidenceSha256"),
            *custom.begin());
}

TEST_F(ComplianceApiTest, CustomItemsWholeAndInPart) {
  ok("PutComplianceItems", put_request({item("a", "COMPLIANT"), item("b", "NON_COMPLIANT", "CRITICAL")}));
  const auto custom = [&] { return items(filter("ComplianceType", "Custom:Antivirus")); };
  ASSERT_EQ(custom().size(), 2u);
  EXPECT_EQ(custom()[1].at("Details").at("Engine"), "x");
  EXPECT_EQ(custom()[1].at("ExecutionSummary").at("ExecutionId"), "run-1");
  ok("PutComplianceItems", put_request({item("b", "COMPLIANT"), item("c", "NON_COMPLIANT", "LOW")}, "PARTIAL"));
  EXPECT_EQ(custom().size(), 3u);
  EXPECT_EQ(items(filter("Severity", "MEDIUM", "GREATER_THAN")).size(), 2u);
  EXPECT_EQ(items(filter("Status", "COMPLIANT", "NOT_EQUAL")).size(), 3u);
  EXPECT_EQ(items(filter("PatchState", "Missing")).size(), 1u);
  EXPECT_EQ(items(filter("Title", "openssl", "BEGIN_WITH")).size(), 1u);
  ok("PutComplianceItems", with(put_request({item("a", "NON_COMPLIANT")}), "ItemContentHash", "h1"));
  EXPECT_EQ(custom().size(), 1u);
  const auto before = audit_entries();
  ok("PutComplianceItems", with(put_request({item("a", "COMPLIANT")}), "ItemContentHash", "h1"));
  EXPECT_EQ(custom()[0].at("Status"), "NON_COMPLIANT") << "the same hash is passed over";
  EXPECT_EQ(audit_entries(), before);
  ok("PutComplianceItems", put_request({item("a", "COMPLIANT")}));
  clock_.advance(Duration(31LL * 24 * 3600 * 1000));
  EXPECT_EQ(custom()[0].at("Status"), "NON_COMPLIANT") << "stale";
  EXPECT_EQ(custom()[0].at("Details").at("BelayStatus"), "UNKNOWN");
}

TEST_F(ComplianceApiTest, WrongItemsAreRefusedAndNothingIsKept) {
  const auto fine = put_request({item("a", "COMPLIANT")});
  json::Array large;
  for (int i = 0; i < 210; ++i) {
    auto one = item(("i" + std::to_string(i)).c_str(), "COMPLIANT");
    one["Details"].as_object()["text"] = std::string(4000, 'x');
    large.push_back(std::move(one));
  }
  const auto before = audit_entries();
  const struct {
    const char* what;
    json::Object request;
    const char* error;
  } rows[] = {
      {"no such node", with(fine, "ResourceId", "mi-ffffffffffffffff0"), "InvalidResourceId"},
      {"another resource", with(fine, "ResourceType", "Bucket"), "InvalidResourceType"},
      {"Belay's own", with(fine, "ComplianceType", "Patch"), "InvalidItemContentException"},
      {"the associations' own", with(fine, "ComplianceType", "Association"), "InvalidItemContentException"},
      {"twice the same", put_request({item("a", "COMPLIANT"), item("a", "COMPLIANT")}), "InvalidItemContentException"},
      {"no name", put_request({json::Object{{"Severity", "LOW"}, {"Status", "COMPLIANT"}}}),
       "InvalidItemContentException"},
      {"no such status", put_request({item("a", "FINE")}), "ValidationException"},
      {"no such severity", put_request({item("a", "COMPLIANT", "DIRE")}), "ValidationException"},
      {"more than 800 KB", put_request(large), "ItemSizeLimitExceededException"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    expect_error(row.error, "PutComplianceItems", row.request);
  }
  EXPECT_EQ(audit_entries(), before);
  expect_error("InvalidFilter", "ListComplianceItems", filter("Colour", "red"));
  expect_error("InvalidResourceId", "ListComplianceItems", of("mi-ffffffffffffffff0"));
  expect_error("InvalidResourceType", "ListComplianceItems", json::Object{{"ResourceTypes", json::Array{"Bucket"}}});
}

TEST_F(ComplianceApiTest, PagesSeeEveryItemOnce) {
  ok("PutComplianceItems", put_request({item("a", "COMPLIANT"), item("b", "COMPLIANT"), item("c", "COMPLIANT")}));
  for (int size = 1; size <= 7; ++size) {
    std::vector<std::string> seen;
    json::Object ask{{"MaxResults", size}};
    for (int pages = 0; pages < 10; ++pages) {
      const auto page = ok("ListComplianceItems", ask);
      for (const auto& row : page.list("ComplianceItems"))
        seen.push_back(json::text_or_empty(row, "ResourceId") + json::text_or_empty(row, "Id"));
      EXPECT_LE(page.list("ComplianceItems").size(), static_cast<std::size_t>(size));
      if (page.text("NextToken").empty()) break;
      ask["NextToken"] = page.text("NextToken");
    }
    EXPECT_EQ(seen.size(), 6u) << "pages of " << size;
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 6u);
  }
}

TEST_F(ComplianceApiTest, Summaries) {
  ok("PutComplianceItems", put_request({item("a", "COMPLIANT"), item("b", "NON_COMPLIANT", "CRITICAL")}));
  const auto types = ok("ListComplianceSummaries").list("ComplianceSummaryItems");
  ASSERT_EQ(types.size(), 2u);
  EXPECT_EQ(types[0].at("ComplianceType"), "Custom:Antivirus");
  EXPECT_EQ(types[0].at("NonCompliantSummary").at("NonCompliantCount"), 1);
  EXPECT_EQ(types[0].at("NonCompliantSummary").at("SeveritySummary").at("CriticalCount"), 1);
  EXPECT_EQ(types[1].at("NonCompliantSummary").at("NonCompliantCount"), 2) << "one missing, one never scanned";
  const auto rows = ok("ListResourceComplianceSummaries").list("ResourceComplianceSummaryItems");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].at("ComplianceType"), "Patch");
  EXPECT_EQ(rows[0].at("CompliantSummary").at("CompliantCount"), 1);
  EXPECT_EQ(rows[0].at("NonCompliantSummary").at("NonCompliantCount"), 1);
  EXPECT_EQ(rows[1].at("OverallSeverity"), "CRITICAL");
  const auto of_type = ok("ListResourceComplianceSummaries", filter("ComplianceType", "Custom:Antivirus"));
  EXPECT_EQ(of_type.list("ResourceComplianceSummaryItems").size(), 1u);
  json::Object ask{{"MaxResults", 2}};
  const auto first = ok("ListResourceComplianceSummaries", ask);
  EXPECT_EQ(first.list("ResourceComplianceSummaryItems").size(), 2u);
  ask["NextToken"] = first.text("NextToken");
  EXPECT_EQ(ok("ListResourceComplianceSummaries", ask).list("ResourceComplianceSummaryItems").size(), 1u);
  expect_error("InvalidFilter", "ListComplianceSummaries", filter("Colour", "red"));
}

}  // namespace
}  // namespace belay::server
