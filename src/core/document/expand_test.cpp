#include "core/document/expand.hpp"

#include <gtest/gtest.h>

namespace belay::document {
namespace {

CommandDocument document_of(const std::string& text) {
  auto document = parse_command_document(text, Format::YAML);
  EXPECT_TRUE(document.ok()) << document.error().chain();
  return document.ok() ? *document : CommandDocument{};
}

std::string runs(const std::string& inner, const std::string& more = "") {
  return "schemaVersion: '2.2'\nmainSteps:\n- action: aws:runDocument\n  name: run\n  inputs:\n    documentType: "
         "SSMDocument\n    documentPath: " +
         inner + "\n" + more;
}

TEST(Expand, PreconditionsAndForeignSteps) {
  const auto document = document_of(R"(
schemaVersion: '2.2'
parameters:
  Mode: {type: String, default: fast}
mainSteps:
- {action: aws:runShellScript, name: linux, precondition: {StringEquals: [linux, platformType]}, inputs: {runCommand: ls}}
- {action: aws:runPowerShellScript, name: windows, precondition: {StringEquals: [platformType, Windows]}, inputs: {runCommand: [dir]}}
- {action: aws:runShellScript, name: slow, precondition: {StringEquals: ['{{ Mode }}', slow]}, inputs: {runCommand: ls}}
)");
  const auto steps = expand(document, {}, {});
  ASSERT_TRUE(steps.ok()) << steps.error().chain();
  EXPECT_EQ((*steps)[0].skip, "");
  EXPECT_NE((*steps)[1].skip.find("unsatisfied preconditions"), std::string::npos);
  EXPECT_EQ((*steps)[1].action, "aws:runPowerShellScript");
  EXPECT_NE((*steps)[2].skip, "");
  EXPECT_EQ((*expand(document, {{"Mode", {"slow"}}}, {}))[2].skip, "");
  EXPECT_NE((*expand(document, {}, {"Windows"}))[0].skip, "");
}

TEST(Expand, InnerDocumentsTakeTheirParameters) {
  const auto inner = document_of(R"(
schemaVersion: '2.2'
parameters:
  Text: {type: String, interpolationType: ENV_VAR}
  Count: {type: Integer, default: 1}
mainSteps:
- {action: aws:runShellScript, name: say, inputs: {runCommand: "for i in $(seq {{ Count }}); do echo {{ Text }}; done"}}
- {action: aws:refreshAssociation, name: refresh}
)");
  const auto outer = document_of(R"(
schemaVersion: '2.2'
parameters:
  Name: {type: String}
  Two: {type: Integer, default: 2}
mainSteps:
- action: aws:runDocument
  name: run
  inputs:
    documentType: SSMDocument
    documentPath: arn:aws:ssm:x:1:document/Say
    documentParameters: '{"Text": "hello {{ Name }}", "Count": {{ Two }}}'
- {action: aws:refreshAssociation, name: last}
)");
  const Resolver resolver = [&](const std::string& name, const std::string&) -> Result<CommandDocument> {
    if (name == "Say") return inner;
    return Error(Code::not_found, "no document " + name, "InvalidDocument");
  };
  const auto steps = expand(outer, {{"Name", {"\", \"Count\": 9, \"x\": \""}}}, {}, resolver);
  ASSERT_TRUE(steps.ok()) << steps.error().chain();
  ASSERT_EQ(steps->size(), 4u);
  EXPECT_EQ(inner_steps_of((*steps)[0]), 2u);
  EXPECT_EQ((*steps)[1].name, "run/say");
  const auto& say = std::get<RunShellScript>((*steps)[1].work);
  EXPECT_EQ(say.environment.at("SSM_Text"), "hello \", \"Count\": 9, \"x\": \"")
      << "a value cannot change the JSON it is in";
  EXPECT_EQ(say.commands.front(), "for i in $(seq '2'); do echo \"${SSM_Text}\"; done");
  const auto back = json::decode_text<std::vector<Step>>(json::encode_text(*steps));
  ASSERT_TRUE(back.ok()) << back.error().chain();
  EXPECT_EQ(json::encode_text(*back), json::encode_text(*steps));
  EXPECT_EQ(expand(outer, {{"Name", {"x"}}}, {}).error().reason(), "InvalidDocument");
}

TEST(Expand, WhatStepsSayOutrightIsCheckedAndTold) {
  const auto step = [](const std::string& action, const std::string& inputs) {
    return document_of(
        "schemaVersion: '2.2'\nparameters:\n  Name: {type: String, default: x}\nmainSteps:\n"
        "- {action: aws:runShellScript, name: say, inputs: {runCommand: ['echo {{ Name }}']}}\n- action: " +
        action + "\n  name: step\n  inputs: " + inputs + "\n");
  };
  EXPECT_TRUE(check_literal_inputs(step("belay:patch", "{operation: Scan}")).ok());
  EXPECT_TRUE(check_literal_inputs(step("belay:patch", "{operation: '{{ Name }}'}")).ok()) << "its value may be right";
  const auto wrong = check_literal_inputs(step("belay:patch", "{operation: Scann}"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().reason(), "InvalidDocumentContent");
  EXPECT_NE(wrong.error().chain().find("mainSteps[1].inputs"), std::string::npos) << wrong.error().chain();
  EXPECT_FALSE(
      check_literal_inputs(step("aws:downloadContent", "{sourceType: HTTP, sourceInfo: {url: 'ftp://x'}}")).ok());
  EXPECT_FALSE(check_literal_inputs(step("aws:configurePackage", "{name: nginx, action: Install}")).ok());

  EXPECT_EQ(documents_named(step("aws:runDocument", "{documentType: SSMDocument, documentPath: Inner}")),
            std::vector<std::string>{"Inner"});
  EXPECT_EQ(
      documents_named(step("aws:downloadContent", R"({sourceType: SSMDocument, sourceInfo: '{"name": "Whole"}'})")),
      std::vector<std::string>{"Whole"});
  EXPECT_TRUE(
      documents_named(step("aws:runDocument", "{documentType: SSMDocument, documentPath: '{{ Name }}'}")).empty());
}

TEST(Expand, WhatItMakesIsBounded) {
  const auto inner = document_of(
      "schemaVersion: '2.2'\nparameters:\n  C: {type: StringList}\nmainSteps:\n- {action: aws:runShellScript, name: a, "
      "inputs: {runCommand: '{{ C }}'}}\n");
  std::string text = "schemaVersion: '2.2'\nparameters:\n  C: {type: StringList}\nmainSteps:\n";
  for (int i = 0; i < 20; ++i)
    text += "- {action: aws:runDocument, name: s" + std::to_string(i) +
            ", inputs: {documentType: SSMDocument, documentPath: I, documentParameters: {C: '{{ C }}'}}}\n";
  const auto outer = document_of(text);
  const Resolver resolver = [&](const std::string&, const std::string&) { return Result<CommandDocument>(inner); };
  EXPECT_TRUE(expand(outer, {{"C", {"true"}}}, {}, resolver).ok());
  EXPECT_NE(expand(outer, {{"C", {std::string(500'000, '#')}}}, {}, resolver).error().chain().find("over 4 MiB"),
            std::string::npos);
}

TEST(Expand, CirclesAndDepthAreRefused) {
  const Resolver resolver = [&](const std::string& name, const std::string&) -> Result<CommandDocument> {
    if (name == "A") return document_of(runs("B"));
    if (name == "B") return document_of(runs("C"));
    if (name == "C") return document_of(runs("A"));
    if (name.starts_with("Deep")) return document_of(runs("Deep" + std::to_string(std::stoi(name.substr(4)) + 1)));
    if (name.starts_with("Wide")) {
      const auto next = "Wide" + std::to_string(std::stoi(name.substr(4)) + 1);
      std::string more;
      for (int i = 0; i < 20; ++i)
        more += "- {action: aws:runDocument, name: s" + std::to_string(i) +
                ", inputs: {documentType: SSMDocument, documentPath: " + next + "}}\n";
      return name == "Wide6"
                 ? document_of("schemaVersion: '2.2'\nmainSteps: [{action: aws:refreshAssociation, name: a}]")
                 : document_of(runs(next, more));
    }
    return Error(Code::not_found, "no document " + name, "InvalidDocument");
  };
  const auto circle = check_inner_documents("A", document_of(runs("B")), resolver);
  EXPECT_NE(circle.error().chain().find("circle: A -> B -> C -> A"), std::string::npos) << circle.error().chain();
  EXPECT_NE(expand(document_of(runs("A")), {}, {}, resolver).error().chain().find("circle"), std::string::npos);
  EXPECT_NE(expand(document_of(runs("Deep1")), {}, {}, resolver).error().chain().find("deep"), std::string::npos);
  EXPECT_NE(expand(document_of(runs("Wide1")), {}, {}, resolver).error().chain().find("200 steps"), std::string::npos);
  EXPECT_TRUE(check_inner_documents("W", document_of(runs("Wide1")), resolver).ok()) << "each is followed once";
  EXPECT_FALSE(check_inner_documents("X", document_of(runs("Nowhere")), resolver).ok());
}

// ---- inputs of the plugins
struct Row {
  const char *inputs, *says;
  bool good = false;
};
const Row kRows[] = {
    {"aws:downloadContent, inputs: {sourceType: HTTP, sourceInfo: {url: 'https://x/y'}}", R"("location":"https://x/y")",
     true},
    {"aws:downloadContent, inputs: {sourceType: HTTP, sourceInfo: '{\"url\": \"https://x/y\"}', destinationPath: "
     "/tmp/z}",
     R"("destination":"/tmp/z")", true},
    {"aws:downloadContent, inputs: {sourceType: HTTP, sourceInfo: {url: 'http://x/y'}}", "needs sha256"},
    {"aws:downloadContent, inputs: {sourceType: HTTP, sourceInfo: {url: 'file:///etc/passwd'}}",
     "is no https:// address"},
    {"aws:downloadContent, inputs: {sourceType: HTTP, sourceInfo: {url: 'https://x', sha256: abc}}", "no SHA-256"},
    {"aws:downloadContent, inputs: {sourceType: S3, sourceInfo: {path: 'https://s3.x/b/k'}}", R"("source":"S3")", true},
    {"aws:downloadContent, inputs: {sourceType: Git, sourceInfo: {repository: 'https://x/r.git', getOptions: "
     "'commitID: abc'}}",
     R"("git_commit":"abc")", true},
    {"aws:downloadContent, inputs: {sourceType: Git, sourceInfo: {repository: 'git@x:r.git'}}", "only https://"},
    {"aws:downloadContent, inputs: {sourceType: Git, sourceInfo: {repository: 'https://x', getOptions: "
     "'branch:--upload-pack=x'}}",
     "getOptions"},
    {"aws:downloadContent, inputs: {sourceType: GitHub, sourceInfo: {owner: x}}", "owner and repository are needed"},
    {"aws:downloadContent, inputs: {sourceType: GitHub, sourceInfo: {owner: x, repository: y, path: a/b}}",
     R"("source":"Git","location":"https://github.com/x/y.git")", true},
    {"aws:downloadContent, inputs: {sourceType: GitHub, sourceInfo: {owner: x, repository: y, path: a/../../b}}",
     "leads out"},
    {"aws:downloadContent, inputs: {SourceType: SVN, SourceInfo: {}}", "sourceType is 'SVN'"},
    {"belay:patch, inputs: {operation: Scan, leaveIfNothingMissing: true}", R"("leave_if_nothing_missing":true)", true},
    {"aws:downloadContent, inputs: {sourceType: Git, sourceInfo: {repository: 'https://x', password: y}}",
     "secrets in documents"},
    {"aws:downloadContent, inputs: {sourceType: SSMDocument, sourceInfo: {name: D}}", R"("source":"SSMDocument")",
     true},
    {"aws:configurePackage, inputs: {name: AmazonSSMAgent, action: Install}", R"("name":"belay-agent")", true},
    {"aws:configurePackage, inputs: {name: nginx, action: Install}", "Distributor"},
    {"aws:configurePackage, inputs: {name: belay-agent, action: Update}", "Install,Uninstall"},
    {"aws:configurePackage, inputs: {name: belay-agent, action: Install, version: '1;x'}", "digits and dots"},
    {"aws:runDocument, inputs: {documentType: LocalPath, documentPath: doc.yaml, documentParameters: {a: 1}}",
     R"("local_path":"doc.yaml","parameters":{"a":1})", true},
    {"belay:patch, inputs: {operation: Install, installOverrideList: x, baselineOverride: y}", "exclude each other"},
    {"belay:patch, inputs: {operation: Repair}", "Scan,Install"},
    {"belay:reboot, inputs: {when: Later}", "Always,IfNeeded,Never"},
    {"aws:softwareInventory, inputs: {applications: Enabled, files: '[{\"Path\":\"/etc\"}]'}",
     R"("applications":"Enabled")", true},
};

TEST(Expand, InputsTable) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.inputs);
    const auto document =
        document_of("schemaVersion: '2.2'\nmainSteps:\n- {name: a, action: " + std::string(row.inputs) + "}\n");
    const auto steps = expand(document, {}, {});
    EXPECT_EQ(steps.ok(), row.good);
    const auto said = steps.ok() ? json::encode_text(*steps) : steps.error().chain();
    EXPECT_NE(said.find(row.says), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace belay::document
