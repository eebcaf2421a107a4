#include <gtest/gtest.h>

#include "core/document/document.hpp"

namespace belay::document {
namespace {

TEST(ParseDocument, SchemaTwoTwo) {
  const auto document = parse_command_document(R"(---
schemaVersion: "2.2"
description: both platforms
parameters:
  Message: {type: String, default: "hi", description: what to say}
  Wait: {type: Integer, default: 5}
mainSteps:
- action: aws:runShellScript
  name: linux
  precondition: {StringEquals: [platformType, Linux]}
  inputs:
    runCommand: ["echo {{ Message }}", "sleep {{Wait}}", "docker ps --format '{{.Names}}'"]
    timeoutSeconds: "60"
    onFailure: exit
- action: aws:runPowerShellScript
  name: windows
  precondition: {StringEquals: [platformType, Windows]}
  inputs: {runCommand: ["Write-Host {{ Message }}"]}
- action: aws:runShellScript
  name: last
  inputs: {runCommand: "true", finallyStep: true}
)",
                                               Format::YAML);
  ASSERT_TRUE(document.ok()) << document.error().chain();
  ASSERT_EQ(document->steps.size(), 3u);
  EXPECT_EQ(document->steps[0].on_failure, OnFailure::exit);
  EXPECT_TRUE(document->steps[1].foreign);
  EXPECT_TRUE(document->steps[2].finally);
  EXPECT_EQ(document->parameters.size(), 2u);
  EXPECT_EQ(platform_types(*document), (std::vector<std::string>{"Linux", "Windows"}));
}

TEST(ParseDocument, PlatformsThatAParameterNames) {
  const auto platforms = [](const std::string& parameter) {
    const auto document =
        parse_command_document("schemaVersion: '2.2'\nparameters: {P: {type: String" + parameter +
                                   "}}\nmainSteps:\n- {action: 'aws:runShellScript', name: a, precondition: "
                                   "{StringEquals: [platformType, '{{ P }}']}, inputs: {runCommand: [ls]}}\n",
                               Format::YAML);
    EXPECT_TRUE(document.ok()) << document.error().chain();
    return document.ok() ? platform_types(*document) : std::vector<std::string>();
  };
  EXPECT_EQ(platforms(", allowedValues: [Windows, Linux]"), (std::vector<std::string>{"Linux", "Windows"}));
  EXPECT_EQ(platforms(", allowedValues: [MacOS, Amiga]"), std::vector<std::string>{"MacOS"});
  EXPECT_EQ(platforms(""), std::vector<std::string>{"Linux"});
}

TEST(ParseDocument, SchemaOneTwoAndTwoZero) {
  const auto old = parse_command_document(R"({
  "schemaVersion": "1.2", "description": "old",
  "parameters": {"commands": {"type": "StringList"}, "executionTimeout": {"type": "String", "default": "3600"}},
  "runtimeConfig": {"aws:runShellScript": {"properties": [
    {"id": "0.aws:runShellScript", "runCommand": "{{ commands }}", "timeoutSeconds": "{{ executionTimeout }}"}]}}})",
                                          Format::JSON);
  ASSERT_TRUE(old.ok()) << old.error().chain();
  EXPECT_EQ(old->steps[0].name, "0.aws:runShellScript");
  const auto policy = parse_command_document(
      "schemaVersion: 2.0\nmainSteps:\n- {action: aws:softwareInventory, name: a, inputs: {applications: Enabled}}\n",
      Format::YAML);
  ASSERT_TRUE(policy.ok()) << policy.error().chain();
  EXPECT_EQ(policy->schema_version, "2.0");
}

