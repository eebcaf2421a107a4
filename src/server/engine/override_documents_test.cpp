#include "server/engine/override_documents.hpp"

#include <gtest/gtest.h>

namespace belay::server {
namespace {

struct Row {
  std::string text, said;
};

TEST(BaselineOverride, RefusesWhatItDoesNotKnowByName) {
  const Row rows[] = {
      {R"([{"OperatingSystem":"DEBIAN","RejectedPatchs":["curl"]}])",
       "BaselineOverride[0]: a baseline has no member 'RejectedPatchs'; did you mean 'RejectedPatches'?"},
      {R"([{"ApprovalRules":{"Rules":[]}}])", "ApprovalRules has no member 'Rules'"},
      {R"([{"ApprovalRules":{"PatchRules":[{"ApproveAfterDay":7}]}}])", "did you mean 'ApproveAfterDays'?"},
      {R"([{"GlobalFilters":{"PatchFilters":[{"Key":"PRIORITY","Value":["*"]}]}}])", "did you mean 'Values'?"},
      {R"([{"GlobalFilters":{"Filters":[]}}])", "the filter group has no member 'Filters'"},
      {R"([{"OperatingSystem":"DEBIAN","OperatingSystem":"UBUNTU"}])", "OperatingSystem stands twice"},
      {R"([{"OperatingSystem":"DEBIAN","Sources":[{"Name":"mine"}]}])",
       "Sources: repositories are not carried to nodes"},
      {R"([{"OperatingSystem":"TEMPLEOS"}])", "OperatingSystem: expected one of"},
      {R"(["DEBIAN"])", "expected an object"},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_baseline_override(row.text);
    ASSERT_FALSE(parsed.ok()) << row.text;
    EXPECT_EQ(parsed.error().reason(), "InvalidParameters");
    EXPECT_NE(parsed.error().chain().find(row.said), std::string::npos) << parsed.error().chain();
  }
}

TEST(BaselineOverride, TakesWhatGetPatchBaselineAnswers) {
  const auto parsed = parse_baseline_override(
      R"({"BaselineId":"pb-0123456789abcdef0","Name":"mine","Description":"d","OperatingSystem":"DEBIAN",)"
      R"("GlobalFilters":{"PatchFilters":[]},"ApprovalRules":{"PatchRules":[{"PatchFilterGroup":{"PatchFilters":)"
      R"([{"Key":"PRIORITY","Values":["*"]}]},"ComplianceLevel":"HIGH","ApproveAfterDays":3,"EnableNonSecurity":true}]},)"
      R"("ApprovedPatches":[],"ApprovedPatchesComplianceLevel":"UNSPECIFIED","ApprovedPatchesEnableNonSecurity":false,)"
      R"("RejectedPatches":["curl"],"RejectedPatchesAction":"BLOCK","PatchGroups":["a"],"CreatedDate":1.5,)"
      R"("ModifiedDate":1.5,"Sources":[],"AvailableSecurityUpdatesComplianceStatus":"NON_COMPLIANT"})");
  ASSERT_TRUE(parsed.ok()) << parsed.error().chain();
  ASSERT_EQ(parsed->size(), 1U);
  EXPECT_EQ(parsed->front().rejected_patches, std::vector<std::string>{"curl"});
  EXPECT_EQ(parsed->front().available_security_updates_compliance_status,
            baseline::AvailableSecurityUpdatesComplianceStatus::NON_COMPLIANT);
}

TEST(InstallOverrideList, RefusesWhatItDoesNotKnowByName) {
  const Row rows[] = {
      {"patches:\n  - id: curl.amd64\n    titel: '7.*'\n", "a patch has no member 'titel'; did you mean 'title'?"},
      {"patches:\n  - id: curl.amd64\npatchs: []\n", "InstallOverrideList has no member 'patchs'"},
      {"patches:\n  - curl\n", "expected an object"},
      {"patches:\n  - id: a\n    id: b\n", "stands twice"},
      {"{\"patches\":7}", "expected a list"},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_override_list(row.text);
    ASSERT_FALSE(parsed.ok()) << row.text;
    EXPECT_NE(parsed.error().chain().find(row.said), std::string::npos) << parsed.error().chain();
  }
  EXPECT_TRUE(parse_override_list("patches:\n  - id: curl.amd64\n    title: '*'\n").ok());
}

}  // namespace
}  // namespace belay::server
