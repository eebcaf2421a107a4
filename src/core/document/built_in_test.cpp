#include "core/document/built_in.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "core/document/expand.hpp"

namespace belay::document {
namespace {

Result<CommandDocument> built_in(const std::string& name, const std::string&) {
  const auto* document = find_built_in(name);
  if (!document) return Error(Code::not_found, "no document " + name, "InvalidDocument");
  return parse_command_document(document->content, Format::YAML);
}

TEST(BuiltIn, EveryDocumentIsWholeAndFollowsOurRules) {
  EXPECT_EQ(built_in_documents().size(), 13u);
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
  EXPECT_EQ(find_built_in("AWS-RunAnsiblePlaybook"), find_built_in("AWS-ApplyAnsiblePlaybooks"));
  EXPECT_EQ(aws_name_of("Belay-RunAnsiblePlaybook"), "AWS-ApplyAnsiblePlaybooks");
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
    {"AWS-RunRemoteScript",
     {{"sourceType", {"HTTP"}}, {"sourceInfo", {R"({"url": "https://h/x.sh"})"}}, {"commandLine", {"x.sh 'a b'"}}},
     2,
     R"("environment":{"SSM_commandLine":"x.sh 'a b'"})"},
    {"AWS-RunRemoteScript",
     {{"sourceType", {"GitHub"}},
      {"sourceInfo", {R"({"owner": "o", "repository": "r", "path": "x.sh"})"}},
      {"commandLine", {"x.sh"}},
      {"workingDirectory", {"content/../../other"}}},
     0,
     "workingDirectory"},
    {"AWS-RunDocument", {{"documentPath", {"/etc/team/tune.yaml"}}}, 10, R"("local_path":"/etc/team/tune.yaml")"},
    {"AWS-RunDocument",
     {{"sourceType", {"HTTP"}}, {"sourceInfo", {R"({"url": "https://h/x.yaml"})"}}, {"documentPath", {"x.yaml"}}},
     10,
     R"("local_path":"content/x.yaml")"},
    {"AWS-RunDocument",
     {{"sourceType", {"SSMDocument"}},
      {"documentPath", {"AWS-RunShellScript"}},
      {"documentParameters", {R"({"commands": ["uptime"]})"}}},
     11,
     R"("commands":["uptime"])"},
    {"AWS-RunDocument", {{"documentPath", {"../../x.yaml"}}}, 0, "documentPath"},
    {"AWS-ConfigureAWSPackage",
     {{"action", {"Install"}}, {"name", {"AmazonSSMAgent"}}},
     1,
     R"("name":"belay-agent","action":"Install")"},
    {"AWS-ConfigureAWSPackage", {{"action", {"Install"}}, {"name", {"AmazonCloudWatchAgent"}}}, 0, "only belay-agent"},
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

// The scripts of the built-in documents, run for real.
class Scripts : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_ + "/bin"); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  RunShellScript shell_of(const std::string& document, const GivenValues& given) {
    const auto steps = expand(*built_in(document, ""), given, {}, built_in);
    EXPECT_TRUE(steps.ok()) << steps.error().chain();
    for (const auto& step : *steps)
      if (const auto* shell = std::get_if<RunShellScript>(&step.work)) return *shell;
    return {};
  }
  void program(const std::string& name, const std::string& script) {
    const auto path = directory_ + "/bin/" + name;
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  // What it says on both outputs, and "exit N".
  std::string run(const RunShellScript& shell, const std::string& options = "") {
    std::ofstream(directory_ + "/script") << join(shell.commands, "\n") << "\n";
    std::ofstream variables(directory_ + "/run");
    variables << "cd " << directory_ << "\nPATH=" << directory_ << "/bin:$PATH\nexport PATH\n";
    for (const auto& [name, value] : shell.environment) {
      EXPECT_EQ(value.find('\''), std::string::npos);
      variables << "export " << name << "='" << value << "'\n";
    }
    variables << "/bin/sh " << options << " ./script 2>&1\necho \"exit $?\"\n";
    variables.close();
    std::FILE* pipe = ::popen(("/bin/sh " + directory_ + "/run").c_str(), "r");
    std::string out;
    char buffer[4096];
    while (const auto got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
    ::pclose(pipe);
    return out;
  }
  std::string directory_ = testing::TempDir() + "belay-built-in-" + std::to_string(::getpid());
};

TEST_F(Scripts, RestartServices) {
  program("systemctl", "case \"$*\" in *broken*) exit 1 ;; esac; echo \"systemctl $*\" >> calls");
  EXPECT_EQ(run(shell_of("Belay-RestartServices", {{"Services", {"ssh.service  cron.service"}}})),
            "restarted: ssh.service\nrestarted: cron.service\nexit 0\n");
  EXPECT_EQ(run(shell_of("Belay-RestartServices", {{"Services", {"broken.service cron.service"}}})),
            "not running after its restart: broken.service\nrestarted: cron.service\nexit 1\n");
  // None named: what runs replaced files is found in /proc; here at least it is well formed and ends.
  EXPECT_EQ(run(shell_of("Belay-RestartServices", {}), "-n"), "exit 0\n");
}

TEST_F(Scripts, RunAnsiblePlaybook) {
  const auto shell = [&](GivenValues more) {
    more.insert({{"SourceType", {"S3"}}, {"SourceInfo", {R"({"path":"https://x/y"})"}}});
    return shell_of("Belay-RunAnsiblePlaybook", more);
  };
  program("ansible-playbook", "for word; do printf '<%s>' \"$word\"; done; echo");
  std::ofstream(directory_ + "/site.yml") << "[]\n";
  EXPECT_EQ(
      run(shell({{"PlaybookFile", {"site.yml"}}, {"ExtraVariables", {"a=b; reboot $(reboot)"}}, {"Check", {"True"}}})),
      "<-i><localhost,><-c><local><-v><--check><--extra-vars><a=b; reboot $(reboot)><site.yml>\nexit 0\n");
  EXPECT_EQ(run(shell({{"PlaybookFile", {"a/../b.yml"}}})), "PlaybookFile leaves the content\nexit 2\n");
  EXPECT_NE(run(shell({})).find("not among what was fetched: playbook.yml"), std::string::npos);
}

}  // namespace
}  // namespace belay::document