// ---- what is refused, and that its field and line are named. `%` stands for a step of a whole document.
struct Row {
  const char *name, *text, *says;
  const char* reason = "InvalidDocumentContent";
};
const Row kRows[] = {
    {"no schema", "mainSteps: []\n", "schemaVersion (line 1): is missing", "InvalidDocumentSchemaVersion"},
    {"a schema that is not", "a: 1\nschemaVersion: '3.0'\n", "schemaVersion (line 2): is \"3.0\"",
     "InvalidDocumentSchemaVersion"},
    {"automation's schema", "schemaVersion: '0.3'\n", "Command document has", "InvalidDocumentSchemaVersion"},
    {"no mapping", "- 1\n", "the document (line 1): is a list, expected a mapping"},
    {"not YAML", "a: [\n", "line 2"},
    {"empty", "  \n", "is empty"},
    {"no steps", "schemaVersion: '2.2'\nmainSteps: []\n", "mainSteps (line 2)"},
    {"a field that is not", "schemaVersion: '2.2'\nmainstep: []\n", "mainstep (line 2): is not known here"},
    {"runtimeConfig in 2.2", "schemaVersion: '2.2'\nruntimeConfig: {}\n", "runtimeConfig (line 2)"},
    {"mainSteps in 1.2", "schemaVersion: '1.2'\nmainSteps: []\n", "mainSteps (line 2): is not known here"},
    {"a plugin that is not", "%- action: aws:runShelScript\n  name: a\n",
     "mainSteps[0].action (line 6): there is no plugin 'aws:runShelScript'"},
    {"a plugin of Windows, bare", "%- action: aws:runPowerShellScript\n  name: a\n  inputs: {}\n",
     "runs on Windows nodes only"},
    {"a plugin of Windows on Linux",
     "%- action: aws:psModule\n  name: a\n  precondition: {StringEquals: [platformType, Linux]}\n",
     "runs on Windows nodes only"},
    {"no action", "%- name: a\n  inputs: {}\n", "mainSteps[0].action (line 6): is missing"},
    {"no name", "%- action: aws:refreshAssociation\n", "mainSteps[0].name (line 6): is missing"},
    {"a name of spaces", "%- action: aws:refreshAssociation\n  name: a b\n", "mainSteps[0].name (line 7)"},
    {"two of a name", "%- {action: aws:refreshAssociation, name: a}\n- {action: aws:refreshAssociation, name: a}\n",
     "mainSteps[1].name (line 7): 'a' is the name of another step"},
    {"nextStep", "%- action: aws:refreshAssociation\n  name: a\n  nextStep: b\n",
     "mainSteps[0].nextStep (line 8): belongs to Automation"},
    {"isEnd", "%- action: aws:refreshAssociation\n  name: a\n  isEnd: true\n", "belongs to Automation"},
    {"a step's field", "%- action: aws:refreshAssociation\n  name: a\n  input: {}\n",
     "mainSteps[0].input (line 8): is not known here"},
    {"an input", "%- action: aws:runShellScript\n  name: a\n  inputs:\n    runComand: [x]\n",
     "mainSteps[0].inputs.runComand (line 9): aws:runShellScript has no such input"},
    {"an input missing", "%- action: aws:runShellScript\n  name: a\n  inputs: {}\n",
     "mainSteps[0].inputs.runCommand (line 8): is missing"},
    {"a script of numbers", "%- action: aws:runShellScript\n  name: a\n  inputs: {runCommand: [1]}\n",
     "mainSteps[0].inputs.runCommand[0] (line 8): is no text"},
    {"no time", "%- action: aws:runShellScript\n  name: a\n  inputs: {runCommand: [x], timeoutSeconds: 172801}\n",
     "expected 1 to 172800 seconds"},
    {"a time for what has none", "%- action: aws:refreshAssociation\n  name: a\n  timeoutSeconds: 5\n",
     "has no such input"},
    {"onFailure", "%- action: aws:refreshAssociation\n  name: a\n  inputs: {onFailure: Abort}\n",
     "expected one of exit,successAndExit"},
    {"finally first",
     "%- action: aws:refreshAssociation\n  name: a\n  inputs: {finallyStep: true}\n- {action: aws:refreshAssociation, "
     "name: b}\n",
     "only the last step"},
    {"precondition in 2.0",
     "schemaVersion: '2.0'\nmainSteps:\n- action: aws:refreshAssociation\n  name: a\n  precondition: {StringEquals: "
     "[platformType, Linux]}\n",
     "mainSteps[0].precondition (line 5): needs schemaVersion"},
    {"another operator",
     "%- action: aws:refreshAssociation\n  name: a\n  precondition: {NotEquals: [platformType, Linux]}\n",
     "NotEquals (line 8): is not known"},
    {"plain words", "%- action: aws:refreshAssociation\n  name: a\n  precondition: {StringEquals: [a, b]}\n",
     "two plain words"},
    {"an undefined name",
     "%- action: aws:runShellScript\n  name: a\n  inputs:\n    runCommand:\n    - true\n    - echo {{ Mesage }}\n",
     "mainSteps[0].inputs.runCommand[1] (line 11): {{ Mesage }} names no parameter"},
    {"an undefined name elsewhere",
     "%- action: aws:runDocument\n  name: a\n  inputs: {documentType: SSMDocument, documentPath: '{{ Doc }}'}\n",
     "documentPath (line 8): {{ Doc }} names no parameter"},
    {"Parameter Store", "%- action: aws:runShellScript\n  name: a\n  inputs: {runCommand: ['echo {{ ssm:x }}']}\n",
     "Parameter Store"},
    {"a choice", "%- action: aws:runDocument\n  name: a\n  inputs: {documentType: Local, documentPath: x}\n",
     "SSMDocument,LocalPath"},
    {"stands twice", "%- action: aws:refreshAssociation\n  name: a\n  name: b\n", "stands twice"},
    {"unused", "!  P: {type: String}\n", "parameters.P (line 6): is used nowhere"},
    {"a type", "!  P: {type: Text}\n", "parameters.P.type (line 6): is 'Text'"},
    {"a parameter's name", "!  a-b: {type: String}\n", "is no name"},
    {"a parameter's field", "!  P: {type: String, pattern: x}\n", "parameters.P.pattern (line 6)"},
    {"a pattern", "!  P: {type: String, allowedPattern: '[a-'}\n",
     "allowedPattern (line 6): '[a-' is no regular expression"},
    {"a default of the wrong type", "!  P: {type: String, default: [a]}\n  Q: {type: Integer, default: x}\n",
     "parameters.Q.default (line 7)"},
    {"a default that is not allowed", "!  P: {type: String, default: c, allowedValues: [a, b]}\n",
     "expected one of [\"a\",\"b\"]"},
    {"a default that does not match", "!  P: {type: String, default: 'x y', allowedPattern: '[a-z]+'}\n",
     "does not match its allowedPattern"},
    {"a default of Parameter Store", "!  P: {type: String, default: '{{ ssm:x }}'}\n", "Parameter Store"},
    {"limits", "!  P: {type: String, minChars: 5, maxChars: 2}\n", "minChars (line 6): is above maxChars"},
    {"items of a text", "!  P: {type: String, maxItems: 2}\n", "goes with StringList"},
    {"ENV_VAR of a list", "!  P: {type: StringList, interpolationType: ENV_VAR}\n", "ENV_VAR goes with"},
};

