// Documents of several steps over nodes, patch steps among them, through the engine.
#include "server/engine/fixture_test.hpp"

namespace belay::server {
namespace {

using Parameters = std::map<std::string, std::vector<std::string>>;

class DocumentRunTest : public EngineTest {
 protected:
  void keep_document(const std::string& name, const std::string& content, const std::string& type = "Command") {
    store::documents::Document document;
    document.name = name;
    document.document_type = type;
    store::documents::Version version;
    version.content = content;
    version.format = "YAML";
    version.sha256 = std::string(64, 'a');
    ASSERT_TRUE(disk_->write([&](store::Sql& sql) { return store::documents::create(sql, document, version); }).ok());
  }
  std::vector<store::commands::StepRow> steps(const std::string& command_id, const FakeNode& node) {
    return disk_->read([&](store::Sql& sql) { return store::commands::steps_of(sql, command_id, node.id); }).value();
  }
  static std::vector<wire::OrderKind> kinds(const FakeNode& node) {
    std::vector<wire::OrderKind> found;
    for (const auto& order : node.done) found.push_back(order.kind);
    return found;
  }
};
using Kinds = std::vector<wire::OrderKind>;
using Kind = wire::OrderKind;
using store::verdicts::Compliance;

constexpr const char* kHooked = R"(
schemaVersion: '2.2'
mainSteps:
  - {action: 'aws:runShellScript', name: before, inputs: {runCommand: [stop], onFailure: exit}}
  - {action: 'belay:patch', name: patch, inputs: {operation: Install, rebootOption: NoReboot, onFailure: exit}}
  - {action: 'aws:runShellScript', name: after, inputs: {runCommand: [start]}}
  - {action: 'aws:runShellScript', name: always, inputs: {runCommand: [tell], finallyStep: true}}
)";

TEST_F(DocumentRunTest, ScriptsAroundAPatch) {
  auto& node = with_openssl(add_node("web-1"));
  say_twice_ = true;
  keep_document("hooked", kHooked);
  const auto sent = send({}, "hooked");
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Success") << invocation(sent.command_id, node).standard_error;
  EXPECT_EQ(kinds(node), (Kinds{Kind::steps, Kind::scan, Kind::plan, Kind::patch, Kind::scan, Kind::steps}));
  EXPECT_EQ(node.done[3].patch->reboot, patchrun::Reboot::never);
  EXPECT_EQ(node.done[0].document, "hooked");
  const auto rows = steps(sent.command_id, node);
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& row : rows) EXPECT_EQ(row.status, "Success") << row.name;
  EXPECT_EQ(rows[0].standard_output, "hello\n");
  EXPECT_NE(rows[1].standard_output.find("compliance: compliant"), std::string::npos) << rows[1].standard_output;
  EXPECT_EQ(rows[1].action, "belay:patch");
  EXPECT_EQ(judged(node.id).compliance, Compliance::compliant);
  EXPECT_NE(invocation(sent.command_id, node).standard_output.find("hello\noutcome: committed"), std::string::npos);
}

TEST_F(DocumentRunTest, ASuccessThatDidNothingSaysSo) {
  auto& node = add_node("web-1");
  const std::string skipped = "precondition: {StringEquals: [platformType, Windows]}";
  const std::string head = "schemaVersion: '2.2'\nmainSteps:\n", one = "- {action: 'aws:runPowerShellScript', name: ";
  const std::string rest = ", " + skipped + ", inputs: {runCommand: [dir]}}\n";
  keep_document("windows", head + one + "a" + rest);
  keep_document("windows-twice", head + one + "a" + rest + one + "b" + rest);
  keep_document("mode",
                "schemaVersion: '2.2'\nparameters: {Mode: {type: String}}\nmainSteps:\n- {action: "
                "'aws:runShellScript', name: a, precondition: {StringEquals: ['{{ Mode }}', b]}, inputs: "
                "{runCommand: [ls]}}\n");
  const struct {
    Parameters parameters;
    const char* document;
  } rows[] = {{{}, "windows"}, {{}, "windows-twice"}, {{{"Mode", {"a"}}}, "mode"}};
  for (const auto& row : rows) {
    const auto sent = send(row.parameters, row.document);
    settle();
    const auto said = invocation(sent.command_id, node);
    EXPECT_EQ(said.status, "Success") << row.document;
    EXPECT_EQ(said.response_code, -1) << row.document;
    EXPECT_NE(said.standard_error.find("skipped due to unsatisfied preconditions"), std::string::npos)
        << row.document << ": " << said.standard_error;
  }
  const auto ran = send({{"Mode", {"b"}}}, "mode");
  settle();
  EXPECT_EQ(invocation(ran.command_id, node).response_code, 0);
  EXPECT_EQ(invocation(ran.command_id, node).standard_error, "");
}

