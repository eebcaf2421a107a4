#include "core/document/built_in.hpp"

#include <gtest/gtest.h>

#include "core/document/expand.hpp"

namespace belay::document {
namespace {

Result<CommandDocument> built_in(const std::string& name, const std::string&) {
  const auto* document = find_built_in(name);
  if (!document) return Error(Code::not_found, "no document " + name, "InvalidDocument");
  return parse_command_document(document->content, Format::YAML);
}

TEST(BuiltIn, EveryDocumentIsWholeAndFollowsOurRules) {
  EXPECT_EQ(built_in_documents().size(), 10u);
  for (const auto& one : built_in_documents()) {
    SCOPED_TRACE(one.name);
    const auto document = parse_command_document(one.content, Format::YAML);
    ASSERT_TRUE(document.ok()) << document.error().chain();
    EXPECT_FALSE(document->description.empty());
    for (const auto& parameter : document->parameters) EXPECT_FALSE(parameter.description.empty()) << parameter.name;
    EXPECT_TRUE(check_inner_documents(std::string(one.name), *document, built_in).ok());
  }
}

TEST(BuiltIn, AwsNamesAnswerToo) {
  EXPECT_EQ(find_built_in("AWS-RunShellScript"), find_built_in("Belay-RunShellScript"));
  EXPECT_EQ(find_built_in("arn:aws:ssm:eu-west-1::document/AWS-RunPatchBaseline")->name, "Belay-RunPatchBaseline");
  EXPECT_EQ(aws_name_of("Belay-UpdateAgent"), "AWS-UpdateSSMAgent");
  EXPECT_EQ(aws_name_of("Belay-RestartServices"), "");
  EXPECT_EQ(find_built_in("AWS-RunPowerShellScript"), nullptr);
}

struct Row {
  const char* document;
  GivenValues given;
  std::size_t steps;   // 0: refused
  const char* expect;  // part of the steps as JSON, or of the error
};
const Row kRows[] = {
    {"AWS-RunShellScript",
     {{"commands", {"uptime", "echo '; rm -rf /'"}}},
     1,
     R"("commands":["uptime","echo '; rm -rf /'"])"},
    {"AWS-RunShellScript", {{"commands", {"uptime"}}, {"executionTimeout", {"172800"}}}, 1, R"("timeout":172800000)"},
    {"AWS-RunShellScript", {{"commands", {"uptime"}}, {"executionTimeout", {"172801"}}}, 0, "executionTimeout"},
    {"AWS-RunShellScript", {}, 0, "parameter commands has no value"},
    {"AWS-RunShellScript", {{"commands", {}}}, 0, "parameter commands has 0 items"},
    {"AWS-RunPatchBaseline", {{"Operation", {"Scan"}}}, 1, R"("belay:patch":{"operation":"Scan")"},
    {"AWS-RunPatchBaseline",
     {{"Operation", {"Install"}}, {"RebootOption", {"NoReboot"}}},
     1,
     R"("reboot_option":"NoReboot")"},
    {"AWS-RunPatchBaseline", {{"Operation", {"Remove"}}}, 0, "parameter Operation is 'Remove'"},
    {"AWS-RunPatchBaseline", {{"Operation", {"Scan"}}, {"SnapshotId", {"x"}}}, 0, "parameter SnapshotId"},
    {"AWS-RunPatchBaseline",
     {{"Operation", {"Scan"}}, {"InstallOverrideList", {"https://x/y"}}},
     0,
     "InstallOverrideList goes with"},
    {"AWS-RunPatchBaselineWithHooks", {{"Operation", {"Install"}}}, 10, "onExitHook/nothing"},
    {"AWS-RunPatchBaselineWithHooks",
     {{"Operation", {"Install"}}, {"RebootOption", {"NoReboot"}}},
     10,
     R"("when":"Never")"},
    {"AWS-RunPatchBaselineWithHooks", {{"Operation", {"Scan"}}}, 7, "[Scan, Install]"},
    {"Belay-ApplyChangeSet",
     {{"ChangeSetId", {"cs-0123456789abcdef0"}}},
     1,
     R"("change_set_id":"cs-0123456789abcdef0")"},
    {"Belay-ApplyChangeSet", {{"ChangeSetId", {"latest"}}}, 0, "allowedPattern"},
    {"AWS-UpdateSSMAgent", {}, 1, R"("name":"belay-agent","action":"Install","version":"","allow_downgrade":false)"},
    {"AWS-UpdateSSMAgent",
     {{"version", {"1.2.3"}}, {"allowDowngrade", {"true"}}},
     1,
     R"("version":"1.2.3","allow_downgrade":true)"},
    {"AWS-GatherSoftwareInventory", {{"services", {"Disabled"}}}, 1, R"("services":"Disabled")"},
    {"AWS-RefreshAssociation", {{"associationIds", {"a", "b"}}}, 1, R"("association_ids":["a","b"])"},
    {"Belay-RestartServices",
     {{"Services", {"ssh.service  cron.service"}}},
     1,
     R"("SSM_Services":"ssh.service  cron.service")"},
    {"Belay-RestartServices", {{"Services", {"ssh; reboot"}}}, 0, "allowedPattern"},
    {"AWS-ApplyAnsiblePlaybooks",
     {{"SourceType", {"Git"}},
      {"SourceInfo", {R"({"repository":"https://x/y.git","getOptions":"branch:main"})"}},
      {"ExtraVariables", {"a='; reboot'"}}},
     2,
     R"("git_branch":"main")"},
    {"AWS-ApplyAnsiblePlaybooks",
     {{"SourceType", {"HTTP"}}, {"SourceInfo", {R"({"url":"http://x/y.yml"})"}}},
     0,
     "needs sha256"},
    {"AWS-ApplyAnsiblePlaybooks",
     {{"SourceType", {"HTTP"}}, {"SourceInfo", {R"({"url":"https://x","token":"s"})"}}},
     0,
     "sourceInfo.token"},
};

TEST(BuiltIn, Table) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.document);
    const auto document = built_in(row.document, "");
    ASSERT_TRUE(document.ok()) << document.error().chain();
    const auto steps = expand(*document, row.given, {}, built_in);
    const auto said = steps.ok() ? json::encode_text(*steps) : steps.error().chain();
    ASSERT_EQ(steps.ok() ? steps->size() : 0u, row.steps) << said;
    EXPECT_NE(said.find(row.expect), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace belay::document