std::string whole(std::string_view text) {
  const std::string rest(text.substr(text[0] == '%' || text[0] == '!' ? 1 : 0));
  if (text[0] == '%') return "schemaVersion: '2.2'\n#\n#\n#\nmainSteps:\n" + rest;
  if (text[0] == '!')
    return "schemaVersion: '2.2'\nmainSteps:\n- action: aws:refreshAssociation\n  name: a\nparameters:\n" + rest;
  return rest;
}

TEST(ParseDocument, RefusalsNameFieldAndLine) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    const auto document = parse_command_document(whole(row.text), Format::YAML);
    ASSERT_FALSE(document.ok());
    EXPECT_NE(document.error().message().find(row.says), std::string::npos) << document.error().message();
    EXPECT_EQ(document.error().reason(), row.reason);
  }
}

TEST(ParseDocument, AllProblemsAtOnceAndSizes) {
  const auto document = parse_command_document(
      whole("%- action: aws:nothing\n  name: a\n- action: aws:runShellScript\n  name: b\n  inputs: {x: 1}\n"),
      Format::YAML);
  EXPECT_NE(document.error().message().find("mainSteps[0].action"), std::string::npos);
  EXPECT_NE(document.error().message().find("mainSteps[1].inputs.x"), std::string::npos);
  const auto large = parse_command_document("schemaVersion: '2.2' #" + std::string(65'536, 'x'), Format::YAML);
  EXPECT_EQ(large.error().reason(), "MaxDocumentSizeExceeded");
}

}  // namespace
}  // namespace belay::document