// The rows of the steps are cut for show; the whole is not, in whichever segment it was said.
TEST_F(DocumentRunTest, WhatSeveralStepsSaidIsKeptBeyondWhatIsShown) {
  auto& node = with_openssl(add_node("web-1"));
  std::string line;
  for (int i = 0; i < 60'000; ++i) line += std::to_string(i) + "\n";
  node.says = line;
  keep_document("hooked", kHooked);
  const auto sent = send({}, "hooked");
  settle();
  ASSERT_EQ(command(sent.command_id).status, "Success") << invocation(sent.command_id, node).standard_error;
  EXPECT_LE(steps(sent.command_id, node)[0].standard_output.size(), store::commands::kStandardOutputChars);
  const auto kept = disk_->read([&](store::Sql& sql) {
    return store::commands::get_output(sql, sent.command_id, node.id, store::commands::Stream::standard_output);
  });
  ASSERT_TRUE(kept.ok());
  EXPECT_TRUE(kept->starts_with(line + "outcome: committed"));
  EXPECT_TRUE(kept->ends_with(line + line));
  EXPECT_LT(kept->size(), 3 * line.size() + 10'000) << "each once";
}

TEST_F(DocumentRunTest, AFailedHookStopsThePatchAndWhatAlwaysRunsRuns) {
  auto& node = with_openssl(add_node("web-1"));
  node.failing_steps = {"before"};
  keep_document("hooked", kHooked);
  const auto sent = send({}, "hooked");
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  EXPECT_EQ(kinds(node), Kinds{Kind::steps});
  const auto rows = steps(sent.command_id, node);
  EXPECT_EQ(rows[1].status, "Skipped");
  EXPECT_EQ(rows[3].status, "Success");
  EXPECT_EQ(invocation(sent.command_id, node).response_code, 3);
  EXPECT_NE(invocation(sent.command_id, node).standard_error.find("before"), std::string::npos);
}

TEST_F(DocumentRunTest, AFailedPatchIsNotForgottenByTheStepsAfterIt) {
  auto& node = with_openssl(add_node("web-1"));
  node.patch_outcome = patchrun::Outcome::rolled_back;
  keep_document("hooked", kHooked);
  const auto sent = send({}, "hooked");
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Failed");
  const auto rows = steps(sent.command_id, node);
  EXPECT_EQ(rows[1].status, "Failed");
  EXPECT_EQ(rows[2].status, "Skipped");
  EXPECT_EQ(rows[3].status, "Success");
  EXPECT_NE(invocation(sent.command_id, node).standard_error.find("script_failed"), std::string::npos);
}

TEST_F(DocumentRunTest, PatchesWithHooksAreDocumentsOfDocuments) {
  auto& node = with_openssl(add_node("web-1"));
  keep_document("stop-app",
                "{schemaVersion: '2.2', mainSteps: [{action: 'aws:runShellScript', name: stop, "
                "inputs: {runCommand: [stop]}}]}");
  const auto sent =
      send({{"Operation", {"Install"}}, {"PreInstallHookDocName", {"stop-app"}}}, "AWS-RunPatchBaselineWithHooks");
  settle();
  EXPECT_EQ(command(sent.command_id).status, "Success") << invocation(sent.command_id, node).standard_error;
  const auto kind = kinds(node);
  EXPECT_EQ(std::ranges::count(kind, Kind::patch), 1);
  EXPECT_LT(std::ranges::find(kind, Kind::steps), std::ranges::find(kind, Kind::patch));
  EXPECT_EQ(kind.back(), Kind::steps);
  EXPECT_EQ(judged(node.id).compliance, Compliance::compliant);
}

TEST_F(DocumentRunTest, SurvivesKillsOfTheServerAtEveryWrite) {
  for (int write = 1; write <= 40; ++write) {
    for (const bool after_commit : {false, true}) {
      SCOPED_TRACE(std::to_string(write) + (after_commit ? " after" : " before"));
      const std::string name = "n" + std::to_string(write) + (after_commit ? "a" : "b");
      auto& node = with_openssl(add_node(name));
      if (write == 1 && !after_commit) keep_document("hooked", kHooked);
      SendCommandRequest request;
      request.document_name = "hooked";
      request.instance_ids = {node.id};
      const auto sent = commands_->send(request);
      ASSERT_TRUE(sent.ok());
      store_->kill_at(write, after_commit);
      for (bool done = false; !done;) {
        try {
          recover();
          settle();
          done = true;
        } catch (const fakes::Killed&) {
          boot();
          clock_.advance(Duration(60'000));  // the lease of the dead one runs out
        }
      }
      store_->disarm();
      ASSERT_EQ(command(sent->command_id).status, "Success") << invocation(sent->command_id, node).standard_error;
      const auto said = disk_->read([&](store::Sql& sql) {
        return store::commands::get_output(sql, sent->command_id, node.id, store::commands::Stream::standard_output);
      });
      ASSERT_TRUE(said.ok());
      EXPECT_TRUE(said->starts_with("hello\noutcome: ") && said->ends_with("hello\nhello\n")) << *said;
      EXPECT_EQ(said->find("hello", 5), said->size() - 12) << "nothing is kept twice: " << *said;
      EXPECT_EQ(std::ranges::count(kinds(node), Kind::patch), 1);
      EXPECT_EQ(std::ranges::count(kinds(node), Kind::steps), 2);
      ASSERT_TRUE(nodes_->deregister(node.id, "test").ok());
      fleet_.erase(node.id);
    }
  }
}

TEST_F(DocumentRunTest, WrongDocumentsAreRefusedWithSsmsReasons) {
  add_node("web-1");
  keep_document("robot", "{schemaVersion: '0.3', mainSteps: []}", "Automation");
  keep_document("round",
                "{schemaVersion: '2.2', mainSteps: [{action: 'aws:runDocument', name: again, inputs: "
                "{documentType: SSMDocument, documentPath: round}}]}");
  const auto reason = [&](const std::string& name, const std::string& version = "") {
    SendCommandRequest request;
    request.document_name = name;
    request.document_version = version;
    request.targets = {{"InstanceIds", {"*"}}};
    return commands_->send(request).error().reason();
  };
  EXPECT_EQ(reason("nothing"), "InvalidDocument");
  EXPECT_EQ(reason("robot"), "InvalidDocument");
  EXPECT_EQ(reason("round"), "InvalidDocument");
  EXPECT_EQ(reason("round", "7"), "InvalidDocumentVersion");
  EXPECT_EQ(reason("AWS-RunShellScript", "2"), "InvalidDocumentVersion");
}

}  // namespace
}  // namespace belay::server
